//! Loading: everything but the last step.
use super::{
    Loaded, Maker, PandaTriggers,
    stream::{Rows, Stream},
    talk::Talk,
};
use crate::logic::triggers::TriggerPlan;
use bluefly_protocol::{
    fault::{Fault, FaultClass},
    panda::{
        describe::FieldName,
        table::{TableMode, sequencer_words},
    },
    sequencer::{
        Buffering, Progress, Row, Sequencer, SequencerError, StartOn, Table, TableLimits, Tables,
    },
    trajectory::TriggerBits,
};
use std::time::Duration;

/// Rows that a sequencer without streaming takes.
const SHORT_TABLE: u64 = 4_096;
/// How long a sequencer may take to have read its first rows.
const READY_WITHIN: Duration = Duration::from_secs(2);

/// What a sequencer takes.
#[derive(Clone, Copy)]
struct Room {
    limits: TableLimits,
    /// Whether more may follow while it runs.
    streams: bool,
}

/// The rows of a scan, as they are given.
enum Given {
    Whole(Vec<Row>),
    Streamed(Stream),
}

/// Why a scan cannot be triggered.
enum Unfit {
    Rows(SequencerError),
    /// It has more rows than fit.
    TooMany(u64),
}

impl PandaTriggers {
    pub(super) async fn load_plan(&self, plan: &TriggerPlan) -> Result<(), Fault> {
        let talk = self.talk("load triggers")?;
        self.loaded.take();
        self.stop(&talk).await?;
        self.check_wires(&talk).await?;
        match self.maker {
            Maker::Sequencer => self.load_rows(&talk, plan).await,
            Maker::Comparison => self.load_comparison(&talk, plan).await,
        }
    }

    async fn load_rows(&self, talk: &Talk<'_>, plan: &TriggerPlan) -> Result<(), Fault> {
        self.check_gate(talk, plan)?;
        let room = self.room(talk)?;
        let given = self.rows(talk, plan, room).await?;
        self.set_pulses(talk, &plan.plan).await?;
        talk.put(&self.field("PRESCALE.RAW"), 0).await?;
        talk.put(&self.field("REPEATS"), 1).await?;
        let (rows, stream) = self.write_first(talk, given).await?;
        self.check_settings(talk, stream.is_none().then(|| rows.lines())).await?;
        let dropped = self.dropped(talk).await?;
        let first_frame = plan.first_frame;
        let frames = plan.plan.num_frames() - first_frame;
        self.loaded.replace(Some(Loaded { first_frame, frames, rows, stream, dropped }));
        Ok(())
    }

    /// Fails if a field is not what the beamline file makes of it.
    async fn check_wires(&self, talk: &Talk<'_>) -> Result<(), Fault> {
        let fields: Vec<String> =
            self.setup.wires.iter().map(|(field, _)| field.to_string()).collect();
        let found = talk.get_all(&fields).await?;
        for ((field, wanted), found) in self.setup.wires.iter().zip(found) {
            if !is_same(wanted, &found) {
                let reason = format!("{field} is {found}, and the beamline file makes it {wanted}");
                return Err(talk.failed(reason));
            }
        }
        Ok(())
    }

    /// A gate is held by a controller that was told to.
    fn check_gate(&self, talk: &Talk<'_>, plan: &TriggerPlan) -> Result<(), Fault> {
        match (&self.setup.start, plan.plan.planner().trigger_bits()) {
            (StartOn::Gate(_), TriggerBits::None | TriggerBits::EveryPoint) => {
                let controller = plan.plan.controller();
                let reason = format!(
                    "a window begins with the gate, and {controller} holds none: its trigger_bits \
                     must be row_gate"
                );
                Err(talk.task.fault(FaultClass::Rejected, reason))
            }
            (StartOn::Gate(_), TriggerBits::RowGate)
            | (StartOn::Position(_) | StartOn::Time, _) => Ok(()),
        }
    }

    fn room(&self, talk: &Talk<'_>) -> Result<Room, Fault> {
        let table = self.field("TABLE");
        let name: Option<FieldName> = table.parse().ok();
        let inventory = &talk.session.inventory;
        let shape = name.and_then(|name| inventory.field(&name)?.table.as_ref());
        let shape = shape.ok_or_else(|| talk.failed(format!("it has no table {table}")))?;
        let most = shape.max_words / shape.layout.num_words() as u64;
        let streams = inventory.identity.can_stream_tables();
        let most = if streams { most } else { most.min(SHORT_TABLE) };
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let limits = self.setup.tables.with_at_most(most);
        let limits = limits.map_err(|error| talk.failed(format!("{table}: {error}")))?;
        Ok(Room { limits, streams })
    }

    /// The rows of the scan, all of which are checked.
    async fn rows(&self, talk: &Talk<'_>, plan: &TriggerPlan, room: Room) -> Result<Given, Fault> {
        let rejected = |reason: String| talk.task.fault(FaultClass::Rejected, reason);
        let live = self.live(&plan.plan);
        let sequencer = Sequencer::new(plan.plan.axes(), self.setup.start.clone(), live);
        let sequencer = sequencer.map_err(|error| rejected(error.to_string()))?;
        let plan = plan.clone();
        let given = self.clock.foreign(move || {
            let rows = || Box::new(plan.plan.trigger_rows(plan.first_frame, &sequencer)) as Rows;
            give(rows, room)
        });
        given.await.map_err(|unfit| match unfit {
            Unfit::Rows(error) => rejected(error.to_string()),
            Unfit::TooMany(rows) => {
                let software = &talk.session.inventory.identity.software;
                rejected(format!(
                    "the frames need {rows} rows, and {} takes {} at a time: server {software} \
                     cannot append to it while it runs, which 4.0 can",
                    self.field("TABLE"),
                    room.limits.max_rows(),
                ))
            }
        })
    }

    /// Writes what is there at the beginning: all of it, or the first tables of many.
    async fn write_first(
        &self,
        talk: &Talk<'_>,
        given: Given,
    ) -> Result<(Progress, Option<Stream>), Fault> {
        let (table, mut progress) = (self.field("TABLE"), Progress::default());
        // Whatever an earlier scan has left: an append must not go on with it.
        talk.write_table(&table, TableMode::Fixed, &[]).await?;
        match given {
            Given::Whole(rows) => {
                progress.push(&rows);
                let words = sequencer_words(&rows);
                talk.write_table(&table, TableMode::Fixed, &words).await?;
                Ok((progress, None))
            }
            Given::Streamed(mut stream) => {
                while stream.is_wanted(progress.lines()) {
                    self.append(talk, (&mut stream, &mut progress)).await?;
                }
                Ok((progress, Some(stream)))
            }
        }
    }

    /// Gives the next table of a stream, if there is one.
    pub(super) async fn append(
        &self,
        talk: &Talk<'_>,
        (stream, progress): (&mut Stream, &mut Progress),
    ) -> Result<(), Fault> {
        let Some(table) = stream.next(&self.clock).await else { return Ok(()) };
        let Table { rows, last } = table.map_err(|error| talk.failed(error.to_string()))?;
        let mode = if last { TableMode::AppendLast } else { TableMode::Append };
        talk.write_table(&self.field("TABLE"), mode, &sequencer_words(&rows)).await?;
        progress.push(&rows);
        Ok(())
    }

    /// Reads back what matters, and waits until the first rows are where the sequencer takes them.
    async fn check_settings(&self, talk: &Talk<'_>, rows: Option<u64>) -> Result<(), Fault> {
        let mut wanted = vec![("ENABLE", "ZERO".to_owned()), ("REPEATS", "1".to_owned())];
        wanted.push(("PRESCALE.RAW", "0".to_owned()));
        wanted.extend(rows.map(|rows| ("TABLE.LENGTH", (rows * ROW_WORDS).to_string())));
        let fields: Vec<String> = wanted.iter().map(|(field, _)| self.field(field)).collect();
        let found = talk.get_all(&fields).await?;
        for ((field, (_, wanted)), found) in fields.iter().zip(&wanted).zip(found) {
            if found != *wanted {
                let reason = format!("{field} is {found} although {wanted} was written");
                return Err(talk.failed(reason));
            }
        }
        let state = self.field("STATE");
        if talk.has(&state) {
            talk.until(&self.clock, (&state, "WAIT_ENABLE"), READY_WITHIN).await?;
        }
        Ok(())
    }
}

/// Words of a row.
const ROW_WORDS: u64 = 4;

/// Goes through all rows, so that nothing is begun that cannot be ended.
fn give(make_rows: impl Fn() -> Rows, room: Room) -> Result<Given, Unfit> {
    let (mut rows, most) = (make_rows(), room.limits.max_rows());
    let head =
        rows.by_ref().take(most + 1).collect::<Result<Vec<Row>, _>>().map_err(Unfit::Rows)?;
    if head.len() <= most {
        return Ok(Given::Whole(head));
    }
    let mut all = head.len() as u64;
    for row in rows {
        row.map_err(Unfit::Rows)?;
        all += 1;
    }
    if !room.streams {
        return Err(Unfit::TooMany(all));
    }
    Ok(Given::Streamed(Stream::new(Tables::new(make_rows(), Buffering::Streaming, room.limits))))
}

/// Whether two values are one; numbers may be written in several ways.
fn is_same(wanted: &str, found: &str) -> bool {
    let number = |text: &str| text.parse::<f64>().ok();
    wanted == found || number(wanted).is_some_and(|wanted| number(found) == Some(wanted))
}

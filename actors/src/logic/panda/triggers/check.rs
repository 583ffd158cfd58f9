//! Whether a scan can be triggered: known from the scan alone, but for how much a sequencer takes.
use super::{
    super::super::Task,
    Maker, PandaTriggers,
    stream::{Rows, Stream},
    talk::Talk,
};
use crate::{logic::triggers::TriggerPlan, signal::panda::Session};
use bluefly_protocol::{
    fault::{Fault, FaultClass},
    panda::{
        describe::{BlockName, FieldName, Inventory},
        silence::{Silence, silence},
    },
    sequencer::{Buffering, Row, Sequencer, SequencerError, StartOn, TableLimits, Tables},
    trajectory::TriggerBits,
};

/// Rows that a sequencer without streaming takes.
const SHORT_TABLE: u64 = 4_096;

/// What a sequencer takes.
pub(super) struct Room {
    limits: TableLimits,
    appends: Appends,
}

/// Whether more rows may follow.
enum Appends {
    WhileItRuns,
    /// Its server cannot.
    Never {
        software: String,
    },
}

/// The rows of a scan, as they are given.
pub(super) enum Given {
    Whole(Vec<Row>),
    Streamed(Stream),
}

/// Why a scan cannot be triggered.
enum Unfit {
    Rows(SequencerError),
    /// It has more rows than fit.
    TooMany {
        rows: u64,
        most: usize,
        software: String,
    },
}

impl PandaTriggers {
    /// Fails as loading would, before anything is written. A PandA that is away is taken for one that
    /// streams.
    pub(super) async fn check_plan(&self, plan: &TriggerPlan) -> Result<(), Fault> {
        let task = Task { device: &self.name, operation: "trigger the scan" };
        self.check_start(task, plan)?;
        self.trains(task, &plan.plan)?;
        let session = self.seat.session();
        match self.maker {
            Maker::Comparison => self.comparison(task, plan).map(drop)?,
            Maker::Sequencer => {
                self.check_gate(task, plan)?;
                let room = match &session {
                    Some(session) => self.room(task, &session.inventory)?,
                    None => Room { limits: self.setup.tables, appends: Appends::WhileItRuns },
                };
                self.rows(task, plan, room).await.map(drop)?;
            }
        }
        match session {
            Some(session) => self.check_capture(&Talk { task, session }).await,
            None => Ok(()),
        }
    }

    /// Fails if it would capture nothing, as it is set up now: the beamline file may leave to others what
    /// leads triggers to its capture, and they may have left it at something that never goes high.
    async fn check_capture(&self, talk: &Talk<'_>) -> Result<(), Fault> {
        if self.setup.rows.is_empty() {
            return Ok(());
        }
        talk.look().await?;
        let Session { inventory, ledger, .. } = &talk.session;
        let told = |field: &FieldName| field.told(&inventory.blocks).map(|told| told.to_string());
        let used: Vec<BlockName> =
            self.blocks().iter().filter_map(|block| block.told(&inventory.blocks)).collect();
        let are_run = |block: &BlockName| {
            block.told(&inventory.blocks).is_some_and(|block| used.contains(&block))
        };
        let silent = ledger.values(|values| {
            let set = |input: &FieldName| values.get(&told(input)?).cloned();
            self.setup.rows.iter().find_map(|field| {
                let value = set(field)?;
                silence(&value, &set, &are_run).map(|why| (field, value, why))
            })
        });
        let Some((field, value, why)) = silent else { return Ok(()) };
        let why = match why {
            Silence::Zero => String::new(),
            Silence::Input(input) => format!(", which never goes high as {input} is ZERO"),
        };
        let reason = format!("it would capture nothing: {field} is {value}{why}");
        Err(talk.failed(reason))
    }

    /// Nothing ties the moment when triggers are let go to where the motion is then.
    fn check_start(&self, task: Task<'_>, plan: &TriggerPlan) -> Result<(), Fault> {
        let Some(axis) = plan.plan.moved() else { return Ok(()) };
        if !matches!((&self.maker, &self.setup.start), (Maker::Sequencer, StartOn::Time)) {
            return Ok(());
        }
        let reason = format!(
            "axis {axis} moves, and start_on = \"time\" begins frames when triggers are let \
             go, wherever it is: use \"position\" or \"gate\""
        );
        Err(task.fault(FaultClass::Rejected, reason))
    }

    /// A gate is held by a controller that was told to.
    pub(super) fn check_gate(&self, task: Task<'_>, plan: &TriggerPlan) -> Result<(), Fault> {
        match (&self.setup.start, plan.plan.planner().trigger_bits()) {
            (StartOn::Gate(_), TriggerBits::None | TriggerBits::EveryPoint) => {
                let controller = plan.plan.controller();
                let reason = format!(
                    "a window begins with the gate, and {controller} holds none: its trigger_bits \
                     must be row_gate"
                );
                Err(task.fault(FaultClass::Rejected, reason))
            }
            (StartOn::Gate(_), TriggerBits::RowGate)
            | (StartOn::Position(_) | StartOn::Time, _) => Ok(()),
        }
    }

    pub(super) fn room(&self, task: Task<'_>, inventory: &Inventory) -> Result<Room, Fault> {
        let failed = |reason: String| task.fault(FaultClass::Failed, reason);
        let table = FieldName::of(&self.setup.sequencer, "TABLE");
        let shape = inventory.field(&table).and_then(|info| info.table.as_ref());
        let shape = shape.ok_or_else(|| failed(format!("it has no table {table}")))?;
        let most = shape.max_words / shape.layout.num_words() as u64;
        let streams = inventory.identity.can_stream_tables();
        let most = if streams { most } else { most.min(SHORT_TABLE) };
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let limits = self.setup.tables.with_at_most(most);
        let limits = limits.map_err(|error| failed(format!("{table}: {error}")))?;
        let software = || inventory.identity.software.clone();
        let appends =
            if streams { Appends::WhileItRuns } else { Appends::Never { software: software() } };
        Ok(Room { limits, appends })
    }

    /// The rows of the scan, all of which are checked.
    pub(super) async fn rows(
        &self,
        task: Task<'_>,
        plan: &TriggerPlan,
        room: Room,
    ) -> Result<Given, Fault> {
        let rejected = |reason: String| task.fault(FaultClass::Rejected, reason);
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
            Unfit::TooMany { rows, most, software } => rejected(format!(
                "the frames need {rows} rows, and {} takes {most} at a time: server {software} \
                 cannot append to it while it runs, which 4.0 can",
                self.field("TABLE"),
            )),
        })
    }
}

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
    if let Appends::Never { software } = room.appends {
        return Err(Unfit::TooMany { rows: all, most, software });
    }
    Ok(Given::Streamed(Stream::new(Tables::new(make_rows(), Buffering::Streaming, room.limits))))
}

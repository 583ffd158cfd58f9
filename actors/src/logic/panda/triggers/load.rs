//! Loading: everything but the last step.
use super::{Course, Loaded, Maker, PandaTriggers, check::Given, stream::Stream, talk::Talk};
use crate::logic::triggers::TriggerPlan;
use bluefly_protocol::{
    fault::Fault,
    panda::{
        is_same_number,
        table::{TableMode, sequencer_words},
    },
    sequencer::{Progress, Table},
};
use std::time::Duration;

/// How long a sequencer may take to have read its first rows.
const READY_WITHIN: Duration = Duration::from_secs(2);

impl PandaTriggers {
    pub(super) async fn load_plan(&self, plan: &TriggerPlan) -> Result<(), Fault> {
        let talk = self.talk("load triggers")?;
        self.loaded.take();
        self.triggered.set(None);
        self.stop(&talk).await?;
        self.check_wires(&talk).await?;
        match self.maker {
            Maker::Sequencer => self.load_rows(&talk, plan).await,
            Maker::Comparison => self.load_comparison(&talk, plan).await,
        }
    }

    async fn load_rows(&self, talk: &Talk<'_>, plan: &TriggerPlan) -> Result<(), Fault> {
        self.check_gate(talk.task, plan)?;
        let room = self.room(talk.task, &talk.session.inventory)?;
        let given = self.rows(talk.task, plan, room).await?;
        self.set_pulses(talk, &plan.plan).await?;
        talk.put(&self.field("PRESCALE.RAW"), 0).await?;
        talk.put(&self.field("REPEATS"), 1).await?;
        let (rows, stream) = self.write_first(talk, given).await?;
        self.check_settings(talk, stream.is_none().then(|| rows.lines())).await?;
        let dropped = self.dropped(talk).await?;
        let first_frame = plan.first_frame;
        let frames = plan.plan.num_frames() - first_frame;
        // The pulses of a frame are over before its row is.
        let trailing = Duration::ZERO;
        let course = Course::Loaded;
        let loaded = Loaded { first_frame, frames, rows, course, stream, dropped, trailing };
        self.loaded.replace(Some(loaded));
        Ok(())
    }

    /// Fails if a field is not what the beamline file makes of it.
    async fn check_wires(&self, talk: &Talk<'_>) -> Result<(), Fault> {
        let fields: Vec<String> =
            self.setup.wires.iter().map(|(field, _)| field.to_string()).collect();
        let found = talk.get_all(&fields).await?;
        for ((field, wanted), found) in self.setup.wires.iter().zip(found) {
            if *wanted != found && !is_same_number(wanted, &found) {
                let reason = format!("{field} is {found}, and the beamline file makes it {wanted}");
                return Err(talk.failed(reason));
            }
        }
        Ok(())
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
        let wanted: Vec<_> =
            wanted.into_iter().map(|(field, value)| (self.field(field), value)).collect();
        talk.look().await?;
        talk.check_all(&wanted).await?;
        let state = self.field("STATE");
        if talk.has(&state) {
            talk.until(&self.clock, (&state, "WAIT_ENABLE"), READY_WITHIN).await?;
        }
        Ok(())
    }
}

/// Words of a row.
const ROW_WORDS: u64 = 4;

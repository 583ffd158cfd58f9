//! Following a sequencer by its counters, and giving it what it is yet to run.
use super::{Loaded, Maker, PandaTriggers, talk::Talk};
use bluefly_protocol::{
    fault::{Fault, FaultClass},
    sequencer::{Phase, Place, Progress},
};
use std::time::Duration;

/// How often it is looked at.
pub(super) const PERIOD: Duration = Duration::from_millis(50);

/// What a sequencer showed.
struct Seen {
    is_active: bool,
    health: String,
    place: Place,
    /// Rows that it was given and holds still.
    held_rows: u64,
}

impl PandaTriggers {
    pub(super) async fn follow_frames(&self, progress: &dyn Fn(u64)) -> Result<(), Fault> {
        let talk = self.talk("trigger the frames")?;
        let Some(loaded) = self.loaded.take() else {
            return Err(talk.failed("nothing is loaded"));
        };
        match self.maker {
            Maker::Sequencer => self.follow_rows(&talk, loaded, progress).await,
            Maker::Comparison => self.follow_comparison(&talk, &loaded, progress).await,
        }
    }

    async fn follow_rows(
        &self,
        talk: &Talk<'_>,
        mut loaded: Loaded,
        progress: &dyn Fn(u64),
    ) -> Result<(), Fault> {
        let (mut line, mut frames) = (0, loaded.first_frame);
        loop {
            let seen = self.look(talk, (line, loaded.stream.is_some())).await?;
            line = seen.place.line;
            let triggered = loaded.rows.triggered(seen.place).ok_or_else(|| {
                talk.failed(format!("it runs row {line} of {}", loaded.rows.lines()))
            })?;
            frames = frames.max(loaded.first_frame + triggered);
            progress(frames);
            loaded.rows.forget_before(line);
            let total = loaded.first_frame + loaded.frames;
            if seen.health != "OK" {
                let health = self.field("HEALTH");
                let reason = format!(
                    "{health} is \"{}\" after the triggers of {frames} frames",
                    seen.health
                );
                return Err(talk.task.fault(FaultClass::Lost, reason));
            }
            if !seen.is_active {
                return if loaded.stream.is_none() && loaded.rows.is_last(seen.place) {
                    progress(total);
                    self.check_pulses(talk, &loaded).await
                } else {
                    Err(self.ended_early(talk, &loaded, (seen.place, frames)))
                };
            }
            self.feed(talk, &mut loaded, seen.held_rows).await?;
            self.clock.sleep(PERIOD).await;
        }
    }

    /// What it shows now; `line` is the row at which it was seen last.
    async fn look(&self, talk: &Talk<'_>, (line, streams): (u64, bool)) -> Result<Seen, Fault> {
        // Whether it is active comes first: if it is not, the counters stand. They are asked for twice:
        // what is told in between belongs to them if they are the same.
        let mut fields =
            ["ACTIVE", "HEALTH", "TABLE_LINE", "LINE_REPEAT", "STATE", "LINE_REPEAT", "TABLE_LINE"]
                .map(|field| self.field(field))
                .to_vec();
        if streams {
            fields.push(self.field("TABLE.QUEUED_LINES"));
        }
        let told = talk.get_all(&fields).await?;
        let number = |index: usize| talk.number::<u32>(&fields[index], &told[index]);
        let (shown, repeat) = (number(2)?, number(3)?);
        let is_steady = (shown, repeat) == (number(6)?, number(5)?);
        let is_active = told[0] == "1";
        let phase = match told[4].as_str() {
            "PHASE1" if is_steady && is_active => Phase::First,
            "PHASE2" if is_steady && is_active => Phase::Second,
            _ => Phase::Waiting,
        };
        let place = Place { line: Progress::line(line, shown), repeat: repeat.into(), phase };
        let held_rows = if streams { number(7)?.into() } else { 0 };
        Ok(Seen { is_active, health: told[1].clone(), place, held_rows })
    }

    /// Appends tables until two wait behind the one that is run.
    async fn feed(
        &self,
        talk: &Talk<'_>,
        loaded: &mut Loaded,
        mut held_rows: u64,
    ) -> Result<(), Fault> {
        let Loaded { stream: Some(stream), rows, .. } = loaded else { return Ok(()) };
        while stream.is_wanted(held_rows) {
            let before = rows.lines();
            self.append(talk, (stream, rows)).await?;
            held_rows += rows.lines() - before;
        }
        if stream.is_over() {
            loaded.stream = None;
        }
        Ok(())
    }

    fn ended_early(
        &self,
        talk: &Talk<'_>,
        loaded: &Loaded,
        (place, frames): (Place, u64),
    ) -> Fault {
        let (sequencer, rows) = (&self.setup.sequencer, loaded.rows.lines());
        let reason = format!(
            "{sequencer} ended in row {} of {rows}, after the triggers of {frames} frames: somebody \
             else disabled it",
            place.line
        );
        talk.task.fault(FaultClass::Lost, reason)
    }

    /// Fails if a PULSE block was triggered faster than it could follow.
    pub(super) async fn check_pulses(&self, talk: &Talk<'_>, loaded: &Loaded) -> Result<(), Fault> {
        let dropped = self.dropped(talk).await?;
        let blocks = self.setup.outputs.iter().filter_map(|output| output.pulse.as_ref());
        let all = blocks.zip(loaded.dropped.iter().zip(dropped));
        for (block, (before, now)) in all {
            if now != *before {
                let reason = format!("{block} has dropped {} frames", now.abs_diff(*before));
                return Err(talk.task.fault(FaultClass::Lost, reason));
            }
        }
        Ok(())
    }
}

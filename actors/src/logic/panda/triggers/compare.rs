//! A PCOMP block in place of a sequencer: it needs no table, and makes the pulses of one line.
use super::{super::super::Task, Course, Loaded, PandaTriggers, follow::PERIOD, talk::Talk};
use crate::logic::triggers::TriggerPlan;
use bluefly_protocol::{
    fault::{Fault, FaultClass},
    sequencer::{Comparison, Live, Progress, Sense, StartOn},
};
use std::time::Duration;

const NS_PER_TICK: u64 = 8;

impl PandaTriggers {
    /// Everything but the last step, if it is a scan of one line.
    pub(super) async fn load_comparison(
        &self,
        talk: &Talk<'_>,
        plan: &TriggerPlan,
    ) -> Result<(), Fault> {
        let comparison = self.comparison(talk.task, plan)?;
        self.set_pulses(talk, &plan.plan).await?;
        self.write_comparison(talk, comparison).await?;
        let dropped = self.dropped(talk).await?;
        let trains = self.trains(talk.task, &plan.plan)?;
        let trailing = trains.iter().map(|(_, train)| train.duration()).max();
        self.loaded.replace(Some(Loaded {
            first_frame: plan.first_frame,
            frames: comparison.pulses.into(),
            rows: Progress::default(),
            course: Course::Loaded,
            stream: None,
            dropped,
            trailing: trailing.unwrap_or_default(),
        }));
        Ok(())
    }

    /// What the block is told of the scan.
    pub(super) fn comparison(
        &self,
        task: Task<'_>,
        plan: &TriggerPlan,
    ) -> Result<Comparison, Fault> {
        let rejected = |reason: String| task.fault(FaultClass::Rejected, reason);
        let block = &self.setup.sequencer;
        let inputs = match &self.setup.start {
            StartOn::Position(inputs) => inputs.as_slice(),
            StartOn::Gate(_) | StartOn::Time => &[],
        };
        let [input] = inputs else {
            let named = inputs.len();
            return Err(rejected(format!("{block} compares one position, and {named} are named")));
        };
        let scan = &plan.plan;
        let dead_ticks = match self.live(scan) {
            Live::First { dead_ticks } | Live::Centred { dead_ticks } => dead_ticks.get(),
            Live::FirstHalf => 0,
        };
        let dead_time = Duration::from_nanos(u64::from(dead_ticks) * NS_PER_TICK);
        let pieces = scan.pieces(plan.first_frame);
        let comparison = Comparison::new(input, (scan.planner(), scan.axes()), pieces, dead_time);
        comparison.map_err(|error| rejected(error.to_string()))
    }

    async fn write_comparison(&self, talk: &Talk<'_>, comparison: Comparison) -> Result<(), Fault> {
        let Comparison { start, step, width, pulses, sense } = comparison;
        let direction = match sense {
            Sense::Rising => "Positive",
            Sense::Falling => "Negative",
        };
        let values = [
            ("PRE_START", "0".to_owned()),
            ("START", start.0.to_string()),
            ("WIDTH", width.to_string()),
            ("STEP", step.to_string()),
            ("PULSES", pulses.to_string()),
            ("RELATIVE", "Absolute".to_owned()),
            ("DIR", direction.to_owned()),
        ];
        let values = values.map(|(field, value)| (self.field(field), value));
        talk.put_all(&values).await
    }

    /// As [`stop`](Self::stop); finds out how many frames of what was loaded were triggered to their end.
    pub(super) async fn stop_comparison(
        &self,
        talk: &Talk<'_>,
        course: Course,
    ) -> Result<(), Fault> {
        if course == Course::Loaded {
            return self.stop(talk).await;
        }
        // Looked at without waiting before it is stopped, as a sequencer is.
        let (before, stopped) = futures_util::join!(self.look_at_comparison(talk), self.stop(talk));
        stopped?;
        match (before, self.look_at_comparison(talk).await) {
            (Ok((was_active, _)), Ok((_, produced))) => {
                self.count_pulses(course == Course::Begun && !was_active, produced);
            }
            (Err(fault), _) | (_, Err(fault)) => {
                tracing::debug!(%fault, "nobody knows which trigger was the last");
            }
        }
        Ok(())
    }

    /// Notes what was triggered to its end, if so many pulses have risen.
    fn count_pulses(&self, has_ended: bool, produced: u64) {
        let loaded = self.loaded.borrow();
        let Some(loaded) = &*loaded else { return };
        // What PULSE blocks make of the last one may have been cut after the block had ended.
        let is_over = has_ended && produced == loaded.frames && loaded.trailing.is_zero();
        let whole = if is_over { produced } else { produced.saturating_sub(1) };
        self.note(loaded, Some(whole));
    }

    /// Whether it is active, and how many pulses have risen.
    async fn look_at_comparison(&self, talk: &Talk<'_>) -> Result<(bool, u64), Fault> {
        let fields = ["ACTIVE", "PRODUCED"].map(|field| self.field(field));
        let told = talk.get_all(&fields).await?;
        Ok((told[0] == "1", talk.number(&fields[1], &told[1])?))
    }

    pub(super) async fn follow_comparison(
        &self,
        talk: &Talk<'_>,
        loaded: &Loaded,
        progress: &dyn Fn(u64),
    ) -> Result<(), Fault> {
        let fields = ["ACTIVE", "HEALTH", "PRODUCED"].map(|field| self.field(field));
        let total = loaded.first_frame + loaded.frames;
        loop {
            // Whether it is active comes first: if it is not, the count stands.
            let told = talk.get_all(&fields).await?;
            let produced: u64 = talk.number(&fields[2], &told[2])?;
            let frames = loaded.first_frame + produced;
            self.note(loaded, Some(produced.saturating_sub(1)));
            progress(frames);
            if told[1] != "OK" {
                let reason = format!(
                    "{} is \"{}\" after the triggers of {frames} frames",
                    fields[1], told[1]
                );
                return Err(talk.task.fault(FaultClass::Lost, reason));
            }
            if told[0] != "1" {
                if produced == loaded.frames {
                    // Its last pulse may be shorter than what PULSE blocks make of it.
                    self.clock.sleep(loaded.trailing).await;
                    self.note(loaded, Some(loaded.frames));
                    progress(total);
                    return self.check_pulses(talk, loaded).await;
                }
                let reason = format!(
                    "{} ended after the triggers of {frames} frames: somebody else disabled it",
                    self.setup.sequencer
                );
                return Err(talk.task.fault(FaultClass::Lost, reason));
            }
            self.clock.sleep(PERIOD).await;
        }
    }
}

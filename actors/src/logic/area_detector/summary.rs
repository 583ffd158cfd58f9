//! Numbers of frames that are on disk, from memory.
use super::{AreaDetector, StatsRecord, Task};
use crate::logic::detector::Summary;
use bluefly_protocol::fault::{Fault, FaultClass};
use std::{ops::Range, sync::Arc};

impl AreaDetector {
    /// Numbers of frames that are on disk, from memory: as many as it has without a gap.
    ///
    /// Fails as [`FaultClass::Lost`] if the first is no longer (or not yet) in the ring.
    pub async fn summary(&self, frames: Range<u64>) -> Result<Summary, Fault> {
        let operation = format!("summarise frames {frames:?}");
        let task = self.task(&operation);
        let stats = self.stats(task)?;
        let total = task.done(stats.total.get().await)?;
        let timestamp_s = task.done(stats.timestamp_s.get().await)?;
        // Last: a slot that still has its index now had its values when they were read.
        let index = task.done(stats.index.get().await)?;
        let mut summary = Summary { first_index: frames.start, ..Summary::default() };
        let per_frame = self.setup.exposures_per_frame;
        for frame in frames.clone() {
            let exposures = per_frame.of(frame).0..per_frame.of(frame + 1).0;
            let slots: Option<Vec<usize>> =
                exposures.map(|exposure| ring_slot(&index, exposure)).collect();
            // Nothing says that the columns are of one length.
            let sum =
                |slots: &[usize]| slots.iter().map(|slot| total.get(*slot)).sum::<Option<f64>>();
            let start = |slots: &[usize]| timestamp_s.get(*slots.first()?).copied();
            let row = slots.and_then(|slots| Some((sum(&slots)?, start(&slots)?)));
            let Some((total, start_s)) = row else {
                if frame > frames.start {
                    break;
                }
                let reason = format!("frame {frame} is not in a ring of {}", index.len());
                return Err(task.fault(FaultClass::Lost, reason));
            };
            summary.total.push(total);
            summary.timestamp_s.push(start_s);
        }
        Ok(summary)
    }

    pub(super) fn stats(&self, task: Task<'_>) -> Result<&StatsRecord, Fault> {
        let reason = "it has no statistics: statistics = false in the beamline file";
        self.record.stats.as_ref().ok_or_else(|| task.fault(FaultClass::Rejected, reason))
    }
}

/// Where in a ring the values of an exposure are.
fn ring_slot(index: &Arc<[f64]>, exposure: u64) -> Option<usize> {
    let slot = usize::try_from(exposure.checked_rem(index.len() as u64)?).ok()?;
    (index[slot] == exposure as f64).then_some(slot)
}

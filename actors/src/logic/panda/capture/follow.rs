//! Following rows to the disk.
use super::{super::super::Task, PandaCapture, done, drain::END_WITHIN, file::Open, reader::Armed};
use crate::{backend::panda::capture::ArmRecord, clock::Instant};
use bluefly_protocol::fault::{Fault, FaultClass};
use std::time::Duration;

/// A capture that has all its rows and is still enabled is disarmed after so long.
const GRACE: Duration = Duration::from_millis(500);

/// How far the end of a capture is that has all its rows.
enum Ending {
    NotYet,
    /// It is disarmed then.
    Due(Instant),
    /// It was disarmed, and must be told by then.
    Disarmed(Instant),
}

impl PandaCapture {
    /// Resolves when all frames that were armed are on disk, and the PandA has told that there are no
    /// more. `progress` is told the number of frames on disk without a hole from index 0, as it changes.
    ///
    /// Fails as [`FaultClass::Lost`] as soon as it is known that a frame will never come.
    pub async fn on_disk(&self, progress: impl Fn(u64)) -> Result<(), Fault> {
        let task = self.task("bring its rows to disk");
        let not_armed = || task.fault(FaultClass::Failed, "it is not armed");
        let open = self.open_now().ok_or_else(not_armed)?;
        let frames = open.due.get().ok_or_else(not_armed)?;
        let followed = self.follow(task, (&open, frames), &progress).await;
        if followed.is_ok() {
            open.due.set(None);
        }
        let is_away = |fault: &Fault| fault.class == FaultClass::Disconnected;
        open.is_judged.set(!followed.as_ref().is_err_and(is_away));
        followed
    }

    async fn follow(
        &self,
        task: Task<'_>,
        (open, frames): (&Open, u64),
        progress: &impl Fn(u64),
    ) -> Result<(), Fault> {
        progress(open.frames_on_disk());
        let ended = self.await_end(task, (open, frames), progress).await;
        // What came before the trouble is on disk, too.
        let reconciled = self.reconcile(task, open).await;
        for arm in reconciled.iter().flatten().filter(|arm| !arm.problems.is_empty()) {
            tracing::warn!(device = %self.device, problems = arm.problems_text(), "captured");
        }
        let is_cut = open.last.borrow().as_ref().is_some_and(|record| record.end.told.is_none());
        if is_cut {
            // Its arm ends before it tells why.
            self.end_reader(task, open).await?;
        }
        let flushed = self.flush(task).await;
        progress(open.frames_on_disk());
        ended?;
        flushed?;
        reconciled?;
        open.check_written(task)?;
        match &*open.last.borrow() {
            Some(record) => verdict(task, record, (frames, || open.over_fault(task))),
            None => Err(open.over_fault(task)),
        }
    }

    /// Resolves when the capture has ended, with whatever it has.
    async fn await_end(
        &self,
        task: Task<'_>,
        (open, frames): (&Open, u64),
        progress: &impl Fn(u64),
    ) -> Result<(), Fault> {
        let (mut told, mut disk) = (open.told(), open.stream.watch());
        let (mut next_flush, mut ending) = (self.next_flush(), Ending::NotYet);
        let clock = self.clock();
        loop {
            open.absorb();
            open.check_written(task)?;
            if open.armed.get() == Armed::No {
                return Ok(());
            }
            let session = self.session(task)?;
            let Some(reader) = &mut told else { return Err(open.over_fault(task)) };
            let (kept, missed) = {
                let progress = reader.borrow_and_update();
                // Until it begins, what is told is of the arm before.
                let has_begun = progress.arms > open.arms_before.get();
                if has_begun { (progress.kept, progress.missed) } else { (0, 0) }
            };
            if missed > 0 {
                let reason = format!("{missed} rows were lost before its data port was read");
                return Err(task.fault(FaultClass::Lost, reason));
            }
            let now = clock.now();
            ending = match ending {
                Ending::NotYet if kept >= frames => Ending::Due(now + GRACE),
                Ending::Due(due) if now >= due => {
                    done(task, session.control.disarm().await)?;
                    Ending::Disarmed(clock.now() + END_WITHIN)
                }
                Ending::Disarmed(due) if now >= due => {
                    let reason =
                        format!("its end is not told {END_WITHIN:?} after it was disarmed");
                    return Err(task.fault(FaultClass::Failed, reason));
                }
                ending => ending,
            };
            tokio::select! { biased;
                changed = reader.changed() => if changed.is_err() {
                    self.end_reader(task, open).await?;
                    told = None;
                },
                changed = disk.changed() => if changed.is_ok() { progress(open.frames_on_disk()) },
                () = clock.sleep_until(next_flush.min(ending.due())) => {
                    if clock.now() >= next_flush {
                        next_flush = self.next_flush();
                        self.flush(task).await?;
                    }
                }
            }
        }
    }

    fn next_flush(&self) -> Instant {
        self.clock().now() + self.setup.flush_period
    }
}

impl Ending {
    /// When something is to be done.
    fn due(&self) -> Instant {
        match self {
            Self::NotYet => Instant::default() + Duration::MAX,
            Self::Due(due) | Self::Disarmed(due) => *due,
        }
    }
}

/// Whether what came is what was armed for; `over` is why the reader ended, if the end was not told.
fn verdict(
    task: Task<'_>,
    record: &ArmRecord,
    (frames, over): (u64, impl FnOnce() -> Fault),
) -> Result<(), Fault> {
    let end = &record.end;
    if end.received > frames {
        return Err(too_many(task, end.received, frames));
    }
    if record.problems.is_empty() {
        return Ok(());
    }
    if end.told.is_none() {
        return Err(over());
    }
    let class = if end.kept < frames { FaultClass::Lost } else { FaultClass::Failed };
    Err(task.fault(class, record.problems_text()))
}

pub(super) fn too_many(task: Task<'_>, came: u64, due: u64) -> Fault {
    let reason =
        format!("{came} rows came, and {due} were due: which of them are frames is not known");
    task.fault(FaultClass::Failed, reason)
}

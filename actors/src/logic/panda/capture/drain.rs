//! Coming to rest: disarmed, read to the end, and told in the file.
use super::{
    super::{super::Task, is_loss},
    PandaCapture, done,
    file::Open,
    follow::too_many,
    lost,
    reader::Armed,
};
use crate::{
    backend::panda::capture::{ArmRecord, BoxTells, Problem},
    logic::detector::OpenFile,
    signal::panda::Session,
};
use bluefly_protocol::fault::{Fault, FaultClass};
use std::time::Duration;

/// A capture that was disarmed ends within so long.
pub(super) const END_WITHIN: Duration = Duration::from_secs(10);
/// The same, if it is not known whether there is one.
const PERHAPS_WITHIN: Duration = Duration::from_secs(1);

impl PandaCapture {
    /// Disarms, and tells of a file that is still open so that it can be adopted or closed. Resolves
    /// when no trigger would be taken and everything captured is on disk, or cannot be brought there.
    pub async fn make_safe(&self) -> Result<Option<OpenFile>, Fault> {
        let task = self.task("make safe");
        self.come_to_rest(task).await?;
        if let Err(fault) = self.adopt(task).await {
            if self.making.borrow().is_some() {
                return Err(fault);
            }
            tracing::warn!(%fault, "the file that was asked for was not made");
        }
        let Some(open) = self.open_now() else { return Ok(None) };
        if !open.is_closing() {
            return Ok(Some(open.file()));
        }
        // Whoever asked to close it may be gone before it is closed.
        let closed = self.finish(task, &open).await;
        if self.open_now().is_some() {
            return closed.map(|()| None);
        }
        if let Err(fault) = closed {
            tracing::warn!(%fault, "it is closed all the same");
        }
        Ok(None)
    }

    /// Disarms; resolves when everything captured is on disk, with the number of frames there without
    /// a hole from index 0. Legal at any time.
    ///
    /// Fails as lost, once, if rows of the arm that is cut short are not what was captured.
    pub async fn disarm(&self) -> Result<u64, Fault> {
        let task = self.task("disarm");
        let arms = self.come_to_rest(task).await?;
        let Some(open) = self.open_now() else { return Ok(0) };
        open.check_written(task)?;
        if !open.is_judged.replace(true) {
            arms.iter().try_for_each(|arm| verdict_of_cut(task, arm))?;
        }
        Ok(open.frames_on_disk())
    }

    /// Disarms the PandA, reads what it captured to the end, and brings it to disk; tells of the arms
    /// that have ended.
    pub(super) async fn come_to_rest(&self, task: Task<'_>) -> Result<Vec<ArmRecord>, Fault> {
        let session = self.session(task)?;
        let Some(open) = self.open_now() else {
            done(task, session.control.disarm().await)?;
            return Ok(Vec::new());
        };
        open.absorb();
        // Somebody else armed it: what our reader is told of that may come late, and must not be taken
        // for what comes next.
        let is_foreign =
            open.armed.get() == Armed::No && self.status(task, &session).await?.is_busy;
        done(task, session.control.disarm().await)?;
        if is_foreign {
            self.end_reader(task, &open).await?;
        }
        self.drain(task, (&session, &open)).await?;
        let arms = self.reconcile(task, &open).await?;
        for arm in &arms {
            let text = in_words(arm.problems.iter().filter(|problem| !is_of_cut(arm, problem)));
            if !text.is_empty() {
                tracing::warn!(device = %self.device, problems = text, "captured");
            }
        }
        if !open.is_closing() {
            self.flush(task).await?;
        }
        Ok(arms)
    }

    /// Reads to the end of a capture that was disarmed. A reader that is not told the end is given up,
    /// so that nothing of this capture is ever taken for the next.
    async fn drain(&self, task: Task<'_>, (session, open): (&Session, &Open)) -> Result<(), Fault> {
        open.absorb();
        let patience = match open.armed.get() {
            Armed::No => return Ok(()),
            Armed::Perhaps => PERHAPS_WITHIN,
            Armed::Yes => END_WITHIN,
        };
        let told = open.told();
        // A PandA that knows of no reader tells none anything.
        let is_read = self.status(task, session).await?.readers > 0;
        if let Some(mut told) = told.filter(|_| is_read) {
            let since = self.clock().now();
            loop {
                open.absorb();
                if open.armed.get() == Armed::No {
                    return Ok(());
                }
                tokio::select! { biased;
                    changed = told.changed() => if changed.is_err() { break },
                    () = self.clock().sleep_until(self.haste.until(since, patience)) => break,
                    () = self.haste.hurries() => {}
                }
            }
        }
        self.end_reader(task, open).await
    }

    /// Tells in the file what became of the arms that have ended. A PandA that is out of reach is not
    /// asked what it captured: what it said at the end is known.
    ///
    /// Fails if what it says cannot be read.
    pub(super) async fn reconcile(
        &self,
        task: Task<'_>,
        open: &Open,
    ) -> Result<Vec<ArmRecord>, Fault> {
        let (mut arms, mut unread) = (Vec::new(), None);
        loop {
            let Some(end) = open.ends.borrow().front().cloned() else { break };
            let session = self.seat.session().filter(|_| end.told.is_some());
            let tells = match session {
                Some(session) => session.control.tells().await.unwrap_or_else(|error| {
                    tracing::warn!(device = %self.device, %error, "it does not tell what it captured");
                    unread = Some(error).filter(|error| !is_loss(error));
                    BoxTells::default()
                }),
                None => BoxTells::default(),
            };
            let record = ArmRecord::new(end, tells);
            if let Err(error) = open.stream.record(record.entry()) {
                tracing::warn!(device = %self.device, %error, "its file does not tell of an arm");
            }
            open.ends.borrow_mut().pop_front();
            open.last.replace(Some(record.clone()));
            arms.push(record);
        }
        match unread {
            Some(fault) => Err(lost(task, &fault)),
            None => Ok(arms),
        }
    }
}

/// Whether it is no wonder in an arm that was cut short: the frames that it lacks are taken again.
fn is_of_cut(arm: &ArmRecord, problem: &Problem) -> bool {
    match problem {
        Problem::Expected { kept, expected } => kept < expected && !has_too_many(arm),
        Problem::NoEnd
        | Problem::Reason(_)
        | Problem::Missed(_)
        | Problem::Spoilt(_)
        | Problem::Received { .. }
        | Problem::Captured { .. }
        | Problem::Health(_) => false,
    }
}

fn has_too_many(arm: &ArmRecord) -> bool {
    arm.end.plan.expected.is_some_and(|expected| arm.end.received > expected)
}

/// Whether what came of an arm that was cut short is what was captured.
fn verdict_of_cut(task: Task<'_>, arm: &ArmRecord) -> Result<(), Fault> {
    if let Some(expected) = arm.end.plan.expected.filter(|_| has_too_many(arm)) {
        return Err(too_many(task, arm.end.received, expected));
    }
    // What came before a connection was lost is there, and the rest is taken again.
    let is_known = arm.end.told.is_some();
    let wrong = arm.problems.iter().filter(|problem| is_known && !is_of_cut(arm, problem));
    match in_words(wrong) {
        text if text.is_empty() => Ok(()),
        text => Err(task.fault(FaultClass::Lost, text)),
    }
}

fn in_words<'a>(problems: impl Iterator<Item = &'a Problem>) -> String {
    problems.map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

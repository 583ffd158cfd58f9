//! Coming to rest: disarmed, read to the end, and told in the file.
use super::{super::super::Task, PandaCapture, done, file::Open, reader::Armed};
use crate::{
    backend::panda::capture::{ArmRecord, BoxTells},
    logic::detector::OpenFile,
    signal::panda::Session,
};
use bluefly_protocol::fault::Fault;
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
    pub async fn disarm(&self) -> Result<u64, Fault> {
        let task = self.task("disarm");
        self.come_to_rest(task).await?;
        let Some(open) = self.open_now() else { return Ok(0) };
        open.check_written(task)?;
        Ok(open.frames_on_disk())
    }

    /// Disarms the PandA, reads what it captured to the end, and brings it to disk.
    pub(super) async fn come_to_rest(&self, task: Task<'_>) -> Result<(), Fault> {
        let session = self.session(task)?;
        let Some(open) = self.open_now() else {
            return done(task, session.control.disarm().await);
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
        self.reconcile(&open).await;
        if open.is_closing() { Ok(()) } else { self.flush(task).await }
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
            let deadline = self.clock().now() + patience;
            loop {
                open.absorb();
                if open.armed.get() == Armed::No {
                    return Ok(());
                }
                tokio::select! { biased;
                    changed = told.changed() => if changed.is_err() { break },
                    () = self.clock().sleep_until(deadline) => break,
                }
            }
        }
        self.end_reader(task, open).await
    }

    /// Tells in the file what became of the arms that have ended. A PandA that is out of reach is not
    /// asked what it captured: what it said at the end is known.
    pub(super) async fn reconcile(&self, open: &Open) {
        loop {
            let Some(end) = open.ends.borrow().front().cloned() else { return };
            let session = self.seat.session().filter(|_| end.told.is_some());
            let tells = match session {
                Some(session) => session.control.tells().await.unwrap_or_else(|error| {
                    tracing::warn!(device = %self.device, %error, "it does not tell what it captured");
                    BoxTells::default()
                }),
                None => BoxTells::default(),
            };
            let record = ArmRecord::new(end, tells);
            if !record.problems.is_empty() {
                tracing::warn!(device = %self.device, problems = record.problems_text(), "captured");
            }
            if let Err(error) = open.stream.record(record.entry()) {
                tracing::warn!(device = %self.device, %error, "its file does not tell of an arm");
            }
            open.ends.borrow_mut().pop_front();
            open.last.replace(Some(record));
        }
    }
}

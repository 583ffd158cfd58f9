//! The reader of the data port, for as long as a file is open.
use super::{super::super::Task, ACCEPT_WITHIN, PandaCapture, file::Open};
use crate::{
    backend::panda::capture::{ArmPlan, CaptureError, CaptureHandle, Progress, Settings, Target},
    watch,
};
use bluefly_protocol::{
    fault::{Fault, FaultClass},
    panda::data::{DataError, DataRequest, Process},
};
use futures_util::FutureExt as _;
use std::{cell::RefCell, time::Duration};

/// Whether rows may come that were not asked for anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Armed {
    No,
    /// It was told to, and nobody heard whether it does.
    Perhaps,
    /// The end will come.
    Yes,
}

/// Why there is no reader any more.
#[derive(Clone, Debug)]
pub(super) struct Over {
    class: FaultClass,
    reason: String,
}

/// How long a reader may take to hand over what it has.
const STOP_WITHIN: Duration = Duration::from_secs(15);

impl Open {
    /// How far the reader is; `None` if there is none.
    pub(super) fn told(&self) -> Option<watch::Receiver<Progress>> {
        self.reader.borrow().as_ref().map(CaptureHandle::progress)
    }

    /// Tells the reader of the arm that follows.
    pub(super) fn expect(&self, plan: ArmPlan) {
        self.last.take();
        self.due.set(None);
        self.is_judged.set(false);
        self.armed.set(Armed::Perhaps);
        let told = self.told();
        self.arms_before.set(told.map_or(0, |told| told.borrow().arms));
        if let Some(reader) = &*self.reader.borrow() {
            reader.expect(plan);
        }
    }

    /// Takes in which arms have ended.
    pub(super) fn absorb(&self) {
        let mut reader = self.reader.borrow_mut();
        while let Some(end) = reader.as_mut().and_then(CaptureHandle::ended_by_now) {
            self.armed.set(Armed::No);
            self.ends.borrow_mut().push_back(end);
        }
    }

    /// Whether the connection of the reader has ended.
    fn is_over(&self) -> bool {
        let Some(mut told) = self.told() else { return false };
        loop {
            match told.changed().now_or_never() {
                None => return false,
                Some(Ok(())) => {}
                Some(Err(_)) => return true,
            }
        }
    }
}

impl PandaCapture {
    /// Resolves when a reader of the data port is accepted, so that an arm misses nothing.
    pub(super) async fn connect(&self, task: Task<'_>, open: &Open) -> Result<(), Fault> {
        if open.is_over() {
            self.end_reader(task, open).await?;
        }
        if open.reader.borrow().is_none() {
            let request = DataRequest::framed(Process::Raw);
            let (stream, columns) = (open.stream.clone(), open.columns.clone());
            let settings = Settings::new(request, Target::Open { stream, columns });
            let started = self.port.start(settings, self.storage.clone()).await;
            let reader = started.map_err(|error| Over::of(&error).fault(task))?;
            *open.reader.borrow_mut() = Some(reader);
        }
        let Some(mut told) = open.told() else { return Ok(()) };
        let accepted = told.wait_for(|progress| progress.is_accepted);
        match self.clock().timeout(ACCEPT_WITHIN, accepted).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => {
                self.end_reader(task, open).await?;
                Err(open.over_fault(task))
            }
            Err(_) => {
                self.end_reader(task, open).await?;
                let reason = format!("data port: the request is not answered in {ACCEPT_WITHIN:?}");
                Err(task.fault(FaultClass::Disconnected, reason))
            }
        }
    }

    /// Lets the reader end; what it had is on its way to the disk then, and the ends of its arms are
    /// known.
    pub(super) async fn end_reader(&self, task: Task<'_>, open: &Open) -> Result<(), Fault> {
        let mut taken = Taken::of(&open.reader);
        if let Some(reader) = &mut taken.reader {
            reader.stop();
            let finished = self.haste.within(STOP_WITHIN, reader.finished()).await;
            let finished = finished.map_err(|after| {
                let reason = format!("the reader of its rows does not end within {after:?}");
                task.fault(FaultClass::Failed, reason)
            })?;
            let over = match &finished {
                Ok(()) => Over::closed(),
                Err(error) => Over::of(error),
            };
            tracing::debug!(device = %task.device, why = over.reason, "its reader has ended");
            open.over.replace(Some(over));
        }
        drop(taken);
        open.absorb();
        open.reader.take();
        open.armed.set(Armed::No);
        Ok(())
    }
}

impl Open {
    /// Why there is no reader any more.
    pub(super) fn over_fault(&self, task: Task<'_>) -> Fault {
        let over = self.over.borrow().clone();
        over.unwrap_or_else(Over::closed).fault(task)
    }
}

impl Over {
    fn closed() -> Self {
        let reason = "data port: the connection was closed".to_owned();
        Self { class: FaultClass::Disconnected, reason }
    }

    fn of(error: &CaptureError) -> Self {
        let class = match error {
            CaptureError::Connect { .. }
            | CaptureError::Socket(_)
            | CaptureError::Silent { .. }
            | CaptureError::Data(
                DataError::ClosedBeforeAnswer
                | DataError::ClosedInHeader { .. }
                | DataError::ClosedInRows { .. }
                | DataError::ClosedBeforeEnd { .. },
            ) => FaultClass::Disconnected,
            CaptureError::Unexpected { .. } => FaultClass::Lost,
            CaptureError::Data(_)
            | CaptureError::Scaling(_)
            | CaptureError::OtherColumns { .. }
            | CaptureError::Storage(_)
            | CaptureError::DiskHangs { .. }
            | CaptureError::Unheard(_)
            | CaptureError::Thread(_)
            | CaptureError::Panicked => FaultClass::Failed,
        };
        Self { class, reason: error.to_string() }
    }

    fn fault(self, task: Task<'_>) -> Fault {
        task.fault(self.class, self.reason)
    }
}

/// A reader that is waited for; it is put back however that ends.
struct Taken<'a> {
    slot: &'a RefCell<Option<CaptureHandle>>,
    reader: Option<CaptureHandle>,
}

impl<'a> Taken<'a> {
    fn of(slot: &'a RefCell<Option<CaptureHandle>>) -> Self {
        let reader = slot.borrow_mut().take();
        Self { slot, reader }
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        *self.slot.borrow_mut() = self.reader.take();
    }
}

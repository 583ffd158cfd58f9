//! [`Status`]: what a caller holds of an operation; [`Operation`]: what the actor holds of it.
//!
//! An operation outlives the task that works on it: a pause parks it, resume continues it under the
//! same status. It ends `Done`, `Aborted` or with a [`Fault`]; paused is a phase, never an error.
use crate::watch;
use bluefly_protocol::{api::ApiError, fault::Fault, name::Name};
use serde::Serialize;

/// What the holder of an operation wants of the task that works on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Intent {
    /// Go on.
    Run,
    /// Stop at the next safe point and stay there.
    Pause,
    /// End early and keep what was taken; the operation is done.
    Stop,
    /// End early; the operation is aborted.
    Abort,
}

/// How far an operation has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationPhase {
    Running,
    Pausing,
    Paused,
    Done,
    Aborted,
    Failed,
}

/// How an operation ended that did not fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<T> {
    Done(T),
    Aborted,
}

/// How an operation ended.
pub type Ended<T> = Result<Outcome<T>, OperationError>;

/// Why an operation did not end on its own terms.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OperationError {
    #[error(transparent)]
    Fault(#[from] Fault),
    /// Whoever worked on it died.
    #[error("{owner}: lost while it worked")]
    Lost { owner: Name },
}

impl From<OperationError> for ApiError {
    fn from(error: OperationError) -> Self {
        match error {
            OperationError::Fault(fault) => fault.into(),
            OperationError::Lost { ref owner } => {
                Self::unavailable(owner.as_str(), error.to_string())
            }
        }
    }
}

/// Phase, progress and end of an operation at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Report<P, T> {
    pub phase: OperationPhase,
    pub progress: P,
    end: Option<Ended<T>>,
}

/// The caller's side of an operation. Dropping it cancels nothing.
#[derive(Clone, Debug)]
pub struct Status<P, T> {
    owner: Name,
    report: watch::Receiver<Report<P, T>>,
}

impl<P: Clone, T: Clone> Status<P, T> {
    /// Phase and progress now.
    pub fn report(&self) -> Report<P, T> {
        self.report.borrow().clone()
    }

    /// How it ended, if it has.
    pub fn ended(&self) -> Option<Ended<T>> {
        let end = self.report.borrow().end.clone();
        let lost = || Err(OperationError::Lost { owner: self.owner.clone() });
        end.or_else(|| self.report.has_changed().is_err().then(lost))
    }

    /// Resolves when phase or progress changes; false once it has ended.
    pub async fn changed(&mut self) -> bool {
        self.ended().is_none() && self.report.changed().await.is_ok()
    }

    /// Resolves when the operation ends; with [`OperationError::Lost`] if its actor died.
    pub async fn finished(&self) -> Ended<T> {
        let mut report = self.report.clone();
        match report.wait_for(|report| report.end.is_some()).await {
            Ok(report) => report.end.clone().expect("waited for"),
            Err(_) => Err(OperationError::Lost { owner: self.owner.clone() }),
        }
    }

    /// A status that has already ended `Done`.
    pub fn done(owner: Name, progress: P, value: T) -> Self {
        let operation = Operation::new(owner, progress);
        let status = operation.status();
        operation.settle(Ok(Outcome::Done(value)));
        status
    }
}

/// The actor's side of an operation. Dropped without [`settle`](Self::settle), it is lost.
#[derive(Debug)]
pub struct Operation<P, T> {
    owner: Name,
    report: watch::Sender<Report<P, T>>,
    intent: watch::Sender<Intent>,
}

impl<P: Clone, T: Clone> Operation<P, T> {
    /// A running operation of `owner`.
    pub fn new(owner: Name, progress: P) -> Self {
        let report = Report { phase: OperationPhase::Running, progress, end: None };
        Self { owner, report: watch::Sender::new(report), intent: watch::Sender::new(Intent::Run) }
    }

    pub fn status(&self) -> Status<P, T> {
        Status { owner: self.owner.clone(), report: self.report.subscribe() }
    }

    /// What the working task needs: where to report, what is wanted.
    pub fn work(&self) -> Work<P, T> {
        Work { report: self.report.clone(), intent: self.intent.subscribe() }
    }

    pub fn phase(&self) -> OperationPhase {
        self.report.borrow().phase
    }

    pub fn set_phase(&self, phase: OperationPhase) {
        self.report.send_modify(|report| report.phase = phase);
    }

    /// Tells the working task what is wanted. `Abort` and `Stop` are never taken back.
    pub fn want(&self, intent: Intent) {
        self.intent.send_if_modified(|now| {
            let changes = match (*now, intent) {
                (Intent::Run | Intent::Pause, wanted) => *now != wanted,
                (Intent::Stop, wanted) => wanted == Intent::Abort,
                (Intent::Abort, _) => false,
            };
            if changes {
                *now = intent;
            }
            changes
        });
    }

    pub fn intent(&self) -> Intent {
        *self.intent.borrow()
    }

    /// Ends the operation. The first end stands.
    pub fn settle(&self, end: Ended<T>) {
        self.report.send_if_modified(|report| {
            if report.end.is_some() {
                return false;
            }
            report.phase = match &end {
                Ok(Outcome::Done(_)) => OperationPhase::Done,
                Ok(Outcome::Aborted) => OperationPhase::Aborted,
                Err(_) => OperationPhase::Failed,
            };
            report.end = Some(end);
            true
        });
    }
}

/// The working task's side of an operation: report progress, ask at each safe point whether to go on.
#[derive(Debug)]
pub struct Work<P, T> {
    report: watch::Sender<Report<P, T>>,
    intent: watch::Receiver<Intent>,
}

impl<P, T> Clone for Work<P, T> {
    fn clone(&self) -> Self {
        Self { report: self.report.clone(), intent: self.intent.clone() }
    }
}

impl<P, T> Work<P, T> {
    pub fn progress(&self, progress: P) {
        self.report.send_modify(|report| report.progress = progress);
    }

    pub fn update(&self, update: impl FnOnce(&mut P)) {
        self.report.send_modify(|report| update(&mut report.progress));
    }

    pub fn set_phase(&self, phase: OperationPhase) {
        self.report.send_modify(|report| report.phase = phase);
    }

    pub fn intent(&self) -> Intent {
        *self.intent.borrow()
    }

    /// Resolves once [`Intent::Stop`] or [`Intent::Abort`] is wanted.
    pub async fn ended(&mut self) -> Intent {
        match self.intent.wait_for(|intent| *intent >= Intent::Stop).await {
            Ok(intent) => *intent,
            Err(_) => Intent::Abort,
        }
    }

    /// Resolves once [`Intent::Pause`] is taken back or outdone; at once if nothing is paused.
    pub async fn unpaused(&mut self) -> Intent {
        match self.intent.wait_for(|intent| *intent != Intent::Pause).await {
            Ok(intent) => *intent,
            Err(_) => Intent::Abort,
        }
    }

    /// Resolves once something more urgent than `known` is wanted.
    pub async fn beyond(&mut self, known: Intent) -> Intent {
        match self.intent.wait_for(|intent| *intent > known).await {
            Ok(intent) => *intent,
            Err(_) => Intent::Abort,
        }
    }

    /// Resolves once something else than [`Intent::Run`] is wanted.
    pub async fn interrupted(&mut self) -> Intent {
        match self.intent.wait_for(|intent| *intent != Intent::Run).await {
            Ok(intent) => *intent,
            Err(_) => Intent::Abort,
        }
    }

    /// Awaits `future` unless something else is wanted first.
    pub async fn unless_told<F: Future>(&mut self, future: F) -> Result<F::Output, Intent> {
        tokio::select! { biased;
            intent = self.interrupted() => Err(intent),
            output = future => Ok(output),
        }
    }
}

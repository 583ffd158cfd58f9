//! Where the coordinator stands ([`Phase`], which carries its own data), and the [`Board`] on which
//! whoever works shows it.
use super::{bulletin::Bulletin, recover::Troubles};
use crate::status::{Ended, Intent, Operation, OperationPhase, Status, Work};
use bluefly_protocol::{
    name::Name,
    plan::ScanPlan,
    run::{RunPhase, RunProgress, StepKind, StepState},
};
use serde_json::Value;
use std::{collections::BTreeMap, path::PathBuf, rc::Rc, sync::Arc};

/// What every request of a run is answered with: progress, and the frames done in the end.
pub type RunStatus = Status<RunProgress, u64>;
pub(super) type RunOperation = Operation<RunProgress, u64>;

/// What lasts from stage to unstage.
#[derive(Debug, Default)]
pub(super) struct Session {
    /// The identifier that the run is to have; a new one if none was asked for.
    pub(super) uid: Option<String>,
    /// Further fields of its start document.
    pub(super) metadata: BTreeMap<String, Value>,
    /// The run, from the first kickoff on.
    pub(super) run: Option<OpenRun>,
    /// Frames complete in this run, over all its scans.
    pub(super) frames: u64,
    /// What the run has put up with so far.
    pub(super) troubles: Troubles,
}

/// A run whose start document is out.
#[derive(Clone, Debug)]
pub(super) struct OpenRun {
    pub(super) uid: String,
    /// What its rows have a column for.
    pub(super) axes: Vec<Name>,
    /// The `NeXus` master file, once it exists.
    pub(super) master: Option<PathBuf>,
}

/// Where the coordinator stands.
#[derive(Debug)]
pub(super) enum Phase {
    Idle,
    /// A step is under way; its task has the session.
    Busy(Busy),
    Staged(Session),
    Ready(Session, Arc<ScanPlan>),
    Completed(Session),
}

/// A step that is under way.
#[derive(Clone, Debug)]
pub(super) struct Busy {
    pub(super) operation: Rc<RunOperation>,
    pub(super) step: Step,
}

/// Which step is under way, as far as requests care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Stage,
    Prepare,
    /// From kickoff to the last frame: the one that can be paused.
    Fly,
    /// Undoing: it is not interrupted any more.
    Unstage,
}

impl Step {
    /// What clients call it.
    pub(super) const fn kind(self) -> StepKind {
        match self {
            Self::Stage => StepKind::Stage,
            Self::Prepare => StepKind::Prepare,
            Self::Fly => StepKind::Kickoff,
            Self::Unstage => StepKind::Unstage,
        }
    }
}

impl Phase {
    /// The phase as clients see it; while a step is under way its task tells.
    pub(super) fn settled(&self) -> Option<RunPhase> {
        match self {
            Self::Idle => Some(RunPhase::Idle),
            Self::Busy(_) => None,
            Self::Staged(_) => Some(RunPhase::Staged),
            Self::Ready(..) => Some(RunPhase::Ready),
            Self::Completed(_) => Some(RunPhase::Completed),
        }
    }
}

/// What a step comes to: where the coordinator stands now, and what its caller is told.
#[derive(Debug)]
pub(super) struct Conclusion {
    pub(super) next: Phase,
    pub(super) end: Ended<u64>,
}

/// Where a working task shows its progress, to the holder of the status and to everybody.
#[derive(Clone, Debug)]
pub(super) struct Board {
    work: Work<RunProgress, u64>,
    everybody: Bulletin,
}

impl Board {
    pub(super) fn new(operation: &RunOperation, everybody: Bulletin) -> Self {
        Self { work: operation.work(), everybody }
    }

    pub(super) fn update(&self, update: impl FnOnce(&mut RunProgress)) {
        self.everybody.progress.send_if_modified(|progress| {
            let before = progress.clone();
            update(progress);
            *progress != before
        });
        self.work.progress(self.everybody.progress.borrow().clone());
    }

    pub(super) fn phase(&self, phase: RunPhase) {
        tracing::debug!(%phase, "run");
        self.update(|progress| progress.phase = phase);
    }

    pub(super) fn operation(&self, phase: OperationPhase) {
        self.work.set_phase(phase);
        self.everybody.reached(step_state(phase), None);
    }

    /// The run that is open, if one is.
    pub(super) fn run(&self) -> Option<String> {
        self.everybody.progress.borrow().run.clone()
    }

    /// What the holder of the run wants.
    pub(super) fn intent(&self) -> Intent {
        self.work.intent()
    }

    /// Shows that it is paused, until something else is wanted.
    pub(super) async fn stay(&mut self) -> Intent {
        self.phase(RunPhase::Paused);
        self.operation(OperationPhase::Paused);
        self.unpaused().await
    }

    /// Shows that it goes on, from the beginning.
    pub(super) fn resume(&self) {
        self.operation(OperationPhase::Running);
        self.phase(RunPhase::Starting);
    }

    /// Resolves once something more urgent than `known` is wanted.
    pub(super) async fn beyond(&mut self, known: Intent) -> Intent {
        self.work.beyond(known).await
    }

    /// Resolves once the run is to end: stop or abort, not pause.
    pub(super) async fn ended(&mut self) -> Intent {
        self.work.ended().await
    }

    pub(super) async fn unpaused(&mut self) -> Intent {
        self.work.unpaused().await
    }

    pub(super) async fn unless_told<F: Future>(&mut self, future: F) -> Result<F::Output, Intent> {
        self.work.unless_told(future).await
    }
}

/// How far a step has come, as clients see it.
pub(super) const fn step_state(phase: OperationPhase) -> StepState {
    match phase {
        OperationPhase::Running => StepState::Running,
        OperationPhase::Pausing => StepState::Pausing,
        OperationPhase::Paused => StepState::Paused,
        OperationPhase::Done => StepState::Done,
        OperationPhase::Aborted => StepState::Aborted,
        OperationPhase::Failed => StepState::Failed,
    }
}

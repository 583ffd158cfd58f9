//! Where the coordinator stands ([`Phase`], which carries its own data), and the [`Board`] on which
//! whoever works shows it.
use super::recover::Troubles;
use crate::{
    status::{Ended, Intent, Operation, OperationPhase, Status, Work},
    watch,
};
use bluefly_protocol::{
    name::Name,
    plan::ScanPlan,
    run::{RunPhase, RunProgress},
};
use std::{cell::RefCell, path::PathBuf, rc::Rc, sync::Arc};

/// What every request of a run is answered with: progress, and the frames done in the end.
pub type RunStatus = Status<RunProgress, u64>;
pub(super) type RunOperation = Operation<RunProgress, u64>;

/// What lasts from stage to unstage.
#[derive(Debug, Default)]
pub(super) struct Session {
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

/// What outlives an incarnation of the coordinator: the progress that everybody sees, and the run
/// that the next incarnation has to end.
#[derive(Clone, Debug)]
pub struct Bulletin {
    pub(super) progress: watch::Sender<RunProgress>,
    open: Rc<RefCell<Option<OpenRun>>>,
}

impl Default for Bulletin {
    fn default() -> Self {
        Self { progress: watch::Sender::new(RunProgress::default()), open: Rc::default() }
    }
}

impl Bulletin {
    /// The progress of whatever run is under way, for anybody who wants to watch.
    pub fn progress(&self) -> watch::Receiver<RunProgress> {
        self.progress.subscribe()
    }

    /// Takes note of how far a run has been opened.
    pub(super) fn opened(&self, run: &OpenRun) {
        self.open.replace(Some(run.clone()));
        self.progress.send_modify(|progress| progress.run = Some(run.uid.clone()));
    }

    pub(super) fn closed(&self) {
        self.open.replace(None);
    }

    /// The session of a coordinator that died.
    pub(super) fn left_behind(&self) -> Session {
        let progress = self.progress.borrow();
        let frames = progress.frames_before + progress.frames_published;
        Session { run: self.open.borrow().clone(), frames, ..Session::default() }
    }
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
    everybody: watch::Sender<RunProgress>,
}

impl Board {
    pub(super) fn new(operation: &RunOperation, everybody: watch::Sender<RunProgress>) -> Self {
        Self { work: operation.work(), everybody }
    }

    pub(super) fn update(&self, update: impl FnOnce(&mut RunProgress)) {
        self.everybody.send_if_modified(|progress| {
            let before = progress.clone();
            update(progress);
            *progress != before
        });
        self.work.progress(self.everybody.borrow().clone());
    }

    pub(super) fn phase(&self, phase: RunPhase) {
        tracing::debug!(%phase, "run");
        self.update(|progress| progress.phase = phase);
    }

    pub(super) fn operation(&self, phase: OperationPhase) {
        self.work.set_phase(phase);
    }

    /// What the holder of the run wants.
    pub(super) fn intent(&self) -> Intent {
        self.work.intent()
    }

    pub(super) async fn interrupted(&mut self) -> Intent {
        self.work.interrupted().await
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

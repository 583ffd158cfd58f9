//! [`Bulletin`]: what outlives an incarnation of the coordinator, and what everybody may see of it.
use super::phase::{OpenRun, Session};
use crate::watch;
use bluefly_protocol::{
    api::{ApiError, Description},
    document::StreamResource,
    run::{RunEnd, RunProgress, StepKind, StepReport, StepState},
};
use std::{cell::RefCell, rc::Rc, sync::Arc};

/// The files of the run that is open, or of the last one.
#[derive(Clone, Debug, PartialEq)]
pub struct RunFiles {
    pub run: String,
    pub resources: Arc<[StreamResource]>,
    /// Rows that are documented, once the run has ended.
    rows: u64,
}

/// What outlives an incarnation of the coordinator: the progress that everybody sees, and the run
/// that the next incarnation has to end.
#[derive(Clone, Debug, Default)]
pub struct Bulletin {
    pub(super) progress: watch::Sender<RunProgress>,
    description: watch::Sender<Option<Arc<Description>>>,
    files: watch::Sender<Option<RunFiles>>,
    open: Rc<RefCell<Option<OpenRun>>>,
}

/// The same, for those who look at it from any thread.
#[derive(Clone, Debug)]
pub struct BulletinView {
    progress: watch::Receiver<RunProgress>,
    description: watch::Receiver<Option<Arc<Description>>>,
    files: watch::Receiver<Option<RunFiles>>,
}

impl Bulletin {
    /// The progress of whatever run is under way, for anybody who wants to watch.
    pub fn progress(&self) -> watch::Receiver<RunProgress> {
        self.progress.subscribe()
    }

    pub fn view(&self) -> BulletinView {
        BulletinView {
            progress: self.progress.subscribe(),
            description: self.description.subscribe(),
            files: self.files.subscribe(),
        }
    }

    /// Takes note of a step that begins.
    pub(super) fn begun(&self, request: StepKind) {
        self.progress.send_modify(|progress| {
            let number = progress.operation.as_ref().map_or(0, |operation| operation.number) + 1;
            let state = StepState::Running;
            progress.operation = Some(StepReport { number, request, state, error: None });
        });
    }

    /// Takes note of how far the step that is under way has come.
    pub(super) fn reached(&self, state: StepState, error: Option<ApiError>) {
        self.progress.send_modify(|progress| {
            if let Some(operation) = &mut progress.operation {
                (operation.state, operation.error) = (state, error);
            }
        });
    }

    pub(super) fn described(&self, description: Option<Arc<Description>>) {
        self.description.send_replace(description);
    }

    /// Takes note of how far a run has been opened.
    pub(super) fn opened(&self, run: &OpenRun) {
        self.open.replace(Some(run.clone()));
        self.files.send_if_modified(|files| {
            let is_new = files.as_ref().is_none_or(|files| files.run != run.uid);
            if is_new {
                *files = Some(RunFiles { run: run.uid.clone(), resources: [].into(), rows: 0 });
            }
            is_new
        });
        self.progress.send_modify(|progress| {
            progress.run = Some(run.uid.clone());
            progress.ended = None;
        });
        self.description.send_if_modified(|description| {
            if let Some(description) = description {
                Arc::make_mut(description).run = Some(run.uid.clone());
            }
            description.is_some()
        });
    }

    pub(super) fn filed(&self, run: &str, resources: Arc<[StreamResource]>) {
        self.files.send_replace(Some(RunFiles { run: run.to_owned(), resources, rows: 0 }));
    }

    /// Takes note of the end of the run that is open, if one is.
    pub(super) fn closed(&self, end: RunEnd) {
        let was_open = self.open.take().is_some();
        self.files.send_if_modified(|files| {
            let files = files.as_mut().filter(|files| files.run == end.run);
            files.map(|files| files.rows = end.num_frames).is_some()
        });
        if was_open {
            self.progress.send_modify(|progress| progress.ended = Some(end));
        }
    }

    /// The session of a coordinator that died.
    pub(super) fn left_behind(&self) -> Session {
        let progress = self.progress.borrow();
        let frames = rows(&progress);
        Session { run: self.open.borrow().clone(), frames, ..Session::default() }
    }
}

impl BulletinView {
    /// The progress, with a number that rises whenever it changes.
    pub fn progress(&self) -> (u64, RunProgress) {
        self.progress.borrow_with_version()
    }

    /// To be told of changes.
    pub fn watch(&self) -> watch::Receiver<RunProgress> {
        self.progress.clone()
    }

    /// What the rows of the scan consist of that was prepared last.
    pub fn description(&self) -> Option<Arc<Description>> {
        self.description.borrow().clone()
    }

    /// The files of the run that is open or ended last, and how many rows are documented.
    pub fn files(&self) -> Option<(RunFiles, u64)> {
        let files = self.files.borrow().clone()?;
        let progress = self.progress.borrow();
        let is_open = progress.run.as_deref() == Some(&files.run);
        let rows = if is_open { files.rows.max(rows(&progress)) } else { files.rows };
        Some((files, rows))
    }
}

/// Rows of a run whose documents are out.
fn rows(progress: &RunProgress) -> u64 {
    progress.frames_before + progress.frames_published
}

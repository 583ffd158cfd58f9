//! [`Desk`]: the one place where requests of clients are done.
use super::step::{Until, settled};
use crate::{
    archive::Archive,
    clock::Clock,
    coordinator::{
        Abort, BulletinView, Kickoff, NotBegun, Only, Pause, Prepare, Resume, RunStatus,
        ScanCoordinator, Stage, StepRequest, Stop, Unstage, survey::Survey,
    },
    feed::Feed,
    queue::{Cancel, Hold, List, MoveTo, Release, RunQueue},
    storage::{StorageClient, StorageReport},
    supervise::{AskError, Ref, Snapshot, State, Tree},
};
use bluefly_protocol::{
    api::{
        AbortBody, ApiError, ErrorCode, HoldBody, MoveBody, Reply, Request, StageBody, Status,
        Terms, Wait,
    },
    document::check_metadata,
    name::Name,
};
use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// Characters of the reason of an abort or a hold, at most.
const MAX_REASON: usize = 1_000;
/// How long an actor may take to answer a request.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// What a desk works with.
pub struct DeskParts {
    /// Tells this process from the one before.
    pub instance: String,
    pub beamline: Name,
    pub clock: Clock,
    pub coordinator: Ref<ScanCoordinator>,
    pub bulletin: BulletinView,
    pub feed: Feed,
    pub archive: Archive,
    pub survey: Survey,
    pub storage: StorageClient,
    /// Of a process that has one.
    pub queue: Option<Ref<RunQueue>>,
}

/// Does what clients ask, whichever door they came through. Cheap to clone, usable from any thread:
/// what only looks asks no actor.
#[derive(Clone)]
pub struct Desk(Arc<Inner>);

struct Inner {
    parts: DeskParts,
    tree: OnceLock<(Tree, Option<Tree>)>,
    is_closing: AtomicBool,
}

impl Desk {
    pub fn new(parts: DeskParts) -> Self {
        let (tree, is_closing) = (OnceLock::new(), AtomicBool::new(false));
        Self(Arc::new(Inner { parts, tree, is_closing }))
    }

    pub(super) fn parts(&self) -> &DeskParts {
        &self.0.parts
    }

    /// Shows the tree that it is part of, and that of connections which outlive it; only the first
    /// ones count.
    pub fn attach(&self, tree: Tree, connections: Option<Tree>) {
        self.0.tree.get_or_init(|| (tree, connections));
    }

    /// Refuses from now on whatever would begin something.
    pub fn begin_shutdown(&self) {
        self.0.is_closing.store(true, Ordering::Relaxed);
    }

    /// What happens.
    pub fn feed(&self) -> &Feed {
        &self.0.parts.feed
    }

    pub fn clock(&self) -> &Clock {
        &self.0.parts.clock
    }

    /// The queue to the files.
    pub fn storage(&self) -> StorageReport {
        self.0.parts.storage.report()
    }

    /// What runs now; nothing before the tree does.
    pub fn tree(&self) -> Option<Snapshot> {
        let (tree, connections) = self.0.tree.get()?;
        let mut snapshot = tree.snapshot();
        let connections = connections.as_ref().map(Tree::snapshot);
        snapshot.children.splice(..0, connections);
        Some(snapshot)
    }

    /// Whether work is taken in, and by devices that can all be reached; if not, why.
    pub async fn readiness(&self) -> Result<(), Unready> {
        let unready = |reason: String| Unready { reason, devices: Vec::new() };
        if self.0.is_closing.load(Ordering::Relaxed) {
            return Err(unready("the process is shutting down".to_owned()));
        }
        let tree = self.tree().ok_or_else(|| unready("the process is starting".to_owned()))?;
        if let Some(actor) = first_down(&tree) {
            return Err(unready(format!("{}: is not up", actor.id)));
        }
        let devices = self.0.parts.survey.devices(&tree).await;
        let failing = devices.into_iter().filter_map(|device| Some((device.name, device.error?)));
        let (devices, errors): (Vec<String>, Vec<String>) =
            failing.map(|(name, error)| (name.to_string(), format!("{name}: {error}"))).unzip();
        if devices.is_empty() {
            return Ok(());
        }
        Err(Unready { reason: errors.join("; "), devices })
    }

    /// Where the process stands.
    pub fn status(&self) -> Status {
        let (revision, progress) = self.0.parts.bulletin.progress();
        let (instance, beamline) = (self.0.parts.instance.clone(), self.0.parts.beamline.clone());
        Status { instance, beamline, revision, progress }
    }

    /// Resolves with the status once its revision is not `since`.
    pub async fn changed(&self, since: u64) -> Status {
        let mut watch = self.0.parts.bulletin.watch();
        loop {
            let status = self.status();
            if status.revision != since || watch.changed().await.is_err() {
                return status;
            }
        }
    }

    /// Does what is asked.
    pub async fn dispatch(&self, request: Request) -> Result<Reply, ApiError> {
        match request {
            Request::Status { since, wait } => Ok(status(self.status_since(since, wait).await)),
            Request::Stage(body, terms) => self.stage(body, terms).await,
            Request::Prepare(body, terms) => self.begin(Prepare(body.spec), terms).await,
            Request::Kickoff(terms) => self.begin(Kickoff, terms).await,
            Request::Resume(body, terms) => self.begin(Resume { retake: body.retake }, terms).await,
            Request::Pause(terms) => self.step(Pause, (terms, Until::Paused)).await,
            Request::Abort(AbortBody { reason }, terms) => {
                check_reason(reason.as_deref())?;
                self.end(Abort { reason }, terms).await
            }
            Request::Stop(terms) => self.end(Stop, terms).await,
            Request::Unstage(terms) => self.end(Unstage, terms).await,
            Request::Describe => self.describe(),
            Request::Assets(range) => self.assets(range).await,
            Request::Devices => self.devices().await,
            Request::Device(name) => self.device(&name).await,
            Request::Set(name, body, wait) => self.set(name, body, wait).await,
            Request::StopDevice(name, wait) => self.stop_device(name, wait).await,
            Request::Trigger(name, wait) => self.trigger(name, wait).await,
            Request::Submit(body) => self.submit(body).await,
            Request::Runs { state, limit } => self.runs(List { state, limit }).await,
            Request::Run(uid) => self.run(uid).await,
            Request::Cancel(uid) => self.of_run(Cancel(uid)).await,
            Request::Move(uid, MoveBody { place }) => self.of_run(MoveTo { uid, place }).await,
            Request::Hold(HoldBody { reason }) => {
                check_reason(reason.as_deref())?;
                self.of_gate(Hold { reason }).await
            }
            Request::Release => self.of_gate(Release).await,
        }
    }

    async fn status_since(&self, since: Option<u64>, wait: Wait) -> Status {
        match since {
            None => self.status(),
            Some(since) => {
                let changed = self.clock().timeout(wait.duration(), self.changed(since)).await;
                changed.unwrap_or_else(|_| self.status())
            }
        }
    }

    async fn stage(&self, body: StageBody, terms: Terms) -> Result<Reply, ApiError> {
        check_metadata(&body.metadata)
            .map_err(|error| ApiError::new(ErrorCode::Invalid, "metadata", error.to_string()))?;
        self.begin(Stage { run: None, metadata: body.metadata }, terms).await
    }

    /// Asks for a step that begins something.
    async fn begin<M: StepRequest>(&self, message: M, terms: Terms) -> Result<Reply, ApiError> {
        self.takes_work()?;
        self.step(message, (terms, Until::Ended)).await
    }

    /// Fails once nothing is begun any more.
    pub(super) fn takes_work(&self) -> Result<(), ApiError> {
        if self.0.is_closing.load(Ordering::Relaxed) {
            return Err(ApiError::new(ErrorCode::Unavailable, "process", "it is shutting down"));
        }
        Ok(())
    }

    /// What runs now.
    pub(super) fn running(&self) -> Result<Snapshot, ApiError> {
        let starting = || ApiError::new(ErrorCode::Unavailable, "process", "it is starting");
        self.tree().ok_or_else(starting)
    }

    /// Asks for the end of what there is: that gets through however many others ask.
    async fn end<M: StepRequest>(&self, message: M, terms: Terms) -> Result<Reply, ApiError> {
        let Terms { wait, operation: after } = terms;
        let asked = self.0.parts.coordinator.insist(Only { after, message }, ANSWER_WITHIN).await;
        self.follow(asked, (wait, Until::Ended)).await
    }

    /// Asks for a step.
    async fn step<M: StepRequest>(
        &self,
        message: M,
        (terms, until): (Terms, Until),
    ) -> Result<Reply, ApiError> {
        let Terms { wait, operation: after } = terms;
        let asked = self.0.parts.coordinator.ask(Only { after, message }, ANSWER_WITHIN).await;
        self.follow(asked, (wait, until)).await
    }

    /// Waits for what comes of a step as long as is wanted.
    async fn follow(
        &self,
        asked: Result<Result<RunStatus, NotBegun>, AskError>,
        (wait, until): (Wait, Until),
    ) -> Result<Reply, ApiError> {
        let step = asked.map_err(|error| unanswered(&error))??;
        if !wait.duration().is_zero() {
            let settled = self.clock().timeout(wait.duration(), settled(step, until)).await;
            if let Ok(Some(Err(error))) = settled {
                return Err(error.into());
            }
        }
        Ok(status(self.status()))
    }

    /// The phase does not allow a request that no actor was asked for.
    pub(super) fn refused(&self, request: &str) -> ApiError {
        let phase = self.status().progress.phase.to_string();
        let message = format!("cannot {request} while {phase}");
        let error = ApiError::new(ErrorCode::Refused, "scan_coordinator", message);
        ApiError { phase: Some(phase), ..error }
    }
}

fn status(status: Status) -> Reply {
    Reply::Status(Box::new(status))
}

/// Refuses a reason that would have to be carried in every status.
fn check_reason(reason: Option<&str>) -> Result<(), ApiError> {
    let length = reason.map_or(0, |reason| reason.chars().count());
    if length > MAX_REASON {
        let rule = format!("has {length} characters: at most {MAX_REASON}");
        return Err(ApiError::new(ErrorCode::Invalid, "reason", rule));
    }
    Ok(())
}

/// Runs work that reads files where it holds up nobody.
pub(super) async fn blocking<T: Send + 'static>(
    desk: &Desk,
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    desk.clock().foreign(work).await
}

/// The message did not get through.
pub(super) fn unanswered(error: &AskError) -> ApiError {
    ApiError::unavailable(error.id(), error.to_string())
}

/// The first actor, depth first, that is not up.
/// Why no work is taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unready {
    pub reason: String,
    /// Devices that cannot be reached.
    pub devices: Vec<String>,
}

fn first_down(tree: &Snapshot) -> Option<&Snapshot> {
    if tree.state != State::Up {
        return Some(tree);
    }
    tree.children.iter().find_map(first_down)
}

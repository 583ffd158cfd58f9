//! [`CaptureHandle`]: a capture that goes on by itself, from a data port to the storage.
use super::{
    ArmEnd, ArmPlan, CaptureError, Settings, Source,
    intake::{Intake, MAX_ENDS},
    thread, wire,
};
use crate::{
    backend::panda::control::Wire,
    storage::{Lag, StorageClient, StreamHandle},
    watch,
};
use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};
use tokio::sync::{Notify, mpsc, oneshot};

/// How far a capture is.
#[derive(Clone, Default)]
pub struct Progress {
    /// Whether the request for data was taken: an arm from now on misses nothing.
    pub is_accepted: bool,
    /// Arms that have begun.
    pub arms: u64,
    /// Whether the last of them has not ended.
    pub is_armed: bool,
    /// Rows of the last arm that were lost before this reader came.
    pub missed: u64,
    /// Rows that came, of all arms.
    pub received: u64,
    /// Rows of the last arm that are sound and kept.
    pub kept: u64,
    /// The file, once it is there.
    pub stream: Option<StreamHandle>,
}

impl Progress {
    /// How far the disk is behind the data port, at this moment.
    pub fn lag(&self) -> Lag {
        self.stream.as_ref().map(StreamHandle::lag).unwrap_or_default()
    }
}

/// Captures until the connection ends, or this is stopped or dropped. The connection is closed then;
/// the file is for whoever owns this to close.
pub struct CaptureHandle {
    shared: Arc<Shared>,
    progress: watch::Receiver<Progress>,
    ends: mpsc::Receiver<ArmEnd>,
    /// `None` once it was told.
    finished: Option<Finished>,
}

type Finished = oneshot::Receiver<Result<(), CaptureError>>;

/// What the owner of a capture tells it.
#[derive(Default)]
pub(super) struct Shared {
    pub(super) next_arm: Mutex<Option<ArmPlan>>,
    is_stopping: AtomicBool,
    /// Told when it is to end.
    pub(super) stopping: Notify,
}

impl Shared {
    pub(super) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Acquire)
    }
}

impl CaptureHandle {
    /// Reads `source`, to which the request was sent, on a thread of its own: whoever is slow there
    /// holds up nothing but the socket. Must be called within a tokio runtime.
    pub fn on_thread(
        source: impl Source,
        settings: Settings,
        storage: StorageClient,
    ) -> Result<Self, CaptureError> {
        let (handle, intake, done) = Self::parts(settings, storage);
        thread::spawn(source, intake, done).map_err(CaptureError::Thread)?;
        Ok(handle)
    }

    /// Reads `wire`, to which the request was sent, by a task of this thread: on any clock, so that one
    /// seed has one trace. Must be called within a `LocalSet`.
    pub fn on_wire(wire: impl Wire + 'static, settings: Settings, storage: StorageClient) -> Self {
        let (handle, intake, done) = Self::parts(settings, storage);
        wire::spawn(wire, (intake, handle.shared.clone()), done);
        handle
    }

    fn parts(
        settings: Settings,
        storage: StorageClient,
    ) -> (Self, Intake, oneshot::Sender<Result<(), CaptureError>>) {
        let shared = Arc::<Shared>::default();
        let published = watch::Sender::new(Progress::default());
        let progress = published.subscribe();
        let (ends_sender, ends) = mpsc::channel(MAX_ENDS);
        let (done, finished) = oneshot::channel();
        let intake = Intake::new(settings, storage, shared.clone(), (published, ends_sender));
        (Self { shared, progress, ends, finished: Some(finished) }, intake, done)
    }

    /// Tells what is known of the next arm, before it is armed.
    pub fn expect(&self, plan: ArmPlan) {
        *self.shared.next_arm.lock().unwrap_or_else(PoisonError::into_inner) = Some(plan);
    }

    /// How far it is, up to date to 20 ms.
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.clone()
    }

    /// What came of the next arm, once it has ended; `None` if no more will come.
    pub async fn ended(&mut self) -> Option<ArmEnd> {
        self.ends.recv().await
    }

    /// What came of the next arm, if it has ended by now.
    pub fn ended_by_now(&mut self) -> Option<ArmEnd> {
        self.ends.try_recv().ok()
    }

    /// Ends it, within 20 ms if the disk takes the rows. An arm that is under way ends with the rows
    /// that are sound.
    pub fn stop(&self) {
        self.shared.is_stopping.store(true, Ordering::Release);
        self.shared.stopping.notify_one();
    }

    /// Resolves when it has ended; everything it took was handed to the storage. An error is told
    /// once. Cancel safe.
    pub async fn finished(&mut self) -> Result<(), CaptureError> {
        let Some(finished) = &mut self.finished else { return Ok(()) };
        let result = finished.await.unwrap_or(Err(CaptureError::Panicked));
        self.finished = None;
        result
    }
}

impl Drop for CaptureHandle {
    fn drop(&mut self) {
        self.stop();
    }
}

//! [`CaptureThread`]: from a socket to the storage, on a thread of its own.
use super::{ArmEnd, ArmPlan, Capture, CaptureError, Step};
use crate::{
    clock::Instant,
    storage::{Lag, Producer, Refused, Rows, StorageClient, StorageError, StreamHandle},
    watch,
};
use bluefly_protocol::panda::data::DataRequest;
use std::{
    io::{ErrorKind, Read},
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot},
};

/// How a capture is done.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What was asked of the data port: frames.
    pub request: DataRequest,
    /// The file, which is made with the first arm.
    pub path: PathBuf,
    pub run_uid: Option<String>,
    /// Of the first arm.
    pub plan: ArmPlan,
    /// Rows leave for the disk if none have left for so long, though they do not fill a chunk. Default
    /// 40 ms: at 1 MHz a chunk is full after 16 ms.
    pub hand_over: Duration,
    /// What has begun to come and does not go on for so long is given up. Default 10 s.
    pub silence: Duration,
    /// A disk that takes nothing for so long is given up. Default 60 s.
    pub disk_patience: Duration,
}

impl Settings {
    pub fn new(request: DataRequest, path: PathBuf) -> Self {
        Self {
            request,
            path,
            run_uid: None,
            plan: ArmPlan::default(),
            hand_over: Duration::from_millis(40),
            silence: Duration::from_secs(10),
            disk_patience: Duration::from_mins(1),
        }
    }
}

/// Where bytes come from: a read fails with [`ErrorKind::WouldBlock`] or [`ErrorKind::TimedOut`] if
/// nothing came for [`TICK`](Self::TICK).
pub trait Source: Read + Send + 'static {
    const TICK: Duration = Duration::from_millis(20);
}

impl Source for std::net::TcpStream {}

/// How far a capture is.
#[derive(Clone, Default)]
pub struct Progress {
    /// Whether the request for data was taken: an arm from now on misses nothing.
    pub is_accepted: bool,
    /// Arms that have begun.
    pub arms: u64,
    /// Whether the last of them has not ended.
    pub is_armed: bool,
    /// Rows that came, of all arms.
    pub received: u64,
    /// Rows of the last arm that are sound and kept.
    pub kept: u64,
    /// The file, once it is there.
    pub stream: Option<StreamHandle>,
}

impl Progress {
    /// How far the disk is behind the socket, at this moment.
    pub fn lag(&self) -> Lag {
        self.stream.as_ref().map(StreamHandle::lag).unwrap_or_default()
    }
}

/// Captures until the connection ends, or this is stopped or dropped. The socket is closed then;
/// the file is for whoever owns this to close.
pub struct CaptureThread {
    shared: Arc<Shared>,
    progress: watch::Receiver<Progress>,
    ends: mpsc::Receiver<ArmEnd>,
    /// `None` once it was told.
    finished: Option<oneshot::Receiver<Result<(), CaptureError>>>,
}

#[derive(Default)]
struct Shared {
    next_arm: Mutex<Option<ArmPlan>>,
    is_stopping: AtomicBool,
}

/// Ends of arms that may wait to be taken.
const MAX_ENDS: usize = 16;

impl CaptureThread {
    /// Reads `source`, to which the request was sent. Must be called within a tokio runtime.
    pub fn start(
        source: impl Source,
        settings: Settings,
        storage: StorageClient,
    ) -> Result<Self, CaptureError> {
        let shared = Arc::<Shared>::default();
        let published = watch::Sender::new(Progress::default());
        let progress = published.subscribe();
        let (ends_sender, ends) = mpsc::channel(MAX_ENDS);
        let (done, finished) = oneshot::channel();
        let mut capture =
            Capture::new(settings.request, settings.path.clone(), settings.run_uid.clone());
        capture.expect(settings.plan.clone());
        let now = storage.clock().now();
        let mut reader = Reader {
            source,
            capture,
            settings,
            runtime: Handle::current(),
            shared: shared.clone(),
            published,
            ends: ends_sender,
            producer: None,
            progress: Progress::default(),
            received_before: 0,
            now,
            handed_over: now,
            published_at: now,
            silent: Duration::ZERO,
            storage,
        };
        let builder = std::thread::Builder::new().name("panda".to_owned());
        let spawned = builder.spawn(move || {
            let result = reader.run();
            // Before the result is told: who hears of it may close the file.
            drop(reader);
            drop(done.send(result));
        });
        spawned.map_err(CaptureError::Thread)?;
        Ok(Self { shared, progress, ends, finished: Some(finished) })
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

    /// Ends it, within 20 ms if the disk takes the rows. An arm that is under way ends with the rows
    /// that are sound.
    pub fn stop(&self) {
        self.shared.is_stopping.store(true, Ordering::Release);
    }

    /// Resolves when the thread has ended; everything it took was handed to the storage. An error is
    /// told once.
    pub async fn finished(&mut self) -> Result<(), CaptureError> {
        let Some(finished) = &mut self.finished else { return Ok(()) };
        let result = finished.await.unwrap_or(Err(CaptureError::Panicked));
        self.finished = None;
        result
    }
}

impl Drop for CaptureThread {
    fn drop(&mut self) {
        self.stop();
    }
}

struct Reader<S> {
    source: S,
    capture: Capture,
    settings: Settings,
    storage: StorageClient,
    runtime: Handle,
    shared: Arc<Shared>,
    published: watch::Sender<Progress>,
    ends: mpsc::Sender<ArmEnd>,
    producer: Option<Producer>,
    progress: Progress,
    /// Rows that came in arms before this one.
    received_before: u64,
    now: Instant,
    handed_over: Instant,
    published_at: Instant,
    /// For how long nothing has come.
    silent: Duration,
}

/// How often a wait for the disk is looked at.
const SLICE: Duration = Duration::from_millis(100);

impl<S: Source> Reader<S> {
    fn run(&mut self) -> Result<(), CaptureError> {
        let result = self.read();
        self.capture.abandon();
        let rest = self.steps();
        self.publish();
        // The first thing that went wrong tells; what follows from it does not.
        result.and(rest)
    }

    fn read(&mut self) -> Result<(), CaptureError> {
        while !self.shared.is_stopping.load(Ordering::Acquire) {
            match self.source.read(self.capture.space()) {
                Ok(0) => return self.capture.closed(),
                Ok(bytes) => {
                    self.silent = Duration::ZERO;
                    self.capture.received(bytes);
                }
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::TimedOut => self.idle()?,
                    ErrorKind::Interrupted => {}
                    _ => return Err(CaptureError::Socket(error)),
                },
            }
            let told = self.shared.next_arm.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(plan) = told {
                self.capture.expect(plan);
            }
            self.now = self.storage.clock().now();
            if self.now - self.handed_over >= self.settings.hand_over {
                self.handed_over = self.now;
                self.capture.hand_over();
            }
            self.steps()?;
            if self.now - self.published_at >= S::TICK {
                self.publish();
            }
        }
        Ok(())
    }

    fn idle(&mut self) -> Result<(), CaptureError> {
        self.capture.idle();
        self.silent += S::TICK;
        match self.capture.unfinished() {
            Some(what) if self.silent >= self.settings.silence => {
                Err(CaptureError::Silent { what, silent: self.silent })
            }
            Some(_) | None => Ok(()),
        }
    }

    fn steps(&mut self) -> Result<(), CaptureError> {
        loop {
            self.take_spare();
            let Some(step) = self.capture.next_step()? else { return Ok(()) };
            match step {
                Step::Accepted => self.progress.is_accepted = true,
                Step::Create(plan) => {
                    let stream = self.runtime.block_on(self.storage.create(plan))?;
                    self.progress.stream = Some(stream.clone());
                    self.producer = Some(Producer::new(stream));
                }
                Step::Began { first_row, rewinds } => {
                    self.progress.arms += 1;
                    self.progress.is_armed = true;
                    if rewinds {
                        self.producer().stream().rewind(first_row)?;
                    }
                }
                Step::Append(rows) => {
                    self.handed_over = self.now;
                    self.append(rows)?;
                    continue;
                }
                Step::Ended(end) => {
                    self.progress.is_armed = false;
                    self.progress.kept = end.kept;
                    self.received_before += end.received;
                    let sent = self.ends.try_send(*end);
                    sent.map_err(|_| CaptureError::Unheard(MAX_ENDS))?;
                }
            }
            self.publish();
        }
    }

    fn take_spare(&mut self) {
        while self.capture.wants_spare() {
            let Some(rows) = self.producer.as_ref().and_then(Producer::spare) else { return };
            self.capture.recycle(rows);
        }
    }

    fn producer(&self) -> &Producer {
        self.producer.as_ref().expect("the file is made before the first arm begins")
    }

    fn append(&self, mut rows: Rows) -> Result<(), CaptureError> {
        let mut waited = Duration::ZERO;
        loop {
            match self.producer().append(rows, SLICE) {
                Ok(()) => return Ok(()),
                Err(Refused { rows: back, error: error @ StorageError::Backpressure { .. } }) => {
                    rows = back;
                    waited += SLICE;
                    if waited >= self.settings.disk_patience {
                        return Err(CaptureError::DiskHangs { waited, error });
                    }
                }
                Err(Refused { error, .. }) => return Err(error.into()),
            }
        }
    }

    fn publish(&mut self) {
        let (received, kept) = self.capture.counts().unwrap_or((0, self.progress.kept));
        self.progress.received = self.received_before + received;
        self.progress.kept = kept;
        self.published_at = self.now;
        self.published.send_replace(self.progress.clone());
    }
}

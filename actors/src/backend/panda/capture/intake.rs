//! [`Intake`]: what a capture does with bytes, whoever waits for them.
use super::{
    ArmEnd, Capture, CaptureError, Settings, Step,
    handle::{Progress, Shared},
    settings::Target,
};
use crate::{
    clock::{Clock, Instant},
    storage::{Producer, Refused, Rows, StorageClient, StorageError, StreamHandle, StreamPlan},
    watch,
};
use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};
use tokio::sync::mpsc;

/// A capture with the file it goes to. Whoever drives it brings bytes and tells of silence, and then
/// does what is wanted until that is more bytes.
pub(super) struct Intake {
    capture: Capture,
    settings: Settings,
    storage: StorageClient,
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

/// What whoever drives an intake is to do.
pub(super) enum Want {
    Bytes,
    File(StreamPlan),
    /// To [append](Intake::append) these, as soon as there is room for them.
    Room(Rows),
}

/// Nothing came for so long: what came before is sound, and progress is told again.
pub(super) const TICK: Duration = Duration::from_millis(20);
/// Ends of arms that may wait to be taken.
pub(super) const MAX_ENDS: usize = 16;

impl Intake {
    pub(super) fn new(
        settings: Settings,
        storage: StorageClient,
        shared: Arc<Shared>,
        (published, ends): (watch::Sender<Progress>, mpsc::Sender<ArmEnd>),
    ) -> Self {
        let mut capture = match &settings.target {
            Target::New { path, run_uid } => {
                Capture::new(settings.request, path.clone(), run_uid.clone())
            }
            Target::Open { columns, .. } => Capture::into_file(settings.request, columns.clone()),
        };
        capture.expect(settings.plan.clone());
        let stream = match &settings.target {
            Target::New { .. } => None,
            Target::Open { stream, .. } => Some(stream.clone()),
        };
        let now = storage.clock().now();
        Self {
            capture,
            storage,
            shared,
            published,
            ends,
            producer: stream.clone().map(Producer::new),
            progress: Progress { stream, ..Progress::default() },
            received_before: 0,
            now,
            handed_over: now,
            published_at: now,
            silent: Duration::ZERO,
            settings,
        }
    }

    pub(super) const fn storage(&self) -> &StorageClient {
        &self.storage
    }

    pub(super) fn clock(&self) -> &Clock {
        self.storage.clock()
    }

    /// Whether nothing more is to be taken.
    pub(super) fn is_stopping(&self) -> bool {
        self.shared.is_stopping()
    }

    /// Where to receive.
    pub(super) fn space(&mut self) -> &mut [u8] {
        self.capture.space()
    }

    /// So many bytes came.
    pub(super) fn received(&mut self, bytes: usize) {
        self.silent = Duration::ZERO;
        self.capture.received(bytes);
        self.turn();
    }

    /// Whether there is anything to do if nothing comes for a [`TICK`].
    pub(super) fn waits_for_silence(&self) -> bool {
        self.capture.has_rows() || self.capture.unfinished().is_some()
    }

    /// Nothing came for a [`TICK`].
    pub(super) fn idle(&mut self) -> Result<(), CaptureError> {
        self.capture.idle();
        self.silent += TICK;
        self.turn();
        match self.capture.unfinished() {
            Some(what) if self.silent >= self.settings.silence => {
                Err(CaptureError::Silent { what, silent: self.silent })
            }
            Some(_) | None => Ok(()),
        }
    }

    fn turn(&mut self) {
        let told = self.shared.next_arm.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(plan) = told {
            self.capture.expect(plan);
        }
        self.now = self.clock().now();
        if self.now - self.handed_over >= self.settings.hand_over {
            self.handed_over = self.now;
            self.capture.hand_over();
        }
    }

    /// Tells what is wrong if the connection was closed here.
    pub(super) fn closed(&self) -> Result<(), CaptureError> {
        self.capture.closed()
    }

    /// Nothing more is taken: the arm that is under way ends with the rows that are sound.
    pub(super) fn abandon(&mut self) {
        self.capture.abandon();
    }

    /// Does what needs nobody to wait, up to what does.
    pub(super) fn next_want(&mut self) -> Result<Want, CaptureError> {
        loop {
            self.take_spare();
            match self.capture.next_step()? {
                None => return Ok(Want::Bytes),
                Some(Step::Create(plan)) => return Ok(Want::File(plan)),
                Some(Step::Append(rows)) => return Ok(Want::Room(rows)),
                Some(Step::Accepted) => self.progress.is_accepted = true,
                Some(Step::Began { first_row, missed, rewinds }) => {
                    self.progress.arms += 1;
                    self.progress.is_armed = true;
                    self.progress.missed = missed;
                    if rewinds {
                        self.producer().stream().rewind(first_row)?;
                    }
                }
                Some(Step::Ended(end)) => self.end(*end)?,
            }
            self.publish();
        }
    }

    fn end(&mut self, end: ArmEnd) -> Result<(), CaptureError> {
        self.progress.is_armed = false;
        self.progress.kept = end.kept;
        self.received_before += end.received;
        self.ends.try_send(end).map_err(|_| CaptureError::Unheard(MAX_ENDS))
    }

    /// The file that was wanted is there.
    pub(super) fn opened(&mut self, stream: StreamHandle) {
        self.progress.stream = Some(stream.clone());
        self.producer = Some(Producer::new(stream));
        self.publish();
    }

    /// Gives rows to the disk, which is waited for up to `patience`; they come back if it had no room
    /// in that time. `waited` is for how long it had none, this time included.
    pub(super) fn append(
        &mut self,
        rows: Rows,
        patience: Duration,
        waited: Duration,
    ) -> Result<Option<Rows>, CaptureError> {
        self.handed_over = self.now;
        match self.producer().append(rows, patience) {
            Ok(()) => Ok(None),
            Err(Refused { rows, error: error @ StorageError::Backpressure { .. } }) => {
                if waited >= self.settings.disk_patience {
                    return Err(CaptureError::DiskHangs { waited, error });
                }
                Ok(Some(rows))
            }
            Err(Refused { error, .. }) => Err(error.into()),
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

    /// Tells how far it is, unless that was told just now.
    pub(super) fn publish_if_due(&mut self) {
        if self.now - self.published_at >= TICK {
            self.publish();
        }
    }

    /// Tells how far it is.
    pub(super) fn publish(&mut self) {
        let (received, kept) = self.capture.counts().unwrap_or((0, self.progress.kept));
        self.progress.received = self.received_before + received;
        self.progress.kept = kept;
        self.published_at = self.now;
        self.published.send_replace(self.progress.clone());
    }
}

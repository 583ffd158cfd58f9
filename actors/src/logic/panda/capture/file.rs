//! Opening the file of rows, and closing it.
use super::{
    super::super::Task,
    DISK_WITHIN, Making, PandaCapture,
    reader::{Armed, Over},
    stored,
};
use crate::{
    backend::panda::capture::{ArmEnd, ArmRecord, CaptureHandle, FileColumn, stream_plan},
    logic::detector::{Dataset, FilePlan, OpenFile},
    storage::{FileSummary, StorageError, StreamHandle},
};
use bluefly_protocol::{
    exposures::ExposuresPerFrame,
    fault::{Fault, FaultClass},
};
use futures_util::{
    FutureExt as _,
    future::{LocalBoxFuture, Shared},
};
use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
};

/// A file that is open, and who reads rows into it.
pub(super) struct Open {
    pub(super) stream: StreamHandle,
    pub(super) columns: Vec<FileColumn>,
    datasets: Vec<Dataset>,
    /// `None` until the data port is connected, and once that connection has ended.
    pub(super) reader: RefCell<Option<CaptureHandle>>,
    /// Why the last reader ended.
    pub(super) over: RefCell<Option<Over>>,
    pub(super) armed: Cell<Armed>,
    /// Arms of the reader before the one that is expected.
    pub(super) arms_before: Cell<u64>,
    /// Frames that it is armed for.
    pub(super) due: Cell<Option<u64>>,
    /// Whether it was told what is wrong with the arm.
    pub(super) is_judged: Cell<bool>,
    /// Arms that have ended, of which the file does not tell yet.
    pub(super) ends: RefCell<VecDeque<ArmEnd>>,
    /// What became of the latest arm, once the file tells.
    pub(super) last: RefCell<Option<ArmRecord>>,
    /// Whoever closes it may be gone before it is closed.
    closing: RefCell<Option<Closing>>,
}

type Closing = Shared<LocalBoxFuture<'static, Result<FileSummary, StorageError>>>;

impl PandaCapture {
    /// Opens a new file, for what is captured from now on, and a reader of the data port; resolves when
    /// an arm would miss nothing.
    pub async fn open(&self, plan: &FilePlan) -> Result<OpenFile, Fault> {
        let operation = format!("open {}", plan.path().display());
        let task = self.task(&operation);
        self.adopt(task).await?;
        if let Some(open) = self.open_now() {
            let path = open.stream.plan().path.display().to_string();
            return Err(task.fault(FaultClass::Failed, format!("{path} is still open")));
        }
        self.come_to_rest(task).await?;
        let session = self.session(task)?;
        let selection = self.configure(task, &session).await?;
        let columns = self.file_columns(task, (&session, &selection)).await?;
        let (directory, new_parts) = (plan.directory.clone(), plan.new_directories);
        self.stored_in_time(task, self.storage.make_directory(directory, new_parts)).await?;
        let (storage, file) = (self.storage.clone(), stream_plan(&columns, plan.path(), None));
        let made: LocalBoxFuture<'static, _> = Box::pin(async move { storage.create(file).await });
        let datasets = self.setup.datasets(&selection);
        *self.making.borrow_mut() = Some(Making { made: made.shared(), columns, datasets });
        self.adopt(task).await?;
        let not_open = || task.fault(FaultClass::Failed, "it was closed by another request");
        let open = self.open_now().ok_or_else(not_open)?;
        self.connect(task, &open).await?;
        Ok(open.file())
    }

    /// Takes over a file that was asked for, once it is there. Fails if it cannot be made, once.
    pub(super) async fn adopt(&self, task: Task<'_>) -> Result<(), Fault> {
        let Some(Making { made, columns, datasets }) = self.making.borrow().clone() else {
            return Ok(());
        };
        let made = self.haste.within(DISK_WITHIN, made).await.map_err(|after| {
            let reason = format!("the disk does not make a file within {after:?}");
            task.fault(FaultClass::Failed, reason)
        })?;
        self.making.take();
        let stream = stored(task, made)?;
        *self.file.borrow_mut() = Some(Rc::new(Open::new(stream, columns, datasets)));
        Ok(())
    }

    /// Closes the file, if one is open; resolves when it is complete on disk.
    pub async fn close(&self) -> Result<(), Fault> {
        let task = self.task("close its file");
        self.adopt(task).await?;
        let Some(open) = self.open_now() else { return Ok(()) };
        self.end_reader(task, &open).await?;
        let reconciled = self.reconcile(task, &open).await;
        self.finish(task, &open).await?;
        reconciled.map(drop)
    }

    /// Resolves when the file is closed.
    pub(super) async fn finish(&self, task: Task<'_>, open: &Open) -> Result<(), Fault> {
        let closing = open.closing.borrow_mut().get_or_insert_with(|| open.close()).clone();
        let closed = self.haste.within(DISK_WITHIN, closing).await.map_err(|after| {
            let reason = format!("the disk does not close it within {after:?}");
            task.fault(FaultClass::Failed, reason)
        })?;
        self.file.take();
        stored(task, closed.map(drop))
    }

    /// Resolves when everything that was handed to the storage is on disk.
    pub(super) async fn flush(&self, task: Task<'_>) -> Result<(), Fault> {
        self.stored_in_time(task, self.storage.flush_if_dirty()).await
    }
}

impl Open {
    fn new(stream: StreamHandle, columns: Vec<FileColumn>, datasets: Vec<Dataset>) -> Self {
        Self {
            stream,
            columns,
            datasets,
            reader: RefCell::default(),
            over: RefCell::default(),
            armed: Cell::new(Armed::No),
            arms_before: Cell::default(),
            due: Cell::default(),
            is_judged: Cell::default(),
            ends: RefCell::default(),
            last: RefCell::default(),
            closing: RefCell::default(),
        }
    }

    /// Frames on disk without a hole from index 0.
    pub(super) fn frames_on_disk(&self) -> u64 {
        self.stream.watch().borrow().committed
    }

    pub(super) fn file(&self) -> OpenFile {
        OpenFile {
            path: self.stream.plan().path.clone(),
            datasets: self.datasets.clone(),
            exposures_per_frame: ExposuresPerFrame::ONE,
            frames_on_disk: self.frames_on_disk(),
        }
    }

    /// Whether somebody began to close it.
    pub(super) fn is_closing(&self) -> bool {
        self.closing.borrow().is_some()
    }

    /// Fails if the file takes no more.
    pub(super) fn check_written(&self, task: Task<'_>) -> Result<(), Fault> {
        match &self.stream.watch().borrow().error {
            Some(error) => Err(task.fault(FaultClass::Failed, error.to_string())),
            None => Ok(()),
        }
    }

    fn close(&self) -> Closing {
        let stream = self.stream.clone();
        let closed: LocalBoxFuture<'static, _> = Box::pin(async move { stream.close().await });
        closed.shared()
    }
}

//! Opening the file of a detector, and closing it.
use super::{
    AreaDetector, AttributesStatus, FilePlan, FileWriteMode, NUMBERS_PER_CHUNK, OpenFile, Task,
    WITHIN, WriteStatus, file::datasets, place, signed, tally::Tally,
};
use crate::signal::{Backlog, SignalError, SignalRW, SignalValue};
use bluefly_protocol::fault::{Fault, FaultClass};
use futures_util::future::{LocalBoxFuture, try_join_all};

/// The attribute that says in which row a frame lands, and the text that defines it: the driver takes
/// it in place of the name of a file.
const ROW: &str = "d0";
const ATTRIBUTES: &str = "<Attributes><Attribute name=\"d0\" type=\"PARAM\" \
     source=\"ARRAY_COUNTER\" datatype=\"INT\" description=\"row\"/></Attributes>";

/// Rows that a file has room for. Never without bound: the file writer would take that for its chunks
/// of numbers, and never the exact total: frames that are taken again count again, and a row beyond
/// it is one that the writer's IOC does not survive. Room costs it time, and memory that it reserves.
const ROOM: u64 = 1_000_000;
/// The room for each frame that is known to come.
const ROOM_PER_FRAME: u64 = 4;

/// A put, not yet begun.
type Put<'a> = LocalBoxFuture<'a, Result<(), SignalError>>;

impl AreaDetector {
    /// Opens a new file; resolves when it exists and a reader may open it, or, if the file writer has
    /// seen no frame of this shape yet, when it will at the first. What an earlier request for the same
    /// file left, which came to no end, is replaced.
    pub async fn open(&self, plan: &FilePlan) -> Result<OpenFile, Fault> {
        let operation = format!("open {}", plan.path().display());
        let task = self.task(&operation);
        let writer = &self.record.writer;
        if task.done(writer.is_capturing.get().await)? {
            let path = task.done(writer.full_file_name.get().await)?;
            return Err(task.fault(FaultClass::Failed, format!("{path} is still open")));
        }
        self.patience.forget();
        self.check_place(task, plan).await?;
        self.take_over(task).await?;
        self.forget_write_error(task).await?;
        self.set_directory(task, plan).await?;
        self.define_row(task).await?;
        let settings = self.settings(plan, self.is_lazy(task).await?);
        task.done(try_join_all(settings).await)?;
        self.tally.set(Tally::NONE);
        *self.requested.borrow_mut() = Some(plan.path());
        task.done(writer.capture.send(true).await)?;
        self.await_open(task).await?;
        let file = self.open_file(task).await?;
        *self.requested.borrow_mut() = None;
        Ok(file)
    }

    /// Closes the file, if one is open; resolves when it is complete on disk.
    pub async fn close(&self) -> Result<(), Fault> {
        let task = self.task("close its file");
        let writer = &self.record.writer;
        // Before it is closed: the writer then forgets what went wrong.
        let written = self.check_written(task).await;
        // A put-callback would wait for the one that opened it, whoever made that.
        task.done(writer.capture.send(false).await)?;
        let is_capturing = &writer.is_capturing;
        let ends = |within| is_capturing.wait_for(within, |capturing| !capturing);
        task.done(self.patience.wait(is_capturing.address(), ends).await)?;
        let forgotten = self.forget_file(task).await;
        written?;
        forgotten?;
        self.check_written(task).await
    }

    /// There is no file of ours: what others do with it from now on is no business of ours.
    pub(super) async fn forget_file(&self, task: Task<'_>) -> Result<(), Fault> {
        *self.watch.borrow_mut() = None;
        self.restore_attributes(task).await?;
        self.give_back(task).await
    }

    async fn check_place(&self, task: Task<'_>, plan: &FilePlan) -> Result<(), Fault> {
        let Some(min_free_bytes) = self.setup.min_free_bytes else { return Ok(()) };
        let (directory, path) = (plan.directory.clone(), plan.path());
        // It was not there when it was asked for, and no frame came to it.
        let is_ours = self.requested.borrow().as_ref() == Some(&path);
        let file = (!is_ours).then_some(path);
        let check = self
            .record
            .clock
            .foreign(move || place::check(&directory, file.as_deref(), min_free_bytes));
        let failed = |reason: String| task.fault(FaultClass::Failed, reason);
        match self.record.clock.timeout(WITHIN, check).await {
            Ok(checked) => checked.map_err(failed),
            Err(_) => Err(failed(format!("its directory does not answer within {WITHIN:?}"))),
        }
    }

    /// An error stays until the next capture ends: it would be taken for one of the new file.
    async fn forget_write_error(&self, task: Task<'_>) -> Result<(), Fault> {
        let writer = &self.record.writer;
        if task.done(writer.write_status.get().await)? == WriteStatus::Error {
            task.done(writer.capture.send(false).await)?;
            let is_well = |status: &WriteStatus| *status == WriteStatus::Ok;
            task.done(writer.write_status.wait_for(WITHIN, is_well).await)?;
        }
        Ok(())
    }

    async fn set_directory(&self, task: Task<'_>, plan: &FilePlan) -> Result<(), Fault> {
        let failed = |reason: String| task.fault(FaultClass::Failed, reason);
        let directory = self.setup.to_ioc(&plan.directory).map_err(failed)?;
        let writer = &self.record.writer;
        // Negative: so many parts, counted from the end.
        task.done(writer.create_directory.put(-i64::from(plan.new_directories)).await)?;
        task.done(writer.file_path.put(directory.clone()).await)?;
        // Its readback comes with the answer whether it exists.
        let is_taken = |path: &String| {
            path.trim_end_matches(['/', '\\']) == directory.trim_end_matches(['/', '\\'])
        };
        task.done(writer.file_path_readback.wait_for(WITHIN, is_taken).await)?;
        if task.done(writer.file_path_exists.get().await)? {
            return Ok(());
        }
        let signal = writer.file_path_exists.address();
        Err(failed(format!("{signal} is No: there is no {directory} where the file is written")))
    }

    async fn define_row(&self, task: Task<'_>) -> Result<(), Fault> {
        let driver = &self.record.driver;
        let before = task.done(driver.attributes_file.get().await)?;
        if before != ATTRIBUTES {
            *self.attributes.borrow_mut() = Some(before);
        }
        task.done(driver.attributes_file.put(ATTRIBUTES.to_owned()).await)?;
        let is_taken = |status: &AttributesStatus| *status == AttributesStatus::Ok;
        task.done(driver.attributes_status.wait_for(WITHIN, is_taken).await).map(drop)
    }

    /// Whether the driver makes something of them is none of our business: it may have no such file.
    async fn restore_attributes(&self, task: Task<'_>) -> Result<(), Fault> {
        let before = self.attributes.borrow().clone();
        if let Some(before) = before {
            let attributes_file = self.record.driver.attributes_file.w();
            task.done(self.patience.put(attributes_file, before).await)?;
            *self.attributes.borrow_mut() = None;
        }
        Ok(())
    }

    /// Whether the file can only be made at the first frame. An error would then be found late, and
    /// without the shape of a frame the writer silently opens nothing.
    async fn is_lazy(&self, task: Task<'_>) -> Result<bool, Fault> {
        let frame = self.read_shape(task).await?;
        let writer = &self.record.writer;
        let rows = self.read_count(task, &writer.size_y).await?;
        let columns = self.read_count(task, &writer.size_x).await?;
        let dtype = task.done(writer.data_type.get().await)?;
        Ok(frame.shape != [rows, columns] || frame.dtype != dtype)
    }

    /// Everything that whoever looked at the detector before may have set otherwise.
    fn settings(&self, plan: &FilePlan, is_lazy: bool) -> Vec<Put<'_>> {
        let (driver, writer) = (&self.record.driver, &self.record.writer);
        let frames = self.setup.exposures_per_frame.of(plan.frames.saturating_mul(ROOM_PER_FRAME));
        let room = ROOM.max(frames.0).min(i32::MAX.unsigned_abs().into());
        vec![
            set(&driver.array_callbacks, true),
            set(&writer.enable_callbacks, true),
            set(&writer.file_name, plan.file_name.clone()),
            set(&writer.file_template, "%s%s".to_owned()),
            set(&writer.auto_increment, false),
            set(&writer.auto_save, false),
            set(&writer.file_write_mode, FileWriteMode::Stream),
            set(&writer.num_capture, signed(room)),
            set(&writer.lazy_open, is_lazy),
            set(&writer.swmr_mode, true),
            // It is told when to flush.
            set(&writer.num_frames_flush, signed(room)),
            set(&writer.position_mode, true),
            set(&writer.position_name, ROW.to_owned()),
            set(&writer.num_extra_dims, 0),
            set(&writer.dim_att_datasets, true),
            set(&writer.store_attributes, true),
            // Its table of times has one chunk, with all that there is room for.
            set(&writer.store_performance, false),
            set(&writer.attribute_chunk, signed(NUMBERS_PER_CHUNK)),
        ]
    }

    pub(super) async fn await_open(&self, task: Task<'_>) -> Result<(), Fault> {
        let (patience, signal) = (&self.patience, self.record.writer.is_capturing.address());
        let opened = |within| patience.answer(signal, within, self.is_opened());
        if task.done(patience.wait(signal, opened).await)? {
            return Ok(());
        }
        Err(self.writer_fault(task).await?)
    }

    /// Resolves with true once the file is open, with false if it could not be opened.
    async fn is_opened(&self) -> Result<bool, SignalError> {
        let writer = &self.record.writer;
        let mut is_capturing = writer.is_capturing.observe(Backlog::Latest);
        let mut write_status = writer.write_status.observe(Backlog::Latest);
        loop {
            tokio::select! { biased;
                capturing = is_capturing.next() => {
                    if capturing?.value {
                        return Ok(true);
                    }
                }
                status = write_status.next() => {
                    if status?.value == WriteStatus::Error {
                        return Ok(false);
                    }
                }
            }
        }
    }

    pub(super) async fn open_file(&self, task: Task<'_>) -> Result<OpenFile, Fault> {
        let writer = &self.record.writer;
        let frame = self.read_shape(task).await?;
        let mut path = task.done(writer.full_file_name.get().await)?;
        if path.is_empty() {
            // It is opened at the first frame.
            path = task.done(writer.file_path_readback.get().await)?;
            path += &task.done(writer.file_name_readback.get().await)?;
        }
        Ok(OpenFile {
            path: self.setup.as_seen_here(&path),
            datasets: datasets(&frame, &self.setup.axes, self.setup.statistics),
            exposures_per_frame: self.setup.exposures_per_frame,
            frames_on_disk: self.frames_on_disk(),
        })
    }
}

/// A put that is begun when it is first polled.
fn set<T: SignalValue>(signal: &SignalRW<T>, value: T) -> Put<'_> {
    Box::pin(signal.put(value))
}

//! [`DetectorLogic`]: a detector that is armed, takes triggers and writes its frames to a file.
mod file;
mod record;
mod single;

pub use file::{
    Dataset, DatasetKind, Description, FilePlan, FrameShape, NUMBERS_PER_CHUNK, OpenFile,
    overhead_bytes, row_bytes,
};
pub use record::{
    DetectorRecord, DetectorState, DriverRecord, Dtype, ImageMode, MultiplierRecord, StatsRecord,
    TriggerMode, WriteStatus, WriterRecord,
};

use super::{Task, signed};
use crate::signal::{Backlog, SignalR};
use bluefly_protocol::{
    exposures::Exposures,
    fault::{Fault, FaultClass},
    name::Name,
};
use file::datasets;
use single::Settings;
use std::{cell::Cell, ops::Range, pin::pin, sync::Arc, time::Duration};

/// What a detector is armed for. Frames are those of the scan, however often it exposes in each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arm {
    /// Index in the run of the first frame.
    pub first_index: u64,
    /// Number of frames that will come, at least one.
    pub frames: u64,
    /// Time from one frame to the next, at least.
    pub frame_duration: Duration,
    /// Of each exposure.
    pub exposure: Duration,
}

/// Numbers of consecutive frames, in columns of equal length.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    pub first_index: u64,
    /// Sum of the pixels, over all exposures of the frame.
    pub total: Vec<f64>,
    /// When the first exposure began, seconds since 1970-01-01T00:00:00Z.
    pub timestamp_s: Vec<f64>,
}

/// Arms one detector and follows its frames to the disk.
///
/// Whoever asks speaks of frames of the scan, the hardware of exposures, which are rows of its file:
/// this is where the one becomes the other, by [`ExposuresPerFrame`](bluefly_protocol::exposures::ExposuresPerFrame).
pub struct DetectorLogic {
    device: Name,
    record: DetectorRecord,
    /// The axes whose positions its file has.
    axes: Vec<Name>,
    /// Exposures that are on disk once everything armed is.
    target: Cell<Exposures>,
    /// Exposures that were written once everything armed is, those before a rewind among them.
    written: Cell<Exposures>,
    /// What the driver was set to before a single frame, until it is so again.
    before: Cell<Option<Settings>>,
}

/// How long a driver or writer may take to change its state.
const WITHIN: Duration = Duration::from_secs(10);

impl DetectorLogic {
    /// `axes`: those whose positions the file writer has as attributes of each frame.
    pub const fn new(device: Name, record: DetectorRecord, axes: Vec<Name>) -> Self {
        let (target, written) = (Cell::new(Exposures(0)), Cell::new(Exposures(0)));
        Self { device, record, axes, target, written, before: Cell::new(None) }
    }

    /// Stops acquiring, and tells of a file that is still open so that it can be adopted or closed.
    /// Resolves when no trigger would be taken and everything acquired is on disk.
    pub async fn make_safe(&self) -> Result<Option<OpenFile>, Fault> {
        let task = self.task("make safe");
        self.stop_acquiring(task).await?;
        self.restore(task).await?;
        let writer = &self.record.writer;
        if !task.done(writer.capture.get().await)? {
            return Ok(None);
        }
        // Whoever asked to open it may be gone before it is open.
        if let Err(fault) = self.await_open(task).await {
            let is_opening = task.done(writer.capture.get().await)?;
            return if is_opening { Err(fault) } else { Ok(None) };
        }
        // A file that cannot be written any more is still open, and is told as such.
        self.flush(task).await?;
        Ok(Some(self.open_file(task).await?))
    }

    /// Least time between the end of an exposure and the next trigger.
    pub async fn dead_time(&self) -> Result<Duration, Fault> {
        self.read_dead_time(self.task("read the dead time")).await
    }

    /// What its frames look like.
    pub async fn frame_shape(&self) -> Result<FrameShape, Fault> {
        self.read_shape(self.task("describe its frames")).await
    }

    /// What its file will have, whether or not one is open.
    pub async fn describe(&self) -> Result<Description, Fault> {
        let frame = self.frame_shape().await?;
        let exposures_per_frame = self.record.exposures_per_frame;
        Ok(Description { datasets: datasets(&frame, &self.axes), exposures_per_frame })
    }

    /// Opens a new file; resolves when it exists and a reader may open it.
    pub async fn open(&self, plan: &FilePlan) -> Result<OpenFile, Fault> {
        let operation = format!("open {}", plan.directory.join(&plan.file_name).display());
        let task = self.task(&operation);
        let writer = &self.record.writer;
        if task.done(writer.is_capturing.get().await)? {
            let path = task.done(writer.full_file_name.get().await)?;
            return Err(task.fault(FaultClass::Failed, format!("{path} is still open")));
        }
        let directory = plan.directory.to_string_lossy().into_owned();
        task.done(writer.file_path.put(directory).await)?;
        task.done(writer.file_name.put(plan.file_name.clone()).await)?;
        task.done(writer.run_uid.put(plan.run_uid.clone()).await)?;
        task.done(writer.num_capture.put(0).await)?;
        task.done(writer.lazy_open.put(false).await)?;
        task.done(writer.swmr_mode.put(true).await)?;
        task.done(writer.position_offset.put(0).await)?;
        task.done(writer.capture.send(true).await)?;
        self.await_open(task).await?;
        self.open_file(task).await
    }

    /// Gets ready for the triggers of `arm.frames` frames; resolves once they would be taken.
    ///
    /// Fails as rejected if a frame is too short for all of its exposures and dead times.
    pub async fn arm(&self, arm: &Arm) -> Result<(), Fault> {
        let last = arm.first_index + arm.frames.saturating_sub(1);
        let operation = format!("arm for frames {} to {last}", arm.first_index);
        let task = self.task(&operation);
        self.check_arm(task, arm).await?;
        let per_frame = self.record.exposures_per_frame;
        let (first, count) = (per_frame.of(arm.first_index), per_frame.of(arm.frames));
        let period_s = per_frame.period(arm.frame_duration).as_secs_f64();
        if let Some(multiplier) = &self.record.multiplier {
            // Pulses of a frame that was cut short must not be taken for those to come.
            task.done(multiplier.enable.put(false).await)?;
            task.done(multiplier.pulses.put(i64::from(per_frame.get())).await)?;
            task.done(multiplier.step_s.put(period_s).await)?;
            task.done(multiplier.enable.put(true).await)?;
        }
        let driver = &self.record.driver;
        self.before.set(None);
        task.done(driver.image_mode.put(ImageMode::Multiple).await)?;
        task.done(driver.trigger_mode.put(TriggerMode::External).await)?;
        task.done(driver.num_images.put(signed(count.0)).await)?;
        task.done(driver.acquire_time_s.put(arm.exposure.as_secs_f64()).await)?;
        task.done(driver.acquire_period_s.put(period_s).await)?;
        task.done(self.record.writer.position_offset.put(signed(first.0)).await)?;
        self.target.set(per_frame.of(arm.first_index + arm.frames));
        let written = self.read_count(task, &self.record.writer.num_captured).await?;
        self.written.set(Exposures(written + count.0));
        task.done(driver.acquire.send(true).await)?;
        let settled =
            |state: &DetectorState| matches!(state, DetectorState::Waiting | DetectorState::Error);
        match task.done(driver.state.wait_for(WITHIN, settled).await)? {
            DetectorState::Error => Err(self.driver_fault(task).await?),
            _ => Ok(()),
        }
    }

    /// Resolves when all frames that were armed are on disk.
    ///
    /// `progress` is told the number of frames on disk without a hole from index 0, as it changes.
    /// Fails if the writer or driver does, or if the link drops; as [`FaultClass::Lost`] as soon as
    /// it is known that a frame will never come.
    pub async fn on_disk(&self, progress: impl Fn(u64)) -> Result<(), Fault> {
        let task = self.task("bring its frames to disk");
        let DetectorRecord { driver, writer, .. } = &self.record;
        let mut frames = writer.frames_on_disk.observe(Backlog::Latest);
        let mut dropped = writer.dropped_arrays.observe(Backlog::Latest);
        let mut write_status = writer.write_status.observe(Backlog::Latest);
        let mut state = driver.state.observe(Backlog::Latest);
        let mut flushing = pin!(self.flush_when_written(task));
        loop {
            tokio::select! { biased;
                status = write_status.next() => {
                    if task.done(status)?.value == WriteStatus::Error {
                        return Err(self.writer_fault(task).await?);
                    }
                }
                state = state.next() => {
                    if task.done(state)?.value == DetectorState::Error {
                        return Err(self.driver_fault(task).await?);
                    }
                }
                fault = &mut flushing => return Err(fault),
                frames = frames.next() => {
                    let exposures = Exposures(task.done(frames)?.value.unsigned_abs());
                    progress(self.record.exposures_per_frame.whole_frames(exposures));
                    if exposures >= self.target.get() {
                        return Ok(());
                    }
                }
                dropped = dropped.next() => {
                    let dropped = task.done(dropped)?.value;
                    if dropped > 0 {
                        return Err(self.lost_fault(task, dropped).await?);
                    }
                }
            }
        }
    }

    /// Brings the last frames to disk as soon as they are written: a run of few frames would else
    /// last as long as the writer takes until its next flush. Resolves only if that fails.
    async fn flush_when_written(&self, task: Task<'_>) -> Fault {
        let flushed = async {
            let mut written = self.record.writer.num_captured.observe(Backlog::Latest);
            let all = self.written.get();
            while Exposures(task.done(written.next().await)?.value.unsigned_abs()) < all {}
            self.flush(task).await
        };
        match flushed.await {
            Ok(()) => std::future::pending().await,
            Err(fault) => fault,
        }
    }

    /// Stops acquiring; resolves when everything acquired is on disk, with the number of frames
    /// there without a hole from index 0. Legal at any time.
    pub async fn disarm(&self) -> Result<u64, Fault> {
        let task = self.task("disarm");
        self.stop_acquiring(task).await?;
        self.flush(task).await?;
        self.check_written(task).await?;
        self.read_frames_on_disk(task).await
    }

    /// Closes the file, if one is open; resolves when it is complete on disk.
    pub async fn close(&self) -> Result<(), Fault> {
        let task = self.task("close its file");
        let writer = &self.record.writer;
        task.done(writer.capture.send(false).await)?;
        task.done(writer.is_capturing.wait_for(WITHIN, |capturing| !capturing).await)?;
        self.check_written(task).await
    }

    /// Numbers of frames that are on disk, from memory.
    ///
    /// Fails as [`FaultClass::Lost`] if they are no longer (or not yet) in the ring.
    pub async fn summary(&self, frames: Range<u64>) -> Result<Summary, Fault> {
        let operation = format!("summarise frames {frames:?}");
        let task = self.task(&operation);
        let stats = &self.record.stats;
        let total = task.done(stats.total.get().await)?;
        let timestamp_s = task.done(stats.timestamp_s.get().await)?;
        // Last: a slot that still has its index now had its values when they were read.
        let index = task.done(stats.index.get().await)?;
        let mut summary = Summary { first_index: frames.start, ..Summary::default() };
        let per_frame = self.record.exposures_per_frame;
        for frame in frames {
            let exposures = per_frame.of(frame).0..per_frame.of(frame + 1).0;
            let slots = exposures.map(|exposure| ring_slot(&index, exposure));
            let slots = slots.collect::<Option<Vec<usize>>>().ok_or_else(|| {
                let reason = format!("frame {frame} is not in a ring of {}", index.len());
                task.fault(FaultClass::Lost, reason)
            })?;
            summary.total.push(slots.iter().map(|slot| total[*slot]).sum());
            summary.timestamp_s.extend(slots.first().map(|slot| timestamp_s[*slot]));
        }
        Ok(summary)
    }

    fn task<'a>(&'a self, operation: &'a str) -> Task<'a> {
        Task { device: &self.device, operation }
    }

    async fn check_arm(&self, task: Task<'_>, arm: &Arm) -> Result<(), Fault> {
        let dead_time = self.read_dead_time(task).await?;
        let Arm { frames, frame_duration, exposure, .. } = *arm;
        if frames == 0 {
            return Err(task.fault(FaultClass::Rejected, "there are no frames"));
        }
        let per_frame = self.record.exposures_per_frame;
        let period = per_frame.period(frame_duration);
        if exposure + dead_time > period {
            let reason = format!(
                "{exposure:?} exposure and {dead_time:?} dead time exceed {period:?}, which a \
                 frame of {frame_duration:?} has for each exposure"
            );
            return Err(task.fault(FaultClass::Rejected, reason));
        }
        if !task.done(self.record.writer.is_capturing.get().await)? {
            return Err(task.fault(FaultClass::Failed, "no file is open"));
        }
        self.check_written(task).await
    }

    async fn await_open(&self, task: Task<'_>) -> Result<(), Fault> {
        let writer = &self.record.writer;
        let mut is_capturing = writer.is_capturing.observe(Backlog::Latest);
        let mut write_status = writer.write_status.observe(Backlog::Latest);
        loop {
            tokio::select! { biased;
                capturing = is_capturing.next_within(WITHIN) => {
                    if task.done(capturing)?.value {
                        return Ok(());
                    }
                }
                status = write_status.next_within(WITHIN) => {
                    if task.done(status)?.value == WriteStatus::Error {
                        return Err(self.writer_fault(task).await?);
                    }
                }
            }
        }
    }

    async fn open_file(&self, task: Task<'_>) -> Result<OpenFile, Fault> {
        let writer = &self.record.writer;
        let frame = self.read_shape(task).await?;
        Ok(OpenFile {
            path: task.done(writer.full_file_name.get().await)?.into(),
            run_uid: task.done(writer.run_uid.get().await)?,
            datasets: datasets(&frame, &self.axes),
            exposures_per_frame: self.record.exposures_per_frame,
            frames_on_disk: self.read_frames_on_disk(task).await?,
        })
    }

    async fn stop_acquiring(&self, task: Task<'_>) -> Result<(), Fault> {
        let driver = &self.record.driver;
        task.done(driver.acquire.send(false).await)?;
        let stopped =
            |state: &DetectorState| matches!(state, DetectorState::Idle | DetectorState::Error);
        task.done(driver.state.wait_for(WITHIN, stopped).await)?;
        Ok(())
    }

    async fn flush(&self, task: Task<'_>) -> Result<(), Fault> {
        task.done(self.record.writer.flush_now.trigger_within(WITHIN).await)
    }

    async fn check_written(&self, task: Task<'_>) -> Result<(), Fault> {
        match task.done(self.record.writer.write_status.get().await)? {
            WriteStatus::Ok => Ok(()),
            WriteStatus::Error => Err(self.writer_fault(task).await?),
        }
    }

    async fn writer_fault(&self, task: Task<'_>) -> Result<Fault, Fault> {
        let message = task.done(self.record.writer.write_message.get().await)?;
        Ok(task.fault(FaultClass::Failed, message))
    }

    async fn driver_fault(&self, task: Task<'_>) -> Result<Fault, Fault> {
        let message = task.done(self.record.driver.status_message.get().await)?;
        Ok(task.fault(FaultClass::Failed, message))
    }

    async fn lost_fault(&self, task: Task<'_>, dropped: i64) -> Result<Fault, Fault> {
        let exposures = self.read_count(task, &self.record.writer.frames_on_disk).await?;
        let Exposures(target) = self.target.get();
        let reason = format!("{dropped} exposures lost with {exposures} of {target} on disk");
        Ok(task.fault(FaultClass::Lost, reason))
    }

    async fn read_dead_time(&self, task: Task<'_>) -> Result<Duration, Fault> {
        let dead_time_s = task.done(self.record.driver.dead_time_s.get().await)?;
        Duration::try_from_secs_f64(dead_time_s).map_err(|error| {
            task.fault(FaultClass::Failed, format!("its dead time is {dead_time_s} s: {error}"))
        })
    }

    async fn read_shape(&self, task: Task<'_>) -> Result<FrameShape, Fault> {
        let driver = &self.record.driver;
        let rows = self.read_count(task, &driver.size_y).await?;
        let columns = self.read_count(task, &driver.size_x).await?;
        let dtype = task.done(driver.data_type.get().await)?;
        Ok(FrameShape { shape: vec![rows, columns], dtype })
    }

    async fn read_frames_on_disk(&self, task: Task<'_>) -> Result<u64, Fault> {
        let exposures = self.read_count(task, &self.record.writer.frames_on_disk).await?;
        Ok(self.record.exposures_per_frame.whole_frames(Exposures(exposures)))
    }

    async fn read_count(&self, task: Task<'_>, signal: &SignalR<i64>) -> Result<u64, Fault> {
        Ok(u64::try_from(task.done(signal.get().await)?).unwrap_or(0))
    }
}

/// Where in a ring the values of an exposure are.
fn ring_slot(index: &Arc<[f64]>, exposure: u64) -> Option<usize> {
    let slot = usize::try_from(exposure.checked_rem(index.len() as u64)?).ok()?;
    (index[slot] == exposure as f64).then_some(slot)
}

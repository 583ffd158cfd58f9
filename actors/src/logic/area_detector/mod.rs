//! [`AreaDetector`]: a detector that is armed, takes triggers and writes its frames to a file.
//!
//! Each frame has a unique id, which is the row of the file where it lands: the counter of the driver
//! is set before it is armed, so that a rewind overwrites what is there.
mod camera;
mod continuity;
mod file;
mod frames;
mod live;
mod opening;
mod patience;
mod place;
mod record;
mod seam;
mod setup;
mod single;
mod step;
mod summary;
mod tally;
mod watch;

pub use camera::{trigger_choices, trigger_word};
pub use file::{NUMBERS_PER_CHUNK, numbers, overhead_bytes, row_bytes};
pub use record::{
    AttributesStatus, DetectorRecord, DetectorState, DriverRecord, FileWriteMode, ImageMode,
    MultiplierRecord, StatsRecord, WriteStatus, WriterRecord,
};
pub use setup::DetectorSetup;

use super::{
    Task,
    detector::{Arm, Description, FilePlan, FrameShape, OpenFile},
    signed,
};
use crate::signal::{Backlog, Severity, SignalError, SignalR, SignalValue};
use bluefly_protocol::{
    beamline::Trigger,
    exposures::Exposures,
    fault::{Fault, FaultClass},
    name::Name,
};
use file::datasets;
use futures_util::{
    FutureExt as _,
    future::{LocalBoxFuture, Shared},
};
use patience::Patience;
use single::Settings;
use std::{
    cell::{Cell, RefCell},
    path::PathBuf,
    rc::Rc,
    time::Duration,
};
use step::Steps;
use tally::Tally;
use watch::Watch;

/// Arms one detector and follows its frames to the disk.
///
/// Whoever asks speaks of frames of the scan, the hardware of exposures, which are rows of its file:
/// this is where the one becomes the other, by [`ExposuresPerFrame`](bluefly_protocol::exposures::ExposuresPerFrame).
pub struct AreaDetector {
    device: Name,
    record: DetectorRecord,
    setup: DetectorSetup,
    tally: Cell<Tally>,
    /// Of what it was armed for last.
    watch: RefCell<Option<Watch>>,
    /// What the driver was set to before a single frame, until it is so again.
    before: RefCell<Option<Settings>>,
    /// What the driver was set to while it ran continuously, if it is to run so again.
    live: RefCell<Option<Settings>>,
    /// The file that was asked for and is not known to be open.
    requested: RefCell<Option<PathBuf>>,
    /// What defined the attributes of the frames before ours did, until it does again.
    attributes: RefCell<Option<String>>,
    /// It is armed, and starts when its frames are taken.
    is_to_start: Cell<bool>,
    /// What it has taken at commands.
    steps: Cell<Steps>,
    /// A flush that is not known to be complete.
    flushing: RefCell<Option<Flushing>>,
    patience: Patience,
}

type Flushing = Shared<LocalBoxFuture<'static, Result<(), SignalError>>>;

/// How long a driver or writer may take to change its state.
const WITHIN: Duration = Duration::from_secs(10);

/// How long after an event other values may tell of it: milliseconds, of IOCs that were recorded.
const LATE: Duration = Duration::from_millis(250);

/// How long a flush may be under way before another one is tried.
const FORGOTTEN: Duration = Duration::from_hours(1);

impl AreaDetector {
    pub fn new(device: Name, record: DetectorRecord, setup: DetectorSetup) -> Self {
        let tally = Cell::new(Tally::NONE);
        let (watch, before, live) = (RefCell::new(None), RefCell::new(None), RefCell::new(None));
        let (requested, attributes) = (RefCell::new(None), RefCell::new(None));
        let (is_to_start, steps) = (Cell::new(false), Cell::default());
        let flushing = RefCell::new(None);
        let patience = Patience::new(record.clock.clone());
        Self {
            device,
            record,
            setup,
            tally,
            watch,
            before,
            live,
            requested,
            attributes,
            is_to_start,
            steps,
            flushing,
            patience,
        }
    }

    /// Stops acquiring, and tells of a file that is still open so that it can be adopted or closed.
    /// Resolves when no trigger would be taken and everything acquired is on disk.
    ///
    /// A camera that somebody lets run continuously, into no file, is left alone.
    pub async fn make_safe(&self) -> Result<Option<OpenFile>, Fault> {
        let task = self.task("make safe");
        if self.is_live().await {
            return self.forget_file(task).await.map(|()| None);
        }
        self.stop_acquiring(task).await?;
        self.restore(task).await?;
        let writer = &self.record.writer;
        if !task.done(writer.capture.get().await)? {
            return self.forget_file(task).await.map(|()| None);
        }
        // Whoever asked to open it may be gone before it is open.
        if let Err(fault) = self.await_open(task).await {
            let is_opening = task.done(writer.capture.get().await)?;
            return if is_opening {
                Err(fault)
            } else {
                self.forget_file(task).await.map(|()| None)
            };
        }
        // A file that cannot be written any more is still open, and is told as such.
        self.settle(task).await?;
        Ok(Some(self.open_file(task).await?))
    }

    /// Least time between the end of an exposure and the next trigger.
    pub const fn dead_time(&self) -> Duration {
        self.setup.dead_time
    }

    /// What its frames look like.
    pub async fn frame_shape(&self) -> Result<FrameShape, Fault> {
        self.read_shape(self.task("describe its frames")).await
    }

    /// The signals by which it is followed of which nobody knows the value, and why.
    pub async fn invalid(&self) -> Result<Vec<String>, Fault> {
        let task = self.task("look at its alarms");
        let (driver, writer) = (&self.record.driver, &self.record.writer);
        let acquiring = task.done(driver.acquiring.read().await)?.alarm;
        let made = task.done(driver.array_counter_readback.read().await)?.alarm;
        let capturing = task.done(writer.is_capturing.read().await)?.alarm;
        let told = [
            (driver.acquiring.address(), acquiring),
            (driver.array_counter_readback.address(), made),
            (writer.is_capturing.address(), capturing),
        ];
        let invalid = told.into_iter().filter(|(_, alarm)| alarm.severity == Severity::Invalid);
        Ok(invalid.map(|(signal, alarm)| format!("{signal} is INVALID ({})", alarm.text)).collect())
    }

    /// What its file will have, whether or not one is open.
    pub async fn describe(&self) -> Result<Description, Fault> {
        let frame = self.frame_shape().await?;
        self.check_positions(self.task("describe its file")).await?;
        let exposures_per_frame = self.setup.exposures_per_frame;
        let datasets = datasets(&frame, &self.setup.axes, self.setup.statistics);
        Ok(Description { datasets, exposures_per_frame })
    }

    /// Gets ready for the triggers of `arm.frames` frames; resolves once they would be taken. A detector
    /// that starts its exposures itself does so as soon as its frames are [followed](Self::on_disk).
    ///
    /// Fails as rejected if a frame is too short for all of its exposures and dead times.
    pub async fn arm(&self, arm: &Arm) -> Result<(), Fault> {
        let last = arm.first_index + arm.frames.saturating_sub(1);
        let operation = format!("arm for frames {} to {last}", arm.first_index);
        let task = self.task(&operation);
        let per_frame = self.setup.exposures_per_frame;
        let (first, count) = (per_frame.of(arm.first_index), per_frame.of(arm.frames));
        self.check_arm(task, arm).await?;
        self.check_room(task, first, count).await?;
        let period = per_frame.period(arm.frame_duration);
        self.set_pulses(task, period, arm.exposure).await?;
        *self.before.borrow_mut() = None;
        *self.watch.borrow_mut() = None;
        *self.requested.borrow_mut() = None;
        let images = match self.setup.trigger {
            Trigger::Software => per_frame.of(1),
            Trigger::Internal | Trigger::Edge | Trigger::Gate => count,
        };
        self.set_driver(task, images, (arm.exposure, period)).await?;
        self.steps.set(Steps { taken: 0, period });
        let (driver, writer) = (&self.record.driver, &self.record.writer);
        // The first frame has the next id; the writer counts along.
        let before = signed(first.0) - 1;
        task.done(driver.array_counter.put(before).await)?;
        task.done(writer.array_counter.put(before).await)?;
        let mut tally = self.tally.get();
        tally.arm(first, count);
        self.tally.set(tally);
        let watch = Watch::new(task, &self.record, before + 1).await?;
        *self.watch.borrow_mut() = Some(watch);
        match self.setup.trigger {
            Trigger::Edge | Trigger::Gate => self.start(task).await,
            // It would not wait for anything.
            Trigger::Internal => {
                self.is_to_start.set(true);
                Ok(())
            }
            Trigger::Software => Ok(()),
        }
    }

    /// Stops acquiring; resolves when everything acquired is on disk, with the number of frames
    /// there without a hole from index 0. Legal at any time.
    pub async fn disarm(&self) -> Result<u64, Fault> {
        let task = self.task("disarm");
        self.stop_acquiring(task).await?;
        self.settle(task).await?;
        self.check_written(task).await?;
        self.check_settled(task).await?;
        Ok(self.frames_on_disk())
    }

    fn task<'a>(&'a self, operation: &'a str) -> Task<'a> {
        Task { device: &self.device, operation }
    }

    fn word(&self, task: Task<'_>, trigger: Trigger) -> Result<&str, Fault> {
        self.setup.word(trigger).map_err(|reason| task.fault(FaultClass::Rejected, reason))
    }

    /// Fails if its file lacks a dataset of positions that would be announced.
    async fn check_positions(&self, task: Task<'_>) -> Result<(), Fault> {
        let Some(positions) = &self.record.writer.positions else { return Ok(()) };
        let has = task.done(positions.get().await)?;
        let lacks = |axis: &&Name| !has.split(' ').any(|name| name == axis.as_str());
        let Some(axis) = self.setup.axes.iter().find(lacks) else { return Ok(()) };
        let signal = positions.address();
        let reason = format!("its file has no positions of {axis}: {signal} is {has:?}");
        Err(task.fault(FaultClass::Failed, reason))
    }

    async fn check_arm(&self, task: Task<'_>, arm: &Arm) -> Result<(), Fault> {
        let Arm { frames, frame_duration, exposure, .. } = *arm;
        if frames == 0 {
            return Err(task.fault(FaultClass::Rejected, "there are no frames"));
        }
        let dead_time = self.setup.dead_time;
        let period = self.setup.exposures_per_frame.period(frame_duration);
        if exposure + dead_time > period {
            let reason = format!(
                "{exposure:?} exposure and {dead_time:?} dead time exceed {period:?}, which a \
                 frame of {frame_duration:?} has for each exposure"
            );
            return Err(task.fault(FaultClass::Rejected, reason));
        }
        let is_capturing = &self.record.writer.is_capturing;
        if !task.known(is_capturing, task.done(is_capturing.read().await)?)? {
            return Err(task.fault(FaultClass::Failed, "no file is open"));
        }
        self.check_written(task).await
    }

    /// Frames that the file has no room for end the capture, or the IOC.
    async fn check_room(
        &self,
        task: Task<'_>,
        Exposures(first): Exposures,
        Exposures(count): Exposures,
    ) -> Result<(), Fault> {
        let writer = &self.record.writer;
        let room = self.read_count(task, writer.num_capture.r()).await?;
        let captured = self.read_count(task, &writer.num_captured).await?;
        if first.max(captured).saturating_add(count) < room {
            return Ok(());
        }
        let signal = writer.num_capture.address();
        let reason = format!(
            "{signal} is {room}: its file has no room for {count} more exposures from {first} on, \
             with {captured} written"
        );
        Err(task.fault(FaultClass::Failed, reason))
    }

    async fn set_pulses(
        &self,
        task: Task<'_>,
        period: Duration,
        exposure: Duration,
    ) -> Result<(), Fault> {
        let Some(multiplier) = &self.record.multiplier else { return Ok(()) };
        let pulses = i64::from(self.setup.exposures_per_frame.get());
        // Pulses of a frame that was cut short must not be taken for those to come.
        task.done(multiplier.enable.put(false).await)?;
        task.done(multiplier.pulses.put(pulses).await)?;
        task.done(multiplier.step_s.put(period.as_secs_f64()).await)?;
        task.done(multiplier.width_s.put(exposure.as_secs_f64()).await)?;
        task.done(multiplier.enable.put(true).await)
    }

    /// Sets the driver, and checks what it made of that: drivers take the nearest that they can.
    async fn set_driver(
        &self,
        task: Task<'_>,
        Exposures(count): Exposures,
        (exposure, period): (Duration, Duration),
    ) -> Result<(), Fault> {
        let (driver, word) = (&self.record.driver, self.word(task, self.setup.trigger)?);
        task.done(driver.image_mode.put(ImageMode::Multiple).await)?;
        task.done(driver.trigger_mode.put(word.to_owned()).await)?;
        task.done(driver.num_images.put(signed(count)).await)?;
        task.done(driver.acquire_time_s.put(exposure.as_secs_f64()).await)?;
        task.done(driver.acquire_period_s.put(period.as_secs_f64()).await)?;
        let longest_s = (period.saturating_sub(self.setup.dead_time)).as_secs_f64();
        // A gate has the length of its pulse, whatever the driver says.
        let is_gate = self.setup.trigger == Trigger::Gate;
        let fits = |time_s: &f64| is_gate || *time_s <= longest_s * (1.0 + 1e-9);
        let (images, mode, time_s) = futures_util::join!(
            read_back(task, &driver.num_images_readback, |images| *images == signed(count)),
            read_back(task, &driver.trigger_mode_readback, |mode| mode == word),
            read_back(task, &driver.acquire_time_readback_s, fits),
        );
        let (images, mode, time_s) = (images?, mode?, time_s?);
        let refused = |signal: &str, found: String, wanted: String| {
            let reason = format!("{signal} is {found} after {wanted} was put");
            Err(task.fault(FaultClass::Rejected, reason))
        };
        if images != signed(count) {
            let signal = driver.num_images_readback.address();
            return refused(signal, images.to_string(), count.to_string());
        }
        if mode != word {
            let signal = driver.trigger_mode_readback.address();
            return refused(signal, format!("{mode:?}"), format!("{word:?}"));
        }
        if !fits(&time_s) {
            let signal = driver.acquire_time_readback_s.address();
            let longest = format!("{} s, of at most {longest_s} s,", exposure.as_secs_f64());
            return refused(signal, format!("{time_s} s"), longest);
        }
        Ok(())
    }

    async fn start(&self, task: Task<'_>) -> Result<(), Fault> {
        let driver = &self.record.driver;
        let mut state = driver.state.observe(Backlog::Latest);
        // What it says now may be of an earlier acquisition.
        let before = task.done(state.next_within(WITHIN).await)?.value;
        task.done(driver.acquire.send(true).await)?;
        loop {
            match state.next_within(WITHIN).await {
                Ok(reading) => match reading.value {
                    DetectorState::Error | DetectorState::Disconnected => {
                        return Err(self.driver_fault(task).await?);
                    }
                    DetectorState::Acquire
                    | DetectorState::Readout
                    | DetectorState::Correct
                    | DetectorState::Saving
                    | DetectorState::Waiting => return Ok(()),
                    DetectorState::Idle
                    | DetectorState::Aborting
                    | DetectorState::Initializing
                    | DetectorState::Aborted => {}
                },
                Err(SignalError::Timeout { .. }) => {
                    // A driver may say the same of every acquisition.
                    if task.done(driver.acquiring.get().await)? {
                        return Ok(());
                    }
                    let (signal, state) = (driver.state.address(), before.text());
                    let reason = format!("{signal} is still {state:?} after {WITHIN:?}");
                    return Err(task.fault(FaultClass::Failed, reason));
                }
                Err(error) => return task.done(Err(error)),
            }
        }
    }

    async fn stop_acquiring(&self, task: Task<'_>) -> Result<(), Fault> {
        let driver = &self.record.driver;
        self.is_to_start.set(false);
        // A put-callback would wait for the acquisition to end by itself.
        task.done(driver.acquire.send(false).await)?;
        let acquiring = &driver.acquiring;
        let ends = |within| acquiring.wait_for(within, |acquiring| !acquiring);
        task.done(self.patience.wait(acquiring.address(), ends).await).map(drop)
    }

    /// Brings what was written to disk. There is one put at a time: whoever made one may be gone before
    /// it is complete, and a second beside it would block everything that the IOC is asked.
    async fn flush(&self, task: Task<'_>) -> Result<(), Fault> {
        let (patience, signal) = (&self.patience, self.record.writer.flush_now.address());
        let before = self.flushing.borrow().clone();
        if let Some(before) = before {
            // What comes of it does not matter: not everything was written then.
            let over = before.map(Ok).shared();
            let over = |within| patience.answer(signal, within, over.clone());
            drop(task.done(patience.wait(signal, over).await)?);
        }
        let flush_now = Rc::clone(&self.record.writer.flush_now);
        let put = async move { flush_now.w().put_within(FORGOTTEN, true).await };
        let put = put.boxed_local().shared();
        *self.flushing.borrow_mut() = Some(put.clone());
        let answer = |within| patience.answer(signal, within, put.clone());
        let flushed = patience.wait(signal, answer).await;
        if put.peek().is_some() {
            *self.flushing.borrow_mut() = None;
        }
        task.done(flushed)
    }

    async fn check_written(&self, task: Task<'_>) -> Result<(), Fault> {
        match task.done(self.record.writer.write_status.get().await)? {
            WriteStatus::Ok => Ok(()),
            WriteStatus::Error => Err(self.writer_fault(task).await?),
        }
    }

    async fn writer_fault(&self, task: Task<'_>) -> Result<Fault, Fault> {
        let message = &self.record.writer.write_message;
        let reason = format!("{} ({})", task.done(message.get().await)?, message.address());
        Ok(task.fault(FaultClass::Failed, reason))
    }

    async fn driver_fault(&self, task: Task<'_>) -> Result<Fault, Fault> {
        let message = &self.record.driver.status_message;
        let reason = format!("{} ({})", task.done(message.get().await)?, message.address());
        Ok(task.fault(FaultClass::Failed, reason))
    }

    async fn read_shape(&self, task: Task<'_>) -> Result<FrameShape, Fault> {
        let driver = &self.record.driver;
        let rows = self.read_count(task, &driver.size_y).await?;
        let columns = self.read_count(task, &driver.size_x).await?;
        let dtype = task.done(driver.data_type.get().await)?;
        Ok(FrameShape { shape: vec![rows, columns], dtype })
    }

    fn frames_on_disk(&self) -> u64 {
        self.setup.exposures_per_frame.whole_frames(self.tally.get().on_disk())
    }

    async fn read_count(&self, task: Task<'_>, signal: &SignalR<i64>) -> Result<u64, Fault> {
        Ok(u64::try_from(task.done(signal.get().await)?).unwrap_or(0))
    }
}

/// What a readback says, in the end: it may come after the put that it tells of is done. Fails if
/// nobody knows what it is.
async fn read_back<T: SignalValue>(
    task: Task<'_>,
    signal: &SignalR<T>,
    is_right: impl Fn(&T) -> bool,
) -> Result<T, Fault> {
    let now = task.done(signal.read().await)?;
    let is_known = now.alarm.severity < Severity::Invalid;
    if is_known && is_right(&now.value) {
        return Ok(now.value);
    }
    match signal.wait_for(LATE, |value| is_known && is_right(value)).await {
        Err(SignalError::NotReached { .. }) => task.known(signal, task.done(signal.read().await)?),
        reached => task.done(reached),
    }
}

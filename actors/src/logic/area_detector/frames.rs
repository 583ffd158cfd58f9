//! Following the frames of a detector to the disk.
use super::{
    AreaDetector, DetectorState, LATE, Task, WITHIN, WriteStatus, WriterRecord,
    continuity::Counter,
    read_back, signed,
    tally::Tally,
    watch::{Event, Taken, Watch},
};
use crate::{
    clock::Instant,
    signal::{Backlog, SignalError},
};
use bluefly_protocol::{
    beamline::Trigger,
    fault::{Fault, FaultClass},
};
use futures_util::future::LocalBoxFuture;
use std::cell::Cell;

/// How often what looks like a gap is read again: it may be hidden by frames that come meanwhile.
const CONFIRMATIONS: usize = 3;

/// How often id and count are compared at most, and by how many looks one answer must lead.
const LOOKS: usize = 12;
const CLEAR: i32 = 3;

/// How far the frames of one acquisition have come.
struct Course<'a> {
    /// Frames that were written since it was armed.
    written: u64,
    /// Those of them that are on disk.
    flushed: u64,
    /// Resolves with the frames that are on disk then.
    flushing: Option<LocalBoxFuture<'a, Result<u64, Fault>>>,
    /// Not before then.
    next_flush: Instant,
}

impl AreaDetector {
    /// Resolves when all frames that were armed are on disk.
    ///
    /// `progress` is told the number of frames on disk without a hole from index 0, as it changes; it
    /// goes back only if frames that were there are overwritten. Fails if the writer or driver does,
    /// or if the link drops; as [`FaultClass::Lost`] as soon as it is known that a frame will never
    /// come, or is not where it belongs.
    pub async fn on_disk(&self, progress: impl Fn(u64)) -> Result<(), Fault> {
        let task = self.task("bring its frames to disk");
        let mut taken = Taken::of(&self.watch);
        let not_armed = || task.fault(FaultClass::Failed, "it is not armed");
        let watch = taken.watch().ok_or_else(not_armed)?;
        if self.is_to_start.take() {
            // It may be over before anybody saw that it acquires: what became of it is watched.
            task.done(self.record.driver.acquire.send(true).await)?;
        }
        let followed = self.follow(task, watch, &progress).await;
        if self.tally.get().knows_a_loss() {
            progress(self.frames_on_disk());
        }
        followed
    }

    async fn follow(
        &self,
        task: Task<'_>,
        watch: &mut Watch,
        progress: &impl Fn(u64),
    ) -> Result<(), Fault> {
        let clock = &self.record.clock;
        // Rows before it were compared, and are right.
        let sound = Cell::new(signed(self.tally.get().first));
        let (written, flushed, flushing) = (0, 0, None);
        let mut course = Course { written, flushed, flushing, next_flush: clock.now() };
        progress(self.frames_on_disk());
        while !self.tally.get().is_complete() {
            if course.is_due(self.tally.get().count, clock.now()) {
                course.next_flush = clock.now() + self.setup.flush_period;
                course.flushing = Some(Box::pin(self.flush_written(task, course.written, &sound)));
            }
            let is_waiting = course.flushing.is_none() && course.written > course.flushed;
            tokio::select! { biased;
                event = watch.next() => {
                    let event = task.done(event)?;
                    self.take_event(task, event, watch, &mut course).await?;
                }
                flushed = async { course.flushing.as_mut().expect("there is one").await },
                    if course.flushing.is_some() =>
                {
                    (course.flushing, course.flushed) = (None, flushed?);
                    self.count_flushed(course.flushed);
                    progress(self.frames_on_disk());
                }
                () = clock.sleep_until(course.next_flush), if is_waiting => {}
            }
        }
        watch.catch_up();
        self.check_gap(task, watch).await?;
        self.check_last(task).await
    }

    async fn flush_written(
        &self,
        task: Task<'_>,
        written: u64,
        sound: &Cell<i64>,
    ) -> Result<u64, Fault> {
        self.check_level(task, sound).await?;
        self.flush(task).await?;
        Ok(written)
    }

    /// Fails if the unique id stays behind the frames: one that came twice is told by nothing else.
    ///
    /// The id is read between two counts. The id of a frame is told after its count: one below the
    /// count before it is behind, and one that is the count after it is right. Between the two a frame
    /// came meanwhile and hides which; it is looked again.
    async fn check_level(&self, task: Task<'_>, sound: &Cell<i64>) -> Result<(), Fault> {
        let WriterRecord { unique_id, array_counter_readback, .. } = &self.record.writer;
        let mut before = task.done(array_counter_readback.get().await)?;
        if before < sound.get() {
            return Ok(());
        }
        let mut lead = 0;
        for _ in 0..LOOKS {
            let id = task.done(unique_id.get().await)?;
            let after = task.done(array_counter_readback.get().await)?;
            if id > after {
                // Which exposures are missing is told by the gap.
                return Ok(());
            }
            lead += i32::from(id == after) - i32::from(id < before);
            if lead >= CLEAR {
                sound.set(after + 1);
                return Ok(());
            }
            if lead <= -CLEAR {
                let first = sound.get();
                self.lose_from(first);
                let signal = unique_id.address();
                let reason = format!(
                    "{signal} is {id} of exposure {after}: someone set the counter at exposure \
                     {first} or later"
                );
                return Err(self.lost_fault(task, &reason));
            }
            before = after;
        }
        Ok(())
    }

    fn count_flushed(&self, frames: u64) {
        let mut tally = self.tally.get();
        tally.flushed(frames);
        self.tally.set(tally);
    }

    async fn take_event(
        &self,
        task: Task<'_>,
        event: Event,
        watch: &mut Watch,
        course: &mut Course<'_>,
    ) -> Result<(), Fault> {
        match event {
            Event::HandsOn(false) | Event::TakesIn(false) => self.check_way(task).await,
            Event::Status(WriteStatus::Error) => Err(self.writer_fault(task).await?),
            Event::State(DetectorState::Error | DetectorState::Disconnected) => {
                Err(self.driver_fault(task).await?)
            }
            Event::Capturing(false) => Err(self.closed_fault(task).await?),
            Event::Arrived => self.check_gap(task, watch).await,
            Event::Dropped(dropped) if dropped > watch.dropped_before => {
                let dropped = dropped - watch.dropped_before;
                let signal = self.record.writer.dropped_arrays.address();
                Err(self.lost_fault(task, &format!("{dropped} exposures were dropped ({signal})")))
            }
            Event::Captured(captured) => {
                let since = captured.saturating_sub(watch.captured_before);
                course.written = course.written.max(u64::try_from(since).unwrap_or(0));
                self.check_steps(task, watch)
            }
            Event::Acquiring(false) => self.check_end(task, watch, course).await,
            Event::HandsOn(true)
            | Event::TakesIn(true)
            | Event::Status(WriteStatus::Ok)
            | Event::State(_)
            | Event::Capturing(true)
            | Event::Dropped(_)
            | Event::Acquiring(true) => Ok(()),
        }
    }

    /// Fails if somebody has cut the way of the frames from the driver to the file.
    async fn check_way(&self, task: Task<'_>) -> Result<(), Fault> {
        let (driver, writer) = (&self.record.driver, &self.record.writer);
        for signal in [&driver.array_callbacks, &writer.enable_callbacks] {
            if !task.done(signal.get().await)? {
                let signal = signal.address();
                let reason = format!("{signal} is Disable: someone keeps its frames from its file");
                return Err(task.fault(FaultClass::Failed, reason));
            }
        }
        Ok(())
    }

    /// Fails if somebody set a counter: frames then are not where they belong.
    fn check_steps(&self, task: Task<'_>, watch: &Watch) -> Result<(), Fault> {
        let Some(step) = watch.stepped_back() else { return Ok(()) };
        let writer = &self.record.writer;
        self.lose_from(step.first);
        // A file that was opened anew has nothing that could be gone on with.
        let (class, signal, cause) = match step.counter {
            Counter::UniqueId => (FaultClass::Lost, &writer.unique_id, "set the counter"),
            Counter::Taken => (FaultClass::Lost, &writer.array_counter_readback, "set the counter"),
            Counter::Written => (FaultClass::Failed, &writer.num_captured, "opened its file anew"),
        };
        Err(task.fault(class, format!("{step} ({}): someone {cause}", signal.address())))
    }

    /// Fails unless the last frame has the unique id and the number that it was armed for: what came
    /// between may have been told by nothing.
    async fn check_last(&self, task: Task<'_>) -> Result<(), Fault> {
        let (Tally { first, count, .. }, writer) = (self.tally.get(), &self.record.writer);
        let last = signed(first + count) - 1;
        for signal in [&writer.unique_id, &writer.array_counter_readback] {
            let found = read_back(task, signal, |value| *value == last).await?;
            if found != last {
                self.lose_from(signed(first));
                let signal = signal.address();
                let reason = format!(
                    "{signal} is {found} after {count} exposures, not {last}: someone set the counter"
                );
                return Err(task.fault(FaultClass::Lost, reason));
            }
        }
        Ok(())
    }

    /// Fails if the last frame that was taken in has the unique id of one before. Told once.
    pub(super) async fn check_settled(&self, task: Task<'_>) -> Result<(), Fault> {
        if self.watch.borrow().is_none() || self.tally.get().knows_a_loss() {
            return Ok(());
        }
        let (Tally { first, .. }, writer) = (self.tally.get(), &self.record.writer);
        let taken = task.done(writer.array_counter_readback.get().await)?;
        if taken < signed(first) {
            return Ok(());
        }
        let id = read_back(task, &writer.unique_id, |id| *id >= taken).await?;
        if id >= taken {
            return Ok(());
        }
        self.lose_from(signed(first));
        let signal = writer.unique_id.address();
        let reason = format!("{signal} is {id} of exposure {taken}: someone set the counter");
        Err(task.fault(FaultClass::Failed, reason))
    }

    /// Fails if a frame is missing among those that came.
    async fn check_gap(&self, task: Task<'_>, watch: &mut Watch) -> Result<(), Fault> {
        self.check_steps(task, watch)?;
        let writer = &self.record.writer;
        while let Some(gap) = watch.gap() {
            for _ in 0..CONFIRMATIONS {
                if self.missing(task).await? > 0 {
                    self.lose_from(gap.first);
                    let signal = writer.unique_id.address();
                    return Err(self.lost_fault(task, &format!("{gap} ({signal})")));
                }
            }
            watch.reject_gap();
        }
        Ok(())
    }

    /// Frames that the writer does not have, of those before its latest. Frames that come while it is
    /// read hide some, but never make one up.
    async fn missing(&self, task: Task<'_>) -> Result<i64, Fault> {
        let writer = &self.record.writer;
        let id = task.done(writer.unique_id.get().await)?;
        let count = task.done(writer.array_counter_readback.get().await)?;
        Ok(id.saturating_sub(count))
    }

    /// An acquisition that ended has no more frames than are written then.
    async fn check_end(
        &self,
        task: Task<'_>,
        watch: &mut Watch,
        course: &mut Course<'_>,
    ) -> Result<(), Fault> {
        let count = match self.setup.trigger {
            Trigger::Software => self.steps.get().taken,
            Trigger::Internal | Trigger::Edge | Trigger::Gate => self.tally.get().count,
        };
        let written = self.await_written(task, watch.captured_before, count).await?;
        course.written = course.written.max(written);
        if course.written >= count {
            return Ok(());
        }
        // What is wrong with the file, or which frame is missing, says more.
        watch.catch_up();
        self.check_written(task).await?;
        self.check_way(task).await?;
        self.check_gap(task, watch).await?;
        let signal = self.record.driver.acquiring.address();
        let written = course.written;
        let reason =
            format!("the acquisition ended ({signal}) with {written} of {count} exposures");
        Err(task.fault(FaultClass::Lost, reason))
    }

    /// Resolves when the plugins of the driver have taken in every frame, with how many were written
    /// since there were `before`: `count`, or fewer if no more come.
    ///
    /// An IOC tells of the last frames after the end of their acquisition, and that nothing waits
    /// before it tells what was written. A slow writer may take its time, as long as it goes on.
    async fn await_written(&self, task: Task<'_>, before: i64, count: u64) -> Result<u64, Fault> {
        let clock = &self.record.clock;
        let mut queue = self.record.driver.queued_arrays.observe(Backlog::Latest);
        let mut writes = self.record.writer.num_captured.observe(Backlog::Latest);
        let mut queued = task.done(queue.next_within(WITHIN).await)?.value;
        let mut captured = task.done(writes.next_within(WITHIN).await)?.value;
        let mut least = queued;
        let mut latest = clock.now();
        let (patience, signal) = (&self.patience, self.record.driver.queued_arrays.address());
        loop {
            let written = u64::try_from(captured.saturating_sub(before)).unwrap_or(0);
            if queued == 0 {
                patience.came(signal);
            }
            if queued == 0 && written >= count {
                return Ok(written);
            }
            let until = if queued == 0 { latest + LATE } else { patience.until(signal, latest) };
            tokio::select! { biased;
                value = queue.next() => queued = task.done(value)?.value,
                value = writes.next() => {
                    let value = task.done(value)?.value;
                    if value > captured {
                        latest = clock.now();
                    }
                    captured = value;
                }
                () = patience.hurries() => {}
                () = clock.sleep_until(until) => {
                    if queued == 0 {
                        return Ok(written);
                    }
                    let waited = patience.did_not_come(signal, latest);
                    let reason = format!("{signal} is still {queued} after {waited:?}");
                    return Err(task.fault(FaultClass::Failed, reason));
                }
            }
            if queued < least {
                (least, latest) = (queued, clock.now());
            }
        }
    }

    /// Frames that the driver made since it was armed. It tells them before the state of rest.
    async fn made(&self, task: Task<'_>) -> Result<u64, Fault> {
        let driver = &self.record.driver;
        let is_at_rest = |state: &DetectorState| {
            matches!(
                state,
                DetectorState::Idle
                    | DetectorState::Aborted
                    | DetectorState::Error
                    | DetectorState::Disconnected
            )
        };
        match driver.state.wait_for(LATE, is_at_rest).await {
            // Some drivers keep their state to themselves.
            Ok(_) | Err(SignalError::NotReached { .. }) => {}
            Err(error) => return task.done(Err(error)),
        }
        let mut counter = driver.array_counter_readback.observe(Backlog::Latest);
        let latest = task.done(counter.next_within(WITHIN).await)?.value;
        let Tally { first, count, .. } = self.tally.get();
        let made = latest.saturating_add(1).saturating_sub(signed(first));
        Ok(u64::try_from(made).unwrap_or(0).min(count))
    }

    /// After an acquisition: brings everything to disk, and counts it.
    pub(super) async fn settle(&self, task: Task<'_>) -> Result<(), Fault> {
        let mut taken = Taken::of(&self.watch);
        let Some(watch) = taken.watch() else {
            self.await_written(task, 0, 0).await?;
            return self.flush(task).await;
        };
        let made = self.made(task).await?;
        let frames = self.await_written(task, watch.captured_before, made).await?;
        self.flush(task).await?;
        watch.catch_up();
        if !self.tally.get().knows_a_loss() {
            self.check_steps(task, watch)?;
        }
        if frames > 0 && self.missing(task).await? > 0 && !self.tally.get().knows_a_loss() {
            // Which one is not known for sure unless it was seen to be skipped.
            let first = signed(self.tally.get().first);
            self.lose_from(watch.gap().map_or(first, |gap| gap.first));
        }
        self.count_flushed(frames);
        Ok(())
    }

    fn lose_from(&self, row: i64) {
        let mut tally = self.tally.get();
        tally.lose_from(u64::try_from(row).unwrap_or(0));
        self.tally.set(tally);
    }

    fn lost_fault(&self, task: Task<'_>, what: &str) -> Fault {
        let tally = self.tally.get();
        let (on_disk, target) = (tally.on_disk().0, tally.first + tally.count);
        task.fault(FaultClass::Lost, format!("{what} with {on_disk} of {target} on disk"))
    }

    async fn closed_fault(&self, task: Task<'_>) -> Result<Fault, Fault> {
        let writer = &self.record.writer;
        if task.done(writer.write_status.get().await)? == WriteStatus::Error {
            return self.writer_fault(task).await;
        }
        let captured = task.done(writer.num_captured.get().await)?;
        let signal = writer.is_capturing.address();
        let reason = format!("its file was closed ({signal}) after {captured} exposures");
        Ok(task.fault(FaultClass::Failed, reason))
    }
}

impl Course<'_> {
    /// Whether to flush now: everything is written, or it is time.
    fn is_due(&self, count: u64, now: Instant) -> bool {
        let is_time = self.written >= count || now >= self.next_flush;
        self.flushing.is_none() && self.written > self.flushed && is_time
    }
}

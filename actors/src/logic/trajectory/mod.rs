//! [`TrajectoryLogic`]: several axes of one co-ordinate system that follow a trajectory together.
mod axes;
mod course;
mod limits;
mod load;
mod outcome;
mod record;

pub use record::{
    AXIS_LETTERS, Assignment, AxisAddress, AxisRecord, ExecuteState, LetterRecord, ProfileStatus,
    Step, StepState, TimeMode, TrajectoryRecord, TrajectorySetup, TrajectoryStatus, TriggerBox,
};

use self::{course::Course, outcome::outcome};
use super::Task;
use crate::signal::{Backlog, Observer, SignalR};
use bluefly_protocol::{
    fault::{Fault, FaultClass},
    name::Name,
    trajectory::Batch,
};
use std::{cell::RefCell, time::Duration};

/// How full the controller's buffer is, in points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buffer {
    /// What each of its halves holds.
    pub half: u64,
    /// Built or appended, and not come to.
    pub queued: u64,
}

impl Buffer {
    /// Points that are kept ahead at most, but for the rest of a batch: one half is followed while the
    /// next is full, and the one after that can be filled whole at any moment.
    const HALVES_AHEAD: u64 = 3;

    /// Whether more points are to be appended. A half that is filled in part is the end of the
    /// trajectory, whatever is appended later.
    pub const fn is_low(self) -> bool {
        self.queued <= self.half.saturating_mul(Self::HALVES_AHEAD)
    }

    /// How many points are looked for at most before more are appended.
    pub const fn free(self) -> u64 {
        (self.half.saturating_mul(Self::HALVES_AHEAD + 1)).saturating_sub(self.queued)
    }
}

/// Drives the axes of one motion controller.
pub struct TrajectoryLogic {
    device: Name,
    record: TrajectoryRecord,
    setup: TrajectorySetup,
    axes: Vec<Name>,
    course: RefCell<Course>,
}

/// How long a controller may stay silent beyond its longest segment.
const GRACE: Duration = Duration::from_secs(10);
/// How long the axes may take to come to rest.
const HALT_WITHIN: Duration = Duration::from_secs(50);
/// Changes of state that are heard one by one: an execution that fails has two within a millisecond.
const STATES: usize = 64;

impl TrajectoryLogic {
    pub fn new(device: Name, record: TrajectoryRecord, setup: TrajectorySetup) -> Self {
        let axes: Vec<Name> = record.axes.iter().map(|axis| axis.name.clone()).collect();
        let all = (0..axes.len()).collect();
        let course = RefCell::new(Course::new(setup.trigger_bits, (all, Vec::new()), 0));
        Self { device, record, setup, axes, course }
    }

    /// The axes, in the order of positions and velocities everywhere here.
    pub fn axes(&self) -> &[Name] {
        &self.axes
    }

    /// Stops everything; resolves when every axis stands still and no trajectory is executing.
    pub async fn make_safe(&self) -> Result<(), Fault> {
        self.stop_all("make safe").await?;
        self.read_anew("make safe").await
    }

    /// Decelerates every axis at its limit; resolves when all stand still. Legal at any time. A
    /// trajectory under way ends there, and must be built anew.
    pub async fn halt(&self) -> Result<(), Fault> {
        self.stop_all("halt").await
    }

    /// Whether so much is built that an execution can begin: both halves of the buffer, if there is
    /// as much.
    pub async fn is_primed(&self) -> Result<bool, Fault> {
        let half = self.half(self.task("read the buffer")).await?;
        let course = self.course.borrow();
        Ok(course.is_last || course.built >= 2 * half)
    }

    /// Follows the trajectory; resolves at its end, when all axes stand still.
    ///
    /// `progress` is told the frames done as they change. Fails if the controller ran out of points,
    /// if it was halted, or if it stays silent.
    pub async fn execute(&self, progress: impl Fn(u64)) -> Result<(), Fault> {
        let task = self.task("execute the trajectory");
        let step = &self.record.execute;
        let mut state = step.state.observe(Backlog::Queue(STATES));
        // What it was before: only what comes after the put is of this execution.
        task.done(state.next_within(GRACE).await)?;
        let mut scanned = self.record.points_scanned.observe(Backlog::Latest);
        let before = task.done(scanned.next_within(GRACE).await)?.value;
        self.course.borrow_mut().is_heard = before == 0;
        let message = task.done(step.message.get().await)?;
        task.done(step.go.send(true).await)?;
        loop {
            let within = self.course.borrow().longest + GRACE;
            tokio::select! { biased;
                state = state.next() => match task.done(state)?.value {
                    ExecuteState::MoveStart | ExecuteState::Executing | ExecuteState::Flyback => {}
                    ExecuteState::Done => return self.executed(task, &message, progress).await,
                },
                scanned = next_count(&mut scanned, within) => {
                    let scanned = task.done(scanned)?;
                    let mut course = self.course.borrow_mut();
                    course.is_heard |= scanned < before;
                    let frames = course.is_heard.then(|| course.frames_at(scanned.unsigned_abs()));
                    drop(course);
                    if let Some(frames) = frames {
                        progress(frames);
                    }
                }
            }
        }
    }

    /// Frames whose time is over since execution began, as far as the points tell that were come to.
    pub async fn frames_done(&self) -> Result<u64, Fault> {
        let task = self.task("read the frames done");
        let scanned = self.read_count(task, &self.record.points_scanned).await?;
        let mut course = self.course.borrow_mut();
        Ok(if course.is_heard { course.frames_at(scanned) } else { 0 })
    }

    /// How full the controller's buffer is.
    pub async fn buffer(&self) -> Result<Buffer, Fault> {
        let task = self.task("read the buffer");
        let half = self.half(task).await?;
        // In this order: a point that is come to in between makes the buffer look fuller, never
        // emptier.
        let scanned = self.read_count(task, &self.record.points_scanned).await?;
        let built = self.read_count(task, &self.record.points_built).await?;
        Ok(Buffer { half, queued: built.saturating_sub(scanned) })
    }

    fn task<'a>(&'a self, operation: &'a str) -> Task<'a> {
        Task { device: &self.device, operation }
    }

    async fn half(&self, task: Task<'_>) -> Result<u64, Fault> {
        self.read_count(task, &self.record.buffer_length).await
    }

    async fn read_count(&self, task: Task<'_>, signal: &SignalR<i64>) -> Result<u64, Fault> {
        Ok(u64::try_from(task.done(signal.get().await)?).unwrap_or(0))
    }

    /// What an execution came to that is over.
    async fn executed(
        &self,
        task: Task<'_>,
        before: &str,
        progress: impl Fn(u64),
    ) -> Result<(), Fault> {
        let (status, message) = outcome(task, &self.record.execute, before).await?;
        let trajectory = task.done(self.record.trajectory_status.get().await)?;
        self.release(task, &message).await?;
        let fault = |reason: String| Err(task.fault(FaultClass::Failed, reason));
        if status != ProfileStatus::Success {
            return fault(if message.is_empty() { status.text().to_owned() } else { message });
        }
        if trajectory == TrajectoryStatus::Error {
            return fault(format!("its trajectory program reports an error: {message}"));
        }
        let scanned = self.read_count(task, &self.record.points_scanned).await?;
        let mut course = self.course.borrow_mut();
        // To the controller the end is where it has no more points.
        if scanned != course.built || !course.is_last {
            let built = course.built;
            return fault(format!("ran out of points at {scanned} of {built} and those to follow"));
        }
        course.is_heard = true;
        let frames = course.frames_at(scanned);
        drop(course);
        progress(frames);
        Ok(())
    }
}

async fn next_count(
    observer: &mut Observer<i64>,
    within: Duration,
) -> Result<i64, crate::signal::SignalError> {
    Ok(observer.next_within(within).await?.value)
}

/// Refuses what no axis can follow.
fn check_batch(task: Task<'_>, axes: &[Name], batch: &Batch) -> Result<(), Fault> {
    for columns in [&batch.positions, &batch.velocities] {
        check_count(task, axes, columns.len())?;
        for (name, column) in axes.iter().zip(columns) {
            check_finite(task, name, column)?;
        }
    }
    if let Some(i) = batch.durations_us.iter().position(|&duration_us| duration_us == 0) {
        return Err(task.fault(FaultClass::Rejected, format!("segment {i} takes no time")));
    }
    let ends = axes.iter().zip(&batch.velocities).map(|(name, column)| (name, column.last()));
    match ends.filter_map(|(name, end)| Some((name, *end?))).find(|(_, end)| *end != 0.0) {
        Some((name, velocity)) if batch.last => {
            let reason = format!("the trajectory ends in motion, with {name} at {velocity}");
            Err(task.fault(FaultClass::Rejected, reason))
        }
        _ => Ok(()),
    }
}

fn check_count(task: Task<'_>, axes: &[Name], given: usize) -> Result<(), Fault> {
    let axes = axes.len();
    if given == axes {
        return Ok(());
    }
    Err(task.fault(FaultClass::Rejected, format!("{given} values for {axes} axes")))
}

fn check_finite(task: Task<'_>, name: &Name, values: &[f64]) -> Result<(), Fault> {
    match values.iter().find(|value| !value.is_finite()) {
        None => Ok(()),
        Some(value) => {
            Err(task.fault(FaultClass::Rejected, format!("{name} cannot go to {value}")))
        }
    }
}

//! [`TrajectoryLogic`]: several axes of one co-ordinate system that follow a trajectory together.
use super::{Task, signed};
use crate::signal::{Backlog, Connector, SignalError, SignalR, SignalRW, SignalX, choices};
use bluefly_protocol::{
    fault::{Fault, FaultClass},
    name::Name,
    trajectory::Batch,
};
use std::{cell::Cell, sync::Arc, time::Duration};

choices! {
    /// How building, appending or executing went. An Ok of the put says nothing: look here.
    pub enum ProfileStatus {
        /// Not asked yet, or under way.
        Undefined = "Undefined",
        Success = "Success",
        Failure = "Failure",
        Aborted = "Abort",
    }
}

/// The signals of one axis of a co-ordinate system (`A`, `B`, ...).
pub struct AxisRecord {
    pub name: Name,
    /// `:A:UseAxis`
    pub is_used: SignalRW<bool>,
    /// `:A:Positions`: position at the end of each segment, EGU.
    pub positions: SignalRW<Arc<[f64]>>,
    /// `:A:Velocities`: velocity at the end of each segment, EGU/s.
    pub velocities: SignalRW<Arc<[f64]>>,
    /// `:A:DirectDemand`: where to go once `defer_moves` falls.
    pub demand: SignalRW<f64>,
    /// `:A:Position_RBV`
    pub readback: SignalR<f64>,
}

/// The signals of a motion controller that executes position-velocity-time tables.
pub struct TrajectoryRecord {
    pub axes: Vec<AxisRecord>,
    /// `:ProfileTimeArray`: duration of each segment, microseconds.
    pub durations_us: SignalRW<Arc<[f64]>>,
    /// `:ProfileUserArray`: triggers sent during each segment.
    pub frames: SignalRW<Arc<[f64]>>,
    /// `ProfileGoesOn`: 1 where the last frame goes on in the next segment.
    pub goes_on: SignalRW<Arc<[f64]>>,
    /// `:ProfilePointsToBuild`: how many segments the waveforms hold.
    pub num_segments: SignalRW<i64>,
    /// `:ProfileLast`: whether nothing follows what is built or appended next.
    pub is_last: SignalRW<bool>,
    /// `:ProfileBuild`, `:ProfileBuildStatus_RBV`, `:ProfileBuildMessage_RBV`
    pub build: Step,
    /// `:ProfileAppend`, ...
    pub append: Step,
    /// `:ProfileExecute`, ...; always as a plain put, since its put-callback may never complete.
    pub execute: Step,
    /// `:ProfileAbort`: decelerates every axis at its limit.
    pub abort: SignalX,
    /// `:TotalPoints_RBV`: segments built and appended since the last build.
    pub segments_total: SignalR<i64>,
    /// `:TscanPoints_RBV`: segments begun since the last build.
    pub segments_scanned: SignalR<i64>,
    /// `:FramesDone_RBV`: triggers sent and whose time is over, since execution began.
    pub frames_done: SignalR<i64>,
    /// `:BufferLength_RBV`: how many segments that are not scanned yet it can hold.
    pub capacity: SignalR<i64>,
    /// `:DeferMoves`: true holds back demands; the put of false completes when all stand still.
    pub defer_moves: SignalRW<bool>,
    /// `:Moving_RBV`: whether any axis moves.
    pub is_moving: SignalR<bool>,
}

/// A busy record with its outcome.
pub struct Step {
    pub go: SignalRW<bool>,
    pub status: SignalR<ProfileStatus>,
    /// Why it failed, in the controller's words.
    pub message: SignalR<String>,
}

impl Step {
    async fn connect(connector: &Connector, address: &str) -> Result<Self, SignalError> {
        Ok(Self {
            go: connector.rw(address).await?,
            status: connector.r(&format!("{address}Status_RBV")).await?,
            message: connector.r(&format!("{address}Message_RBV")).await?,
        })
    }
}

/// The letters of the axes of a co-ordinate system, in order.
pub const AXIS_LETTERS: [&str; 9] = ["A", "B", "C", "U", "V", "W", "X", "Y", "Z"];

impl TrajectoryRecord {
    /// Connects every signal of the controller at `address` (`sim://stage`), whose axes A, B, ... are
    /// `axes` (at most nine).
    pub async fn connect(
        connector: &Connector,
        address: &str,
        axes: &[Name],
    ) -> Result<Self, SignalError> {
        let field = |name: &str| format!("{address}:{name}");
        let mut records = Vec::new();
        for (name, letter) in axes.iter().zip(AXIS_LETTERS) {
            let field = |field: &str| format!("{address}:{letter}:{field}");
            records.push(AxisRecord {
                name: name.clone(),
                is_used: connector.rw(&field("UseAxis")).await?,
                positions: connector.rw(&field("Positions")).await?,
                velocities: connector.rw(&field("Velocities")).await?,
                demand: connector.rw(&field("DirectDemand")).await?,
                readback: connector.r(&field("Position_RBV")).await?,
            });
        }
        Ok(Self {
            axes: records,
            durations_us: connector.rw(&field("ProfileTimeArray")).await?,
            frames: connector.rw(&field("ProfileUserArray")).await?,
            goes_on: connector.rw(&field("ProfileGoesOn")).await?,
            num_segments: connector.rw(&field("ProfilePointsToBuild")).await?,
            is_last: connector.rw(&field("ProfileLast")).await?,
            build: Step::connect(connector, &field("ProfileBuild")).await?,
            append: Step::connect(connector, &field("ProfileAppend")).await?,
            execute: Step::connect(connector, &field("ProfileExecute")).await?,
            abort: connector.x(&field("ProfileAbort")).await?,
            segments_total: connector.r(&field("TotalPoints_RBV")).await?,
            segments_scanned: connector.r(&field("TscanPoints_RBV")).await?,
            frames_done: connector.r(&field("FramesDone_RBV")).await?,
            capacity: connector.r(&field("BufferLength_RBV")).await?,
            defer_moves: connector.rw(&field("DeferMoves")).await?,
            is_moving: connector.r(&field("Moving_RBV")).await?,
        })
    }
}

/// How full the controller's table is, in segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buffer {
    pub capacity: u64,
    /// Built or appended, and not begun.
    pub queued: u64,
}

impl Buffer {
    /// How many segments still fit.
    pub const fn free(self) -> u64 {
        self.capacity.saturating_sub(self.queued)
    }
}

/// Drives the axes of one motion controller.
pub struct TrajectoryLogic {
    device: Name,
    record: TrajectoryRecord,
    axes: Vec<Name>,
    /// The longest segment since the last build: for this long nothing need be heard.
    longest: Cell<Duration>,
}

/// How long a controller may stay silent beyond its longest segment.
const GRACE: Duration = Duration::from_secs(10);
/// How long the axes may take to come to rest.
const HALT_WITHIN: Duration = Duration::from_mins(1);
/// How long a move of the axes may take, whatever its distance.
const MOVE_WITHIN: Duration = Duration::from_hours(1);
/// How near is there, EGU.
const IN_POSITION: f64 = 1e-9;

impl TrajectoryLogic {
    pub fn new(device: Name, record: TrajectoryRecord) -> Self {
        let axes = record.axes.iter().map(|axis| axis.name.clone()).collect();
        Self { device, record, axes, longest: Cell::default() }
    }

    /// The axes, in the order of positions and velocities everywhere here.
    pub fn axes(&self) -> &[Name] {
        &self.axes
    }

    /// Stops everything; resolves when every axis stands still and no trajectory is executing.
    pub async fn make_safe(&self) -> Result<(), Fault> {
        self.stop_all("make safe").await
    }

    /// Decelerates every axis at its limit; resolves when all stand still. Legal at any time. A
    /// trajectory under way ends there, and must be built anew.
    pub async fn halt(&self) -> Result<(), Fault> {
        self.stop_all("halt").await
    }

    /// Where the axes are now, EGU.
    pub async fn positions(&self) -> Result<Vec<f64>, Fault> {
        self.read_positions(self.task("read the positions")).await
    }

    /// Moves all axes from rest to rest; resolves when all stand still at `positions` (one per
    /// axis). Fails if one stopped elsewhere.
    pub async fn move_to(&self, positions: &[f64]) -> Result<(), Fault> {
        let operation = format!("move to {positions:?}");
        let task = self.task(&operation);
        self.check_positions(task, positions)?;
        let record = &self.record;
        task.done(record.defer_moves.put(true).await)?;
        for (axis, position) in record.axes.iter().zip(positions) {
            task.done(axis.demand.send(*position).await)?;
        }
        task.done(record.defer_moves.w().put_within(MOVE_WITHIN, false).await)?;
        let reached = self.read_positions(task).await?;
        let differs = |(at, wanted): (&f64, &f64)| (at - wanted).abs() > IN_POSITION;
        match reached.iter().zip(positions).position(differs) {
            None => Ok(()),
            Some(i) => {
                let (name, at) = (&self.axes[i], reached[i]);
                Err(task.fault(FaultClass::Failed, format!("{name} stopped at {at}")))
            }
        }
    }

    /// Loads the first segments of a new trajectory. The axes must stand at its start.
    pub async fn build(&self, batch: &Batch) -> Result<(), Fault> {
        self.longest.set(Duration::ZERO);
        self.load(self.task("build a trajectory"), batch, &self.record.build).await
    }

    /// Loads the segments that follow, also while the controller executes. Fails as rejected if
    /// they do not fit (see [`buffer`](Self::buffer)).
    pub async fn append(&self, batch: &Batch) -> Result<(), Fault> {
        self.load(self.task("append to the trajectory"), batch, &self.record.append).await
    }

    /// Follows the trajectory; resolves at its end, when all axes stand still.
    ///
    /// `progress` is told the frames done as they change. Fails if the controller ran out of
    /// segments ("unable to fill buffers in time"), if it was halted, or if it stays silent.
    pub async fn execute(&self, progress: impl Fn(u64)) -> Result<(), Fault> {
        let task = self.task("execute the trajectory");
        let step = &self.record.execute;
        let mut scanned = self.record.segments_scanned.observe(Backlog::Latest);
        let mut frames = self.record.frames_done.observe(Backlog::Latest);
        task.done(step.go.send(true).await)?;
        // Accepted: the status is that of this execution from here on.
        let mut status = step.status.observe(Backlog::Latest);
        loop {
            let within = self.longest.get() + GRACE;
            tokio::select! { biased;
                status = status.next() => match task.done(status)?.value {
                    ProfileStatus::Undefined => {}
                    ProfileStatus::Success => {
                        progress(self.read_count(task, &self.record.frames_done).await?);
                        return Ok(());
                    }
                    ProfileStatus::Failure | ProfileStatus::Aborted => {
                        let message = task.done(step.message.get().await)?;
                        return Err(task.fault(FaultClass::Failed, message));
                    }
                },
                frames = frames.next() => progress(task.done(frames)?.value.unsigned_abs()),
                scanned = scanned.next_within(within) => { task.done(scanned)?; }
            }
        }
    }

    /// Frames whose time is over since execution began.
    pub async fn frames_done(&self) -> Result<u64, Fault> {
        self.read_count(self.task("read the frames done"), &self.record.frames_done).await
    }

    /// How full the controller's table is.
    pub async fn buffer(&self) -> Result<Buffer, Fault> {
        let task = self.task("read the buffer");
        let capacity = self.read_count(task, &self.record.capacity).await?;
        // In this order: a segment that begins in between makes the table look fuller, never emptier.
        let scanned = self.read_count(task, &self.record.segments_scanned).await?;
        let total = self.read_count(task, &self.record.segments_total).await?;
        Ok(Buffer { capacity, queued: total.saturating_sub(scanned) })
    }

    fn task<'a>(&'a self, operation: &'a str) -> Task<'a> {
        Task { device: &self.device, operation }
    }

    async fn read_count(&self, task: Task<'_>, signal: &SignalR<i64>) -> Result<u64, Fault> {
        Ok(u64::try_from(task.done(signal.get().await)?).unwrap_or(0))
    }

    async fn read_positions(&self, task: Task<'_>) -> Result<Vec<f64>, Fault> {
        let mut positions = Vec::with_capacity(self.axes.len());
        for axis in &self.record.axes {
            positions.push(task.done(axis.readback.get().await)?);
        }
        Ok(positions)
    }

    fn check_columns(&self, task: Task<'_>, batch: &Batch) -> Result<(), Fault> {
        for columns in [&batch.positions, &batch.velocities] {
            self.check_count(task, columns.len())?;
            for (name, column) in self.axes.iter().zip(columns) {
                check_finite(task, name, column)?;
            }
        }
        Ok(())
    }

    fn check_positions(&self, task: Task<'_>, positions: &[f64]) -> Result<(), Fault> {
        self.check_count(task, positions.len())?;
        let mut axes = self.axes.iter().zip(positions);
        axes.try_for_each(|(name, position)| check_finite(task, name, &[*position]))
    }

    fn check_count(&self, task: Task<'_>, given: usize) -> Result<(), Fault> {
        let axes = self.axes.len();
        if given == axes {
            return Ok(());
        }
        Err(task.fault(FaultClass::Rejected, format!("{given} values for {axes} axes")))
    }

    async fn load(&self, task: Task<'_>, batch: &Batch, step: &Step) -> Result<(), Fault> {
        self.check_columns(task, batch)?;
        self.write(task, batch).await?;
        task.done(step.go.put(true).await)?;
        let status = task.done(step.status.get().await)?;
        if status != ProfileStatus::Success {
            let message = task.done(step.message.get().await)?;
            return Err(task.fault(FaultClass::Rejected, message));
        }
        let longest = batch.durations_us.iter().max();
        let longest = Duration::from_micros(longest.copied().unwrap_or(0));
        self.longest.set(self.longest.get().max(longest));
        Ok(())
    }

    async fn write(&self, task: Task<'_>, batch: &Batch) -> Result<(), Fault> {
        let record = &self.record;
        for (i, axis) in record.axes.iter().enumerate() {
            task.done(axis.is_used.send(true).await)?;
            task.done(axis.positions.send(batch.positions[i].as_slice().into()).await)?;
            task.done(axis.velocities.send(batch.velocities[i].as_slice().into()).await)?;
        }
        let column = |values: &[u64]| values.iter().map(|&value| value as f64).collect();
        task.done(record.durations_us.send(column(&batch.durations_us)).await)?;
        task.done(record.frames.send(column(&batch.frames)).await)?;
        let goes_on = batch.frame_goes_on.iter().map(|&goes_on| f64::from(u8::from(goes_on)));
        task.done(record.goes_on.send(goes_on.collect()).await)?;
        let num_segments = signed(batch.len() as u64);
        task.done(record.num_segments.send(num_segments).await)?;
        task.done(record.is_last.send(batch.last).await)
    }

    async fn stop_all(&self, operation: &str) -> Result<(), Fault> {
        let task = self.task(operation);
        task.done(self.record.abort.send().await)?;
        task.done(self.record.is_moving.wait_for(HALT_WITHIN, |moving| !moving).await)?;
        Ok(())
    }
}

fn check_finite(task: Task<'_>, name: &Name, values: &[f64]) -> Result<(), Fault> {
    match values.iter().find(|value| !value.is_finite()) {
        None => Ok(()),
        Some(value) => {
            Err(task.fault(FaultClass::Rejected, format!("{name} cannot go to {value}")))
        }
    }
}

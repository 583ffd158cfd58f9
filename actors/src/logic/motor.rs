//! [`MotorLogic`]: one axis that is a motor record.
use super::Task;
use crate::signal::{Backlog, Connector, Severity, SignalError, SignalR, SignalRW, SignalX};
use bluefly_protocol::{
    fault::{Fault, FaultClass},
    name::Name,
    trajectory::AxisLimits,
};
use std::{cell::Cell, time::Duration};

/// The signals of an EPICS motor record. Positions in its EGU.
pub struct MotorRecord {
    /// `.VAL`: a put-callback completes when the motion ends, wherever that is.
    pub setpoint: SignalRW<f64>,
    /// `.RBV`; its alarm tells a broken motor.
    pub readback: SignalR<f64>,
    /// `.DMOV`
    pub done_moving: SignalR<bool>,
    /// `.STOP`: decelerates; always as a plain put, since a put-callback waits for the one of VAL.
    pub stop: SignalX,
    /// `.VELO`, EGU/s.
    pub velocity: SignalRW<f64>,
    /// `.VMAX`, EGU/s.
    pub max_velocity: SignalR<f64>,
    /// `.ACCL`: seconds to reach `velocity`.
    pub acceleration_time_s: SignalR<f64>,
    /// `.LLM` and `.HLM`; both zero: no limits.
    pub low_limit: SignalR<f64>,
    pub high_limit: SignalR<f64>,
    /// `.RDBD`: how near is there.
    pub deadband: SignalR<f64>,
    /// `.DLY`: seconds to stand still after a move.
    pub settle_s: SignalR<f64>,
    /// `.EGU`
    pub unit: SignalR<String>,
}

impl MotorRecord {
    /// Connects every signal of the record at `address` (`sim://x`).
    pub async fn connect(connector: &Connector, address: &str) -> Result<Self, SignalError> {
        let field = |name: &str| format!("{address}.{name}");
        Ok(Self {
            setpoint: connector.rw(&field("VAL")).await?,
            readback: connector.r(&field("RBV")).await?,
            done_moving: connector.r(&field("DMOV")).await?,
            stop: connector.x(&field("STOP")).await?,
            velocity: connector.rw(&field("VELO")).await?,
            max_velocity: connector.r(&field("VMAX")).await?,
            acceleration_time_s: connector.r(&field("ACCL")).await?,
            low_limit: connector.r(&field("LLM")).await?,
            high_limit: connector.r(&field("HLM")).await?,
            deadband: connector.r(&field("RDBD")).await?,
            settle_s: connector.r(&field("DLY")).await?,
            unit: connector.r(&field("EGU")).await?,
        })
    }
}

/// Moves and stops one motor.
pub struct MotorLogic {
    device: Name,
    record: MotorRecord,
    /// Whether a motion may be under way that was asked for here. Unknown at first, so it may.
    may_move: Cell<bool>,
}

/// Beyond the time that a motion should take.
const GRACE: Duration = Duration::from_secs(10);

impl MotorLogic {
    pub const fn new(device: Name, record: MotorRecord) -> Self {
        Self { device, record, may_move: Cell::new(true) }
    }

    /// Stops what was begun here, or by an earlier process; resolves when the motor stands still.
    ///
    /// A motion that a controller commands is left alone: whoever commands it ends it.
    pub async fn make_safe(&self) -> Result<(), Fault> {
        if self.may_move.get() { self.halt("make safe").await } else { Ok(()) }
    }

    /// Decelerates; resolves when the motor stands still. Legal at any time.
    pub async fn stop(&self) -> Result<(), Fault> {
        self.halt("stop").await
    }

    /// Where the motor is now.
    pub async fn position(&self) -> Result<f64, Fault> {
        let task = Task { device: &self.device, operation: "read the position" };
        task.done(self.record.readback.get().await)
    }

    /// The engineering unit of the axis.
    pub async fn unit(&self) -> Result<String, Fault> {
        let task = Task { device: &self.device, operation: "read the unit" };
        task.done(self.record.unit.get().await)
    }

    /// Fails as rejected if the record has another unit than positions are to be told in.
    pub async fn expect_unit(&self, expected: &str) -> Result<(), Fault> {
        let task = Task { device: &self.device, operation: "move" };
        let unit = task.done(self.record.unit.get().await)?;
        if unit == expected {
            return Ok(());
        }
        let reason = format!("its record is in {unit:?}, not in {expected:?}");
        Err(task.fault(FaultClass::Rejected, reason))
    }

    /// What the axis can do, as its record says now.
    pub async fn limits(&self) -> Result<AxisLimits, Fault> {
        self.read_limits(Task { device: &self.device, operation: "read the limits" }).await
    }

    /// Goes to `position`; resolves when the motor stands still there.
    ///
    /// `progress` is told the readback as it changes. Fails as rejected, without motion, if the
    /// position is no number or beyond a soft limit; as failed if the motor stopped elsewhere.
    pub async fn move_to(&self, position: f64, progress: impl Fn(f64)) -> Result<(), Fault> {
        let operation = format!("move to {position}");
        let task = Task { device: &self.device, operation: &operation };
        let limits = self.read_limits(task).await?;
        check_position(task, position, &limits)?;
        let start = task.done(self.record.readback.get().await)?;
        let velocity = task.done(self.record.velocity.get().await)?;
        let acceleration_time_s = task.done(self.record.acceleration_time_s.get().await)?;
        let within = travel_time(position - start, velocity, acceleration_time_s) + GRACE;
        self.may_move.set(true);
        let moved = self.record.setpoint.w().put_within(within, position);
        let watched = async {
            let mut readback = self.record.readback.observe(Backlog::Latest);
            loop {
                match readback.next().await {
                    Ok(reading) => progress(reading.value),
                    Err(error) => return error,
                }
            }
        };
        let moved = tokio::select! { biased;
            moved = moved => moved,
            error = watched => Err(error),
        };
        task.done(moved)?;
        // The put-callback completes just as well after a STOP or when a limit refused the move.
        task.done(self.record.done_moving.wait_for(GRACE, |done| *done).await)?;
        self.may_move.set(false);
        self.check_arrived(task, position).await?;
        progress(position);
        Ok(())
    }

    async fn check_arrived(&self, task: Task<'_>, position: f64) -> Result<(), Fault> {
        let setpoint = task.done(self.record.setpoint.get().await)?;
        let readback = task.done(self.record.readback.read().await)?;
        let deadband = task.done(self.record.deadband.get().await)?;
        if readback.alarm.severity >= Severity::Major {
            let (at, alarm) = (readback.value, readback.alarm.text);
            return Err(task.fault(FaultClass::Failed, format!("{alarm} at {at}")));
        }
        let is_there = (readback.value - position).abs() <= deadband;
        let reason = || format!("it stopped at {} with its setpoint at {setpoint}", readback.value);
        is_there.then_some(()).ok_or_else(|| task.fault(FaultClass::Failed, reason()))
    }

    async fn read_limits(&self, task: Task<'_>) -> Result<AxisLimits, Fault> {
        let record = &self.record;
        let low = task.done(record.low_limit.get().await)?;
        let high = task.done(record.high_limit.get().await)?;
        let velocity = task.done(record.velocity.get().await)?;
        let max_velocity = task.done(record.max_velocity.get().await)?;
        let acceleration_time_s = task.done(record.acceleration_time_s.get().await)?;
        let settle_s = task.done(record.settle_s.get().await)?;
        let is_unlimited = low == 0.0 && high == 0.0;
        Ok(AxisLimits {
            low: if is_unlimited { f64::NEG_INFINITY } else { low },
            high: if is_unlimited { f64::INFINITY } else { high },
            max_velocity,
            max_acceleration: velocity / acceleration_time_s,
            settle_s,
        })
    }

    async fn halt(&self, operation: &str) -> Result<(), Fault> {
        let task = Task { device: &self.device, operation };
        task.done(self.record.stop.send().await)?;
        let acceleration_time_s = task.done(self.record.acceleration_time_s.get().await)?;
        let within = seconds(acceleration_time_s) + GRACE;
        task.done(self.record.done_moving.wait_for(within, |done| *done).await)?;
        self.may_move.set(false);
        Ok(())
    }
}

/// Refuses what the motor record would take: it drives away for NaN, and answers Ok to a position
/// beyond its limits.
fn check_position(task: Task<'_>, position: f64, limits: &AxisLimits) -> Result<(), Fault> {
    let AxisLimits { low, high, .. } = *limits;
    if position >= low && position <= high && position.is_finite() {
        return Ok(());
    }
    let reason = format!("{position} is not within the soft limits {low} to {high}");
    Err(task.fault(FaultClass::Rejected, reason))
}

/// At most this long from rest to rest, once under way.
fn travel_time(distance: f64, velocity: f64, acceleration_time_s: f64) -> Duration {
    seconds(distance.abs() / velocity) + seconds(acceleration_time_s) * 2
}

/// A span that a device told; what is no span counts as a day.
fn seconds(seconds: f64) -> Duration {
    const DAY: Duration = Duration::from_hours(24);
    Duration::try_from_secs_f64(seconds).unwrap_or(DAY).min(DAY)
}

//! [`MotorLogic`]: one axis that is a motor record.
mod fly;
mod pace;
mod record;

pub use fly::Fly;
pub use record::{MotorRecord, Spmg};

use self::pace::{Pace, seconds};
use super::Task;
use crate::signal::{Backlog, Severity, SignalError};
use bluefly_protocol::{
    fault::{Fault, FaultClass},
    name::Name,
    trajectory::AxisLimits,
};
use futures_util::try_join;
use std::{cell::Cell, time::Duration};

/// Moves and stops one motor.
pub struct MotorLogic {
    device: Name,
    record: MotorRecord,
    /// Whether a motion may be under way that was asked for here. Unknown at first, so it may.
    may_move: Cell<bool>,
    /// Where the motion under way is to end.
    target: Cell<f64>,
    /// How long that may take, if the target was changed on the way.
    more_time: Cell<Option<Duration>>,
    /// The velocity that the record had before a flight changed it.
    usual_velocity: Cell<Option<f64>>,
}

/// Beyond the time that a motion should take.
const GRACE: Duration = Duration::from_secs(10);

impl MotorLogic {
    pub const fn new(device: Name, record: MotorRecord) -> Self {
        Self {
            device,
            record,
            may_move: Cell::new(true),
            target: Cell::new(f64::NAN),
            more_time: Cell::new(None),
            usual_velocity: Cell::new(None),
        }
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
        let task = self.task("read the position");
        task.number(&self.record.readback).await
    }

    /// The engineering unit of the axis.
    pub async fn unit(&self) -> Result<String, Fault> {
        let task = self.task("read the unit");
        task.done(self.record.unit.get().await)
    }

    /// Decimal places of a position that mean something.
    pub async fn precision(&self) -> Result<i64, Fault> {
        let task = self.task("read the precision");
        task.done(self.record.precision.get().await)
    }

    /// Fails as rejected if the record has another unit than positions are to be told in.
    pub async fn expect_unit(&self, expected: &str) -> Result<(), Fault> {
        let task = self.task("move");
        let unit = task.done(self.record.unit.get().await)?;
        if unit == expected {
            return Ok(());
        }
        let reason = format!("its record is in {unit:?}, not in {expected:?}");
        Err(task.fault(FaultClass::Rejected, reason))
    }

    /// What the axis can do, as its record says now.
    pub async fn limits(&self) -> Result<AxisLimits, Fault> {
        let pace = Pace::read(self.task("read the limits"), &self.record).await?;
        Ok(pace.axis_limits())
    }

    /// Fails, and nothing moves, if the record would not let a scan move the motor, or tells anything
    /// that is no number of where it is and how far and fast it may go.
    pub async fn may_fly(&self) -> Result<(), Fault> {
        let task = self.task("fly");
        let pace = Pace::read(task, &self.record);
        try_join!(self.check_mode(task), self.known_position(task), pace).map(drop)
    }

    /// Goes to `position`; resolves when the motor stands still there.
    ///
    /// `progress` is told the readback as it changes. Fails as rejected, without motion, if the
    /// position is no number or beyond a soft limit, or if the record would not move as it should
    /// (its velocity, SPMG); as failed if the motor stopped elsewhere.
    pub async fn move_to(&self, position: f64, progress: impl Fn(f64)) -> Result<(), Fault> {
        let operation = format!("move to {position}");
        let task = self.task(&operation);
        // The motor record drives away for NaN, whatever its limits.
        pace::check_number(task, "the position", position)?;
        self.restore_velocity(task).await?;
        let pace = Pace::read(task, &self.record).await?;
        pace.check_velocity(task)?;
        self.travel(task, (position, &pace), progress).await
    }

    /// Changes where the motion under way is to end, which [`move_to`](Self::move_to) then waits for.
    ///
    /// Fails as rejected, and the motion goes on, if the motor stands still or for whatever rejects a
    /// move.
    pub async fn retarget(&self, position: f64) -> Result<(), Fault> {
        let operation = format!("go to {position} instead");
        let task = self.task(&operation);
        pace::check_number(task, "the position", position)?;
        let pace = Pace::read(task, &self.record).await?;
        pace.check_position(task, position)?;
        self.check_mode(task).await?;
        let start = task.number(&self.record.readback).await?;
        if task.done(self.record.done_moving.get().await)? {
            return Err(task.fault(FaultClass::Rejected, "it is not moving"));
        }
        // A put-callback would wait for the one of the motion that is to be changed.
        task.done(self.record.setpoint.send(position).await)?;
        self.target.set(position);
        self.more_time.set(Some(pace.travel_time(position - start) + GRACE));
        Ok(())
    }

    fn task<'a>(&'a self, operation: &'a str) -> Task<'a> {
        Task { device: &self.device, operation }
    }

    /// A move of which everything but its circumstances was checked.
    async fn travel(
        &self,
        task: Task<'_>,
        (position, pace): (f64, &Pace),
        progress: impl Fn(f64),
    ) -> Result<(), Fault> {
        pace.check_position(task, position)?;
        self.check_mode(task).await?;
        let start = self.known_position(task).await?;
        if !task.done(self.record.done_moving.get().await)? {
            return Err(task.fault(FaultClass::Rejected, "it is moving already (DMOV is 0)"));
        }
        self.target.set(position);
        self.more_time.set(None);
        self.may_move.set(true);
        let within = pace.travel_time(position - start) + GRACE;
        task.done(self.moved(position, within, &progress).await)?;
        // The put-callback completes just as well after a STOP or when a limit refused the move.
        task.done(self.record.done_moving.wait_for(GRACE, |done| *done).await)?;
        self.may_move.set(false);
        self.check_arrived(task).await?;
        progress(self.target.get());
        Ok(())
    }

    /// Where it is, unless nobody knows.
    async fn known_position(&self, task: Task<'_>) -> Result<f64, Fault> {
        let readback = &self.record.readback;
        let reading = task.done(readback.read().await)?;
        if reading.alarm.severity == Severity::Invalid {
            let reason = format!("its position is not known: alarm {}", reading.alarm.text);
            return Err(task.fault(FaultClass::Failed, reason));
        }
        task.finite(readback, reading.value)
    }

    /// Puts the setpoint and tells the progress until the record has done what it does with it.
    async fn moved(
        &self,
        position: f64,
        within: Duration,
        progress: &impl Fn(f64),
    ) -> Result<(), SignalError> {
        let done = async {
            let moved = self.record.setpoint.w().put_within(within, position).await;
            match (&moved, self.more_time.take()) {
                (Err(SignalError::Timeout { .. }), Some(within)) => {
                    self.record.done_moving.wait_for(within, |done| *done).await.map(drop)
                }
                _ => moved,
            }
        };
        let watched = async {
            let mut readback = self.record.readback.observe(Backlog::Latest);
            loop {
                match readback.next().await {
                    Ok(reading) => progress(reading.value),
                    Err(error) => return error,
                }
            }
        };
        tokio::select! { biased;
            moved = done => moved,
            error = watched => Err(error),
        }
    }

    async fn check_mode(&self, task: Task<'_>) -> Result<(), Fault> {
        let mode = task.done(self.record.mode.get().await)?;
        if mode == Spmg::Go {
            return Ok(());
        }
        let (address, mode) = (self.record.mode.address(), mode.text());
        let reason = format!("{address} is {mode}: it moves when that is Go");
        Err(task.fault(FaultClass::Rejected, reason))
    }

    async fn check_arrived(&self, task: Task<'_>) -> Result<(), Fault> {
        let record = &self.record;
        let target = self.target.get();
        let setpoint = task.done(record.setpoint.get().await)?;
        let readback = task.done(record.readback.read().await)?;
        let at = readback.value;
        if readback.alarm.severity >= Severity::Major {
            let alarm = readback.alarm.text;
            return Err(task.fault(FaultClass::Failed, format!("{alarm} at {at}")));
        }
        let at = task.finite(&record.readback, at)?;
        let deadband = task.number(&record.deadband).await?;
        let resolution = task.number(&record.resolution).await?;
        if (at - target).abs() <= deadband.max(resolution.abs()) {
            return Ok(());
        }
        let mut reason = format!("it stopped at {at} with its setpoint at {setpoint}");
        let causes = [
            (&record.limit_violation, ", since a soft limit refused the position (LVIO)"),
            (&record.high_switch, ", on its high limit switch (HLS)"),
            (&record.low_switch, ", on its low limit switch (LLS)"),
        ];
        for (signal, cause) in causes {
            if task.done(signal.get().await)? {
                reason.push_str(cause);
            }
        }
        let mode = task.done(record.mode.get().await)?;
        if mode != Spmg::Go {
            reason.push_str(", and SPMG is ");
            reason.push_str(mode.text());
        }
        Err(task.fault(FaultClass::Failed, reason))
    }

    async fn halt(&self, operation: &str) -> Result<(), Fault> {
        let task = self.task(operation);
        task.done(self.record.stop.send().await)?;
        let acceleration_time_s = task.done(self.record.acceleration_time_s.get().await)?;
        // What is no number keeps nobody waiting for a day.
        let is_known = acceleration_time_s.is_finite();
        let within = if is_known { seconds(acceleration_time_s) + GRACE } else { GRACE };
        task.done(self.record.done_moving.wait_for(within, |done| *done).await)?;
        self.may_move.set(false);
        self.restore_velocity(task).await
    }
}

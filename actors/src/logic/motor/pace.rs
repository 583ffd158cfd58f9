//! [`Pace`]: how far and how fast a motor record lets its axis go.
use super::{super::Task, MotorRecord};
use bluefly_protocol::{
    fault::{Fault, FaultClass},
    trajectory::AxisLimits,
};
use futures_util::try_join;
use std::time::Duration;

/// What a motor record said of limits and speed. Positions in EGU, velocities in EGU/s.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Pace {
    low: f64,
    high: f64,
    velocity: f64,
    base_velocity: f64,
    max_velocity: f64,
    acceleration_time_s: f64,
    settle_s: f64,
}

impl Pace {
    pub(super) async fn read(task: Task<'_>, record: &MotorRecord) -> Result<Self, Fault> {
        let (low, high, max_velocity, velocity, base_velocity, acceleration_time_s, settle_s) = try_join!(
            task.number(&record.low_limit),
            task.number(&record.high_limit),
            task.number(&record.max_velocity),
            task.number(record.velocity.r()),
            task.number(&record.base_velocity),
            task.number(&record.acceleration_time_s),
            task.number(&record.settle_s),
        )?;
        let is_unlimited = low == 0.0 && high == 0.0;
        Ok(Self {
            low: if is_unlimited { f64::NEG_INFINITY } else { low },
            high: if is_unlimited { f64::INFINITY } else { high },
            velocity,
            base_velocity,
            max_velocity: if max_velocity == 0.0 { f64::INFINITY } else { max_velocity },
            acceleration_time_s,
            settle_s,
        })
    }

    /// The same record with another velocity.
    pub(super) const fn at(self, velocity: f64) -> Self {
        Self { velocity, ..self }
    }

    pub(super) const fn velocity(&self) -> f64 {
        self.velocity
    }

    /// How far the axis comes until it has its velocity.
    pub(super) fn run_up(&self) -> f64 {
        self.velocity * self.acceleration_time_s / 2.0
    }

    pub(super) fn axis_limits(&self) -> AxisLimits {
        AxisLimits {
            low: self.low,
            high: self.high,
            max_velocity: self.max_velocity,
            max_acceleration: self.velocity / self.acceleration_time_s,
            settle_s: self.settle_s,
        }
    }

    /// Refuses what the motor record would answer Ok to, and not go to.
    pub(super) fn check_position(&self, task: Task<'_>, position: f64) -> Result<(), Fault> {
        let Self { low, high, .. } = *self;
        if position >= low && position <= high {
            return Ok(());
        }
        let reason = format!("{position} is not within the soft limits {low} to {high}");
        Err(task.fault(FaultClass::Rejected, reason))
    }

    /// A velocity beyond VMAX is taken by the record and flown; one that is none is not a velocity.
    pub(super) fn check_velocity(&self, task: Task<'_>) -> Result<(), Fault> {
        let Self { velocity, base_velocity: base, max_velocity: max, .. } = *self;
        if velocity > 0.0 && velocity >= base && velocity <= max {
            return Ok(());
        }
        let reason = format!(
            "its velocity (VELO) of {velocity} is not within its base velocity (VBAS) of {base} and \
             its maximum (VMAX) of {max}"
        );
        Err(task.fault(FaultClass::Rejected, reason))
    }

    /// At most this long from rest to rest, once under way.
    pub(super) fn travel_time(&self, distance: f64) -> Duration {
        seconds(distance.abs() / self.velocity)
            + seconds(self.acceleration_time_s) * 2
            + seconds(self.settle_s)
    }
}

/// Refuses what is no finite number.
pub(super) fn check_number(task: Task<'_>, what: &str, value: f64) -> Result<(), Fault> {
    if value.is_finite() {
        return Ok(());
    }
    Err(task.fault(FaultClass::Rejected, format!("{what} {value} is not a finite number")))
}

/// A span that a device told; what is no span counts as a day.
pub(super) fn seconds(seconds: f64) -> Duration {
    const DAY: Duration = Duration::from_hours(24);
    Duration::try_from_secs_f64(seconds).unwrap_or(DAY).min(DAY)
}

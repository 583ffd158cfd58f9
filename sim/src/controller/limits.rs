//! What an axis can follow.
use crate::{axis::Phase, motor::Motor};

/// By how much a segment may exceed the limits of an axis: times are rounded to microseconds.
const TOLERANCE: f64 = 1e-2;
/// By how much a velocity may be off because positions are rounded, in roundings per second.
const ROUNDINGS: f64 = 64.0;

/// The axis must be able to follow: stay within its limits on the whole way from where it is.
pub(super) fn check_phase(motor: &Motor, phase: &Phase) -> Result<(), String> {
    let (name, axis) = (&motor.name, &motor.axis);
    let seconds = phase.duration.as_secs_f64().max(1e-6);
    let [low, high] = phase.extent();
    let reach = axis.max_velocity * axis.max_velocity / axis.max_acceleration;
    let rounding = ROUNDINGS * f64::EPSILON * (low.abs().max(high.abs()) + reach) / seconds;
    let velocity = phase.max_speed();
    if velocity > axis.max_velocity * (1.0 + TOLERANCE) + rounding {
        return Err(format!("{name} cannot go at {velocity}"));
    }
    let acceleration = phase.accelerations().into_iter().map(f64::abs).fold(0.0, f64::max);
    if acceleration > axis.max_acceleration * (1.0 + TOLERANCE) + rounding / seconds {
        return Err(format!("{name} cannot accelerate at {acceleration}"));
    }
    let slack = 1e-9 * (motor.high - motor.low);
    if low < motor.low - slack || high > motor.high + slack {
        return Err(format!("{name} hit a limit on its way to {}", phase.to.position));
    }
    Ok(())
}

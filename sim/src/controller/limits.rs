//! What an axis can follow.
use crate::{axis::Phase, motor::Motor};

/// By how much a segment may exceed what an axis can do, and by how much of their range a position
/// may be beyond the limits: rounding.
const TOLERANCE: f64 = 1e-9;
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
    if !is_within(motor, low) || !is_within(motor, high) {
        return Err(format!("{name} hit a limit on its way to {}", phase.to.position));
    }
    Ok(())
}

/// Whether the limits of a motor allow a position.
pub(super) fn is_within(motor: &Motor, position: f64) -> bool {
    let slack = TOLERANCE * (motor.high - motor.low);
    (motor.low - slack..=motor.high + slack).contains(&position)
}

//! What an axis can follow.
use crate::{axis::Phase, motor::Motor};

/// How far an axis may be from where its segment should begin, EGU per EGU/s of its top speed:
/// the grain of durations.
const GRAIN_S: f64 = 2e-6;
/// By how much a segment may exceed the limits of an axis: times are rounded to microseconds.
const TOLERANCE: f64 = 1e-2;

/// The axis must be able to follow: begin where it is, end where constant acceleration leads, and
/// stay within its limits.
pub(super) fn check_phase(motor: &Motor, phase: &Phase) -> Result<(), String> {
    let (name, axis) = (&motor.name, &motor.axis);
    let reach = (GRAIN_S * axis.max_velocity).max(1e-9);
    let (reached, to) = (phase.reached(), phase.to);
    let acceleration =
        (to.velocity - phase.from.velocity).abs() / phase.duration.as_secs_f64().max(1e-6);
    if (reached - to.position).abs() > reach {
        return Err(format!("following error on {name}: at {reached} instead of {}", to.position));
    }
    if to.velocity.abs() > axis.max_velocity * (1.0 + TOLERANCE) {
        return Err(format!("{name} cannot go at {}", to.velocity));
    }
    if acceleration > axis.max_acceleration * (1.0 + TOLERANCE) {
        return Err(format!("{name} cannot accelerate at {acceleration}"));
    }
    if to.position < motor.low || to.position > motor.high {
        return Err(format!("{name} hit a limit on its way to {}", to.position));
    }
    Ok(())
}

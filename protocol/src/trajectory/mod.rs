//! Trajectories: what a motion controller follows so that every frame of a scan is traversed at
//! constant velocity and no limit is exceeded on the way.
//!
//! [`Planner::check`] finds before motion whatever cannot be flown; [`Planner::plan`] makes the
//! segments, a batch at a time, in memory that does not grow with the scan.
//!
//! Every segment is a stretch of constant acceleration per axis:
//! `displacement = (velocity before + velocity after) / 2 * duration`. Durations are whole
//! microseconds. Ramps are rounded up and made gentler by as much, so no limit is passed. Frames
//! whose duration is no whole number of microseconds keep their velocity; the fraction is carried,
//! so that the sum stays within 1 us of the exact one and a bound within 1 us of its place.
//!
//! Between two rows each axis brakes to rest, goes to where the next run-up begins and runs up,
//! as fast as its limits allow; the axes that would be early move more slowly. An axis that turns
//! back never waits at rest unless another axis is slower.
mod error;
#[cfg(test)]
mod integrator;
mod leg;
mod planner;
mod row;
mod segment;
mod servo;
#[cfg(test)]
mod tests;
mod ticks;
mod turn;
mod velocity_profile;
mod walk;
pub use error::{Bound, PlanError, Stretch};
pub use planner::{MAX_SEGMENT, Planner, Prediction, Trajectory};
pub use segment::{AxisLimits, Batch, Segment};
pub use servo::align_to_servo;
pub use velocity_profile::{Passage, Shape, VelocityProfile};

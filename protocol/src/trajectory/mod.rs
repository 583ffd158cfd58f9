//! Trajectories: what a motion controller follows so that every frame of a scan is traversed as it
//! should and no limit is exceeded on the way.
//!
//! [`Planner::check`] finds before motion whatever cannot be flown; [`Planner::plan`] makes the
//! segments, a batch at a time, in memory that does not grow with the scan.
//!
//! Every segment ends at a position and a velocity per axis; between two ends an axis follows the
//! cubic that they determine. A straight row is flown at constant velocity. A curve is flown
//! through the bounds and the midpoint of every frame, each at its time: at an inner point at the
//! velocity from the point before it to the one after it, at its ends at that of the parabola
//! through the bounds and the midpoint of the frame there.
//!
//! Durations are whole microseconds. Frames whose duration is no whole number of microseconds keep
//! their velocity; the fraction is carried, so that the sum stays within 1 us of the exact one and a
//! point within 1 us of its place.
//!
//! Between two rows each axis follows a [`VelocityProfile`]: a ramp, a cruise and a ramp from the last
//! velocity to the next, in the least time in which all can, on the grid of the controller's
//! interval. Ramps are rounded up and made gentler by as much, so no limit is passed. A row that
//! goes on behind a hole is reached without braking if the other axes allow it.
mod beat;
mod check;
mod course;
mod cubic;
mod error;
#[cfg(test)]
mod integrator;
mod leg;
mod planner;
mod pmac;
mod row;
mod rules;
mod segment;
mod servo;
mod stroke;
#[cfg(test)]
mod tests;
mod ticks;
mod turn;
mod velocity_profile;
mod walk;
pub(crate) use course::{Approach, Course, Section};
pub use cubic::Cubic;
pub use error::{Bound, Needed, PlanError, Stretch};
pub use planner::{MAX_SEGMENT, Planner, Prediction, Trajectory};
pub use pmac::{PmacTable, PmacWriter, VelocityMode};
pub use segment::{
    AxisLimits, Batch, BitsBefore, Mark, PointMode, Segment, TriggerBits, TriggerSource,
};
pub use servo::align_to_servo;
pub use velocity_profile::{Passage, Shape, VelocityProfile};

//! Trajectories: what a motion controller follows so that every frame of a scan is traversed at
//! constant velocity and no limit is exceeded on the way.
mod segment;
pub use segment::{AxisLimits, Batch, Segment};

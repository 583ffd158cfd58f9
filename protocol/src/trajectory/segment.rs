//! [`Segment`]: one row of the table that a motion controller executes.

/// What an axis can do. Positions in its EGU, velocity in EGU/s, acceleration in EGU/s².
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AxisLimits {
    pub low: f64,
    pub high: f64,
    pub max_velocity: f64,
    pub max_acceleration: f64,
    /// Time to stand still after a move before a step exposure may begin, seconds.
    pub settle_s: f64,
}

/// One stretch of motion with constant acceleration per axis, at the end of which every axis has
/// the given position and velocity (PVT).
#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    /// How long it takes, in microseconds; at least one.
    pub duration_us: u64,
    /// Triggers sent during it: evenly spaced, the first at its start. Zero outside data taking.
    pub frames: u64,
    /// Whether the last frame begun goes on in the next segment: one that lasts longer than a
    /// segment may. Such a frame is over with the first segment that does not say so.
    pub frame_goes_on: bool,
    /// Position of each axis at the end, EGU.
    pub positions: Box<[f64]>,
    /// Velocity of each axis at the end, EGU/s.
    pub velocities: Box<[f64]>,
}

/// Consecutive segments, to be built first or appended while the controller runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    pub segments: Vec<Segment>,
    /// Whether nothing follows.
    pub last: bool,
}

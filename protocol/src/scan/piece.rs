//! [`Piece`]: the unit in which a scan is turned into motion.

/// Consecutive frames with one duration, through which every axis goes at one constant velocity.
///
/// A straight row of a grid is one piece whatever its length; a curve is one piece per frame. The
/// axes are in the order of the stack (slowest first).
#[derive(Clone, Debug, PartialEq)]
pub struct Piece {
    /// Index in the scan of the first frame.
    pub first_frame: u64,
    /// Number of frames, at least one.
    pub frames: u64,
    /// Whether a gap precedes the first frame; true for the first frame of a scan.
    pub gap: bool,
    /// Seconds per frame, if the specification says it.
    pub frame_duration_s: Option<f64>,
    /// Lower bound of the first frame, per axis, in EGU.
    pub start: Box<[f64]>,
    /// Upper bound of the last frame, per axis, in EGU. Equal to `start` where an axis stands still.
    pub end: Box<[f64]>,
}

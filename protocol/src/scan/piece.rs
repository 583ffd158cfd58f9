//! [`Piece`]: the unit in which a scan is turned into motion.

/// Consecutive frames with one duration and no gap between them.
///
/// A straight row of a grid is one piece whatever its length; a curve comes in pieces of at most
/// [`MAX_CURVED`] frames. The axes are in the order of the stack (slowest first).
#[derive(Clone, Debug, PartialEq)]
pub struct Piece {
    /// Index in the scan of the first frame.
    pub first_frame: u64,
    /// Number of frames, at least one.
    pub frames: u64,
    /// Whether a gap precedes the first frame; true for the first frame of a scan.
    pub gap: bool,
    /// Least time between the end of the frame before and the start of the first one, seconds. More
    /// than 0 only where there is a gap.
    pub delay_before_s: f64,
    /// Seconds per frame, if the specification says it.
    pub frame_duration_s: Option<f64>,
    /// Lower bound of the first frame, per axis, in EGU.
    pub start: Box<[f64]>,
    /// Upper bound of the last frame, per axis, in EGU. Equal to `start` where an axis stands still
    /// on a straight path.
    pub end: Box<[f64]>,
    /// The way from `start` to `end`.
    pub path: Path,
}

/// Most frames of a curve in one piece: what is computed at a time.
pub const MAX_CURVED: u64 = 512;

/// How the axes go through a piece.
#[derive(Clone, Debug, PartialEq)]
pub enum Path {
    /// Every axis goes at one constant velocity.
    Straight,
    /// Velocities change, from frame to frame or within one.
    Curved(Curved),
}

/// The points of a curve.
#[derive(Clone, Debug, PartialEq)]
pub struct Curved {
    /// Bounds and midpoints in turn, `2 * frames + 1` of them, one axis after the other: lower bound
    /// and midpoint of the first frame, its upper bound, which is the lower one of the next, ...
    pub points: Box<[f64]>,
    /// Midpoint of the frame after the last, per axis, where it follows in the same curve.
    pub next_midpoint: Option<Box<[f64]>>,
}

impl Curved {
    /// Bounds and midpoints in turn of each axis of a piece that has so many.
    pub fn by_axis(&self, axes: usize) -> impl Iterator<Item = &[f64]> {
        self.points.chunks_exact((self.points.len() / axes.max(1)).max(1))
    }
}

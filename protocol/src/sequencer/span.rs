//! [`Span`]: what the sequencer is told of a scan.
use std::num::NonZeroU64;

/// Consecutive frames of one duration.
///
/// A window is a span that begins it and those joined to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// Index in the scan of the first frame.
    pub first_frame: u64,
    pub frames: NonZeroU64,
    pub frame_duration_s: f64,
    pub entry: Entry,
}

/// How the first frame of a span begins.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// When the frame before it ends.
    Joined,
    /// After a gap, or as the first of all.
    Window {
        /// In the order of the sequencer's axes; empty if none moves, so that the window begins at
        /// once.
        axes: Box<[Start]>,
        /// What comes before it. Not used for the first window of a table, nor by a gate.
        gap: Option<Gap>,
    },
}

/// Where an axis is at the beginning of a window, EGU.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Start {
    /// At the lower bound of the first frame.
    pub lower: f64,
    /// At the middle of the first frame.
    pub midpoint: f64,
}

/// Motion between two windows; [`Sequencer::gap`](super::Sequencer::gap) makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// From the end of the window before, how long the next must not begin, ticks.
    pub blind_ticks: u64,
}

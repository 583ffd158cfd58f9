//! [`Sequence`]: the frames of a whole scan.
use super::{
    columns::{Columns, Frame},
    curve::Motion,
    layers::Layers,
    offset::Offset,
};
use std::ops::Range;

/// Nested dimensions, and what is done to each frame of the scan by its index alone.
#[derive(Clone, Debug)]
pub(super) struct Sequence {
    pub(super) layers: Layers,
    pub(super) offsets: Offsets,
    /// Least time between a frame and the next, in seconds, where the specification can say it.
    pub(super) delay_after_s: Option<f64>,
}

/// Random offsets of the frames.
#[derive(Clone, Debug)]
pub(super) struct Offsets {
    pub(super) each: Box<[Offset]>,
    /// Whether the frames that are offset are flown or stepped.
    pub(super) motion: Motion,
}

impl From<Layers> for Sequence {
    fn from(layers: Layers) -> Self {
        let offsets = Offsets { each: Box::new([]), motion: Motion::Step };
        Self { layers, offsets, delay_after_s: None }
    }
}

impl Sequence {
    pub(super) fn len(&self) -> u64 {
        self.layers.len()
    }

    /// Whether every frame stands alone, because a rest or a jump follows it.
    fn stops(&self) -> bool {
        let jumps = self.offsets.motion == Motion::Step && !self.offsets.each.is_empty();
        jumps || self.delay_s() > 0.0
    }

    /// Least time between a frame and the next, in seconds.
    pub(super) fn delay_s(&self) -> f64 {
        self.delay_after_s.unwrap_or_default()
    }

    /// Writes a frame into `point`, which has a place for every axis of the stack.
    pub(super) fn point(&self, frame: u64, point: &mut [Frame]) {
        self.layers.point(frame, point);
        for offset in &self.offsets.each {
            let place = &mut point[offset.axis];
            *place = offset.moved(frame, self.offsets.motion, *place);
        }
    }

    /// Whether a gap precedes the frame. For frame 0 that is the gap after the last one.
    pub(super) fn gap(&self, frame: u64) -> bool {
        self.stops() || self.layers.gap(frame)
    }

    /// Writes the positions of `count` frames into the columns.
    pub(super) fn fill(&self, from: u64, count: usize, columns: &mut Columns) {
        self.layers.fill(from, count, (0, columns));
        for offset in &self.offsets.each {
            let slices = columns.slices(offset.axis, 0, count);
            for (index, frame) in (from..from + count as u64).enumerate() {
                let place = Frame {
                    midpoint: slices.midpoints[index],
                    lower: slices.lower[index],
                    upper: slices.upper[index],
                };
                let moved = offset.moved(frame, self.offsets.motion, place);
                slices.midpoints[index] = moved.midpoint;
                slices.lower[index] = moved.lower;
                slices.upper[index] = moved.upper;
            }
        }
    }

    /// Sets those of `gaps` that stand for a frame with a gap before it.
    pub(super) fn or_gaps(&self, from: u64, gaps: &mut [bool]) {
        if self.stops() {
            gaps.fill(true);
        } else {
            self.layers.or_gaps(from, gaps);
        }
    }

    /// Seconds that the frame takes, if the specification says so.
    pub(super) fn duration(&self, frame: u64) -> Option<f64> {
        self.layers.duration(frame)
    }

    /// The frames around `frame` that are one row by construction.
    pub(super) fn straight(&self, frame: u64) -> Range<u64> {
        if self.stops() || !self.offsets.each.is_empty() {
            frame..frame + 1
        } else {
            self.layers.straight(frame)
        }
    }

    /// The frames around `frame` that are one curve by construction.
    pub(super) fn unbroken(&self, frame: u64) -> Range<u64> {
        if self.stops() { frame..frame + 1 } else { self.layers.unbroken(frame) }
    }
}

//! [`Layers`]: dimensions nested in each other, slowest first, and the frames that follow.
use super::{
    columns::{Columns, Direction, Frame, Span},
    dimension::Dimension,
    runs::{Run, Tracks},
};
use std::ops::Range;

/// Dimensions nested in each other. Every frame has an index in the order in which it is taken.
#[derive(Clone, Debug)]
pub(super) struct Layers {
    nested: Box<[Layer]>,
    len: u64,
    /// The fastest layer within which anything happens at all; all faster ones only repeat.
    active: Option<usize>,
}

/// A dimension and how many frames each of its own lasts: the product of the faster dimensions.
#[derive(Clone, Debug)]
struct Layer {
    dimension: Dimension,
    repeat: u64,
}

/// Frames in sequence for which a dimension stands at one of its own frames.
struct Stay {
    index: u64,
    direction: Direction,
    /// How many frames of the stay have passed before the first one asked for.
    passed: u64,
    /// How many of the frames asked for belong to it.
    count: usize,
}

impl Layer {
    /// The dimension's own index for a frame, and which way it is gone through.
    fn own(&self, frame: u64) -> (u64, Direction) {
        let own = frame / self.repeat;
        let (pass, index) = (own / self.dimension.len, own % self.dimension.len);
        if self.dimension.snaked && pass % 2 == 1 {
            (self.dimension.len - 1 - index, Direction::Backward)
        } else {
            (index, Direction::Forward)
        }
    }

    /// Calls `each` with every stay that covers some of the `count` frames from `from`, and the
    /// offset of its first frame among them.
    fn stays(&self, from: u64, count: usize, mut each: impl FnMut(usize, Stay)) {
        let mut done = 0;
        while done < count {
            let frame = from + done as u64;
            let passed = frame % self.repeat;
            let (index, direction) = self.own(frame);
            let left = (count - done) as u64;
            let stay = (self.repeat - passed).min(left) as usize;
            each(done, Stay { index, direction, passed, count: stay });
            done += stay;
        }
    }

    /// Calls `each` with the spans, one per pass, of a dimension whose frames are not repeated.
    fn spans(&self, from: u64, count: usize, mut each: impl FnMut(usize, Span)) {
        let mut done = 0;
        while done < count {
            let (first, direction) = self.own(from + done as u64);
            let ahead = match direction {
                Direction::Forward => self.dimension.len - first,
                Direction::Backward => first + 1,
            };
            let span = ahead.min((count - done) as u64) as usize;
            each(done, Span { first, count: span, direction });
            done += span;
        }
    }

    fn gap(&self, frame: u64) -> bool {
        let (index, direction) = self.own(frame);
        if frame.is_multiple_of(self.repeat) {
            self.dimension.gap(index, direction)
        } else {
            // Within a stay the bounds are those of the frame before: an axis that moves through
            // them must go back first.
            self.dimension.moves(index)
        }
    }
}

impl Layers {
    /// The dimensions nested, or nothing if they have more frames than can be counted.
    pub(super) fn new(dimensions: Vec<Dimension>) -> Option<Self> {
        let len = dimensions.iter().try_fold(1_u64, |len, dimension| {
            len.checked_mul(dimension.len).filter(|len| *len <= super::coerce::MAX_COUNT)
        });
        let empty = dimensions.iter().any(|dimension| dimension.len == 0);
        let len = if empty { 0 } else { len? };
        let mut repeat = 1;
        let mut layers = Vec::with_capacity(dimensions.len());
        for dimension in dimensions.into_iter().rev() {
            let next = if empty { 1 } else { repeat * dimension.len };
            layers.push(Layer { dimension, repeat });
            repeat = next;
        }
        layers.reverse();
        let active = layers.iter().rposition(|layer| !layer.dimension.still());
        Some(Self { nested: layers.into(), len, active })
    }

    /// The dimensions that were nested.
    pub(super) fn into_dimensions(self) -> Vec<Dimension> {
        self.nested.into_vec().into_iter().map(|layer| layer.dimension).collect()
    }

    pub(super) fn dimensions(&self) -> impl Iterator<Item = &Dimension> {
        self.nested.iter().map(|layer| &layer.dimension)
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Writes a frame into `point`, which has a place for every axis of the stack.
    pub(super) fn point(&self, frame: u64, point: &mut [Frame]) {
        for layer in &self.nested {
            let (index, direction) = layer.own(frame);
            layer.dimension.point(index, direction, point);
        }
    }

    /// The index of a frame in each dimension.
    pub(super) fn indexes(&self, frame: u64) -> Vec<u64> {
        self.nested.iter().map(|layer| layer.own(frame).0).collect()
    }

    /// Whether a gap precedes the frame. For frame 0 that is the gap after the last one.
    pub(super) fn gap(&self, frame: u64) -> bool {
        self.nested.iter().any(|layer| layer.gap(frame))
    }

    pub(super) fn has_duration(&self) -> bool {
        self.dimensions().any(Dimension::has_duration)
    }

    /// Seconds that the frame takes, if the specification says so.
    pub(super) fn duration(&self, frame: u64) -> Option<f64> {
        let layer = self.nested.iter().find(|layer| layer.dimension.has_duration())?;
        layer.dimension.duration(layer.own(frame).0)
    }

    pub(super) fn moves(&self, frame: u64) -> bool {
        self.nested.iter().any(|layer| layer.dimension.moves(layer.own(frame).0))
    }

    pub(super) fn still(&self) -> bool {
        self.active.is_none()
    }

    /// Whether any axis that is asked for is elsewhere in another frame.
    pub(super) fn vary(&self, tracks: &Tracks) -> bool {
        self.dimensions().any(|dimension| dimension.varies(tracks))
    }

    /// How many frames at least are no part of a longer run.
    pub(super) fn curved(&self, tracks: &Tracks) -> u64 {
        let fastest = self.nested.iter().rfind(|layer| layer.dimension.varies(tracks));
        fastest.map_or(0, |layer| {
            let passes = self.len / (layer.repeat * layer.dimension.len);
            layer.dimension.curved(tracks) * passes
        })
    }

    /// The run around a frame: a pass of the fastest dimension of which an axis is asked for.
    pub(super) fn run(&self, frame: u64, tracks: &mut Tracks) -> Run {
        let fastest = self.nested.iter().rposition(|layer| layer.dimension.varies(tracks));
        let mut whole = Run::new(0..self.len);
        for (place, layer) in self.nested.iter().enumerate() {
            let axes = &layer.dimension.axes;
            if !tracks.want(axes) {
                continue;
            }
            let (index, direction) = layer.own(frame);
            let run = layer.dimension.run(index, tracks);
            if fastest == Some(place) {
                let own = (frame / layer.repeat, layer.repeat);
                whole = run.placed((index, direction), own, (axes, tracks));
            } else {
                tracks.hold(axes, run.tick(index));
            }
        }
        whole
    }

    /// Writes the positions of `count` frames into the columns, from the row given with them.
    pub(super) fn fill(&self, from: u64, count: usize, (at, columns): (usize, &mut Columns)) {
        let mut point = vec![Frame::default(); columns.midpoints.len()];
        for layer in &self.nested {
            let dimension = &layer.dimension;
            if dimension.axes.is_empty() {
                continue;
            }
            if layer.repeat == 1 {
                layer.spans(from, count, |done, span| dimension.fill(span, at + done, columns));
                continue;
            }
            layer.stays(from, count, |done, stay| {
                dimension.point(stay.index, stay.direction, &mut point);
                for axis in &dimension.axes {
                    columns.slices(*axis, at + done, stay.count).fill(point[*axis]);
                }
            });
        }
    }

    /// Sets those of `gaps` that stand for a frame with a gap before it.
    pub(super) fn or_gaps(&self, from: u64, gaps: &mut [bool]) {
        for layer in &self.nested {
            let dimension = &layer.dimension;
            if layer.repeat == 1 {
                layer.spans(from, gaps.len(), |done, span| {
                    dimension.or_gaps(span, &mut gaps[done..done + span.count]);
                });
                continue;
            }
            layer.stays(from, gaps.len(), |done, stay| {
                let within = usize::from(stay.passed == 0);
                if within == 1 {
                    gaps[done] |= dimension.gap(stay.index, stay.direction);
                }
                if dimension.moves(stay.index) {
                    gaps[done + within..done + stay.count].fill(true);
                }
            });
        }
    }

    /// Writes the durations of frames, all of which are said.
    pub(super) fn fill_durations(&self, from: u64, durations: &mut [f64]) {
        let said = self.nested.iter().find(|layer| layer.dimension.has_duration());
        let Some(layer) = said else { return };
        let dimension = &layer.dimension;
        match dimension.duration {
            Some(duration) => durations.fill(duration),
            None if layer.repeat == 1 => layer.spans(from, durations.len(), |done, span| {
                dimension.fill_durations(span, &mut durations[done..done + span.count]);
            }),
            None => layer.stays(from, durations.len(), |done, stay| {
                let duration = dimension.duration(stay.index).unwrap_or_default();
                durations[done..done + stay.count].fill(duration);
            }),
        }
    }

    /// The frames around `frame` that are one row by construction: the motion is straight, no gap
    /// is between them and all take equally long.
    pub(super) fn straight(&self, frame: u64) -> Range<u64> {
        self.around(frame, Dimension::straight)
    }

    /// The frames around `frame` that are one curve by construction: no gap is between them and all
    /// take equally long, but velocities may change.
    pub(super) fn unbroken(&self, frame: u64) -> Range<u64> {
        self.around(frame, Dimension::unbroken)
    }

    /// The frames around `frame` that are one by construction, given those of a dimension.
    fn around(&self, frame: u64, within: impl Fn(&Dimension, u64) -> Range<u64>) -> Range<u64> {
        let Some(active) = self.active else { return 0..self.len };
        let layer = &self.nested[active];
        let moves_outside = self.nested[..active]
            .iter()
            .any(|outer| outer.repeat > 1 && outer.dimension.moves(outer.own(frame).0));
        let (index, direction) = layer.own(frame);
        if moves_outside || (layer.repeat > 1 && layer.dimension.moves(index)) {
            return frame..frame + 1;
        }
        let range = within(&layer.dimension, index);
        let own = frame / layer.repeat;
        let (before, after) = match direction {
            Direction::Forward => (index - range.start, range.end - index),
            Direction::Backward => (range.end - 1 - index, index + 1 - range.start),
        };
        (own - before) * layer.repeat..(own + after) * layer.repeat
    }
}

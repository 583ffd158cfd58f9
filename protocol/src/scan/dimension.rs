//! [`Dimension`]: frames that run together, as often as the slower dimensions say.
use super::{
    columns::{Columns, Direction, Frame, Span},
    curve::{Curve, Motion},
    layers::Layers,
    mask::Mask,
    spiral::Spiral,
    way::Way,
};
use std::ops::Range;

/// The frames of one level of a scan. Nothing of it grows with the number of frames: positions are
/// computed when they are asked for, also those of a squashed or concatenated dimension.
#[derive(Clone, Debug)]
pub(super) struct Dimension {
    pub(super) len: u64,
    /// Whether every other pass runs backwards.
    pub(super) snaked: bool,
    /// Whether there is a gap between the last frame of a pass and the first of the next.
    pub(super) first_gap: bool,
    /// Seconds per frame, where a `ConstantDuration` says it of this very dimension.
    pub(super) duration: Option<f64>,
    /// Indices of its axes in the stack.
    pub(super) axes: Box<[usize]>,
    pub(super) source: Source,
}

/// Where the frames of a dimension come from.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// No axis: the faster dimensions are repeated, with or without a gap between.
    Repeat { gap: bool },
    /// Axes that follow curves.
    Curves(Box<[(usize, Curve)]>),
    /// Axes that follow given points, or several curves one after the other.
    Ways(Box<[Way]>),
    /// One frame again and again.
    Constant { frames: Box<[(usize, Frame)]>, gap: bool },
    /// Two dimensions of one length at the same time.
    Zip(Box<Dimension>, Box<Dimension>),
    /// The second after the first, with or without a gap between.
    Concat { left: Box<Dimension>, right: Box<Dimension>, gap: bool },
    /// All frames of a stack, as one dimension.
    Squash(Layers),
    /// Those frames of a dimension that lie within a region.
    Mask(Mask),
}

/// What is one by construction: a curve, indices of a way, frames of nested dimensions.
#[derive(Clone, Copy)]
pub(super) struct Whole {
    curve: fn(Curve) -> bool,
    way: fn(&Way, u64) -> Range<u64>,
    nested: fn(&Layers, u64) -> Range<u64>,
}

impl Dimension {
    /// Writes the frame into `point`, which has a place for every axis of the stack.
    pub(super) fn point(&self, index: u64, direction: Direction, point: &mut [Frame]) {
        match &self.source {
            Source::Repeat { .. } => {}
            Source::Curves(curves) => {
                for (axis, curve) in curves {
                    point[*axis] = curve.frame(index);
                }
            }
            Source::Ways(ways) => {
                for way in ways {
                    point[way.axis] = way.frame(index);
                }
            }
            Source::Constant { frames, .. } => {
                for (axis, frame) in frames {
                    point[*axis] = *frame;
                }
            }
            Source::Zip(left, right) => {
                left.point(index, Direction::Forward, point);
                right.point(index, Direction::Forward, point);
            }
            Source::Concat { left, right, .. } => match index.checked_sub(left.len) {
                None => left.point(index, Direction::Forward, point),
                Some(index) => right.point(index, Direction::Forward, point),
            },
            Source::Squash(layers) => layers.point(index, point),
            Source::Mask(mask) => mask.grid().point(mask.in_grid(index), Direction::Forward, point),
        }
        if direction == Direction::Backward {
            for axis in &self.axes {
                point[*axis] = point[*axis].reversed();
            }
        }
    }

    /// Writes the positions of a span into the columns, from the row `at`.
    pub(super) fn fill(&self, span: Span, at: usize, columns: &mut Columns) {
        match &self.source {
            Source::Repeat { .. } => {}
            Source::Curves(curves) => {
                if let Some(spiral) = Spiral::of(curves) {
                    return spiral.fill(span, at, columns);
                }
                for (axis, curve) in curves {
                    curve.fill(span, &mut columns.slices(*axis, at, span.count));
                }
            }
            Source::Ways(ways) => {
                for way in ways {
                    way.fill(span, &mut columns.slices(way.axis, at, span.count));
                }
            }
            Source::Constant { frames, .. } => {
                for (axis, frame) in frames {
                    let frame = match span.direction {
                        Direction::Forward => *frame,
                        Direction::Backward => frame.reversed(),
                    };
                    columns.slices(*axis, at, span.count).fill(frame);
                }
            }
            Source::Zip(left, right) => {
                left.fill(span, at, columns);
                right.fill(span, at, columns);
            }
            Source::Concat { left, right, .. } => {
                if let Some((part, skip)) = span.part(0, left.len) {
                    left.fill(part, at + skip, columns);
                }
                if let Some((part, skip)) = span.part(left.len, self.len) {
                    let part = Span { first: part.first - left.len, ..part };
                    right.fill(part, at + skip, columns);
                }
            }
            Source::Squash(layers) => {
                layers.fill(span.low(), span.count, (at, columns));
                self.turn(span, at, columns);
            }
            Source::Mask(mask) => {
                mask.fill(span.low(), span.count, (at, columns));
                self.turn(span, at, columns);
            }
        }
    }

    /// Reverses what was written forwards, if the span runs backwards.
    fn turn(&self, span: Span, at: usize, columns: &mut Columns) {
        if span.direction == Direction::Backward {
            for axis in &self.axes {
                columns.slices(*axis, at, span.count).reverse();
            }
        }
    }

    /// Whether a gap precedes the frame when the dimension is gone through in the direction.
    pub(super) fn gap(&self, index: u64, direction: Direction) -> bool {
        match direction {
            Direction::Forward => self.boundary(index),
            Direction::Backward if index + 1 == self.len => self.boundary(0),
            Direction::Backward => self.boundary(index + 1),
        }
    }

    /// Whether there is a gap between frame `index - 1` (the last one, if `index` is 0) and `index`.
    pub(super) fn boundary(&self, index: u64) -> bool {
        if index == 0 {
            return self.first_gap;
        }
        match &self.source {
            Source::Repeat { gap } | Source::Constant { gap, .. } => *gap,
            Source::Curves(curves) => curves.iter().any(|(_, curve)| curve.gap(index)),
            Source::Ways(ways) => ways.iter().any(|way| way.gap(index)),
            Source::Zip(left, right) => left.boundary(index) || right.boundary(index),
            Source::Concat { left, right, gap } => match index.checked_sub(left.len) {
                None => left.boundary(index),
                Some(0) => *gap,
                Some(index) => right.boundary(index),
            },
            Source::Squash(layers) => layers.gap(index),
            Source::Mask(mask) => mask.gap(index),
        }
    }

    /// Sets those of `gaps` that stand for a frame of the span with a gap before it.
    pub(super) fn or_gaps(&self, span: Span, gaps: &mut [bool]) {
        let (mut span, mut gaps) = (span, gaps);
        let starts_pass = match span.direction {
            Direction::Forward => span.first == 0,
            Direction::Backward => span.first + 1 == self.len,
        };
        if starts_pass {
            gaps[0] |= self.first_gap;
            if span.count == 1 {
                return;
            }
            gaps = &mut gaps[1..];
            span.count -= 1;
            match span.direction {
                Direction::Forward => span.first += 1,
                Direction::Backward => span.first -= 1,
            }
        }
        if span.direction == Direction::Backward {
            // Backwards, the gap before a frame is the one after it in the order of the indices.
            span.first += 1;
        }
        self.or_boundaries(span, gaps);
    }

    /// Sets those of `gaps` that stand for an index of the span (never 0) with a gap before it.
    pub(super) fn or_boundaries(&self, span: Span, gaps: &mut [bool]) {
        match &self.source {
            Source::Repeat { gap: false } | Source::Constant { gap: false, .. } => {}
            Source::Repeat { gap: true } | Source::Constant { gap: true, .. } => gaps.fill(true),
            Source::Curves(curves) => {
                if curves.iter().any(|(_, curve)| curve.motion == Motion::Step && !curve.still()) {
                    self.or_each(span, gaps);
                }
            }
            Source::Ways(ways) => {
                if ways.iter().any(|way| way.motion == Motion::Step) {
                    self.or_each(span, gaps);
                }
            }
            Source::Zip(left, right) => {
                left.or_boundaries(span, gaps);
                right.or_boundaries(span, gaps);
            }
            Source::Concat { left, right, gap } => {
                if let Some((part, skip)) = span.part(1, left.len) {
                    left.or_boundaries(part, &mut gaps[skip..skip + part.count]);
                }
                if let Some((_, skip)) = span.part(left.len, left.len + 1) {
                    gaps[skip] |= gap;
                }
                if let Some((part, skip)) = span.part(left.len + 1, self.len) {
                    let shifted = Span { first: part.first - left.len, ..part };
                    right.or_boundaries(shifted, &mut gaps[skip..skip + part.count]);
                }
            }
            Source::Squash(layers) if span.direction == Direction::Forward => {
                layers.or_gaps(span.first, gaps);
            }
            Source::Mask(mask) if span.direction == Direction::Forward => {
                mask.or_gaps(span.first, gaps);
            }
            Source::Squash(_) | Source::Mask(_) => self.or_each(span, gaps),
        }
    }

    fn or_each(&self, span: Span, gaps: &mut [bool]) {
        for (count, gap) in gaps.iter_mut().enumerate() {
            let count = count as u64;
            *gap |= self.boundary(match span.direction {
                Direction::Forward => span.first + count,
                Direction::Backward => span.first - count,
            });
        }
    }

    /// Whether it says how long its frames take.
    pub(super) fn has_duration(&self) -> bool {
        self.duration.is_some()
            || match &self.source {
                Source::Repeat { .. }
                | Source::Curves(_)
                | Source::Ways(_)
                | Source::Constant { .. } => false,
                Source::Mask(mask) => mask.grid().has_duration(),
                Source::Zip(left, right) => left.has_duration() || right.has_duration(),
                Source::Concat { left, .. } => left.has_duration(),
                Source::Squash(layers) => layers.has_duration(),
            }
    }

    /// Seconds that a frame takes, if it says so.
    pub(super) fn duration(&self, index: u64) -> Option<f64> {
        self.duration.or_else(|| match &self.source {
            Source::Repeat { .. }
            | Source::Curves(_)
            | Source::Ways(_)
            | Source::Constant { .. } => None,
            Source::Mask(mask) => mask.grid().duration(mask.in_grid(index)),
            Source::Zip(left, right) => left.duration(index).or_else(|| right.duration(index)),
            Source::Concat { left, right, .. } => match index.checked_sub(left.len) {
                None => left.duration(index),
                Some(index) => right.duration(index),
            },
            Source::Squash(layers) => layers.duration(index),
        })
    }

    /// Writes the durations of a span, all of which are said.
    pub(super) fn fill_durations(&self, span: Span, durations: &mut [f64]) {
        match (self.duration, &self.source) {
            (Some(duration), _) => durations.fill(duration),
            (None, Source::Zip(left, right)) => {
                let said = if left.has_duration() { left } else { right };
                said.fill_durations(span, durations);
            }
            (None, Source::Concat { left, right, .. }) => {
                if let Some((part, skip)) = span.part(0, left.len) {
                    left.fill_durations(part, &mut durations[skip..skip + part.count]);
                }
                if let Some((part, skip)) = span.part(left.len, self.len) {
                    let shifted = Span { first: part.first - left.len, ..part };
                    right.fill_durations(shifted, &mut durations[skip..skip + part.count]);
                }
            }
            (None, Source::Squash(layers)) => {
                layers.fill_durations(span.low(), durations);
                if span.direction == Direction::Backward {
                    durations.reverse();
                }
            }
            (None, Source::Mask(mask)) => {
                mask.fill_durations(span.low(), durations);
                if span.direction == Direction::Backward {
                    durations.reverse();
                }
            }
            (
                None,
                Source::Repeat { .. }
                | Source::Curves(_)
                | Source::Ways(_)
                | Source::Constant { .. },
            ) => {}
        }
    }

    /// Whether any axis moves during the frame.
    pub(super) fn moves(&self, index: u64) -> bool {
        match &self.source {
            Source::Repeat { .. } => false,
            Source::Curves(curves) => curves.iter().any(|(_, curve)| curve.frame(index).moves()),
            Source::Ways(ways) => ways.iter().any(|way| way.frame(index).moves()),
            Source::Constant { frames, .. } => frames.iter().any(|(_, frame)| frame.moves()),
            Source::Zip(left, right) => left.moves(index) || right.moves(index),
            Source::Concat { left, right, .. } => match index.checked_sub(left.len) {
                None => left.moves(index),
                Some(index) => right.moves(index),
            },
            Source::Squash(layers) => layers.moves(index),
            Source::Mask(mask) => mask.grid().moves(mask.in_grid(index)),
        }
    }

    /// Whether the dimension only repeats one motionless frame, without a gap at its start or
    /// within, all frames taking equally long.
    pub(super) fn still(&self) -> bool {
        if self.first_gap {
            return false;
        }
        match &self.source {
            Source::Repeat { gap } => !gap || self.len <= 1,
            Source::Curves(curves) => curves.iter().all(|(_, curve)| curve.still()),
            Source::Constant { frames, gap } => {
                !gap && frames.iter().all(|(_, frame)| !frame.moves())
            }
            Source::Zip(left, right) => left.still() && right.still(),
            Source::Squash(layers) => layers.still(),
            Source::Ways(_) | Source::Concat { .. } | Source::Mask(_) => false,
        }
    }

    /// Indices of the frames around `index` that are one row by construction: straight, without a
    /// gap, all frames taking equally long.
    pub(super) fn straight(&self, index: u64) -> Range<u64> {
        const STRAIGHT: Whole =
            Whole { curve: Curve::straight, way: Way::straight, nested: Layers::straight };
        self.around(index, STRAIGHT)
    }

    /// Indices of the frames around `index` that are one curve by construction: without a gap, all
    /// frames taking equally long.
    pub(super) fn unbroken(&self, index: u64) -> Range<u64> {
        const UNBROKEN: Whole =
            Whole { curve: Curve::unbroken, way: Way::unbroken, nested: Layers::unbroken };
        self.around(index, UNBROKEN)
    }

    /// Indices around `index` that are one by construction.
    pub(super) fn around(&self, index: u64, whole: Whole) -> Range<u64> {
        let either = |one: bool| if one { 0..self.len } else { index..index + 1 };
        match &self.source {
            Source::Repeat { gap } => either(!gap),
            Source::Curves(curves) => either(curves.iter().all(|(_, curve)| (whole.curve)(*curve))),
            Source::Ways(ways) => ways.iter().fold(0..self.len, |range, way| {
                let one = (whole.way)(way, index);
                range.start.max(one.start)..range.end.min(one.end)
            }),
            Source::Constant { frames, gap } => {
                either(!gap && frames.iter().all(|(_, frame)| !frame.moves()))
            }
            Source::Zip(left, right) => {
                let left = left.around(index, whole);
                let right = right.around(index, whole);
                left.start.max(right.start)..left.end.min(right.end)
            }
            Source::Concat { left, right, .. } => match index.checked_sub(left.len) {
                None => left.around(index, whole),
                Some(index) => {
                    let range = right.around(index, whole);
                    range.start + left.len..range.end + left.len
                }
            },
            Source::Squash(layers) => (whole.nested)(layers, index),
            Source::Mask(mask) => mask.around(index, whole),
        }
    }
}

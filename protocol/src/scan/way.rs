//! [`Way`]: the way of one axis which no single curve describes.
use super::{
    columns::{Direction, Frame, Slices, Span},
    curve::{Curve, Motion, Shape},
    runs::Line,
};
use std::{ops::Range, sync::Arc};

/// The way of one axis through a dimension: parts, one after the other. It grows with the number of
/// parts and of given points, not with the number of frames.
#[derive(Clone, Debug)]
pub(super) struct Way {
    /// Index of the axis in the stack.
    pub(super) axis: usize,
    pub(super) motion: Motion,
    parts: Box<[Part]>,
    len: u64,
}

#[derive(Clone, Debug)]
struct Part {
    /// Index of its first frame.
    first: u64,
    form: Form,
}

/// How the axis goes through a part.
#[derive(Clone, Debug)]
pub(super) enum Form {
    Shape(Shape),
    /// Through given points, at least one; the bounds are the middles between neighbours. Before the
    /// first and after the last point it goes on as between those next to them.
    Listed(Arc<[f64]>),
}

impl Form {
    /// Where the axis is; as of a [`Shape`], midpoints are at halves and bounds at whole numbers.
    pub(super) fn at(&self, index: f64) -> f64 {
        match self {
            Self::Shape(shape) => shape.at(index),
            Self::Listed(points) => {
                let whole = (index - 0.5).floor();
                let (before, after) = (extended(points, whole), extended(points, whole + 1.0));
                before + (index - 0.5 - whole) * (after - before)
            }
        }
    }
}

/// The point of an index from -1 to the number of points.
fn extended(points: &[f64], index: f64) -> f64 {
    let last = points.len() - 1;
    let at = |place: usize| points[place.min(last)];
    if index < 0.0 {
        at(0) - (at(1) - at(0))
    } else if index as usize > last {
        at(last) + (at(last) - at(last.saturating_sub(1)))
    } else {
        at(index as usize)
    }
}

impl Way {
    /// The parts, each with its number of frames, one after the other.
    pub(super) fn new(axis: usize, motion: Motion, forms: Vec<(Form, u64)>) -> Self {
        let mut len = 0;
        let mut parts = Vec::with_capacity(forms.len());
        for (form, frames) in forms {
            parts.push(Part { first: len, form });
            len += frames;
        }
        Self { axis, motion, parts: parts.into(), len }
    }

    /// The part in which a frame is; that of a bound which two parts share is the second.
    fn part(&self, index: u64) -> &Part {
        &self.parts[self.place(index)]
    }

    fn place(&self, index: u64) -> usize {
        self.parts.partition_point(|part| part.first <= index).saturating_sub(1)
    }

    fn bound(&self, index: u64) -> f64 {
        let part = self.part(index);
        part.form.at((index - part.first) as f64)
    }

    pub(super) fn frame(&self, index: u64) -> Frame {
        let part = self.part(index);
        let midpoint = part.form.at((index - part.first) as f64 + 0.5);
        match self.motion {
            Motion::Step => Frame::still(midpoint),
            Motion::Fly => {
                Frame { midpoint, lower: self.bound(index), upper: self.bound(index + 1) }
            }
        }
    }

    pub(super) fn fill(&self, span: Span, slices: &mut Slices) {
        let end = span.low() + span.count as u64;
        let mut index = span.low();
        while index < end {
            let (frames, form) = self.around(index);
            index = frames.end;
            let Some((part, skip)) = span.part(frames.start, frames.end) else { continue };
            let rows = skip..skip + part.count;
            let mut slices = Slices {
                midpoints: &mut slices.midpoints[rows.clone()],
                lower: &mut slices.lower[rows.clone()],
                upper: &mut slices.upper[rows],
            };
            match form {
                Form::Shape(shape) => {
                    let own = Span { first: part.first - frames.start, ..part };
                    Curve { shape: *shape, motion: self.motion }.fill(own, &mut slices);
                    self.join(part, frames.end, &mut slices);
                }
                Form::Listed(_) => self.fill_each(part, &mut slices),
            }
        }
    }

    /// Sets the last bound of a part, up to the frame `end`, to that of the next part.
    fn join(&self, span: Span, end: u64, slices: &mut Slices) {
        let bound = match (self.motion, span.direction) {
            (Motion::Step, _) => None,
            (Motion::Fly, Direction::Forward) => slices.upper.last_mut(),
            (Motion::Fly, Direction::Backward) => slices.lower.first_mut(),
        };
        if let Some(bound) = bound
            && span.low() + span.count as u64 == end
        {
            *bound = self.bound(end);
        }
    }

    fn fill_each(&self, span: Span, slices: &mut Slices) {
        for place in 0..span.count {
            let frame = match span.direction {
                Direction::Forward => self.frame(span.first + place as u64),
                Direction::Backward => self.frame(span.first - place as u64).reversed(),
            };
            slices.midpoints[place] = frame.midpoint;
            slices.lower[place] = frame.lower;
            slices.upper[place] = frame.upper;
        }
    }

    /// Whether there is a gap between frame `index - 1` and frame `index`.
    pub(super) fn gap(&self, index: u64) -> bool {
        match self.motion {
            Motion::Fly => false,
            Motion::Step => self.frame(index - 1).midpoint != self.frame(index).midpoint,
        }
    }

    /// Indices around `index` through which the axis goes at one velocity.
    pub(super) fn straight(&self, index: u64) -> Range<u64> {
        let (frames, form) = self.around(index);
        let straight = match form {
            Form::Shape(shape) => Curve { shape: *shape, motion: self.motion }.straight(),
            Form::Listed(_) => false,
        };
        let last = frames.end - 1;
        if !straight || (index == last && self.frame(last).bends()) {
            index..index + 1
        } else if self.frame(last).bends() {
            // Its upper bound is that of the next part, which is off by more than a rounding.
            frames.start..last
        } else {
            frames
        }
    }

    /// Indices around `index` between which there is no gap.
    pub(super) fn unbroken(&self, index: u64) -> Range<u64> {
        let (frames, form) = self.around(index);
        let unbroken = match form {
            Form::Shape(shape) => Curve { shape: *shape, motion: self.motion }.unbroken(),
            Form::Listed(_) => self.motion == Motion::Fly,
        };
        if unbroken { frames } else { index..index + 1 }
    }

    /// Indices around `index` of which the midpoints are on a line, and that line, which counts from
    /// the first of them; a single index if there is none.
    pub(super) fn midpoints(&self, index: u64) -> (Range<u64>, Option<Line>) {
        let (frames, form) = self.around(index);
        let line = match form {
            Form::Shape(shape) => shape.midpoints(),
            Form::Listed(_) => None,
        };
        if line.is_some() { (frames, line) } else { (index..index + 1, None) }
    }

    /// The part in which a frame is, and the frames of it.
    fn around(&self, index: u64) -> (Range<u64>, &Form) {
        let place = self.place(index);
        let end = self.parts.get(place + 1).map_or(self.len, |next| next.first);
        (self.parts[place].first..end, &self.parts[place].form)
    }
}

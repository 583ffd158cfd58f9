//! [`Columns`]: where the positions of frames are written, an axis at a time.

/// Midpoints and bounds of consecutive frames, one row of values per axis of the stack.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Columns {
    pub(super) midpoints: Vec<Vec<f64>>,
    pub(super) lower: Vec<Vec<f64>>,
    pub(super) upper: Vec<Vec<f64>>,
}

impl Columns {
    pub(super) fn resize(&mut self, axes: usize, frames: usize) {
        for table in [&mut self.midpoints, &mut self.lower, &mut self.upper] {
            table.resize_with(axes, Vec::new);
            for column in table {
                column.resize(frames, 0.0);
            }
        }
    }

    /// The values of `count` frames of one axis, from the one at `at`.
    pub(super) fn slices(&mut self, axis: usize, at: usize, count: usize) -> Slices<'_> {
        Slices {
            midpoints: &mut self.midpoints[axis][at..at + count],
            lower: &mut self.lower[axis][at..at + count],
            upper: &mut self.upper[axis][at..at + count],
        }
    }
}

/// Midpoints and bounds of consecutive frames of one axis.
pub(super) struct Slices<'a> {
    pub(super) midpoints: &'a mut [f64],
    pub(super) lower: &'a mut [f64],
    pub(super) upper: &'a mut [f64],
}

impl Slices<'_> {
    pub(super) fn fill(&mut self, frame: Frame) {
        self.midpoints.fill(frame.midpoint);
        self.lower.fill(frame.lower);
        self.upper.fill(frame.upper);
    }

    /// The same frames, taken the other way round.
    pub(super) fn reverse(&mut self) {
        for values in [&mut *self.midpoints, self.lower, self.upper] {
            values.reverse();
        }
        self.lower.swap_with_slice(self.upper);
    }
}

/// Where one axis is in one frame.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Frame {
    pub(super) midpoint: f64,
    pub(super) lower: f64,
    pub(super) upper: f64,
}

impl Frame {
    pub(super) fn still(value: f64) -> Self {
        Self { midpoint: value, lower: value, upper: value }
    }

    pub(super) fn reversed(self) -> Self {
        Self { lower: self.upper, upper: self.lower, ..self }
    }

    pub(super) fn moves(self) -> bool {
        self.lower != self.upper
    }

    /// Velocity at the lower bound, in EGU per frame: that of the parabola through the three points.
    pub(super) fn entry(self) -> f64 {
        4.0 * (self.midpoint - self.lower) - (self.upper - self.lower)
    }

    /// Velocity at the upper bound, in EGU per frame.
    pub(super) fn exit(self) -> f64 {
        4.0 * (self.upper - self.midpoint) - (self.upper - self.lower)
    }

    /// Whether the midpoint is off the middle of the bounds by more than a rounding.
    pub(super) fn bends(self) -> bool {
        let place = self.lower.abs().max(self.upper.abs()).max(self.midpoint.abs());
        let rounding = 1e-6 * (self.upper - self.lower).abs() + 8.0 * f64::EPSILON * place;
        (self.midpoint - f64::midpoint(self.lower, self.upper)).abs() > rounding
    }
}

/// Which way a dimension is gone through.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Direction {
    Forward,
    Backward,
}

/// Consecutive frames of a dimension in the order in which they are taken: the first one's index,
/// and which way the others follow.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) first: u64,
    pub(super) count: usize,
    pub(super) direction: Direction,
}

impl Span {
    /// The least index of the span.
    pub(super) fn low(self) -> u64 {
        match self.direction {
            Direction::Forward => self.first,
            Direction::Backward => self.first + 1 - self.count as u64,
        }
    }

    /// The part of the span with indices from `low` to `end`, and how many frames precede it.
    pub(super) fn part(self, low: u64, end: u64) -> Option<(Self, usize)> {
        let from = self.low().max(low);
        let to = (self.low() + self.count as u64).min(end);
        if from >= to {
            return None;
        }
        let count = (to - from) as usize;
        Some(match self.direction {
            Direction::Forward => {
                (Self { first: from, count, ..self }, (from - self.first) as usize)
            }
            Direction::Backward => {
                (Self { first: to - 1, count, ..self }, (self.first + 1 - to) as usize)
            }
        })
    }
}

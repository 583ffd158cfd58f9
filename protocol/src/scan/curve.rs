//! [`Curve`]: positions along one axis as a function of the index.
//!
//! A frame of index `i` has its midpoint at `i + 0.5` and its bounds at `i` and `i + 1`, so that
//! neighbours share a bound exactly. The order of the operations is that of scanspec, since equal
//! numbers decide where a gap is.
use super::{
    columns::{Direction, Frame, Slices, Span},
    runs::Line,
    turn::sin_cos,
};
use std::f64::consts::PI;

/// How an axis goes through a dimension.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Curve {
    pub(super) shape: Shape,
    pub(super) motion: Motion,
}

/// Whether the axis moves during a frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Motion {
    /// It stands at the midpoint: the bounds are the midpoint.
    Step,
    /// It goes from the lower to the upper bound.
    Fly,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Shape {
    Line {
        step: f64,
        first: f64,
    },
    /// Outwards, from an angle at the centre.
    Spiral {
        centre: f64,
        scale: f64,
        rotate: f64,
        arm: Arm,
    },
    /// A line of scanpointgenerator, which counts from the first midpoint.
    Points {
        step: f64,
        start: f64,
    },
    /// A spiral of scanpointgenerator: `scale` is its radius per radian.
    Coil {
        centre: f64,
        scale: f64,
        arm: Arm,
    },
    /// One side of a Lissajous curve: `rate` and `phase` in radians, per frame and at the first.
    Wave {
        centre: f64,
        reach: f64,
        rate: f64,
        phase: f64,
    },
}

/// Which coordinate of a spiral.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Arm {
    Sine,
    Cosine,
}

impl Shape {
    pub(super) fn at(self, index: f64) -> f64 {
        match self {
            Self::Line { step, first } => index * step + first,
            Self::Spiral { centre, scale, arm, .. } | Self::Coil { centre, scale, arm } => {
                let (radius, rotate) = self.winding(index);
                let (sine, cosine) = sin_cos(radius + rotate);
                let turn = match arm {
                    Arm::Sine => sine,
                    Arm::Cosine => cosine,
                };
                centre + scale * radius * turn
            }
            Self::Points { step, start } => (index - 0.5) * step + start,
            Self::Wave { centre, reach, rate, phase } => {
                centre + reach * (rate * (index - 0.5) + phase).sin()
            }
        }
    }

    /// The angle of a spiral at an index, which is its radius before it is scaled, too, and by how
    /// much it is rotated.
    pub(super) fn winding(self, index: f64) -> (f64, f64) {
        match self {
            Self::Spiral { rotate, .. } => ((4.0 * PI * index).sqrt(), rotate),
            Self::Coil { .. } => ((4.0 * PI).sqrt() * index.sqrt(), 0.0),
            Self::Line { .. } | Self::Points { .. } | Self::Wave { .. } => (0.0, 0.0),
        }
    }

    /// The midpoints as a line, computed by the very same operations, if they are one.
    pub(super) fn midpoints(self) -> Option<Line> {
        match self {
            Self::Line { step, first } => Some(Line { step, first, offset: 0.5 }),
            Self::Points { step, start } => Some(Line { step, first: start, offset: 0.0 }),
            Self::Spiral { .. } | Self::Coil { .. } | Self::Wave { .. } => None,
        }
    }
}

impl Curve {
    pub(super) fn midpoint(self, index: u64) -> f64 {
        self.shape.at(index as f64 + 0.5)
    }

    pub(super) fn frame(self, index: u64) -> Frame {
        let index = index as f64;
        let midpoint = self.shape.at(index + 0.5);
        match self.motion {
            Motion::Step => Frame::still(midpoint),
            Motion::Fly => {
                Frame { midpoint, lower: self.shape.at(index), upper: self.shape.at(index + 1.0) }
            }
        }
    }

    /// Whether the axis stands still through the whole dimension.
    pub(super) fn still(self) -> bool {
        match self.shape {
            Shape::Line { step, .. } | Shape::Points { step, .. } => step == 0.0,
            Shape::Wave { reach, rate, .. } => reach == 0.0 || rate == 0.0,
            Shape::Spiral { .. } | Shape::Coil { .. } => false,
        }
    }

    /// Whether all frames of the dimension are one straight motion.
    pub(super) fn straight(self) -> bool {
        match (self.shape, self.motion) {
            (Shape::Line { .. } | Shape::Points { .. }, Motion::Fly) => true,
            (
                Shape::Line { .. }
                | Shape::Spiral { .. }
                | Shape::Points { .. }
                | Shape::Coil { .. }
                | Shape::Wave { .. },
                _,
            ) => self.still(),
        }
    }

    /// Whether no gap is between any two frames of the dimension.
    pub(super) fn unbroken(self) -> bool {
        match self.motion {
            Motion::Fly => true,
            Motion::Step => self.still(),
        }
    }

    /// Whether there is a gap between frame `index - 1` and frame `index`.
    pub(super) fn gap(self, index: u64) -> bool {
        match self.motion {
            Motion::Fly => false,
            Motion::Step => self.frame(index - 1).midpoint != self.frame(index).midpoint,
        }
    }

    pub(super) fn fill(self, span: Span, slices: &mut Slices) {
        let (sign, base) = match span.direction {
            Direction::Forward => (1.0, span.first as f64),
            Direction::Backward => (-1.0, span.first as f64),
        };
        let line = |values: &mut [f64], offset: f64, (step, first): (f64, f64)| {
            // Blocks, so that the counter is a small integer, which is quick to convert.
            for (block, values) in values.chunks_mut(BLOCK).enumerate() {
                let base = base + sign * (block * BLOCK) as f64 + offset;
                for (count, value) in values.iter_mut().enumerate() {
                    *value = (base + sign * f64::from(count as u32)) * step + first;
                }
            }
        };
        let fill = |values: &mut [f64], offset: f64| match self.shape {
            Shape::Line { step, first } => line(values, offset, (step, first)),
            Shape::Points { step, start } => line(values, offset - 0.5, (step, start)),
            Shape::Spiral { .. } | Shape::Coil { .. } | Shape::Wave { .. } => {
                for (count, value) in values.iter_mut().enumerate() {
                    *value = self.shape.at(base + sign * count as f64 + offset);
                }
            }
        };
        fill(slices.midpoints, 0.5);
        match (self.motion, span.direction) {
            (Motion::Step, _) => {
                slices.lower.copy_from_slice(slices.midpoints);
                slices.upper.copy_from_slice(slices.midpoints);
            }
            (Motion::Fly, Direction::Forward) => {
                fill(slices.lower, 0.0);
                fill(slices.upper, 1.0);
            }
            (Motion::Fly, Direction::Backward) => {
                fill(slices.lower, 1.0);
                fill(slices.upper, 0.0);
            }
        }
    }
}

const BLOCK: usize = 1 << 20;

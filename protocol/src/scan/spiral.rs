//! [`Spiral`]: the coordinates of a spiral, which share the angle and most of the work.
use super::{
    columns::{Columns, Direction, Span},
    curve::{Arm, Curve, Motion, Shape},
    turn::sin_cos_all,
};

/// How many frames are computed at a time: what stays in the nearest memory.
const BLOCK: usize = 256;

/// The curves of a dimension, all of which are coordinates of one spiral.
pub(super) struct Spiral<'a> {
    curves: &'a [(usize, Curve)],
    /// One of them, for what they have in common.
    any: Curve,
}

/// Radius before it is scaled, and the angle's sine and cosine, of some frames.
struct Block {
    radii: [f64; BLOCK],
    angles: [f64; BLOCK],
    sines: [f64; BLOCK],
    cosines: [f64; BLOCK],
}

impl<'a> Spiral<'a> {
    /// The spiral of curves, if they are one.
    pub(super) fn of(curves: &'a [(usize, Curve)]) -> Option<Self> {
        let (_, any) = *curves.first()?;
        let winds_as = |one: Shape| match (one, any.shape) {
            (Shape::Spiral { rotate, .. }, Shape::Spiral { rotate: other, .. }) => rotate == other,
            (Shape::Coil { .. }, Shape::Coil { .. }) => true,
            (
                Shape::Line { .. }
                | Shape::Spiral { .. }
                | Shape::Points { .. }
                | Shape::Coil { .. }
                | Shape::Wave { .. },
                _,
            ) => false,
        };
        let same = |(_, one): &(usize, Curve)| one.motion == any.motion && winds_as(one.shape);
        curves.iter().all(same).then_some(Self { curves, any })
    }

    /// Writes the positions of a span into the columns, from the row `at`.
    pub(super) fn fill(&self, span: Span, at: usize, columns: &mut Columns) {
        let rows = at..at + span.count;
        self.column(span, 0.5, |axis, done, values| {
            columns.midpoints[axis][at + done..][..values.len()].copy_from_slice(values);
        });
        match self.any.motion {
            Motion::Step => {
                for (axis, _) in self.curves {
                    let midpoints = &columns.midpoints[*axis][rows.clone()];
                    columns.lower[*axis][rows.clone()].copy_from_slice(midpoints);
                    columns.upper[*axis][rows.clone()].copy_from_slice(midpoints);
                }
            }
            Motion::Fly => {
                let (start, end) = match span.direction {
                    Direction::Forward => (0.0, span.first + span.count as u64),
                    Direction::Backward => (1.0, span.low()),
                };
                self.column(span, start, |axis, done, values| {
                    columns.lower[axis][at + done..][..values.len()].copy_from_slice(values);
                });
                // A frame ends where the next one starts.
                for (axis, curve) in self.curves {
                    let lower = &columns.lower[*axis][rows.clone()];
                    let upper = &mut columns.upper[*axis][rows.clone()];
                    upper[..span.count - 1].copy_from_slice(&lower[1..]);
                    upper[span.count - 1] = curve.shape.at(end as f64);
                }
            }
        }
    }

    /// Calls `write` with the positions of every axis at each index of the span plus `offset`, some
    /// at a time, and how many came before.
    fn column(&self, span: Span, offset: f64, mut write: impl FnMut(usize, usize, &[f64])) {
        let mut block = Block {
            radii: [0.0; BLOCK],
            angles: [0.0; BLOCK],
            sines: [0.0; BLOCK],
            cosines: [0.0; BLOCK],
        };
        let mut values = [0.0; BLOCK];
        let sign = match span.direction {
            Direction::Forward => 1.0,
            Direction::Backward => -1.0,
        };
        for done in (0..span.count).step_by(BLOCK) {
            let count = BLOCK.min(span.count - done);
            let base = span.first as f64 + sign * done as f64 + offset;
            for (place, radius) in block.radii[..count].iter_mut().enumerate() {
                *radius = self.any.shape.winding(base + sign * f64::from(place as u32)).0;
            }
            block.turn(self.any.shape.winding(base).1, count);
            for (axis, curve) in self.curves {
                let (Shape::Spiral { centre, scale, arm, .. } | Shape::Coil { centre, scale, arm }) =
                    curve.shape
                else {
                    continue;
                };
                let turns = match arm {
                    Arm::Sine => &block.sines,
                    Arm::Cosine => &block.cosines,
                };
                let each = values[..count].iter_mut().zip(&block.radii).zip(turns);
                for ((value, radius), turn) in each {
                    *value = centre + scale * radius * turn;
                }
                write(*axis, done, &values[..count]);
            }
        }
    }
}

impl Block {
    fn turn(&mut self, rotate: f64, count: usize) {
        for (angle, radius) in self.angles[..count].iter_mut().zip(&self.radii) {
            *angle = radius + rotate;
        }
        let (sines, cosines) = (&mut self.sines[..count], &mut self.cosines[..count]);
        sin_cos_all(&self.angles[..count], sines, cosines);
    }
}

//! Dimensions of a node without children: lines, spirals, and grids within an outline.
use super::{
    SpecError,
    build::{Builder, PathCheck, Use},
    coerce::MAX_COUNT,
    curve::{Arm, Curve, Motion, Shape},
    dimension::{Dimension, Source},
    error::At,
    region::{Area, Plane, Region},
    spec::{CountedSpiral, Ellipse, Polygon, Spiral},
};
use std::f64::consts::PI;

/// The line of a `Linspace`, and its number of frames.
#[expect(clippy::similar_names, reason = "the names of the fields")]
pub(super) fn linspace(start: f64, stop: f64, num: u64) -> (Shape, f64) {
    let intervals = if num == 1 { 1.0 } else { (num - 1) as f64 };
    let step = (stop - start) / intervals;
    (Shape::Line { step, first: start - step / 2.0 }, num as f64)
}

/// The line of a `Static`, and its number of frames.
pub(super) fn stay(value: f64, num: u64) -> (Shape, f64) {
    (Shape::Line { step: 0.0, first: value }, num as f64)
}

/// The line of a `Range`, and its number of frames.
#[expect(clippy::similar_names, reason = "the names of the fields")]
pub(super) fn range(start: f64, stop: f64, step: f64) -> (Shape, f64) {
    let distance = (stop - start).abs();
    // A range from a point to itself is that point.
    let signed = if start == stop { 0.0 } else { step * (stop - start).signum() };
    let shape = Shape::Line { step: signed, first: start - signed / 2.0 };
    if start == stop {
        return (shape, 1.0);
    }
    let num = floor_divide(distance, step) + 1.0;
    // The stop is a frame if it is missed by rounding only. Scanspec allows 1e-5 of the distance,
    // which is more than half a step from 50,000 frames on; a thousandth of a step bounds it.
    let tolerance = (1e-8 + 1e-5 * distance).min(step / 1000.0);
    (shape, if (step * num - distance).abs() <= tolerance { num + 1.0 } else { num })
}

/// Python's `//` of two positive numbers.
fn floor_divide(dividend: f64, divisor: f64) -> f64 {
    let exact = (dividend - dividend % divisor) / divisor;
    let floor = exact.floor();
    if exact - floor > 0.5 { floor + 1.0 } else { floor }
}

impl Builder {
    /// The place of an axis in the stack.
    pub(super) fn place(&self, axis: &str) -> usize {
        self.places.get(axis).copied().unwrap_or_default()
    }

    fn curves(&self, axes: &[(&str, Shape)], motion: Motion, len: u64) -> Dimension {
        let curves =
            axes.iter().map(|(axis, shape)| (self.place(axis), Curve { shape: *shape, motion }));
        let mut dimension = Dimension {
            len,
            snaked: false,
            first_gap: false,
            duration: None,
            axes: axes.iter().map(|(axis, _)| self.place(axis)).collect(),
            source: Source::Curves(curves.collect()),
        };
        dimension.first_gap = !self.meet(&dimension, &dimension);
        dimension
    }

    /// A dimension of `num` frames along one axis.
    pub(super) fn line(
        &self,
        (axis, motion): (&str, Motion),
        (shape, num): (Shape, f64),
        at: &At,
    ) -> Result<Dimension, SpecError> {
        let num = counted(num, at)?;
        if !(shape.at(0.0).is_finite() && shape.at(num as f64).is_finite()) {
            let rule = "goes beyond all numbers: its bounds must be finite";
            return Err(SpecError::new(at, format!("axis {axis:?}"), rule));
        }
        Ok(self.curves(&[(axis, shape)], motion, num))
    }

    pub(super) fn spiral(
        &self,
        spiral: &Spiral,
        motion: Motion,
        at: &At,
    ) -> Result<Dimension, SpecError> {
        let area = PI * spiral.x_diameter * spiral.y_diameter / 4.0;
        let num = counted((area / (spiral.x_step * spiral.x_step)).trunc() + 1.0, at)?;
        let diameter = 2.0 * (4.0 * PI * num as f64).sqrt();
        let shape = |centre, width: f64, arm| Shape::Spiral {
            centre,
            scale: width / diameter,
            rotate: 0.0,
            arm,
        };
        let y = shape(spiral.y_centre, spiral.y_diameter, Arm::Cosine);
        let x = shape(spiral.x_centre, spiral.x_diameter, Arm::Sine);
        Ok(self.curves(&[(&spiral.y_axis, y), (&spiral.x_axis, x)], motion, num))
    }

    pub(super) fn counted_spiral(
        &self,
        spiral: &CountedSpiral,
        motion: Motion,
        at: &At,
    ) -> Result<Dimension, SpecError> {
        let diameter = 2.0 * (4.0 * PI * spiral.num as f64).sqrt();
        let shape = |centre: f64, range: f64, arm| {
            let rule = "goes beyond all numbers: its bounds must be finite";
            if (centre.abs() + range.abs()).is_finite() {
                Ok(Shape::Spiral { centre, scale: range / diameter, rotate: spiral.rotate, arm })
            } else {
                Err(SpecError::new(at, "the spiral", rule))
            }
        };
        let y = shape(spiral.y_start, spiral.y_range, Arm::Cosine)?;
        let x = shape(spiral.x_start, spiral.x_range, Arm::Sine)?;
        Ok(self.curves(&[(&spiral.y_axis, y), (&spiral.x_axis, x)], motion, spiral.num))
    }

    pub(super) fn ellipse(
        &self,
        ellipse: &Ellipse,
        usage: Use,
        at: &At,
    ) -> Result<Vec<Dimension>, SpecError> {
        let side = |centre: f64, diameter: f64, step: f64| {
            let radius = diameter.abs() / 2.0;
            range(centre - radius, centre + radius, step)
        };
        let x = side(ellipse.x_centre, ellipse.x_diameter, ellipse.x_step);
        let y = side(ellipse.y_centre, ellipse.y_diameter, ellipse.y_step);
        let plane = Plane::new(
            [self.place(&ellipse.x_axis), self.place(&ellipse.y_axis)],
            [ellipse.x_centre, ellipse.y_centre],
        );
        // Scanspec doubles the distance and divides it by the diameter, which is the same number.
        let radii = [ellipse.x_diameter / 2.0, ellipse.y_diameter / 2.0];
        let grid = Grid {
            x: (&ellipse.x_axis, x),
            y: (&ellipse.y_axis, y),
            fast: if ellipse.vertical { Fast::Y } else { Fast::X },
            snake: ellipse.snake,
        };
        self.masked(&grid, Area::Ellipse { plane, radii }, (usage, at))
    }

    pub(super) fn polygon(
        &self,
        polygon: &Polygon,
        usage: Use,
        at: &At,
    ) -> Result<Vec<Dimension>, SpecError> {
        let side = |coordinate: usize, step: f64| {
            let values = polygon.vertices.iter().map(|vertex| vertex[coordinate]);
            let start = values.clone().fold(f64::INFINITY, f64::min);
            range(start, values.fold(f64::NEG_INFINITY, f64::max), step)
        };
        let grid = Grid {
            x: (&polygon.x_axis, side(0, polygon.x_step)),
            y: (&polygon.y_axis, side(1, polygon.y_step)),
            fast: if polygon.vertical { Fast::Y } else { Fast::X },
            snake: polygon.snake,
        };
        let axes = [self.place(&polygon.x_axis), self.place(&polygon.y_axis)];
        let area = Area::Polygon { axes, vertices: polygon.vertices.as_slice().into() };
        self.masked(&grid, area, (usage, at))
    }

    fn masked(
        &self,
        grid: &Grid,
        area: Area,
        (usage, at): (Use, &At),
    ) -> Result<Vec<Dimension>, SpecError> {
        let (slow, fast) = match grid.fast {
            Fast::X => (grid.y, grid.x),
            Fast::Y => (grid.x, grid.y),
        };
        let side = |(axis, line), motion| self.line((axis, motion), line, at);
        let slow = side(slow, Motion::Step)?;
        let mut fast = side(fast, usage.motion)?;
        if grid.snake {
            fast.snaked = true;
            fast.first_gap = false;
        }
        let check = usage.path_check(PathCheck::Refuse);
        let squashed = self.squash(vec![slow, fast], check, at)?;
        Ok(vec![self.select(squashed, &Region::Area(area), at)?])
    }
}

/// The grid of which some points are taken: axis, line and number of points of each side.
struct Grid<'a> {
    x: (&'a str, (Shape, f64)),
    y: (&'a str, (Shape, f64)),
    fast: Fast,
    snake: bool,
}

/// The fast axis of a grid.
#[derive(Clone, Copy)]
enum Fast {
    X,
    Y,
}

/// A number of frames which was computed.
fn counted(num: f64, at: &At) -> Result<u64, SpecError> {
    if num >= 1.0 && num <= MAX_COUNT as f64 {
        return Ok(num as u64);
    }
    if num.is_finite() {
        let rule = "are too many frames: a scan has at most 9007199254740992";
        return Err(SpecError::new(at, format!("{num:.3e}"), rule));
    }
    Err(SpecError::new(
        at,
        "the number of frames",
        "is beyond all numbers: extents must be smaller, or steps larger",
    ))
}

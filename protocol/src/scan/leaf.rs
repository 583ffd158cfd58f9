//! Dimensions of a node without children: lines, spirals, and grids within an outline.
use super::{
    SpecError,
    build::{Builder, Nesting, Use, layers},
    coerce::MAX_COUNT,
    curve::{Arm, Curve, Motion, Shape},
    dimension::{Dimension, Source},
    error::At,
    mask::Mask,
    outline::{Fast, Outline, Ticks},
    spec::{Ellipse, Polygon, Spiral},
};
use std::f64::consts::PI;

/// Most rows times edges of a grid within an outline: what is looked at to make the stack.
const MAX_ROWS: u64 = 1 << 20;

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
    fn curves(&self, axes: &[(&str, Shape)], motion: Motion, len: u64) -> Dimension {
        let place = |axis: &str| self.places.get(axis).copied().unwrap_or_default();
        let curves =
            axes.iter().map(|(axis, shape)| (place(axis), Curve { shape: *shape, motion }));
        let mut dimension = Dimension {
            len,
            snaked: false,
            first_gap: false,
            duration: None,
            axes: axes.iter().map(|(axis, _)| place(axis)).collect(),
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
        let shape =
            |centre, width: f64, arm| Shape::Spiral { centre, scale: width / diameter, arm };
        let y = shape(spiral.y_centre, spiral.y_diameter, Arm::Cosine);
        let x = shape(spiral.x_centre, spiral.x_diameter, Arm::Sine);
        Ok(self.curves(&[(&spiral.y_axis, y), (&spiral.x_axis, x)], motion, num))
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
        let x_outline = [ellipse.x_centre, ellipse.x_diameter];
        let y_outline = [ellipse.y_centre, ellipse.y_diameter];
        let x = (ellipse.x_axis.as_str(), x);
        let y = (ellipse.y_axis.as_str(), y);
        let (slow, fast, outline) = if ellipse.vertical {
            (x, y, Outline::Ellipse { slow: x_outline, fast: y_outline })
        } else {
            (y, x, Outline::Ellipse { slow: y_outline, fast: x_outline })
        };
        let grid = Grid { slow, fast, snake: ellipse.snake, edges: 1 };
        self.masked(&grid, &outline, (usage, at))
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
        let x = (polygon.x_axis.as_str(), side(0, polygon.x_step));
        let y = (polygon.y_axis.as_str(), side(1, polygon.y_step));
        let (slow, fast, axis) = if polygon.vertical { (x, y, Fast::Y) } else { (y, x, Fast::X) };
        let vertices = polygon.vertices.as_slice();
        let edges = vertices.len() as u64;
        let grid = Grid { slow, fast, snake: polygon.snake, edges };
        self.masked(&grid, &Outline::Polygon { vertices, fast: axis }, (usage, at))
    }

    fn masked(
        &self,
        grid: &Grid,
        outline: &Outline,
        (usage, at): (Use, &At),
    ) -> Result<Vec<Dimension>, SpecError> {
        let ((slow_axis, (slow_line, slow_num)), (fast_axis, (fast_line, fast_num))) =
            (grid.slow, grid.fast);
        let (slow_num, fast_num) = (counted(slow_num, at)?, counted(fast_num, at)?);
        if slow_num.saturating_mul(grid.edges) > MAX_ROWS {
            let value = format!("{slow_num} rows and {} edges", grid.edges);
            let rule = "are too many: rows times edges must be at most 1048576";
            return Err(SpecError::new(at, value, rule));
        }
        let ends = [slow_line.at(0.0), slow_line.at(slow_num as f64)];
        let fast_ends = [fast_line.at(0.0), fast_line.at(fast_num as f64)];
        if !ends.iter().chain(&fast_ends).all(|end| end.is_finite()) {
            let rule = "goes beyond all numbers: its bounds must be finite";
            return Err(SpecError::new(at, "the grid", rule));
        }
        let slow = self.curves(&[(slow_axis, slow_line)], Motion::Step, slow_num);
        let mut fast = self.curves(&[(fast_axis, fast_line)], usage.motion, fast_num);
        if grid.snake {
            fast.snaked = true;
            fast.first_gap = false;
        }
        let ticks = Ticks { line: fast_line, len: fast_num };
        let mut ranges = Vec::new();
        for row in 0..slow_num {
            let mut stretches = outline.row(slow_line.at(row as f64 + 0.5), ticks);
            if grid.snake && row % 2 == 1 {
                stretches.reverse();
                for stretch in &mut stretches {
                    *stretch = fast_num - stretch.end..fast_num - stretch.start;
                }
            }
            let start = row.saturating_mul(fast_num);
            ranges.extend(stretches.iter().map(|one| start + one.start..start + one.end));
        }
        if ranges.is_empty() {
            let rule = "has no point of its grid within it: the steps must be smaller";
            return Err(SpecError::new(at, "the outline", rule));
        }
        let dimensions = vec![slow, fast];
        if usage.nesting == Nesting::Nested {
            self.check_path(&dimensions, at)?;
        }
        let axes = dimensions.iter().flat_map(|dimension| dimension.axes.iter().copied()).collect();
        let mask = Mask::new(layers(dimensions, at)?, &ranges, self.places.len());
        let mut dimension = Dimension {
            len: mask.len(),
            snaked: false,
            first_gap: false,
            duration: None,
            axes,
            source: Source::Mask(mask),
        };
        dimension.first_gap = !self.meet(&dimension, &dimension);
        Ok(vec![dimension])
    }
}

/// A grid before it is masked: axis, line and number of points of each side.
struct Grid<'a> {
    slow: (&'a str, (Shape, f64)),
    fast: (&'a str, (Shape, f64)),
    snake: bool,
    /// How many edges each row is compared with.
    edges: u64,
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

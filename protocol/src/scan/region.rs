//! [`Region`]: where midpoints must lie to be taken, asked with the very operations of scanspec 0.9
//! and scanpointgenerator, so that points on an edge fall on the same side.
use std::{
    collections::BTreeSet,
    f64::consts::{PI, TAU},
};

/// A part of space, in the axes of a stack.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Region {
    /// All of it.
    Everything,
    Area(Area),
    Both(Combination, Box<(Region, Region)>),
}

/// How two regions make one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Combination {
    Union,
    Intersection,
    /// What is in the first and not in the second.
    Difference,
    /// What is in one of them alone.
    SymmetricDifference,
}

/// A region of one or two axes. Axes are places in the stack, lengths are in the EGU of the axis.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Area {
    /// `low <= value <= high`.
    Range { axis: usize, low: f64, high: f64 },
    /// From the origin as far as `size`, both inclusive.
    Rectangle { plane: Plane, size: [f64; 2] },
    /// `x * x + y * y <= radius * radius`: scanspec's and scanpointgenerator's circle.
    Circle { plane: Plane, radius: f64 },
    /// `(x / a)^2 + (y / b)^2 <= 1`: scanspec's ellipse.
    Ellipse { plane: Plane, radii: [f64; 2] },
    /// `x^2 / a^2 + y^2 / b^2 <= 1`: scanpointgenerator's ellipse.
    EllipseOfSquares { plane: Plane, radii: [f64; 2] },
    /// Even-odd: what has an odd number of edges on its right. At least one vertex.
    Polygon { axes: [usize; 2], vertices: Box<[[f64; 2]]> },
    /// A line of no width from the origin.
    Segment { plane: Plane, line: Segment },
    /// This very point.
    Point { axes: [usize; 2], point: [f64; 2] },
    /// Between two radii, and two angles from the x axis towards the y axis.
    Sector { plane: Plane, sector: Sector },
}

/// The axes of an area, where its own origin is, and how it is turned there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Plane {
    pub(super) axes: [usize; 2],
    pub(super) origin: [f64; 2],
    turn: Option<Turn>,
}

/// Cosine and sine of the angle by which points are turned before they are compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Turn {
    pub(super) cosine: f64,
    pub(super) sine: f64,
}

/// Length, and cosine and sine of the angle from the x axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Segment {
    pub(super) length: f64,
    pub(super) cosine: f64,
    pub(super) sine: f64,
}

/// Radii, and the angles in radians: the first in `0..2 pi`, the second at most `2 pi` beyond.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sector {
    pub(super) radii: [f64; 2],
    pub(super) angles: [f64; 2],
}

/// How near to a segment a point lies on it.
pub(super) const ON_SEGMENT: f64 = 1e-15;

impl Plane {
    pub(super) fn new(axes: [usize; 2], origin: [f64; 2]) -> Self {
        Self { axes, origin, turn: None }
    }

    /// The same plane with its areas turned by an angle in radians, from the x towards the y axis.
    pub(super) fn turned(self, angle: f64) -> Self {
        let turn = Turn { cosine: (-angle).cos(), sine: (-angle).sin() };
        // Without an angle upstream leaves the point alone.
        Self { turn: (angle != 0.0).then_some(turn), ..self }
    }

    pub(super) fn turn(&self) -> Option<Turn> {
        self.turn
    }

    /// A point as the area sees it.
    fn local(&self, at: impl Fn(usize) -> f64) -> (f64, f64) {
        let (x, y) = (at(self.axes[0]) - self.origin[0], at(self.axes[1]) - self.origin[1]);
        match self.turn {
            None => (x, y),
            Some(Turn { cosine, sine }) => (x * cosine - y * sine, x * sine + y * cosine),
        }
    }
}

impl Segment {
    /// A segment of some length at an angle in radians.
    pub(super) fn new(length: f64, angle: f64) -> Self {
        Self { length, cosine: angle.cos(), sine: angle.sin() }
    }

    fn contains(self, (x, y): (f64, f64)) -> bool {
        let near = ON_SEGMENT * ON_SEGMENT;
        let along = x * self.cosine + y * self.sine;
        let across = (x * self.sine + y * -self.cosine).abs();
        (along >= 0.0 && along <= self.length && across < ON_SEGMENT) || x * x + y * y <= near
    }
}

impl Sector {
    /// Between two radii and two angles in radians, which are put in order.
    pub(super) fn new(radii: [f64; 2], angles: [f64; 2]) -> Self {
        // Scanpointgenerator orders them once when it is made and once when it is used.
        Self { radii, angles: in_order(in_order(angles)) }
    }

    fn contains(self, (x, y): (f64, f64)) -> bool {
        let radius = x.hypot(y);
        let angle = (TAU + y.atan2(x)) % TAU;
        let [start, stop] = self.angles;
        radius >= self.radii[0]
            && radius <= self.radii[1]
            && (angle - start + TAU) % TAU <= stop - start
    }
}

/// The first angle in `0..2 pi`, the second from there on, at most `2 pi` more.
fn in_order([start, stop]: [f64; 2]) -> [f64; 2] {
    let stop = if stop < start { stop + 2.0 * PI } else { stop };
    if stop < start || stop - start >= TAU {
        return [0.0, TAU];
    }
    let first = (start + TAU).rem_euclid(TAU);
    [first, first + (stop - start)]
}

/// Whether a point has the edge of a polygon on its right.
pub(super) fn crosses([from, to]: [[f64; 2]; 2], x: f64, y: f64) -> bool {
    spans(from[1], to[1], y) && x < edge_at([from, to], y)
}

/// Whether the edge of a polygon is as high as `y`, its upper end excluded.
pub(super) fn spans(from: f64, to: f64, y: f64) -> bool {
    (y < to && y >= from) || (y < from && y >= to)
}

/// Where the edge of a polygon is at the height `y`.
pub(super) fn edge_at([from, to]: [[f64; 2]; 2], y: f64) -> f64 {
    let part = (y - from[1]) / (to[1] - from[1]);
    from[0] + part * (to[0] - from[0])
}

/// The edges of a polygon, the one that closes it first.
pub(super) fn edges(vertices: &[[f64; 2]]) -> impl Iterator<Item = [[f64; 2]; 2]> + '_ {
    let before = vertices.last().into_iter().chain(vertices);
    before.zip(vertices).map(|(from, to)| [*from, *to])
}

impl Area {
    /// Whether a point lies within; `at` gives its position along an axis.
    pub(super) fn contains(&self, at: impl Fn(usize) -> f64) -> bool {
        let square = |value: f64| value * value;
        match self {
            Self::Range { axis, low, high } => {
                let value = at(*axis);
                value >= *low && value <= *high
            }
            Self::Rectangle { plane, size } => {
                let (x, y) = plane.local(at);
                x >= 0.0 && x <= size[0] && y >= 0.0 && y <= size[1]
            }
            Self::Circle { plane, radius } => {
                let (x, y) = plane.local(at);
                x * x + y * y <= radius * radius
            }
            Self::Ellipse { plane, radii } => {
                let (x, y) = plane.local(at);
                square(x / radii[0]) + square(y / radii[1]) <= 1.0
            }
            Self::EllipseOfSquares { plane, radii } => {
                let (x, y) = plane.local(at);
                x * x / square(radii[0]) + y * y / square(radii[1]) <= 1.0
            }
            Self::Polygon { axes, vertices } => {
                let (x, y) = (at(axes[0]), at(axes[1]));
                edges(vertices).filter(|edge| crosses(*edge, x, y)).count() % 2 == 1
            }
            Self::Segment { plane, line } => {
                let (x, y) = (at(plane.axes[0]), at(plane.axes[1]));
                let end_x = x - (plane.origin[0] + line.length * line.cosine);
                let end_y = y - (plane.origin[1] + line.length * line.sine);
                line.contains(plane.local(at))
                    || end_x * end_x + end_y * end_y <= ON_SEGMENT * ON_SEGMENT
            }
            Self::Point { axes, point } => at(axes[0]) == point[0] && at(axes[1]) == point[1],
            Self::Sector { plane, sector } => sector.contains(plane.local(at)),
        }
    }

    pub(super) fn axes(&self) -> BTreeSet<usize> {
        match self {
            Self::Range { axis, .. } => BTreeSet::from([*axis]),
            Self::Rectangle { plane, .. }
            | Self::Circle { plane, .. }
            | Self::Ellipse { plane, .. }
            | Self::EllipseOfSquares { plane, .. }
            | Self::Segment { plane, .. }
            | Self::Sector { plane, .. } => plane.axes.into(),
            Self::Polygon { axes, .. } | Self::Point { axes, .. } => (*axes).into(),
        }
    }
}

impl Combination {
    /// Whether a point is in the combination, told whether it is in the first and in the second.
    pub(super) fn takes(self, first: bool, second: bool) -> bool {
        match self {
            Self::Union => first || second,
            Self::Intersection => first && second,
            Self::Difference => first && !second,
            Self::SymmetricDifference => first != second,
        }
    }
}

impl Region {
    pub(super) fn both(combination: Combination, first: Region, second: Region) -> Self {
        Self::Both(combination, Box::new((first, second)))
    }

    /// Several regions as one, nested no deeper than their number demands; everything if there is
    /// none.
    pub(super) fn of_all(combination: Combination, mut regions: Vec<Region>) -> Self {
        while regions.len() > 1 {
            let mut pairs = Vec::with_capacity(regions.len().div_ceil(2));
            let mut rest = regions.into_iter();
            while let Some(first) = rest.next() {
                pairs.push(match rest.next() {
                    Some(second) => Self::both(combination, first, second),
                    None => first,
                });
            }
            regions = pairs;
        }
        regions.pop().unwrap_or(Self::Everything)
    }

    /// The sets of axes that must be in one dimension: those of the areas, where two that share an
    /// axis are one.
    pub(super) fn axis_sets(&self) -> Vec<BTreeSet<usize>> {
        match self {
            Self::Everything => Vec::new(),
            Self::Area(area) => vec![area.axes()],
            Self::Both(_, sides) => {
                let mut sets = sides.0.axis_sets();
                sets.extend(sides.1.axis_sets());
                merged(&mut sets)
            }
        }
    }

    /// The region as a dimension with some of its axes sees it: what has none of these axes, be it
    /// an area or a combination, is everything.
    pub(super) fn within(&self, axes: &[usize]) -> Self {
        match self {
            Self::Area(area) if area.axes().iter().any(|axis| axes.contains(axis)) => self.clone(),
            Self::Everything | Self::Area(_) => Self::Everything,
            Self::Both(combination, sides) => {
                let (first, second) = (sides.0.within(axes), sides.1.within(axes));
                if first == Self::Everything && second == Self::Everything {
                    Self::Everything
                } else {
                    Self::both(*combination, first, second)
                }
            }
        }
    }

    /// Whether a point lies within; `at` gives its position along an axis.
    pub(super) fn contains(&self, at: impl Fn(usize) -> f64 + Copy) -> bool {
        match self {
            Self::Everything => true,
            Self::Area(area) => area.contains(at),
            Self::Both(combination, sides) => {
                combination.takes(sides.0.contains(at), sides.1.contains(at))
            }
        }
    }

    /// How many areas there are, each of which a point is compared with.
    pub(super) fn areas(&self) -> u64 {
        match self {
            Self::Everything => 0,
            Self::Area(Area::Polygon { vertices, .. }) => vertices.len() as u64,
            Self::Area(_) => 1,
            Self::Both(_, sides) => sides.0.areas() + sides.1.areas(),
        }
    }
}

/// One pass over the sets, each of which takes in those that share an axis with it, as upstream
/// does: the order of the sets decides which squash is checked first.
fn merged(sets: &mut [BTreeSet<usize>]) -> Vec<BTreeSet<usize>> {
    let mut result = Vec::new();
    for first in 0..sets.len() {
        let mut merged = sets[first].clone();
        for set in sets.iter_mut() {
            if !set.is_disjoint(&merged) {
                merged.append(set);
            }
        }
        if !merged.is_empty() {
            result.push(merged);
        }
    }
    result
}

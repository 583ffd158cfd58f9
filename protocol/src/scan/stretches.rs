//! Which stretches of a run lie within a [`Region`]: area by area, then combined.
use super::{
    budget::{Budget, Exceeded},
    region::{Area, ON_SEGMENT, Plane, Region, crosses, edge_at, edges, spans},
    zones::{Course, Slope, Zones},
};
use std::ops::Range;

type Stretches = Vec<Range<u64>>;

/// What the edge of a polygon costs along a run, in looks: about as long as they take.
const EDGE: u64 = 4;

/// What is used again from run to run.
pub(super) struct Work<'a> {
    budget: &'a Budget,
    spare: Vec<Stretches>,
    ends: Vec<u64>,
}

impl<'a> Work<'a> {
    pub(super) fn new(budget: &'a Budget) -> Self {
        Self { budget, spare: Vec::new(), ends: Vec::new() }
    }
}

impl Region {
    /// Appends the stretches of ticks whose midpoints lie within, in order. None touches another.
    pub(super) fn stretches(
        &self,
        course: Course,
        work: &mut Work,
        out: &mut Stretches,
    ) -> Result<(), Exceeded> {
        match self {
            Self::Everything => out.push(0..course.ticks),
            Self::Area(area) => area.stretches(course, work, out)?,
            Self::Both(combination, sides) => {
                let mut first = work.spare.pop().unwrap_or_default();
                let mut second = work.spare.pop().unwrap_or_default();
                sides.0.stretches(course, work, &mut first)?;
                sides.1.stretches(course, work, &mut second)?;
                work.budget.look((first.len() + second.len()) as u64)?;
                combine(&first, &second, |one, other| combination.takes(one, other), out);
                for mut side in [first, second] {
                    side.clear();
                    work.spare.push(side);
                }
            }
        }
        Ok(())
    }
}

/// Appends where `takes` holds, told whether a tick is in the first and in the second list.
fn combine(
    first: &[Range<u64>],
    second: &[Range<u64>],
    takes: impl Fn(bool, bool) -> bool,
    out: &mut Stretches,
) {
    // The ends of a list in order: an odd number of them passed means that the tick is within.
    let end = |list: &[Range<u64>], passed: usize| {
        list.get(passed / 2).map(|one| if passed.is_multiple_of(2) { one.start } else { one.end })
    };
    let (mut passed, mut open) = ([0, 0], None);
    loop {
        let next = match (end(first, passed[0]), end(second, passed[1])) {
            (None, None) => break,
            (Some(one), Some(other)) => one.min(other),
            (Some(one), None) | (None, Some(one)) => one,
        };
        for (list, passed) in [first, second].into_iter().zip(&mut passed) {
            *passed += usize::from(end(list, *passed) == Some(next));
        }
        match (open, takes(passed[0] % 2 == 1, passed[1] % 2 == 1)) {
            (None, true) => open = Some(next),
            (Some(start), false) => {
                out.push(start..next);
                open = None;
            }
            (None, false) | (Some(_), true) => {}
        }
    }
}

/// What an area sees along its x and its y axis.
fn local(course: Course, plane: &Plane) -> (Slope, Slope) {
    let x = course.slope(plane.axes[0], plane.origin[0]);
    let y = course.slope(plane.axes[1], plane.origin[1]);
    match plane.turn() {
        None => (x, y),
        Some(turn) => (x.mix(turn.cosine, y, -turn.sine), x.mix(turn.sine, y, turn.cosine)),
    }
}

impl Area {
    fn stretches(
        &self,
        course: Course,
        work: &mut Work,
        out: &mut Stretches,
    ) -> Result<(), Exceeded> {
        if let Self::Polygon { axes, vertices } = self {
            return polygon((*axes, vertices), course, work, out);
        }
        let mut zones = Zones::new(course.ticks);
        self.zones(course, &mut zones);
        let holds = |tick: u64| self.contains(|axis| course.track(axis).at(tick));
        zones.solve(work.budget, holds, out)
    }

    /// The zones of every area but the polygon, which has them edge by edge.
    fn zones(&self, course: Course, zones: &mut Zones) {
        match self {
            Self::Range { axis, low, high } => {
                let value = course.slope(*axis, 0.0);
                zones.crossing(value, *low);
                zones.crossing(value, *high);
            }
            Self::Rectangle { plane, size } => {
                let (x, y) = local(course, plane);
                for (side, size) in [(x, size[0]), (y, size[1])] {
                    zones.crossing(side, 0.0);
                    zones.crossing(side, size);
                }
            }
            Self::Circle { plane, radius } => {
                let (x, y) = local(course, plane);
                zones.ellipse((x, *radius), (y, *radius));
            }
            Self::Ellipse { plane, radii } | Self::EllipseOfSquares { plane, radii } => {
                let (x, y) = local(course, plane);
                zones.ellipse((x, radii[0]), (y, radii[1]));
            }
            Self::Polygon { .. } => {}
            Self::Segment { plane, line } => {
                let (x, y) = local(course, plane);
                let along = x.mix(line.cosine, y, line.sine);
                let across = x.mix(line.sine, y, -line.cosine);
                // The circles of the ends, too, are as narrow as this.
                let doubt = 2.0 * ON_SEGMENT + 8.0 * f64::EPSILON * line.length.abs();
                zones.crossing(across.doubt(doubt), 0.0);
                zones.crossing(along.doubt(doubt), 0.0);
                zones.crossing(along.doubt(doubt), line.length);
            }
            Self::Point { axes, point } => {
                let x = course.slope(axes[0], point[0]);
                let y = course.slope(axes[1], point[1]);
                zones.crossing(if x.moves() { x } else { y }, 0.0);
            }
            Self::Sector { plane, sector } => {
                let (x, y) = local(course, plane);
                for radius in sector.radii {
                    if radius > 0.0 {
                        zones.ellipse((x, radius), (y, radius));
                    }
                }
                // An angle is computed to within a few epsilons, of a whole turn.
                let doubt = 4.0 * (x.error() + y.error());
                for angle in sector.angles {
                    let side = y.mix(angle.cos(), x, -angle.sin());
                    zones.crossing(side.doubt(doubt), 0.0);
                }
            }
        }
    }
}

/// Even-odd: the ticks that are crossed by an odd number of edges.
fn polygon(
    (axes, vertices): ([usize; 2], &[[f64; 2]]),
    course: Course,
    work: &mut Work,
    out: &mut Stretches,
) -> Result<(), Exceeded> {
    let mut crossed = work.spare.pop().unwrap_or_default();
    let (x_track, y_track) = (course.track(axes[0]), course.track(axes[1]));
    let y_moves = course.slope(axes[1], 0.0).moves();
    for edge in edges(vertices) {
        let [from, to] = edge;
        if from[1] == to[1] {
            continue;
        }
        work.budget.look(EDGE)?;
        if !y_moves {
            let y = y_track.at(0);
            if spans(from[1], to[1], y) {
                let limit = edge_at(edge, y);
                let mut zones = Zones::new(course.ticks);
                zones.crossing(course.slope(axes[0], 0.0), limit);
                zones.solve(work.budget, |tick| x_track.at(tick) < limit, &mut crossed)?;
            }
            continue;
        }
        let mut zones = Zones::new(course.ticks);
        edge_zones(edge, axes, course, &mut zones);
        if !zones.alike() {
            let holds = |tick: u64| crosses(edge, x_track.at(tick), y_track.at(tick));
            zones.solve(work.budget, holds, &mut crossed)?;
        }
    }
    work.ends.clear();
    work.ends.extend(crossed.iter().flat_map(|one| [one.start, one.end]));
    work.ends.sort_unstable();
    for pair in work.ends.chunks_exact(2) {
        match out.last_mut() {
            Some(last) if last.end == pair[0] => last.end = pair[1],
            _ if pair[0] < pair[1] => out.push(pair[0]..pair[1]),
            _ => {}
        }
    }
    crossed.clear();
    work.spare.push(crossed);
    Ok(())
}

/// The zones of an edge along a run in which y moves.
fn edge_zones([from, to]: [[f64; 2]; 2], axes: [usize; 2], course: Course, zones: &mut Zones) {
    let y = course.slope(axes[1], from[1]);
    zones.crossing(y, 0.0);
    zones.crossing(course.slope(axes[1], to[1]), 0.0);
    let slant = (to[0] - from[0]) / (to[1] - from[1]);
    let x = course.slope(axes[0], from[0]);
    let doubt = 8.0 * f64::EPSILON * (from[0].abs() + to[0].abs()) + slant.abs() * y.error();
    zones.crossing(x.mix(1.0, y, -slant).doubt(doubt), 0.0);
    zones.clip(2);
}

#[cfg(test)]
mod tests {
    use super::super::{
        build::{Builder, stack},
        columns::{Direction, Frame},
        dimension::Dimension,
        region::{Combination, Sector, Segment},
    };
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng as Dice;
    use std::f64::consts::{FRAC_PI_2, FRAC_PI_4};

    fn of<T: Copy>(dice: &mut Dice, choices: &[T]) -> T {
        choices[dice.random_range(0..choices.len())]
    }

    /// Mostly numbers that meet each other, so that points lie on edges.
    fn number(dice: &mut Dice) -> f64 {
        match dice.random_range(0..4) {
            0 => dice.random_range(-2.0..2.0),
            _ => of(dice, &[0.0, 1.0, -1.0, 0.5, 0.1, 0.3, -0.6, 1.5, 2.0, 1.0 / 3.0]),
        }
    }

    fn pair(dice: &mut Dice) -> [f64; 2] {
        [number(dice), number(dice)]
    }

    fn positive(dice: &mut Dice) -> f64 {
        number(dice).abs().max(0.1)
    }

    fn area(dice: &mut Dice, axes: [usize; 2]) -> Area {
        let angle = of(dice, &[0.0, 0.0, FRAC_PI_2, FRAC_PI_4, -1.0, 0.3, 3.0]);
        let plane = Plane::new(axes, pair(dice)).turned(angle);
        let flat = Plane::new(axes, pair(dice));
        match dice.random_range(0..9) {
            0 => Area::Range { axis: axes[0], low: number(dice), high: number(dice) },
            1 => Area::Rectangle { plane, size: [positive(dice), positive(dice)] },
            2 => Area::Circle { plane: flat, radius: positive(dice) },
            3 => Area::Ellipse { plane, radii: [positive(dice), positive(dice)] },
            4 => Area::EllipseOfSquares { plane, radii: [positive(dice), positive(dice)] },
            5 => Area::Segment { plane: flat, line: Segment::new(number(dice), angle) },
            6 => Area::Point { axes, point: pair(dice) },
            7 => {
                let radii = [number(dice).abs(), 1.0 + positive(dice)];
                Area::Sector { plane: flat, sector: Sector::new(radii, [angle, number(dice)]) }
            }
            _ => {
                let vertices = 3 + dice.random_range(0..6);
                Area::Polygon { axes, vertices: (0..vertices).map(|_| pair(dice)).collect() }
            }
        }
    }

    fn region(dice: &mut Dice, depth: u32, axes: [usize; 2]) -> Region {
        if depth == 0 || dice.random_bool(0.5) {
            return Region::Area(area(dice, axes));
        }
        let combination = of(
            dice,
            &[
                Combination::Union,
                Combination::Intersection,
                Combination::Difference,
                Combination::SymmetricDifference,
            ],
        );
        let regions = (0..2 + dice.random_range(0..2)).map(|_| region(dice, depth - 1, axes));
        Region::of_all(combination, regions.collect())
    }

    fn line(dice: &mut Dice, axis: &str) -> String {
        let (start, stop) = (number(dice), number(dice));
        let num = of(dice, &[1, 2, 3, 5, 9, 11, 21, 40]);
        format!(r#"{{"type":"Line","axis":"{axis}","start":{start},"stop":{stop},"num":{num}}}"#)
    }

    /// A dimension of the axes x and y, and maybe others.
    fn spec(dice: &mut Dice) -> String {
        let snake = |spec: String| format!(r#"{{"type":"Snake","spec":{spec}}}"#);
        let product = |outer: String, inner: String| {
            format!(r#"{{"type":"Product","outer":{outer},"inner":{inner}}}"#)
        };
        let (x, y, z) = (line(dice, "x"), line(dice, "y"), line(dice, "z"));
        let (start, num) = (number(dice), dice.random_range(1..60));
        let spiral = format!(
            r#"{{"type":"Spiral","x_axis":"x","y_axis":"y","x_start":{start},"y_start":0.5,"x_range":3,"y_range":2,"num":{num}}}"#
        );
        let other = line(dice, "y").replace("\"num\"", "\"num\":3,\"no\"");
        let other = other[..other.find(",\"no\"").unwrap_or(other.len())].to_owned() + "}";
        let spec = match dice.random_range(0..8) {
            0 => product(y, x),
            1 | 2 => product(y, snake(x)),
            3 => product(product(y, x), snake(z)),
            4 => product(z, snake(spiral)),
            5 => {
                let stop = number(dice);
                let left = format!(
                    r#"{{"type":"Line","axis":"x","start":0.1,"stop":{stop},"num":{num}}}"#
                );
                let right =
                    format!(r#"{{"type":"Line","axis":"y","start":-1,"stop":{stop},"num":{num}}}"#);
                format!(r#"{{"type":"Zip","left":{left},"right":{right}}}"#)
            }
            6 => {
                let one = product(y, snake(x));
                let another = product(other, line(dice, "x"));
                format!(
                    r#"{{"type":"Concat","left":{one},"right":{another},"check_path_changes":false}}"#
                )
            }
            _ => {
                // Every x lasts the three frames of z, while y goes on with each of them.
                let slow = line(dice, "x");
                let slow = product(
                    slow,
                    r#"{"type":"Line","axis":"z","start":0,"stop":1,"num":3}"#.to_owned(),
                );
                let squashed = format!(r#"{{"type":"Squash","spec":{slow}}}"#);
                return squashed;
            }
        };
        format!(r#"{{"type":"Squash","spec":{spec},"check_path_changes":false}}"#)
    }

    /// Spirals, single points and lines one after the other, longer than what is asked at a time.
    fn parts(dice: &mut Dice, depth: u32) -> String {
        let num = of(dice, &[1, 1, 1025, 2500]);
        let of_both = |axis: &str, dice: &mut Dice| {
            let (start, stop) = (number(dice), number(dice));
            format!(
                r#"{{"type":"Line","axis":"{axis}","start":{start},"stop":{stop},"num":{num}}}"#
            )
        };
        match dice.random_range(0..if depth == 0 { 2 } else { 6 }) {
            0 => {
                let (start, turn) = (number(dice), number(dice));
                format!(
                    r#"{{"type":"Spiral","x_axis":"x","y_axis":"y","x_start":{start},"y_start":0.5,"x_range":3,"y_range":2,"num":{num},"rotate":{turn}}}"#
                )
            }
            1 => {
                let (x, y) = (of_both("x", dice), of_both("y", dice));
                format!(r#"{{"type":"Zip","left":{y},"right":{x}}}"#)
            }
            2 => {
                let (times, snaked) = (of(dice, &[1, 2]), parts(dice, depth - 1));
                format!(
                    r#"{{"type":"Squash","spec":{{"type":"Product","outer":{times},"inner":{{"type":"Snake","spec":{snaked}}}}},"check_path_changes":false}}"#
                )
            }
            _ => {
                let (left, right) = (parts(dice, depth - 1), parts(dice, depth - 1));
                format!(
                    r#"{{"type":"Concat","left":{left},"right":{right},"check_path_changes":false}}"#
                )
            }
        }
    }

    fn dimension(text: &str) -> (Builder, Dimension) {
        let (axes, layers) = stack(&text.parse().expect("a spec")).expect("a stack");
        let places = axes.into_iter().zip(0..).collect();
        let dimension = layers.layers.into_dimensions().pop().expect("a dimension");
        (Builder { places, budget: Budget::default() }, dimension)
    }

    /// The frames whose midpoints lie within, asked one by one.
    fn asked(dimension: &Dimension, axes: usize, region: &Region) -> Vec<u64> {
        let mut frame = vec![Frame::default(); axes];
        let within = |index: &u64| {
            dimension.point(*index, Direction::Forward, &mut frame);
            let point: Vec<f64> = frame.iter().map(|frame| frame.midpoint).collect();
            region.contains(|axis| point[axis])
        };
        (0..dimension.len).filter(within).collect()
    }

    fn check(text: &str, region: &Region) -> bool {
        let (builder, dimension) = dimension(text);
        let region = region.within(&dimension.axes);
        let expected = asked(&dimension, builder.places.len(), &region);
        let found = builder.ranges(&dimension, &region).expect(text);
        let flat: Vec<u64> = found.iter().cloned().flatten().collect();
        assert_eq!(flat, expected, "{text} {region:?}");
        assert!(found.is_sorted_by(|one, next| one.end < next.start), "{found:?}");
        !expected.is_empty() && (expected.len() as u64) < dimension.len
    }

    /// What is asked at a time may end within a long line, which is then found around that place.
    #[test]
    fn no_frame_is_taken_twice_where_a_line_follows_points() {
        let mut telling = 0;
        for seed in 0..600 {
            let mut dice = Dice::seed_from_u64(seed);
            let text = format!(r#"{{"type":"Squash","spec":{}}}"#, parts(&mut dice, 3));
            if text.parse().is_ok_and(|spec| stack(&spec).is_ok()) {
                let region = region(&mut dice, 1, [1, 0]);
                println!("seed {seed}: {text} {region:?}");
                telling += u32::from(check(&text, &region));
            }
        }
        assert!(telling > 150, "{telling} regions take some points and not all");
    }

    #[test]
    fn stretches_are_the_points_asked_one_by_one() {
        let mut telling = 0;
        for seed in 0..6_000 {
            let mut dice = Dice::seed_from_u64(seed);
            let text = spec(&mut dice);
            let places = dimension(&text).0.places;
            let Some(axes) = places.get("x").zip(places.get("y").or(places.get("z"))) else {
                continue;
            };
            let region = region(&mut dice, 2, [*axes.0, *axes.1]);
            println!("seed {seed}: {text} {region:?}");
            telling += u32::from(check(&text, &region));
        }
        assert!(telling > 1_500, "{telling} regions take some points and not all");
    }
}

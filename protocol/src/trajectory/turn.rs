//! [`Turn`]: motion of all axes before, between or after rows, in a common time.
use super::{
    Batch, Mark,
    rules::Rules,
    stroke::{ByRest, Stroke},
    ticks,
    velocity_profile::{Passage, Shape, VelocityProfile},
};
use std::ops::Range;

/// Where every axis is, and how fast.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct State {
    pub(super) positions: Box<[f64]>,
    pub(super) velocities: Box<[f64]>,
}

impl State {
    pub(super) fn of(&self, axis: usize) -> (f64, f64) {
        (self.positions[axis], self.velocities[axis])
    }

    fn axes(&self) -> Range<usize> {
        0..self.positions.len()
    }

    /// How many axes are not at rest.
    pub(super) fn moving(&self) -> usize {
        self.velocities.iter().filter(|&&velocity| velocity != 0.0).count()
    }

    /// The least ticks in which every axis comes to rest.
    fn ramp(&self, rules: &Rules) -> u64 {
        let ramps = self.velocities.iter().zip(&*rules.limits);
        let ramps = ramps.map(|(velocity, axis)| velocity.abs() / axis.max_acceleration);
        match ticks::at_least(ramps.fold(0.0, f64::max)) {
            0 => rules.least(),
            ramp => ramp.max(rules.grid.interval),
        }
    }
}

/// Segments up to a tick at which the acceleration of some axis changes.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    end: u64,
    /// Segments of it and of all before it.
    until: u64,
    /// Segments of it: one, or as many as the longest segment asks for.
    parts: u64,
}

/// Motion of all axes in a common time.
#[derive(Clone, Debug)]
pub(super) struct Turn {
    pub(super) strokes: Vec<Stroke>,
    /// Ascending. Empty if nothing takes any time.
    stretches: Vec<Stretch>,
    /// When a standstill is over that comes before all motion; 0 if there is none.
    entry: u64,
    duration: u64,
    /// What is at its end.
    end: Mark,
}

/// Attempts to find times on the grid that suit all axes, each at least one interval longer.
const ATTEMPTS: u32 = 12;

impl Turn {
    /// From rest to the start of the first row. Each axis ramps in its own time, the others rest
    /// until it is theirs: so a row is reached along the same way wherever a scan is entered.
    pub(super) fn run_up(to: &State, rules: &Rules) -> Self {
        let count = to.moving();
        let run_ups: Vec<_> =
            to.axes().map(|axis| rules.run_up(axis, to.velocities[axis], count)).collect();
        let moving = run_ups.iter().map(|run_up| run_up.duration()).max().unwrap_or(0);
        // Before a step all settle: how they came there is unknown.
        let standing = to.axes().map(|axis| rules.settle(axis)).max().unwrap_or(0);
        let duration = if moving == 0 { standing } else { moving }.max(rules.least());
        let entry = rules.entry();
        let duration = duration + entry;
        let strokes = to.axes().zip(run_ups);
        let strokes =
            strokes.map(|(axis, run_up)| Stroke::run_up(to.of(axis), run_up, duration)).collect();
        Self::new(strokes, (entry, duration), Mark::RowStart, rules)
    }

    /// From the end of the last row to rest.
    pub(super) fn run_down(from: &State, rules: &Rules) -> Self {
        let ramp = from.ramp(rules);
        let strokes = from.axes().map(|axis| Stroke::run_down(from.of(axis), ramp));
        Self::new(strokes.collect(), (0, ramp), Mark::RunDown, rules)
    }

    /// From the end of a row to the start of the next, in the least time, no less than
    /// `min_ticks`, in which every axis gets there.
    pub(super) fn between(from: &State, to: &State, rules: &Rules, min_ticks: u64) -> Self {
        let interval = rules.grid.interval;
        let least = min_ticks.max(rules.least()).div_ceil(interval) * interval;
        let passages: Vec<_> = from.axes().map(|axis| Way::new(from, to, rules, axis)).collect();
        let strokes = by_profiles(&passages, least, interval)
            .unwrap_or_else(|| by_rest(&passages, least, rules));
        let duration = strokes.iter().map(Stroke::duration).max().unwrap_or(0).max(least);
        Self::new(strokes, (0, duration), Mark::RowStart, rules)
    }

    fn new(strokes: Vec<Stroke>, (entry, duration): (u64, u64), end: Mark, rules: &Rules) -> Self {
        let knots = strokes.iter().flat_map(Stroke::knots);
        let mut ends: Vec<u64> = knots.map(|knot| knot.tick).chain([entry, duration]).collect();
        ends.sort_unstable();
        ends.dedup();
        let (mut before, mut until) = (0, 0);
        let mut stretches = Vec::with_capacity(ends.len());
        for end in ends.into_iter().filter(|&end| end > 0) {
            let parts = (end - before).div_ceil(rules.longest);
            until += parts;
            stretches.push(Stretch { end, until, parts });
            before = end;
        }
        Self { strokes, stretches, entry, duration, end }
    }

    /// Where every axis is before it.
    pub(super) fn start(&self) -> Box<[f64]> {
        self.strokes.iter().map(Stroke::start).collect()
    }

    pub(super) fn count(&self) -> u64 {
        self.stretches.last().map_or(0, |last| last.until)
    }

    pub(super) fn duration(&self) -> u64 {
        self.duration
    }

    /// When the first `segments` are over, and what is there.
    fn knot(&self, segments: u64) -> (u64, Mark) {
        if segments == 0 {
            return (0, Mark::Within);
        }
        let index = self.stretches.partition_point(|stretch| stretch.until < segments);
        let Stretch { end, until, parts } = self.stretches[index];
        let begin = index.checked_sub(1).map_or(0, |before| self.stretches[before].end);
        let part = parts - (until - segments);
        let mark = if segments == self.count() {
            self.end
        } else if part == parts && end == self.entry {
            Mark::Entry
        } else if part == parts {
            Mark::Turnaround
        } else {
            Mark::Within
        };
        (begin + (end - begin) * part / parts, mark)
    }

    pub(super) fn write(&self, segments: Range<u64>, batch: &mut Batch) {
        let (mut before, _) = self.knot(segments.start);
        for index in segments {
            let (tick, mark) = self.knot(index + 1);
            batch.durations_us.push(tick - before);
            batch.frames.push(0);
            batch.frame_goes_on.push(false);
            batch.marks.push(mark);
            for (axis, stroke) in self.strokes.iter().enumerate() {
                let (position, velocity) = stroke.at(tick);
                batch.positions[axis].push(position);
                batch.velocities[axis].push(velocity);
            }
            before = tick;
        }
    }
}

/// What one axis has to do in a turn.
#[derive(Clone, Copy, Debug)]
struct Way<'a> {
    from: (f64, f64),
    to: (f64, f64),
    /// Ticks on the grid.
    settle: u64,
    passage: Passage,
    limits: &'a super::AxisLimits,
}

impl<'a> Way<'a> {
    fn new(from: &State, to: &State, rules: &'a Rules, axis: usize) -> Self {
        let (from, to, limits) = (from.of(axis), to.of(axis), &rules.limits[axis]);
        let distance = to.0 - from.0;
        // A snake turns at one place up to rounding: no move may be made of the rounding.
        let scale = from.0.abs().max(to.0.abs());
        let distance = if distance.abs() <= 16.0 * f64::EPSILON * scale { 0.0 } else { distance };
        let stands = distance == 0.0 && from.1 == 0.0 && to.1 == 0.0;
        let settle = if stands { 0 } else { rules.settle(axis) };
        let passage = Passage {
            from_velocity: from.1,
            to_velocity: to.1,
            distance,
            min_time_s: 0.0,
            // A row at full speed may be above it by rounding.
            max_velocity: limits.max_velocity.max(from.1.abs()).max(to.1.abs()),
            acceleration: limits.max_acceleration,
            settle_s: ticks::seconds(settle),
        };
        Self { from, to, settle, passage, limits }
    }

    /// The stroke in `total_s` on the grid, if there is one within limits.
    fn fit(
        &self,
        profile: &VelocityProfile,
        shape: Shape,
        total_s: f64,
        interval_s: f64,
    ) -> Option<Stroke> {
        let phases_s = total_s - self.passage.settle_s;
        let shapes = match shape {
            Shape::Flat => [Shape::Flat, Shape::Pointed],
            Shape::Pointed => [Shape::Pointed, Shape::Flat],
        };
        let fits = shapes.map(|shape| profile.on_grid(phases_s, interval_s, shape));
        let fit = fits.iter().find(|fit| fit.holds())?;
        Some(Stroke::along(self.from, fit, self.to, self.settle))
    }

    fn within(&self, min_time_s: f64) -> Passage {
        Passage { min_time_s, ..self.passage }
    }
}

/// All axes by velocity profiles in a common time on the grid; none if no such time is found.
///
/// An axis that has to be slow but never stands still cannot take just any longer time: it may have
/// to go back. So whatever one axis makes longer is asked of all again.
fn by_profiles(ways: &[Way<'_>], least: u64, interval: u64) -> Option<Vec<Stroke>> {
    let interval_s = ticks::seconds(interval);
    let mut total_s = ticks::seconds(least);
    for _ in 0..ATTEMPTS {
        let (profiles, slowest_s) = in_common_time(ways, total_s);
        if slowest_s >= ticks::LONGEST_S {
            return None;
        }
        let fit = |total_s: f64, first_choice: Option<Shape>| -> Option<Vec<Stroke>> {
            let axes = profiles.iter().zip(ways);
            axes.map(|(profile, way)| {
                let shape = first_choice.unwrap_or(profile.shape());
                way.fit(profile, shape, total_s, interval_s)
            })
            .collect()
        };
        // The surplus is for grids that are coarser than the rounding of times.
        let is_near_grid =
            interval == 1 || profiles.iter().all(|profile| profile.is_on_grid(interval_s));
        let with_surplus_s = profiles
            .iter()
            .zip(ways)
            .map(|(profile, way)| profile.grid_s(interval_s) + way.passage.settle_s)
            .fold(slowest_s, f64::max);
        let without_s = ticks::seconds(ticks::at_least(slowest_s));
        let fitting = is_near_grid
            .then(|| fit(without_s, Some(Shape::Flat)))
            .flatten()
            .or_else(|| fit(with_surplus_s, None));
        if fitting.is_some() {
            return fitting;
        }
        total_s = with_surplus_s + interval_s;
    }
    None
}

/// The profiles of all axes in the least time, no less than `total_s`, that suits all.
fn in_common_time(ways: &[Way<'_>], mut total_s: f64) -> (Vec<VelocityProfile>, f64) {
    // Each pass but the last makes another axis go back, and none does so twice.
    for _ in 0..=ways.len() {
        let slowest_s =
            ways.iter().map(|way| way.within(total_s).total_s()).fold(total_s, f64::max);
        if slowest_s <= total_s * (1.0 + 1e-12) {
            break;
        }
        total_s = slowest_s;
    }
    (ways.iter().map(|way| VelocityProfile::new(way.within(total_s))).collect(), total_s)
}

/// All axes by way of a standstill, which any time suits that is long enough.
fn by_rest(ways: &[Way<'_>], least: u64, rules: &Rules) -> Vec<Stroke> {
    let by_rest: Vec<_> = ways
        .iter()
        .map(|way| ByRest::new(way.from, way.to, (way.limits, way.settle), rules.grid))
        .collect();
    let total = by_rest.iter().map(ByRest::duration).fold(least, u64::max);
    by_rest.iter().map(|stroke| stroke.within(total)).collect()
}

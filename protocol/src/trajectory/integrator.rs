//! Flies a trajectory as a controller would, and asserts every promise at every instant.
use super::{AxisLimits, Batch, Mark, Planner, PointMode, Prediction, Segment, TriggerBits};
use crate::{
    name::Name,
    scan::{Path, Piece},
};
use std::time::Duration;

/// Relative to the range of the numbers that were added up.
const ROUNDING: f64 = 1e-9;

/// Instants at which a segment is looked at.
const LOOKS: u32 = 6;

/// The axes of a test, and the controller's rules.
#[derive(Clone, Debug)]
pub(super) struct Rig {
    pub(super) axes: Vec<(Name, AxisLimits)>,
    pub(super) minimum: Duration,
    pub(super) longest: Duration,
    pub(super) interval: Duration,
    pub(super) min_turnaround: Duration,
    pub(super) modes: (PointMode, TriggerBits),
}

/// What was flown.
#[derive(Debug)]
pub(super) struct Flown {
    pub(super) start: Box<[f64]>,
    pub(super) segments: Vec<Segment>,
    pub(super) marks: Vec<Mark>,
    pub(super) prediction: Prediction,
}

/// Position and velocity of all axes at a time, in ticks.
struct Knot {
    tick: u64,
    positions: Box<[f64]>,
    velocities: Box<[f64]>,
}

/// One axis in one segment.
#[derive(Clone, Copy, Debug)]
struct Hop {
    from: (f64, f64),
    to: (f64, f64),
    seconds: f64,
}

impl Hop {
    /// Position, velocity, acceleration at a part of it, by the basis of Hermite.
    fn at(&self, part: f64) -> [f64; 3] {
        let Self { from, to, seconds } = *self;
        let (way, s) = (to.0 - from.0, part);
        let (v0, v1) = (from.1 * seconds, to.1 * seconds);
        let blend = s * s * (3.0 - 2.0 * s);
        let (left, right) = (s * (1.0 - s) * (1.0 - s), s * s * (s - 1.0));
        let position = from.0 + way * blend + v0 * left + v1 * right;
        let (blend, left, right) =
            (6.0 * s * (1.0 - s), (1.0 - s) * (1.0 - 3.0 * s), s * (3.0 * s - 2.0));
        let velocity = (way * blend + v0 * left + v1 * right) / seconds;
        let (blend, left, right) = (6.0 - 12.0 * s, 6.0 * s - 4.0, 6.0 * s - 2.0);
        [position, velocity, (way * blend + v0 * left + v1 * right) / seconds / seconds]
    }

    fn check(&self, limits: &AxisLimits, label: &str) {
        // Of positions that are rounded, and were added up from where the axis came to rest.
        let reach = limits.max_velocity * limits.max_velocity / limits.max_acceleration;
        let scale = self.from.0.abs().max(self.to.0.abs()) + reach;
        let noise = 64.0 * f64::EPSILON * scale / self.seconds;
        let fastest = limits.max_velocity * (1.0 + ROUNDING) + noise;
        let hardest = limits.max_acceleration * (1.0 + ROUNDING) + noise / self.seconds;
        let slack = ROUNDING * (limits.high - limits.low);
        for look in 0..=LOOKS {
            let [position, velocity, acceleration] = self.at(f64::from(look) / f64::from(LOOKS));
            assert!(acceleration.abs() <= hardest, "{label}: acceleration {acceleration} {self:?}");
            assert!(velocity.abs() <= fastest, "{label}: velocity {velocity}");
            let inside = position >= limits.low - slack && position <= limits.high + slack;
            assert!(inside, "{label}: at {position}");
        }
    }

    fn check_even(&self, label: &str) {
        let expected = f64::midpoint(self.from.1, self.to.1) * self.seconds;
        let reach = (self.from.1.abs() + self.to.1.abs()) * self.seconds;
        let scale = self.from.0.abs().max(self.to.0.abs()).max(reach);
        let error = (self.to.0 - self.from.0 - expected).abs();
        // Rows are up to some hundred mm long.
        assert!(error <= 1e-12 * (scale + 1.0), "{label}: {self:?} is off by {error}");
    }
}

impl Rig {
    pub(super) fn planner(&self) -> Planner {
        Planner::new(&self.axes, self.minimum)
            .with_max_segment(self.longest)
            .with_interval(self.interval)
            .with_min_turnaround(self.min_turnaround)
            .with_modes(self.modes.0, self.modes.1)
    }

    /// Plans, flies, asserts. `label` says which case fails.
    pub(super) fn fly(&self, pieces: &[Piece], label: &str) -> Flown {
        let planner = self.planner();
        let prediction = match planner.check(pieces.iter().cloned()) {
            Ok(prediction) => prediction,
            Err(error) => panic!("{label}: {error}"),
        };
        let mut trajectory = planner.plan(pieces.iter().cloned());
        let (mut segments, mut marks) = (Vec::new(), Vec::new());
        loop {
            let batch = trajectory.next_batch(7);
            assert!(batch.last || batch.len() == 7, "{label}: a short batch");
            marks.extend(&batch.marks);
            segments.extend(batch.segments());
            if batch.last {
                break;
            }
        }
        assert!(trajectory.next_batch(7).is_empty(), "{label}: more after the last");
        let flown = Flown { start: trajectory.start(), segments, marks, prediction };
        self.check_totals(&flown, pieces, label);
        let knots = self.integrate(&flown, pieces, label);
        let begins = self.check_frames(&flown, pieces, &knots, label);
        self.check_between(pieces, &begins, &knots, label);
        flown
    }

    fn check_totals(&self, flown: &Flown, pieces: &[Piece], label: &str) {
        let frames: u64 = pieces.iter().map(|piece| piece.frames).sum();
        let given: u64 = flown.segments.iter().map(|segment| segment.frames).sum();
        let ticks = flown.segments.iter().map(|segment| segment.duration_us).sum();
        assert_eq!(given, frames, "{label}: frames");
        let counted = Prediction {
            duration: Duration::from_micros(ticks),
            frames,
            segments: flown.segments.len() as u64,
        };
        assert_eq!(flown.prediction, counted, "{label}: the prediction");
        let longest = self.longest.as_micros() as u64;
        let in_row = |segments: &&Segment| segments.frames > 0;
        let frame_ticks = pieces.iter().map(|piece| self.frame_ticks(piece));
        if flown.segments.iter().all(|segment| !segment.frame_goes_on) {
            let taken: u64 =
                flown.segments.iter().filter(in_row).map(|segment| segment.duration_us).sum();
            let exact = frame_ticks.zip(pieces).map(|(ticks, piece)| ticks * piece.frames as f64);
            let drift = exact.sum::<f64>() - taken as f64;
            assert!(drift.abs() <= 0.5 + 1e-6, "{label}: a drift of {drift} us");
        }
        let shortest = self.interval.as_micros() as u64;
        for segment in &flown.segments {
            assert!((shortest..=longest).contains(&segment.duration_us), "{label}: {segment:?}");
        }
    }

    /// Every segment is within all limits at every instant, and where nothing is curved of constant
    /// acceleration.
    fn integrate(&self, flown: &Flown, pieces: &[Piece], label: &str) -> Vec<Knot> {
        let still: Box<[f64]> = self.axes.iter().map(|_| 0.0).collect();
        let start = Knot { tick: 0, positions: flown.start.clone(), velocities: still.clone() };
        let is_straight = pieces.iter().all(|piece| piece.path == Path::Straight);
        let mut knots = vec![start];
        for (segment, mark) in flown.segments.iter().zip(&flown.marks) {
            let before = knots.last().expect("a start");
            for (axis, (name, limits)) in self.axes.iter().enumerate() {
                let label = format!("{label}, {name}, {mark:?}");
                let hop = Hop {
                    from: (before.positions[axis], before.velocities[axis]),
                    to: (segment.positions[axis], segment.velocities[axis]),
                    seconds: segment.duration_us as f64 / 1e6,
                };
                hop.check(limits, &label);
                if is_straight || *mark == Mark::Turnaround {
                    hop.check_even(&label);
                }
            }
            knots.push(Knot {
                tick: before.tick + segment.duration_us,
                positions: segment.positions.clone(),
                velocities: segment.velocities.clone(),
            });
        }
        let end = knots.last().expect("a start");
        assert_eq!(end.velocities, still, "{label}: moving at the end");
        knots
    }

    /// Every frame is traversed in its duration: at constant velocity, or through its midpoint.
    /// Gives the times at which each piece begins and ends.
    fn check_frames(
        &self,
        flown: &Flown,
        pieces: &[Piece],
        knots: &[Knot],
        label: &str,
    ) -> Vec<(f64, f64)> {
        let mut begins = flown.segments.iter().zip(knots).filter(|(segment, _)| segment.frames > 0);
        // A fraction ends a row up to a tick early or late; the rows joined to it are as far off.
        let fraction = |piece: &Piece| (self.frame_ticks(piece) / 2.0 + 0.5).fract() - 0.5;
        let ticks_off =
            if pieces.iter().any(|piece| fraction(piece).abs() > 1e-6) { 1.01 } else { 0.0 };
        let (mut segment, mut done) = (None::<(&Segment, &Knot)>, 0);
        let mut times = Vec::new();
        for piece in pieces {
            let ticks = self.frame_ticks(piece);
            for index in 0..piece.frames {
                if segment.is_none_or(|(segment, _)| segment.frames == done) {
                    (segment, done) = (begins.next(), 0);
                }
                let (_, knot) = segment.expect("as many frames as the scan");
                let begin = knot.tick as f64 + done as f64 * ticks;
                self.check_frame(piece, index, (begin, begin + ticks), (knots, ticks_off), label);
                done += 1;
                if index == 0 {
                    times.push((begin, begin));
                }
                if let Some(time) = times.last_mut() {
                    time.1 = begin + ticks;
                }
            }
        }
        times
    }

    /// Delays and settle times are kept.
    fn check_between(&self, pieces: &[Piece], times: &[(f64, f64)], knots: &[Knot], label: &str) {
        let flown: Vec<_> = pieces.iter().filter(|piece| piece.frames > 0).zip(times).collect();
        for pair in flown.windows(2) {
            let [(_, (_, end)), (piece, (begin, _))] = [pair[0], pair[1]];
            let delay = piece.delay_before_s * 1e6;
            assert!(begin - end >= delay - 2.1, "{label}: {} us of {delay}", begin - end);
        }
        for (index, (piece, (begin, _))) in flown.iter().enumerate() {
            let end_before = index.checked_sub(1).map_or(0.0, |before| flown[before].1.1);
            if index > 0 && begin - end_before < 2.1 {
                continue;
            }
            for (axis, (name, limits)) in self.axes.iter().enumerate() {
                let at = knots.partition_point(|knot| (knot.tick as f64) < begin - 1.01);
                let velocity = knots[at].velocities[axis];
                let before = &knots[at.saturating_sub(1)];
                let moved = piece.start[axis] != before.positions[axis] || velocity != 0.0;
                let since = knots[..=at].iter().rposition(|knot| {
                    let changed = (knot.velocities[axis] - velocity).abs();
                    changed > ROUNDING * limits.max_velocity || knot.tick as f64 <= end_before
                });
                let since = since.map_or(0, |since| knots[since + usize::from(since < at)].tick);
                let settled = begin - since as f64;
                let all_still = index == 0 && knots.iter().all(|knot| knot.velocities[axis] == 0.0);
                assert!(
                    !moved || all_still || settled >= limits.settle_s * 1e6 - 2.1,
                    "{label}, {name}: {settled} us at {velocity} before frame {}",
                    piece.first_frame
                );
            }
        }
    }

    /// What was asked for; or the shortest allowed, in whole ticks.
    fn frame_ticks(&self, piece: &Piece) -> f64 {
        let fastest = self.axes.iter().enumerate().map(|(axis, (_, limits))| {
            let distance = (piece.end[axis] - piece.start[axis]).abs();
            distance / piece.frames as f64 / limits.max_velocity
        });
        let shortest = match piece.path {
            Path::Straight => fastest.fold(self.minimum.as_secs_f64(), f64::max),
            Path::Curved(_) => self.planner().shortest_frame_s(piece),
        };
        let shortest = shortest * 1e6;
        piece.frame_duration_s.map_or((shortest - 1e-6).ceil(), |seconds| seconds * 1e6)
    }

    fn check_frame(
        &self,
        piece: &Piece,
        index: u64,
        (begin, end): (f64, f64),
        (knots, ticks_off): (&[Knot], f64),
        label: &str,
    ) {
        for (axis, (_, limits)) in self.axes.iter().enumerate() {
            let (start, stop) = (piece.start[axis], piece.end[axis]);
            let scale = start.abs().max(stop.abs()).max(1e-3);
            let places = match &piece.path {
                Path::Straight => {
                    let bound =
                        |index: u64| start + (stop - start) * index as f64 / piece.frames as f64;
                    let (lower, upper) = (bound(index), bound(index + 1));
                    [lower, f64::midpoint(lower, upper), upper]
                }
                Path::Curved(curve) => {
                    let points = curve.by_axis(self.axes.len()).nth(axis).expect("an axis");
                    let lower = 2 * index as usize;
                    [points[lower], points[lower + 1], points[lower + 2]]
                }
            };
            let velocity = match &piece.path {
                Path::Straight => Some((places[2] - places[0]) / ((end - begin) / 1e6)),
                Path::Curved(_) => None,
            };
            let fastest = velocity.map_or(limits.max_velocity, f64::abs);
            let tolerance = ROUNDING * scale + fastest * ticks_off / 1e6;
            for (part, expected) in [(0.0, places[0]), (0.5, places[1]), (1.0, places[2])] {
                let tick = begin + (end - begin) * part;
                let position = match velocity {
                    Some(velocity) => position_at(knots, axis, tick, velocity),
                    None => point_at(knots, axis, tick),
                };
                assert!(
                    (position - expected).abs() <= tolerance,
                    "{label}: frame {} axis {axis}: {position} is not {expected}",
                    piece.first_frame + index
                );
            }
        }
    }
}

/// Where the axis is at a fractional tick, and that it has `velocity` there.
fn position_at(knots: &[Knot], axis: usize, tick: f64, velocity: f64) -> f64 {
    let next = knots.partition_point(|knot| (knot.tick as f64) < tick - 1.01).max(1);
    let candidates = knots[next - 1..].iter().take_while(|knot| knot.tick as f64 <= tick + 1.01);
    let off = |knot: &&Knot| (knot.velocities[axis] - velocity).abs();
    let near = candidates.min_by(|a, b| off(a).total_cmp(&off(b))).expect("a knot before");
    let place = near.positions[axis].abs().max(1e-3);
    let noise = 1e-9 * velocity.abs() + 1e-9 * place;
    assert!((near.velocities[axis] - velocity).abs() <= noise, "velocity at {tick}");
    near.positions[axis] + near.velocities[axis] * (tick - near.tick as f64) / 1e6
}

/// Where the axis is at a point of a segment that ends there, but for a tick.
fn point_at(knots: &[Knot], axis: usize, tick: f64) -> f64 {
    let next = knots.partition_point(|knot| (knot.tick as f64) < tick - 1.01);
    let near = knots[next..].iter().take_while(|knot| knot.tick as f64 <= tick + 1.01);
    let off = |knot: &&Knot| (knot.tick as f64 - tick).abs();
    let near = near.min_by(|a, b| off(a).total_cmp(&off(b))).expect("a point at its time");
    near.positions[axis] + near.velocities[axis] * (tick - near.tick as f64) / 1e6
}

impl Flown {
    /// All segments in one batch.
    pub(super) fn batch(&self) -> Batch {
        let batch: Batch = self.segments.iter().cloned().collect();
        Batch { marks: self.marks.clone(), last: true, ..batch }
    }
}

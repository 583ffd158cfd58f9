//! Flies a trajectory as a controller would, and asserts every promise at every instant.
use super::{AxisLimits, Planner, Prediction, Segment};
use crate::{name::Name, scan::Piece};
use std::time::Duration;

/// Relative to the range of the numbers that were added up.
const ROUNDING: f64 = 1e-9;

/// The axes of a test, and the controller's rules.
#[derive(Clone, Debug)]
pub(super) struct Rig {
    pub(super) axes: Vec<(Name, AxisLimits)>,
    pub(super) minimum: Duration,
    pub(super) longest: Duration,
}

/// What was flown.
#[derive(Debug)]
pub(super) struct Flown {
    pub(super) start: Box<[f64]>,
    pub(super) segments: Vec<Segment>,
    pub(super) prediction: Prediction,
}

/// Position and velocity of all axes at a time, in ticks.
struct Knot {
    tick: u64,
    positions: Box<[f64]>,
    velocities: Box<[f64]>,
}

impl Rig {
    pub(super) fn planner(&self) -> Planner {
        Planner::new(&self.axes, self.minimum).with_max_segment(self.longest)
    }

    /// Plans, flies, asserts. `label` says which case fails.
    pub(super) fn fly(&self, pieces: &[Piece], label: &str) -> Flown {
        let planner = self.planner();
        let prediction = match planner.check(pieces.iter().cloned()) {
            Ok(prediction) => prediction,
            Err(error) => panic!("{label}: {error}"),
        };
        let mut trajectory = planner.plan(pieces.iter().cloned());
        let mut segments = Vec::new();
        loop {
            let batch = trajectory.next_batch(7);
            assert!(batch.last || batch.len() == 7, "{label}: a short batch");
            segments.extend(batch.segments());
            if batch.last {
                break;
            }
        }
        assert!(trajectory.next_batch(7).is_empty(), "{label}: more after the last");
        let flown = Flown { start: trajectory.start(), segments, prediction };
        self.check_totals(&flown, pieces, label);
        let knots = self.integrate(&flown, label);
        self.check_frames(&flown, pieces, &knots, label);
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
        let frame_ticks = pieces.iter().map(|piece| self.frame_ticks(piece));
        if frame_ticks.clone().all(|ticks| ticks < longest as f64 - 1.0) {
            let rows = flown.segments.iter().filter(|segment| segment.frames > 0);
            let taken: u64 = rows.map(|segment| segment.duration_us).sum();
            let exact = frame_ticks.zip(pieces).map(|(ticks, piece)| ticks * piece.frames as f64);
            let drift = exact.sum::<f64>() - taken as f64;
            assert!(drift.abs() <= 0.5 + 1e-6, "{label}: a drift of {drift} us");
        }
        for segment in &flown.segments {
            assert!((1..=longest).contains(&segment.duration_us), "{label}: {segment:?}");
        }
    }

    /// Every segment is of constant acceleration, and within all limits at every instant.
    fn integrate(&self, flown: &Flown, label: &str) -> Vec<Knot> {
        let still: Box<[f64]> = self.axes.iter().map(|_| 0.0).collect();
        let start = Knot { tick: 0, positions: flown.start.clone(), velocities: still.clone() };
        let mut knots = vec![start];
        for segment in &flown.segments {
            let before = knots.last().expect("a start");
            for (axis, (name, limits)) in self.axes.iter().enumerate() {
                let from = (before.positions[axis], before.velocities[axis]);
                let to = (segment.positions[axis], segment.velocities[axis]);
                let seconds = segment.duration_us as f64 / 1e6;
                check_stretch((from, to), seconds, limits, &format!("{label}, {name}"));
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

    /// Every frame goes from its lower to its upper bound at constant velocity in its duration.
    fn check_frames(&self, flown: &Flown, pieces: &[Piece], knots: &[Knot], label: &str) {
        let mut begins = flown.segments.iter().zip(knots).filter(|(segment, _)| segment.frames > 0);
        // A fraction ends a row up to a tick early or late; the rows joined to it are as far off.
        let fraction = |piece: &Piece| (self.frame_ticks(piece) + 0.5).fract() - 0.5;
        let ticks_off =
            if pieces.iter().any(|piece| fraction(piece).abs() > 1e-6) { 1.01 } else { 0.0 };
        let (mut segment, mut done) = (None::<(&Segment, &Knot)>, 0);
        for piece in pieces {
            for index in 0..piece.frames {
                if segment.is_none_or(|(segment, _)| segment.frames == done) {
                    (segment, done) = (begins.next(), 0);
                }
                let (_, knot) = segment.expect("as many frames as the scan");
                let ticks = self.frame_ticks(piece);
                let begin = knot.tick as f64 + done as f64 * ticks;
                self.check_frame(piece, index, (begin, begin + ticks), (knots, ticks_off), label);
                done += 1;
            }
        }
    }

    /// What was asked for; or the shortest allowed, in whole ticks.
    fn frame_ticks(&self, piece: &Piece) -> f64 {
        let fastest = self.axes.iter().enumerate().map(|(axis, (_, limits))| {
            let distance = (piece.end[axis] - piece.start[axis]).abs();
            distance / piece.frames as f64 / limits.max_velocity
        });
        let shortest = fastest.fold(self.minimum.as_secs_f64(), f64::max) * 1e6;
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
        for axis in 0..self.axes.len() {
            let (start, stop) = (piece.start[axis], piece.end[axis]);
            let bound = |index: u64| start + (stop - start) * index as f64 / piece.frames as f64;
            let (lower, upper) = (bound(index), bound(index + 1));
            let velocity = (upper - lower) / ((end - begin) / 1e6);
            let scale = start.abs().max(stop.abs()).max(1e-3);
            let tolerance = ROUNDING * scale + velocity.abs() * ticks_off / 1e6;
            for (tick, expected) in [
                (begin, lower),
                (f64::midpoint(begin, end), f64::midpoint(lower, upper)),
                (end, upper),
            ] {
                let position = position_at(knots, axis, tick, velocity);
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

fn check_stretch(
    (from, to): ((f64, f64), (f64, f64)),
    seconds: f64,
    limits: &AxisLimits,
    label: &str,
) {
    let acceleration = (to.1 - from.1) / seconds;
    let most = limits.max_acceleration * (1.0 + ROUNDING);
    assert!(acceleration.abs() <= most, "{label}: acceleration {acceleration}");
    let fastest = limits.max_velocity * (1.0 + ROUNDING);
    assert!(to.1.abs() <= fastest, "{label}: velocity {}", to.1);
    let expected = f64::midpoint(from.1, to.1) * seconds;
    let scale = from.0.abs().max(to.0.abs()).max(expected.abs());
    let error = (to.0 - from.0 - expected).abs();
    assert!(error <= 1e-12 * scale, "{label}: {from:?} to {to:?} in {seconds} s is off by {error}");
    let turns = (from.1 * to.1 < 0.0).then(|| from.0 - from.1 * from.1 / acceleration / 2.0);
    let slack = ROUNDING * (limits.high - limits.low);
    for place in [from.0, to.0].into_iter().chain(turns) {
        let inside = place >= limits.low - slack && place <= limits.high + slack;
        assert!(inside, "{label}: at {place}");
    }
}

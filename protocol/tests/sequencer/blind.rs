//! The compare is blind until it can see nothing but the beginning of the window.
use crate::rig::{centred, gate, name, timed};
use bluefly_protocol::{
    scan::{Path, Piece},
    sequencer::{
        Bus, Gap, Live, PositionInput, Sequencer, SequencerError, Start, StartOn, Turnaround,
    },
    trajectory::{AxisLimits, Planner, Segment},
};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use std::time::Duration;

const TICKS_PER_US: f64 = 125.0;

/// Motion of one axis towards a beginning, and where the sequencer sees it.
struct Approach {
    segments: Vec<Segment>,
    start: Start,
    scale: f64,
    offset: f64,
}

fn segment(duration_us: u64, position: f64, velocity: f64) -> Segment {
    Segment {
        duration_us,
        frames: 0,
        frame_goes_on: false,
        positions: [position].into(),
        velocities: [velocity].into(),
    }
}

impl Approach {
    fn sequencer(&self) -> Sequencer {
        let input = PositionInput::new(name("x"), Bus::B, self.scale, self.offset);
        let start = StartOn::Position(vec![input.expect("an input")]);
        Sequencer::new(&[name("x")], start, Live::FirstHalf).expect("a sequencer")
    }

    fn gap(&self) -> Result<Gap, SequencerError> {
        let (before, segments) = self.segments.split_first().expect("a segment");
        let axes = &[self.start];
        self.sequencer().gap(&Turnaround { before, segments, frame: 7, axes })
    }

    fn whole_ticks(&self) -> u64 {
        self.segments[1..].iter().map(|segment| segment.duration_us).sum::<u64>() * 125
    }

    /// Position and velocity at a time.
    fn at(&self, ticks: f64) -> (f64, f64) {
        let mut left = ticks / TICKS_PER_US;
        let mut from = &self.segments[0];
        for to in &self.segments[1..] {
            let duration = to.duration_us as f64;
            if left <= duration {
                return hermite(from, to, left / duration);
            }
            left -= duration;
            from = to;
        }
        (from.positions[0], from.velocities[0])
    }

    /// What the encoder reads, less what it reads at the beginning of the window; negative before.
    fn to_go(&self, ticks: f64) -> f64 {
        let counts = |position: f64| ((position - self.offset) / self.scale).round_ties_even();
        let rising = (self.start.midpoint - self.start.lower).signum() * self.scale.signum();
        (counts(self.at(ticks).0) - counts(self.start.lower)) * rising
    }

    /// Neither early nor late; whether the compare sees the beginning at all.
    fn check(&self) -> bool {
        let blind = self.gap().expect("a gap").blind_ticks;
        let whole = self.whole_ticks();
        assert!(blind <= whole, "late: {blind} of {whole}");
        if blind == whole {
            return false;
        }
        assert!(self.to_go(blind as f64) < 0.0, "early: at {blind} of {whole}");
        let forwards = (self.start.midpoint - self.start.lower).signum();
        for part in 0..=500 {
            let ticks = blind as f64 + (whole - blind) as f64 * f64::from(part) / 500.0;
            let (position, velocity) = self.at(ticks);
            assert!(velocity * forwards >= -1e-6, "goes back at {ticks} of {whole}");
            if self.to_go(ticks) >= 0.0 {
                // Both the place and what is read are rounded by up to half a count.
                let early = (self.start.lower - position) * forwards / self.scale.abs();
                assert!(early <= 1.0 + 1e-6, "{early} counts early at {ticks} of {whole}");
            }
        }
        if blind > 2_500 {
            // It ends when the axis begins to move, to the tick.
            let (from, to) = (self.at(blind as f64 - 2.0).1, self.at(blind as f64).1);
            let is_start = from * forwards <= 1e-9 || to.abs() <= (to - from).abs() + 1e-9;
            assert!(is_start, "blind for too long: {blind} of {whole}");
        }
        true
    }
}

/// Position and velocity at a part of a segment, by the textbook.
fn hermite(from: &Segment, to: &Segment, part: f64) -> (f64, f64) {
    let seconds = to.duration_us as f64 / 1e6;
    let (start, end) = (from.positions[0], to.positions[0]);
    let (leaving, arriving) = (from.velocities[0] * seconds, to.velocities[0] * seconds);
    let (square, left) = (part * part, 1.0 - part);
    let position = start
        + (end - start) * square * (3.0 - 2.0 * part)
        + leaving * part * left * left
        + arriving * square * (part - 1.0);
    let way = (end - start) * 6.0 * part * left
        + leaving * left * (1.0 - 3.0 * part)
        + arriving * part * (3.0 * part - 2.0);
    (position, way / seconds)
}

/// A random sequence of segments, of constant acceleration or not, which ends at the beginning of a window.
fn random_approach(rng: &mut ChaCha8Rng) -> Approach {
    let forwards = if rng.random_bool(0.5) { 1.0 } else { -1.0 };
    let mut velocities: Vec<f64> = (0..rng.random_range(2..8))
        .map(|_| match rng.random_range(0..3) {
            0 => 0.0,
            _ => rng.random_range(-3.0..3.0),
        })
        .collect();
    velocities.push(forwards * rng.random_range(0.01..3.0));
    let lower = rng.random_range(-10.0..10.0);
    // Backwards from the end.
    let mut position = lower;
    let mut segments = vec![];
    for pair in velocities.windows(2).rev() {
        let duration_us = match rng.random_range(0..4) {
            0 => rng.random_range(1..50),
            _ => rng.random_range(50..2_000_000),
        };
        segments.push(segment(duration_us, position, pair[1]));
        let detour = if rng.random_bool(0.5) { rng.random_range(-2.0..2.0) } else { 0.0 };
        position -= (f64::midpoint(pair[0], pair[1]) + detour) * duration_us as f64 / 1e6;
    }
    segments.push(segment(1, position, velocities[0]));
    segments.reverse();
    let midpoint = lower + forwards * rng.random_range(0.1..1.0);
    let scale = rng.random_range(1e-5..1e-2) * if rng.random_bool(0.5) { 1.0 } else { -1.0 };
    Approach {
        segments,
        start: Start { lower, midpoint },
        scale,
        offset: rng.random_range(-5.0..5.0),
    }
}

#[test]
fn random_motion_is_seen_when_it_passes_the_place_and_not_before() {
    let seen = (0..2_000)
        .filter(|&seed| {
            eprintln!("seed {seed}");
            random_approach(&mut ChaCha8Rng::seed_from_u64(seed)).check()
        })
        .count();
    assert!(seen > 1_000, "{seen}");
}

/// Two rows along x, and whatever another axis does in between.
fn planned_approach(rng: &mut ChaCha8Rng) -> Approach {
    let limits = |rng: &mut ChaCha8Rng| AxisLimits {
        low: -1e3,
        high: 1e3,
        max_velocity: 10.0,
        max_acceleration: rng.random_range(0.5..500.0),
        settle_s: 0.0,
    };
    let axes = [(name("y"), limits(rng)), (name("x"), limits(rng))];
    let mut row = |first_frame, y| {
        let start = rng.random_range(-5.0..5.0);
        let end =
            start + rng.random_range(0.1..3.0) * if rng.random_bool(0.5) { 1.0 } else { -1.0 };
        Piece {
            first_frame,
            frames: 10,
            gap: true,
            delay_before_s: 0.0,
            frame_duration_s: Some(0.1),
            start: [y, start].into(),
            end: [y, end].into(),
            path: Path::Straight,
        }
    };
    let rows = [row(0, 0.0), row(10, 1.0)];
    let planner = Planner::new(&axes, Duration::from_millis(1));
    planner.check(rows.iter().cloned()).expect("a scan that can be flown");
    let batch = planner.plan(rows.iter().cloned()).next_batch(1_000);
    let segments: Vec<Segment> = batch.segments().collect();
    let is_row = |segment: &Segment| segment.frames > 0;
    let first = segments.iter().position(is_row).expect("a row");
    let second = first + 1 + segments[first + 1..].iter().position(is_row).expect("a row");
    let of_x = |segment: &Segment| Segment {
        positions: [segment.positions[1]].into(),
        velocities: [segment.velocities[1]].into(),
        ..segment.clone()
    };
    let (lower, upper) = (rows[1].start[1], rows[1].end[1]);
    Approach {
        segments: segments[first..second].iter().map(of_x).collect(),
        start: Start { lower, midpoint: lower + (upper - lower) / 20.0 },
        scale: -1e-5,
        offset: 0.3,
    }
}

#[test]
fn planned_turnarounds_are_seen_when_they_end() {
    let seen = (0..500)
        .filter(|&seed| {
            eprintln!("seed {seed}");
            planned_approach(&mut ChaCha8Rng::seed_from_u64(seed)).check()
        })
        .count();
    assert!(seen > 450, "{seen}");
}

fn approach(segments: &[(u64, f64, f64)], lower: f64) -> Approach {
    let segments = segments.iter().map(|&(duration, at, velocity)| segment(duration, at, velocity));
    let start = Start { lower, midpoint: lower + 0.5 };
    Approach { segments: segments.collect(), start, scale: 0.001, offset: 0.0 }
}

#[test]
fn blind_until_the_axis_turns_between_two_segments_or_within_one() {
    let check = |segments: &[(u64, f64, f64)], lower, blind_ticks| {
        assert_eq!(approach(segments, lower).gap(), Ok(Gap { blind_ticks }));
    };
    // Back with -1 EGU/s, and round within a segment.
    let within = [(1, 2.0, -1.0), (1_500_000, 0.5, -1.0), (1_000_000, 0.5, 1.0)];
    check(&within, 0.5, 250_000_000);
    // Out and back on one cubic: 1 - 12 * part + 12 * part^2 of the time, 0 at (1 + sqrt(2/3)) / 2.
    check(&[(1, 2.0, 1.0), (1_000_000, 1.0, 1.0)], 1.0, 113_531_037);
    // To rest, waiting, and off.
    let between =
        [(1, 1.0, -1.0), (500_000, 0.75, 0.0), (1_000_000, 0.75, 0.0), (500_000, 1.0, 1.0)];
    check(&between, 1.0, 187_500_000);
    // Waiting but for a rounding.
    let creeping =
        [(1, 0.0, -1.0), (500_000, -0.25, 1e-16), (1_000_000, -0.25, 1e-16), (500_000, 0.0, 1.0)];
    check(&creeping, 0.0, 187_500_000);
    // On the way all the time: for as long as a pulse is.
    check(&[(1, 0.0, 1.0), (1_000_000, 1.0, 1.0)], 1.0, 2_500);
    // There all the time, to the count: time tells.
    check(&[(1, 1.0, -1e-3), (1_000_000, 1.0, 1e-3)], 1.0, 125_000_000);
    // A motion shorter than two pulses.
    check(&[(1, 0.99, 1000.0), (10, 1.0, 1000.0)], 1.0, 1_250);
}

#[test]
fn a_gate_needs_no_blindness_and_time_needs_all_of_it() {
    let segments = [segment(1, 1.0, -1.0), segment(1_000, 1.0, 1.0)];
    let axes = &[Start { lower: 1.0, midpoint: 2.0 }];
    let turnaround = Turnaround { before: &segments[0], segments: &segments[1..], frame: 7, axes };
    assert_eq!(gate(centred(9)).gap(&turnaround), Ok(Gap { blind_ticks: 2_500 }));
    assert_eq!(timed(centred(9)).gap(&turnaround), Ok(Gap { blind_ticks: 125_000 }));
    let error = timed(centred(9)).gap(&Turnaround { axes: &[axes[0]; 2], ..turnaround });
    let error = error.expect_err("another number of axes").to_string();
    assert_eq!(error, "frame 7: 1 positions for 2 axes");
    let long = [segment(u64::MAX, 1.0, 1.0), segment(u64::MAX, 1.0, 1.0)];
    let error = timed(centred(9)).gap(&Turnaround { segments: &long, ..turnaround });
    let error = error.expect_err("a long gap").to_string();
    assert_eq!(error, "frame 7: the gap before it takes 2251799 s or longer");
}

#[test]
fn a_turn_that_cannot_be_counted_is_refused() {
    let far = approach(&[(1, 0.0, 0.0), (1, 1e7, -1.0), (1, 1.0, 1.0)], 1.0);
    let error = far.gap().expect_err("beyond 32 bits").to_string();
    assert!(error.starts_with("frame 7, axis x: position 10000000 is"), "{error}");
    let lost = approach(&[(1, 0.0, 0.0), (1, f64::NAN, -1.0), (1, 1.0, 1.0)], 1.0);
    let error = lost.gap().expect_err("not a number").to_string();
    assert_eq!(error, "frame 7, axis x: position NaN must be finite");
    let lost = approach(&[(1, 0.0, 0.0), (1, 2.0, f64::NAN), (1, 1.0, 1.0)], 1.0);
    let error = lost.gap().expect_err("not a number").to_string();
    assert_eq!(error, "frame 7, axis x: velocity NaN must be finite");
}

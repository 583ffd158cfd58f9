//! Random rows, curves, limits and rules, flown.
use super::{LIMITS, curves::curve, rig};
use crate::{
    scan::{Curved, Path, Piece, Stack},
    trajectory::{AxisLimits, Mark, PlanError, PointMode, TriggerBits, integrator::Rig},
};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use std::{f64::consts::TAU, time::Duration};

#[test]
fn a_thousand_random_scans_keep_every_promise() {
    for seed in 0..1_000 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let (rig, pieces) = random_scan(&mut random);
        rig.fly(&pieces, &format!("seed {seed}"));
    }
}

#[test]
fn frames_that_would_do_do() {
    let (mut refused, mut accepted) = (0, 0);
    for seed in 0..400 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let (mut rig, _) = random_scan(&mut random);
        rig.axes.truncate(2);
        (rig.interval, rig.minimum) = (Duration::from_micros(1), Duration::ZERO);
        for (_, limits) in &mut rig.axes {
            (limits.max_velocity, limits.settle_s) = (1e9, 0.0);
            limits.max_acceleration = random.random_range(1.0..1e5);
            (limits.low, limits.high) = (-1e12, 1e12);
        }
        if rig.axes.is_empty() {
            continue;
        }
        // It tells what would do for the stretch of a curve that it has looked at.
        let whole = random_curve(&mut random, &rig, None).remove(0);
        let whole = Piece { path: without_next(&whole), ..whole };
        let too_short_s = random.random_range(1e-5..1e-3);
        let lasting = |seconds| [Piece { frame_duration_s: Some(seconds), ..whole.clone() }];
        if let Err(error) = rig.planner().check(lasting(too_short_s)) {
            let PlanError::Acceleration { enough_s, .. } = error else { panic!("{seed}: {error}") };
            refused += 1;
            match rig.planner().check(lasting(enough_s)) {
                Ok(_) => accepted += 1,
                Err(error) => panic!("seed {seed}: {enough_s} s would do, but {error}"),
            }
        }
    }
    assert!(refused > 100 && accepted == refused, "{accepted} of {refused}");
}

#[test]
fn a_window_is_flown_without_stopping() {
    let (mut joined, mut apart) = (0, 0);
    for seed in 0..2_000 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let place = random.random_range(-50.0..50.0);
        // Rounding, or well above it.
        let powers = [-17.0..-14.0, -11.0..-1.0];
        let powers = powers[random.random_range(0..2)].clone();
        let off = 10_f64.powf(random.random_range(powers));
        let [num, next_num] = [0; 2].map(|_| random.random_range(1..20_u32));
        let line = |from: f64, step: f64, num: u32| {
            let (start, stop) = (from + step / 2.0, from + step * (f64::from(num) - 0.5));
            format!(
                r#"{{"type":"Linspace","axis":"x","start":{start:?},"stop":{stop:?},"num":{num}}}"#
            )
        };
        let (left, end) = (line(place, 1.0, num), place + f64::from(num));
        let right = line(end, 1.0 + off, next_num);
        let spec = format!(
            r#"{{"type":"Fly","spec":{{"type":"ConstantDuration","constant_duration":0.2,"spec":{{"type":"Concat","left":{left},"right":{right}}}}}}}"#
        );
        let stack = Stack::new(&spec.parse().expect("a spec")).expect("a stack");
        let rig = rig([AxisLimits { max_velocity: 20.0, ..LIMITS }]);
        let flown = rig.fly(&stack.pieces(0).collect::<Vec<_>>(), &format!("seed {seed}"));
        let stops = flown.marks.iter().filter(|mark| **mark == Mark::RowEnd).count();
        let windows = stack.windows(0).count();
        assert_eq!(stops, windows, "seed {seed}: {off}");
        joined += u32::from(windows == 1);
        apart += u32::from(stops == 2);
    }
    assert!(joined > 500 && apart > 300, "{joined} {apart}");
}

fn without_next(piece: &Piece) -> Path {
    let Path::Curved(curve) = &piece.path else { panic!("a curve") };
    Path::Curved(Curved { next_midpoint: None, ..curve.clone() })
}

#[test]
fn a_curve_with_a_fraction_of_a_microsecond_is_no_harder_when_it_is_resumed() {
    let mut entered = 0;
    for seed in 0..60 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let frames = random.random_range(3..60);
        let duration_s = random.random_range(2e-5..4e-4);
        let turns = random.random_range(0.02..0.2);
        let bend = |_, frame: f64| (TAU * turns * frame).sin();
        let whole = curve(0, frames, (1, duration_s), bend);
        let within = |max_acceleration: f64| {
            let wide = AxisLimits { low: -1e12, high: 1e12, max_velocity: 1e9, ..LIMITS };
            let rig = rig([AxisLimits { max_acceleration, ..wide }]);
            Rig { minimum: Duration::ZERO, ..rig }.planner()
        };
        // The least acceleration with which all of it is accepted.
        let (mut low, mut high) = (1.0_f64, 1e15_f64);
        for _ in 0..60 {
            let middle = (low * high).sqrt();
            match within(middle).check([whole.clone()]) {
                Ok(_) => high = middle,
                Err(_) => low = middle,
            }
        }
        for frame in 1..frames {
            let tail = split(&whole, frame).pop().expect("a tail");
            // The least of all is met up to the rounding of its numbers.
            let error = within(high * (1.0 + 1e-9)).check([Piece { gap: true, ..tail }]).err();
            assert_eq!(error.map(|error| error.to_string()), None, "seed {seed}, frame {frame}");
            entered += 1;
        }
    }
    assert!(entered > 500);
}

fn random_scan(random: &mut ChaCha8Rng) -> (Rig, Vec<Piece>) {
    let axes = random.random_range(0..=3_usize);
    let mut rig = rig([LIMITS, LIMITS, LIMITS]);
    rig.axes.truncate(axes);
    for (_, limits) in &mut rig.axes {
        *limits = AxisLimits {
            low: -1e4,
            high: 1e4,
            // Axes of one scan may differ by orders of magnitude.
            max_velocity: random.random_range(0.5..50.0),
            max_acceleration: 10_f64.powf(random.random_range(-0.3..3.0)),
            settle_s: [0.0, 0.013, 0.2][random.random_range(0..3)],
        };
    }
    let pick = |random: &mut ChaCha8Rng, of: [u64; 3]| {
        Duration::from_micros(of[random.random_range(0..3)])
    };
    rig.longest = pick(random, [4_095_000, 300_000, 50_001]);
    rig.interval = pick(random, [1, 50, 500]);
    rig.min_turnaround = pick(random, [0, 1_000, 123_456]);
    rig.modes = [
        (PointMode::Sparse, TriggerBits::None),
        (PointMode::Sparse, TriggerBits::RowGate),
        (PointMode::EveryPoint, TriggerBits::EveryPoint),
    ][random.random_range(0..3)];
    let mut pieces: Vec<Piece> = Vec::new();
    for _ in 0..random.random_range(1..12) {
        if axes > 0 && random.random_range(0..4) == 0 {
            let curve = random_curve(random, &rig, pieces.last());
            pieces.extend(curve);
        } else {
            let piece = random_piece(random, &rig, pieces.last());
            pieces.push(piece);
        }
    }
    (rig, pieces)
}

/// Sums of two waves, in one to three pieces, as fast as the axes can, or slower.
fn random_curve(random: &mut ChaCha8Rng, rig: &Rig, last: Option<&Piece>) -> Vec<Piece> {
    let frames = random.random_range(1..40_u64);
    let first_frame = last.map_or(0, |last| last.first_frame + last.frames);
    let waves: Vec<[f64; 5]> = rig
        .axes
        .iter()
        .map(|_| {
            let size = random.random_range(0.0..20.0);
            let turns = || 0.01..0.3;
            [
                size,
                random.random_range(turns()),
                random.random_range(0.0..TAU),
                size * random.random_range(0.0..0.3),
                random.random_range(turns()),
            ]
        })
        .collect();
    let place = |axis: usize, frame: f64| {
        let [size, turns, phase, small, often] = waves[axis];
        size * (phase + TAU * turns * frame).sin() + small * (TAU * often * frame).cos()
    };
    let whole = curve(first_frame, frames, (rig.axes.len(), 1.0), place);
    let shortest_s = rig.planner().shortest_frame_s(&whole).max(1e-3);
    let duration_s = shortest_s * [1.001, 1.5, 4.0][random.random_range(0..3)];
    // In even microseconds, or with fractions of one.
    let duration_s = if random.random_range(0..2) == 0 {
        (duration_s * 5e5).ceil() / 5e5
    } else {
        // A bound up to a tick off its time makes a segment that much harder.
        duration_s * 1.02
    };
    let at = random.random_range(0..=frames);
    split(&whole, at)
        .into_iter()
        .map(|piece| Piece {
            frame_duration_s: Some(duration_s),
            delay_before_s: if piece.gap { [0.0, 0.1][random.random_range(0..2)] } else { 0.0 },
            ..piece
        })
        .collect()
}

/// One curve as two pieces, or as one if either would be empty.
pub(super) fn split(whole: &Piece, at: u64) -> Vec<Piece> {
    let Path::Curved(all) = &whole.path else { panic!("a curve") };
    if at == 0 || at == whole.frames {
        return vec![whole.clone()];
    }
    let axes = whole.start.len();
    let part = |first: u64, last: u64| {
        let points: Vec<&[f64]> = all
            .by_axis(axes)
            .map(|points| &points[2 * first as usize..=2 * last as usize])
            .collect();
        let next =
            all.by_axis(axes).filter_map(|points| points.get(2 * last as usize + 1).copied());
        let next: Box<[f64]> = next.collect();
        Piece {
            first_frame: whole.first_frame + first,
            frames: last - first,
            gap: first == 0,
            start: points.iter().map(|points| points[0]).collect(),
            end: points.iter().map(|points| points[points.len() - 1]).collect(),
            path: Path::Curved(Curved {
                points: points.concat().into(),
                next_midpoint: (!next.is_empty()).then_some(next),
            }),
            ..whole.clone()
        }
    };
    vec![part(0, at), part(at, whole.frames)]
}

/// A piece within the velocities of the axes; often joined to or snaking back from the last.
fn random_piece(random: &mut ChaCha8Rng, rig: &Rig, last: Option<&Piece>) -> Piece {
    let frames = random.random_range(1..30);
    let duration_s = match random.random_range(0..3) {
        0 => 0.01,
        1 => f64::from(random.random_range(1_000..20_000_u32)) / 1e6,
        _ => random.random_range(0.001..0.2),
    };
    let step = random.random_range(0..4) == 0;
    let first_frame = last.map_or(0, |last| last.first_frame + last.frames);
    let mut start: Box<[f64]> = rig.axes.iter().map(|_| random.random_range(-50.0..50.0)).collect();
    if let Some(last) = last.filter(|_| random.random_range(0..3) > 0) {
        start.clone_from(&last.end);
    }
    let distance = |(limits, random): (&AxisLimits, f64)| {
        if step { 0.0 } else { limits.max_velocity * random * duration_s * frames as f64 }
    };
    let end = rig.axes.iter().zip(&start);
    let end = end.map(|((_, limits), start)| {
        let part = [0.0, 1.0, -1.0, random.random_range(-1.0..1.0)][random.random_range(0..4)];
        start + distance((limits, part * (1.0 - 1e-12)))
    });
    let end = end.collect();
    let piece = Piece {
        first_frame,
        frames,
        gap: last.is_none() || random.random_range(0..2) == 0,
        delay_before_s: 0.0,
        frame_duration_s: (random.random_range(0..5) > 0).then_some(duration_s),
        end,
        start,
        path: Path::Straight,
    };
    match last.filter(|_| random.random_range(0..3) == 0) {
        // Straight on, or straight back.
        Some(last) if random.random_range(0..2) == 0 => Piece {
            gap: false,
            frame_duration_s: last.frame_duration_s,
            frames: last.frames,
            start: last.end.clone(),
            end: last.end.iter().zip(&last.start).map(|(end, start)| end + (end - start)).collect(),
            ..piece
        },
        Some(last) => Piece {
            gap: true,
            frame_duration_s: last.frame_duration_s,
            frames: last.frames,
            start: last.end.clone(),
            end: last.start.clone(),
            ..piece
        },
        None => piece,
    }
}

//! What is refused, and in which words.
use super::{LIMITS, curves::curve, lasting, piece, rig};
use crate::{
    scan::Piece,
    trajectory::{AxisLimits, integrator::Rig},
};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use std::time::Duration;

#[test]
fn run_up_and_run_down_may_touch_a_limit_but_not_pass_it() {
    let within = |low, high| AxisLimits { low, high, ..LIMITS };
    let line = || [piece(0, 10, &[0.0], &[5.0])];
    rig([within(-0.625, 5.625)]).fly(&line(), "touching");
    let refused = |low, high, text| refused(&rig([within(low, high)]), &line(), text);
    refused(-0.624, 6.0, "frame 0, axis x: run-up from -0.625 is below the low limit -0.624");
    refused(-1.0, 5.624, "frame 9, axis x: run-down to 5.625 is above the high limit 5.624");
    let snake = [piece(0, 10, &[0.0], &[5.0]), piece(10, 10, &[5.0], &[0.0])];
    rig([within(-0.625, 5.625)]).fly(&snake, "touching twice");
}

#[test]
fn a_scan_that_cannot_be_entered_at_any_row_is_refused() {
    // To their 10 mm/s x needs 10 ms and y 1 s: x comes from 0.05 mm before a row, also the first.
    let fast = |high| AxisLimits { low: -1.0, high, max_acceleration: 1_000.0, ..LIMITS };
    let slow = AxisLimits { max_acceleration: 10.0, ..LIMITS };
    let rows =
        [piece(0, 10, &[0.0, 0.0], &[10.0, 10.0]), piece(10, 10, &[10.0, 10.0], &[0.0, 0.0])];
    // At the end both come to rest in 1 s.
    let there_and_back = [rows.clone(), rows].concat();
    let narrow = rig([AxisLimits { low: -5.0, ..fast(10.1) }, slow]);
    narrow.fly(&there_and_back, "all");
    for first in 0..4 {
        let flown = narrow.fly(&there_and_back[first..], "a tail");
        assert_eq!(flown.start[0], if first % 2 == 0 { -0.05 } else { 10.05 });
    }
    // A curve leads into a line; who enters there settles on the way from -4.4 mm.
    let settling = |low| AxisLimits { low, settle_s: 2.0, ..LIMITS };
    let rows = [
        curve(0, 2, (1, 1.0), |_, frame| frame * frame),
        Piece { gap: false, ..piece(2, 10, &[4.0], &[8.0]) },
    ];
    rig([settling(-4.4)]).fly(&rows, "a line after a curve");
    let text = "frame 2, axis x: run-up from -4.4 is below the low limit -4.3";
    refused(&rig([settling(-4.3)]), &rows, text);
}

#[test]
fn a_curve_that_cannot_be_entered_at_any_frame_is_refused() {
    // Between rest at 0 and rest at 10 mm, at 6.3 mm/s halfway. Whoever enters at some velocity
    // settles for 0.2 s before, which near the ends begins beyond them.
    let wave = |_, frame: f64| 5.0 - 5.0 * (frame / 50.0 * std::f64::consts::PI).cos();
    let bend = [curve(0, 100, (1, 0.05), wave)];
    let limits = |low, high| AxisLimits { low, high, settle_s: 0.2, ..LIMITS };
    let free = rig([limits(-100.0, 100.0)]);
    let start = |frame: u64| {
        let mut tail = super::random::split(&bend[0], frame).pop().expect("a tail");
        tail.gap = true;
        free.fly(&[tail], "a tail").start[0]
    };
    let starts: Vec<f64> = (0..100).map(start).collect();
    let lowest = starts.iter().copied().fold(f64::INFINITY, f64::min);
    let highest = starts.iter().copied().fold(0.0, f64::max);
    assert!(lowest < -1e-3 && highest > 10.0 + 1e-3, "{lowest} {highest}");
    rig([limits(lowest, highest)]).fly(&bend, "just wide enough");
    let check = |low, high| {
        let error = rig([limits(low, high)]).planner().check(bend.clone()).expect_err("narrow");
        error.to_string()
    };
    let error = check(lowest + 1e-4, highest);
    let at = starts.iter().position(|&start| start < lowest + 1e-4).expect("a frame");
    assert!(error.starts_with(&format!("frame {at}, axis x: run-up from -")), "{error}");
    let error = check(lowest, highest - 1e-4);
    assert!(error.contains("axis x: run-up from 10."), "{error}");
}

#[test]
fn nonsense_is_refused_or_flown_but_never_a_panic() {
    const VALUES: [f64; 12] =
        [0.0, -0.0, 1.0, -1.0, 1e-9, 1e9, 1e-300, 1e300, f64::MAX, f64::NAN, f64::INFINITY, 5.0];
    for seed in 0..10_000 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut any = || VALUES[random.random_range(0..VALUES.len())];
        let limits = AxisLimits {
            low: -any(),
            high: any(),
            max_velocity: any(),
            max_acceleration: any(),
            settle_s: any(),
        };
        let line = lasting(any(), piece(0, 3, &[any()], &[any()]));
        let frame_duration_s = Some(any()).filter(|&duration| duration != 5.0);
        let long = Piece { frame_duration_s, ..piece(3, 1_000_000, &[any()], &[any()]) };
        let places = [0; 7].map(|_| any());
        let bend = |_, frame: f64| places[(2.0 * frame) as usize];
        let bend = curve(1_000_003, 3, (1, any()), bend);
        let frame_duration_s = bend.frame_duration_s.filter(|&duration| duration != 5.0);
        let bend = Piece { frame_duration_s, delay_before_s: any(), ..bend };
        let pieces = if seed % 2 == 0 { vec![line, long] } else { vec![bend, line] };
        let planner = rig([limits]).planner();
        if planner.check(pieces.clone()).is_ok() {
            assert!(!planner.plan(pieces).next_batch(100).is_empty(), "seed {seed}");
        }
    }
}

#[test]
fn motion_that_takes_days_is_refused() {
    let check = |limits, pieces: &[Piece], text| refused(&rig([limits]), pieces, text);
    let line = || [piece(7, 10, &[0.0], &[5.0])];
    let points = || [piece(0, 1, &[0.0], &[0.0]), piece(1, 1, &[90.0], &[90.0])];
    let weak = AxisLimits { max_acceleration: 1e-300, ..LIMITS };
    check(weak, &line(), "frame 7: motion to or from it takes 100000 s or longer");
    let slow = AxisLimits { max_velocity: 1e-300, ..LIMITS };
    check(slow, &points(), "frame 1: motion to or from it takes 100000 s or longer");
}

#[test]
fn what_is_on_a_limit_up_to_rounding_is_within() {
    let up_to = |high| rig([AxisLimits { high, ..LIMITS }]).planner();
    let sum = 0.1 + 0.2;
    assert!(sum > 0.3);
    assert!(up_to(0.3).check([piece(0, 1, &[sum], &[sum])]).is_ok());
    // The upper bound of frame 4 is so little above the limit that frame 5 is the first beyond it.
    let line = piece(0, 10, &[99.0 + 1e-7], &[101.0 + 1e-7]);
    let error = up_to(100.0).check([line]).expect_err("beyond");
    assert!(error.to_string().starts_with("frame 5, axis x: position 100.2"), "{error}");
}

fn refused(rig: &Rig, pieces: &[Piece], text: &str) {
    let error = rig.planner().check(pieces.iter().cloned()).expect_err(text);
    assert_eq!(error.to_string(), text);
}

#[test]
fn what_cannot_be_flown_is_refused_before_motion() {
    let one = rig([LIMITS]);
    let line = |start: f64, end: f64| [piece(0, 10, &[start], &[end])];
    let check = |pieces: &[Piece], text| refused(&one, pieces, text);
    check(&line(-101.0, 0.0), "frame 0, axis x: position -101 is below the low limit -100");
    check(&line(96.0, 101.0), "frame 8, axis x: position 100.5 is above the high limit 100");
    check(&line(99.0, 101.0), "frame 5, axis x: position 100.2 is above the high limit 100");
    check(&line(-95.0, -105.0), "frame 5, axis x: position -101 is below the low limit -100");
    check(&line(f64::NAN, 0.0), "frame 0, axis x: position NaN must be finite");
    check(&line(0.0, f64::INFINITY), "frame 9, axis x: position inf must be finite");
    check(&line(0.0, -10.5), "frame 0, axis x: velocity 10.5 is above the maximum 10");
    check(&[piece(3, 1, &[], &[])], "frame 3: 0 positions for 1 axes");
}

#[test]
fn durations_that_cannot_be_taken_are_refused() {
    let mut two = rig([LIMITS]);
    two.minimum = Duration::from_millis(20);
    let point = |duration| [lasting(duration, piece(4, 1, &[0.0], &[0.0]))];
    refused(
        &two,
        &point(0.01),
        "frame 4: duration 0.01 s is shorter than 0.02 s, exposure and dead time",
    );
    refused(&two, &point(0.0), "frame 4: duration 0 s must be positive and finite");
    refused(&two, &point(-1.0), "frame 4: duration -1 s must be positive and finite");
    refused(&two, &point(f64::NAN), "frame 4: duration NaN s must be positive and finite");
    refused(&two, &point(1e5), "frame 4: duration 100000 s must be below 100000 s");
    refused(&two, &point(1e6), "frame 4: duration 1000000 s must be below 100000 s");
    two.minimum = Duration::ZERO;
    refused(
        &two,
        &point(1e-7),
        "frame 4: duration 0.0000001 s is shorter than 0.000001 s, the controller's tick",
    );
    two.minimum = Duration::from_millis(20);
    two.fly(&point(0.02), "just long enough");
    // Detectors count nanoseconds.
    two.minimum = Duration::from_secs(2);
    two.fly(&point(2.0 - 4e-10), "long enough to the nanosecond");
    refused(
        &two,
        &point(1.999_999_999),
        "frame 4: duration 1.999999999 s is shorter than 2 s, exposure and dead time",
    );
}

#[test]
fn limits_that_mean_nothing_are_refused() {
    let check = |limits, text| refused(&rig([limits]), &[], text);
    check(
        AxisLimits { max_velocity: 0.0, ..LIMITS },
        "axis x: max_velocity 0 must be positive and finite",
    );
    check(
        AxisLimits { max_acceleration: f64::NAN, ..LIMITS },
        "axis x: max_acceleration NaN must be positive and finite",
    );
    check(
        AxisLimits { settle_s: -1.0, ..LIMITS },
        "axis x: settle_s -1 must be zero or positive, and below 100000",
    );
    check(AxisLimits { low: 101.0, ..LIMITS }, "axis x: low 101 must be at most high, 100");
    check(AxisLimits { high: f64::NAN, ..LIMITS }, "axis x: high NaN must be a number");
    check(AxisLimits { low: f64::NAN, ..LIMITS }, "axis x: low NaN must be a number");
}

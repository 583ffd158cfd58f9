//! Curves are flown through.
use super::{LIMITS, lasting, piece, random::split, rig};
use crate::{
    scan::{Curved, Path, Piece},
    trajectory::{AxisLimits, Mark, integrator::Rig},
};
use std::f64::consts::TAU;

/// A curve of `frames` of a duration after a gap, through `place(axis, frame)`.
pub(super) fn curve(
    first_frame: u64,
    frames: u64,
    (axes, duration_s): (usize, f64),
    place: impl Fn(usize, f64) -> f64,
) -> Piece {
    let bound = |frame: u64| (0..axes).map(|axis| place(axis, frame as f64)).collect();
    let points = (0..axes)
        .flat_map(|axis| (0..=2 * frames).map(move |half| (axis, half as f64 / 2.0)))
        .map(|(axis, frame)| place(axis, frame));
    Piece {
        frame_duration_s: Some(duration_s),
        start: bound(0),
        end: bound(frames),
        path: Path::Curved(Curved { points: points.collect(), next_midpoint: None }),
        ..piece(first_frame, frames, &[], &[])
    }
}

/// 0, 1, 4, 9, ... mm at the bounds of frames of 1 s.
fn parabola(frames: u64) -> Piece {
    curve(0, frames, (1, 1.0), |_, frame| frame * frame)
}

#[test]
fn a_parabola_is_flown_as_it_is() {
    // From 0 to 4 mm with 2 mm/s^2: at rest first, at 4 mm/s last, and nothing is rounded.
    let flown = rig([LIMITS]).fly(&[parabola(2)], "parabola");
    let points: Vec<_> = flown
        .segments
        .iter()
        .map(|one| {
            (one.duration_us, one.frames, one.frame_goes_on, one.positions[0], one.velocities[0])
        })
        .collect();
    assert_eq!(
        points,
        [
            (500_000, 1, true, 0.25, 1.0),
            (500_000, 0, false, 1.0, 2.0),
            (500_000, 1, true, 2.25, 3.0),
            (500_000, 0, false, 4.0, 4.0),
            // 4 mm/s at 20 mm/s^2.
            (200_000, 0, false, 4.4, 0.0),
        ]
    );
    assert_eq!(
        flown.marks,
        [Mark::Midpoint, Mark::FrameEnd, Mark::Midpoint, Mark::RowEnd, Mark::RunDown]
    );
}

#[test]
fn the_ends_of_a_curve_have_the_velocity_of_a_parabola() {
    // 0, 1, 8 at half seconds: of 8 t^3, of which the parabola is 12 t^2 - 4 t.
    let cubic = curve(0, 1, (1, 1.0), |_, frame| 8.0 * frame * frame * frame);
    let wide = AxisLimits { max_velocity: 100.0, max_acceleration: 100.0, ..LIMITS };
    let flown = rig([wide]).fly(&[cubic], "cubic");
    // From rest to -4 mm/s, and from 20 mm/s to rest, at 100 mm/s^2.
    assert_eq!(&*flown.start, [0.08]);
    let velocities: Vec<_> = flown.segments.iter().map(|one| one.velocities[0]).collect();
    assert_eq!(velocities, [-4.0, 8.0, 20.0, 0.0]);
}

fn circle(frames: u64, radius: f64, duration_s: f64) -> Piece {
    let turn = TAU / frames as f64;
    curve(0, frames, (2, duration_s), |axis, frame| {
        let angle = frame * turn;
        radius * if axis == 0 { angle.cos() } else { angle.sin() }
    })
}

#[test]
fn a_circle_is_flown_without_stopping() {
    // 2 pi * 10 mm in 10 s, which is 6.3 mm/s and 3.9 mm/s^2 towards the middle.
    let flown = rig([LIMITS, LIMITS]).fly(&[circle(100, 10.0, 0.1)], "circle");
    let speed = |velocities: &[f64]| velocities[0].hypot(velocities[1]);
    for segment in &flown.segments[2..200] {
        let speed = speed(&segment.velocities);
        assert!((speed - TAU).abs() < 0.01, "{speed}");
    }
    // Two points for each frame, two of the run-up as x hardly moves at first, and the run-down.
    assert_eq!(flown.segments.len(), 203);
}

#[test]
fn pieces_of_a_curve_are_one_curve() {
    let [mut first, mut second] =
        <[Piece; 2]>::try_from(split(&parabola(2), 1)).expect("two pieces");
    let whole = rig([LIMITS]).fly(&[parabola(2)], "whole");
    let split = rig([LIMITS]).fly(&[first.clone(), second.clone()], "split");
    assert_eq!((split.segments, split.marks), (whole.segments, whole.marks));
    // Of different durations: from 0.25 mm to 2.25 mm in half of 1 s and half of 2 s.
    second.frame_duration_s = Some(2.0);
    let flown = rig([LIMITS]).fly(&[first.clone(), second.clone()], "slower");
    assert_eq!(flown.segments[1].velocities[0], 2.0 / 1.5);
    // Without the other piece each is a curve of its own.
    first.path = match first.path {
        Path::Curved(curve) => Path::Curved(Curved { next_midpoint: None, ..curve }),
        Path::Straight => panic!("a curve"),
    };
    let flown = rig([LIMITS]).fly(&[first, second], "apart");
    assert_eq!(flown.marks[1], Mark::RowEnd);
}

fn refused(rig: &Rig, piece: Piece, text: &str) {
    let error = rig.planner().check([piece]).expect_err(text);
    assert_eq!(error.to_string(), text);
}

#[test]
fn a_curve_that_is_too_hard_says_which_duration_would_do() {
    // 2 mm / s^2 in frames of 1 s, 32 mm / s^2 in frames of 0.25 s.
    let fast = lasting(0.25, parabola(1));
    let text = "frame 0, axis x: acceleration 32 on the curve is above the maximum 20: frames of \
                0.316228 s would do";
    refused(&rig([LIMITS]), fast, text);
    rig([LIMITS]).fly(&[lasting(0.316_228, parabola(1))], "just slow enough");
    let slow = AxisLimits { max_velocity: 3.0, ..LIMITS };
    let text = "frame 1, axis x: velocity 4 is above the maximum 3";
    refused(&rig([slow]), parabola(2), text);
}

#[test]
fn a_curve_is_checked_between_its_points() {
    // Through 0, 3, 0 mm at 0, 0.5 and 1 s: 12 mm/s at the ends, and 3 mm is the farthest.
    let hat = |high| {
        let hat = curve(0, 1, (1, 1.0), |_, frame| if frame == 0.5 { 3.0 } else { 0.0 });
        (rig([AxisLimits { high, max_velocity: 12.0, max_acceleration: 24.0, ..LIMITS }]), hat)
    };
    let (wide, piece) = hat(3.0);
    wide.fly(&[piece], "touching");
    // Midpoints at 1 and 3 mm, with a bound at 4 mm between them, which the axis passes at 2 mm/s
    // and with -32 mm/s^2, 48 mm/s^3: it turns back after (32 - sqrt(640)) / 96 s at 4.0671 mm.
    let places = [0.0, 1.0, 4.0, 3.0, 2.0];
    let bend = curve(0, 2, (1, 1.0), |_, frame| places[(2.0 * frame) as usize]);
    let limits = AxisLimits { high: 4.05, max_velocity: 100.0, max_acceleration: 100.0, ..LIMITS };
    let error = rig([limits]).planner().check([bend]).expect_err("beyond 4.05 mm");
    let text = error.to_string();
    assert!(text.starts_with("frame 1, axis x: position 4.0670"), "{text}");
    assert!(text.ends_with("is above the high limit 4.05"), "{text}");
}

#[test]
fn a_curve_with_points_missing_is_refused() {
    let mut short = parabola(2);
    short.frames = 3;
    refused(&rig([LIMITS]), short, "frame 0: 5 points of a curve instead of 7");
    let mut holed = parabola(2);
    if let Path::Curved(curve) = &mut holed.path {
        curve.points[3] = f64::NAN;
    }
    refused(&rig([LIMITS]), holed, "frame 1, axis x: position NaN must be finite");
}

#[test]
fn a_curve_whose_duration_is_left_open_is_as_fast_as_it_can_be() {
    let open = Piece { frame_duration_s: None, ..parabola(1) };
    // 2 mm/s^2 in a frame of 1 s: 20 mm/s^2 in one of sqrt(0.1) s.
    let flown = rig([LIMITS]).fly(&[open], "open");
    let frame: u64 = flown.segments[..2].iter().map(|one| one.duration_us).sum();
    assert_eq!(frame, 316_228);
}

#[test]
fn a_line_that_a_curve_leads_into_is_reached_without_a_turn() {
    // The parabola ends at 4 mm with 4 mm/s.
    let on = Piece { gap: false, ..piece(2, 10, &[4.0], &[8.0]) };
    let flown = rig([LIMITS]).fly(&[parabola(2), on.clone()], "met");
    assert_eq!(flown.marks[3], Mark::Join);
    assert_eq!(flown.segments.len(), 6);
    let slower = lasting(0.2, on);
    let flown = rig([LIMITS]).fly(&[parabola(2), slower], "not met");
    assert_eq!(flown.marks[3], Mark::RowEnd);
}

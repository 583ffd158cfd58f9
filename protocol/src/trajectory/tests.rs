use super::{
    AxisLimits, Planner, PointMode, Segment, TriggerBits,
    integrator::{Flown, Rig},
};
use crate::{
    name::Name,
    scan::{Path, Piece},
};
use std::time::Duration;

mod curves;
mod random;
mod refusals;
mod turns;

const LIMITS: AxisLimits = AxisLimits {
    low: -100.0,
    high: 100.0,
    max_velocity: 10.0,
    max_acceleration: 20.0,
    settle_s: 0.0,
};

fn rig<const N: usize>(limits: [AxisLimits; N]) -> Rig {
    let names = ["x", "y", "z"];
    let name = |text: &str| text.parse::<Name>().expect("a name");
    Rig {
        axes: names.iter().zip(limits).map(|(text, limits)| (name(text), limits)).collect(),
        minimum: Duration::from_millis(1),
        longest: super::MAX_SEGMENT,
        interval: Duration::from_micros(1),
        min_turnaround: Duration::ZERO,
        modes: (PointMode::Sparse, TriggerBits::None),
    }
}

/// A piece of `frames` of 0.1 s after a gap.
fn piece(first_frame: u64, frames: u64, start: &[f64], end: &[f64]) -> Piece {
    Piece {
        first_frame,
        frames,
        gap: true,
        delay_before_s: 0.0,
        frame_duration_s: Some(0.1),
        start: start.into(),
        end: end.into(),
        path: Path::Straight,
    }
}

fn joined(piece: Piece) -> Piece {
    Piece { gap: false, ..piece }
}

fn lasting(duration_s: f64, piece: Piece) -> Piece {
    Piece { frame_duration_s: Some(duration_s), ..piece }
}

fn segment(duration_us: u64, frames: u64, positions: &[f64], velocities: &[f64]) -> Segment {
    Segment {
        duration_us,
        frames,
        frame_goes_on: false,
        positions: positions.into(),
        velocities: velocities.into(),
    }
}

/// Flies the pieces and compares every segment.
fn check(rig: &Rig, pieces: &[Piece], start: &[f64], segments: &[Segment]) {
    let flown = rig.fly(pieces, "");
    assert_eq!(&*flown.start, start);
    assert_eq!(flown.segments, segments);
}

#[test]
fn a_line_runs_up_flies_and_runs_down() {
    let line = piece(0, 10, &[0.0], &[5.0]);
    check(
        &rig([LIMITS]),
        &[line],
        &[-0.625],
        &[
            segment(250_000, 0, &[0.0], &[5.0]),
            segment(1_000_000, 10, &[5.0], &[5.0]),
            segment(250_000, 0, &[5.625], &[0.0]),
        ],
    );
}

#[test]
fn a_snake_turns_back_without_waiting() {
    let rows = [piece(0, 10, &[0.0], &[5.0]), piece(10, 10, &[5.0], &[0.0])];
    check(
        &rig([LIMITS]),
        &rows,
        &[-0.625],
        &[
            segment(250_000, 0, &[0.0], &[5.0]),
            segment(1_000_000, 10, &[5.0], &[5.0]),
            segment(250_000, 0, &[5.625], &[0.0]),
            segment(250_000, 0, &[5.0], &[-5.0]),
            segment(1_000_000, 10, &[0.0], &[-5.0]),
            segment(250_000, 0, &[-0.625], &[0.0]),
        ],
    );
}

#[test]
fn a_snaked_grid_steps_its_slow_axis_while_the_fast_one_turns() {
    let rows = [piece(0, 10, &[1.0, 0.0], &[1.0, 5.0]), piece(10, 10, &[2.0, 5.0], &[2.0, 0.0])];
    let flown = rig([LIMITS, LIMITS]).fly(&rows, "grid");
    // 1 mm at 20 mm/s^2 takes 447 ms, so the slow axis fits into the 500 ms of the fast one.
    assert_eq!(flown.prediction.duration, Duration::from_secs(3));
    // A hundred times slower it does not: the fast axis waits where it has come to rest.
    let slow = AxisLimits { max_acceleration: 0.2, ..LIMITS };
    let flown = rig([slow, LIMITS]).fly(&rows, "slow grid");
    assert_eq!(flown.prediction.duration, Duration::from_micros(2_500_000 + 2 * 2_236_068));
}

#[test]
fn a_raster_flies_back() {
    let rows = [piece(0, 10, &[0.0], &[5.0]), piece(10, 10, &[0.0], &[5.0])];
    let flown = rig([LIMITS]).fly(&rows, "raster");
    // 6.25 mm from rest to rest: half a second to 10 mm/s and half a second from it, 125 ms at it.
    assert_eq!(flown.prediction.duration, Duration::from_millis(2_500 + 500 + 1_125));
}

#[test]
fn neighbours_of_one_velocity_are_joined_and_others_are_not() {
    let line = |second| [piece(0, 10, &[0.0], &[5.0]), joined(piece(10, 5, &[5.0], &[second]))];
    let segments = |second| rig([LIMITS]).fly(&line(second), "join").segments.len();
    assert_eq!(segments(7.5), 4);
    assert!(segments(7.4) > 4);
    assert_eq!(rig([LIMITS]).fly(&frame_by_frame(100, 1e-4), "far").segments.len(), 102);
    // A gap of no length takes no time, unless it should.
    let gap = [piece(0, 10, &[0.0], &[5.0]), piece(10, 5, &[5.0], &[7.5])];
    assert_eq!(rig([LIMITS]).fly(&gap, "no length").segments.len(), 4);
    let mut late = gap.clone();
    late[1].delay_before_s = 1e-3;
    // To be at the same place at the same velocity again it has to go back: to -5 mm/s and up again.
    let flown = rig([LIMITS]).fly(&late, "a delay");
    assert_eq!(flown.prediction.duration, Duration::from_secs(2 + 1));
}

/// A straight line as a curve would be given, far from zero.
fn frame_by_frame(frames: u64, step: f64) -> Vec<Piece> {
    let bound = |index: u64| 90.0 + index as f64 * step;
    let frame = |index| piece(index, 1, &[bound(index)], &[bound(index + 1)]);
    (0..frames).map(|index| Piece { gap: index == 0, ..frame(index) }).collect()
}

#[test]
fn axes_of_different_acceleration_reach_the_row_together() {
    let slow = AxisLimits { max_acceleration: 5.0, ..LIMITS };
    let row = piece(0, 10, &[0.0, 0.0], &[5.0, 2.0]);
    // 2 mm/s at 5 mm/s^2 take 400 ms, of which x needs the last 250 only. Both come to rest in 400 ms.
    check(
        &rig([LIMITS, slow]),
        &[row],
        &[-0.625, -0.4],
        &[
            segment(150_000, 0, &[-0.625, -0.34375], &[0.0, 0.75]),
            segment(250_000, 0, &[0.0, 0.0], &[5.0, 2.0]),
            segment(1_000_000, 10, &[5.0, 2.0], &[5.0, 2.0]),
            segment(400_000, 0, &[6.0, 2.4], &[0.0, 0.0]),
        ],
    );
}

#[test]
fn a_step_scan_moves_settles_and_dwells() {
    let settling = |settle_s| AxisLimits { settle_s, ..LIMITS };
    let points = [piece(0, 1, &[1.0, 0.0], &[1.0, 0.0]), piece(1, 3, &[1.0, 5.0], &[1.0, 5.0])];
    check(
        &rig([settling(0.5), settling(0.02)]),
        &points,
        &[1.0, 0.0],
        &[
            segment(500_000, 0, &[1.0, 0.0], &[0.0, 0.0]),
            segment(100_000, 1, &[1.0, 0.0], &[0.0, 0.0]),
            segment(500_000, 0, &[1.0, 2.5], &[0.0, 10.0]),
            segment(500_000, 0, &[1.0, 5.0], &[0.0, 0.0]),
            segment(20_000, 0, &[1.0, 5.0], &[0.0, 0.0]),
            segment(300_000, 3, &[1.0, 5.0], &[0.0, 0.0]),
        ],
    );
}

#[test]
fn an_axis_that_flew_settles_before_a_step_at_its_upper_bound() {
    let settling = AxisLimits { settle_s: 0.3, ..LIMITS };
    let pieces = [piece(0, 10, &[0.0], &[5.0]), piece(10, 1, &[5.0], &[5.0])];
    let flown = rig([settling]).fly(&pieces, "settle after a row");
    let settled = &flown.segments[flown.segments.len() - 2];
    assert_eq!(settled, &segment(300_000, 0, &[5.0], &[0.0]));
}

#[test]
fn points_at_one_place_follow_at_once() {
    let point = |first| piece(first, 2, &[3.0], &[3.0]);
    let rig = rig([AxisLimits { settle_s: 0.0, ..LIMITS }]);
    check(
        &rig,
        &[point(0), point(2)],
        &[3.0],
        &[segment(200_000, 2, &[3.0], &[0.0]), segment(200_000, 2, &[3.0], &[0.0])],
    );
}

#[test]
fn rows_of_one_frame() {
    let rows: Vec<_> = (0..5_u8)
        .map(|y| piece(u64::from(y), 1, &[f64::from(y), -0.25], &[f64::from(y), 0.25]))
        .collect();
    assert_eq!(rig([LIMITS, LIMITS]).fly(&rows, "rows of one").prediction.frames, 5);
}

#[test]
fn without_axes_only_time_passes() {
    let pieces = [piece(0, 50, &[], &[]), piece(50, 1, &[], &[])];
    check(
        &rig([]),
        &pieces,
        &[],
        &[
            segment(2_500_000, 25, &[], &[]),
            segment(2_500_000, 25, &[], &[]),
            segment(100_000, 1, &[], &[]),
        ],
    );
}

#[test]
fn without_frames_nothing_happens() {
    check(&rig([LIMITS]), &[], &[], &[]);
    check(&rig([LIMITS]), &[piece(0, 0, &[1.0], &[1.0])], &[], &[]);
}

#[test]
fn a_duration_that_is_left_open_is_the_shortest_allowed() {
    let open = |end: f64| Piece { frame_duration_s: None, ..piece(0, 10, &[0.0], &[end]) };
    let duration = |end| rig([LIMITS]).fly(&[open(end)], "open").segments;
    assert_eq!(duration(5.0)[1], segment(500_000, 10, &[5.0], &[10.0]));
    assert_eq!(duration(0.01)[1], segment(10_000, 10, &[0.01], &[1.0]));
    let third = &duration(1.0 / 3.0)[1];
    assert_eq!((third.duration_us, third.frames), (33_340, 10));
    let none = Planner::new(&[], Duration::ZERO);
    let prediction = none.check([Piece { frame_duration_s: None, ..piece(0, 7, &[], &[]) }]);
    assert_eq!(prediction.expect("valid").duration, Duration::from_micros(7));
}

#[test]
fn a_frame_that_is_too_long_for_a_segment_is_announced_once() {
    let long = lasting(10.0, piece(0, 2, &[0.0], &[6.0]));
    let flown = rig([LIMITS]).fly(&[long], "long");
    let row: Vec<_> =
        flown.segments[1..7].iter().map(|one| (one.duration_us, one.frames)).collect();
    let frame = [(3_333_333, 1), (3_333_334, 0), (3_333_333, 0)];
    assert_eq!(row, [frame, frame].concat());
    let exact = lasting(4.095, piece(0, 2, &[0.0], &[6.0]));
    assert_eq!(rig([LIMITS]).fly(&[exact], "exact").segments[1].duration_us, 4_095_000);
}

#[test]
fn a_segment_has_at_least_one_tick() {
    let planner = Planner::new(&[], Duration::ZERO).with_max_segment(Duration::ZERO);
    let mut trajectory = planner.plan([lasting(3e-6, piece(0, 1, &[], &[]))]);
    let open = |frames| Segment { frame_goes_on: true, ..segment(1, frames, &[], &[]) };
    let segments: Vec<_> = trajectory.next_batch(9).segments().collect();
    assert_eq!(segments, [open(1), open(0), segment(1, 0, &[], &[])]);
}

#[test]
fn slow_ramps_are_split_too() {
    let weak = AxisLimits { max_acceleration: 0.5, ..LIMITS };
    let flown = rig([weak]).fly(&[piece(0, 10, &[0.0], &[5.0])], "weak");
    assert_eq!(flown.segments.len(), 3 + 1 + 3);
}

#[test]
fn the_fraction_of_a_microsecond_is_carried() {
    let row = |first, from: f64, to: f64| lasting(1.0 / 30.0, piece(first, 100, &[from], &[to]));
    let rows: Vec<_> =
        (0..51)
            .map(|index| {
                if index % 2 == 0 { row(index * 100, 0.0, 5.0) } else { row(index * 100, 5.0, 0.0) }
            })
            .collect();
    let flown = rig([LIMITS]).fly(&rows, "fraction");
    let taking = |flown: &Flown| -> u64 {
        let rows = flown.segments.iter().filter(|segment| segment.frames > 0);
        rows.map(|segment| segment.duration_us).sum()
    };
    assert_eq!(taking(&flown), 170_000_000);
    let one = rig([LIMITS]).fly(&rows[..1], "one row");
    assert_eq!(taking(&one), 3_333_333);
}

#[test]
fn any_tail_can_be_flown() {
    let rows = [piece(0, 10, &[1.0, 0.0], &[1.0, 5.0]), piece(10, 10, &[2.0, 5.0], &[2.0, 0.0])];
    let rig = rig([LIMITS, LIMITS]);
    let tail = piece(14, 6, &[2.0, 3.0], &[2.0, 0.0]);
    let flown = rig.fly(&[tail], "tail");
    assert_eq!(&*flown.start, [2.0, 3.625]);
    assert_eq!(rig.fly(&rows[1..], "row").prediction.frames, 10);
}

#[test]
fn a_million_frames_are_planned_a_batch_at_a_time() {
    let pieces = (0..1_000_000_u64).map(|frame| {
        let place = frame as f64 * 1e-5;
        piece(frame, 1, &[place], &[place])
    });
    let planner = rig([LIMITS]).planner();
    let mut trajectory = planner.plan(pieces);
    assert_eq!(trajectory.next_batch(3).len(), 3);
}

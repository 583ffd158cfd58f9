//! Motion between rows.
use super::{LIMITS, piece, rig, segment};
use crate::{
    scan::Piece,
    trajectory::{
        AxisLimits, Batch, BitsBefore, Mark, PmacWriter, PointMode, TriggerBits, VelocityMode,
    },
};
use std::time::Duration;

#[test]
fn a_hole_in_a_row_is_passed_without_braking() {
    // 5 mm at 5 mm/s and on: to 10 mm/s in 250 ms (1.875 mm), 125 ms there, and back.
    let rows = [piece(0, 10, &[0.0], &[5.0]), piece(10, 10, &[10.0], &[15.0])];
    let flown = rig([LIMITS]).fly(&rows, "a hole");
    assert_eq!(
        flown.segments[2..5],
        [
            segment(250_000, 0, &[6.875], &[10.0]),
            segment(125_000, 0, &[8.125], &[10.0]),
            segment(250_000, 0, &[10.0], &[5.0]),
        ]
    );
    // In the time that it takes at 5 mm/s it does not even change its velocity.
    let mut late = rows;
    late[1].delay_before_s = 1.0;
    let flown = rig([LIMITS]).fly(&late, "a hole, slowly");
    assert_eq!(flown.segments[2..3], [segment(1_000_000, 0, &[10.0], &[5.0])]);
}

#[test]
fn all_axes_take_the_time_of_the_slowest() {
    let slow = AxisLimits { max_acceleration: 1.0, ..LIMITS };
    let rows = [piece(0, 10, &[0.0, 0.0], &[0.0, 5.0]), piece(10, 10, &[1.0, 5.0], &[1.0, 0.0])];
    // x takes 2 s for its 1 mm. y brakes in 250 ms, waits where it is, and runs up in 250 ms.
    let flown = rig([slow, LIMITS]).fly(&rows, "slow x");
    assert_eq!(
        flown.segments[2..6],
        [
            segment(250_000, 0, &[0.03125, 5.625], &[0.25, 0.0]),
            segment(750_000, 0, &[0.5, 5.625], &[1.0, 0.0]),
            segment(750_000, 0, &[1.0 - 0.03125, 5.625], &[0.25, 0.0]),
            segment(250_000, 0, &[1.0, 5.0], &[0.0, -5.0]),
        ]
    );
}

#[test]
fn an_axis_that_cannot_wait_goes_back_in_time() {
    // x goes on through a hole that takes it 0.25 s; y needs 1 s for its turn. In 1 s x cannot be
    // slow enough: it has to go back.
    let weak = AxisLimits { max_acceleration: 10.0, ..LIMITS };
    let rows = [piece(0, 10, &[0.0, 0.0], &[5.0, 5.0]), piece(10, 10, &[6.0, 5.0], &[11.0, 0.0])];
    let flown = rig([LIMITS, weak]).fly(&rows, "back");
    assert!(flown.segments.iter().any(|one| one.velocities[0] < 0.0));
}

#[test]
fn settle_times_of_axes_differ() {
    let settling = |settle_s| AxisLimits { settle_s, ..LIMITS };
    let rows = [piece(0, 10, &[0.0, 0.0], &[0.0, 5.0]), piece(10, 10, &[5.0, 5.0], &[5.0, 0.0])];
    let flown = rig([settling(0.3), settling(0.1)]).fly(&rows, "settle");
    // x takes 1 s for 5 mm, and stands for 300 ms; y is at its velocity 100 ms before the row, for
    // which it runs up from 0.5 mm farther out.
    let turn = &flown.segments[3..flown.segments.len() - 2];
    assert_eq!(turn.iter().map(|one| one.duration_us).sum::<u64>(), 1_300_000);
    // Before the first row only y moves.
    assert_eq!(flown.segments[0].duration_us, 250_000);
    assert_eq!(flown.segments[1], segment(100_000, 0, &[0.0, 0.0], &[0.0, 5.0]));
    assert_eq!(&*flown.start, [0.0, -1.125]);
}

#[test]
fn times_are_on_the_grid_and_no_shorter_than_it() {
    let mut rig = rig([LIMITS, LIMITS]);
    rig.interval = Duration::from_millis(2);
    let rows = [piece(0, 10, &[0.0, 0.0], &[0.0, 5.0]), piece(10, 10, &[1.0, 5.0], &[1.0, 0.0])];
    let flown = rig.fly(&rows, "grid");
    for (one, mark) in flown.segments.iter().zip(&flown.marks) {
        if *mark == Mark::Turnaround {
            assert_eq!(one.duration_us % 2_000, 0, "{one:?}");
        }
    }
    // x needs 447.2 ms and y 500 ms: y is longest, plus two intervals.
    let turn = &flown.segments[2..flown.segments.len() - 2];
    assert_eq!(turn.iter().map(|one| one.duration_us).sum::<u64>(), 504_000);
    rig.modes = (PointMode::EveryPoint, TriggerBits::None);
    let short = Piece { frame_duration_s: Some(0.003), ..piece(0, 1, &[0.0, 0.0], &[0.0, 0.0]) };
    let error = rig.planner().check([short]).expect_err("1.5 ms");
    let text = "frame 0: a point every 0.0015 s is more than one every 0.002 s, the controller's \
                least interval";
    assert_eq!(error.to_string(), text);
}

#[test]
fn excursions_of_a_turn_are_found() {
    let high = |high| AxisLimits { high, ..LIMITS };
    // From 1 mm/s to -10 mm/s at 5 mm: forward, back, and run up from 7.5 mm; a tick more makes the
    // ramp gentler by 1e-6 of it.
    let rows = [
        Piece { frame_duration_s: Some(0.5), ..piece(0, 10, &[0.0], &[5.0]) },
        Piece { frame_duration_s: Some(0.05), ..piece(10, 10, &[5.0], &[0.0]) },
    ];
    let refused =
        |limit| rig([high(limit)]).planner().check(rows.clone()).map_err(|e| e.to_string());
    assert!(refused(7.500_01).is_ok());
    let error = refused(7.4).expect_err("7.5 mm");
    assert!(error.starts_with("frame 10, axis x: run-up from 7.5"), "{error}");
    assert!(error.ends_with("is above the high limit 7.4"), "{error}");
}

#[test]
fn the_motion_between_two_rows_is_that_of_the_scan() {
    let rows = [
        piece(0, 10, &[0.0, 0.0], &[0.0, 5.0]),
        piece(10, 10, &[1.0, 5.0], &[1.0, 0.0]),
        Piece { gap: false, ..piece(20, 10, &[1.0, 0.0], &[1.0, -5.0]) },
    ];
    let rig = rig([LIMITS, LIMITS]);
    let flown = rig.fly(&rows, "all");
    let all = flown.batch();
    let count = all.marks.iter().filter(|mark| **mark == Mark::Turnaround).count() + 1;
    let turn: Batch = all.segments().skip(2).take(count).collect();
    let planner = rig.planner();
    let between = planner.turnaround(&rows[0], &rows[1]);
    assert_eq!(between.segments().collect::<Batch>(), turn);
    assert!(planner.turnaround(&rows[1], &rows[2]).is_empty());
}

#[test]
fn bits_are_cleared_before_the_first_row_if_they_may_be_high() {
    let check = |bits, programs: &[u8], times_us: &[u64]| {
        let planner = rig([LIMITS]).planner();
        let planner = planner.with_modes(PointMode::Sparse, bits);
        let planner = planner.with_bits_before(BitsBefore::Unknown);
        let row = [piece(0, 10, &[0.0], &[5.0])];
        let prediction = planner.check(row.clone()).expect("it can be flown");
        let mut trajectory = planner.plan(row);
        let (start, batch) = (trajectory.start(), trajectory.next_batch(100));
        let table = PmacWriter::new(bits, 0).table(&batch);
        assert_eq!((&*table.user_program, &*table.time_us), (programs, times_us), "{bits:?}");
        assert_eq!(prediction.segments, programs.len() as u64);
        assert_eq!(prediction.duration, Duration::from_micros(times_us.iter().sum()));
        if batch.marks[0] == Mark::Entry {
            assert_eq!((batch.positions[0][0], batch.velocities[0][0]), (start[0], 0.0));
            assert_eq!(table.velocity_mode[0], VelocityMode::Zero);
        }
    };
    check(TriggerBits::None, &[0, 0, 0], &[250_000, 1_000_000, 250_000]);
    check(TriggerBits::RowGate, &[8, 1, 8, 0], &[10_000, 250_000, 1_000_000, 250_000]);
}

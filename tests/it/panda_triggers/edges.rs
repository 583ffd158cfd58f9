//! The edges of a sequencer are those of the frames, tick by tick.
use super::rig::{
    Begin, GATE, OFFSET, Rig, SCALES, SECOND, TICKS_PER_US, by_position, from_frame, plan, setup,
    with_panda,
};
use bluefly_actors::logic::{panda::triggers::TriggerSetup, triggers::TriggerLogic as _};
use bluefly_protocol::{
    plan::ScanPlan,
    sequencer::{StartOn, TableLimits},
};
use bluefly_sim::panda::fpga::Output;
use std::{cell::RefCell, sync::Arc, time::Duration};

/// One line of 5 frames of 10 ms.
pub(super) const LINE: &str = r#"{"type": "Fly", "spec": {"type": "ConstantDuration",
    "constant_duration": 0.01, "spec":
    {"type": "Linspace", "axis": "x", "start": 0, "stop": 0.4, "num": 5}}}"#;

/// A snaked grid of 4 x 10 frames of 5 ms.
pub(super) const GRID: &str = r#"{"type": "Fly", "spec": {"type": "ConstantDuration",
    "constant_duration": 0.005, "spec": {"type": "Product",
        "outer": {"type": "Linspace", "axis": "y", "start": 0, "stop": 0.3, "num": 4},
        "inner": {"type": "Snake", "spec":
            {"type": "Linspace", "axis": "x", "start": 0, "stop": 0.9, "num": 10}}}}}"#;

const SPIRAL: &str = r#"{"type": "Fly", "spec": {"type": "ConstantDuration",
    "constant_duration": 0.2, "spec": {"type": "Spiral", "x_axis": "x", "x_centre": 0.1,
    "x_diameter": 2.0, "x_step": 0.4, "y_axis": "y", "y_centre": 0.2}}}"#;

/// Ticks from a level at an input, or from a count, to the edge at an output.
const OF_LEVEL: u64 = 5;
const OF_COUNT: u64 = 4;

/// Triggers a scan from `frame` on while it is flown: when the rows of the motion began, and when the
/// sequencer's output rose. All progress that was told comes in order, and ends with the last frame.
async fn triggered(
    rig: &Rig,
    setup: TriggerSetup,
    (plan, frame): (&Arc<ScanPlan>, u64),
) -> (Vec<Begin>, Vec<u64>) {
    let triggers = rig.triggers(setup);
    triggers.make_safe().await.unwrap();
    rig.park(plan, frame);
    triggers.load(&from_frame(plan, frame)).await.unwrap();
    assert_eq!(rig.rises(Output::Ttl(0)), [0; 0]);
    triggers.enable().await.unwrap();
    let rows = rig.fly(plan, frame);
    let told = RefCell::new(vec![frame]);
    let progress = |frames| told.borrow_mut().push(frames);
    let within = rig.clock.timeout(3_600 * SECOND, triggers.follow(&progress)).await;
    within.expect("it ends").unwrap();
    triggers.make_safe().await.unwrap();
    assert!(told.borrow().is_sorted(), "{told:?}");
    assert_eq!(told.borrow().last(), Some(&plan.num_frames()));
    let rises = rig.rises(Output::Ttl(0));
    assert_eq!(rises.len() as u64, plan.num_frames() - frame);
    (rows, rises)
}

/// What is expected of the windows of a scan: frames of each but the first, which may be the rest of
/// one, and their duration.
struct Windows {
    frames: usize,
    frame_us: u64,
}

impl Windows {
    /// Frames follow each other in ticks, and windows begin when `begins` says.
    fn check(&self, (rows, rises): (Vec<Begin>, Vec<u64>), begins: impl Fn(usize, &Begin) -> u64) {
        let rest = rises.len() - (rows.len() - 1) * self.frames;
        let (first, others) = rises.split_at(rest);
        let windows = [first].into_iter().chain(others.chunks(self.frames));
        for (index, (window, row)) in windows.zip(&rows).enumerate() {
            let begin = begins(index, row);
            let frames = 0..window.len() as u64;
            let expected = frames.map(|frame| begin + frame * self.frame_us * TICKS_PER_US);
            assert_eq!(window, expected.collect::<Vec<_>>(), "window {index}");
        }
    }
}

const OF_LINE: Windows = Windows { frames: 5, frame_us: 10_000 };
const OF_GRID: Windows = Windows { frames: 10, frame_us: 5_000 };
const OF_MANY: Windows = Windows { frames: 5, frame_us: 5_000 };
const SCANS: [(&str, u64, Windows); 3] =
    [(LINE, 0, OF_LINE), (GRID, 0, OF_GRID), (GRID, 13, OF_GRID)];

#[test]
fn a_gate_begins_every_window_of_a_scan() {
    for (text, frame, windows) in SCANS {
        with_panda(async |rig| {
            let plan = Arc::new(plan(text));
            let found = triggered(rig, setup(GATE), (&plan, frame)).await;
            windows.check(found, |_, row| row.tick + OF_LEVEL);
        });
    }
}

#[test]
fn a_position_begins_every_window_of_a_scan() {
    for (text, frame, windows) in SCANS {
        with_panda(async |rig| {
            let plan = Arc::new(plan(text));
            let found = triggered(rig, setup(by_position()), (&plan, frame)).await;
            windows.check(found, |window, row| {
                let lower = match (frame, window) {
                    (13, 0) => 0.65,
                    (13, _) => [0.95, -0.05][window % 2],
                    _ => [-0.05, 0.95][window % 2],
                };
                row.at_count(0, ((lower - OFFSET) / SCALES[0]).round() as i64) + OF_COUNT
            });
        });
    }
}

#[test]
fn time_begins_every_window_of_a_scan() {
    with_panda(async |rig| {
        let plan = Arc::new(plan(GRID));
        let (rows, rises) = triggered(rig, setup(StartOn::Time), (&plan, 0)).await;
        let first = rises[0];
        let since: Vec<u64> = rows.iter().map(|row| row.tick - rows[0].tick).collect();
        OF_GRID.check((rows, rises), |window, _| first + since[window]);
    });
}

#[test]
fn a_spiral_is_one_window() {
    with_panda(async |rig| {
        let plan = Arc::new(plan(SPIRAL));
        let (rows, rises) = triggered(rig, setup(by_position()), (&plan, 0)).await;
        assert_eq!(rows.len(), 1);
        let piece = plan.pieces(0).next().unwrap();
        let y = plan.axes().iter().position(|axis| axis.as_str() == "y").unwrap();
        // It moves more counts than x to the middle of the first frame.
        let count = ((piece.start[y] - OFFSET) / SCALES[1]).round_ties_even() as i64;
        let spiral = Windows { frames: rises.len(), frame_us: 200_000 };
        spiral.check((rows, rises), |_, row| row.at_count(1, count) + OF_COUNT);
    });
}

/// A snaked grid of 60 x 5 frames of 5 ms.
pub(super) const MANY: &str = r#"{"type": "Fly", "spec": {"type": "ConstantDuration",
    "constant_duration": 0.005, "spec": {"type": "Product",
        "outer": {"type": "Linspace", "axis": "y", "start": 0, "stop": 5.9, "num": 60},
        "inner": {"type": "Snake", "spec":
            {"type": "Linspace", "axis": "x", "start": 0, "stop": 0.4, "num": 5}}}}}"#;

#[test]
fn a_scan_in_many_tables_has_no_gap_where_one_follows_another() {
    for max_rows in [8, 31, 100] {
        with_panda(async |rig| {
            let plan = Arc::new(plan(MANY));
            let tables = TableLimits::new(max_rows, Duration::from_secs(1_000)).unwrap();
            let found = triggered(rig, TriggerSetup { tables, ..setup(GATE) }, (&plan, 0)).await;
            assert_eq!(rig.get("SEQ1.TABLE.MODE").await, "STREAMING_LAST");
            OF_MANY.check(found, |_, row| row.tick + OF_LEVEL);
            // And again from the middle, with whatever the first has left.
            let found = triggered(rig, TriggerSetup { tables, ..setup(GATE) }, (&plan, 152)).await;
            OF_MANY.check(found, |_, row| row.tick + OF_LEVEL);
        });
    }
}

//! What a plan makes of the way in which its controller is driven.
use bluefly_protocol::{
    name::Name,
    plan::{AxisCapability, Capabilities, ControllerCapability, ScanPlan},
    scan::Spec,
    trajectory::{AxisLimits, Batch, PointMode, Prediction, TriggerBits},
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};

fn name(text: &str) -> Name {
    text.parse().expect("tests use good names")
}

fn us(micros: u64) -> Duration {
    Duration::from_micros(micros)
}

/// As a beamline file has it that says nothing.
const USUAL: ControllerCapability = ControllerCapability::new(1_000, Duration::from_secs(4));

fn plan(controller: ControllerCapability, spec: &Value) -> ScanPlan {
    let axis = AxisCapability {
        controller: name("motion"),
        limits: AxisLimits {
            low: -100.0,
            high: 100.0,
            max_velocity: 100.0,
            max_acceleration: 1_000.0,
            settle_s: 0.0,
        },
        units: "mm".to_owned(),
        precision: 3,
    };
    let beamline = Capabilities {
        axes: BTreeMap::from([(name("x"), axis.clone()), (name("y"), axis)]),
        detectors: BTreeMap::new(),
        controllers: BTreeMap::from([(name("motion"), controller)]),
        ..Capabilities::default()
    };
    let spec = Spec::from_value(&json!({"type": "Fly", "spec": spec})).expect("a specification");
    ScanPlan::new(spec, &beamline).expect("a scan that can be flown")
}

/// Two rows of four frames of 0.1 s and 1 mm, there and back at the same y.
fn rows() -> Value {
    let line = json!({"type": "Linspace", "axis": "x", "start": 0, "stop": 3, "num": 4});
    let snake = json!({"type": "Snake", "spec": line});
    let grid = json!({"type": "Product", "outer": 2, "inner": snake});
    json!({"type": "ConstantDuration", "constant_duration": 0.1, "spec": grid})
}

/// The whole trajectory of the rows.
fn batch(controller: ControllerCapability) -> Batch {
    let plan = plan(controller, &rows());
    plan.planner().plan(plan.pieces(0)).next_batch(1_000)
}

#[test]
fn every_point_takes_two_segments_for_each_frame() {
    // 10 mm/s are reached with 1000 mm/s^2 in 10 ms; each row begins and ends
    // at them, and x stands still in the middle of the turn.
    let ends = [10_000, 410_000, 420_000, 430_000, 830_000, 840_000];
    let ticks = |batch: &Batch| -> Vec<u64> {
        let durations = batch.durations_us.iter();
        durations
            .scan(0, |time, duration| {
                *time += duration;
                Some(*time)
            })
            .collect()
    };
    assert_eq!(ticks(&batch(USUAL)), ends);
    let every = batch(ControllerCapability { points: PointMode::EveryPoint, ..USUAL });
    let halves = |from: u64| (1..=8).map(move |half| from + 50_000 * half);
    let expected: Vec<u64> = [10_000]
        .into_iter()
        .chain(halves(10_000))
        .chain([420_000, 430_000])
        .chain(halves(430_000))
        .chain([840_000])
        .collect();
    assert_eq!(ticks(&every), expected);
    assert_eq!(every.frames.iter().sum::<u64>(), 8);
}

fn check(controller: ControllerCapability, millis: u64, segments: u64) {
    let expected = Prediction { duration: us(1_000 * millis), frames: 8, segments };
    assert_eq!(plan(controller, &rows()).prediction(), expected);
    assert_eq!(batch(controller).len() as u64, segments);
}

#[test]
fn a_controller_is_given_what_it_can_follow() {
    check(USUAL, 840, 6);
    // Bits are cleared first.
    check(ControllerCapability { trigger_bits: TriggerBits::EveryPoint, ..USUAL }, 850, 21);
    check(ControllerCapability { trigger_bits: TriggerBits::RowGate, ..USUAL }, 850, 7);
    check(ControllerCapability { min_segment: us(10_000), ..USUAL }, 840, 6);
    check(ControllerCapability { max_segment: us(200_000), ..USUAL }, 840, 8);
}

#[test]
fn no_segment_is_shorter_than_the_shortest() {
    for shortest in [7_000, 15_000, 33_000, 50_000] {
        let batch = batch(ControllerCapability {
            min_segment: us(shortest),
            trigger_bits: TriggerBits::EveryPoint,
            ..USUAL
        });
        assert!(batch.durations_us.iter().all(|&duration| duration >= shortest), "{shortest} us");
        // Between the rows, which are eight segments each, behind the standstill and the run-up.
        let turn = &batch.durations_us[10..batch.len() - 9];
        assert!(turn.iter().all(|duration| duration.is_multiple_of(shortest)), "{turn:?}");
        assert!(!turn.is_empty());
    }
}

#[test]
fn a_turnaround_takes_as_long_as_it_is_told_at_least() {
    let turn = |min_turnaround| {
        plan(ControllerCapability { min_turnaround, ..USUAL }, &rows()).prediction().duration
    };
    assert_eq!(
        [us(0), us(20_000), us(1_000_000)].map(turn),
        [us(840_000), us(840_000), us(1_820_000)]
    );
}

#[test]
fn a_frame_of_no_duration_was_shorter_than_its_segments() {
    let line = json!({"type": "Linspace", "axis": "x", "start": 0, "stop": 3, "num": 4});
    let curve = json!({"type": "Spiral", "x_axis": "x", "x_centre": 0, "x_diameter": 1,
        "x_step": 0.5, "y_axis": "y", "y_centre": 0});
    let frame = |points, spec: &Value| {
        let plan = plan(ControllerCapability { min_segment: us(400_000), points, ..USUAL }, spec);
        plan.shortest_frame()
    };
    assert_eq!(frame(PointMode::Sparse, &line), us(400_000), "one segment for the last");
    assert_eq!(frame(PointMode::EveryPoint, &line), us(800_000), "two segments for a frame");
    assert_eq!(frame(PointMode::Sparse, &curve), us(800_000));
}

//! From a specification to its frames, and from there to the segments of a trajectory.
//! `cargo bench --bench points`; items are frames.
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run says so")]
use bluefly_protocol::{
    name::Name,
    scan::{Frames, Spec, Stack},
    trajectory::{AxisLimits, Planner},
};
use divan::{Bencher, black_box, counter::ItemsCount};
use std::{sync::Arc, time::Duration};

const CHUNK: u64 = 10_000;
const MAX_SEGMENTS: usize = 2_000;

/// 100 x 1000 x 100 frames of 100 ms.
const CUBE: &str = r#"{"type": "Fly", "spec": {"type": "ConstantDuration", "constant_duration": 0.1,
    "spec": {"type": "Product",
        "outer": {"type": "Linspace", "axis": "z", "start": 0, "stop": 1, "num": 100},
        "inner": {"type": "Product",
            "outer": {"type": "Linspace", "axis": "y", "start": 0, "stop": 1, "num": 1000},
            "inner": {"type": "Snake", "spec":
                {"type": "Linspace", "axis": "x", "start": 0, "stop": 1, "num": 100}}}}}}"#;
/// 1000 x 1000 frames of 1 ms.
const GRID: &str = r#"{"type": "Fly", "spec": {"type": "ConstantDuration", "constant_duration": 0.001,
    "spec": {"type": "Product",
        "outer": {"type": "Linspace", "axis": "y", "start": 0, "stop": 1, "num": 1000},
        "inner": {"type": "Snake", "spec":
            {"type": "Linspace", "axis": "x", "start": 0, "stop": 1, "num": 1000}}}}}"#;
/// A spiral of 1e6 frames of 1 ms: a piece, and a segment, for each of them.
const SPIRAL: &str = r#"{"type": "Fly", "spec": {"type": "ConstantDuration", "constant_duration": 0.001,
    "spec": {"type": "Spiral", "x_axis": "x", "x_centre": 0, "x_diameter": 10,
        "x_step": 0.008862269254527579, "y_axis": "y", "y_centre": 0}}}"#;

/// 2000 x 2000 points, of which about 3e6 lie within the region.
fn masked(region: &str) -> String {
    let line = |axis| {
        format!(r#"{{"type": "Line", "axis": "{axis}", "start": -1, "stop": 1, "num": 2000}}"#)
    };
    let (outer, inner) = (line("y"), line("x"));
    format!(
        r#"{{"type": "Fly", "spec": {{"type": "Mask", "region": {region},
            "spec": {{"type": "Product", "outer": {outer},
                "inner": {{"type": "Snake", "spec": {inner}}}}}}}}}"#
    )
}

const REGIONS: &[&str] = &["circle", "ellipse", "polygon", "ring"];

fn region(name: &str) -> &'static str {
    match name {
        "circle" => {
            r#"{"type": "Circle", "x_axis": "x", "y_axis": "y", "x_middle": 0, "y_middle": 0,
                "radius": 1}"#
        }
        "ellipse" => {
            r#"{"type": "Ellipse", "x_axis": "x", "y_axis": "y", "x_middle": 0, "y_middle": 0,
                "x_radius": 1, "y_radius": 0.9, "angle": 30}"#
        }
        "polygon" => {
            r#"{"type": "Polygon", "x_axis": "x", "y_axis": "y",
                "x_verts": [-1, 0.9, 0.3, 0.9, -0.9], "y_verts": [-1, -0.9, 0, 1, 0.8]}"#
        }
        _ => {
            r#"{"type": "DifferenceOf",
                "left": {"type": "Circle", "x_axis": "x", "y_axis": "y", "x_middle": 0,
                    "y_middle": 0, "radius": 1},
                "right": {"type": "Circle", "x_axis": "x", "y_axis": "y", "x_middle": 0.1,
                    "y_middle": 0, "radius": 0.4}}"#
        }
    }
}

fn main() {
    divan::main();
}

fn stack(text: &str) -> Stack {
    Stack::new(&text.parse::<Spec>().unwrap()).unwrap()
}

/// Specification text to the first piece of motion.
#[divan::bench]
fn first_piece_of_1e7() {
    let piece = stack(black_box(CUBE)).pieces(0).next();
    assert_eq!(black_box(piece).unwrap().frames, 100);
}

/// All 1e7 frames of the cube, in chunks: midpoints, bounds, gaps, durations.
#[divan::bench(sample_count = 10, sample_size = 1)]
fn frames_of_1e7(bencher: Bencher) {
    let stack = stack(CUBE);
    assert_eq!(stack.num_points(), 10_000_000);
    fill(bencher, &stack);
}

/// Specification text of a masked grid to the first piece of motion.
#[divan::bench(args = REGIONS)]
fn first_piece_of_masked_4e6(bencher: Bencher, name: &str) {
    let text = masked(region(name));
    bencher.bench_local(|| stack(black_box(&text)).pieces(0).next().unwrap());
}

/// All frames of a masked grid, in chunks.
#[divan::bench(args = REGIONS, sample_count = 10)]
fn frames_of_masked_4e6(bencher: Bencher, name: &str) {
    fill(bencher, &stack(&masked(region(name))));
}

/// All frames of a spiral, in chunks.
#[divan::bench(sample_count = 10)]
fn frames_of_spiral_1e6(bencher: Bencher) {
    fill(bencher, &stack(SPIRAL));
}

fn fill(bencher: Bencher, stack: &Stack) {
    let total = stack.num_points();
    bencher.counter(ItemsCount::new(total)).bench_local(|| {
        let mut frames = Frames::default();
        for start in (0..total).step_by(CHUNK as usize) {
            stack.fill(start..start + CHUNK, &mut frames);
            black_box(&frames);
        }
    });
}

fn planner(stack: &Stack) -> Planner {
    let limits = AxisLimits {
        low: -100.0,
        high: 100.0,
        max_velocity: 1_000.0,
        max_acceleration: 1e6,
        settle_s: 0.0,
    };
    let names = stack.axes().iter().map(|axis| axis.parse::<Name>().unwrap());
    let axes: Vec<(Name, AxisLimits)> = names.map(|name| (name, limits)).collect();
    Planner::new(&axes, Duration::from_micros(100))
}

/// Checks the scan as a whole.
#[divan::bench(args = ["grid", "spiral"], sample_count = 3)]
fn check_1e6(bencher: Bencher, name: &str) {
    let stack = named(name);
    let planner = planner(&stack);
    bencher
        .counter(ItemsCount::new(stack.num_points()))
        .bench_local(|| planner.check(stack.pieces(0)).unwrap());
}

/// Checks the scan and makes every segment of it, a buffer of the controller at a time.
#[divan::bench(args = ["grid", "spiral"], sample_count = 3)]
fn profile_1e6(bencher: Bencher, name: &str) {
    let stack = Arc::new(named(name));
    let planner = planner(&stack);
    bencher.counter(ItemsCount::new(stack.num_points())).bench_local(|| {
        let prediction = planner.check(stack.pieces(0)).unwrap();
        let mut trajectory = planner.plan(Arc::clone(&stack).into_pieces(0));
        let mut segments = 0;
        loop {
            let batch = black_box(trajectory.next_batch(MAX_SEGMENTS));
            segments += batch.len() as u64;
            if batch.last {
                break;
            }
        }
        assert_eq!(segments, prediction.segments);
    });
}

fn named(name: &str) -> Stack {
    stack(if name == "grid" { GRID } else { SPIRAL })
}

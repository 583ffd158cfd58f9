//! However the controller is driven, every frame is taken once, where the scan put it.
use super::rig::{DETECTORS, GRID, Rig, Setup, spec, with_rig};
use bluefly_actors::{
    coordinator::{Pause, Prepare, Resume, RunStatus, Stage},
    random::Seed,
    status::Outcome,
    storage::ColumnData,
};
use bluefly_protocol::{run::RunPhase, scan::Stack};
use std::time::Duration;

/// The keys of every way to drive a controller.
const MODES: [&str; 7] = [
    "axes = [\"x\", \"y\"]\n",
    "axes = [\"x\", \"y\"]\npoints = \"every\"\n",
    "axes = [\"x\", \"y\"]\ntrigger_bits = \"row_gate\"\n",
    "axes = [\"x\", \"y\"]\ntrigger_bits = \"row_gate\"\npoints = \"every\"\n",
    "axes = [\"x\", \"y\"]\ntrigger_bits = \"every_point\"\n",
    "axes = [\"x\", \"y\"]\ntrigger_bits = \"every_point\"\npoints = \"every\"\n",
    "axes = [\"x\", \"y\"]\ntrigger_bits = \"every_point\"\ntriggers = \"user_programs\"\n",
];

/// An edit of the keys of the controller.
const fn keys(keys: &'static str) -> (&'static str, &'static str) {
    ("axes = [\"x\", \"y\"]\n", keys)
}

/// Detectors that expose all the time, so that the middle of an exposure is that of its frame.
const OPEN: [(&str, &str); 2] = [
    ("dead_time = \"1 ms\"\nexposure = \"5 ms\"\n", "dead_time = \"0 s\"\n"),
    ("dead_time = \"500 us\"\nexposure = \"5 ms\"\n", "dead_time = \"0 s\"\n"),
];

/// A spiral of some frames of 200 ms, flown.
const SPIRAL: &str = r#"{"type": "Fly", "spec": {"type": "ConstantDuration",
    "constant_duration": 0.2, "spec": {"type": "Spiral", "x_axis": "x", "x_centre": 5,
        "x_diameter": 10, "x_step": 1.25, "y_axis": "y", "y_centre": 5}}}"#;

fn ms(duration: u64) -> Duration {
    Duration::from_millis(duration)
}

/// Resolves once the run has come to `phase`, which a run that fails never does.
async fn reach(rig: &Rig, phase: RunPhase) {
    let reached = rig.process.clock.timeout(Duration::from_mins(1), rig.reach(phase)).await;
    reached.unwrap_or_else(|late| panic!("{late} to be {phase:?}: {:?}", rig.progress()));
}

/// Pauses as often as it is told, each time after a while; the frames done by then.
async fn pauses(rig: &Rig, waits: &[Duration]) -> Vec<u64> {
    let mut done = Vec::new();
    for wait in waits {
        reach(rig, RunPhase::Running).await;
        rig.sleep(*wait).await;
        rig.ask(Pause).await.unwrap();
        reach(rig, RunPhase::Paused).await;
        done.push(rig.progress().frames_done);
        rig.ask(Resume::default()).await.unwrap();
    }
    done
}

async fn land(rig: &Rig, status: RunStatus, frames: u64, driven: &str) {
    assert_eq!(status.finished().await, Ok(Outcome::Done(frames)), "{driven}");
    assert_eq!(rig.unstage().await, Ok(Outcome::Done(frames)), "{driven}");
    assert_eq!(rig.progress().recoveries, 0, "{driven}");
    rig.assert_safe();
}

/// Flies `text` with pauses after `waits`; `assert` tells whether it is complete. The frames done at
/// each pause.
fn fly(
    edits: &[(&'static str, &'static str)],
    text: &str,
    waits: &[Duration],
    assert: impl Fn(&Rig),
) -> Vec<u64> {
    with_rig(Setup { edits: edits.to_vec(), ..Setup::default() }, async |rig| {
        let frames = Stack::new(&spec(text)).unwrap().num_points();
        let driven = format!("{edits:?}");
        rig.ready(text).await;
        let status = rig.kickoff().await;
        let done = pauses(rig, waits).await;
        assert!(done.is_sorted() && done.iter().all(|done| *done < frames), "{driven}: {done:?}");
        land(rig, status, frames, &driven).await;
        assert(rig);
        done
    })
}

/// Every detector has each frame once, at the midpoint that the scan gives it.
fn assert_at_midpoints(rig: &Rig, text: &str) {
    let stack = Stack::new(&spec(text)).unwrap();
    let expected = stack.frames(0..stack.num_points());
    let documents = rig.documents();
    let (_, start) = documents.iter().rfind(|(name, _)| name == "start").unwrap();
    let uid = start["uid"].as_str().unwrap();
    assert_eq!(rig.stop_document()["num_events"]["primary"], stack.num_points());
    for detector in DETECTORS {
        let file = rig.memory.file(&rig.directory.path().join(format!("{uid}-{detector}.h5")));
        let file = file.unwrap();
        for (axis, name) in stack.axes().iter().enumerate() {
            let suffix = format!("/{name}");
            let column = file.plan.columns.iter().position(|c| c.dataset.ends_with(&suffix));
            let ColumnData::F64(positions) = &file.columns[column.unwrap()] else {
                panic!("positions are f64")
            };
            let midpoints = &expected.midpoints()[axis];
            for (index, (wanted, taken)) in midpoints.iter().zip(positions).enumerate() {
                // Exactly there, but for the tick on which a frame begins.
                let is_there = (wanted - taken).abs() < 1e-6;
                assert!(is_there, "{detector}: frame {index}: {name} at {taken}, not {wanted}");
            }
        }
    }
}

#[test]
fn a_snake_is_complete_however_it_is_driven() {
    for mode in MODES {
        let assert = |rig: &Rig| rig.assert_complete(GRID, 40);
        fly(&[keys(mode)], GRID, &[], assert);
        fly(&[keys(mode)], GRID, &[ms(333), ms(777)], assert);
    }
}

#[test]
fn a_spiral_is_complete_however_it_is_driven() {
    for mode in MODES {
        let edits = [keys(mode), OPEN[0], OPEN[1]];
        let assert = |rig: &Rig| assert_at_midpoints(rig, SPIRAL);
        fly(&edits, SPIRAL, &[], assert);
        fly(&edits, SPIRAL, &[ms(3_333), ms(1_777)], assert);
    }
}

#[test]
fn a_pause_at_any_frame_of_a_scan_that_is_told_point_by_point() {
    let random = &mut Seed(3).stream("pauses", 0);
    for mode in [MODES[1], MODES[3], MODES[4]] {
        let waits: Vec<_> = (0..25).map(|_| Duration::from_micros(random.below(300_000))).collect();
        let done = fly(&[keys(mode)], GRID, &waits, |rig| rig.assert_complete(GRID, 40));
        let entered = done.chunk_by(|one, other| one == other).count();
        assert!(entered >= 10, "{entered} frames only were entered");
    }
}

#[test]
fn a_controller_that_takes_no_short_segments_was_given_them() {
    // Axis y settles for 10 ms.
    for mode in [
        "axes = [\"x\", \"y\"]\nmin_segment_duration = \"2 ms\"\n",
        "axes = [\"x\", \"y\"]\nmin_segment_duration = \"2 ms\"\npoints = \"every\"\n",
        "axes = [\"x\", \"y\"]\nmin_segment_duration = \"20 ms\"\n",
        "axes = [\"x\", \"y\"]\nmin_segment_duration = \"20 ms\"\ntrigger_bits = \"row_gate\"\n",
        "axes = [\"x\", \"y\"]\nmin_segment_duration = \"20 ms\"\ntrigger_bits = \"every_point\"\n",
    ] {
        fly(&[keys(mode)], GRID, &[ms(700)], |rig| rig.assert_complete(GRID, 40));
        let edits = [keys(mode), OPEN[0], OPEN[1]];
        fly(&edits, SPIRAL, &[ms(5_000)], |rig| assert_at_midpoints(rig, SPIRAL));
    }
}

#[test]
fn the_rest_of_a_row_was_too_short_for_a_segment() {
    let row = |duration: &str| {
        format!(
            r#"{{"type": "Fly", "spec": {{"type": "ConstantDuration", "constant_duration": {duration},
            "spec": {{"type": "Linspace", "axis": "x", "start": 0, "stop": 2, "num": 100}}}}}}"#
        )
    };
    let shortest = keys("axes = [\"x\", \"y\"]\nmin_segment_duration = \"2 ms\"\n");
    // What is taken of a frame is on disk soon after it began, and so the frame before is known to be
    // over.
    let brief = "dead_time = \"0 s\"\nexposure = \"100 us\"\n";
    let edits = [shortest, (OPEN[0].0, brief), (OPEN[1].0, brief)];
    // The row takes from 50.5 ms, when 10.1 mm/s are reached, to 250.5 ms.
    let text = row("0.002");
    let done = fly(&edits, &text, &[ms(249)], |rig| rig.assert_complete(&text, 100));
    assert_eq!(done, [99]);
    with_rig(Setup { edits: edits.to_vec(), ..Setup::default() }, async |rig| {
        rig.step(Stage::default()).await.unwrap();
        let refused = rig.try_step(Prepare(spec(&row("0.0019")))).await;
        let error = "generator: cannot plan the scan: $.spec.constant_duration: frame 0: a point every \
                     0.0019 s is more than one every 0.002 s, the controller's least interval";
        assert_eq!(refused, Err(error.to_owned()));
    });
}

#[test]
fn a_small_buffer_ran_empty_while_nobody_looked() {
    // Half a buffer of points lasts 25 ms.
    let text = r#"{"type": "Fly", "spec": {"type": "ConstantDuration", "constant_duration": 0.001,
        "spec": {"type": "Linspace", "axis": "x", "start": 0, "stop": 9, "num": 600}}}"#;
    let small = "axes = [\"x\", \"y\"]\npoints = \"every\"\nmax_segments = 100\n";
    fly(&[keys(small), OPEN[0], OPEN[1]], text, &[ms(300)], |rig| rig.assert_complete(text, 600));
}

/// Each kind of camera has words of its own for the edge that it waits for.
#[test]
fn every_kind_of_camera_flies() {
    let kinds = [
        "camera = \"andor\"",
        "camera = \"generic\"\ntrigger_words = { internal = \"Free Run\", edge = \"TTL\" }",
    ];
    for kind in kinds {
        let line = format!("dead_time = \"1 ms\"\n{kind}").leak();
        let edits = vec![("dead_time = \"1 ms\"", &*line)];
        with_rig(Setup { edits, ..Setup::default() }, async |rig| {
            assert_eq!(rig.run(GRID).await, Ok(40), "{kind}");
            rig.assert_complete(GRID, 40);
            rig.assert_safe();
        });
    }
}

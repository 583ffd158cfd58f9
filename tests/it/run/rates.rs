//! Detectors that expose several times in each frame: every exposure at its time and in its row.
use super::rig::{DETECTORS, GRID, Rig, Setup, documented, name, spec, with_rig};
use bluefly_actors::{
    clock::Instant,
    coordinator::{Kickoff, Pause, Prepare, Resume, RunStatus, Stage, Stop},
    random::Seed,
    status::Outcome,
    storage::ColumnData,
};
use bluefly_protocol::run::RunPhase;
use bluefly_sim::faults::Fault;
use serde_json::{Value, json};
use std::time::Duration;

const GRID_FRAMES: u64 = 40;

fn ms(duration: u64) -> Duration {
    Duration::from_millis(duration)
}

/// The diode exposes three times in each frame, the camera once.
fn thrice() -> Setup {
    let edits = vec![("dead_time = \"500 us\"", "dead_time = \"500 us\"\nexposures_per_frame = 3")];
    Setup { edits, ..Setup::default() }
}

/// The camera exposes five times in each frame, the diode seven times, for as long as there is time.
fn tight() -> Setup {
    let edits = vec![
        ("exposure = \"5 ms\"\n", ""),
        ("dead_time = \"1 ms\"", "dead_time = \"1 ms\"\nexposures_per_frame = 5"),
        ("dead_time = \"500 us\"", "dead_time = \"500 us\"\nexposures_per_frame = 7"),
    ];
    Setup { edits, ..Setup::default() }
}

fn line(num: u64, duration: &str) -> String {
    format!(
        r#"{{"type": "Fly", "spec": {{"type": "ConstantDuration", "constant_duration": {duration},
        "spec": {{"type": "Linspace", "axis": "x", "start": 0, "stop": 9, "num": {num}}}}}}}"#
    )
}

/// The numbers in one column of a detector's file of the latest run.
pub(super) fn numbers(rig: &Rig, detector: &str, dataset: &str) -> Vec<f64> {
    let documents = rig.documents();
    let start = documents.iter().rev().find(|(name, _)| name == "start").unwrap();
    let file = format!("{}-{detector}.h5", start.1["uid"].as_str().unwrap());
    let file = rig.memory.file(&rig.directory.path().join(file)).unwrap();
    let columns = &file.plan.columns;
    let found = columns.iter().position(|column| column.dataset.ends_with(dataset)).unwrap();
    match &file.columns[found] {
        ColumnData::F64(numbers) => numbers.clone(),
        ColumnData::I32(numbers) => numbers.iter().copied().map(f64::from).collect(),
        other => panic!("{dataset} is {:?}", other.element()),
    }
}

/// Flies `text` to its end; how long that took from the kickoff.
async fn fly(rig: &Rig, text: &str, frames: u64) -> Duration {
    rig.ready(text).await;
    let start = rig.process.clock.now();
    let status = rig.kickoff().await;
    land(rig, &status, text, frames).await - start
}

/// Waits for the end of a flight, which has every frame; when it was.
async fn land(rig: &Rig, status: &RunStatus, text: &str, frames: u64) -> Instant {
    assert_eq!(status.finished().await, Ok(Outcome::Done(frames)));
    let end = rig.process.clock.now();
    assert_eq!(rig.unstage().await, Ok(Outcome::Done(frames)));
    rig.assert_complete(text, frames);
    rig.assert_safe();
    end
}

#[test]
fn a_frame_has_its_exposures_evenly_spaced() {
    let once = with_rig(Setup::default(), async |rig| fly(rig, GRID, GRID_FRAMES).await);
    with_rig(thrice(), async |rig| {
        assert_eq!(fly(rig, GRID, GRID_FRAMES).await, once, "it takes no longer");
        assert_eq!(rig.process.world.frames_written(&name("camera")), [1; 40]);
        assert_eq!(rig.process.world.frames_written(&name("diode")), [1; 120]);
        let clock = &rig.process.clock;
        let camera = numbers(rig, "camera", "NDArrayTimeStamp");
        let diode = numbers(rig, "diode", "NDArrayTimeStamp");
        for (frame, (start, exposures)) in camera.iter().zip(diode.chunks(3)).enumerate() {
            // Frames begin at whole microseconds; a third of 50 ms is cut to whole nanoseconds.
            let micros = ((start - clock.unix_s(Instant::default())) * 1e6).round() as u64;
            let at = |nanos| {
                let start = Instant::default() + Duration::from_micros(micros);
                clock.unix_s(start + Duration::from_nanos(nanos))
            };
            let expected = [at(0), at(16_666_666), at(33_333_332)];
            assert_eq!((*start, exposures), (at(0), &expected[..]), "frame {frame}");
        }
        let unique: Vec<f64> = (0..120).map(f64::from).collect();
        assert_eq!(numbers(rig, "diode", "NDArrayUniqueId"), unique);
    });
}

/// What the latest run says of a data key, and of the resource that has it.
fn said_of(documents: &[(String, Value)], key: &str) -> (Value, Value) {
    let find = |kind: &str, wanted: &dyn Fn(&Value) -> bool| {
        let mut found =
            documents.iter().filter(|(name, document)| name == kind && wanted(document));
        found.next().unwrap().1.clone()
    };
    let descriptor = find("descriptor", &|_| true);
    let resource = find("stream_resource", &|resource| resource["data_key"] == key);
    (descriptor["data_keys"][key].clone(), resource["parameters"].clone())
}

#[test]
fn documents_tell_how_many_rows_a_frame_has() {
    with_rig(thrice(), async |rig| {
        fly(rig, GRID, GRID_FRAMES).await;
        let documents = rig.documents();
        let check = |key: &str, kind: &str, shape: Value, join: &str, chunk: Value| {
            let (data_key, parameters) = said_of(&documents, key);
            assert_eq!((&data_key["shape"], &data_key["dtype"]), (&shape, &json!(kind)), "{key}");
            assert_eq!(parameters["join_method"], join, "{key}");
            assert_eq!(parameters["chunk_shape"], chunk, "{key}");
        };
        check("camera", "array", json!([4, 6]), "stack", json!([1, 4, 6]));
        check("camera-StatsTotal", "number", json!([]), "stack", json!([1_024]));
        check("diode", "array", json!([3, 1, 2]), "concat", json!([1, 1, 2]));
        check("diode-StatsTotal", "array", json!([3]), "concat", json!([1_024]));
        check("diode-x", "array", json!([3]), "concat", json!([1_024]));
        // Indices and sequence numbers are those of frames, for every key.
        assert_eq!(documented(&documents), GRID_FRAMES);
        let progress = rig.progress();
        assert_eq!(progress.detectors[&name("camera")], GRID_FRAMES);
        assert_eq!(progress.detectors[&name("diode")], GRID_FRAMES);
    });
}

#[test]
fn exposures_fit_into_frames_that_they_do_not_divide() {
    let durations =
        ["0.05", "0.016666666666666666", "0.03333333333333333", "0.0123456789", "0.017"];
    for duration in durations {
        with_rig(tight(), async |rig| {
            let text = line(300, duration);
            fly(rig, &text, 300).await;
            assert_eq!(rig.progress().recoveries, 0, "{duration} s");
            assert_eq!(rig.process.world.frames_written(&name("camera")), [1; 1_500]);
            assert_eq!(rig.process.world.frames_written(&name("diode")), [1; 2_100]);
        });
    }
}

#[test]
fn a_frame_longer_than_a_segment_has_all_its_exposures() {
    for (num, duration) in [(2, "12"), (1, "60"), (3, "4.1")] {
        with_rig(tight(), async |rig| fly(rig, &line(num, duration), num).await);
        with_rig(thrice(), async |rig| fly(rig, &line(num, duration), num).await);
    }
}

#[test]
fn what_has_no_room_in_a_frame_is_refused_before_anything_moves() {
    with_rig(tight(), async |rig| {
        assert_eq!(rig.step(Stage::default()).await, Ok(Outcome::Done(0)));
        let before = rig.process.world.requests(&name("motion"));
        let error = rig.try_step(Prepare(spec(&line(10, "0.005")))).await.unwrap_err();
        let text = "$.spec.constant_duration: frame 0: duration 0.005 s is shorter than 0.005005 s, 5 \
                    times exposure and dead time of detector camera";
        assert!(error.ends_with(text), "{error}");
        assert_eq!(rig.process.world.requests(&name("motion")), before);
    });
}

/// Flies the grid with a pause of `length`, so long after the kickoff, and looks at what was taken
/// twice: the exposures of one frame, or none.
fn pause_once(after: Duration, length: Duration) {
    with_rig(thrice(), async |rig| {
        rig.ready(GRID).await;
        let status = rig.kickoff().await;
        rig.sleep(after).await;
        rig.ask(Pause).await.unwrap();
        rig.reach(RunPhase::Paused).await;
        let complete = rig.progress().frames_done;
        rig.sleep(length).await;
        rig.ask(Resume::default()).await.unwrap();
        land(rig, &status, GRID, GRID_FRAMES).await;
        let writes = rig.process.world.frames_written(&name("diode"));
        assert_eq!(writes.len() as u64, 3 * GRID_FRAMES);
        let again = writes.iter().zip(0..).filter(|(writes, _)| **writes > 1);
        for (writes, row) in again {
            assert_eq!((*writes, row / 3), (2, complete), "row {row}, paused after {after:?}");
        }
    });
}

#[test]
fn a_pause_between_the_exposures_of_a_frame_takes_the_frame_again() {
    // Two frames in the middle of a row, then from its last frame through the turnaround.
    for step in 0..20 {
        pause_once(ms(301) + ms(5) * step, ms(1));
    }
    for step in 0..20 {
        pause_once(ms(500) + ms(23) * step, ms(3));
    }
}

#[test]
fn random_pauses_lose_and_double_nothing() {
    let random = &mut Seed(3).stream("pauses", 0);
    for _ in 0..20 {
        let after = Duration::from_micros(random.below(2_000_000));
        pause_once(after, Duration::from_micros(random.below(100_000)));
    }
}

#[test]
fn pulses_of_a_frame_that_was_cut_short_were_taken_for_those_of_the_next_attempt() {
    with_rig(thrice(), async |rig| {
        let text = line(2, "12");
        rig.ready(&text).await;
        let status = rig.kickoff().await;
        // In the second frame: its first two pulses have come, its third is due 4 s later.
        rig.sleep(Duration::from_secs(17)).await;
        rig.ask(Pause).await.unwrap();
        rig.reach(RunPhase::Paused).await;
        assert_eq!(rig.progress().frames_done, 1);
        rig.ask(Resume::default()).await.unwrap();
        land(rig, &status, &text, 2).await;
        assert_eq!(rig.progress().recoveries, 0);
        assert_eq!(rig.process.world.frames_written(&name("diode")), [1, 1, 1, 2, 2, 1]);
    });
}

fn lose(rig: &Rig, index: u64) {
    rig.process.world.fault(&Fault::LoseFrame { detector: name("diode"), index });
}

#[test]
fn the_frame_of_each_lost_exposure_is_taken_again() {
    for row in (0..120).step_by(7) {
        with_rig(thrice(), async |rig| {
            lose(rig, row);
            assert_eq!(rig.run(GRID).await, Ok(GRID_FRAMES), "row {row}");
            assert_eq!(rig.progress().recoveries, 1, "row {row}");
            rig.assert_complete(GRID, GRID_FRAMES);
            rig.assert_safe();
            let writes = rig.process.world.frames_written(&name("diode"));
            let frame = (row - row % 3) as usize;
            assert!(writes[..frame].iter().all(|writes| *writes == 1), "row {row}: {writes:?}");
            assert_eq!(writes[row as usize], 1, "row {row}");
        });
    }
}

#[test]
fn triggers_that_the_beamline_file_loses_are_those_of_exposures() {
    let mut setup = thrice();
    setup.edits.push((
        "[device.generator]",
        "[sim.device.diode]\nlose_frames = [4, 60]\n[device.generator]",
    ));
    with_rig(setup, async |rig| {
        assert_eq!(rig.run(GRID).await, Ok(GRID_FRAMES));
        assert_eq!(rig.progress().recoveries, 2);
        rig.assert_complete(GRID, GRID_FRAMES);
    });
}

#[test]
fn more_lost_exposures_than_allowed_fail_the_run_at_their_frame() {
    let mut setup = thrice();
    setup.edits.push(("retries_for_lost_frames = 3", "retries_for_lost_frames = 0"));
    with_rig(setup, async |rig| {
        lose(rig, 3 * 25 + 1);
        let error = rig.run(GRID).await.unwrap_err();
        assert!(error.contains("diode") && error.ends_with("frame 25 is missing"), "{error}");
        assert_eq!(rig.assert_failed(GRID).await.unwrap(), error);
        assert_eq!(documented(&rig.documents()), 25);
    });
}

#[test]
fn a_run_gets_over_crashes_and_outages_between_exposures() {
    for after in [400, 417, 433, 650, 1_203] {
        for detector in DETECTORS {
            with_rig(thrice(), async |rig| {
                let trouble = async {
                    rig.reach(RunPhase::Running).await;
                    rig.sleep(ms(after)).await;
                    rig.process.tree.crash(detector, "a test").unwrap();
                    rig.sleep(ms(900)).await;
                    let outage = Fault::Disconnect { device: name(detector), time: ms(30) };
                    rig.process.world.fault(&outage);
                };
                let (ended, ()) = tokio::join!(rig.run(GRID), trouble);
                assert_eq!(ended, Ok(GRID_FRAMES), "{detector} after {after} ms");
                assert!(rig.progress().recoveries >= 1, "{detector} after {after} ms");
                rig.assert_complete(GRID, GRID_FRAMES);
                rig.assert_safe();
            });
        }
    }
}

#[test]
fn a_detector_that_fails_between_exposures_fails_the_run_with_whole_frames() {
    with_rig(thrice(), async |rig| {
        let trouble = async {
            rig.reach(RunPhase::Running).await;
            rig.sleep(ms(700)).await;
            rig.process.world.fault(&Fault::FailWrite { detector: name("diode") });
        };
        let (ended, ()) = tokio::join!(rig.run(GRID), trouble);
        assert!(ended.as_ref().is_err_and(|error| error.contains("no space left")), "{ended:?}");
        rig.assert_failed(GRID).await.unwrap();
        rig.sleep(Duration::from_secs(1)).await;
        assert_eq!(rig.run(GRID).await, Ok(GRID_FRAMES));
        rig.assert_complete(GRID, GRID_FRAMES);
    });
}

#[test]
fn a_run_that_is_stopped_has_whole_frames() {
    for after in [990, 1_000, 1_010, 1_020, 1_030, 1_040] {
        with_rig(thrice(), async |rig| {
            rig.ready(GRID).await;
            rig.kickoff().await;
            rig.sleep(ms(after)).await;
            rig.ask(Stop).await.unwrap().finished().await.unwrap();
            let rows = documented(&rig.documents());
            assert_eq!(rows, rig.progress().frames_done, "after {after} ms");
            assert!(rows > 5, "{rows} after {after} ms");
            rig.assert_complete(GRID, rows);
            rig.assert_safe();
        });
    }
}

#[test]
fn a_second_scan_of_a_run_begins_behind_all_rows_of_the_first() {
    with_rig(thrice(), async |rig| {
        rig.ready(GRID).await;
        assert_eq!(rig.step(Kickoff).await, Ok(Outcome::Done(GRID_FRAMES)));
        assert_eq!(rig.step(Prepare(spec(GRID))).await, Ok(Outcome::Done(0)));
        assert_eq!(rig.step(Kickoff).await, Ok(Outcome::Done(GRID_FRAMES)));
        assert_eq!(rig.unstage().await, Ok(Outcome::Done(2 * GRID_FRAMES)));
        assert_eq!(rig.process.world.frames_written(&name("diode")), [1; 240]);
        assert_eq!(documented(&rig.documents()), 2 * GRID_FRAMES);
        let x = numbers(rig, "diode", "/x");
        let apart = x[..120].iter().zip(&x[120..]).map(|(first, second)| (first - second).abs());
        assert!(apart.fold(0.0, f64::max) < 1e-6, "the same places again");
    });
}

#[test]
fn sums_are_remembered_long_enough_at_a_thousand_exposures_per_frame() {
    let edits = vec![
        ("exposure = \"5 ms\"\n", ""),
        ("dead_time = \"500 us\"", "dead_time = \"10 us\"\nexposures_per_frame = 1000"),
    ];
    with_rig(Setup { edits, ..Setup::default() }, async |rig| {
        fly(rig, &line(12, "0.5"), 12).await;
        assert_eq!(rig.progress().recoveries, 0);
    });
}

/// The camera is slow to write, the diode exposes seven times in each frame.
fn one_behind() -> Setup {
    let edits = vec![
        ("exposure = \"5 ms\"\n", ""),
        ("dead_time = \"500 us\"", "dead_time = \"100 us\"\nexposures_per_frame = 7"),
    ];
    Setup { edits, ..Setup::default() }
}

#[test]
fn a_detector_that_is_far_ahead_of_a_slow_one_is_read_in_time() {
    // 7 s, by the end of which the diode has taken 4,900 exposures more than the camera has on
    // disk, of which it remembers the last 4,096.
    let text = line(1_400, "0.005");
    with_rig(one_behind(), async |rig| {
        rig.ready(&text).await;
        let delay = ms(4_000);
        rig.process.world.fault(&Fault::SlowWrite { detector: name("camera"), delay });
        let status = rig.kickoff().await;
        land(rig, &status, &text, 1_400).await;
    });
}

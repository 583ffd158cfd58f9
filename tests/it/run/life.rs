//! The life of a run: what each request does in each phase.
use super::rig::{GRID, Rig, Setup, name, spec, with_rig};
use bluefly_actors::{
    coordinator::{Abort, Kickoff, Pause, Prepare, Resume, Stage, Stop, Unstage},
    status::{OperationPhase, Outcome},
};
use bluefly_protocol::run::RunPhase;
use std::time::Duration;

const LINE: &str = r#"{"type": "Fly", "spec": {"type": "ConstantDuration", "constant_duration": 0.1,
    "spec": {"type": "Linspace", "axis": "x", "start": 0, "stop": 4, "num": 5}}}"#;

fn ms(duration: u64) -> Duration {
    Duration::from_millis(duration)
}

#[test]
fn a_grid_is_flown_and_documented() {
    with_rig(Setup::default(), async |rig| {
        rig.ready(GRID).await;
        assert_eq!(rig.kickoff().await.finished().await, Ok(Outcome::Done(40)));
        assert_eq!(rig.progress().phase, RunPhase::Completed);
        assert_eq!(rig.unstage().await, Ok(Outcome::Done(40)));
        assert_eq!(rig.progress().phase, RunPhase::Idle);
        rig.assert_complete(GRID, 40);
        rig.assert_safe();
        let stop = rig.stop_document();
        assert_eq!(
            (stop["exit_status"].as_str(), stop["reason"].as_str()),
            (Some("success"), Some(""))
        );
        for detector in super::rig::DETECTORS {
            assert_eq!(rig.process.world.frames_written(&name(detector)), vec![1; 40]);
        }
    });
}

#[test]
fn a_pause_stops_motion_and_the_same_status_goes_on() {
    with_rig(Setup::default(), async |rig| {
        rig.ready(GRID).await;
        let status = rig.kickoff().await;
        rig.sleep(ms(1_000)).await;
        rig.ask(Pause).await.unwrap();
        rig.reach(RunPhase::Paused).await;
        assert_eq!(status.report().phase, OperationPhase::Paused);
        assert!(!rig.process.world.is_anything_moving());
        assert!(!rig.process.world.is_anything_armed());
        let paused_at = rig.progress().frames_done;
        rig.sleep(Duration::from_hours(1)).await;
        assert_eq!(rig.progress().frames_done, paused_at);
        assert_eq!(rig.ask(Pause).await.unwrap().report().phase, OperationPhase::Paused);
        rig.ask(Resume::default()).await.unwrap();
        assert_eq!(status.finished().await, Ok(Outcome::Done(40)));
        assert_eq!(rig.unstage().await, Ok(Outcome::Done(40)));
        rig.assert_complete(GRID, 40);
        rig.assert_safe();
    });
}

#[test]
fn dimensions_are_named_by_the_axes_that_move_in_them() {
    let zip = r#"{"type": "Product", "outer": 2, "inner": {"type": "Zip",
        "left": {"type": "Linspace", "axis": "x", "start": 0, "stop": 1, "num": 3},
        "right": {"type": "Linspace", "axis": "y", "start": 0, "stop": 1, "num": 3}}}"#;
    with_rig(Setup::default(), async |rig| {
        rig.ready(zip).await;
        assert_eq!(rig.kickoff().await.finished().await, Ok(Outcome::Done(6)));
        rig.unstage().await.unwrap();
        let (_, start) = &rig.documents()[0];
        let expected = serde_json::json!([[["time"], "primary"], [["x", "y"], "primary"]]);
        assert_eq!(start["hints"]["dimensions"], expected);
        assert_eq!(start["shape"], serde_json::json!([2, 3]));
    });
}

#[test]
fn two_scans_in_one_run_go_into_the_same_files() {
    with_rig(Setup::default(), async |rig| {
        rig.ready(LINE).await;
        assert_eq!(rig.kickoff().await.finished().await, Ok(Outcome::Done(5)));
        assert_eq!(rig.step(Prepare(spec(LINE))).await, Ok(Outcome::Done(0)));
        assert_eq!(rig.kickoff().await.finished().await, Ok(Outcome::Done(5)));
        assert_eq!(rig.unstage().await, Ok(Outcome::Done(10)));
        assert_eq!(rig.stop_document()["num_events"]["primary"], 10);
        let starts = rig.documents().into_iter().filter(|(name, _)| name == "start");
        assert_eq!(starts.count(), 1);
        rig.assert_safe();
    });
}

#[test]
fn requests_in_the_wrong_phase_are_refused_with_the_phase() {
    with_rig(Setup::default(), async |rig| {
        let refused = |answer: Result<_, _>| match answer {
            Ok(_) => panic!("not refused"),
            Err(refused) => bluefly_protocol::fault::Refused::to_string(&refused),
        };
        let says = |request, phase| format!("scan_coordinator: cannot {request} while {phase}");
        assert_eq!(refused(rig.ask(Prepare(spec(LINE))).await), says("prepare", "idle"));
        assert_eq!(refused(rig.ask(Kickoff).await), says("kick off", "idle"));
        assert_eq!(refused(rig.ask(Pause).await), says("pause", "idle"));
        assert_eq!(refused(rig.ask(Resume::default()).await), says("resume", "idle"));
        rig.step(Stage::default()).await.unwrap();
        assert_eq!(refused(rig.ask(Kickoff).await), says("kick off", "staged"));
        rig.step(Prepare(spec(LINE))).await.unwrap();
        assert_eq!(refused(rig.ask(Stage::default()).await), says("stage", "ready"));
        let status = rig.kickoff().await;
        rig.reach(RunPhase::Running).await;
        assert_eq!(refused(rig.ask(Stage::default()).await), says("stage", "running"));
        assert_eq!(refused(rig.ask(Prepare(spec(LINE))).await), says("prepare", "running"));
        rig.ask(Kickoff).await.unwrap();
        assert_eq!(status.finished().await, Ok(Outcome::Done(5)));
        assert_eq!(refused(rig.ask(Kickoff).await), says("kick off", "completed"));
        assert_eq!(rig.unstage().await, Ok(Outcome::Done(5)));
        assert_eq!(rig.ask(Unstage).await.unwrap().finished().await, Ok(Outcome::Done(5)));
    });
}

/// Brings a fresh rig to a phase and ends the run there, twice, by `end`.
async fn end_in(rig: &Rig, phase: RunPhase, end: Ending) {
    let stage = rig.ask(Stage::default()).await.unwrap();
    if phase != RunPhase::Staging {
        stage.finished().await.unwrap();
    }
    if !matches!(phase, RunPhase::Staging | RunPhase::Staged) {
        let prepare = rig.ask(Prepare(spec(GRID))).await.unwrap();
        if phase != RunPhase::Preparing {
            prepare.finished().await.unwrap();
        }
    }
    if !matches!(
        phase,
        RunPhase::Staging | RunPhase::Staged | RunPhase::Preparing | RunPhase::Ready
    ) {
        rig.kickoff().await;
        match phase {
            RunPhase::Pausing | RunPhase::Paused => {
                rig.sleep(ms(700)).await;
                rig.ask(Pause).await.unwrap();
            }
            _ => {}
        }
        rig.reach(phase).await;
        if phase == RunPhase::Running {
            rig.sleep(ms(333)).await;
        }
    }
    let (first, second) = match end {
        Ending::Abort => {
            let abort = || Abort { reason: Some("beam dump".to_owned()) };
            (rig.ask(abort()).await.unwrap(), rig.ask(abort()).await.unwrap())
        }
        Ending::Stop => (rig.ask(Stop).await.unwrap(), rig.ask(Stop).await.unwrap()),
    };
    let (first, second) = (first.finished().await, second.finished().await);
    assert!(first.is_ok(), "{phase}: {first:?}");
    assert_eq!(first, second, "{phase}");
    assert_eq!(rig.progress().phase, RunPhase::Idle, "{phase}");
    rig.assert_safe();
}

#[derive(Clone, Copy, PartialEq)]
enum Ending {
    Abort,
    Stop,
}

const PHASES: [RunPhase; 9] = [
    RunPhase::Staging,
    RunPhase::Staged,
    RunPhase::Preparing,
    RunPhase::Ready,
    RunPhase::Starting,
    RunPhase::Running,
    RunPhase::Pausing,
    RunPhase::Paused,
    RunPhase::Completed,
];

#[test]
fn abort_and_stop_are_legal_in_every_phase_and_twice() {
    for phase in PHASES {
        for end in [Ending::Abort, Ending::Stop] {
            with_rig(Setup::default(), async |rig| {
                end_in(rig, phase, end).await;
                let documents = rig.documents();
                if let Some((_, stop)) = documents.last() {
                    let (status, reason) = match end {
                        Ending::Abort => ("abort", "beam dump"),
                        Ending::Stop => ("success", ""),
                    };
                    assert_eq!(stop["exit_status"], status, "{phase}");
                    assert_eq!(stop["reason"], reason, "{phase}");
                    let rows = super::rig::documented(&documents);
                    assert_eq!(stop["num_events"]["primary"].as_u64().unwrap_or(0), rows);
                }
                // Whatever was ended, the next run is whole.
                rig.ready(LINE).await;
                assert_eq!(rig.kickoff().await.finished().await, Ok(Outcome::Done(5)));
                assert_eq!(rig.unstage().await, Ok(Outcome::Done(5)));
                rig.assert_complete(LINE, 5);
            });
        }
    }
}

#[test]
fn a_spec_that_cannot_be_flown_is_rejected_and_the_session_stays() {
    with_rig(Setup::default(), async |rig| {
        rig.step(Stage::default()).await.unwrap();
        let check = async |text: &str, expected: &str| {
            let error = rig.step(Prepare(spec(text))).await.unwrap_err().to_string();
            assert_eq!(error, format!("generator: cannot plan the scan: {expected}"));
            assert_eq!(rig.progress().phase, RunPhase::Staged);
        };
        let line = |axis: &str, stop: f64, duration: f64| {
            LINE.replace("\"x\"", &format!("{axis:?}"))
                .replace("\"stop\": 4", &format!("\"stop\": {stop}"))
                .replace("0.1", &duration.to_string())
        };
        check(
            &line("q", 4.0, 0.1),
            "$.spec.spec.axis: no axis \"q\" on this beamline: it has x, y",
        )
        .await;
        check(
            &line("x", 24.0, 0.5),
            "$.spec.spec.axis: frame 3, axis x: position 21 mm is above the high limit 20 mm",
        )
        .await;
        check(
            &line("x", 4.0, 0.001),
            "$.spec.constant_duration: frame 0: duration 0.001 s is shorter than 0.006 s, \
             exposure and dead time of detector camera",
        )
        .await;
        check(
            &line("x", 4.0, 0.01),
            "$.spec.spec.axis: frame 0, axis x: velocity 100 mm/s is above the maximum 20 mm/s",
        )
        .await;
        rig.step(Prepare(spec(LINE))).await.unwrap();
        assert_eq!(rig.kickoff().await.finished().await, Ok(Outcome::Done(5)));
        rig.unstage().await.unwrap();
    });
}

#[test]
fn frames_that_are_not_published_can_be_taken_again() {
    let edits = vec![(r#"collect_period = "1 s""#, r#"collect_period = "1 s", lag = "20 frames""#)];
    with_rig(Setup { edits, ..Setup::default() }, async |rig| {
        rig.ready(GRID).await;
        let status = rig.kickoff().await;
        rig.sleep(ms(2_000)).await;
        rig.ask(Pause).await.unwrap();
        rig.reach(RunPhase::Paused).await;
        let done = rig.progress().frames_done;
        assert!(done > 20, "{done} frames in two seconds");
        let published = rig.progress().frames_published;
        assert_eq!(published, done - 20);
        let refused = rig.ask(Resume { retake: 21 }).await.unwrap_err().to_string();
        assert_eq!(
            refused,
            "scan_coordinator: cannot take 21 frames again while paused, with 20 frames unpublished"
        );
        rig.ask(Resume { retake: 7 }).await.unwrap();
        assert_eq!(status.finished().await, Ok(Outcome::Done(40)));
        assert_eq!(rig.unstage().await, Ok(Outcome::Done(40)));
        rig.assert_complete(GRID, 40);
        let writes = rig.process.world.frames_written(&name("camera"));
        for frame in done - 7..done {
            assert_eq!(writes[frame as usize], 2, "frame {frame}");
        }
    });
}

/// Three notes to the journal take a microsecond each; the first flush by itself would come later.
#[test]
fn the_last_frame_does_not_wait_for_the_next_flush() {
    let still = r#"{"type": "Fly", "spec": {"type": "ConstantDuration", "constant_duration": 0.01,
        "spec": {"type": "Static", "axis": "x", "value": 0, "num": 1}}}"#;
    with_rig(Setup::default(), async |rig| {
        rig.ready(still).await;
        let kickoff = rig.process.clock.now();
        assert_eq!(rig.kickoff().await.finished().await, Ok(Outcome::Done(1)));
        assert_eq!(rig.process.clock.now() - kickoff, Duration::from_micros(10_003));
        rig.unstage().await.unwrap();
        rig.assert_complete(still, 1);
    });
}

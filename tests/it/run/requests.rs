//! Requests that come at an awkward moment are not forgotten.
use super::rig::{GRID, Setup, spec, with_rig};
use bluefly_actors::{
    coordinator::{
        Abort, Pause, Prepare, Resume, Stop,
        publish::{BeginRun, EndRun},
    },
    status::Outcome,
};
use bluefly_protocol::{
    document::{self, RunInfo},
    run::RunPhase,
};
use std::time::Duration;

const LINE: &str = r#"{"type": "Fly", "spec": {"type": "ConstantDuration", "constant_duration": 0.1,
    "spec": {"type": "Linspace", "axis": "x", "start": 0, "stop": 4, "num": 5}}}"#;

fn dump() -> Abort {
    Abort { reason: Some("beam dump".to_owned()) }
}

/// How long a line takes from kickoff to the last document.
fn flight_time() -> Duration {
    with_rig(Setup::default(), async |rig| {
        rig.ready(LINE).await;
        let kickoff = rig.process.clock.now();
        rig.kickoff().await.finished().await.unwrap();
        rig.process.clock.now() - kickoff
    })
}

#[test]
fn an_abort_while_the_last_documents_go_out_is_not_forgotten() {
    let end = flight_time();
    for early in 0..12 {
        with_rig(Setup::default(), async |rig| {
            rig.ready(LINE).await;
            let status = rig.kickoff().await;
            rig.sleep(end.saturating_sub(Duration::from_micros(early))).await;
            let running = rig.progress().phase != RunPhase::Completed;
            let aborted = rig.ask(dump()).await.unwrap().finished().await;
            assert_eq!(aborted, Ok(Outcome::Aborted), "{early} us before the end");
            if running {
                assert_eq!(status.finished().await, Ok(Outcome::Aborted), "{early} us");
            }
            assert_eq!(rig.progress().phase, RunPhase::Idle);
            assert_eq!(rig.stop_document()["exit_status"], "abort", "{early} us before the end");
            rig.assert_safe();
        });
    }
}

#[test]
fn an_abort_after_a_stop_has_its_reason_in_the_documents() {
    with_rig(Setup::default(), async |rig| {
        rig.ready(GRID).await;
        let status = rig.kickoff().await;
        rig.sleep(Duration::from_millis(700)).await;
        rig.ask(Stop).await.unwrap();
        rig.ask(dump()).await.unwrap();
        status.finished().await.unwrap();
        let stop = rig.stop_document();
        assert_eq!((&stop["exit_status"], &stop["reason"]), (&"abort".into(), &"beam dump".into()));
    });
}

#[test]
fn frames_are_taken_again_though_the_request_is_made_twice() {
    let edits = vec![(r#"collect_period = "1 s""#, r#"collect_period = "1 s", lag = "20 frames""#)];
    with_rig(Setup { edits, ..Setup::default() }, async |rig| {
        rig.ready(GRID).await;
        let status = rig.kickoff().await;
        rig.sleep(Duration::from_secs(2)).await;
        rig.ask(Pause).await.unwrap();
        rig.reach(RunPhase::Paused).await;
        let done = rig.progress().frames_done as usize;
        rig.ask(Resume { retake: 7 }).await.unwrap();
        rig.ask(Resume::default()).await.unwrap();
        assert_eq!(status.finished().await, Ok(Outcome::Done(40)));
        rig.unstage().await.unwrap();
        rig.assert_complete(GRID, 40);
        let writes = rig.process.world.frames_written(&super::rig::name("camera"));
        assert_eq!(writes[done - 7..done], [2; 7]);
    });
}

#[test]
fn a_rejected_specification_leaves_the_plan_that_was_ready() {
    with_rig(Setup::default(), async |rig| {
        rig.ready(LINE).await;
        let unknown = spec(&LINE.replace("\"x\"", "\"q\""));
        rig.step(Prepare(unknown)).await.unwrap_err();
        assert_eq!(rig.progress().phase, RunPhase::Ready);
        assert_eq!(rig.kickoff().await.finished().await, Ok(Outcome::Done(5)));
        rig.unstage().await.unwrap();
        rig.assert_complete(LINE, 5);
    });
}

#[test]
fn a_run_that_cannot_be_ended_is_told() {
    with_rig(Setup::default(), async |rig| {
        rig.ready(LINE).await;
        rig.kickoff().await.finished().await.unwrap();
        // The publisher is gone when the run is ended, and stays so for longer than anybody waits.
        rig.process.tree.remove("publisher").await.unwrap();
        assert!(!rig.process.beamline.publisher.1.is_up());
        let error = rig.unstage().await.unwrap_err().to_string();
        assert!(error.contains("publisher: cannot end the run"), "{error}");
    });
}

#[test]
fn a_run_that_was_never_ended_is_not_gone_on_with() {
    with_rig(Setup::default(), async |rig| {
        let publisher = &rig.process.beamline.publisher.1;
        let within = Duration::from_secs(1);
        let begin = async |kickoff| {
            let begin = BeginRun { info: RunInfo::default(), kickoff };
            publisher.ask(begin, within).await.unwrap().finished().await.unwrap()
        };
        let first = begin(1).await;
        assert_eq!(begin(1).await, first, "a request that is made again begins nothing");
        assert_ne!(begin(2).await, first, "another kickoff is another run");
        for _ in 0..2 {
            let end = EndRun(document::Outcome::Success);
            publisher.ask(end, within).await.unwrap().finished().await.unwrap();
        }
        let documents = rig.documents();
        let names: Vec<&str> = documents.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names,
            ["start", "stop", "start", "stop"],
            "an end told twice is published once"
        );
        let stop = &documents[1].1;
        let told = (&stop["exit_status"], &stop["reason"]);
        assert_eq!(told, (&"fail".into(), &"it was never ended".into()));
    });
}

#[test]
fn a_line_that_a_killed_process_left_unfinished_stays_on_a_line_of_its_own() {
    with_rig(Setup::default(), async |rig| {
        let path = &rig.process.documents;
        std::fs::write(path, "{\"name\":\"start\",\"doc\":{\"uid\":\"x\"").unwrap();
        rig.ready(LINE).await;
        rig.kickoff().await.finished().await.unwrap();
        rig.unstage().await.unwrap();
        let text = std::fs::read_to_string(path).unwrap();
        let (left, ours) = text.split_once('\n').unwrap();
        assert_eq!(left, "{\"name\":\"start\",\"doc\":{\"uid\":\"x\"");
        assert!(ours.starts_with("{\"name\":\"start\",\"doc\":{\"uid\":"), "{ours}");
        assert!(ours.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
    });
}

/// What somebody else does to the documents in mid-run ends the run, with the reason.
fn check_documents(harm: impl Fn(&std::path::Path), expected: &str) {
    with_rig(Setup::default(), async |rig| {
        rig.ready(GRID).await;
        let status = rig.kickoff().await;
        rig.sleep(Duration::from_millis(700)).await;
        harm(&rig.process.documents);
        let error = status.finished().await.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        rig.assert_safe();
    });
}

#[test]
fn documents_that_went_away_were_not_missed() {
    let reason = "it was removed, replaced or changed by somebody else";
    check_documents(|path| std::fs::remove_file(path).unwrap(), reason);
    check_documents(|path| std::fs::write(path, "").unwrap(), reason);
}

#[test]
fn documents_that_are_no_file_or_written_by_another_process_are_refused_at_kickoff() {
    let check = |harm: &dyn Fn(&std::path::Path) -> Option<std::fs::File>, expected: &str| {
        with_rig(Setup::default(), async |rig| {
            let held = harm(&rig.process.documents);
            rig.ready(LINE).await;
            let error = rig.kickoff().await.finished().await.unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
            rig.assert_safe();
            drop(held);
        });
    };
    check(
        &|path| {
            std::fs::create_dir(path).unwrap();
            None
        },
        "it is there, and is no regular file",
    );
    check(
        &|path| {
            let file = std::fs::File::create(path).unwrap();
            file.lock().unwrap();
            Some(file)
        },
        "another process writes it",
    );
}

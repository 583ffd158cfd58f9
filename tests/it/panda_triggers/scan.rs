//! When a scan asks what of a source of triggers, whatever goes wrong.
use super::script::{ACTOR, Answer, Call, SAFE_AFTER, Script, with_script};
use crate::run::rig::{GRID, Rig, spec};
use bluefly_actors::{
    coordinator::{Abort, Kickoff, Pause, Prepare, Resume, Stage},
    status::Outcome,
};
use bluefly_protocol::{fault::FaultClass, run::RunPhase};
use std::time::Duration;

/// What is asked for in a scan that nothing disturbs.
const UNDISTURBED: [&str; 7] = [
    "check 0 of 40",
    "check 0 of 40",
    "load 0 of 40, armed",
    "enable, armed",
    "follow, armed",
    "make safe, armed, moving",
    "safe, armed, moving",
];

fn ms(duration: u64) -> Duration {
    Duration::from_millis(duration)
}

/// The next run is complete, and asks for what every run does.
async fn check_next(rig: &Rig, script: &Script) {
    rig.sleep(Duration::from_secs(2)).await;
    script.calls();
    assert_eq!(rig.run(GRID).await, Ok(40));
    rig.assert_complete(GRID, 40);
    assert_eq!(script.calls(), UNDISTURBED);
}

/// What follows the last call of this beginning.
fn after<'a>(calls: &'a [String], beginning: &str) -> &'a [String] {
    let last = calls.iter().rposition(|call| call.starts_with(beginning)).unwrap();
    &calls[last + 1..]
}

#[test]
fn triggers_are_loaded_once_detectors_are_armed_and_enabled_before_the_motion() {
    with_script(&[], async |rig, script| {
        assert_eq!(rig.run(GRID).await, Ok(40));
        rig.assert_complete(GRID, 40);
        assert_eq!(script.calls(), UNDISTURBED);
        // Two scans of one run: the second finds it safe.
        rig.ready(GRID).await;
        assert_eq!(rig.kickoff().await.finished().await, Ok(Outcome::Done(40)));
        assert_eq!(rig.step(Prepare(spec(GRID))).await, Ok(Outcome::Done(0)));
        assert_eq!(rig.kickoff().await.finished().await, Ok(Outcome::Done(40)));
        assert_eq!(rig.unstage().await, Ok(Outcome::Done(80)));
        assert_eq!(script.calls(), [UNDISTURBED, UNDISTURBED].concat());
    });
}

#[test]
fn what_a_source_cannot_trigger_was_refused_once_files_were_open() {
    with_script(&[], async |rig, script| {
        let told = "panda: cannot check 0 of 40: as it was told";
        rig.step(Stage::default()).await.unwrap();
        script.will(Call::Check, Answer::Fails(FaultClass::Rejected));
        assert_eq!(rig.try_step(Prepare(spec(GRID))).await, Err(told.to_owned()));
        assert_eq!(rig.progress().phase, RunPhase::Staged);
        // It may have become so since then.
        rig.step(Prepare(spec(GRID))).await.unwrap();
        script.will(Call::Check, Answer::Fails(FaultClass::Rejected));
        assert_eq!(rig.try_step(Kickoff).await, Err(told.to_owned()));
        assert_eq!(rig.progress().phase, RunPhase::Ready);
        assert_eq!(rig.documents(), []);
        assert_eq!(rig.kickoff().await.finished().await, Ok(Outcome::Done(40)));
        rig.unstage().await.unwrap();
        rig.assert_complete(GRID, 40);
    });
}

/// A call fails so: the run ends with `expected`, or is complete if that is none.
fn check_failure((call, class): (Call, FaultClass), expected: Option<&str>) {
    with_script(&[], async |rig, script| {
        script.will(call, Answer::Fails(class));
        let ended = rig.run(GRID).await;
        match expected {
            None => {
                assert_eq!(ended, Ok(40), "{call:?} {class:?}");
                rig.assert_complete(GRID, 40);
                assert_eq!(rig.progress().recoveries, 1, "{call:?} {class:?}");
            }
            Some(expected) => {
                assert_eq!(ended, Err(expected.to_owned()), "{call:?} {class:?}");
                assert_eq!(rig.assert_failed(GRID).await.as_deref(), Some(expected));
            }
        }
        rig.assert_safe();
        assert_eq!(script.calls().last().unwrap().split(',').next(), Some("safe"));
        check_next(rig, script).await;
    });
}

#[test]
fn each_call_that_fails_ends_the_run_or_is_recovered_from() {
    for (call, what) in
        [(Call::Load, "load 0 of 40"), (Call::Enable, "enable"), (Call::Follow, "follow")]
    {
        let told = format!("{}: cannot {what}: as it was told", super::script::SOURCE);
        check_failure((call, FaultClass::Failed), Some(&told));
        check_failure((call, FaultClass::Rejected), Some(&told));
        check_failure((call, FaultClass::Disconnected), None);
        check_failure((call, FaultClass::Lost), None);
    }
    // All triggers had left, and all frames are taken again from the first that was not complete.
    check_failure((Call::MakeSafe, FaultClass::Disconnected), None);
}

#[test]
fn a_source_that_ends_early_is_told_at_once() {
    with_script(
        &[("retries_for_lost_frames = 3", "retries_for_lost_frames = 0")],
        async |rig, script| {
            script.will(Call::Follow, Answer::EndsAfter(7));
            let ended = rig.run(GRID).await.unwrap_err();
            let told =
                "panda: cannot trigger the frames: it ended after the triggers of 7 of 40 frames";
            assert!(ended.starts_with(told), "{ended}");
            rig.assert_failed(GRID).await;
            check_next(rig, script).await;
        },
    );
}

#[test]
fn a_source_that_never_ends_held_the_run_for_ever() {
    with_script(
        &[("retries_for_lost_frames = 3", "retries_for_lost_frames = 0")],
        async |rig, script| {
            script.will(Call::Follow, Answer::NeverEnds);
            let ended = rig.run(GRID).await.unwrap_err();
            let told = "panda: cannot trigger the frames: the motion has ended for 5s, and the triggers of 0 \
                    of 40 frames have left";
            assert!(ended.starts_with(told), "{ended}");
            rig.assert_failed(GRID).await;
            check_next(rig, script).await;
        },
    );
}

#[test]
fn a_flight_that_was_paused_is_triggered_from_its_first_incomplete_frame() {
    with_script(&[], async |rig, script| {
        rig.ready(GRID).await;
        let status = rig.kickoff().await;
        rig.reach(RunPhase::Running).await;
        rig.sleep(ms(1_000)).await;
        rig.ask(Pause).await.unwrap();
        rig.reach(RunPhase::Paused).await;
        rig.assert_still();
        let complete = rig.progress().frames_done;
        assert!(complete > 0);
        let calls = script.calls();
        assert_eq!(after(&calls, "follow"), ["make safe, armed, moving", "safe, armed, moving"]);
        rig.ask(Resume::default()).await.unwrap();
        assert_eq!(status.finished().await, Ok(Outcome::Done(40)));
        assert_eq!(script.calls()[0], format!("load {complete} of 40, armed"));
        rig.unstage().await.unwrap();
        rig.assert_complete(GRID, 40);
        check_next(rig, script).await;
    });
}

#[test]
fn an_abort_in_any_phase_of_a_source_leaves_it_safe() {
    for call in [Call::Load, Call::Enable, Call::Follow] {
        with_script(&[], async |rig, script| {
            script.will(call, Answer::NeverEnds);
            rig.ready(GRID).await;
            let status = rig.kickoff().await;
            rig.sleep(ms(800)).await;
            let begun = rig.process.clock.now();
            rig.step(Abort { reason: None }).await.unwrap();
            assert_eq!(status.finished().await, Ok(Outcome::Aborted), "{call:?}");
            assert!(rig.process.clock.now() - begun < ms(500), "{call:?}");
            rig.assert_safe();
            let calls = script.calls();
            let end: Vec<&str> =
                calls.iter().rev().take(2).map(|call| call.split(',').next().unwrap()).collect();
            assert_eq!(end, ["safe", "make safe"], "{call:?}");
            // Detectors are disarmed after it: they wait for what is on its way.
            assert!(calls.last().unwrap().contains("armed"), "{call:?}: {calls:?}");
            check_next(rig, script).await;
        });
    }
}

#[test]
fn detectors_are_disarmed_though_their_triggers_cannot_be_made_safe() {
    with_script(&[], async |rig, script| {
        rig.ready(GRID).await;
        let status = rig.kickoff().await;
        rig.reach(RunPhase::Running).await;
        rig.sleep(ms(500)).await;
        script.will(Call::MakeSafe, Answer::Takes(Duration::from_secs(90)));
        rig.ask(Abort { reason: None }).await.unwrap();
        rig.sleep(Duration::from_secs(3)).await;
        assert!(status.ended().is_none());
        rig.assert_still();
        assert_eq!(status.finished().await, Ok(Outcome::Aborted));
        check_next(rig, script).await;
    });
}

#[test]
fn a_crash_of_a_source_is_recovered_from() {
    for (time, call) in
        [(0, None), (500, Some(Call::Load)), (500, Some(Call::Enable)), (900, None), (2_000, None)]
    {
        with_script(&[], async |rig, script| {
            if let Some(call) = call {
                script.will(call, Answer::NeverEnds);
            }
            let crash = async {
                rig.sleep(ms(time)).await;
                rig.process.tree.crash(ACTOR, "a test").unwrap();
            };
            let (ended, ()) = tokio::join!(rig.run(GRID), crash);
            assert_eq!(ended, Ok(40), "{time} ms, {call:?}");
            rig.assert_complete(GRID, 40);
            check_next(rig, script).await;
        });
    }
}

#[test]
fn a_crash_of_the_coordinator_leaves_triggers_safe() {
    with_script(&[], async |rig, script| {
        let crash = async {
            rig.reach(RunPhase::Running).await;
            rig.sleep(ms(500)).await;
            rig.process.tree.crash("scan_coordinator", "a test").unwrap();
        };
        let (ended, ()) = tokio::join!(rig.run(GRID), crash);
        ended.unwrap_err();
        rig.assert_failed(GRID).await;
        let calls = script.calls();
        assert_eq!(after(&calls, "follow").len(), 2, "{calls:?}");
        check_next(rig, script).await;
    });
}

#[test]
fn the_end_of_a_process_makes_triggers_safe() {
    let script = with_script(&[], async |rig, script| {
        rig.step(Stage::default()).await.unwrap();
        rig.step(Prepare(spec(GRID))).await.unwrap();
        rig.ask(Kickoff).await.unwrap();
        rig.sleep(ms(900) + SAFE_AFTER).await;
        script.calls();
        script.clone()
    });
    let calls = script.calls();
    // By the undo of the run, and once more without any actor.
    assert_eq!(calls, ["make safe, armed, moving", "safe, armed, moving", "make safe", "safe"]);
}

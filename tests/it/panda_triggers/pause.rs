//! While triggers are stopped for a pause, the flight is followed as before.
use super::script::{Answer, Call, with_script, with_scripts};
use crate::run::rig::{GRID, Rig, name};
use bluefly_actors::{
    coordinator::{Abort, Pause, Resume, RunStatus},
    status::{OperationPhase, Outcome},
};
use bluefly_protocol::{fault::FaultClass, run::RunPhase};
use bluefly_sim::faults::Fault;
use std::time::Duration;

fn ms(duration: u64) -> Duration {
    Duration::from_millis(duration)
}

/// Flies `text` until the camera has so many frames, and asks for a pause.
async fn pause_at(rig: &Rig, (text, frames): (&str, u64)) -> RunStatus {
    rig.ready(text).await;
    let status = rig.kickoff().await;
    taken(rig, frames).await;
    rig.ask(Pause).await.unwrap();
    status
}

async fn taken(rig: &Rig, frames: u64) {
    let (mut progress, camera) = (rig.process.bulletin.progress(), name("camera"));
    let is_taken = |taken: Option<&u64>| taken.is_some_and(|taken| *taken >= frames);
    progress.wait_for(|told| is_taken(told.detectors.get(&camera))).await.unwrap();
}

/// Goes on to the end; how often each frame came to the camera, and what was recovered from.
async fn land(rig: &Rig, status: &RunStatus) -> (Vec<u32>, u32) {
    rig.reach(RunPhase::Paused).await;
    rig.assert_still();
    rig.ask(Resume::default()).await.unwrap();
    assert_eq!(status.finished().await, Ok(Outcome::Done(40)));
    assert_eq!(rig.unstage().await, Ok(Outcome::Done(40)));
    rig.assert_complete(GRID, 40);
    (rig.process.world.frames_written(&name("camera")), rig.progress().recoveries)
}

/// One source does not vouch for what it triggered beyond frame 3, another is slow or fails.
fn check_doubt(other: Answer, recoveries: u32) {
    with_scripts(["first", "second"], &[], async |rig, [first, second]| {
        second.will(Call::Follow, Answer::TellsOf(3));
        second.will(Call::MakeSafe, Answer::Fails(FaultClass::Lost));
        first.will(Call::MakeSafe, other);
        // The motion tells of each row: the first, of 10 frames, is complete.
        let status = pause_at(rig, (GRID, 12)).await;
        let (taken, recovered) = land(rig, &status).await;
        assert_eq!(recovered, recoveries, "{other:?}");
        // From 3 on all that were taken are taken again.
        assert_eq!(taken[..12], [1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2], "{other:?}: {taken:?}");
    });
}

#[test]
fn a_source_that_did_not_vouch_for_its_frames_was_passed_over_for_another() {
    check_doubt(Answer::Takes(Duration::from_secs(10)), 1);
    check_doubt(Answer::Takes(ms(100)), 1);
    check_doubt(Answer::Fails(FaultClass::Lost), 2);
    check_doubt(Answer::Fails(FaultClass::Disconnected), 1);
}

/// 2,000 frames of 2 ms: half a buffer is 100 of them.
const LINE: &str = r#"{"type": "Fly", "spec": {"type": "ConstantDuration",
    "constant_duration": 0.002,
    "spec": {"type": "Linspace", "axis": "x", "start": 0, "stop": 9, "num": 2000}}}"#;

#[test]
fn a_controller_ran_dry_while_triggers_were_stopped() {
    let edits = [
        ("axes = [\"x\", \"y\"]", "axes = [\"x\", \"y\"]\nmax_segments = 100"),
        ("exposure = \"5 ms\"", "exposure = \"100 us\""),
    ];
    with_script(&edits, async |rig, script| {
        script.will(Call::MakeSafe, Answer::Takes(ms(450)));
        let status = pause_at(rig, (LINE, 100)).await;
        rig.sleep(ms(479)).await;
        assert!(rig.process.world.is_anything_moving());
        rig.reach(RunPhase::Paused).await;
        assert_eq!((rig.progress().recoveries, rig.progress().trouble), (0, None));
        rig.step(Abort { reason: None }).await.unwrap();
        assert_eq!(status.finished().await, Ok(Outcome::Aborted));
    });
}

#[test]
fn an_abort_while_triggers_were_stopped_was_a_pause_first() {
    with_script(&[], async |rig, script| {
        script.will(Call::MakeSafe, Answer::Takes(ms(400)));
        let mut status = pause_at(rig, (GRID, 3)).await;
        let begun = rig.process.clock.now();
        rig.sleep(ms(100)).await;
        assert!(rig.process.world.is_anything_moving());
        rig.ask(Abort { reason: None }).await.unwrap();
        let mut phases = Vec::new();
        while status.changed().await {
            phases.push((status.report().phase, status.report().progress.phase));
        }
        let has_paused = |(operation, run): &(OperationPhase, RunPhase)| {
            matches!(operation, OperationPhase::Pausing | OperationPhase::Paused)
                || matches!(run, RunPhase::Pausing | RunPhase::Paused)
        };
        assert!(!phases.iter().any(has_paused), "{phases:?}");
        assert_eq!(status.finished().await, Ok(Outcome::Aborted));
        // Its source was told once, and took its time.
        let made_safe = script.calls().iter().filter(|call| call.starts_with("make safe")).count();
        let after = rig.process.clock.now() - begun;
        assert_eq!((after.as_millis(), made_safe), (430, 1));
        rig.assert_safe();
    });
}

#[test]
fn a_motion_that_failed_while_triggers_were_stopped_was_not_heard_of() {
    with_script(&[], async |rig, script| {
        script.will(Call::MakeSafe, Answer::Takes(ms(400)));
        let status = pause_at(rig, (GRID, 3)).await;
        rig.sleep(ms(50)).await;
        rig.process.world.fault(&Fault::FollowingError { motor: name("x") });
        let ended = status.finished().await.unwrap_err().to_string();
        assert!(ended.starts_with("motion: cannot execute the trajectory: "), "{ended}");
        rig.assert_safe();
    });
}

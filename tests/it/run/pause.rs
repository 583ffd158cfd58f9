//! Pauses at any time and of any length: nothing is lost, doubled, moving or armed.
use super::rig::{DETECTORS, GRID, Rig, Setup, documented, name, spec, with_rig};
use bluefly_actors::{
    coordinator::{Abort, Pause, Prepare, Resume, RunStatus, Stage, Stop},
    random::{Seed, Stream},
    status::{OperationPhase, Outcome},
};
use bluefly_protocol::run::RunPhase;
use std::time::Duration;

/// A snaked grid of 20 x 50 frames of 20 ms, flown: about half a minute.
const LONG: &str = r#"{"type": "Fly", "spec": {"type": "ConstantDuration",
    "constant_duration": 0.02, "spec": {"type": "Product",
        "outer": {"type": "Linspace", "axis": "y", "start": 0, "stop": 3.8, "num": 20},
        "inner": {"type": "Snake", "spec":
            {"type": "Linspace", "axis": "x", "start": 0, "stop": 9.8, "num": 50}}}}}"#;
const LONG_FRAMES: u64 = 1_000;
const GRID_FRAMES: u64 = 40;

fn us(duration: u64) -> Duration {
    Duration::from_micros(duration)
}

fn ms(duration: u64) -> Duration {
    Duration::from_millis(duration)
}

/// The present phase of the run is one in which nothing may move.
fn assert_still(rig: &Rig, when: &str) {
    let world = &rig.process.world;
    assert!(!world.is_anything_moving(), "{when}: something moves");
    assert!(!world.is_anything_armed(), "{when}: something is armed");
}

/// Pauses now, stays paused for `length`, resumes. False if the flight had ended before.
async fn pause(rig: &Rig, status: &RunStatus, length: Duration) -> bool {
    let when = format!("{:?}", rig.process.clock.now());
    if rig.process.coordinator.ask(Pause, ms(1_000)).await.unwrap().is_err() {
        assert!(status.ended().is_some(), "{when}: refused, but the scan goes on");
        return false;
    }
    let mut progress = rig.process.bulletin.progress();
    let stopped = [RunPhase::Paused, RunPhase::Completed];
    let phase =
        progress.wait_for(|progress| stopped.contains(&progress.phase)).await.unwrap().phase;
    if phase == RunPhase::Completed {
        return false;
    }
    assert_still(rig, &when);
    assert_eq!(status.report().phase, OperationPhase::Paused, "{when}");
    let before = rig.progress();
    rig.sleep(length).await;
    assert_still(rig, &when);
    assert_eq!(rig.progress(), before, "{when}: something went on while paused");
    rig.ask(Resume::default()).await.unwrap();
    true
}

async fn land(rig: &Rig, status: &RunStatus, text: &str, frames: u64) {
    assert_eq!(status.finished().await, Ok(Outcome::Done(frames)));
    assert_eq!(rig.unstage().await, Ok(Outcome::Done(frames)));
    rig.assert_complete(text, frames);
    rig.assert_safe();
    assert_eq!(rig.stop_document()["exit_status"], "success");
}

/// A pause of random length, up to a minute, and mostly short.
fn length(random: &mut Stream) -> Duration {
    match random.below(4) {
        0 => Duration::ZERO,
        1 => us(random.below(1_000)),
        2 => us(random.below(1_000_000)),
        _ => us(random.below(60_000_000)),
    }
}

#[test]
fn a_hundred_pauses_in_one_scan_lose_and_double_nothing() {
    with_rig(Setup::default(), async |rig| {
        rig.ready(LONG).await;
        let status = rig.kickoff().await;
        let random = &mut Seed(42).stream("pauses", 0);
        for number in 0..100 {
            rig.sleep(us(random.below(600_000))).await;
            let length = length(random);
            assert!(pause(rig, &status, length).await, "the scan is over before pause {number}");
        }
        land(rig, &status, LONG, LONG_FRAMES).await;
        // A pause costs at most the frame in which the motion was halted, for each detector.
        for detector in DETECTORS {
            let writes = rig.process.world.frames_written(&name(detector));
            let again: u32 = writes.iter().map(|writes| writes - 1).sum();
            assert!(again <= 100, "{again} frames of {detector} were taken again");
        }
    });
}

/// Flies the small grid with one pause `after` the kickoff; false if it came too late.
fn pause_once(after: Duration, length: Duration) -> bool {
    with_rig(Setup::default(), async |rig| {
        rig.ready(GRID).await;
        let status = rig.kickoff().await;
        rig.sleep(after).await;
        let paused = pause(rig, &status, length).await;
        land(rig, &status, GRID, GRID_FRAMES).await;
        paused
    })
}

/// How long the small grid takes from kickoff to its last frame.
fn duration_of_grid() -> Duration {
    with_rig(Setup::default(), async |rig| {
        rig.ready(GRID).await;
        let start = rig.process.clock.now();
        rig.kickoff().await.finished().await.unwrap();
        rig.process.clock.now() - start
    })
}

#[test]
fn a_hundred_scans_with_a_pause_each_are_complete() {
    let total = duration_of_grid().as_micros() as u64;
    let random = &mut Seed(7).stream("pauses", 0);
    let paused = (0..100).filter(|_| pause_once(us(random.below(total)), length(random))).count();
    assert!(paused >= 95, "{paused} of 100 scans were paused at all");
}

#[test]
fn a_pause_at_every_moment_of_a_turnaround_and_of_the_last_frame() {
    let total = duration_of_grid();
    for step in 0..40 {
        // The first row ends at about 600 ms: 40 moments from its last frame to the next row.
        assert!(pause_once(ms(500) + ms(10) * step, ms(1)));
    }
    for step in 1..=20 {
        pause_once(total.saturating_sub(ms(3) * step), ms(1));
    }
}

#[test]
fn a_pause_while_it_starts() {
    for after in [0, 1, 10, 100, 1_000, 10_000, 50_000, 100_000, 150_000] {
        assert!(pause_once(us(after), ms(1)), "{after} us after the kickoff");
    }
}

#[test]
fn a_pause_that_is_taken_back_at_once_or_before_it_is_reached() {
    for wait in [0, 1, 5, 1_000, 30_000, 60_000] {
        with_rig(Setup::default(), async |rig| {
            rig.ready(GRID).await;
            let status = rig.kickoff().await;
            rig.sleep(ms(700)).await;
            for _ in 0..3 {
                rig.ask(Pause).await.unwrap();
                rig.sleep(us(wait)).await;
                rig.ask(Resume::default()).await.unwrap();
                rig.sleep(us(wait)).await;
            }
            land(rig, &status, GRID, GRID_FRAMES).await;
        });
    }
}

#[test]
fn a_pause_longer_than_every_timeout() {
    assert!(pause_once(ms(777), Duration::from_hours(24)));
}

#[test]
fn a_second_pause_and_a_second_resume_change_nothing() {
    with_rig(Setup::default(), async |rig| {
        rig.ready(GRID).await;
        let status = rig.kickoff().await;
        rig.sleep(ms(700)).await;
        rig.ask(Pause).await.unwrap();
        rig.ask(Pause).await.unwrap();
        rig.reach(RunPhase::Paused).await;
        rig.ask(Pause).await.unwrap();
        rig.sleep(ms(10)).await;
        assert_eq!(rig.progress().phase, RunPhase::Paused);
        rig.ask(Resume::default()).await.unwrap();
        rig.ask(Resume::default()).await.unwrap();
        rig.reach(RunPhase::Running).await;
        rig.ask(Resume::default()).await.unwrap();
        land(rig, &status, GRID, GRID_FRAMES).await;
    });
}

/// Ends a run `wait` after a pause was asked for: while it is pausing, or paused.
fn end_after_pause(wait: Duration, end: impl AsyncFnOnce(&Rig), expected: (&str, Outcome<()>)) {
    with_rig(Setup::default(), async |rig| {
        rig.ready(GRID).await;
        let status = rig.kickoff().await;
        rig.sleep(ms(733)).await;
        rig.ask(Pause).await.unwrap();
        rig.sleep(wait).await;
        end(rig).await;
        let ended = status.finished().await.unwrap();
        let rows = documented(&rig.documents());
        match ended {
            Outcome::Done(frames) => assert_eq!((expected.1, frames), (Outcome::Done(()), rows)),
            Outcome::Aborted => assert_eq!(expected.1, Outcome::Aborted),
        }
        assert_eq!(rig.stop_document()["exit_status"], expected.0);
        assert_eq!(rig.stop_document()["num_events"]["primary"].as_u64().unwrap_or(0), rows);
        assert!(rows > 0, "frames that were taken before the pause are kept");
        rig.assert_safe();
        assert_eq!(rig.step(Stage::default()).await, Ok(Outcome::Done(0)));
        assert_eq!(rig.step(Prepare(spec(GRID))).await, Ok(Outcome::Done(0)));
        land(rig, &rig.kickoff().await, GRID, GRID_FRAMES).await;
    });
}

#[test]
fn an_abort_or_stop_while_pausing_ends_the_run() {
    for wait in [0, 1, 10, 1_000, 20_000, 40_000, 1_000_000] {
        let abort = async |rig: &Rig| drop(rig.ask(Abort { reason: None }).await.unwrap());
        end_after_pause(us(wait), abort, ("abort", Outcome::Aborted));
        let stop = async |rig: &Rig| drop(rig.ask(Stop).await.unwrap());
        end_after_pause(us(wait), stop, ("success", Outcome::Done(())));
    }
}

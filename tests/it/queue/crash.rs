//! The queue or the coordinator crashes at every moment of queued runs.
use super::rig::{Stand, moments, with_queue};
use crate::run::rig::Setup;
use bluefly_actors::{queue::Release, supervise::Schedule};
use bluefly_protocol::{
    api::{Gate, RunState},
    run::RunPhase,
};
use std::time::Duration;

/// Crashes an actor; the phase in which it was.
fn crash(stand: &Stand, actor: &str) -> RunPhase {
    let phase = stand.progress().phase;
    // It may be down already.
    drop(stand.process.tree.crash(actor, "a test"));
    phase
}

/// The moments are in every phase of a run that takes time.
fn assert_all(phases: &[RunPhase]) {
    for phase in [
        RunPhase::Idle,
        RunPhase::Staging,
        RunPhase::Preparing,
        RunPhase::Starting,
        RunPhase::Running,
        RunPhase::Unstaging,
    ] {
        assert!(phases.contains(&phase), "no crash while {phase}: {phases:?}");
    }
}

#[test]
fn a_crash_of_the_queue_leaves_no_mark_on_a_run() {
    let mut phases = Vec::new();
    for moment in moments() {
        with_queue(Setup::default(), async |stand| {
            let crash = async || crash(stand, "run_queue");
            let (uids, phase) = stand.fly_until(2, moment, crash).await;
            phases.push(phase);
            let list = stand.until_done().await;
            assert_eq!(list.queue.state, Gate::Open, "{moment:?}");
            stand.assert_history(&uids).await;
            assert_eq!(stand.states(&uids).await, [RunState::Done; 2], "{moment:?}");
        });
    }
    assert_all(&phases);
}

#[test]
fn a_queue_that_crashes_again_and_again_loses_nothing() {
    for seed in 0..20 {
        let schedule = Schedule::Shuffled;
        with_queue(Setup { seed, schedule, ..Setup::default() }, async |stand| {
            let uids = stand.submit_lines(4).await;
            for i in 0..8 {
                stand
                    .sleep(Duration::from_micros(1 + (seed * 7_919 + i * 104_729) % 900_000))
                    .await;
                crash(stand, "run_queue");
                // More than three restarts in a minute are one too many.
                stand.sleep(Duration::from_secs(20)).await;
            }
            stand.until_done().await;
            stand.assert_history(&uids).await;
            assert_eq!(stand.states(&uids).await, [RunState::Done; 4], "seed {seed}");
        });
    }
}

#[test]
fn a_crash_of_the_coordinator_fails_the_run_that_flies() {
    let (mut phases, mut num_failed) = (Vec::new(), 0);
    for moment in moments() {
        with_queue(Setup::default(), async |stand| {
            let crash = async || crash(stand, "scan_coordinator");
            let (uids, phase) = stand.fly_until(2, moment, crash).await;
            phases.push(phase);
            stand.sleep(Duration::from_mins(2)).await;
            stand.ask(Release).await.unwrap();
            stand.until_done().await;
            stand.assert_history(&uids).await;
            let failed = stand.states(&uids).await;
            let failed = failed.iter().filter(|state| **state != RunState::Done).count();
            assert!(failed <= 1, "{moment:?}");
            num_failed += failed;
            for uid in &uids {
                let run = stand.run(uid).await;
                if run.state != RunState::Done {
                    assert_eq!(run.state, RunState::Failed);
                    assert!(run.reason.starts_with("the scan coordinator crashed"), "{run:?}");
                }
            }
        });
    }
    assert_all(&phases);
    assert!(num_failed > 10, "{num_failed} only");
}

#[test]
fn whoever_else_crashes_a_run_ends_as_it_does_without_a_queue() {
    for actor in ["camera", "motion", "generator", "publisher", "storage_writer"] {
        for moment in moments().into_iter().step_by(7) {
            with_queue(Setup::default(), async |stand| {
                let (uids, _) = stand.fly_until(2, moment, async || crash(stand, actor)).await;
                stand.sleep(Duration::from_mins(2)).await;
                stand.ask(Release).await.unwrap();
                stand.until_done().await;
                stand.assert_history(&uids).await;
                let states = stand.states(&uids).await;
                assert_eq!(states[1], RunState::Done, "{actor} {moment:?}: {states:?}");
            });
        }
    }
}

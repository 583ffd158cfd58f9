//! The queue or the coordinator crashes at every moment of queued runs.
use super::rig::{Stand, with_queue};
use crate::run::rig::Setup;
use bluefly_actors::{queue::Release, supervise::Schedule};
use bluefly_protocol::api::{Gate, RunState};
use std::time::Duration;

/// When a crash happens after the first run was submitted: so many polls, then so much later.
fn moments() -> Vec<(u32, Duration)> {
    let polls = (0..16).map(|polls| (polls, Duration::ZERO));
    let early = (1..16).map(|us| (1, Duration::from_micros(us)));
    let late = [1, 20, 100, 150, 200, 230, 260, 290, 310, 330, 350, 380, 420, 460, 500, 600];
    let late = late.map(|ms| (0, Duration::from_millis(ms)));
    polls.chain(early).chain(late).collect()
}

async fn crash(stand: &Stand, actor: &str, (polls, later): (u32, Duration)) {
    for _ in 0..polls {
        tokio::task::yield_now().await;
    }
    stand.sleep(later).await;
    // It may be down already.
    drop(stand.process.tree.crash(actor, "a test"));
}

#[test]
fn a_crash_of_the_queue_leaves_no_mark_on_a_run() {
    for moment in moments() {
        with_queue(Setup::default(), async |stand| {
            let uids = stand.submit_lines(2).await;
            crash(stand, "run_queue", moment).await;
            let list = stand.until_done().await;
            assert_eq!(list.queue.state, Gate::Open, "{moment:?}");
            stand.assert_history(&uids).await;
            assert_eq!(stand.states(&uids).await, [RunState::Done; 2], "{moment:?}");
        });
    }
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
                crash(stand, "run_queue", ((seed % 5) as u32, Duration::ZERO)).await;
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
    for moment in moments() {
        with_queue(Setup::default(), async |stand| {
            let uids = stand.submit_lines(2).await;
            crash(stand, "scan_coordinator", moment).await;
            stand.sleep(Duration::from_mins(2)).await;
            stand.ask(Release).await.unwrap();
            stand.until_done().await;
            stand.assert_history(&uids).await;
            let failed = stand.states(&uids).await;
            let failed = failed.iter().filter(|state| **state != RunState::Done).count();
            assert!(failed <= 1, "{moment:?}");
            for uid in &uids {
                let run = stand.run(uid).await;
                if run.state != RunState::Done {
                    assert_eq!(run.state, RunState::Failed);
                    assert!(run.reason.starts_with("the scan coordinator crashed"), "{run:?}");
                }
            }
        });
    }
}

#[test]
fn whoever_else_crashes_a_run_ends_as_it_does_without_a_queue() {
    for actor in ["camera", "motion", "generator", "publisher", "storage_writer"] {
        for moment in moments().into_iter().step_by(4) {
            with_queue(Setup::default(), async |stand| {
                let uids = stand.submit_lines(2).await;
                crash(stand, actor, moment).await;
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

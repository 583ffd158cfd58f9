//! A queued run fails at every step in turn: every request to every device fails once.
use super::rig::{Stand, with_queue};
use crate::run::rig::{Setup, name};
use bluefly_actors::queue::Release;
use bluefly_protocol::api::{Gate, RunState};
use bluefly_sim::faults::{Fault, Planned};
use std::{fs, time::Duration};

const DEVICES: [&str; 6] = ["x", "y", "motion", "camera", "diode", "generator"];

/// Two runs, of which the first may fail: then the second is held, and flies when it is released.
async fn check(stand: &Stand, what: &str) -> RunState {
    let uids = stand.submit_lines(2).await;
    let list = stand
        .until(|list| {
            let is_live = list.runs.iter().any(|run| run.state == RunState::Running);
            let is_queued = list.runs.iter().any(|run| run.state == RunState::Queued);
            !is_live && (!is_queued || list.queue.state == Gate::Held)
        })
        .await;
    let first = stand.run(&uids[0]).await;
    if first.state == RunState::Failed {
        let reason = format!("run {} failed: {}", uids[0], first.reason);
        assert_eq!((list.queue.state, &list.queue.reason), (Gate::Held, &reason), "{what}");
        assert_ne!(first.reason, "", "{what}");
        assert_eq!(stand.run(&uids[1]).await.state, RunState::Queued, "{what}");
        stand.sleep(Duration::from_mins(5)).await;
        stand.ask(Release).await.unwrap();
        stand.until_done().await;
        assert_eq!(stand.run(&uids[1]).await.state, RunState::Done, "{what}");
    }
    stand.assert_history(&uids).await;
    first.state
}

/// How many requests to `device` a run takes.
fn requests(device: &str) -> u64 {
    with_queue(Setup::default(), async |stand| {
        let before = stand.process.world.requests(&name(device));
        stand.submit_lines(1).await;
        stand.until_done().await;
        stand.process.world.requests(&name(device)) - before
    })
}

#[test]
fn a_run_that_fails_at_any_step_holds_those_that_wait() {
    let mut failed = 0;
    for device in DEVICES {
        for after in (0..requests(device)).step_by(5) {
            with_queue(Setup::default(), async |stand| {
                // Longer than anybody waits for a device.
                let time = Duration::from_mins(3);
                let fault = Fault::DropRequest { device: name(device), after, time };
                let what = format!("{fault:?}");
                stand.process.world.schedule(vec![Planned { after: Duration::ZERO, fault }]);
                failed += usize::from(check(stand, &what).await == RunState::Failed);
            });
        }
    }
    assert!(failed > 10, "{failed} only");
}

#[test]
fn a_run_whose_documents_cannot_be_written_fails() {
    with_queue(Setup::default(), async |stand| {
        fs::create_dir(&stand.process.documents).unwrap();
        let uids = stand.submit_lines(2).await;
        let list = stand.until(|list| list.queue.state == Gate::Held).await;
        assert!(list.queue.reason.contains("documents.jsonl"), "{}", list.queue.reason);
        assert_eq!(stand.states(&uids).await, [RunState::Failed, RunState::Queued]);
        assert_eq!(stand.run(&uids[0]).await.num_frames, Some(0));
        fs::remove_dir(&stand.process.documents).unwrap();
        stand.ask(Release).await.unwrap();
        stand.until_done().await;
        assert_eq!(stand.states(&uids).await, [RunState::Failed, RunState::Done]);
    });
}

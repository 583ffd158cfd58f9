//! What the next process makes of a queue that a process left.
use super::rig::{End, LINE, edited, moments, with_queue, with_stand};
use crate::run::rig::{Setup, spec};
use bluefly_actors::{
    archive::KILLED,
    queue::{Cancel, Hold, MoveTo, Release, Settle, Submit},
};
use bluefly_protocol::{
    api::{ErrorCode, Gate, RunList, RunState},
    run::RunPhase,
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};

const GO_ON: (&str, &str) = ("[device.x]", "[queue]\nafter_restart = \"go_on\"\n[device.x]");

#[test]
fn a_killed_process_loses_and_repeats_nothing() {
    for moment in moments() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let uids = with_stand((path, Setup::default(), End::Killed), async |stand| {
            stand.fly_until(3, moment, async || ()).await.0
        });
        with_stand((path, Setup::default(), End::InOrder), async |stand| {
            let list = stand.list().await;
            let live = list.runs.iter().filter(|run| run.state == RunState::Queued).count();
            if live > 0 {
                let held = (list.queue.state, list.queue.reason.as_str());
                assert_eq!(held, (Gate::Held, "the process was restarted"), "{moment:?}");
            }
            assert!(list.runs.iter().all(|run| run.state != RunState::Running));
            stand.assert_history(&uids).await;
            // In their order.
            let states = stand.states(&uids).await;
            assert!(states.is_sorted_by_key(|state| *state == RunState::Queued), "{states:?}");
            for uid in &uids {
                let run = stand.run(uid).await;
                if run.state == RunState::Failed {
                    assert_eq!(run.reason, KILLED);
                }
            }
            let failed = states.iter().filter(|state| **state == RunState::Failed).count();
            assert!(failed <= 1, "{moment:?}: {states:?}");
            stand.ask(Release).await.unwrap();
            let more = stand.submit_lines(1).await;
            assert!(!uids.contains(&more[0]));
            stand.until_done().await;
            stand.assert_history(&[uids, more].concat()).await;
        });
    }
}

#[test]
fn a_queue_that_is_to_go_on_after_a_restart_does() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let uids = with_stand((path, edited(vec![GO_ON]), End::Killed), async |stand| {
        let uids = stand.submit_lines(3).await;
        stand.sleep(Duration::from_millis(300)).await;
        uids
    });
    with_stand((path, edited(vec![GO_ON]), End::Killed), async |stand| {
        let list = stand.until_done().await;
        assert_eq!(list.queue.state, Gate::Open);
        stand.assert_history(&uids).await;
        let states = [RunState::Failed, RunState::Done, RunState::Done];
        assert_eq!(stand.states(&uids).await, states);
    });
    with_stand((path, edited(vec![GO_ON]), End::InOrder), async |stand| {
        stand.assert_history(&uids).await;
    });
}

#[test]
fn a_process_that_ends_in_order_aborts_one_run_and_keeps_the_others() {
    for moment in moments() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let uids = with_stand((path, Setup::default(), End::InOrder), async |stand| {
            stand.fly_until(3, moment, async || ()).await.0
        });
        with_stand((path, Setup::default(), End::InOrder), async |stand| {
            stand.assert_history(&uids).await;
            let states = stand.states(&uids).await;
            let aborted = states.iter().filter(|state| **state == RunState::Aborted).count();
            let failed = states.iter().filter(|state| **state == RunState::Failed).count();
            assert!(aborted <= 1 && failed == 0, "{moment:?}: {states:?}");
            for uid in &uids {
                let run = stand.run(uid).await;
                if run.state == RunState::Aborted {
                    assert_eq!(run.reason, "the process was shut down", "{moment:?}");
                }
            }
            if states.contains(&RunState::Queued) {
                assert_eq!(stand.list().await.queue.reason, "the process was restarted");
            }
        });
    }
}

/// Whoever ends the process asks for this: a run that was found begun by nobody was left in the air.
#[test]
fn a_run_whose_begin_was_on_its_way_to_the_disk_was_not_waited_for() {
    for polls in 0..40 {
        with_queue(Setup::default(), async |stand| {
            stand.ask(Hold::default()).await.unwrap();
            let uids = stand.submit_lines(1).await;
            stand.ask(Release).await.unwrap();
            stand.reach(RunPhase::Staged).await;
            for _ in 0..polls {
                tokio::task::yield_now().await;
            }
            stand.ask(Settle).await.unwrap();
            let states = stand.states(&uids).await;
            assert_eq!(states, [RunState::Done], "{polls} polls after it was staged");
        });
    }
}

#[test]
fn order_holds_and_cancellations_outlive_a_process() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let (uids, before) = with_stand((path, Setup::default(), End::Killed), async |stand| {
        stand.ask(Hold { reason: Some("no beam".into()) }).await.unwrap();
        let uids = stand.submit_lines(5).await;
        stand.ask(Cancel(uids[1].clone())).await.unwrap();
        stand.ask(MoveTo { uid: uids[4].clone(), place: 0 }).await.unwrap();
        (uids, stand.list().await)
    });
    for end in [End::InOrder, End::Killed, End::InOrder] {
        with_stand((path, Setup::default(), end), async |stand| {
            assert_eq!(stand.list().await, before);
            assert_eq!(before.queue.reason, "no beam");
            stand.assert_history(&uids).await;
        });
    }
}

#[test]
fn a_run_was_flown_again_after_an_older_queue_was_put_back() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let queue = path.join("queue.jsonl");
    let (older, uids) = with_stand((path, Setup::default(), End::InOrder), async |stand| {
        stand.ask(Hold::default()).await.unwrap();
        let uids = stand.submit_lines(1).await;
        let older = std::fs::read(&queue).unwrap();
        stand.ask(Release).await.unwrap();
        stand.until_done().await;
        (older, uids)
    });
    std::fs::write(&queue, older).unwrap();
    with_stand((path, Setup::default(), End::InOrder), async |stand| {
        assert_eq!(stand.states(&uids).await, [RunState::Done]);
        stand.ask(Release).await.unwrap();
        stand.until_done().await;
        stand.assert_history(&uids).await;
    });
}

/// Lists in each other, so many.
fn nested(depth: usize) -> Value {
    (0..depth)
        .fold(json!(1), |inner, i| if i % 2 == 0 { json!([inner]) } else { json!({"a": inner}) })
}

#[test]
fn metadata_that_was_nested_too_deep_kept_the_next_process_from_its_start() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let submit = |depth| {
        let metadata = BTreeMap::from([("note".to_owned(), nested(depth))]);
        Submit::new(spec(&deep_spec()), metadata)
    };
    let list = with_stand((path, Setup::default(), End::Killed), async |stand| {
        stand.ask(Hold::default()).await.unwrap();
        for depth in [33, 100, 120] {
            let error = stand.ask(submit(depth)).await.unwrap_err();
            let told = (error.code, error.message.as_str());
            let rule = "metadata key \"note\" is nested more than 32 deep";
            assert_eq!(told, (ErrorCode::Invalid, rule));
        }
        stand.ask(submit(32)).await.unwrap();
        stand.list().await
    });
    with_stand((path, Setup::default(), End::InOrder), async |stand| {
        assert_eq!(stand.list().await, list);
        let text = serde_json::to_string(&list).unwrap();
        assert_eq!(serde_json::from_str::<RunList>(&text).unwrap(), list);
        stand.ask(Release).await.unwrap();
        let done = stand.until_done().await;
        assert_eq!(done.runs[0].state, RunState::Done, "{:?}", done.runs);
        let documents = stand.process.archive.documents(&list.runs[0].uid).unwrap().unwrap();
        for line in documents.map(Result::unwrap) {
            serde_json::from_str::<Value>(&line).unwrap();
        }
    });
}

/// A specification as deep as can be.
fn deep_spec() -> String {
    (0..97).fold(LINE.to_owned(), |inner, _| format!(r#"{{"type": "Snake", "spec": {inner}}}"#))
}

/// A process that only looks leaves nothing behind.
#[test]
fn a_queue_that_was_never_used_leaves_no_file() {
    let directory = tempfile::tempdir().unwrap();
    with_stand((directory.path(), Setup::default(), End::InOrder), async |stand| {
        assert_eq!(stand.list().await.runs, []);
        assert_eq!(stand.list().await.queue.state, Gate::Open);
    });
    assert!(!directory.path().join("queue.jsonl").exists());
}

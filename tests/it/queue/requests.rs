//! What is asked of the queue, and what is refused.
use super::rig::{End, LINE, Stand, edited, with_queue, with_stand};
use crate::run::rig::{GRID, Setup, spec};
use bluefly_actors::queue::{Cancel, Get, Hold, List, MoveTo, Release, Submit};
use bluefly_protocol::{
    api::{ErrorCode, RunState},
    run::RunPhase,
};
use serde_json::json;
use std::{collections::BTreeMap, time::Duration};

#[test]
fn what_cannot_be_flown_is_not_queued() {
    with_queue(Setup::default(), async |stand| {
        let check = async |text: &str, metadata: serde_json::Value, expected: (&str, &str)| {
            let metadata = serde_json::from_value(metadata).unwrap();
            let error = stand.ask(Submit::new(spec(text), metadata)).await.unwrap_err();
            assert_eq!(error.code, ErrorCode::Invalid);
            assert_eq!((error.place.as_str(), error.message.as_str()), expected);
        };
        let unknown = r#"{"type": "Linspace", "axis": "q", "start": 0, "stop": 1, "num": 5}"#;
        check(unknown, json!({}), ("$.axis", "no axis \"q\" on this beamline: it has x, y")).await;
        let far = r#"{"type": "Linspace", "axis": "x", "start": 0, "stop": 1000, "num": 5}"#;
        let metadata = json!({"scan_spec": 1});
        let rule = "metadata key \"scan_spec\" is said by the start document itself";
        check(far, metadata, ("metadata", rule)).await;
        let list = stand.list().await;
        assert_eq!(list.runs, []);
        assert!(!stand.process.documents.with_file_name("queue.jsonl").exists());
    });
}

const UID: &str = "01234567-89ab-cdef-0123-456789abcdef";

fn under(uid: &str, text: &str, sample: &str) -> Submit {
    let metadata = BTreeMap::from([("sample".to_owned(), json!(sample))]);
    Submit { uid: Some(uid.to_owned()), ..Submit::new(spec(text), metadata) }
}

#[test]
fn a_submission_whose_answer_was_lost_was_flown_twice() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let repeated = async |stand: &Stand| {
        let run = stand.ask(under(UID, LINE, "a")).await.unwrap();
        assert_eq!(run.uid, UID);
        for other in [under(UID, GRID, "a"), under(UID, LINE, "b")] {
            let error = stand.ask(other).await.unwrap_err();
            assert_eq!((error.code, error.place.as_str()), (ErrorCode::Refused, "uid"));
        }
        assert_eq!(stand.list().await.runs, std::slice::from_ref(&run));
        run.state
    };
    with_stand((path, Setup::default(), End::Killed), async |stand| {
        stand.ask(Hold::default()).await.unwrap();
        let both =
            futures_util::join!(stand.ask(under(UID, LINE, "a")), stand.ask(under(UID, LINE, "a")));
        assert_eq!(both.0, both.1);
        assert_eq!(repeated(stand).await, RunState::Queued);
    });
    with_stand((path, Setup::default(), End::InOrder), async |stand| {
        assert_eq!(repeated(stand).await, RunState::Queued);
        stand.ask(Release).await.unwrap();
        stand.reach(RunPhase::Running).await;
        assert_eq!(repeated(stand).await, RunState::Running);
        stand.until_done().await;
        assert_eq!(repeated(stand).await, RunState::Done);
        for uid in ["a", "../../etc", &UID.to_uppercase(), ""] {
            let error = stand.ask(under(uid, LINE, "a")).await.unwrap_err();
            assert_eq!((error.code, error.place.as_str()), (ErrorCode::Invalid, "uid"), "{uid}");
        }
    });
}

#[test]
fn a_submission_for_which_nobody_waited_any_more_was_flown() {
    let mut given_up = 0;
    for us in 0..12 {
        with_queue(Setup::default(), async |stand| {
            let submit = Submit::new(spec(LINE), BTreeMap::new());
            let leave = async {
                stand.sleep(Duration::from_micros(us)).await;
                submit.given_up.cancel();
            };
            let (submitted, ()) = futures_util::join!(stand.ask(submit.clone()), leave);
            stand.sleep(Duration::from_secs(1)).await;
            let count = stand.list().await.runs.len();
            assert_eq!(count, usize::from(submitted.is_ok()), "{us}: {submitted:?}");
            given_up += usize::from(submitted.is_err());
        });
    }
    assert!((1..12).contains(&given_up), "{given_up}");
}

#[test]
fn a_list_has_a_thousand_ended_runs_at_most() {
    with_queue(Setup::default(), async |stand| {
        let list = |limit| stand.ask(List { state: None, limit });
        assert_eq!(list(1_000).await.unwrap().runs, []);
        let error = list(1_001).await.unwrap_err();
        assert_eq!((error.code, error.place.as_str()), (ErrorCode::BadRequest, "limit"));
    });
}

#[test]
fn runs_are_moved_and_cancelled() {
    with_queue(Setup::default(), async |stand| {
        stand.ask(Hold::default()).await.unwrap();
        let uids = stand.submit_lines(4).await;
        let order = async || {
            let list = stand.list().await;
            let queued = list.runs.iter().filter(|run| run.state == RunState::Queued);
            let place = |uid: &String| uids.iter().position(|known| known == uid).unwrap();
            queued.map(|run| place(&run.uid)).collect::<Vec<_>>()
        };
        let moved = async |run: usize, place: u64, expected: [usize; 4]| {
            let run = stand.ask(MoveTo { uid: uids[run].clone(), place }).await.unwrap();
            assert_eq!(run.place, Some(place.min(3)));
            assert_eq!(order().await, expected);
        };
        moved(0, 0, [0, 1, 2, 3]).await;
        moved(0, 2, [1, 2, 0, 3]).await;
        moved(3, 0, [3, 1, 2, 0]).await;
        moved(3, u64::MAX, [1, 2, 0, 3]).await;
        let cancelled = stand.ask(Cancel(uids[2].clone())).await.unwrap();
        assert_eq!((cancelled.state, cancelled.place), (RunState::Cancelled, None));
        assert_eq!(stand.ask(Cancel(uids[2].clone())).await.unwrap(), cancelled);
        assert_eq!(order().await, [1, 0, 3]);
        let error = stand.ask(MoveTo { uid: uids[2].clone(), place: 0 }).await.unwrap_err();
        let told = (error.code, error.phase.as_deref(), error.message.as_str());
        let expected =
            (ErrorCode::Refused, Some("cancelled"), "cannot move a run that is cancelled");
        assert_eq!(told, expected);
        for error in [
            stand.ask(Cancel("nobody".into())).await.unwrap_err(),
            stand.ask(MoveTo { uid: "nobody".into(), place: 0 }).await.unwrap_err(),
        ] {
            let told = (error.code, error.message.as_str());
            assert_eq!(told, (ErrorCode::NotFound, "there is no run \"nobody\""));
        }
        assert_eq!(stand.ask(Get("nobody".into())).await, Ok(None));
        stand.ask(Release).await.unwrap();
        stand.until_done().await;
        let only = |state| List { state: Some(state), limit: 2 };
        let done = stand.ask(only(RunState::Done)).await.unwrap().runs;
        let found: Vec<_> = done.iter().map(|run| run.uid.as_str()).collect();
        assert_eq!(found, [uids[3].as_str(), uids[0].as_str()]);
        let cancelled = stand.ask(only(RunState::Cancelled)).await.unwrap().runs;
        assert_eq!(cancelled[0].uid, uids[2]);
        stand.assert_history(&uids).await;
    });
}

#[test]
fn a_run_in_the_air_is_aborted_not_cancelled() {
    with_queue(Setup::default(), async |stand| {
        let run = stand.submit(GRID).await;
        stand.reach(RunPhase::Running).await;
        for error in [
            stand.ask(Cancel(run.uid.clone())).await.unwrap_err(),
            stand.ask(MoveTo { uid: run.uid.clone(), place: 0 }).await.unwrap_err(),
        ] {
            let told = (error.code, error.phase.as_deref());
            assert_eq!(told, (ErrorCode::Refused, Some("running")));
        }
        stand.until_done().await;
        assert_eq!(stand.ask(Cancel(run.uid.clone())).await.unwrap().state, RunState::Done);
    });
}

/// Requests that come at the same time are all done, in some order.
#[test]
fn requests_at_the_same_time_are_all_done() {
    for seed in 0..10 {
        let schedule = bluefly_actors::supervise::Schedule::Shuffled;
        with_queue(Setup { seed, schedule, ..Setup::default() }, async |stand| {
            stand.ask(Hold::default()).await.unwrap();
            let submit = || stand.ask(Submit::new(spec(LINE), BTreeMap::new()));
            let submits = futures_util::future::join_all((0..20).map(|_| submit())).await;
            let uids: Vec<String> = submits.into_iter().map(|run| run.unwrap().uid).collect();
            let places = async || {
                let list = stand.list().await;
                list.runs.iter().filter_map(|run| run.place).collect::<Vec<_>>()
            };
            assert_eq!(places().await, (0..20).collect::<Vec<_>>());
            let (moves, cancels) = futures_util::join!(
                futures_util::future::join_all(
                    uids.iter().map(|uid| { stand.ask(MoveTo { uid: uid.clone(), place: 3 }) })
                ),
                futures_util::future::join_all(
                    uids[..10].iter().map(|uid| { stand.ask(Cancel(uid.clone())) })
                ),
            );
            assert!(cancels.iter().all(|run| run.as_ref().unwrap().state == RunState::Cancelled));
            for (i, moved) in moves.into_iter().enumerate() {
                let refused = |code| i < 10 && code == ErrorCode::Refused;
                assert!(moved.is_ok() || moved.is_err_and(|error| refused(error.code)));
            }
            assert_eq!(places().await, (0..10).collect::<Vec<_>>());
            stand.ask(Release).await.unwrap();
            stand.until_done().await;
            stand.assert_history(&uids).await;
        });
    }
}

#[test]
fn no_more_runs_wait_than_are_allowed() {
    let setup = edited(vec![("[device.x]", "[queue]\nmax_queued = 2\n[device.x]")]);
    with_queue(setup, async |stand| {
        stand.ask(Hold::default()).await.unwrap();
        let uids = stand.submit_lines(2).await;
        let submit = Submit::new(spec(LINE), BTreeMap::new());
        let error = stand.ask(submit.clone()).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::TooManyRequests);
        stand.ask(Cancel(uids[0].clone())).await.unwrap();
        stand.ask(submit).await.unwrap();
    });
}

//! Queued runs fly in order, and make way for clients who fly by themselves.
use super::rig::{LINE, Moment, Stand, edited, moments, with_queue};
use crate::run::rig::{GRID, Setup, spec};
use bluefly_actors::{
    archive::Past,
    coordinator::{Abort, Kickoff, Pause, Prepare, Resume, Stage, Stop, Unstage},
    queue::{Hold, Release, Submit},
    status::Outcome,
};
use bluefly_protocol::{
    api::{Gate, Run, RunSource, RunState},
    run::RunPhase,
};
use serde_json::json;
use std::{collections::BTreeMap, time::Duration};

fn past(stand: &Stand, uid: &str) -> Past {
    stand.process.archive.run(uid).unwrap().unwrap()
}

#[test]
fn runs_fly_in_the_order_in_which_they_came() {
    with_queue(Setup::default(), async |stand| {
        let metadata = BTreeMap::from([("sample".to_owned(), json!("a"))]);
        let submit = Submit::new(spec(LINE), metadata.clone());
        let first = stand.ask(submit).await.unwrap();
        assert_eq!((first.state, first.place), (RunState::Queued, Some(0)));
        let uids = [vec![first.uid], stand.submit_lines(2).await].concat();
        let list = stand.until_done().await;
        assert_eq!(list.queue.state, Gate::Open);
        let found: Vec<_> = list.runs.iter().map(|run| run.uid.clone()).collect();
        assert_eq!(found, [uids[2].clone(), uids[1].clone(), uids[0].clone()]);
        for run in &list.runs {
            assert_eq!((run.state, run.num_frames), (RunState::Done, Some(5)), "{run:?}");
            let told = (run.source, run.reason.as_str(), &run.spec);
            assert_eq!(told, (RunSource::Queue, "", &Some(spec(LINE))));
            assert!(run.submitted_s < run.started_s.unwrap() && run.started_s < run.ended_s);
        }
        assert_eq!(list.runs[2].metadata, metadata);
        assert_eq!(past(stand, &uids[0]).start.metadata["sample"], "a");
        stand.assert_history(&uids).await;
        let expected = |uid: &String, place| {
            let of = |state, place| (uid.clone(), state, place);
            (
                of(RunState::Queued, Some(place)),
                of(RunState::Running, None),
                of(RunState::Done, None),
            )
        };
        let told = stand.told();
        for (uid, place) in uids.iter().zip([0, 0, 1]) {
            let of: Vec<_> = told.iter().filter(|(of, ..)| of == uid).cloned().collect();
            let (queued, running, done) = expected(uid, place);
            assert_eq!(of[1..], [running, done]);
            assert_eq!((&of[0].0, of[0].1), (&queued.0, queued.1));
        }
    });
}

#[test]
fn a_client_who_flies_by_himself_makes_the_queue_wait() {
    with_queue(Setup::default(), async |stand| {
        let done = async |status: Result<bluefly_actors::coordinator::RunStatus, _>| {
            assert!(matches!(status.unwrap().finished().await, Ok(Outcome::Done(_))));
        };
        done(stand.coordinate(Stage::default()).await).await;
        let uids = stand.submit_lines(1).await;
        stand.sleep(Duration::from_mins(1)).await;
        assert_eq!(stand.states(&uids).await, [RunState::Queued]);
        done(stand.coordinate(Prepare(spec(LINE))).await).await;
        done(stand.coordinate(Kickoff).await).await;
        let running = stand.list().await.runs[0].clone();
        assert_eq!((running.state, running.source), (RunState::Running, RunSource::Client));
        assert_eq!(stand.run(&running.uid).await.state, RunState::Running);
        assert_eq!(stand.states(&uids).await, [RunState::Queued]);
        done(stand.coordinate(Unstage).await).await;
        let list = stand.until_done().await;
        let found: Vec<_> = list.runs.iter().map(|run| (run.source, run.state)).collect();
        assert_eq!(
            found,
            [(RunSource::Queue, RunState::Done), (RunSource::Client, RunState::Done)]
        );
        let client = stand.run(&running.uid).await;
        assert_eq!((client.num_frames, client.spec), (Some(5), None));
        let told = stand.told();
        let of_client = told.iter().filter(|(uid, ..)| *uid == running.uid);
        let states: Vec<_> = of_client.map(|(_, state, _)| *state).collect();
        assert_eq!(states, [RunState::Running, RunState::Done]);
    });
}

/// The moments at which a run is staged and prepared, and some in its flight.
fn early() -> impl Iterator<Item = Moment> {
    moments().into_iter().take(80).step_by(5)
}

/// At every moment: whoever did not stage can neither prepare nor kick off, and the run flies as it
/// was submitted.
#[test]
fn a_client_flew_his_own_scan_under_the_uid_of_a_queued_run() {
    let mut phases = Vec::new();
    for moment in early() {
        with_queue(Setup::default(), async |stand| {
            let (uids, phase) = stand
                .fly_until(1, moment, async || {
                    let phase = stand.progress().phase;
                    assert!(stand.coordinate(Prepare(spec(GRID))).await.is_err());
                    assert!(stand.coordinate(Kickoff).await.is_err());
                    if phase != RunPhase::Idle {
                        assert!(stand.coordinate(Stage::default()).await.is_err());
                        let refused = stand.coordinate(Kickoff).await.unwrap_err();
                        let what = format!("what is staged for queued run {}", stand.running());
                        assert!(refused.request.ends_with(&what), "{refused}");
                    }
                    phase
                })
                .await;
            phases.push(phase);
            stand.until_done().await;
            let run = stand.run(&uids[0]).await;
            assert_eq!((run.state, run.num_frames), (RunState::Done, Some(5)), "{moment:?}");
        });
    }
    for phase in [RunPhase::Staging, RunPhase::Preparing, RunPhase::Starting, RunPhase::Running] {
        assert!(phases.contains(&phase), "never while {phase}: {phases:?}");
    }
}

/// At every moment before it flies.
#[test]
fn a_run_that_somebody_ended_before_it_flew_began_again_by_itself() {
    let mut ended = 0;
    for moment in early() {
        for is_stop in [true, false] {
            with_queue(Setup::default(), async |stand| {
                let (uids, phase) = stand
                    .fly_until(2, moment, async || {
                        let phase = stand.progress().phase;
                        if is_stop {
                            stand.coordinate(Stop).await.unwrap();
                        } else {
                            stand.coordinate(Unstage).await.unwrap();
                        }
                        phase
                    })
                    .await;
                let before =
                    [RunPhase::Staging, RunPhase::Staged, RunPhase::Preparing, RunPhase::Ready];
                if !before.contains(&phase) {
                    return;
                }
                ended += 1;
                stand.sleep(Duration::from_mins(1)).await;
                let run = stand.run(&uids[0]).await;
                let what = format!("{moment:?}, {phase}, {is_stop}: {run:?}");
                assert_eq!((run.state, run.num_frames), (RunState::Aborted, Some(0)), "{what}");
                assert_ne!(run.reason, "", "{what}");
                stand.assert_history(&uids).await;
            });
        }
    }
    assert!(ended > 4, "{ended} only");
}

#[test]
fn clients_pause_and_resume_a_queued_run() {
    with_queue(Setup::default(), async |stand| {
        let uids = vec![stand.submit(GRID).await.uid];
        stand.reach(RunPhase::Running).await;
        stand.sleep(Duration::from_millis(600)).await;
        stand.coordinate(Pause).await.unwrap();
        stand.reach(RunPhase::Paused).await;
        stand.sleep(Duration::from_hours(1)).await;
        assert_eq!(stand.states(&uids).await, [RunState::Running]);
        stand.coordinate(Resume::default()).await.unwrap();
        stand.until_done().await;
        assert_eq!(stand.run(&uids[0]).await.num_frames, Some(40));
        stand.assert_history(&uids).await;
    });
}

#[test]
fn an_abort_ends_the_run_and_holds_the_others() {
    with_queue(Setup::default(), async |stand| {
        let uids = [vec![stand.submit(GRID).await.uid], stand.submit_lines(1).await].concat();
        stand.reach(RunPhase::Running).await;
        stand.sleep(Duration::from_millis(700)).await;
        stand.coordinate(Abort { reason: Some("beam dump".into()) }).await.unwrap();
        let list = stand.until(|list| list.queue.state == Gate::Held).await;
        assert_eq!(list.queue.reason, format!("run {} was aborted: beam dump", uids[0]));
        stand.sleep(Duration::from_mins(1)).await;
        assert_eq!(stand.states(&uids).await, [RunState::Aborted, RunState::Queued]);
        let aborted = stand.run(&uids[0]).await;
        assert_eq!(aborted.reason, "beam dump");
        assert!(aborted.num_frames.unwrap() > 0);
        stand.ask(Release).await.unwrap();
        stand.until_done().await;
        assert_eq!(stand.states(&uids).await, [RunState::Aborted, RunState::Done]);
        // Nobody waits: nobody is held.
        let third = vec![stand.submit(GRID).await.uid];
        stand.reach(RunPhase::Running).await;
        stand.coordinate(Abort::default()).await.unwrap();
        let list = stand.until_done().await;
        assert_eq!(list.queue.state, Gate::Open);
        assert_eq!(stand.states(&third).await, [RunState::Aborted]);
        stand.assert_history(&[uids, third].concat()).await;
    });
}

#[test]
fn a_queue_that_is_to_go_on_does() {
    let setup = edited(vec![("[device.x]", "[queue]\nafter_failure = \"go_on\"\n[device.x]")]);
    with_queue(setup, async |stand| {
        let uids = stand.submit_lines(3).await;
        stand.reach(RunPhase::Running).await;
        stand.coordinate(Abort::default()).await.unwrap();
        let list = stand.until_done().await;
        assert_eq!(list.queue.state, Gate::Open);
        let states = [RunState::Aborted, RunState::Done, RunState::Done];
        assert_eq!(stand.states(&uids).await, states);
    });
}

#[test]
fn a_run_that_is_stopped_is_done_with_what_it_has() {
    with_queue(Setup::default(), async |stand| {
        let uids = [vec![stand.submit(GRID).await.uid], stand.submit_lines(1).await].concat();
        stand.reach(RunPhase::Running).await;
        stand.sleep(Duration::from_millis(700)).await;
        stand.coordinate(Stop).await.unwrap();
        let list = stand.until_done().await;
        assert_eq!(list.queue.state, Gate::Open);
        assert_eq!(stand.states(&uids).await, [RunState::Done, RunState::Done]);
        let frames = stand.run(&uids[0]).await.num_frames.unwrap();
        assert!(frames > 0 && frames < 40, "{frames}");
        stand.assert_history(&uids).await;
    });
}

async fn interfere(stand: &Stand, request: u32) {
    match request {
        0 => drop(stand.coordinate(Abort::default()).await.unwrap()),
        1 => drop(stand.coordinate(Stop).await.unwrap()),
        2 => drop(stand.coordinate(Unstage).await.unwrap()),
        _ => {
            if let Ok(staged) = stand.coordinate(Stage::default()).await {
                staged.finished().await.unwrap();
                stand.sleep(Duration::from_secs(10)).await;
                let list = stand.list().await;
                let is_queued = |run: &Run| run.state != RunState::Running;
                assert!(list.runs.iter().all(is_queued), "the queue waits");
                stand.coordinate(Unstage).await.unwrap().finished().await.unwrap();
            }
        }
    }
}

/// Whatever a client asks at any moment of a queued run: the run ends as it was told to, and what was
/// not begun is not lost.
#[test]
fn clients_may_interfere_at_any_moment() {
    for moment in moments().into_iter().step_by(5) {
        for request in 0..4 {
            with_queue(Setup::default(), async |stand| {
                let interfere = async || interfere(stand, request).await;
                let (uids, ()) = stand.fly_until(2, moment, interfere).await;
                stand.sleep(Duration::from_secs(1)).await;
                stand.ask(Release).await.unwrap();
                stand.until_done().await;
                stand.assert_history(&uids).await;
                let states = stand.states(&uids).await;
                let is_right = |state: &RunState| match request {
                    0..=2 => matches!(state, RunState::Done | RunState::Aborted),
                    _ => *state == RunState::Done,
                };
                assert!(states.iter().all(is_right), "{moment:?}, {request}: {states:?}");
                let ended_early = states.iter().filter(|state| **state != RunState::Done).count();
                assert!(ended_early <= 1, "{moment:?}, {request}: {states:?}");
            });
        }
    }
}

#[test]
fn a_held_queue_begins_nothing() {
    with_queue(Setup::default(), async |stand| {
        let held = stand.ask(Hold { reason: Some("lunch".into()) }).await.unwrap();
        assert_eq!((held.state, held.reason.as_str()), (Gate::Held, "lunch"));
        let uids = stand.submit_lines(2).await;
        stand.sleep(Duration::from_hours(1)).await;
        assert_eq!(stand.states(&uids).await, [RunState::Queued, RunState::Queued]);
        assert_eq!(stand.progress().phase, RunPhase::Idle);
        assert_eq!(stand.ask(Release).await.unwrap().state, Gate::Open);
        stand.reach(RunPhase::Running).await;
        // The one that flies goes on.
        assert_eq!(stand.ask(Hold::default()).await.unwrap().reason, "held by request");
        stand.sleep(Duration::from_hours(1)).await;
        assert_eq!(stand.states(&uids).await, [RunState::Done, RunState::Queued]);
    });
}

#[test]
fn a_thousand_runs_are_queued_and_flown() {
    with_queue(Setup::default(), async |stand| {
        stand.ask(Hold::default()).await.unwrap();
        let uids = stand.submit_lines(1_000).await;
        let error = stand.ask(Submit::new(spec(LINE), BTreeMap::new())).await;
        let error = error.unwrap_err().to_string();
        assert_eq!(error, "queue: 1000 runs are queued: queue.max_queued is 1000");
        stand.ask(Release).await.unwrap();
        stand.until_running(&uids[20]).await;
        stand.ask(Hold::default()).await.unwrap();
        stand.until(|list| list.runs[0].state == RunState::Queued).await;
        let list = stand.list().await;
        assert_eq!(list.runs.len(), 1_000);
        stand.assert_history(&uids).await;
        assert_eq!(stand.states(&uids[..21]).await, [RunState::Done; 21]);
    });
}

//! Back-off, restart intensity and escalation.
use super::{Act, Flaw, Log, SECOND, at, flawed, kill, ms, simulate, story, worker};
use bluefly_actors::supervise::{
    Backoff, ChildSpec, Env, Event, Exit, Kill, Restart, State, Strategy, Supervisor, Tree,
};
use std::time::Duration;

const BACKOFF: Backoff = Backoff { first: ms(100), max: SECOND, reset_after: ms(60_000) };

/// Times at which the incarnations of a child come up, which lives for each of `lives` in turn.
fn starts(backoff: Backoff, lives: &[Duration]) -> Vec<Duration> {
    simulate(async |env| {
        let (spec, child) = worker("child", &Log::default());
        let plan = Supervisor::new(Strategy::OneForOne).intensity(100, SECOND);
        let tree = plan.child(spec.backoff(backoff)).spawn("root", &env);
        let mut starts = vec![];
        for life in lives {
            child.up().await.unwrap();
            starts.push(at(&env));
            env.clock().sleep(*life).await;
            kill(&child).await;
        }
        tree.shutdown().await;
        starts
    })
}

#[test]
fn back_off_doubles_up_to_its_limit() {
    let starts = starts(BACKOFF, &[ms(0); 7]);
    assert_eq!(starts, [0, 100, 300, 700, 1500, 2500, 3500].map(ms));
}

#[test]
fn back_off_of_zero_restarts_at_once() {
    assert_eq!(starts(Backoff::NONE, &[ms(0); 5]), [ms(0); 5]);
}

#[test]
fn back_off_begins_anew_after_a_long_life() {
    let lives = [0, 0, 60_000, 0, 59_999, 0].map(ms);
    let expected = [0, 100, 300, 60_400, 60_600, 60_600 + 59_999 + 400].map(ms);
    assert_eq!(starts(BACKOFF, &lives), expected);
}

#[test]
fn back_off_never_overflows() {
    let backoff = Backoff { first: SECOND, max: Duration::MAX, reset_after: SECOND };
    assert_eq!(backoff.wait(u32::MAX), SECOND * u32::MAX);
}

/// A child which dies that often, at intervals of `interval`, under 3 restarts in 1 s: how the tree
/// ends, and when; or that it goes on.
fn die(deaths: u32, interval: Duration) -> Option<(String, Duration)> {
    simulate(async |env| {
        let (spec, child) = worker("child", &Log::default());
        let plan = Supervisor::new(Strategy::OneForOne).intensity(3, SECOND);
        let tree = plan.child(spec.backoff(Backoff::NONE)).spawn("root", &env);
        for _ in 0..deaths {
            child.up().await.unwrap();
            env.clock().sleep(interval).await;
            kill(&child).await;
        }
        let exit = env.clock().timeout(ms(1), tree.join()).await;
        let ended = exit.ok().map(|exit| (super::brief(&exit), at(&env)));
        tree.shutdown().await;
        ended
    })
}

#[test]
fn a_supervisor_gives_up_at_one_restart_too_many() {
    assert_eq!(die(3, ms(1)), None);
    let told = "out of restarts: child panicked: in handler";
    assert_eq!(die(4, ms(1)), Some((told.into(), ms(4))));
}

#[test]
fn restarts_outside_the_window_do_not_count() {
    assert_eq!(die(20, ms(334)), None);
    let told = "out of restarts: child panicked: in handler";
    assert_eq!(die(4, ms(333)), Some((told.into(), ms(4 * 333))));
}

/// A tree whose branch has a child that panics as soon as it starts.
fn hopeless(env: &Env) -> Tree {
    let log = Log::default();
    let branch = move || {
        let (good, _) = worker("good", &log);
        let (bad, _) = ChildSpec::new("bad", |_, _| -> super::Worker { panic!("hopeless") });
        let bad = bad.backoff(BACKOFF);
        Supervisor::new(Strategy::OneForOne).intensity(2, 60 * SECOND).child(good).child(bad)
    };
    let branch = ChildSpec::supervisor("branch", branch).backoff(BACKOFF);
    Supervisor::new(Strategy::OneForOne).intensity(1, 600 * SECOND).child(branch).spawn("root", env)
}

#[test]
fn escalation_goes_up_level_by_level() {
    simulate(async |env| {
        let mut events = env.events();
        let tree = hopeless(&env);
        let exit = tree.join().await;
        // Branch 1 dies at 100 + 200 ms, is back at 400 ms and dies again 300 ms later.
        assert_eq!(at(&env), ms(300 + 100 + 300));
        let told = "out of restarts: branch out of restarts: bad panicked: hopeless";
        assert_eq!(super::brief(&exit), told);
        let bad = "panicked: hopeless";
        let gives_up = format!("out of restarts: bad {bad}");
        let told = format!(
            "+good1, -bad1 {bad}, +branch1, -bad2 {bad}, -bad3 {bad}, -good1 shut down, \
             !branch {gives_up}, -branch1 {gives_up}, \
             +good2, -bad4 {bad}, +branch2, -bad5 {bad}, -bad6 {bad}, -good2 shut down, \
             !branch {gives_up}, -branch2 {gives_up}, !root out of restarts: branch {gives_up}"
        );
        assert_eq!(story(&mut events), told);
        assert_eq!(tree.snapshot().state, State::Down);
    });
}

#[test]
fn a_sub_tree_is_planned_anew_at_each_restart() {
    simulate(async |env| {
        let log = Log::default();
        let said = log.clone();
        let branch = move || {
            said.say("planned".into());
            let (leaf, _) = worker("leaf", &said);
            Supervisor::new(Strategy::OneForOne).intensity(0, SECOND).child(leaf)
        };
        let branch = ChildSpec::supervisor("branch", branch);
        let tree = Supervisor::new(Strategy::OneForOne).child(branch).spawn("root", &env);
        env.clock().sleep(ms(1)).await;
        tree.crash("leaf", "why").unwrap();
        env.clock().sleep(SECOND).await;
        assert_eq!(log.take(), "planned, leaf.1 started, planned, leaf.2 started");
        let branch = tree.snapshot().children.remove(0);
        assert_eq!((branch.incarnation, branch.restarts, branch.state), (2, 1, State::Up));
        tree.shutdown().await;
        assert_eq!(log.take(), "leaf.2 stopping, leaf.2 stopped");
    });
}

#[test]
fn children_of_a_killed_supervisor_are_killed() {
    simulate(async |env| {
        let log = Log::default();
        let said = log.clone();
        let branch = move || {
            let (leaf, _) = super::slow_to_stop("leaf", &said, 10 * SECOND);
            Supervisor::new(Strategy::OneForOne).child(leaf.shutdown(20 * SECOND))
        };
        let branch = ChildSpec::supervisor("branch", branch).shutdown(SECOND);
        let mut events = env.events();
        let tree = Supervisor::new(Strategy::OneForOne).child(branch).spawn("root", &env);
        env.clock().sleep(ms(1)).await;
        assert_eq!((tree.shutdown().await, at(&env)), (Exit::Shutdown, SECOND + ms(1)));
        env.clock().sleep(60 * SECOND).await;
        assert_eq!(log.take(), "leaf.1 started, leaf.1 stopping");
        let told = "+leaf1, +branch1, -branch1 killed: did not stop in time";
        assert_eq!(story(&mut events), told);
        let leaf = tree.snapshot().children.remove(0).children.remove(0);
        assert_eq!(leaf.last_exit, Some(Exit::Killed(Kill::Orphaned)));
        assert_eq!(leaf.state, State::Down);
    });
}

#[test]
fn a_panic_while_planning_a_sub_tree_is_an_exit() {
    simulate(async |env| {
        let mut events = env.events();
        let mut is_first = true;
        let branch = ChildSpec::supervisor("branch", move || {
            assert!(!std::mem::take(&mut is_first), "no plan");
            Supervisor::new(Strategy::OneForOne)
        });
        let tree = Supervisor::new(Strategy::OneForOne).child(branch).spawn("root", &env);
        env.clock().sleep(SECOND).await;
        assert_eq!(story(&mut events), "-branch1 panicked: no plan, +branch2");
        tree.shutdown().await;
    });
}

#[test]
fn a_supervisor_whose_children_ended_goes_on() {
    simulate(async |env| {
        let (spec, child) = flawed("child", &Log::default(), Flaw::None);
        let spec = spec.restart(Restart::Temporary);
        let tree = Supervisor::new(Strategy::OneForOne).child(spec).spawn("root", &env);
        child.up().await.unwrap();
        child.tell(Act::Finish).unwrap();
        env.clock().sleep(SECOND).await;
        assert_eq!(tree.snapshot().state, State::Up);
        assert_eq!(tree.shutdown().await, Exit::Shutdown);
    });
}

#[test]
fn events_are_told_at_their_time() {
    simulate(async |env| {
        let mut events = env.events();
        let (spec, child) = worker("child", &Log::default());
        let tree = Supervisor::new(Strategy::OneForOne).child(spec).spawn("root", &env);
        child.up().await.unwrap();
        let crash = async {
            env.clock().sleep(SECOND).await;
            tree.crash("child", "why").unwrap();
        };
        let watch = async {
            let mut told = vec![];
            while told.len() < 3 {
                match events.next().await.unwrap() {
                    Event::Up { incarnation, .. } => told.push(('+', incarnation, at(&env))),
                    Event::Down { incarnation, .. } => told.push(('-', incarnation, at(&env))),
                    other => panic!("{other:?}"),
                }
            }
            told
        };
        let (told, ()) = futures_util::join!(watch, crash);
        assert_eq!(told[1..], [('-', 1, SECOND), ('+', 2, SECOND + ms(100))]);
        tree.shutdown().await;
    });
}

//! The tree as seen and changed from outside.
use super::{Act, Log, SECOND, Worker, at, kill, ms, simulate, story, worker};
use bluefly_actors::supervise::{
    AskError, ChildSpec, Env, Event, Ref, Restart, Snapshot, State, Strategy, Supervisor, Tree,
    TreeError,
};
use serde_json::json;

/// `root` over `devices` (with `motor`) and `log_keeper`.
async fn beamline(env: &Env, log: &Log) -> Tree {
    let said = log.clone();
    let devices = ChildSpec::supervisor("devices", move || {
        Supervisor::new(Strategy::OneForOne).child(worker("motor", &said).0)
    });
    let (keeper, last) = worker("log_keeper", log);
    let plan = Supervisor::new(Strategy::RestForOne).child(devices).child(keeper);
    let tree = plan.spawn("root", env);
    last.up().await.unwrap();
    log.take();
    tree
}

async fn add(tree: &Tree, under: &str, id: &'static str) -> Result<Ref<Worker>, TreeError> {
    tree.add(under, move || worker(id, &Log::default())).await
}

fn ids(snapshot: &Snapshot) -> Vec<&str> {
    snapshot.children.iter().map(|child| child.id.as_str()).collect()
}

#[test]
fn a_snapshot_is_json() {
    simulate(async |env| {
        let tree = beamline(&env, &Log::default()).await;
        tree.crash("motor", "why").unwrap();
        env.clock().sleep(ms(99)).await;
        let mut value = serde_json::to_value(tree.snapshot()).unwrap();
        let motor = &mut value["children"][0]["children"][0];
        let text = motor["last_exit"]["panicked"].take();
        assert!(text.as_str().unwrap().starts_with("why at "));
        let leaf = json!({
            "id": "motor", "state": "backoff", "incarnation": 1, "restarts": 1,
            "last_exit": {"panicked": null}, "polls": 0, "busy_us": 0, "asked": 0, "children": [],
        });
        assert_eq!(*motor, leaf);
        assert_eq!(value["children"][1]["state"], "up");
        assert_eq!(value["children"][1]["polls"], 1);
        let parsed: Snapshot = serde_json::from_value(json!(tree.snapshot())).unwrap();
        assert_eq!(parsed, tree.snapshot());
        tree.shutdown().await;
    });
}

#[test]
fn children_are_added_and_removed_while_it_runs() {
    simulate(async |env| {
        let tree = beamline(&env, &Log::default()).await;
        let mut events = tree.events();
        let added = add(&tree, "devices", "detector").await.unwrap();
        assert!(added.is_up());
        assert_eq!(added.ask(Act::Count, SECOND).await, Ok(1));
        assert_eq!(ids(&tree.snapshot().children[0]), ["motor", "detector"]);
        kill(&added).await;
        added.up().await.unwrap();
        assert_eq!(at(&env), ms(100));
        tree.remove("detector").await.unwrap();
        assert_eq!(added.up().await, Err(AskError::Down("detector".into())));
        assert_eq!(ids(&tree.snapshot().children[0]), ["motor"]);
        let told = "+detector1, -detector1 panicked: in handler, +detector2, -detector2 shut down";
        assert_eq!(story(&mut events), told);
        tree.remove("devices").await.unwrap();
        assert_eq!(ids(&tree.snapshot()), ["log_keeper"]);
        tree.shutdown().await;
    });
}

#[test]
fn what_cannot_be_done_to_a_tree_is_said() {
    simulate(async |env| {
        let tree = beamline(&env, &Log::default()).await;
        let taken = add(&tree, "devices", "motor").await;
        assert_eq!(taken.unwrap_err(), TreeError::Taken("motor".into()));
        let leaf = add(&tree, "motor", "screw").await;
        assert_eq!(leaf.unwrap_err(), TreeError::NotASupervisor("motor".into()));
        let nowhere = add(&tree, "hutch", "screw").await;
        assert_eq!(nowhere.unwrap_err(), TreeError::Unknown("hutch".into()));
        assert_eq!(tree.remove("rotor").await, Err(TreeError::Unknown("rotor".into())));
        assert_eq!(tree.remove("root").await, Err(TreeError::Unknown("root".into())));
        let broken = tree.add("devices", || -> (ChildSpec, Ref<Worker>) { panic!("no spec") });
        let Err(TreeError::NotMade(why)) = broken.await else { panic!("was made") };
        assert!(why.starts_with("no spec at "));
        assert_eq!(ids(&tree.snapshot().children[0]), ["motor"]);
        tree.shutdown().await;
        let after = tree.restart("log_keeper").await;
        assert_eq!(after, Err(TreeError::NotASupervisor("root".into())));
    });
}

#[test]
fn a_restart_by_hand_is_at_once_and_does_not_count() {
    simulate(async |env| {
        let log = Log::default();
        let tree = beamline(&env, &log).await;
        for _ in 0..20 {
            tree.restart("motor").await.unwrap();
        }
        assert_eq!(at(&env), ms(0));
        let motor = tree.snapshot().children[0].children[0].clone();
        assert_eq!((motor.state, motor.incarnation), (State::Up, 21));
        assert!(log.take().ends_with("motor.20 stopping, motor.20 stopped, motor.21 started"));
        tree.crash("motor", "why").unwrap();
        env.clock().sleep(ms(1)).await;
        assert_eq!(tree.snapshot().children[0].children[0].state, State::Backoff);
        tree.restart("motor").await.unwrap();
        assert_eq!(tree.snapshot().children[0].children[0].state, State::Up);
        assert_eq!(at(&env), ms(1));
        tree.shutdown().await;
    });
}

#[test]
fn a_whole_branch_is_restarted_by_hand() {
    simulate(async |env| {
        let log = Log::default();
        let tree = beamline(&env, &log).await;
        add(&tree, "devices", "detector").await.unwrap();
        tree.restart("devices").await.unwrap();
        assert_eq!(log.take(), "motor.1 stopping, motor.1 stopped, motor.2 started");
        assert_eq!(ids(&tree.snapshot().children[0]), ["motor"], "as planned");
        tree.shutdown().await;
    });
}

#[test]
fn the_id_of_a_child_that_ended_is_free() {
    simulate(async |env| {
        let tree = beamline(&env, &Log::default()).await;
        let job = || {
            let (spec, reference) = worker("job", &Log::default());
            (spec.restart(Restart::Temporary), reference)
        };
        for _ in 0..5 {
            let added = tree.add("devices", job).await.unwrap();
            added.tell(Act::Finish).unwrap();
            env.clock().sleep(ms(1)).await;
            assert!(!added.is_up());
        }
        let branch = tree.snapshot().children.remove(0);
        assert_eq!(ids(&branch), ["motor", "job"]);
        assert_eq!(branch.children[1].incarnation, 5);
        tree.shutdown().await;
    });
}

#[test]
fn what_is_added_waits_for_the_siblings_it_may_depend_on() {
    simulate(async |env| {
        let mut events = env.events();
        let (first, child) = worker("first", &Log::default());
        let plan = Supervisor::new(Strategy::RestForOne).child(first);
        let tree = plan.spawn("root", &env);
        child.up().await.unwrap();
        kill(&child).await;
        env.clock().sleep(ms(50)).await;
        let added = add(&tree, "root", "second").await.unwrap();
        added.up().await.unwrap();
        assert_eq!(at(&env), ms(100));
        let told = "+first1, -first1 panicked: in handler, +first2, +second1";
        assert_eq!(story(&mut events), told);
        tree.shutdown().await;
    });
}

#[test]
fn a_slow_reader_of_events_is_told_what_it_missed() {
    simulate(async |env| {
        let mut events = env.events();
        let tree = beamline(&env, &Log::default()).await;
        for _ in 0..1_000 {
            tree.restart("motor").await.unwrap();
        }
        // 3 events of the start, 2 for each restart, 1,024 kept.
        assert_eq!(events.next().await, Some(Event::Lagged { missed: 3 + 2_000 - 1_024 }));
        assert_eq!(
            events.next().await.map(|event| matches!(event, Event::Down { .. })),
            Some(true)
        );
        tree.shutdown().await;
    });
}

#[test]
fn vitals_are_those_of_the_actors() {
    simulate(async |env| {
        let tree = beamline(&env, &Log::default()).await;
        let vitals = tree.vitals();
        let polls: Vec<_> = vitals.iter().map(|(id, vitals)| (&**id, vitals.polls())).collect();
        assert_eq!(polls, [("motor", 1), ("log_keeper", 1)]);
        tree.shutdown().await;
        assert!(tree.vitals().is_empty());
    });
}

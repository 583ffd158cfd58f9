//! The shuffler reaches every order of tasks that are ready at once, each from its seed.
use super::{Log, SECOND, Worker, at, ms, simulate, story, worker};
use actix::{Handler, Message};
use bluefly_actors::{
    clock::Clock,
    random::Seed,
    supervise::{Env, Schedule, Strategy, Supervisor, shuffled},
    system::simulated_system,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

struct Race;

impl Message for Race {
    type Result = ();
}

impl Handler<Race> for Worker {
    type Result = ();

    fn handle(&mut self, _: Race, _: &mut Self::Context) {
        self.log.say(self.lifeline.id().to_owned());
    }
}

/// The order in which four actors handle a message that all get at one moment, and that moment.
fn race(seed: u64, schedule: Schedule) -> (String, Duration) {
    simulate(async |_| {
        let env = Env::new(Clock::simulated(), Seed(seed)).schedule(schedule);
        let (mut plan, mut racers) = (Supervisor::new(Strategy::OneForOne), vec![]);
        let log = Log::default();
        for id in ["a", "b", "c", "d"] {
            let (spec, racer) = worker(id, &log);
            plan = plan.child(spec);
            racers.push(racer);
        }
        let tree = plan.spawn("root", &env);
        racers[3].up().await.unwrap();
        env.clock().sleep_until(env.clock().now() + SECOND).await;
        assert_eq!(log.take(), "a.1 started, b.1 started, c.1 started, d.1 started");
        for racer in &racers {
            racer.tell(Race).unwrap();
        }
        env.clock().sleep(ms(1)).await;
        let order = log.take();
        tree.shutdown().await;
        (order, at(&env))
    })
}

#[test]
fn without_shuffling_there_is_one_order() {
    for seed in 0..20 {
        assert_eq!(race(seed, Schedule::Fifo), ("a, b, c, d".into(), SECOND + ms(1)));
    }
}

#[test]
fn a_thousand_seeds_reach_every_order_and_each_replays() {
    let mut seeds = BTreeMap::<String, Vec<u64>>::new();
    for seed in 0..1_000 {
        let (order, end) = race(seed, Schedule::Shuffled);
        assert_eq!(end, SECOND + ms(1), "shuffling takes no time");
        seeds.entry(order).or_default().push(seed);
    }
    assert_eq!(seeds.len(), 24);
    for (order, seeds) in &seeds {
        for seed in seeds {
            assert_eq!(race(*seed, Schedule::Shuffled).0, *order, "seed {seed}");
        }
    }
}

#[test]
fn plain_tasks_are_shuffled_too() {
    let order = |seed: u64| {
        simulated_system().block_on(async move {
            let log = Log::default();
            let task = |id: &'static str| {
                let log = log.clone();
                shuffled(async move { log.say(id.into()) }, Seed(seed).stream(id, 1))
            };
            let tasks = ["a", "b", "c"].map(|id| actix_rt::spawn(task(id)));
            for task in tasks {
                task.await.unwrap();
            }
            log.take()
        })
    };
    let orders: Vec<_> = (0..200).map(order).collect();
    assert_eq!(orders.iter().collect::<BTreeSet<_>>().len(), 6);
    assert_eq!((0..200).map(order).collect::<Vec<_>>(), orders);
}

/// Everything that is known of a tree with crashes at random times, in JSON.
fn trace(seed: u64, schedule: Schedule) -> String {
    simulate(async |_| {
        let env = Env::new(Clock::simulated(), Seed(seed)).schedule(schedule);
        let (log, mut events) = (Log::default(), env.events());
        let mut plan = Supervisor::new(Strategy::RestForOne).intensity(1_000, SECOND);
        for id in ["a", "b", "c", "d"] {
            plan = plan.child(worker(id, &log).0);
        }
        let tree = plan.spawn("root", &env);
        let mut chance = env.seed().stream("chance", 0);
        let mut told = vec![];
        for _ in 0..50 {
            env.clock().sleep(Duration::from_micros(chance.below(500_000))).await;
            let id = ["a", "b", "c", "d"][chance.below(4) as usize];
            let crashed = tree.crash(id, "chance");
            let events = story(&mut events);
            let tree = serde_json::to_string(&tree.snapshot()).unwrap();
            told.push(format!("{:?} {id} {crashed:?} {events} {tree}", at(&env)));
        }
        tree.shutdown().await;
        told.extend([log.take(), story(&mut events)]);
        told.join("\n")
    })
}

#[test]
fn equal_seeds_give_equal_traces() {
    for schedule in [Schedule::Fifo, Schedule::Shuffled] {
        let first = trace(1, schedule);
        assert!(first.contains("panicked"), "{first}");
        assert!((0..20).all(|_| trace(1, schedule) == first));
        assert_ne!(trace(2, schedule), first);
    }
}

//! What supervision costs. `cargo bench --bench supervision`; items are messages, restarts or actors.
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run says so")]
use actix::{Actor, Context, Handler, Message, SystemRunner};
use bluefly_actors::{
    clock::Clock,
    random::Seed,
    supervise::{AskError, Backoff, ChildSpec, Env, Ref, Strategy, Supervisor, Tree},
    system::real_system,
};
use divan::{Bencher, counter::ItemsCount};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const MESSAGES: usize = 1_000;
const RESTARTS: usize = 100;
const CHILDREN: usize = 1_000;

fn main() {
    divan::main();
}

struct Counter(u64);

impl Actor for Counter {
    type Context = Context<Self>;
}

struct Count;

impl Message for Count {
    type Result = u64;
}

impl Handler<Count> for Counter {
    type Result = u64;

    fn handle(&mut self, _: Count, _: &mut Self::Context) -> u64 {
        self.0 += 1;
        self.0
    }
}

struct Break;

impl Message for Break {
    type Result = ();
}

impl Handler<Break> for Counter {
    type Result = ();

    fn handle(&mut self, _: Break, _: &mut Self::Context) {
        panic!("as asked");
    }
}

/// A supervised counter that is up, with room for all messages of a round.
fn counter(system: &SystemRunner) -> Ref<Counter> {
    system.block_on(async {
        let (spec, counter) = ChildSpec::new("counter", |_, _| Counter(0));
        let spec = spec.backoff(Backoff::NONE).mailbox(2 * MESSAGES);
        let plan = Supervisor::new(Strategy::OneForOne).intensity(usize::MAX, Duration::ZERO);
        plan.child(spec).spawn("root", &env());
        counter.up().await.unwrap();
        counter
    })
}

fn env() -> Env {
    Env::new(Clock::real(), Seed(1))
}

#[divan::bench]
fn ask(bencher: Bencher) {
    let system = real_system();
    let counter = counter(&system);
    bencher.counter(ItemsCount::new(MESSAGES)).bench_local(|| {
        system.block_on(async {
            for _ in 0..MESSAGES {
                counter.ask(Count, SECOND).await.unwrap();
            }
        });
    });
}

/// The same without supervision, for comparison.
#[divan::bench]
fn ask_of_plain_actix(bencher: Bencher) {
    let system = real_system();
    let counter = system.block_on(async { Counter(0).start() });
    bencher.counter(ItemsCount::new(MESSAGES)).bench_local(|| {
        system.block_on(async {
            for _ in 0..MESSAGES {
                counter.send(Count).await.unwrap();
            }
        });
    });
}

#[divan::bench]
fn tell(bencher: Bencher) {
    let system = real_system();
    let counter = counter(&system);
    bencher.counter(ItemsCount::new(MESSAGES)).bench_local(|| {
        system.block_on(async {
            for _ in 0..MESSAGES {
                counter.tell(Count).unwrap();
            }
            counter.ask(Count, SECOND).await.unwrap();
        });
    });
}

/// From a panic to the first answer of the next incarnation.
#[divan::bench]
fn restart(bencher: Bencher) {
    let system = real_system();
    let counter = counter(&system);
    bencher.counter(ItemsCount::new(RESTARTS)).bench_local(|| {
        system.block_on(async {
            for _ in 0..RESTARTS {
                let answer = counter.ask(Break, SECOND).await;
                assert!(matches!(answer, Err(AskError::Lost(_))));
                counter.up().await.unwrap();
                assert_eq!(counter.ask(Count, SECOND).await, Ok(1));
            }
        });
    });
}

/// A tree that is shut down when it is dropped.
struct Running<'a> {
    system: &'a SystemRunner,
    tree: Tree,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.system.block_on(self.tree.shutdown());
    }
}

/// A tree of many children, all of them up.
fn crowd(system: &SystemRunner) -> Running<'_> {
    let tree = system.block_on(async {
        let (mut plan, mut last) = (Supervisor::new(Strategy::OneForOne), None);
        for i in 0..CHILDREN {
            let (spec, counter) = ChildSpec::new(&format!("counter_{i}"), |_, _| Counter(0));
            plan = plan.child(spec);
            last = Some(counter);
        }
        let tree = plan.spawn("root", &env());
        last.unwrap().up().await.unwrap();
        tree
    });
    Running { system, tree }
}

#[divan::bench]
fn spawn_1000_children(bencher: Bencher) {
    let system = real_system();
    bencher.counter(ItemsCount::new(CHILDREN)).bench_local(|| crowd(&system));
}

#[divan::bench]
fn snapshot_of_1000_children(bencher: Bencher) {
    let system = real_system();
    let running = crowd(&system);
    bencher.counter(ItemsCount::new(CHILDREN)).bench_local(|| running.tree.snapshot());
}

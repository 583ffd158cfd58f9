//! Actors with a thread of their own, and the watchdog: in real time, so that outcomes are compared
//! and not times.
use super::{SECOND, ms, simulate};
use actix::{Actor, Context, Handler, Message};
use bluefly_actors::{
    clock::Clock,
    random::Seed,
    supervise::{
        AskError, Backoff, Blocked, ChildSpec, Env, Exit, Kill, Ping, Ref, State, Strategy,
        Supervisor, Watchdog,
    },
    system::real_system,
};
use crossbeam_channel::{Receiver, Sender, unbounded};
use std::{thread::ThreadId, time::Duration};

/// An actor that can be made to block its thread until it is let go.
struct Blocking {
    incarnation: u64,
    let_go: Receiver<()>,
}

impl Actor for Blocking {
    type Context = Context<Self>;
}

impl Handler<Ping> for Blocking {
    type Result = ();

    fn handle(&mut self, _: Ping, _: &mut Self::Context) {}
}

/// Blocks the thread; answers with the incarnation.
struct Block;

impl Message for Block {
    type Result = u64;
}

impl Handler<Block> for Blocking {
    type Result = u64;

    fn handle(&mut self, _: Block, _: &mut Self::Context) -> u64 {
        // The other end is dropped to let go of every incarnation.
        self.let_go.recv().expect_err("nothing is sent");
        self.incarnation
    }
}

/// Answers with incarnation and thread.
struct Who;

impl Message for Who {
    type Result = Option<(u64, ThreadId)>;
}

impl Handler<Who> for Blocking {
    type Result = Option<(u64, ThreadId)>;

    fn handle(&mut self, _: Who, _: &mut Self::Context) -> Self::Result {
        Some((self.incarnation, std::thread::current().id()))
    }
}

fn blocking() -> (ChildSpec, Ref<Blocking>, Sender<()>) {
    let (hold, let_go) = unbounded();
    let (spec, reference) = ChildSpec::threaded("camera", move |_, lifeline| Blocking {
        incarnation: lifeline.incarnation(),
        let_go: let_go.clone(),
    });
    (spec.backoff(Backoff::NONE), reference, hold)
}

fn real_env() -> Env {
    Env::new(Clock::real(), Seed(1))
}

/// More real time than anything here takes.
const AGES: Duration = Duration::from_mins(1);

#[test]
fn a_blocked_thread_is_given_up_and_replaced() {
    real_system().block_on(async {
        let env = real_env();
        let (spec, camera, hold) = blocking();
        let spec = spec.probe(&camera, ms(10), SECOND);
        let tree = Supervisor::new(Strategy::OneForOne).child(spec).spawn("root", &env);
        camera.up().await.unwrap();
        let (_, first) = camera.ask(Who, AGES).await.unwrap().unwrap();
        // The old caller is told, and the answer that comes after all reaches nobody.
        assert_eq!(camera.ask(Block, AGES).await, Err(AskError::Lost("camera".into())));
        camera.up().await.unwrap();
        let (incarnation, second) = camera.ask(Who, AGES).await.unwrap().unwrap();
        assert!(incarnation >= 2 && first != second && second != std::thread::current().id());
        let seen = tree.snapshot().children.remove(0);
        assert_eq!(seen.last_exit, Some(Exit::Killed(Kill::Unresponsive)));
        drop(hold);
        let (later, _) = camera.ask(Who, AGES).await.unwrap().unwrap();
        assert_eq!(later, incarnation);
        assert_eq!(tree.shutdown().await, Exit::Shutdown);
    });
}

#[test]
fn a_tree_ends_though_a_thread_is_blocked() {
    real_system().block_on(async {
        let env = real_env();
        let (spec, camera, hold) = blocking();
        let plan = Supervisor::new(Strategy::OneForOne).child(spec.shutdown(ms(10)));
        let tree = plan.spawn("root", &env);
        camera.up().await.unwrap();
        let block = camera.ask(Block, AGES);
        let (answer, exit) = futures_util::join!(block, tree.shutdown());
        assert_eq!((answer, exit), (Err(AskError::Lost("camera".into())), Exit::Shutdown));
        drop(hold);
    });
}

#[test]
fn a_threaded_actor_panics_and_stops_like_any_other() {
    real_system().block_on(async {
        let env = real_env();
        let (spec, camera, _hold) = blocking();
        let tree = Supervisor::new(Strategy::OneForOne).child(spec).spawn("root", &env);
        camera.up().await.unwrap();
        let mut events = tree.events();
        tree.crash("camera", "why").unwrap();
        events.next().await.unwrap();
        camera.up().await.unwrap();
        assert_eq!(camera.ask(Who, AGES).await.unwrap().unwrap().0, 2);
        assert_eq!(tree.shutdown().await, Exit::Shutdown);
        let seen = tree.snapshot().children.remove(0);
        assert_eq!((seen.state, seen.last_exit), (State::Down, Some(Exit::Shutdown)));
    });
}

#[test]
fn in_a_simulation_all_actors_are_on_one_thread() {
    simulate(async |env| {
        let (spec, camera, _hold) = blocking();
        let tree = Supervisor::new(Strategy::OneForOne).child(spec).spawn("root", &env);
        camera.up().await.unwrap();
        let (_, thread) = camera.ask(Who, SECOND).await.unwrap().unwrap();
        assert_eq!(thread, std::thread::current().id());
        tree.shutdown().await;
    });
}

#[test]
fn the_watchdog_names_who_blocks_a_thread_once() {
    real_system().block_on(async {
        let env = real_env();
        let (spec, camera, hold) = blocking();
        let tree = Supervisor::new(Strategy::OneForOne).child(spec).spawn("root", &env);
        camera.up().await.unwrap();
        let (found, named) = unbounded::<Blocked>();
        let mut hold = Some(hold);
        let watchdog = Watchdog::start(tree.clone(), ms(20), move |blocked| {
            found.send(blocked).unwrap();
            drop(hold.take());
        });
        assert_eq!(camera.ask(Block, AGES).await, Ok(1));
        drop(watchdog.unwrap());
        // Whoever answers again has come out of the poll that blocked, and has counted it.
        camera.ask(Who, AGES).await.unwrap().unwrap();
        assert!(tree.snapshot().children[0].busy_us > 20_000);
        let named: Vec<_> = named.iter().collect();
        assert_eq!(named.len(), 1, "{named:?}");
        assert_eq!(&*named[0].id, "camera");
        assert!(named[0].since > ms(20));
        tree.shutdown().await;
    });
}

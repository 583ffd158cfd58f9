//! Who is restarted with whom, in which order, and after which exits.
use super::{Act, Flaw, Log, SECOND, at, flawed, kill, ms, simulate, story, worker};
use actix::{Actor, ActorFutureExt as _, AsyncContext as _, Context, WrapFuture as _};
use bluefly_actors::supervise::{
    AskError, ChildSpec, Env, Exit, Lifeline, Ref, Restart, State, Strategy, Supervisor,
};
use std::time::Duration;

/// Of a, b and c, b panics: what the others do, and how all are stopped.
fn check_strategy(strategy: Strategy, restarted: &str, stopped: &str) {
    simulate(async |env| {
        let log = Log::default();
        let (a, _) = worker("a", &log);
        let (b, breaks) = worker("b", &log);
        let (c, last) = worker("c", &log);
        let plan = Supervisor::new(strategy).child(a).child(b).child(c);
        let tree = plan.spawn("root", &env);
        last.up().await.unwrap();
        assert_eq!(log.take(), "a.1 started, b.1 started, c.1 started");
        kill(&breaks).await;
        env.clock().sleep(SECOND).await;
        assert_eq!(log.take(), restarted);
        assert_eq!(tree.shutdown().await, Exit::Shutdown);
        assert_eq!(log.take(), stopped);
        assert_eq!(at(&env), SECOND);
    });
}

#[test]
fn one_for_one() {
    let stopped = "c.1 stopping, c.1 stopped, b.2 stopping, b.2 stopped, a.1 stopping, a.1 stopped";
    check_strategy(Strategy::OneForOne, "b.2 started", stopped);
}

#[test]
fn one_for_all() {
    let restarted = "c.1 stopping, c.1 stopped, a.1 stopping, a.1 stopped, \
                     a.2 started, b.2 started, c.2 started";
    let stopped = "c.2 stopping, c.2 stopped, b.2 stopping, b.2 stopped, a.2 stopping, a.2 stopped";
    check_strategy(Strategy::OneForAll, restarted, stopped);
}

#[test]
fn rest_for_one() {
    let restarted = "c.1 stopping, c.1 stopped, b.2 started, c.2 started";
    let stopped = "c.2 stopping, c.2 stopped, b.2 stopping, b.2 stopped, a.1 stopping, a.1 stopped";
    check_strategy(Strategy::RestForOne, restarted, stopped);
}

#[test]
fn rest_for_one_starts_nobody_before_what_it_depends_on() {
    simulate(async |env| {
        let (log, mut events) = (Log::default(), env.events());
        let (a, _) = flawed("a", &log, Flaw::Started);
        let (b, last) = worker("b", &log);
        let tree = Supervisor::new(Strategy::RestForOne).child(a).child(b).spawn("root", &env);
        last.up().await.unwrap();
        assert_eq!(at(&env), ms(100));
        assert_eq!(story(&mut events), "-a1 panicked: flawed Started, +a2, +b1");
        tree.shutdown().await;
    });
}

/// What becomes of a child that ends by `act`.
fn check_restart(restart: Restart, act: Act, state: State, restarts: u64) {
    simulate(async |env| {
        let (spec, child) = worker("child", &Log::default());
        let plan = Supervisor::new(Strategy::OneForOne).child(spec.restart(restart));
        let tree = plan.spawn("root", &env);
        child.up().await.unwrap();
        assert_eq!(child.ask(act, SECOND).await, Err(AskError::Lost("child".into())));
        env.clock().sleep(SECOND).await;
        let seen = tree.snapshot().children.remove(0);
        assert_eq!((seen.state, seen.restarts), (state, restarts), "{restart:?} {act:?}");
        tree.shutdown().await;
    });
}

#[test]
fn permanent_children_are_restarted_always() {
    check_restart(Restart::Permanent, Act::Finish, State::Up, 1);
    check_restart(Restart::Permanent, Act::Fail, State::Up, 1);
    check_restart(Restart::Permanent, Act::PanicInHandler, State::Up, 1);
}

#[test]
fn transient_children_are_restarted_after_abnormal_exits() {
    check_restart(Restart::Transient, Act::Finish, State::Down, 0);
    check_restart(Restart::Transient, Act::Fail, State::Up, 1);
    check_restart(Restart::Transient, Act::PanicInHandler, State::Up, 1);
}

#[test]
fn temporary_children_are_never_restarted() {
    check_restart(Restart::Temporary, Act::Finish, State::Down, 0);
    check_restart(Restart::Temporary, Act::Fail, State::Down, 0);
    check_restart(Restart::Temporary, Act::PanicInHandler, State::Down, 0);
}

#[test]
fn temporary_siblings_stay_down_when_the_group_is_restarted() {
    simulate(async |env| {
        let log = Log::default();
        let (a, _) = worker("a", &log);
        let (b, breaks) = worker("b", &log);
        let plan = Supervisor::new(Strategy::OneForAll).child(a.restart(Restart::Temporary));
        let tree = plan.child(b).spawn("root", &env);
        breaks.up().await.unwrap();
        kill(&breaks).await;
        env.clock().sleep(SECOND).await;
        let states: Vec<_> = tree.snapshot().children.iter().map(|child| child.state).collect();
        assert_eq!(states, [State::Down, State::Up]);
        tree.shutdown().await;
    });
}

/// Connects for a while before it is ready.
struct Connection {
    lifeline: Lifeline,
    takes: Duration,
}

impl Actor for Connection {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let (clock, takes) = (self.lifeline.clock().clone(), self.takes);
        let connect = async move { clock.sleep(takes).await };
        ctx.spawn(connect.into_actor(self).map(|(), connection, _| connection.lifeline.ready()));
    }
}

/// A connection whose first incarnation takes `first` and whose later ones take 20 ms.
fn connection(first: Duration) -> (ChildSpec, Ref<Connection>) {
    let (spec, reference) = ChildSpec::new("connection", move |_, lifeline| {
        let takes = if lifeline.incarnation() == 1 { first } else { ms(20) };
        Connection { lifeline, takes }
    });
    (spec.start_within(ms(300)), reference)
}

async fn connect(env: &Env, first: Duration) -> (Duration, String) {
    let (log, mut events) = (Log::default(), env.events());
    let (spec, reference) = connection(first);
    let (after, user) = worker("user", &log);
    let plan = Supervisor::new(Strategy::RestForOne).child(spec).child(after);
    let tree = plan.spawn("root", env);
    env.clock().sleep(ms(1)).await;
    assert!(!reference.is_up());
    assert_eq!(tree.snapshot().children[0].state, State::Starting);
    user.up().await.unwrap();
    let told = (at(env), story(&mut events));
    tree.shutdown().await;
    told
}

#[test]
fn a_child_that_says_when_it_is_ready_is_waited_for() {
    let told = simulate(async |env| connect(&env, ms(250)).await);
    assert_eq!(told, (ms(250), "+connection1, +user1".into()));
}

#[test]
fn a_child_that_is_not_ready_in_time_is_replaced() {
    let told = simulate(async |env| connect(&env, SECOND).await);
    let story = "-connection1 killed: was not ready in time, +connection2, +user1";
    assert_eq!(told, (ms(300) + ms(100) + ms(20), story.into()));
}

#[test]
fn a_tree_can_be_shut_down_while_a_child_is_starting() {
    simulate(async |env| {
        let (log, mut events) = (Log::default(), env.events());
        let (first, _) = worker("first", &log);
        let (spec, _) = connection(SECOND);
        let plan = Supervisor::new(Strategy::OneForOne).child(first).child(spec);
        let tree = plan.spawn("root", &env);
        env.clock().sleep(ms(200)).await;
        assert_eq!((tree.shutdown().await, at(&env)), (Exit::Shutdown, ms(200)));
        assert_eq!(story(&mut events), "+first1, -connection1 shut down, -first1 shut down");
    });
}

#[test]
fn timers_die_with_their_incarnation() {
    struct Late(Lifeline, Log);
    impl Actor for Late {
        type Context = Context<Self>;
        fn started(&mut self, ctx: &mut Self::Context) {
            let (clock, incarnation) = (self.0.clock().clone(), self.0.incarnation());
            let timer = async move { clock.sleep(SECOND).await };
            let said = move |(), late: &mut Self, _: &mut _| late.1.say(format!("{incarnation}"));
            ctx.spawn(timer.into_actor(self).map(said));
        }
    }
    simulate(async |env| {
        let log = Log::default();
        let said = log.clone();
        let (spec, late) = ChildSpec::new("late", move |_, line| Late(line, said.clone()));
        let tree = Supervisor::new(Strategy::OneForOne).child(spec).spawn("root", &env);
        late.up().await.unwrap();
        tree.crash("late", "early").unwrap();
        env.clock().sleep(3 * SECOND).await;
        assert_eq!(log.take(), "2");
        tree.shutdown().await;
    });
}

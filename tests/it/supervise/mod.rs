//! What the supervisor promises, on the paused clock and with exact times.
mod crashes;
mod limits;
mod messages;
mod shuffle;
mod stops;
mod strategies;
mod threads;
mod tree;

use actix::{
    Actor, ActorContext as _, ActorFutureExt as _, AsyncContext as _, AtomicResponse, Context,
    Handler, Message, ResponseActFuture, Running, WrapFuture as _,
};
use bluefly_actors::{
    clock::Clock,
    random::Seed,
    supervise::{AskError, ChildSpec, Env, Event, Events, Exit, Lifeline, Ping, Ref},
    system::simulated_system,
};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

const SECOND: Duration = Duration::from_secs(1);

const fn ms(number: u64) -> Duration {
    Duration::from_millis(number)
}

/// Runs `test` on the simulated clock.
fn simulate<T>(test: impl AsyncFnOnce(Env) -> T) -> T {
    simulated_system().block_on(async { test(Env::new(Clock::simulated(), Seed(1))).await })
}

/// Time since the start of the simulation.
fn at(env: &Env) -> Duration {
    env.clock().now().since_start()
}

/// What the actors of a test did, in order.
#[derive(Clone, Debug, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn say(&self, what: String) {
        self.0.lock().unwrap().push(what);
    }

    /// What was said since the last call.
    fn take(&self) -> String {
        self.0.lock().unwrap().drain(..).collect::<Vec<_>>().join(", ")
    }
}

/// What is wrong with the first incarnation of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    None,
    Factory,
    Started,
    Stopping,
    Stopped,
    Drop,
}

/// An actor that does as it is told, and logs its life.
struct Worker {
    lifeline: Lifeline,
    log: Log,
    count: u32,
    flaw: Flaw,
    stops_after: Option<Duration>,
}

/// A child that is a worker without flaws.
fn worker(id: &str, log: &Log) -> (ChildSpec, Ref<Worker>) {
    flawed(id, log, Flaw::None)
}

/// A child whose first incarnation is flawed.
fn flawed(id: &str, log: &Log, flaw: Flaw) -> (ChildSpec, Ref<Worker>) {
    let log = log.clone();
    ChildSpec::new(id, move |_, lifeline| {
        let flaw = if lifeline.incarnation() == 1 { flaw } else { Flaw::None };
        assert!(flaw != Flaw::Factory, "flawed Factory");
        Worker { lifeline, log: log.clone(), count: 0, flaw, stops_after: None }
    })
}

/// A child that takes `time` to stop.
fn slow_to_stop(id: &str, log: &Log, time: Duration) -> (ChildSpec, Ref<Worker>) {
    let log = log.clone();
    ChildSpec::new(id, move |_, lifeline| Worker {
        lifeline,
        log: log.clone(),
        count: 0,
        flaw: Flaw::None,
        stops_after: Some(time),
    })
}

impl Worker {
    fn say(&self, what: &str) {
        let (id, incarnation) = (self.lifeline.id(), self.lifeline.incarnation());
        self.log.say(format!("{id}.{incarnation} {what}"));
    }

    fn break_if(&self, flaw: Flaw) {
        assert!(self.flaw != flaw, "flawed {flaw:?}");
    }
}

impl Actor for Worker {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        self.break_if(Flaw::Started);
        self.say("started");
    }

    fn stopping(&mut self, ctx: &mut Self::Context) -> Running {
        self.break_if(Flaw::Stopping);
        self.say("stopping");
        let Some(time) = self.stops_after.take() else { return Running::Stop };
        let clock = self.lifeline.clock().clone();
        let stop = async move { clock.sleep(time).await };
        ctx.spawn(stop.into_actor(self).map(|(), _, ctx| ctx.stop()));
        Running::Continue
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        self.break_if(Flaw::Stopped);
        self.say("stopped");
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.break_if(Flaw::Drop);
    }
}

/// What a worker may be told to do.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// Answers how often it has counted.
    Count,
    /// Answers so much later; other messages are handled meanwhile.
    Sleep(Duration),
    PanicInHandler,
    PanicInAnswer,
    PanicInSpawned,
    PanicInTimer,
    /// Ends for a reason. Its answer is lost, as that of every actor that ends in its handler.
    Fail,
    /// Ends without one.
    Finish,
}

impl Message for Act {
    type Result = u32;
}

impl Handler<Act> for Worker {
    type Result = ResponseActFuture<Self, u32>;

    fn handle(&mut self, act: Act, ctx: &mut Self::Context) -> Self::Result {
        self.count += 1;
        let count = self.count;
        match act {
            Act::Count => {}
            Act::Sleep(time) => {
                let clock = self.lifeline.clock().clone();
                let slept = async move { clock.sleep(time).await };
                return Box::pin(slept.into_actor(self).map(move |(), _, _| count));
            }
            Act::PanicInHandler => panic!("in handler"),
            Act::PanicInAnswer => return Box::pin(async { panic!("in answer") }.into_actor(self)),
            Act::PanicInSpawned => {
                ctx.spawn(async { panic!("in spawned") }.into_actor(self));
            }
            Act::PanicInTimer => {
                // actix's own timers know nothing of the clock: a second is 1,000 of tokio's.
                ctx.run_later(1_000 * SECOND, |_, _| panic!("in timer"));
            }
            Act::Fail => self.lifeline.clone().fail(ctx, "limit switch"),
            Act::Finish => ctx.stop(),
        }
        Box::pin(async move { count }.into_actor(self))
    }
}

/// Never answers, and lets nothing else be handled either.
struct Hang;

impl Message for Hang {
    type Result = ();
}

impl Handler<Hang> for Worker {
    type Result = AtomicResponse<Self, ()>;

    fn handle(&mut self, _: Hang, _: &mut Self::Context) -> Self::Result {
        AtomicResponse::new(Box::pin(std::future::pending::<()>().into_actor(self)))
    }
}

impl Handler<Ping> for Worker {
    type Result = ();

    fn handle(&mut self, _: Ping, _: &mut Self::Context) {}
}

/// Kills the present incarnation and waits until its caller is told.
async fn kill(worker: &Ref<Worker>) {
    let answer = worker.ask(Act::PanicInHandler, SECOND).await;
    assert_eq!(answer, Err(AskError::Lost(worker.id().into())));
}

/// The events there are, in short: `+a1` came up, `-a1 panicked: why` went down.
fn story(events: &mut Events) -> String {
    let told = std::iter::from_fn(|| events.try_next()).map(|event| match event {
        Event::Up { id, incarnation } => format!("+{id}{incarnation}"),
        Event::Down { id, incarnation, exit } => format!("-{id}{incarnation} {}", brief(&exit)),
        Event::Escalated { id, exit } => format!("!{id} {}", brief(&exit)),
        Event::Lagged { missed } => format!("missed {missed}"),
    });
    told.collect::<Vec<_>>().join(", ")
}

/// An exit without the place of a panic.
fn brief(exit: &Exit) -> String {
    let text = exit.to_string();
    text.split(" at tests").next().unwrap().to_owned()
}

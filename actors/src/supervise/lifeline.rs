//! [`Lifeline`]: what an actor holds of its supervisor.
use super::{control::Control, env::Env};
use crate::{clock::Clock, random::Stream};
use actix::{Actor, ActorContext, Context};
use std::{fmt, sync::Arc};
use tokio_util::sync::CancellationToken;

/// Given to the factory of an actor: who it is, and how it tells its supervisor things.
#[derive(Clone)]
pub struct Lifeline {
    id: Arc<str>,
    incarnation: u64,
    env: Env,
    control: Arc<Control>,
}

impl Lifeline {
    pub(super) fn new(id: Arc<str>, incarnation: u64, env: Env, control: Arc<Control>) -> Self {
        Self { id, incarnation, env, control }
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    /// 1 for the first, one more at each restart. It is there for connections to hardware that must
    /// refuse an incarnation which was given up; simulated ones have no need to.
    pub fn incarnation(&self) -> u64 {
        self.incarnation
    }

    /// The time of the tree. Actors sleep on it: `ctx.run_later` and `ctx.run_interval` know nothing
    /// of it, and run 1,000 times too fast in a simulation.
    pub fn clock(&self) -> &Clock {
        self.env.clock()
    }

    /// The random numbers of this incarnation: one stream for each (seed, id, incarnation).
    pub fn stream(&self) -> Stream {
        self.env.seed().stream(&self.id, self.incarnation)
    }

    /// Tells the supervisor that the actor can be used. Needed only by actors whose spec has
    /// [`start_within`](super::ChildSpec::start_within); the others are ready once started.
    pub fn ready(&self) {
        self.control.ready();
    }

    /// Stops the actor for a reason, which its supervisor treats like a panic.
    pub fn fail<A: Actor<Context = Context<A>>>(
        &self,
        ctx: &mut Context<A>,
        why: impl fmt::Display,
    ) {
        self.control.fail(why.to_string());
        ctx.stop();
    }

    /// Cancelled when the supervisor asks the actor to stop: for tasks that the actor started.
    pub fn stop_token(&self) -> &CancellationToken {
        &self.control.stop
    }

    pub(super) fn control(&self) -> &Arc<Control> {
        &self.control
    }

    pub(super) fn env(&self) -> &Env {
        &self.env
    }
}

impl fmt::Debug for Lifeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lifeline({}, {})", self.id, self.incarnation)
    }
}

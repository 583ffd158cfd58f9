//! [`RunQueue`]: runs that were submitted as a whole, flown one after the other.
//!
//! A run is on disk before its submission is answered, and what happens to it before it counts. It
//! is begun when the coordinator is idle and its turn has come; a client who flies step by step
//! makes the queue wait. Nothing is flown twice, and nothing is forgotten, whoever dies.
//!
//! **Invariant:** a decision is taken by a pure function of the book, in the order in which
//! requests come, and applied when it is on disk.
mod book;
mod clients;
mod ending;
mod list;
mod log;
mod pilot;
mod register;
mod request;

pub use register::{Register, RegisterParts};
pub use request::{Cancel, CountWaiting, Get, Hold, List, MoveTo, Release, Settle, Submit};

use crate::{
    coordinator::{Bulletin, ScanCoordinator},
    random::Stream,
    supervise::{Lifeline, Ping, Ref},
};
use actix::prelude::*;
use bluefly_protocol::{beamline::QueueSpec, plan::Capabilities};
use clients::Clients;
use pilot::Pilot;
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
};
use tokio::sync::Semaphore;

/// Whom the queue knows, and what it does by itself.
#[derive(Clone)]
pub struct QueueParts {
    pub register: Register,
    pub coordinator: Ref<ScanCoordinator>,
    pub bulletin: Bulletin,
    pub capabilities: Arc<Capabilities>,
    pub spec: QueueSpec,
}

/// The actor that owns the queue of runs.
pub struct RunQueue {
    parts: QueueParts,
    lifeline: Lifeline,
    uids: Rc<RefCell<Stream>>,
    /// Specifications that are being checked.
    checks: Rc<Semaphore>,
    /// Requests under way.
    busy: Rc<Cell<usize>>,
}

/// Specifications that are checked at the same time: each takes a thread.
const MAX_CHECKS: usize = 2;

impl RunQueue {
    pub fn new(parts: QueueParts, lifeline: Lifeline) -> Self {
        let uids = Rc::new(RefCell::new(lifeline.stream()));
        let (checks, busy) = (Rc::new(Semaphore::new(MAX_CHECKS)), Rc::default());
        Self { parts, lifeline, uids, checks, busy }
    }
}

impl Actor for RunQueue {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        let QueueParts { register, coordinator, bulletin, spec, .. } = self.parts.clone();
        let clock = self.lifeline.clock().clone();
        let clients = Clients {
            register: register.clone(),
            progress: bulletin.progress(),
            clock: clock.clone(),
        };
        ctx.spawn(clients.watch().into_actor(self));
        let pilot = Pilot { register, coordinator, progress: bulletin.progress(), clock, spec };
        ctx.spawn(pilot.fly_all().into_actor(self));
    }
}

impl Handler<Ping> for RunQueue {
    type Result = ();
    fn handle(&mut self, _: Ping, _: &mut Context<Self>) {}
}

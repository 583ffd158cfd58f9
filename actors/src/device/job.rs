//! [`Job`]: the one thing a device works on, and how it is given up for something more urgent.
use super::complaint::Complaints;
use crate::status::{Operation, OperationError, Outcome, Status, Work};
use actix::prelude::*;
use bluefly_protocol::{
    fault::{Fault, FaultClass, Refused},
    name::Name,
};
use std::{future::Future, rc::Rc};
use tracing::Instrument as _;

/// Work in progress. Given up, it settles as aborted and its future is dropped where it stands.
pub(crate) struct Job {
    what: &'static str,
    handle: SpawnHandle,
    give_up: Box<dyn FnOnce()>,
}

impl Job {
    /// What is being done, as a participle: `arming`.
    pub(crate) fn what(&self) -> &'static str {
        self.what
    }

    /// Drops the work; its status ends aborted.
    pub(crate) fn give_up<A: Actor<Context = Context<A>>>(self, ctx: &mut Context<A>) {
        ctx.cancel_future(self.handle);
        (self.give_up)();
    }
}

/// An actor that works on at most one job at a time.
pub(crate) trait Worker: Actor<Context = Context<Self>> {
    fn name(&self) -> &Name;
    fn job(&mut self) -> &mut Option<Job>;
    fn complaints(&self) -> &Complaints;

    /// A job came to its end: what was asked to come to rest and did not is tried again from here.
    fn ended(&mut self, ctx: &mut Context<Self>);

    /// Drops whatever is being worked on, for something more urgent.
    fn drop_job(&mut self, ctx: &mut Context<Self>) {
        if let Some(job) = self.job().take() {
            tracing::debug!(device = %self.name(), job = job.what(), "given up");
            job.give_up(ctx);
        }
    }

    /// A refusal that names what the device is doing.
    fn refused(&self, request: &'static str, phase: impl Into<String>) -> Refused {
        Refused { device: self.name().clone(), request: request.into(), phase: phase.into() }
    }

    /// Starts `task`, whose status the caller gets at once. `done` records the outcome in the actor
    /// before the status tells it.
    fn begin<P, T, F>(
        &mut self,
        ctx: &mut Context<Self>,
        what: &'static str,
        progress: P,
        job: (impl FnOnce(Work<P, T>) -> F, impl FnOnce(&mut Self, &Result<T, Fault>) + 'static),
    ) -> Status<P, T>
    where
        P: Clone + 'static,
        T: Clone + 'static,
        F: Future<Output = Result<T, Fault>> + 'static,
    {
        let (task, done) = job;
        let operation = Operation::new(self.name().clone(), progress);
        let status = operation.status();
        let task = task(operation.work());
        let operation = Rc::new(operation);
        let given_up = Rc::clone(&operation);
        tracing::debug!(device = %self.name(), job = what, "begun");
        let span = tracing::info_span!("operation", device = %self.name(), what);
        let task = task.instrument(span).into_actor(self);
        let handle = ctx.spawn(task.map(move |result, actor, ctx| {
            *actor.job() = None;
            match &result {
                Ok(_) => {
                    actor.complaints().succeeded();
                    tracing::debug!(device = %actor.name(), job = what, "done");
                }
                // The caller's mistake, told to the caller.
                Err(fault) if fault.class == FaultClass::Rejected => {
                    tracing::info!(device = %actor.name(), job = what, %fault, "rejected");
                }
                // Whoever asked for it asks again until it is back.
                Err(fault) if fault.class == FaultClass::Disconnected => {
                    actor.complaints().failed(what, fault);
                }
                Err(fault) => tracing::warn!(device = %actor.name(), job = what, %fault, "failed"),
            }
            done(actor, &result);
            operation.settle(result.map(Outcome::Done).map_err(OperationError::Fault));
            actor.ended(ctx);
        }));
        let give_up = Box::new(move || given_up.settle(Ok(Outcome::Aborted)));
        *self.job() = Some(Job { what, handle, give_up });
        status
    }
}

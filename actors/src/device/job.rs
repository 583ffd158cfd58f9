//! [`Job`]: the one thing a device works on, and how it is given up for something more urgent.
use super::duty::Duty;
use crate::status::{Operation, OperationError, Outcome, Status, Work};
use actix::prelude::*;
use bluefly_protocol::{
    fault::{Fault, Refused},
    name::Name,
};
use futures_util::future::{AbortHandle, abortable};
use std::{future::Future, rc::Rc};
use tracing::Instrument as _;

/// A future that an actor waits for, until it is given up.
pub(crate) struct Errand {
    handle: SpawnHandle,
    abort: AbortHandle,
}

impl Errand {
    /// Starts `task`, and does `done` with what it comes to.
    pub(crate) fn begin<A, T>(
        (actor, ctx): (&A, &mut Context<A>),
        task: impl Future<Output = T> + 'static,
        done: impl FnOnce(T, &mut A, &mut Context<A>) + 'static,
    ) -> Self
    where
        A: Actor<Context = Context<A>>,
        T: 'static,
    {
        let (task, abort) = abortable(task);
        // Actix drops a future that was cancelled after it has polled it once more. One that ends then
        // would end what was begun in its place.
        let task = task.into_actor(actor).map(move |ended, actor, ctx| {
            if let Ok(result) = ended {
                done(result, actor, ctx);
            }
        });
        Self { handle: ctx.spawn(task), abort }
    }

    /// Nothing is done any more: the future is dropped where it stands.
    pub(crate) fn give_up<A: Actor<Context = Context<A>>>(self, ctx: &mut Context<A>) {
        self.abort.abort();
        ctx.cancel_future(self.handle);
    }
}

/// Work in progress. Given up, it settles as aborted and its future is dropped where it stands.
pub(crate) struct Job {
    what: &'static str,
    errand: Errand,
    give_up: Box<dyn FnOnce()>,
}

impl Job {
    /// What is being done, as a participle: `arming`.
    pub(crate) fn what(&self) -> &'static str {
        self.what
    }

    /// Drops the work; its status ends aborted.
    pub(crate) fn give_up<A: Actor<Context = Context<A>>>(self, ctx: &mut Context<A>) {
        self.errand.give_up(ctx);
        (self.give_up)();
    }
}

/// An actor that works on at most one job at a time.
pub(crate) trait Worker: Actor<Context = Context<Self>> {
    fn duty(&self) -> &Duty;
    fn duty_mut(&mut self) -> &mut Duty;

    /// A job came to its end: what was asked to come to rest and did not is tried again from here.
    fn ended(&mut self, ctx: &mut Context<Self>);

    fn name(&self) -> &Name {
        self.duty().device()
    }

    /// Drops whatever is being worked on, for something more urgent.
    fn drop_job(&mut self, ctx: &mut Context<Self>) {
        if let Some(job) = self.duty_mut().leave() {
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
        let span = tracing::info_span!("operation", device = %self.name(), what);
        let ended = move |result: Result<T, Fault>, actor: &mut Self, ctx: &mut Context<Self>| {
            actor.duty_mut().end(what, &result);
            done(actor, &result);
            operation.settle(result.map(Outcome::Done).map_err(OperationError::Fault));
            actor.ended(ctx);
        };
        let errand = Errand::begin((&*self, ctx), task.instrument(span), ended);
        let give_up = Box::new(move || given_up.settle(Ok(Outcome::Aborted)));
        self.duty_mut().begin(Job { what, errand, give_up });
        status
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use std::cell::Cell;
    use tokio::sync::oneshot;

    /// Works until it is told that its work is done, or has other work.
    struct Lamp {
        duty: Duty,
        num_ended: Rc<Cell<u32>>,
    }

    #[derive(Message)]
    #[rtype(result = "Status<(), ()>")]
    struct Shine(oneshot::Receiver<()>);

    impl Actor for Lamp {
        type Context = Context<Self>;
    }

    impl Worker for Lamp {
        fn duty(&self) -> &Duty {
            &self.duty
        }
        fn duty_mut(&mut self) -> &mut Duty {
            &mut self.duty
        }
        fn ended(&mut self, _: &mut Context<Self>) {
            self.num_ended.set(self.num_ended.get() + 1);
        }
    }

    impl Handler<Shine> for Lamp {
        type Result = MessageResult<Shine>;
        fn handle(&mut self, Shine(done): Shine, ctx: &mut Context<Self>) -> Self::Result {
            self.drop_job(ctx);
            let task = move |_| async move {
                done.await.expect("it is told");
                Ok(())
            };
            MessageResult(self.begin(ctx, "shining", (), (task, |_: &mut Self, _: &_| ())))
        }
    }

    #[test]
    fn a_job_that_ended_in_the_turn_in_which_it_was_given_up_ended_the_next_one() {
        System::new().block_on(async {
            let num_ended = Rc::new(Cell::new(0));
            let duty = Duty::new("lamp".parse().expect("a name"), Clock::real());
            let lamp = Lamp { duty, num_ended: Rc::clone(&num_ended) }.start();
            let ((first_is_done, first), (second_is_done, second)) =
                (oneshot::channel(), oneshot::channel());
            let first = lamp.send(Shine(first)).await.expect("it lives");
            // Both before the actor has its turn.
            first_is_done.send(()).expect("it is waited for");
            let second = lamp.send(Shine(second)).await.expect("it lives");
            assert_eq!(first.finished().await, Ok(Outcome::Aborted));
            assert_eq!(num_ended.get(), 0);
            second_is_done.send(()).expect("it is waited for");
            assert_eq!(second.finished().await, Ok(Outcome::Done(())));
            assert_eq!(num_ended.get(), 1);
        });
    }
}

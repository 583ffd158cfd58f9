//! [`Life`]: the one place where an actor is polled.
use super::{
    control::{Control, Counted, Order},
    exit::Exit,
    lifeline::Lifeline,
    panics::capture,
};
use crate::random::Stream;
use actix::{Actor, ActorContext, Context, dev::ContextFut};
use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{self, Poll},
};

/// One incarnation of one actor, from its making to its [`Exit`].
///
/// It is the panic boundary, the out-of-band stop, the tracing span, the meter and the shuffler of
/// its actor. When it resolves, the actor has been dropped.
pub(super) struct Life<A: Actor<Context = Context<A>>> {
    body: Option<ContextFut<A, Context<A>>>,
    control: Arc<Control>,
    span: tracing::Span,
    counted: Counted,
    readiness: Readiness,
    is_stopping: bool,
    /// Tossed before each poll when schedules are shuffled.
    coin: Option<Stream>,
}

/// Who says that an actor is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Readiness {
    /// Its first poll, in which `started()` runs.
    Started,
    /// The actor itself.
    Told,
}

impl<A: Actor<Context = Context<A>>> Life<A> {
    /// Makes the actor; fails with the panic of its factory.
    pub(super) fn begin(
        mut ctx: Context<A>,
        lifeline: &Lifeline,
        readiness: Readiness,
        make: impl FnOnce(&mut Context<A>, Lifeline) -> A,
    ) -> Result<Self, Exit> {
        let (id, incarnation) = (lifeline.id(), lifeline.incarnation());
        let span = tracing::info_span!("actor", id, incarnation);
        let actor = span.in_scope(|| capture(|| make(&mut ctx, lifeline.clone())));
        let actor = actor.map_err(Exit::Panicked)?;
        let env = lifeline.env();
        let coin =
            env.is_shuffled().then(|| env.seed().stream(&format!("schedule of {id}"), incarnation));
        let counted =
            if env.clock().is_simulated() { Counted::WithoutTime } else { Counted::WithTime };
        let control = Arc::clone(lifeline.control());
        let body = Some(ctx.into_future(actor));
        Ok(Self { body, control, span, counted, readiness, is_stopping: false, coin })
    }

    fn poll_body(&mut self, cx: &mut task::Context<'_>) -> Poll<Exit> {
        let crash = match self.control.take_order() {
            Some(Order::Kill(kill)) => return Poll::Ready(Exit::Killed(kill)),
            Some(Order::Crash(why)) => Some(why),
            None => None,
        };
        let body = self.body.as_mut().expect("not polled after it resolved");
        if !self.is_stopping && self.control.stop.is_cancelled() {
            self.is_stopping = true;
            body.ctx().stop();
        }
        let poll = self.control.vitals.begin_poll();
        let polled = capture(|| {
            if let Some(why) = crash {
                panic!("{why}");
            }
            Pin::new(body).poll(cx)
        });
        self.control.vitals.end_poll(poll, self.counted);
        match polled {
            Ok(Poll::Pending) => {
                if self.readiness == Readiness::Started {
                    self.readiness = Readiness::Told;
                    self.control.ready();
                }
                Poll::Pending
            }
            Ok(Poll::Ready(())) => Poll::Ready(self.last_word()),
            Err(panic) => Poll::Ready(Exit::Panicked(panic)),
        }
    }

    fn last_word(&self) -> Exit {
        let asked = if self.is_stopping { Exit::Shutdown } else { Exit::Normal };
        self.control.take_failure().unwrap_or(asked)
    }

    /// Drops the actor. Fails with the panic of its `Drop`.
    ///
    /// **Invariant:** nothing of a broken actor runs but `Drop`. Without `terminate()`, dropping a
    /// `ContextFut` polls it once more: `stopping()`, `stopped()` and queued messages would run on
    /// a state that a panic left half changed, and a second panic would abort the process.
    fn bury(&mut self) -> Result<(), String> {
        let Some(mut body) = self.body.take() else { return Ok(()) };
        body.ctx().terminate();
        capture(move || drop(body))
    }
}

impl<A: Actor<Context = Context<A>>> Future for Life<A> {
    type Output = Exit;

    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Exit> {
        let this = self.get_mut();
        this.control.listen(cx.waker());
        if this.coin.as_mut().is_some_and(|coin| coin.chance(0.5)) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let span = this.span.clone();
        let _entered = span.enter();
        let Poll::Ready(exit) = this.poll_body(cx) else { return Poll::Pending };
        match this.bury() {
            Err(panic) if !exit.is_abnormal() => Poll::Ready(Exit::Panicked(panic)),
            // An exit that is abnormal already says more than a panic in its clearing up.
            Ok(()) | Err(_) => Poll::Ready(exit),
        }
    }
}

impl<A: Actor<Context = Context<A>>> Drop for Life<A> {
    fn drop(&mut self) {
        if self.body.is_none() {
            return;
        }
        let span = self.span.clone();
        let _entered = span.enter();
        // The runtime is going down: nobody is left to be told of a panic, and it has been logged.
        if self.bury().is_err() {
            tracing::debug!("panicked while it was dropped");
        }
    }
}

//! [`Device`]: what all kinds of devices have in common. It does one thing at a time, comes to rest
//! whenever it is told to, and tries until it has.
use super::{duty::Duty, job::Worker, until_safe};
use crate::{
    clock::Clock,
    status::{Status, Work},
    supervise::Ping,
};
use actix::prelude::*;
use bluefly_protocol::{
    fault::{Fault, Refused},
    name::Name,
};
use std::{cell::RefCell, future::Future, rc::Rc};

/// One kind of device: the phases between rest and rest, how it comes to rest, and what it keeps beside
/// its job.
pub trait Kind: Default + Unpin + 'static {
    /// What drives its hardware.
    type Logic: ?Sized + 'static;
    /// How far it has come; what a phase needs lives inside it.
    type Phase: Unpin + 'static;
    /// What there is to tell once it has come to rest.
    type Told: Clone + 'static;
    /// How it is brought to rest.
    type Undo: Copy + Default + Unpin + 'static;

    /// What it does when it is told to come to rest, as a participle.
    const HALTING: &'static str;
    /// What it does when it was told and could not.
    const RETRYING: &'static str;

    fn phase_name(phase: &Self::Phase) -> &'static str;

    /// What to tell of a device that needs not be brought to rest.
    fn at_rest(phase: &Self::Phase) -> Option<Self::Told>;

    /// Makes its hardware safe, of which nothing is known; resolves with where that leaves it.
    fn recover(
        logic: Rc<Self::Logic>,
    ) -> impl Future<Output = Result<(Self::Phase, Self::Told), Fault>>;

    /// Brings it to rest; resolves with where that leaves it, if that is known, and what came of it.
    fn rest(logic: Rc<Self::Logic>) -> impl Future<Output = Found<Self, Self::Told>> {
        async move { found(Self::recover(logic).await) }
    }

    /// Brings to rest what could not be brought to rest just now.
    fn undo(
        logic: Rc<Self::Logic>,
        _: Self::Undo,
    ) -> impl Future<Output = Result<Self::Phase, Fault>> {
        async move { Ok(Self::recover(logic).await?.0) }
    }

    /// Gives up what it does beside its job.
    fn give_up(_: &mut Device<Self>, _: &mut Context<Device<Self>>) {}
}

/// Where a device was left, if that is known, and what came of that.
pub type Found<K, T> = (Option<<K as Kind>::Phase>, Result<T, Fault>);

fn found<P, T>(rest: Result<(P, T), Fault>) -> (Option<P>, Result<T, Fault>) {
    match rest {
        Ok((phase, told)) => (Some(phase), Ok(told)),
        Err(fault) => (None, Err(fault)),
    }
}

/// A supervised device of one kind.
pub struct Device<K: Kind> {
    pub(super) logic: Rc<K::Logic>,
    pub(super) clock: Clock,
    pub(super) kind: K,
    state: State<K>,
    duty: Duty,
    /// How it was told to come to rest, and to nothing else since.
    pub(super) undo: Option<K::Undo>,
}

enum State<K: Kind> {
    /// A new incarnation assumes nothing: it makes its hardware safe first.
    Recovering(Status<(), K::Told>),
    Known(K::Phase),
    Halting(Status<(), K::Told>),
    /// The hardware could not be brought to a known state; only what brings it to rest is accepted.
    Unknown,
}

impl<K: Kind> State<K> {
    fn of(phase: Option<K::Phase>) -> Self {
        phase.map_or(Self::Unknown, Self::Known)
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Recovering(_) => "recovering",
            Self::Known(phase) => K::phase_name(phase),
            Self::Halting(_) => K::HALTING,
            Self::Unknown => "in an unknown state",
        }
    }
}

/// What a job that succeeds leads to; after one that fails nobody knows.
pub(super) fn then<P, T>(next: P) -> impl FnOnce(&Result<T, Fault>) -> Option<P> {
    |result| result.is_ok().then_some(next)
}

impl<K: Kind> Device<K> {
    /// A device that may be doing anything; it is made safe as soon as the actor starts.
    pub fn new(name: Name, logic: Rc<K::Logic>, clock: Clock) -> Self {
        let duty = Duty::new(name, clock.clone());
        let (state, undo) = (State::Unknown, Some(K::Undo::default()));
        Self { logic, clock, kind: K::default(), state, duty, undo }
    }

    /// Where it is, unless it is coming to rest or nobody knows.
    pub(super) fn phase(&self) -> Option<&K::Phase> {
        match &self.state {
            State::Known(phase) => Some(phase),
            State::Recovering(_) | State::Halting(_) | State::Unknown => None,
        }
    }

    pub(super) fn enter(&mut self, phase: K::Phase) {
        self.state = State::Known(phase);
    }

    /// A refusal for the phase that it is in.
    pub(super) fn refuses(&self, request: &'static str) -> Refused {
        self.refused(request, self.state.name())
    }

    /// Starts `task` in phase `now`; `after` tells to which it leads.
    pub(super) fn work<P, T, F>(
        &mut self,
        ctx: &mut Context<Self>,
        what: &'static str,
        (progress, now): (P, K::Phase),
        (task, after): (
            impl FnOnce(Work<P, T>) -> F,
            impl FnOnce(&Result<T, Fault>) -> Option<K::Phase> + 'static,
        ),
    ) -> Status<P, T>
    where
        P: Clone + 'static,
        T: Clone + 'static,
        F: Future<Output = Result<T, Fault>> + 'static,
    {
        (self.state, self.undo) = (State::Known(now), None);
        let done = move |actor: &mut Self, result: &Result<T, Fault>| {
            actor.state = State::of(after(result));
        };
        self.begin(ctx, what, progress, (task, done))
    }

    /// Starts `task`, which finds out where it leaves the device.
    pub(super) fn find<T: Clone + 'static>(
        &mut self,
        ctx: &mut Context<Self>,
        what: &'static str,
        task: impl Future<Output = Found<K, T>> + 'static,
    ) -> Status<(), T> {
        let found = Rc::new(RefCell::new(None));
        let adopted = Rc::clone(&found);
        let task = move |_| async move {
            let (phase, result) = task.await;
            *found.borrow_mut() = phase;
            result
        };
        let done = move |actor: &mut Self, _: &Result<T, Fault>| {
            actor.state = State::of(adopted.take());
        };
        self.begin(ctx, what, (), (task, done))
    }

    /// Whoever told it to come to rest may have lost patience, but it has to nevertheless. It stays
    /// in an unknown state until then, so that it can be told again at any time.
    fn keep_trying(&mut self, ctx: &mut Context<Self>, undo: K::Undo) {
        let (logic, clock) = (Rc::clone(&self.logic), self.clock.clone());
        let complaints = self.duty.complaints();
        self.find(ctx, K::RETRYING, async move {
            let phase = until_safe(&clock, &complaints, || K::undo(Rc::clone(&logic), undo)).await;
            (Some(phase), Ok(()))
        });
    }

    /// Drops whatever it does, for something more urgent.
    pub(super) fn give_up(&mut self, ctx: &mut Context<Self>) {
        self.drop_job(ctx);
        K::give_up(self, ctx);
    }

    pub(super) fn halt(&mut self, halt: Halt, ctx: &mut Context<Self>) -> Status<(), K::Told> {
        match (&self.state, halt) {
            (State::Recovering(status) | State::Halting(status), _) => return status.clone(),
            (State::Known(phase), Halt::IfAsked) => {
                if let Some(told) = K::at_rest(phase) {
                    return Status::done(self.name().clone(), (), told);
                }
            }
            (State::Known(_), Halt::Now) | (State::Unknown, _) => {}
        }
        self.give_up(ctx);
        self.undo.get_or_insert_default();
        let rest = K::rest(Rc::clone(&self.logic));
        let status = self.find(ctx, K::HALTING, rest);
        self.state = State::Halting(status.clone());
        status
    }
}

impl<K: Kind> Actor for Device<K> {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        let safe = K::recover(Rc::clone(&self.logic));
        let status = self.find(ctx, "recovering", async move { found(safe.await) });
        self.state = State::Recovering(status);
    }
}

impl<K: Kind> Worker for Device<K> {
    fn duty(&self) -> &Duty {
        &self.duty
    }
    fn duty_mut(&mut self) -> &mut Duty {
        &mut self.duty
    }
    fn ended(&mut self, ctx: &mut Context<Self>) {
        if let (State::Unknown, Some(undo)) = (&self.state, self.undo) {
            self.keep_trying(ctx, undo);
        }
    }
}

/// Brings a device to rest. Legal in every phase, twice, and while something else is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Message)]
#[rtype(result = "Status<(), ()>")]
pub enum Halt {
    /// Unless nothing was asked of it since it came to rest.
    IfAsked,
    /// In any case: somebody else may have asked something of its hardware.
    Now,
}

impl<K: Kind<Told = ()>> Handler<Halt> for Device<K> {
    type Result = MessageResult<Halt>;
    fn handle(&mut self, halt: Halt, ctx: &mut Context<Self>) -> Self::Result {
        MessageResult(self.halt(halt, ctx))
    }
}

impl<K: Kind> Handler<Ping> for Device<K> {
    type Result = ();
    fn handle(&mut self, _: Ping, _: &mut Context<Self>) {}
}

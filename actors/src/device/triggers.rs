//! [`Triggers`]: guards the order of what is asked of a source of triggers.
use super::{
    complaint::Complaints,
    job::{Job, Worker},
    until_safe,
};
use crate::{
    clock::Clock,
    logic::triggers::{TriggerLogic, TriggerPlan},
    status::{Operation, OperationError, Outcome, Status, Work},
    supervise::Ping,
};
use actix::prelude::*;
use bluefly_protocol::{
    fault::{Fault, FaultClass, Refused},
    name::Name,
};
use std::{cell::Cell, rc::Rc};

/// How far a source of triggers has come; what a phase needs lives inside it.
#[derive(Debug)]
enum Phase {
    /// A new incarnation assumes nothing: it makes its hardware safe first.
    Recovering(Status<(), ()>),
    Safe,
    Loading,
    Loaded(TriggerPlan),
    Enabling,
    Enabled(TriggerPlan),
    /// Triggers leave; the status counts them as frames of the scan.
    Following(Status<u64, ()>),
    Stopping(Status<(), ()>),
    /// The hardware could not be brought to a known state; only make safe is accepted.
    Unknown,
}

impl Phase {
    fn name(&self) -> &'static str {
        match self {
            Self::Recovering(_) => "recovering",
            Self::Safe => "safe",
            Self::Loading => "loading",
            Self::Loaded(_) => "loaded",
            Self::Enabling => "being enabled",
            Self::Enabled(_) => "enabled",
            Self::Following(_) => "triggering",
            Self::Stopping(_) => "stopping",
            Self::Unknown => "in an unknown state",
        }
    }
}

/// A supervised source of triggers.
pub struct Triggers {
    name: Name,
    logic: Rc<dyn TriggerLogic>,
    clock: Clock,
    phase: Phase,
    job: Option<Job>,
    complaints: Rc<Complaints>,
    /// It was told to be safe, and to nothing else since.
    must_be_safe: bool,
}

impl Triggers {
    /// A source that may be triggering; it makes it safe as soon as it starts.
    pub fn new(name: Name, logic: Rc<dyn TriggerLogic>, clock: Clock) -> Self {
        let complaints = Rc::new(Complaints::new(name.clone(), clock.clone()));
        let (phase, must_be_safe) = (Phase::Unknown, true);
        Self { name, logic, clock, phase, job: None, complaints, must_be_safe }
    }

    fn recover(&mut self, ctx: &mut Context<Self>) {
        let logic = Rc::clone(&self.logic);
        let task = move |_| async move { logic.make_safe().await };
        let status = self.begin(ctx, "recovering", (), (task, then(Phase::Safe)));
        self.phase = Phase::Recovering(status);
    }

    /// Whoever told it to be safe may have lost patience, but it has to be nevertheless. It stays in
    /// an unknown state until then, so that it can be told again at any time.
    fn keep_trying(&mut self, ctx: &mut Context<Self>) {
        let (logic, clock) = (Rc::clone(&self.logic), self.clock.clone());
        let complaints = Rc::clone(&self.complaints);
        let task = move |_| async move {
            until_safe(&clock, &complaints, || logic.make_safe()).await;
            Ok(())
        };
        self.begin(ctx, "becoming safe", (), (task, then(Phase::Safe)));
    }

    fn stop_now(&mut self, ctx: &mut Context<Self>) -> Status<(), ()> {
        match &self.phase {
            Phase::Recovering(status) | Phase::Stopping(status) => return status.clone(),
            Phase::Safe
            | Phase::Loading
            | Phase::Loaded(_)
            | Phase::Enabling
            | Phase::Enabled(_)
            | Phase::Following(_)
            | Phase::Unknown => self.drop_job(ctx),
        }
        self.must_be_safe = true;
        let logic = Rc::clone(&self.logic);
        let task = move |_| async move { logic.make_safe().await };
        let status = self.begin(ctx, "stopping", (), (task, then(Phase::Safe)));
        self.phase = Phase::Stopping(status.clone());
        status
    }
}

impl Actor for Triggers {
    type Context = Context<Self>;
    fn started(&mut self, ctx: &mut Context<Self>) {
        self.recover(ctx);
    }
}

impl Worker for Triggers {
    fn name(&self) -> &Name {
        &self.name
    }
    fn job(&mut self) -> &mut Option<Job> {
        &mut self.job
    }
    fn complaints(&self) -> &Complaints {
        &self.complaints
    }
    fn ended(&mut self, ctx: &mut Context<Self>) {
        if let (Phase::Unknown, true) = (&self.phase, self.must_be_safe) {
            self.keep_trying(ctx);
        }
    }
}

/// Where a job leaves the source.
fn then(next: Phase) -> impl FnOnce(&mut Triggers, &Result<(), Fault>) {
    |actor, result| actor.phase = if result.is_ok() { next } else { Phase::Unknown }
}

/// Finds out whether the source could make these triggers; done if so. Legal in every phase, which it
/// leaves as it is.
#[derive(Debug, Message)]
#[rtype(result = "Status<(), ()>")]
pub struct Check(pub TriggerPlan);

impl Handler<Check> for Triggers {
    type Result = MessageResult<Check>;
    fn handle(&mut self, Check(plan): Check, ctx: &mut Context<Self>) -> Self::Result {
        let operation = Operation::new(self.name.clone(), ());
        let (status, logic) = (operation.status(), Rc::clone(&self.logic));
        let check = async move {
            let checked = logic.check(&plan).await;
            operation.settle(checked.map(Outcome::Done).map_err(OperationError::Fault));
        };
        ctx.spawn(check.into_actor(self));
        MessageResult(status)
    }
}

/// Gets everything ready for these triggers but the last step; none leaves. Refused unless safe.
#[derive(Debug, Message)]
#[rtype(result = "Result<Status<(), ()>, Refused>")]
pub struct Load(pub TriggerPlan);

impl Handler<Load> for Triggers {
    type Result = Result<Status<(), ()>, Refused>;
    fn handle(&mut self, Load(plan): Load, ctx: &mut Context<Self>) -> Self::Result {
        let Phase::Safe = self.phase else {
            return Err(self.refused("load triggers", self.phase.name()));
        };
        (self.phase, self.must_be_safe) = (Phase::Loading, false);
        let logic = Rc::clone(&self.logic);
        let loaded = Phase::Loaded(plan.clone());
        let task = move |_| async move { logic.load(&plan).await };
        Ok(self.begin(ctx, "loading", (), (task, then(loaded))))
    }
}

/// Lets triggers leave from now on; done when the first would. Refused unless loaded.
#[derive(Debug, Message)]
#[rtype(result = "Result<Status<(), ()>, Refused>")]
pub struct Enable;

impl Handler<Enable> for Triggers {
    type Result = Result<Status<(), ()>, Refused>;
    fn handle(&mut self, Enable: Enable, ctx: &mut Context<Self>) -> Self::Result {
        let Phase::Loaded(plan) = &self.phase else {
            return Err(self.refused("enable triggers", self.phase.name()));
        };
        let enabled = Phase::Enabled(plan.clone());
        self.phase = Phase::Enabling;
        let logic = Rc::clone(&self.logic);
        let task = move |_| async move { logic.enable().await };
        Ok(self.begin(ctx, "enabling", (), (task, then(enabled))))
    }
}

/// Follows triggers that leave; progress counts them as frames of the scan. Done once the triggers of
/// all frames have left, and none would any more. Refused unless enabled.
#[derive(Debug, Message)]
#[rtype(result = "Result<Status<u64, ()>, Refused>")]
pub struct Follow;

impl Handler<Follow> for Triggers {
    type Result = Result<Status<u64, ()>, Refused>;
    fn handle(&mut self, Follow: Follow, ctx: &mut Context<Self>) -> Self::Result {
        let plan = match &self.phase {
            Phase::Enabled(plan) => plan.clone(),
            Phase::Following(status) => return Ok(status.clone()),
            phase => return Err(self.refused("follow triggers", phase.name())),
        };
        let (logic, device) = (Rc::clone(&self.logic), self.name.clone());
        let (first, total) = (plan.first_frame, plan.plan.num_frames());
        let task = move |work: Work<u64, ()>| async move {
            let left = Cell::new(first);
            let progress = |frames| {
                if left.replace(frames) != frames {
                    work.progress(frames);
                }
            };
            logic.follow(&progress).await?;
            if left.get() < total {
                return Err(ended_early(device, left.get(), total));
            }
            logic.make_safe().await
        };
        let status = self.begin(ctx, "triggering", first, (task, then(Phase::Safe)));
        self.phase = Phase::Following(status.clone());
        Ok(status)
    }
}

fn ended_early(device: Name, left: u64, total: u64) -> Fault {
    let reason = format!("it ended after the triggers of {left} of {total} frames");
    let operation = "trigger the frames".to_owned();
    Fault { device, operation, class: FaultClass::Lost, reason }
}

/// How many frames of the scan are known to have been triggered to their end, also by an incarnation
/// before; none if nobody can know.
#[derive(Debug, Message)]
#[rtype(result = "Option<u64>")]
pub struct FramesTriggered;

impl Handler<FramesTriggered> for Triggers {
    type Result = Option<u64>;
    fn handle(&mut self, FramesTriggered: FramesTriggered, _: &mut Context<Self>) -> Self::Result {
        self.logic.triggered()
    }
}

/// Lets no trigger leave. Legal in every phase, twice, and while something else is under way.
#[derive(Debug, Message)]
#[rtype(result = "Status<(), ()>")]
pub struct MakeSafe;

impl Handler<MakeSafe> for Triggers {
    type Result = MessageResult<MakeSafe>;
    fn handle(&mut self, MakeSafe: MakeSafe, ctx: &mut Context<Self>) -> Self::Result {
        MessageResult(match &self.phase {
            Phase::Safe => Status::done(self.name.clone(), (), ()),
            _ => self.stop_now(ctx),
        })
    }
}

/// As [`MakeSafe`], but also if nothing was asked of it: somebody else may have.
#[derive(Debug, Message)]
#[rtype(result = "Status<(), ()>")]
pub struct MakeSafeNow;

impl Handler<MakeSafeNow> for Triggers {
    type Result = MessageResult<MakeSafeNow>;
    fn handle(&mut self, MakeSafeNow: MakeSafeNow, ctx: &mut Context<Self>) -> Self::Result {
        MessageResult(self.stop_now(ctx))
    }
}

impl Handler<Ping> for Triggers {
    type Result = ();
    fn handle(&mut self, _: Ping, _: &mut Context<Self>) {}
}

//! [`Triggers`]: guards the order of what is asked of a source of triggers.
use super::{
    job::Worker as _,
    kind::{Device, Kind, then},
};
use crate::{
    logic::triggers::{TriggerLogic, TriggerPlan},
    status::{Operation, OperationError, Outcome, Status, Work},
};
use actix::prelude::*;
use bluefly_protocol::{
    fault::{Fault, FaultClass, Refused},
    name::Name,
};
use std::{cell::Cell, rc::Rc};

/// A supervised source of triggers, which may be triggering at first; it is made safe as soon as the
/// actor starts.
pub type Triggers = Device<TriggersKind>;

/// How far a source of triggers has come; what a phase needs lives inside it.
#[derive(Debug)]
pub enum Phase {
    Safe,
    Loading,
    Loaded(TriggerPlan),
    Enabling,
    Enabled(TriggerPlan),
    /// Triggers leave; the status counts them as frames of the scan.
    Following(Status<u64, ()>),
}

#[derive(Default)]
pub struct TriggersKind;

impl Kind for TriggersKind {
    type Logic = dyn TriggerLogic;
    type Phase = Phase;
    type Told = ();
    type Undo = ();
    const HALTING: &'static str = "stopping";
    const RETRYING: &'static str = "becoming safe";

    fn phase_name(phase: &Phase) -> &'static str {
        match phase {
            Phase::Safe => "safe",
            Phase::Loading => "loading",
            Phase::Loaded(_) => "loaded",
            Phase::Enabling => "being enabled",
            Phase::Enabled(_) => "enabled",
            Phase::Following(_) => "triggering",
        }
    }

    fn at_rest(phase: &Phase) -> Option<()> {
        matches!(phase, Phase::Safe).then_some(())
    }

    async fn recover(logic: Rc<dyn TriggerLogic>) -> Result<(Phase, ()), Fault> {
        logic.make_safe().await.map(|()| (Phase::Safe, ()))
    }
}

/// Finds out whether the source could make these triggers; done if so. Legal in every phase, which it
/// leaves as it is.
#[derive(Debug, Message)]
#[rtype(result = "Status<(), ()>")]
pub struct Check(pub TriggerPlan);

impl Handler<Check> for Triggers {
    type Result = MessageResult<Check>;
    fn handle(&mut self, Check(plan): Check, ctx: &mut Context<Self>) -> Self::Result {
        let operation = Operation::new(self.name().clone(), ());
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
        let Some(Phase::Safe) = self.phase() else { return Err(self.refuses("load triggers")) };
        let logic = Rc::clone(&self.logic);
        let loaded = Phase::Loaded(plan.clone());
        let task = move |_| async move { logic.load(&plan).await };
        Ok(self.work(ctx, "loading", ((), Phase::Loading), (task, then(loaded))))
    }
}

/// Lets triggers leave from now on; done when the first would. Refused unless loaded.
#[derive(Debug, Message)]
#[rtype(result = "Result<Status<(), ()>, Refused>")]
pub struct Enable;

impl Handler<Enable> for Triggers {
    type Result = Result<Status<(), ()>, Refused>;
    fn handle(&mut self, Enable: Enable, ctx: &mut Context<Self>) -> Self::Result {
        let Some(Phase::Loaded(plan)) = self.phase() else {
            return Err(self.refuses("enable triggers"));
        };
        let enabled = Phase::Enabled(plan.clone());
        let logic = Rc::clone(&self.logic);
        let task = move |_| async move { logic.enable().await };
        Ok(self.work(ctx, "enabling", ((), Phase::Enabling), (task, then(enabled))))
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
        let plan = match self.phase() {
            Some(Phase::Enabled(plan)) => plan.clone(),
            Some(Phase::Following(status)) => return Ok(status.clone()),
            _ => return Err(self.refuses("follow triggers")),
        };
        let (logic, device) = (Rc::clone(&self.logic), self.name().clone());
        let (first, total) = (plan.first_frame, plan.plan.num_frames());
        let now = Phase::Enabled(plan);
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
        let status = self.work(ctx, "triggering", (first, now), (task, then(Phase::Safe)));
        self.enter(Phase::Following(status.clone()));
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

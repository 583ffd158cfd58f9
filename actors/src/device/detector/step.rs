//! Frames that a detector takes one by one, while it follows them to the disk.
use super::{Detector, Phase};
use crate::{
    device::job::{Errand, Worker as _},
    status::{Operation, OperationError, Outcome, Status},
};
use actix::prelude::*;
use bluefly_protocol::fault::{Fault, Refused};
use std::rc::Rc;

/// A frame that is being taken.
pub(super) struct Step {
    errand: Errand,
    operation: Rc<Operation<(), ()>>,
}

impl Detector {
    /// Gives up the frame that is being taken, for something more urgent.
    pub(super) fn drop_step(&mut self, ctx: &mut Context<Self>) {
        if let Some(Step { errand, operation }) = self.kind.step.take() {
            errand.give_up(ctx);
            operation.settle(Ok(Outcome::Aborted));
        }
    }
}

/// Takes the next of the frames that it was armed for; done when its exposures are over. Refused
/// unless frames are [taken](super::Take), one at a time, by a detector that can be told to.
#[derive(Debug, Message)]
#[rtype(result = "Result<Status<(), ()>, Refused>")]
pub struct TakeNext;

impl Handler<TakeNext> for Detector {
    type Result = Result<Status<(), ()>, Refused>;
    fn handle(&mut self, TakeNext: TakeNext, ctx: &mut Context<Self>) -> Self::Result {
        const REQUEST: &str = "take the next frame";
        let Some(Phase::Taking(_)) = self.phase() else { return Err(self.refuses(REQUEST)) };
        if self.kind.step.is_some() {
            return Err(self.refused(REQUEST, "taking a frame"));
        }
        let Some(stepper) = Rc::clone(&self.logic).stepper() else {
            return Err(self.refused(REQUEST, "waiting for its triggers"));
        };
        let operation = Rc::new(Operation::new(self.name().clone(), ()));
        let (status, settled) = (operation.status(), Rc::clone(&operation));
        let task = async move { stepper.take_next().await };
        let ended = move |taken: Result<(), Fault>, actor: &mut Self, _: &mut Context<Self>| {
            actor.kind.step = None;
            settled.settle(taken.map(Outcome::Done).map_err(OperationError::Fault));
        };
        let errand = Errand::begin((&*self, ctx), task, ended);
        self.kind.step = Some(Step { errand, operation });
        Ok(status)
    }
}

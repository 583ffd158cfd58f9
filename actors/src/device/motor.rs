//! [`Motor`]: guards the order of what is asked of one motor.
use super::kind::{Device, Found, Kind};
use crate::{
    logic::motor::MotorLogic,
    status::{Status, Work},
};
use actix::prelude::*;
use bluefly_protocol::fault::{Fault, FaultClass, Refused};
use std::rc::Rc;

/// A supervised motor, which may be moving at first; a motion of its own is stopped as soon as the
/// actor starts.
pub type Motor = Device<MotorKind>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Idle,
    Moving,
}

#[derive(Default)]
pub struct MotorKind;

impl Kind for MotorKind {
    type Logic = MotorLogic;
    type Phase = Phase;
    type Told = ();
    type Undo = ();
    const HALTING: &'static str = "stopping";
    const RETRYING: &'static str = "coming to rest";

    fn phase_name(phase: &Phase) -> &'static str {
        match phase {
            Phase::Idle => "idle",
            Phase::Moving => "moving",
        }
    }

    fn at_rest(phase: &Phase) -> Option<()> {
        matches!(phase, Phase::Idle).then_some(())
    }

    async fn recover(logic: Rc<MotorLogic>) -> Result<(Phase, ()), Fault> {
        logic.make_safe().await.map(|()| (Phase::Idle, ()))
    }

    async fn rest(logic: Rc<MotorLogic>) -> Found<Self, ()> {
        let stopped = logic.stop().await;
        (stopped.is_ok().then_some(Phase::Idle), stopped)
    }
}

/// Where a move leaves the motor: one that was rejected has moved nothing.
fn moved(result: &Result<(), Fault>) -> Option<Phase> {
    match result {
        Err(fault) if fault.class != FaultClass::Rejected => None,
        Ok(()) | Err(_) => Some(Phase::Idle),
    }
}

/// Moves to a position; progress is the readback; done when it stands still there. Rejected, and
/// nothing moves, if it is beyond the limits of its record or if that has another unit.
#[derive(Debug, Message)]
#[rtype(result = "Result<Status<f64, ()>, Refused>")]
pub struct Move {
    /// In `unit`.
    pub position: f64,
    pub unit: String,
}

impl Handler<Move> for Motor {
    type Result = Result<Status<f64, ()>, Refused>;
    fn handle(&mut self, Move { position, unit }: Move, ctx: &mut Context<Self>) -> Self::Result {
        let Some(Phase::Idle) = self.phase() else { return Err(self.refuses("move")) };
        let logic = Rc::clone(&self.logic);
        let task = move |work: Work<f64, ()>| async move {
            logic.expect_unit(&unit).await?;
            logic.move_to(position, |readback| work.progress(readback)).await
        };
        Ok(self.work(ctx, "moving", (f64::NAN, Phase::Moving), (task, moved)))
    }
}

/// Whether a scan may move the motor now: it says why not.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), Fault>")]
pub struct MayFly;

impl Handler<MayFly> for Motor {
    type Result = ResponseFuture<Result<(), Fault>>;
    fn handle(&mut self, MayFly: MayFly, _: &mut Context<Self>) -> Self::Result {
        let logic = Rc::clone(&self.logic);
        Box::pin(async move { logic.may_fly().await })
    }
}

/// Reads the position in EGU.
#[derive(Debug, Message)]
#[rtype(result = "Result<f64, Fault>")]
pub struct Locate;

impl Handler<Locate> for Motor {
    type Result = ResponseFuture<Result<f64, Fault>>;
    fn handle(&mut self, Locate: Locate, _: &mut Context<Self>) -> Self::Result {
        let logic = Rc::clone(&self.logic);
        Box::pin(async move { logic.position().await })
    }
}

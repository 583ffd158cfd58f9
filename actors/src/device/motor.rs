//! [`Motor`]: guards the order of what is asked of one motor.
use super::{
    complaint::Complaints,
    job::{Job, Worker},
    until_safe,
};
use crate::{
    clock::Clock,
    logic::motor::MotorLogic,
    status::{Status, Work},
    supervise::Ping,
};
use actix::prelude::*;
use bluefly_protocol::{
    fault::{Fault, FaultClass, Refused},
    name::Name,
};
use std::rc::Rc;

#[derive(Debug)]
enum Phase {
    /// A new incarnation assumes nothing: it stops the motor first.
    Recovering(Status<(), ()>),
    Idle,
    Moving,
    Stopping(Status<(), ()>),
    /// It could not be brought to a known state; only stop is accepted.
    Unknown,
}

impl Phase {
    fn name(&self) -> &'static str {
        match self {
            Self::Recovering(_) => "recovering",
            Self::Idle => "idle",
            Self::Moving => "moving",
            Self::Stopping(_) => "stopping",
            Self::Unknown => "in an unknown state",
        }
    }
}

/// A supervised motor.
pub struct Motor {
    name: Name,
    logic: Rc<MotorLogic>,
    clock: Clock,
    phase: Phase,
    job: Option<Job>,
    complaints: Rc<Complaints>,
    /// It was told to come to rest, and to nothing else since.
    must_rest: bool,
}

impl Motor {
    /// A motor that may be moving; a motion of its own is stopped as soon as the actor starts.
    pub fn new(name: Name, logic: Rc<MotorLogic>, clock: Clock) -> Self {
        let complaints = Rc::new(Complaints::new(name.clone(), clock.clone()));
        Self { name, logic, clock, phase: Phase::Unknown, job: None, complaints, must_rest: true }
    }
}

/// Where a move leaves the motor: one that was rejected has moved nothing.
fn moved(actor: &mut Motor, result: &Result<(), Fault>) {
    let is_known = match result {
        Ok(()) => true,
        Err(fault) => fault.class == FaultClass::Rejected,
    };
    actor.phase = if is_known { Phase::Idle } else { Phase::Unknown };
}

/// Where a stop leaves the motor.
fn settled(actor: &mut Motor, result: &Result<(), Fault>) {
    actor.phase = if result.is_ok() { Phase::Idle } else { Phase::Unknown };
}

impl Actor for Motor {
    type Context = Context<Self>;
    fn started(&mut self, ctx: &mut Context<Self>) {
        let logic = Rc::clone(&self.logic);
        let task = move |_| async move { logic.make_safe().await };
        let status = self.begin(ctx, "recovering", (), (task, settled));
        self.phase = Phase::Recovering(status);
    }
}

impl Worker for Motor {
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
        if let (Phase::Unknown, true) = (&self.phase, self.must_rest) {
            self.keep_trying(ctx);
        }
    }
}

impl Motor {
    /// Whoever told it to come to rest may have lost patience, but it has to nevertheless. It stays
    /// in an unknown state until then, so that it can be told again at any time.
    fn keep_trying(&mut self, ctx: &mut Context<Self>) {
        let (logic, clock) = (Rc::clone(&self.logic), self.clock.clone());
        let complaints = Rc::clone(&self.complaints);
        let task = move |_| async move {
            until_safe(&clock, &complaints, || logic.make_safe()).await;
            Ok(())
        };
        let done = |actor: &mut Self, _: &Result<(), Fault>| actor.phase = Phase::Idle;
        self.begin(ctx, "coming to rest", (), (task, done));
    }

    fn stop_now(&mut self, ctx: &mut Context<Self>) -> Status<(), ()> {
        match &self.phase {
            Phase::Recovering(status) | Phase::Stopping(status) => return status.clone(),
            Phase::Idle | Phase::Moving | Phase::Unknown => self.drop_job(ctx),
        }
        self.must_rest = true;
        let logic = Rc::clone(&self.logic);
        let task = move |_| async move { logic.stop().await };
        let status = self.begin(ctx, "stopping", (), (task, settled));
        self.phase = Phase::Stopping(status.clone());
        status
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
        let Phase::Idle = self.phase else {
            return Err(self.refused("move", self.phase.name()));
        };
        (self.phase, self.must_rest) = (Phase::Moving, false);
        let logic = Rc::clone(&self.logic);
        let task = move |work: Work<f64, ()>| async move {
            logic.expect_unit(&unit).await?;
            logic.move_to(position, |readback| work.progress(readback)).await
        };
        Ok(self.begin(ctx, "moving", f64::NAN, (task, moved)))
    }
}

/// Brings the motor to rest. Legal in every phase, twice, and while it moves.
#[derive(Debug, Message)]
#[rtype(result = "Status<(), ()>")]
pub struct StopMotor;

impl Handler<StopMotor> for Motor {
    type Result = MessageResult<StopMotor>;
    fn handle(&mut self, StopMotor: StopMotor, ctx: &mut Context<Self>) -> Self::Result {
        MessageResult(match &self.phase {
            Phase::Idle => Status::done(self.name.clone(), (), ()),
            _ => self.stop_now(ctx),
        })
    }
}

/// As [`StopMotor`], but also if nothing was asked of it: somebody else may have.
#[derive(Debug, Message)]
#[rtype(result = "Status<(), ()>")]
pub struct StopMotorNow;

impl Handler<StopMotorNow> for Motor {
    type Result = MessageResult<StopMotorNow>;
    fn handle(&mut self, StopMotorNow: StopMotorNow, ctx: &mut Context<Self>) -> Self::Result {
        MessageResult(self.stop_now(ctx))
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

impl Handler<Ping> for Motor {
    type Result = ();
    fn handle(&mut self, _: Ping, _: &mut Context<Self>) {}
}

//! [`Detector`]: guards the order of what is asked of a detector and its file.
mod step;

pub use step::TakeNext;

use super::{
    complaint::Complaints,
    job::{Job, Worker},
    until_safe,
};
use crate::{
    clock::Clock,
    logic::detector::{Arm, Description, DetectorLogic, FilePlan, OpenFile, Summary},
    status::{Status, Work},
    supervise::Ping,
};
use actix::prelude::*;
use bluefly_protocol::{
    fault::{Fault, Refused},
    name::Name,
};
use std::{cell::RefCell, ops::Range, rc::Rc, sync::Arc, time::Duration};
use step::Step;

/// How far a detector has come; what a phase needs lives inside it.
#[derive(Debug, Default)]
enum Phase {
    /// A new incarnation assumes nothing: it makes its hardware safe first.
    Recovering(Status<(), u64>),
    Closed,
    Opening,
    Open(Arc<OpenFile>),
    Arming,
    Armed(Arc<OpenFile>),
    /// One frame is being taken, into no file.
    TakingOne,
    /// Frames are coming; the status counts contiguous frames on disk.
    Taking(Status<u64, ()>),
    Stopping(Status<(), u64>),
    Closing(Status<(), ()>),
    /// The hardware could not be brought to a known state; only stop and close are accepted.
    #[default]
    Unknown,
}

impl Phase {
    fn name(&self) -> &'static str {
        match self {
            Self::Recovering(_) => "recovering",
            Self::Closed => "closed",
            Self::Opening => "opening",
            Self::Open(_) => "open",
            Self::Arming => "arming",
            Self::Armed(_) => "armed",
            Self::TakingOne => "taking a frame",
            Self::Taking(_) => "taking frames",
            Self::Stopping(_) => "stopping",
            Self::Closing(_) => "closing",
            Self::Unknown => "in an unknown state",
        }
    }

    /// The phase of hardware that was made safe, with the file it was found to have open.
    fn found(file: Option<OpenFile>) -> Self {
        file.map_or(Self::Closed, |file| Self::Open(Arc::new(file)))
    }
}

/// A supervised detector with its file writer.
pub struct Detector {
    name: Name,
    logic: Rc<dyn DetectorLogic>,
    clock: Clock,
    phase: Phase,
    job: Option<Job>,
    /// A frame that is being taken at a command, while frames are followed.
    step: Option<Step>,
    complaints: Rc<Complaints>,
    undo: Option<Undo>,
}

/// What it was told to undo, and nothing else since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Undo {
    Disarm,
    Close,
}

impl Detector {
    /// A detector whose hardware is in an unknown state; it makes it safe as soon as it starts.
    pub fn new(name: Name, logic: Rc<dyn DetectorLogic>, clock: Clock) -> Self {
        let complaints = Rc::new(Complaints::new(name.clone(), clock.clone()));
        let (phase, undo) = (Phase::Closed, Some(Undo::Disarm));
        Self { name, logic, clock, phase, job: None, step: None, complaints, undo }
    }

    fn recover(&mut self, ctx: &mut Context<Self>) {
        let logic = Rc::clone(&self.logic);
        let found = Rc::new(RefCell::new(Phase::Unknown));
        let adopt = Rc::clone(&found);
        let task = move |_| async move {
            let file = logic.make_safe().await?;
            let frames = file.as_ref().map_or(0, |file| file.frames_on_disk);
            *found.borrow_mut() = Phase::found(file);
            Ok(frames)
        };
        let status = self.begin(
            ctx,
            "recovering",
            (),
            (task, move |actor, _: &Result<u64, Fault>| {
                actor.phase = adopt.take();
            }),
        );
        self.phase = Phase::Recovering(status);
    }

    /// Whoever told it to undo may have lost patience, but it has to be undone nevertheless. It stays
    /// in an unknown state until then, so that it can be told again at any time.
    fn keep_trying(&mut self, ctx: &mut Context<Self>, undo: Undo) {
        let (logic, clock) = (Rc::clone(&self.logic), self.clock.clone());
        let complaints = Rc::clone(&self.complaints);
        let found = Rc::new(RefCell::new(Phase::Unknown));
        let adopt = Rc::clone(&found);
        let task = move |_| async move {
            let file = until_safe(&clock, &complaints, || undone(&*logic, undo)).await;
            *found.borrow_mut() = Phase::found(file);
            Ok(())
        };
        let done = move |actor: &mut Self, _: &Result<(), Fault>| actor.phase = adopt.take();
        self.begin(ctx, "undoing", (), (task, done));
    }

    fn stop(&mut self, ctx: &mut Context<Self>) -> Status<(), u64> {
        match &self.phase {
            Phase::Closed => Status::done(self.name.clone(), (), 0),
            _ => self.stop_now(ctx),
        }
    }

    fn stop_now(&mut self, ctx: &mut Context<Self>) -> Status<(), u64> {
        match &self.phase {
            Phase::Recovering(status) | Phase::Stopping(status) => return status.clone(),
            _ => self.drop_job(ctx),
        }
        self.drop_step(ctx);
        self.undo.get_or_insert(Undo::Disarm);
        let logic = Rc::clone(&self.logic);
        let found = Rc::new(RefCell::new(Phase::Unknown));
        let keep = Rc::clone(&found);
        let task = move |_| async move {
            let disarmed = logic.disarm().await;
            // Whether or not all frames came to disk: what matters next is what state it is in.
            *found.borrow_mut() = Phase::found(logic.make_safe().await?);
            disarmed
        };
        let status = self.begin(
            ctx,
            "stopping",
            (),
            (task, move |actor, _: &Result<u64, Fault>| {
                actor.phase = keep.take();
            }),
        );
        self.phase = Phase::Stopping(status.clone());
        status
    }

    fn close(&mut self, ctx: &mut Context<Self>) -> Status<(), ()> {
        match &self.phase {
            Phase::Closing(status) => return status.clone(),
            Phase::Closed => return Status::done(self.name.clone(), (), ()),
            _ => self.drop_job(ctx),
        }
        self.drop_step(ctx);
        self.undo = Some(Undo::Close);
        let logic = Rc::clone(&self.logic);
        let found = Rc::new(RefCell::new(Phase::Unknown));
        let keep = Rc::clone(&found);
        let task = move |_| async move {
            let disarmed = logic.disarm().await;
            let closed = logic.close().await;
            *found.borrow_mut() = Phase::found(logic.make_safe().await?);
            disarmed.and(closed)
        };
        let status = self.begin(
            ctx,
            "closing",
            (),
            (task, move |actor, _: &Result<(), Fault>| {
                actor.phase = keep.take();
            }),
        );
        self.phase = Phase::Closing(status.clone());
        status
    }
}

impl Actor for Detector {
    type Context = Context<Self>;
    fn started(&mut self, ctx: &mut Context<Self>) {
        self.recover(ctx);
    }
}

impl Worker for Detector {
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
        if let (Phase::Unknown, Some(undo)) = (&self.phase, self.undo) {
            self.keep_trying(ctx, undo);
        }
    }
}

/// Disarms and, if asked to, closes; with the file that is open then.
async fn undone(logic: &dyn DetectorLogic, undo: Undo) -> Result<Option<OpenFile>, Fault> {
    let file = logic.make_safe().await?;
    if undo == Undo::Disarm || file.is_none() {
        return Ok(file);
    }
    logic.close().await?;
    Ok(None)
}

/// Opens the file that all later frames go to; one that is open already for the same run is gone
/// on with. Refused unless closed or open.
#[derive(Debug, Message)]
#[rtype(result = "Result<Status<(), Arc<OpenFile>>, Refused>")]
pub struct Open(pub FilePlan);

impl Handler<Open> for Detector {
    type Result = Result<Status<(), Arc<OpenFile>>, Refused>;
    fn handle(&mut self, Open(plan): Open, ctx: &mut Context<Self>) -> Self::Result {
        match &self.phase {
            Phase::Closed => self.undo = None,
            Phase::Open(file) if file.is_of(&plan) => {
                self.undo = None;
                return Ok(Status::done(self.name.clone(), (), Arc::clone(file)));
            }
            phase => return Err(self.refused("open", phase.name())),
        }
        self.phase = Phase::Opening;
        let logic = Rc::clone(&self.logic);
        let task = move |_| async move { logic.open(&plan).await.map(Arc::new) };
        Ok(self.begin(
            ctx,
            "opening",
            (),
            (task, |actor, result: &Result<Arc<OpenFile>, Fault>| {
                actor.phase = match result {
                    Ok(file) => Phase::Open(Arc::clone(file)),
                    Err(_) => Phase::Unknown,
                };
            }),
        ))
    }
}

/// Makes an open detector ready for triggers; done once they would be taken.
#[derive(Debug, Message)]
#[rtype(result = "Result<Status<(), ()>, Refused>")]
pub struct ArmFrames(pub Arm);

impl Handler<ArmFrames> for Detector {
    type Result = Result<Status<(), ()>, Refused>;
    fn handle(&mut self, ArmFrames(arm): ArmFrames, ctx: &mut Context<Self>) -> Self::Result {
        let Phase::Open(file) = &self.phase else {
            return Err(self.refused("arm", self.phase.name()));
        };
        let file = Arc::clone(file);
        (self.phase, self.undo) = (Phase::Arming, None);
        let logic = Rc::clone(&self.logic);
        let task = move |_| async move { logic.arm(&arm).await };
        Ok(self.begin(
            ctx,
            "arming",
            (),
            (task, |actor, result: &Result<(), Fault>| {
                actor.phase = if result.is_ok() { Phase::Armed(file) } else { Phase::Unknown };
            }),
        ))
    }
}

/// Follows the frames of an armed detector; done once all of them are on disk.
#[derive(Debug, Message)]
#[rtype(result = "Result<Status<u64, ()>, Refused>")]
pub struct Take;

impl Handler<Take> for Detector {
    type Result = Result<Status<u64, ()>, Refused>;
    fn handle(&mut self, Take: Take, ctx: &mut Context<Self>) -> Self::Result {
        let file = match &self.phase {
            Phase::Armed(file) => Arc::clone(file),
            Phase::Taking(status) => return Ok(status.clone()),
            phase => return Err(self.refused("take frames", phase.name())),
        };
        let logic = Rc::clone(&self.logic);
        let task = move |work: Work<u64, ()>| async move {
            logic.on_disk(&|frames| work.progress(frames)).await
        };
        let status = self.begin(
            ctx,
            "taking frames",
            0,
            (task, |actor, result| {
                actor.phase = if result.is_ok() { Phase::Open(file) } else { Phase::Unknown };
            }),
        );
        self.phase = Phase::Taking(status.clone());
        Ok(status)
    }
}

/// Stops acquiring, leaves the file open; the status tells how many contiguous frames are on disk.
/// Legal in every phase, twice, and while something else is under way.
#[derive(Debug, Message)]
#[rtype(result = "Status<(), u64>")]
pub struct Disarm;

impl Handler<Disarm> for Detector {
    type Result = MessageResult<Disarm>;
    fn handle(&mut self, Disarm: Disarm, ctx: &mut Context<Self>) -> Self::Result {
        MessageResult(self.stop(ctx))
    }
}

/// As [`Disarm`], but also if nothing was asked of it: somebody else may have.
#[derive(Debug, Message)]
#[rtype(result = "Status<(), u64>")]
pub struct DisarmNow;

impl Handler<DisarmNow> for Detector {
    type Result = MessageResult<DisarmNow>;
    fn handle(&mut self, DisarmNow: DisarmNow, ctx: &mut Context<Self>) -> Self::Result {
        MessageResult(self.stop_now(ctx))
    }
}

/// Takes one exposure of this length by software trigger, into no file; done with the sum of its
/// pixels. Refused unless closed: a file that is open would get the frame.
#[derive(Debug, Message)]
#[rtype(result = "Result<Status<(), f64>, Refused>")]
pub struct TakeOne(pub Duration);

impl Handler<TakeOne> for Detector {
    type Result = Result<Status<(), f64>, Refused>;
    fn handle(&mut self, TakeOne(exposure): TakeOne, ctx: &mut Context<Self>) -> Self::Result {
        let Phase::Closed = self.phase else {
            return Err(self.refused("take a frame", self.phase.name()));
        };
        (self.phase, self.undo) = (Phase::TakingOne, Some(Undo::Disarm));
        let logic = Rc::clone(&self.logic);
        let found = Rc::new(RefCell::new(Phase::Unknown));
        let keep = Rc::clone(&found);
        let task = move |_| async move {
            let taken = logic.take_one(exposure).await;
            *found.borrow_mut() = match &taken {
                Ok(_) => Phase::Closed,
                Err(fault) => after_failure(&*logic, fault).await,
            };
            taken
        };
        let done = move |actor: &mut Self, _: &Result<f64, Fault>| actor.phase = keep.take();
        Ok(self.begin(ctx, "taking a frame", (), (task, done)))
    }
}

/// The phase of a detector that was made safe after `fault`, if it could be.
async fn after_failure(logic: &dyn DetectorLogic, fault: &Fault) -> Phase {
    match logic.make_safe().await {
        Ok(file) => Phase::found(file),
        Err(unsafe_still) => {
            tracing::warn!(%fault, %unsafe_still, "not safe yet");
            Phase::Unknown
        }
    }
}

/// Stops acquiring and closes the file. Legal in every phase, twice.
#[derive(Debug, Message)]
#[rtype(result = "Status<(), ()>")]
pub struct Close;

impl Handler<Close> for Detector {
    type Result = MessageResult<Close>;
    fn handle(&mut self, Close: Close, ctx: &mut Context<Self>) -> Self::Result {
        MessageResult(self.close(ctx))
    }
}

/// Reads summary values of frames that are on disk, from memory.
#[derive(Debug, Message)]
#[rtype(result = "Result<Summary, Fault>")]
pub struct Summarise(pub Range<u64>);

impl Handler<Summarise> for Detector {
    type Result = ResponseFuture<Result<Summary, Fault>>;
    fn handle(&mut self, Summarise(frames): Summarise, _: &mut Context<Self>) -> Self::Result {
        let logic = Rc::clone(&self.logic);
        Box::pin(async move { logic.summary(frames).await })
    }
}

/// Reads what its file will have, whether or not one is open.
#[derive(Debug, Message)]
#[rtype(result = "Result<Description, Fault>")]
pub struct Describe;

impl Handler<Describe> for Detector {
    type Result = ResponseFuture<Result<Description, Fault>>;
    fn handle(&mut self, Describe: Describe, _: &mut Context<Self>) -> Self::Result {
        let logic = Rc::clone(&self.logic);
        Box::pin(async move { logic.describe().await })
    }
}

impl Handler<Ping> for Detector {
    type Result = ();
    fn handle(&mut self, _: Ping, _: &mut Context<Self>) {}
}

//! [`Detector`]: guards the order of what is asked of a detector and its file.
mod step;

pub use step::TakeNext;

use super::{
    job::Worker as _,
    kind::{Device, Found, Halt, Kind, then},
};
use crate::{
    logic::detector::{Arm, Description, DetectorLogic, FilePlan, OpenFile, Summary},
    status::{Status, Work},
};
use actix::prelude::*;
use bluefly_protocol::fault::{Fault, Refused};
use std::{ops::Range, rc::Rc, sync::Arc, time::Duration};
use step::Step;

/// A supervised detector with its file writer, whose hardware is in an unknown state at first; it is
/// made safe as soon as the actor starts.
pub type Detector = Device<DetectorKind>;

/// How far a detector has come; what a phase needs lives inside it.
#[derive(Debug)]
pub enum Phase {
    Closed,
    Opening,
    Open(Arc<OpenFile>),
    Arming,
    Armed {
        file: Arc<OpenFile>,
        first_index: u64,
    },
    /// One frame is being taken, into no file.
    TakingOne,
    /// Frames are coming; the status counts contiguous frames on disk.
    Taking(Status<u64, ()>),
    Closing(Status<(), ()>),
}

impl Phase {
    /// The phase of hardware that was made safe, with the file it was found to have open.
    fn found(file: Option<OpenFile>) -> Self {
        file.map_or(Self::Closed, |file| Self::Open(Arc::new(file)))
    }
}

/// What a detector was told to undo.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Undo {
    #[default]
    Disarm,
    Close,
}

#[derive(Default)]
pub struct DetectorKind {
    /// A frame that is being taken at a command, while frames are followed.
    step: Option<Step>,
}

impl Kind for DetectorKind {
    type Logic = dyn DetectorLogic;
    type Phase = Phase;
    /// Contiguous frames on disk.
    type Told = u64;
    type Undo = Undo;
    const HALTING: &'static str = "stopping";
    const RETRYING: &'static str = "undoing";

    fn phase_name(phase: &Phase) -> &'static str {
        match phase {
            Phase::Closed => "closed",
            Phase::Opening => "opening",
            Phase::Open(_) => "open",
            Phase::Arming => "arming",
            Phase::Armed { .. } => "armed",
            Phase::TakingOne => "taking a frame",
            Phase::Taking(_) => "taking frames",
            Phase::Closing(_) => "closing",
        }
    }

    fn at_rest(phase: &Phase) -> Option<u64> {
        matches!(phase, Phase::Closed).then_some(0)
    }

    async fn recover(logic: Rc<dyn DetectorLogic>) -> Result<(Phase, u64), Fault> {
        let file = logic.make_safe().await?;
        let frames = file.as_ref().map_or(0, |file| file.frames_on_disk);
        Ok((Phase::found(file), frames))
    }

    async fn rest(logic: Rc<dyn DetectorLogic>) -> Found<Self, u64> {
        let disarmed = logic.disarm().await;
        left(&*logic, disarmed).await
    }

    async fn undo(logic: Rc<dyn DetectorLogic>, undo: Undo) -> Result<Phase, Fault> {
        let file = logic.make_safe().await?;
        if undo == Undo::Disarm || file.is_none() {
            return Ok(Phase::found(file));
        }
        logic.close().await?;
        Ok(Phase::Closed)
    }

    fn give_up(device: &mut Detector, ctx: &mut Context<Detector>) {
        device.drop_step(ctx);
    }
}

/// Whether or not all frames came to disk: what matters next is what state it is in.
async fn left<T>(logic: &dyn DetectorLogic, result: Result<T, Fault>) -> Found<DetectorKind, T> {
    match logic.make_safe().await {
        Ok(file) => (Some(Phase::found(file)), result),
        Err(fault) => (None, Err(fault)),
    }
}

impl Detector {
    fn close(&mut self, ctx: &mut Context<Self>) -> Status<(), ()> {
        match self.phase() {
            Some(Phase::Closing(status)) => return status.clone(),
            Some(Phase::Closed) => return Status::done(self.name().clone(), (), ()),
            _ => self.give_up(ctx),
        }
        self.undo = Some(Undo::Close);
        let logic = Rc::clone(&self.logic);
        let status = self.find(ctx, "closing", async move {
            let disarmed = logic.disarm().await;
            let closed = logic.close().await;
            left(&*logic, disarmed.and(closed)).await
        });
        self.enter(Phase::Closing(status.clone()));
        status
    }
}

/// Opens the file that all later frames go to; one that is open already for the same run is gone
/// on with. Refused unless closed or open.
#[derive(Debug, Message)]
#[rtype(result = "Result<Status<(), Arc<OpenFile>>, Refused>")]
pub struct Open(pub FilePlan);

impl Handler<Open> for Detector {
    type Result = Result<Status<(), Arc<OpenFile>>, Refused>;
    fn handle(&mut self, Open(plan): Open, ctx: &mut Context<Self>) -> Self::Result {
        match self.phase() {
            Some(Phase::Closed) => {}
            Some(Phase::Open(file)) if file.is_of(&plan) => {
                let status = Status::done(self.name().clone(), (), Arc::clone(file));
                self.undo = None;
                return Ok(status);
            }
            _ => return Err(self.refuses("open")),
        }
        let logic = Rc::clone(&self.logic);
        let task = move |_| async move { logic.open(&plan).await.map(Arc::new) };
        let after = |opened: &Result<Arc<OpenFile>, Fault>| {
            opened.as_ref().ok().map(|file| Phase::Open(Arc::clone(file)))
        };
        Ok(self.work(ctx, "opening", ((), Phase::Opening), (task, after)))
    }
}

/// Makes an open detector ready for triggers; done once they would be taken.
#[derive(Debug, Message)]
#[rtype(result = "Result<Status<(), ()>, Refused>")]
pub struct ArmFrames(pub Arm);

impl Handler<ArmFrames> for Detector {
    type Result = Result<Status<(), ()>, Refused>;
    fn handle(&mut self, ArmFrames(arm): ArmFrames, ctx: &mut Context<Self>) -> Self::Result {
        let Some(Phase::Open(file)) = self.phase() else { return Err(self.refuses("arm")) };
        let first_index = arm.first_index;
        let armed = Phase::Armed { file: Arc::clone(file), first_index };
        let logic = Rc::clone(&self.logic);
        let task = move |_| async move { logic.arm(&arm).await };
        Ok(self.work(ctx, "arming", ((), Phase::Arming), (task, then(armed))))
    }
}

/// Follows the frames of an armed detector; done once all of them are on disk.
#[derive(Debug, Message)]
#[rtype(result = "Result<Status<u64, ()>, Refused>")]
pub struct Take;

impl Handler<Take> for Detector {
    type Result = Result<Status<u64, ()>, Refused>;
    fn handle(&mut self, Take: Take, ctx: &mut Context<Self>) -> Self::Result {
        let (file, first_index) = match self.phase() {
            Some(Phase::Armed { file, first_index }) => (Arc::clone(file), *first_index),
            Some(Phase::Taking(status)) => return Ok(status.clone()),
            _ => return Err(self.refuses("take frames")),
        };
        let now = Phase::Armed { file: Arc::clone(&file), first_index };
        let logic = Rc::clone(&self.logic);
        let task = move |work: Work<u64, ()>| async move {
            logic.on_disk(&|frames| work.progress(frames)).await
        };
        let open = then(Phase::Open(file));
        // Rows before it are not touched, whatever becomes of it.
        let status = self.work(ctx, "taking frames", (first_index, now), (task, open));
        self.enter(Phase::Taking(status.clone()));
        Ok(status)
    }
}

/// Stops acquiring, leaves the file open; the status tells how many contiguous frames are on disk.
/// Legal in every phase, twice, and while something else is under way.
#[derive(Debug, Message)]
#[rtype(result = "Status<(), u64>")]
pub struct Disarm(pub Halt);

impl Handler<Disarm> for Detector {
    type Result = MessageResult<Disarm>;
    fn handle(&mut self, Disarm(halt): Disarm, ctx: &mut Context<Self>) -> Self::Result {
        MessageResult(self.halt(halt, ctx))
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
        let Some(Phase::Closed) = self.phase() else { return Err(self.refuses("take a frame")) };
        let logic = Rc::clone(&self.logic);
        let status = self.find(ctx, "taking a frame", async move {
            let taken = logic.take_one(exposure).await;
            let phase = match &taken {
                Ok(_) => Some(Phase::Closed),
                Err(fault) => after_failure(&*logic, fault).await,
            };
            (phase, taken)
        });
        self.enter(Phase::TakingOne);
        self.undo = Some(Undo::Disarm);
        Ok(status)
    }
}

/// The phase of a detector that was made safe after `fault`, if it could be.
async fn after_failure(logic: &dyn DetectorLogic, fault: &Fault) -> Option<Phase> {
    match logic.make_safe().await {
        Ok(file) => Some(Phase::found(file)),
        Err(unsafe_still) => {
            tracing::warn!(%fault, %unsafe_still, "not safe yet");
            None
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

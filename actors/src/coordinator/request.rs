//! What may be asked of the coordinator, and in which phase.
use super::{
    RunStatus, ScanCoordinator,
    phase::{Phase, Step},
};
use crate::status::Intent;
use actix::prelude::*;
use bluefly_protocol::{document::Outcome, fault::Refused, run::RunPhase, scan::Spec};
use serde_json::Value;
use std::{collections::BTreeMap, mem, sync::Arc};

pub(super) type Answer = Result<RunStatus, Refused>;

/// Makes everything safe; a run with new files begins at the first kickoff from here on.
#[derive(Clone, Debug, Default, PartialEq, Message)]
#[rtype(result = "Answer")]
pub struct Stage {
    /// The identifier that the run is to have; a new one if none is given. While one run is staged,
    /// another one is refused.
    pub run: Option<String>,
    /// Further fields of its start document, which must pass
    /// [`check_metadata`](bluefly_protocol::document::check_metadata).
    pub metadata: BTreeMap<String, Value>,
}

/// A request for the run that was [staged](Stage) under a uid, by whoever staged it. The request alone
/// is for what was staged without.
#[derive(Clone, Debug, PartialEq)]
pub struct Of<M> {
    pub run: String,
    pub message: M,
}

impl<M: Message<Result = Answer>> Message for Of<M> {
    type Result = Answer;
}

/// Checks a specification against the beamline. The fault of one that cannot be flown is rejected,
/// and names the place in the specification.
#[derive(Clone, Debug, PartialEq, Message)]
#[rtype(result = "Answer")]
pub struct Prepare(pub Spec);

/// Flies the prepared scan. The status lasts over pause and resume, until all frames are taken.
#[derive(Clone, Debug, PartialEq, Message)]
#[rtype(result = "Answer")]
pub struct Kickoff;

/// Brings the flight to a safe point. The answer is the status of the flight, which shows when it
/// is paused.
#[derive(Clone, Debug, PartialEq, Message)]
#[rtype(result = "Answer")]
pub struct Pause;

/// Goes on from the last complete frame, or from earlier.
#[derive(Clone, Debug, Default, PartialEq, Message)]
#[rtype(result = "Answer")]
pub struct Resume {
    /// Complete frames to take again, for instance after a beam dump. Refused if documents of them
    /// are out: a lag of publication keeps frames back for this.
    pub retake: u64,
}

/// Ends whatever is under way and undoes it; the run's stop document says `abort` and the reason.
#[derive(Clone, Debug, Default, PartialEq, Message)]
#[rtype(result = "Answer")]
pub struct Abort {
    pub reason: Option<String>,
}

/// Ends whatever is under way and keeps what was taken; the run's stop document says `success`.
#[derive(Clone, Debug, PartialEq, Message)]
#[rtype(result = "Answer")]
pub struct Stop;

/// Closes the files and ends the run. While a scan is in the air it is aborted first.
#[derive(Clone, Debug, PartialEq, Message)]
#[rtype(result = "Answer")]
pub struct Unstage;

impl Handler<Stage> for ScanCoordinator {
    type Result = Answer;
    fn handle(&mut self, stage: Stage, ctx: &mut Context<Self>) -> Answer {
        let is_the_same = self.staged_for == stage.run;
        match &self.phase {
            Phase::Idle => {
                self.staged_for.clone_from(&stage.run);
                Ok(self.begin(ctx, Step::Stage, |setting| setting.stage(stage)))
            }
            Phase::Busy(busy) if busy.step == Step::Stage && is_the_same => {
                Ok(busy.operation.status())
            }
            Phase::Staged(_) if is_the_same => Ok(self.nothing_to_do()),
            Phase::Busy(_) | Phase::Staged(_) | Phase::Ready(..) | Phase::Completed(_) => {
                Err(self.refused("stage"))
            }
        }
    }
}

impl ScanCoordinator {
    /// Fails if what is staged is for another run than `run`.
    fn check_run(&self, run: Option<&str>, request: &str) -> Result<(), Refused> {
        let is_other = self.staged_for.as_deref() != run;
        match &self.staged_for {
            Some(other) if is_other && !matches!(self.phase, Phase::Idle) => {
                Err(self.refused(&format!("{request} what is staged for queued run {other}")))
            }
            None if is_other => Err(self.refused(request)),
            Some(_) | None => Ok(()),
        }
    }

    fn prepare(
        &mut self,
        ctx: &mut Context<Self>,
        run: Option<&str>,
        Prepare(spec): Prepare,
    ) -> Answer {
        self.check_run(run, "prepare")?;
        let before = match &self.phase {
            Phase::Ready(_, plan) => Some(Arc::clone(plan)),
            Phase::Idle | Phase::Busy(_) | Phase::Staged(_) | Phase::Completed(_) => None,
        };
        match self.take_session() {
            Some(session) => {
                Ok(self.begin(ctx, Step::Prepare, |setting| setting.prepare(session, before, spec)))
            }
            None => Err(self.refused("prepare")),
        }
    }

    fn kick_off(&mut self, ctx: &mut Context<Self>, run: Option<&str>) -> Answer {
        self.check_run(run, "kick off")?;
        if let Phase::Ready(_, plan) = &self.phase {
            self.check_hands_off("kick off")?;
            self.beamline.by_hand.flown_by(plan.controller());
        }
        match mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Ready(session, plan) => {
                Ok(self.begin(ctx, Step::Fly, |setting| setting.fly(session, plan)))
            }
            Phase::Busy(busy) if busy.step == Step::Fly => {
                let status = busy.operation.status();
                self.phase = Phase::Busy(busy);
                Ok(status)
            }
            other => {
                self.phase = other;
                Err(self.refused("kick off"))
            }
        }
    }
}

impl Handler<Prepare> for ScanCoordinator {
    type Result = Answer;
    fn handle(&mut self, prepare: Prepare, ctx: &mut Context<Self>) -> Answer {
        self.prepare(ctx, None, prepare)
    }
}

impl Handler<Of<Prepare>> for ScanCoordinator {
    type Result = Answer;
    fn handle(&mut self, of: Of<Prepare>, ctx: &mut Context<Self>) -> Answer {
        self.prepare(ctx, Some(&of.run), of.message)
    }
}

impl Handler<Kickoff> for ScanCoordinator {
    type Result = Answer;
    fn handle(&mut self, _: Kickoff, ctx: &mut Context<Self>) -> Answer {
        self.kick_off(ctx, None)
    }
}

impl Handler<Of<Kickoff>> for ScanCoordinator {
    type Result = Answer;
    fn handle(&mut self, of: Of<Kickoff>, ctx: &mut Context<Self>) -> Answer {
        self.kick_off(ctx, Some(&of.run))
    }
}

impl Handler<Pause> for ScanCoordinator {
    type Result = Answer;
    fn handle(&mut self, _: Pause, _: &mut Context<Self>) -> Answer {
        match &self.phase {
            Phase::Busy(busy)
                if busy.step == Step::Fly && busy.operation.intent() <= Intent::Pause =>
            {
                busy.operation.want(Intent::Pause);
                Ok(busy.operation.status())
            }
            _ => Err(self.refused("pause")),
        }
    }
}

impl Handler<Resume> for ScanCoordinator {
    type Result = Answer;
    fn handle(&mut self, Resume { retake }: Resume, _: &mut Context<Self>) -> Answer {
        match &self.phase {
            Phase::Busy(busy)
                if busy.step == Step::Fly && busy.operation.intent() <= Intent::Pause =>
            {
                if busy.operation.intent() == Intent::Pause {
                    self.check_hands_off("resume")?;
                }
                let progress = self.bulletin.progress.borrow();
                let kept = progress.frames_done - progress.frames_published;
                if retake > 0 && (progress.phase != RunPhase::Paused || retake > kept) {
                    let phase = format!("{}, with {kept} frames unpublished", progress.phase);
                    let request = format!("take {retake} frames again");
                    return Err(Refused { device: self.name.clone(), request, phase });
                }
                // A request that is made again, or taken back by a pause, forgets no wish.
                self.retake.set(self.retake.get().max(retake));
                busy.operation.want(Intent::Run);
                Ok(busy.operation.status())
            }
            _ => Err(self.refused("resume")),
        }
    }
}

impl Handler<Abort> for ScanCoordinator {
    type Result = Answer;
    fn handle(&mut self, Abort { reason }: Abort, ctx: &mut Context<Self>) -> Answer {
        Ok(self.end(ctx, Intent::Abort, reason))
    }
}

impl Handler<Stop> for ScanCoordinator {
    type Result = Answer;
    fn handle(&mut self, _: Stop, ctx: &mut Context<Self>) -> Answer {
        Ok(self.end(ctx, Intent::Stop, None))
    }
}

impl Handler<Unstage> for ScanCoordinator {
    type Result = Answer;
    fn handle(&mut self, _: Unstage, ctx: &mut Context<Self>) -> Answer {
        match &self.phase {
            Phase::Idle => return Ok(self.nothing_to_do()),
            Phase::Busy(busy) if busy.step == Step::Unstage => return Ok(busy.operation.status()),
            Phase::Busy(_) => {
                let reason = Some("unstaged while the scan was in the air".to_owned());
                return Ok(self.end(ctx, Intent::Abort, reason));
            }
            Phase::Staged(_) | Phase::Ready(..) | Phase::Completed(_) => {}
        }
        let session = self.take_session().unwrap_or_default();
        Ok(self.begin(ctx, Step::Unstage, |setting| setting.unstage(session, Outcome::Success)))
    }
}

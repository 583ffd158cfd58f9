//! [`ScanCoordinator`]: turns a scan specification into a run, and keeps its promises while it runs.
//!
//! It knows requests, phases and [`Ref`](crate::supervise::Ref)s, never a logic. Every request is
//! answered at once with a [`RunStatus`] or a refusal; all are idempotent, and abort and stop are
//! legal in every phase, twice, and while something else is under way.
mod absent;
mod beamline;
mod bulletin;
mod call;
mod collect;
mod flight;
mod journal;
pub mod manual;
mod only;
mod open;
mod phase;
pub mod publish;
mod recover;
mod request;
mod safety;
mod step;
mod steps;
mod stopping;
pub mod survey;
mod watch;

pub use absent::Absent;
pub use beamline::{Beamline, Settings};
pub use bulletin::{Bulletin, BulletinView, RunFiles};
pub use only::{NotBegun, Only, StepRequest};
pub use phase::RunStatus;
pub use request::{Abort, Kickoff, Of, Pause, Prepare, Resume, Stage, Stop, Unstage};

use crate::{
    status::{self, Intent},
    supervise::{Lifeline, Ping},
};
use actix::prelude::*;
use bluefly_protocol::{
    document::Outcome,
    fault::Refused,
    name::Name,
    run::{RunPhase, StepKind, StepState},
};
use phase::{Board, Busy, Conclusion, Phase, RunOperation, Session, Step};
use std::{
    cell::{Cell, RefCell},
    mem,
    rc::Rc,
    time::{Duration, UNIX_EPOCH},
};
use steps::Setting;
use tracing::Instrument as _;

/// The actor that flies scans.
pub struct ScanCoordinator {
    name: Name,
    beamline: Rc<Beamline>,
    bulletin: Bulletin,
    lifeline: Lifeline,
    phase: Phase,
    /// The run that was asked for when it was staged last, if a certain one was.
    staged_for: Option<String>,
    reason: Rc<RefCell<Option<String>>>,
    /// Frames to take again, for the flight that is resumed next.
    retake: Rc<Cell<u64>>,
    /// Steps begun by this incarnation.
    steps: u64,
    last: only::Last,
}

impl ScanCoordinator {
    /// A coordinator that first brings to rest, and ends, whatever an earlier incarnation left.
    pub fn new(name: Name, beamline: Rc<Beamline>, bulletin: Bulletin, lifeline: Lifeline) -> Self {
        Self {
            name,
            beamline,
            bulletin,
            lifeline,
            phase: Phase::Idle,
            staged_for: None,
            reason: Rc::default(),
            retake: Rc::default(),
            steps: 0,
            last: only::Last::default(),
        }
    }

    /// Starts a step; its task has what the phase carried.
    fn begin<F>(
        &mut self,
        ctx: &mut Context<Self>,
        step: Step,
        task: impl FnOnce(Setting) -> F,
    ) -> RunStatus
    where
        F: Future<Output = Conclusion> + 'static,
    {
        self.begin_as(ctx, (step, step.kind()), task)
    }

    /// Starts a step that clients see as one of another kind.
    fn begin_as<F>(
        &mut self,
        ctx: &mut Context<Self>,
        (step, kind): (Step, StepKind),
        task: impl FnOnce(Setting) -> F,
    ) -> RunStatus
    where
        F: Future<Output = Conclusion> + 'static,
    {
        self.bulletin.begun(kind);
        let progress = self.bulletin.progress.borrow().clone();
        let operation = Rc::new(RunOperation::new(self.name.clone(), progress));
        let status = operation.status();
        self.last = only::Last::begun(status.clone());
        self.reason = Rc::default();
        self.retake.set(0);
        self.steps += 1;
        let setting = Setting {
            beamline: Rc::clone(&self.beamline),
            bulletin: self.bulletin.clone(),
            board: Board::new(&operation, self.bulletin.clone()),
            reason: Rc::clone(&self.reason),
            retake: Rc::clone(&self.retake),
            // Incarnations count from different numbers: no two steps of a process are one.
            kickoff: (self.lifeline.incarnation() << 32) + self.steps,
        };
        self.phase = Phase::Busy(Busy { operation: Rc::clone(&operation), step });
        let board = setting.board.clone();
        let task = task(setting).instrument(tracing::info_span!("operation", ?step));
        ctx.spawn(task.into_actor(self).map(move |conclusion, actor, _| {
            let Conclusion { next, end } = conclusion;
            actor.phase = next;
            if let Some(phase) = actor.phase.settled() {
                board.phase(phase);
            }
            tracing::info!(?step, ?end, "step ended");
            let (state, error) = match &end {
                Ok(status::Outcome::Done(_)) => (StepState::Done, None),
                Ok(status::Outcome::Aborted) => (StepState::Aborted, None),
                Err(error) => (StepState::Failed, Some(error.clone().into())),
            };
            actor.bulletin.reached(state, error);
            operation.settle(end);
        }));
        status
    }

    /// A status that has ended already, for a request that finds nothing to do.
    fn nothing_to_do(&self) -> RunStatus {
        let progress = self.bulletin.progress.borrow().clone();
        let frames = progress.frames_done;
        RunStatus::done(self.name.clone(), progress, frames)
    }

    fn refused(&self, request: &str) -> Refused {
        let phase = match self.phase.settled() {
            Some(phase) => phase,
            None => self.bulletin.progress.borrow().phase,
        };
        Refused { device: self.name.clone(), request: request.into(), phase: phase.to_string() }
    }

    /// Takes the session out of a phase that has one; the phase is idle then.
    fn take_session(&mut self) -> Option<Session> {
        match mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Staged(session) | Phase::Ready(session, _) | Phase::Completed(session) => {
                Some(session)
            }
            other @ (Phase::Idle | Phase::Busy(_)) => {
                self.phase = other;
                None
            }
        }
    }

    /// Ends whatever is under way or staged.
    fn end(
        &mut self,
        ctx: &mut Context<Self>,
        intent: Intent,
        reason: Option<String>,
    ) -> RunStatus {
        if let Phase::Busy(busy) = &self.phase {
            if busy.step != Step::Unstage && busy.operation.intent() < intent {
                self.reason.replace(reason);
            }
            busy.operation.want(intent);
            return busy.operation.status();
        }
        let session = self.take_session().unwrap_or_default();
        self.begin(ctx, Step::Unstage, |setting| {
            setting.reason.replace(reason);
            let ending = setting.told(intent);
            setting.unstage(session, ending)
        })
    }
}

impl Actor for ScanCoordinator {
    type Context = Context<Self>;

    /// A new incarnation assumes nothing: everything comes to rest, files are closed, and a run
    /// whose documents have no end gets one.
    fn started(&mut self, ctx: &mut Context<Self>) {
        let crashed = self.lifeline.incarnation() > 1;
        if !crashed {
            return;
        }
        self.bulletin.progress.send_modify(|progress| progress.phase = RunPhase::Undoing);
        let session = self.bulletin.left_behind();
        let before = self.bulletin.progress.borrow().trouble.clone();
        let before = before.map_or(String::new(), |trouble| format!(", after {trouble}"));
        let ending = Outcome::Fail { reason: format!("the scan coordinator crashed{before}") };
        let step = (Step::Unstage, StepKind::Recover);
        self.begin_as(ctx, step, |setting| setting.unstage(session, ending));
    }
}

impl Handler<Ping> for ScanCoordinator {
    type Result = ();
    fn handle(&mut self, _: Ping, _: &mut Context<Self>) {}
}

/// A moment in UTC, as files have it.
fn iso8601(unix_s: f64) -> String {
    let since = Duration::try_from_secs_f64(unix_s).unwrap_or_default();
    humantime::format_rfc3339_micros(UNIX_EPOCH + since).to_string()
}

/// As [`iso8601`], to a second.
fn iso8601_s(unix_s: f64) -> String {
    let since = Duration::try_from_secs_f64(unix_s).unwrap_or_default();
    humantime::format_rfc3339_seconds(UNIX_EPOCH + since).to_string()
}

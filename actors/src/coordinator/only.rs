//! [`Only`]: a request that counts on nobody else having begun something meanwhile.
use super::{
    RunStatus, ScanCoordinator,
    request::{Abort, Answer, Kickoff, Pause, Prepare, Resume, Stage, Stop, Unstage},
};
use actix::prelude::*;
use bluefly_protocol::{
    api::{ApiError, ErrorCode},
    fault::Refused,
    run::{StepKind, StepState},
};
use std::any::Any;

/// A request of a step.
pub trait StepRequest: Message<Result = Answer> + Clone + PartialEq + Send + 'static {
    /// What it asks for, as an infinitive.
    const REQUEST: &'static str;

    /// Any step of this kind is as good as the one that this request would begin.
    const MET_BY: Option<StepKind>;

    /// Does it.
    fn ask(self, coordinator: &mut ScanCoordinator, ctx: &mut Context<ScanCoordinator>) -> Answer;
}

/// The same, refused if a step was begun after the one that is named. The step that this very
/// request began is answered with again, as the answer to it may have been lost.
#[derive(Clone, Debug)]
pub struct Only<M> {
    /// The number of the step; 0 before the first one. If none is given, anything goes.
    pub after: Option<u64>,
    pub message: M,
}

impl<M: StepRequest> Message for Only<M> {
    type Result = Result<RunStatus, NotBegun>;
}

/// Why a step was not begun. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotBegun {
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error("{}: cannot {}: {meanwhile}", refused.device, refused.request)]
    Overtaken { refused: Refused, meanwhile: String },
}

impl From<NotBegun> for ApiError {
    fn from(error: NotBegun) -> Self {
        match error {
            NotBegun::Refused(refused) => refused.into(),
            NotBegun::Overtaken { refused: Refused { device, request, phase }, meanwhile } => {
                let message = format!("cannot {request}: {meanwhile}");
                let error = Self::new(ErrorCode::Refused, device.to_string(), message);
                Self { phase: Some(phase), ..error }
            }
        }
    }
}

/// The step that this incarnation began last.
#[derive(Default)]
pub(super) struct Last {
    status: Option<RunStatus>,
    /// What asked for it, if that was an [`Only`].
    request: Option<Box<dyn Any>>,
}

impl Last {
    pub(super) fn begun(status: RunStatus) -> Self {
        Self { status: Some(status), request: None }
    }
}

/// How the step that is asked for relates to the last one.
enum Turn {
    /// It is its turn.
    Now,
    /// It is the last one.
    Again(RunStatus),
}

impl ScanCoordinator {
    fn turn<M: StepRequest>(&self, after: u64, message: &M) -> Result<Turn, NotBegun> {
        let progress = self.bulletin.progress.borrow();
        let Some(last) = &progress.operation else {
            let meanwhile = || format!("no step was begun yet, nor number {after}");
            return if after == 0 { Ok(Turn::Now) } else { Err(self.overtaken::<M>(meanwhile())) };
        };
        if last.number == after {
            return Ok(Turn::Now);
        }
        let request = self.last.request.as_ref().and_then(|request| request.downcast_ref::<M>());
        let is_repeated = request == Some(message) || M::MET_BY == Some(last.request);
        if let (true, Some(status)) =
            (last.number.checked_sub(1) == Some(after) && is_repeated, &self.last.status)
        {
            // What failed may be tried again.
            let has_failed = last.state == StepState::Failed;
            return Ok(if has_failed { Turn::Now } else { Turn::Again(status.clone()) });
        }
        let (kind, number) = (last.request, last.number);
        Err(self.overtaken::<M>(if number > after {
            format!("another step was begun meanwhile: {kind}, number {number}, not {after}")
        } else {
            format!("the last step is another one: {kind}, number {number}, not {after}")
        }))
    }

    fn overtaken<M: StepRequest>(&self, meanwhile: String) -> NotBegun {
        NotBegun::Overtaken { refused: self.refused(M::REQUEST), meanwhile }
    }
}

impl<M: StepRequest> Handler<Only<M>> for ScanCoordinator {
    type Result = Result<RunStatus, NotBegun>;
    fn handle(
        &mut self,
        Only { after, message }: Only<M>,
        ctx: &mut Context<Self>,
    ) -> Self::Result {
        if let Some(after) = after
            && let Turn::Again(status) = self.turn(after, &message)?
        {
            return Ok(status);
        }
        let (before, request) = (self.steps, Box::new(message.clone()));
        let status = message.ask(self, ctx)?;
        if self.steps > before {
            self.last.request = Some(request);
        }
        Ok(status)
    }
}

macro_rules! requests {
    ($($message:ty, $request:literal, met by $met_by:expr;)*) => {$(
        impl StepRequest for $message {
            const REQUEST: &'static str = $request;
            const MET_BY: Option<StepKind> = $met_by;

            fn ask(
                self,
                coordinator: &mut ScanCoordinator,
                ctx: &mut Context<ScanCoordinator>,
            ) -> Answer {
                coordinator.handle(self, ctx)
            }
        }
    )*};
}

requests! {
    Stage, "stage", met by None;
    Prepare, "prepare", met by None;
    Kickoff, "kick off", met by None;
    Pause, "pause", met by None;
    Resume, "resume", met by None;
    Abort, "abort", met by Some(StepKind::Unstage);
    Stop, "stop", met by Some(StepKind::Unstage);
    Unstage, "unstage", met by Some(StepKind::Unstage);
}

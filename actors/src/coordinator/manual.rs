//! Operating devices by hand: moving a motor, stopping a device, taking a frame.
//!
//! The coordinator does it, since only it knows at every moment whether a scan is in the air:
//!
//! - Nothing is moved or triggered by hand while devices move for a scan, or are about to. A motor
//!   may be moved while nothing is under way, and while a scan is paused: it is resumed from the
//!   right place by itself.
//! - A scan is neither kicked off nor resumed while something is operated by hand: whoever came
//!   first is not interrupted, and whoever came second is told what is in the way. A motor that is
//!   not known to have come to rest since is stopped before anything else is done.
//! - A device is stopped at any time. One that a scan uses pauses the scan: it comes to rest at once
//!   and in order, with every complete frame kept, it shows who stopped it as its trouble, and it
//!   never goes on by itself. Whoever stopped the device may resume it, retake frames, or abort it.
mod hand;

pub use hand::ByHand;

use super::{
    RunStatus, ScanCoordinator,
    phase::{Busy, Phase, Step},
    survey::{Facts, Nature},
};
use crate::{
    device::motor::Move,
    status::{Intent, OperationPhase, Outcome, Status},
};
use actix::prelude::*;
use bluefly_protocol::{
    api::{ApiError, DeviceAction, DeviceReport, ErrorCode, Range},
    fault::{Fault, FaultClass, Refused},
    name::Name,
    run::{RunPhase, StepState},
};
use hand::Hand;
use std::time::Duration;
use tracing::Instrument as _;

/// What every request by hand is answered with. Progress is where a motor is; the end is where it
/// stands, or the sum of the pixels of a frame.
pub type ManualStatus = Status<Option<f64>, Option<f64>>;

type Answer = Result<ManualStatus, ManualError>;

/// Moves a motor to a position in its unit, when nothing else moves. Rejected, and nothing moves, if
/// it is beyond a limit of the beamline file or of the motor's record.
#[derive(Clone, Debug, Message)]
#[rtype(result = "Answer")]
pub struct MoveMotor {
    pub name: Name,
    pub position: f64,
}

/// Brings a device to rest, whatever it does and whoever asked it to. Legal at any time, twice, and
/// while something else is under way. A scan that uses the device is paused.
#[derive(Clone, Debug, Message)]
#[rtype(result = "Answer")]
pub struct StopDevice(pub Name);

/// Takes one exposure by software trigger, into no file; done with the sum of its pixels. The
/// detector is left set as it was. Refused while a file is open, which would get the frame: from the
/// first kickoff of a run until it is unstaged.
#[derive(Clone, Debug, Message)]
#[rtype(result = "Answer")]
pub struct TriggerDetector(pub Name);

/// Why a device is not operated. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManualError {
    #[error("{0}: the beamline has no such device")]
    Unknown(Name),
    /// Another kind of device is needed for that.
    #[error("{device}: cannot {request}: it is no {needed}")]
    Unfit { device: Name, request: &'static str, needed: &'static str },
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<ManualError> for ApiError {
    fn from(error: ManualError) -> Self {
        match error {
            ManualError::Unknown(name) => {
                Self::new(ErrorCode::NotFound, name.as_str(), "the beamline has no such device")
            }
            ManualError::Unfit { device, request, needed } => {
                let message = format!("cannot {request}: it is no {needed}");
                let named = Some(device.to_string());
                Self { device: named, ..Self::new(ErrorCode::Invalid, device.as_str(), message) }
            }
            ManualError::Refused(refused) => refused.into(),
            ManualError::Fault(fault) => fault.into(),
        }
    }
}

/// How far a device has come with what it was asked by hand.
pub fn device_report(device: &Name, request: DeviceAction, status: &ManualStatus) -> DeviceReport {
    let report = status.report();
    let ended = status.ended();
    let state = match &ended {
        None => StepState::Running,
        Some(Ok(Outcome::Done(_))) => StepState::Done,
        Some(Ok(Outcome::Aborted)) => StepState::Aborted,
        Some(Err(_)) => StepState::Failed,
    };
    let (value, error) = match ended {
        None | Some(Ok(Outcome::Aborted)) => (report.progress, None),
        Some(Ok(Outcome::Done(value))) => (value, None),
        Some(Err(error)) => (report.progress, Some(error.into())),
    };
    DeviceReport { device: device.clone(), request, state, value, error }
}

impl Handler<MoveMotor> for ScanCoordinator {
    type Result = Answer;
    fn handle(
        &mut self,
        MoveMotor { name, position }: MoveMotor,
        ctx: &mut Context<Self>,
    ) -> Answer {
        let facts = self.facts(&name)?;
        let Nature::Motor { units, limits } = &facts.nature else {
            return Err(ManualError::Unfit { device: name, request: "move", needed: "motor" });
        };
        let request = format!("move to {position} {units}");
        check_position(&name, (position, units), *limits)?;
        self.check_free(&name, &request)?;
        let unit = units.clone();
        let what = format!("moving to {position} {units}");
        self.beamline.by_hand.moves(&name);
        let step = |hand: Hand| hand.move_motor(request, Move { position, unit });
        Ok(self.operate(ctx, (&name, what), step))
    }
}

impl Handler<StopDevice> for ScanCoordinator {
    type Result = Answer;
    fn handle(&mut self, StopDevice(name): StopDevice, ctx: &mut Context<Self>) -> Answer {
        let nature = self.facts(&name)?.nature.clone();
        let flight = self.pause_for(&name, &nature);
        let what = "being stopped".to_owned();
        Ok(self.operate(ctx, (&name, what), |hand| hand.stop(nature, flight)))
    }
}

/// The exposure of a detector which else fits it to the scan: that of areaDetector.
const USUAL_EXPOSURE: Duration = Duration::from_millis(100);

impl Handler<TriggerDetector> for ScanCoordinator {
    type Result = Answer;
    fn handle(
        &mut self,
        TriggerDetector(name): TriggerDetector,
        ctx: &mut Context<Self>,
    ) -> Answer {
        let request = "take a frame";
        let Nature::Detector { exposure, .. } = self.facts(&name)?.nature else {
            return Err(ManualError::Unfit { device: name, request, needed: "detector" });
        };
        self.check_free(&name, request)?;
        if self.bulletin.left_behind().run.is_some() {
            let refused = self.refused(request);
            let phase = format!("{}, with its file open", refused.phase);
            return Err(Refused { device: name, phase, ..refused }.into());
        }
        let exposure = exposure.unwrap_or(USUAL_EXPOSURE);
        let what = "taking a frame".to_owned();
        Ok(self.operate(ctx, (&name, what), |hand| hand.take_frame(exposure)))
    }
}

impl ScanCoordinator {
    fn facts(&self, name: &Name) -> Result<&Facts, ManualError> {
        let facts = self.beamline.inventory.get(name);
        facts.ok_or_else(|| ManualError::Unknown(name.clone()))
    }

    /// Starts to work on a device by hand.
    fn operate<F>(
        &self,
        ctx: &mut Context<Self>,
        (name, what): (&Name, String),
        task: impl FnOnce(Hand) -> F,
    ) -> ManualStatus
    where
        F: Future<Output = ()> + 'static,
    {
        let span = tracing::info_span!("by_hand", device = %name, %what);
        let (hand, status) = Hand::new(&self.beamline, self.name.clone(), (name, what));
        ctx.spawn(task(hand).instrument(span).into_actor(self));
        status
    }

    /// Refuses to operate a device for as long as a scan, or somebody else, works with it.
    fn check_free(&self, name: &Name, request: &str) -> Result<(), Refused> {
        let phase = self.scanning().map(|phase| phase.to_string());
        let Some(phase) = phase.or_else(|| self.beamline.by_hand.on(name)) else { return Ok(()) };
        Err(Refused { device: name.clone(), request: request.to_owned(), phase })
    }

    /// The phase, if it is one in which devices move for a scan, or are about to move or to stop.
    fn scanning(&self) -> Option<RunPhase> {
        let Phase::Busy(Busy { operation, step }) = &self.phase else { return None };
        let shown = self.bulletin.progress.borrow().phase;
        // What was begun shows itself only when it is first worked on.
        let (is_free, phase) = match (step, operation.intent()) {
            (Step::Stage, _) => (false, RunPhase::Staging),
            (Step::Prepare, intent) => (intent < Intent::Stop, RunPhase::Undoing),
            (Step::Unstage, _) if shown == RunPhase::Undoing => (false, shown),
            (Step::Unstage, _) => (false, RunPhase::Unstaging),
            (Step::Fly, Intent::Pause) => (shown == RunPhase::Paused, shown),
            (Step::Fly, _) => (false, shown),
        };
        let is_new = *step == Step::Fly && [RunPhase::Ready, RunPhase::Paused].contains(&phase);
        (!is_free).then_some(if is_new { RunPhase::Starting } else { phase })
    }

    /// Refuses to go on with a scan for as long as something is operated by hand.
    pub(super) fn check_hands_off(&self, request: &str) -> Result<(), Refused> {
        let Some(what) = self.beamline.by_hand.any() else { return Ok(()) };
        let refused = self.refused(request);
        let phase = format!("{}, with {what}", refused.phase);
        Err(Refused { phase, ..refused })
    }

    /// Pauses the scan that is in the air and uses this device, if there is one; the answer is its
    /// status.
    fn pause_for(&self, name: &Name, nature: &Nature) -> Option<RunStatus> {
        let Phase::Busy(Busy { operation, step: Step::Fly }) = &self.phase else { return None };
        if operation.intent() > Intent::Pause || !self.is_flown(name, nature) {
            return None;
        }
        if operation.intent() == Intent::Run {
            operation.want(Intent::Pause);
            tracing::warn!(device = %name, "the scan is paused, since it was stopped by request");
            let trouble = format!("paused: {name} was stopped by request");
            self.bulletin.progress.send_modify(|progress| progress.trouble = Some(trouble));
        }
        Some(operation.status())
    }

    fn is_flown(&self, name: &Name, nature: &Nature) -> bool {
        let controller = match nature {
            // Every detector takes every frame, and there is one generator that scans use; all that a
            // PandA has is used too.
            Nature::Detector { .. } | Nature::Generator | Nature::Panda => return true,
            Nature::TrajectoryController { .. } => Some(name),
            Nature::Motor { .. } => {
                self.beamline.capabilities.axes.get(name).map(|axis| &axis.controller)
            }
        };
        controller.is_some_and(|controller| self.beamline.by_hand.flies(controller))
    }
}

/// Refuses a position that is no number or beyond the limits.
fn check_position(name: &Name, (position, units): (f64, &str), limits: Range) -> Result<(), Fault> {
    let Range { low, high } = limits;
    if position.is_finite() && (low..=high).contains(&position) {
        return Ok(());
    }
    Err(Fault {
        device: name.clone(),
        operation: format!("move to {position} {units}"),
        class: FaultClass::Rejected,
        reason: format!("{position} is not within its limits, {low} to {high} {units}"),
    })
}

/// Resolves once a scan is paused or has ended.
async fn at_rest(mut flight: RunStatus) {
    while flight.report().phase != OperationPhase::Paused && flight.ended().is_none() {
        flight.changed().await;
    }
}

//! [`Hand`]: one request by hand while it is worked on; [`ByHand`]: all of them.
use super::{ManualStatus, at_rest};
use crate::{
    coordinator::{RunStatus, beamline::Beamline, safety::STOP_WITHIN, survey::Nature},
    device::{
        Halt,
        detector::{Disarm, TakeOne},
        motor::Move,
    },
    status::{Ended, Operation, OperationError, Outcome},
};
use bluefly_protocol::{
    fault::{Fault, FaultClass},
    name::Name,
};
use futures_util::future::join_all;
use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    time::Duration,
};

/// How long to wait for the actor of a device that is to be stopped. Each stops its hardware itself
/// when it is back, and keeps trying for as long as the hardware cannot be reached.
const STOP_PATIENCE: Duration = Duration::from_secs(10);
/// How long a frame may take beyond its exposure.
const TAKE_WITHIN: Duration = Duration::from_mins(1);

/// What is operated by hand, and what is not known to have come to rest since. It outlives an
/// incarnation of the coordinator.
#[derive(Debug, Default)]
pub struct ByHand {
    /// Device and what is done to it, by number.
    works: RefCell<BTreeMap<u64, (Name, String)>>,
    next: Cell<u64>,
    /// Motors that may be moving.
    restless: RefCell<BTreeSet<Name>>,
    /// The controller of the scan that was kicked off last.
    flown: RefCell<Option<Name>>,
}

impl ByHand {
    /// What is done by hand, if anything is: `x moving to 5 mm`.
    pub(super) fn any(&self) -> Option<String> {
        self.works.borrow().values().next().map(|(name, what)| format!("{name} {what}"))
    }

    /// What is done to a device by hand: `moving to 5 mm`.
    pub(super) fn on(&self, name: &Name) -> Option<String> {
        let works = self.works.borrow();
        works.values().find(|(device, _)| device == name).map(|(_, what)| what.clone())
    }

    /// A motor may be moving from now on.
    pub(super) fn moves(&self, motor: &Name) {
        self.restless.borrow_mut().insert(motor.clone());
    }

    /// A motor is known to stand still.
    pub(in crate::coordinator) fn rests(&self, motor: &Name) {
        self.restless.borrow_mut().remove(motor);
    }

    /// Motors that may be moving.
    pub(in crate::coordinator) fn restless(&self) -> Vec<Name> {
        self.restless.borrow().iter().cloned().collect()
    }

    /// A scan is kicked off that this controller flies.
    pub(in crate::coordinator) fn flown_by(&self, controller: &Name) {
        self.flown.replace(Some(controller.clone()));
    }

    pub(super) fn flies(&self, controller: &Name) -> bool {
        self.flown.borrow().as_ref() == Some(controller)
    }
}

/// One request by hand, until it is dropped.
pub(super) struct Hand {
    beamline: Rc<Beamline>,
    name: Name,
    number: u64,
    operation: Operation<Option<f64>, Option<f64>>,
}

impl Drop for Hand {
    fn drop(&mut self) {
        self.beamline.by_hand.works.borrow_mut().remove(&self.number);
    }
}

impl Hand {
    /// Begins to do `what` to a device, for `owner`.
    pub(super) fn new(
        beamline: &Rc<Beamline>,
        owner: Name,
        (name, what): (&Name, String),
    ) -> (Self, ManualStatus) {
        let by_hand = &beamline.by_hand;
        let number = by_hand.next.replace(by_hand.next.get() + 1);
        by_hand.works.borrow_mut().insert(number, (name.clone(), what));
        let operation = Operation::new(owner, None);
        let status = operation.status();
        (Self { beamline: Rc::clone(beamline), name: name.clone(), number, operation }, status)
    }

    /// Moves a motor. Whatever ends the motion before it is there, the motor is brought to rest.
    pub(super) async fn move_motor(self, request: String, to: Move) {
        let ended = self.moved(&request, to).await;
        let is_at_rest = match &ended {
            Ok(Outcome::Done(_)) => true,
            // Then it has not moved.
            Err(OperationError::Fault(fault)) => fault.class == FaultClass::Rejected,
            Ok(Outcome::Aborted) | Err(OperationError::Lost { .. }) => false,
        };
        tracing::info!(?ended, "moved");
        if is_at_rest {
            self.beamline.by_hand.rests(&self.name);
            return self.operation.settle(ended);
        }
        self.now("coming to rest");
        // That it failed is news at once; that it ended early is true once it is at rest.
        let aborted = if let Ok(ended) = ended {
            Some(ended)
        } else {
            self.operation.settle(ended);
            None
        };
        let patience = self.beamline.settings.device_timeout;
        let stopped = self.beamline.stop_motor(&self.name, (patience, Halt::IfAsked)).await;
        if let Err(fault) = &stopped {
            tracing::warn!(%fault, "not at rest yet");
        }
        if let Some(aborted) = aborted {
            self.operation.settle(stopped.map(|()| aborted).map_err(OperationError::Fault));
        }
    }

    async fn moved(&self, request: &str, to: Move) -> Ended<Option<f64>> {
        let (motor, position) = (self.beamline.motor(&self.name)?, to.position);
        let answer = motor.ask(request, to).await?;
        let mut status = answer.map_err(|refused| {
            let reason = format!("it is {}", refused.phase);
            motor.fault(request, FaultClass::Disconnected, reason)
        })?;
        let work = self.operation.work();
        while status.changed().await {
            let readback = status.report().progress;
            work.progress(readback.is_finite().then_some(readback));
        }
        match status.finished().await {
            Ok(Outcome::Done(())) => Ok(Outcome::Done(Some(position))),
            Ok(Outcome::Aborted) => Ok(Outcome::Aborted),
            Err(error) => Err(motor.ended_badly(request, error).into()),
        }
    }

    /// Stops a device; done once it is at rest and so is the flight that was paused for it.
    pub(super) async fn stop(self, nature: Nature, flight: Option<RunStatus>) {
        let axes = &self.beamline.capabilities.axes;
        let controller = flight.as_ref().and_then(|_| axes.get(&self.name));
        let controller = controller.map(|axis| axis.controller.clone());
        let rested = async {
            if let Some(flight) = flight {
                at_rest(flight).await;
            }
        };
        let (stopped, ()) = futures_util::join!(self.stopped(&nature, controller), rested);
        tracing::info!(?stopped, "stopped");
        let ended = stopped.map(|()| Outcome::Done(None)).map_err(OperationError::Fault);
        self.operation.settle(ended);
    }

    /// Stops the device, and the controller that moves it for a scan.
    async fn stopped(&self, nature: &Nature, controller: Option<Name>) -> Result<(), Fault> {
        let (beamline, name) = (&self.beamline, &self.name);
        match nature {
            Nature::Motor { .. } => {
                let halted = async {
                    match controller {
                        Some(controller) => {
                            beamline.halt(&controller, (STOP_PATIENCE, Halt::IfAsked)).await
                        }
                        None => Ok(()),
                    }
                };
                let stopped = beamline.stop_motor(name, (STOP_PATIENCE, Halt::Now));
                let (stopped, halted) = futures_util::join!(stopped, halted);
                stopped.and(halted)
            }
            Nature::TrajectoryController { axes } => {
                let stops = axes
                    .iter()
                    .map(|axis| beamline.stop_motor(axis, (STOP_PATIENCE, Halt::IfAsked)));
                let halted = beamline.halt(name, (STOP_PATIENCE, Halt::Now));
                let (halted, stopped) = futures_util::join!(halted, join_all(stops));
                stopped.into_iter().fold(halted, Result::and)
            }
            Nature::Panda if !beamline.detectors.contains_key(name) => Ok(()),
            Nature::Detector { .. } | Nature::Panda => {
                let caller = beamline.detector(name)?;
                let disarm = || caller.call("stop", Disarm(Halt::Now), STOP_WITHIN);
                let device = &beamline.detectors[name];
                let quiet = beamline.triggers_stopped(name, STOP_PATIENCE).await;
                beamline.persist(STOP_PATIENCE, device, disarm).await.map(drop).and(quiet)
            }
            // It moves nothing and takes nothing: the scan that uses it is paused, that is all.
            Nature::Generator => Ok(()),
        }
    }

    async fn take(&self, exposure: Duration) -> Ended<Option<f64>> {
        let request = "take a frame";
        let detector = self.beamline.detector(&self.name)?;
        let answer = detector.ask(request, TakeOne(exposure)).await?;
        let status = answer.map_err(|refused| {
            let reason = format!("it is {}", refused.phase);
            detector.fault(request, FaultClass::Disconnected, reason)
        })?;
        let within = exposure + TAKE_WITHIN;
        let ended = self.beamline.clock.timeout(within, status.finished()).await;
        match ended {
            Ok(Ok(Outcome::Done(total))) => Ok(Outcome::Done(Some(total))),
            Ok(Ok(Outcome::Aborted)) => Ok(Outcome::Aborted),
            Ok(Err(error)) => Err(detector.ended_badly(request, error).into()),
            Err(_) => {
                let reason = format!("it takes longer than {within:?}");
                Err(detector.fault(request, FaultClass::Failed, reason).into())
            }
        }
    }

    /// Takes one frame; the sum of its pixels.
    pub(super) async fn take_frame(self, exposure: Duration) {
        let ended = self.take(exposure).await;
        tracing::info!(?ended, "took a frame");
        self.operation.settle(ended);
    }

    /// Does something else to the device from now on.
    fn now(&self, what: &str) {
        if let Some(work) = self.beamline.by_hand.works.borrow_mut().get_mut(&self.number) {
            what.clone_into(&mut work.1);
        }
    }
}

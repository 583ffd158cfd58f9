//! Bringing the beamline to rest: halting motion, disarming and closing detectors, also those whose
//! actor is being restarted at the moment.
use super::{beamline::Beamline, call::Caller};
use crate::{
    device::{
        controller::{FramesDone, Halt},
        detector::{Close, Disarm, Open},
        motor::StopMotor,
    },
    logic::detector::{FilePlan, OpenFile},
    supervise::Ref,
};
use actix::{Actor, Context};
use bluefly_protocol::{
    fault::{Fault, FaultClass},
    name::Name,
};
use futures_util::future::join_all;
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// How long hardware may take to come to rest.
const STOP_WITHIN: Duration = Duration::from_secs(70);
/// How long a file may take to be created.
pub(super) const OPEN_WITHIN: Duration = Duration::from_secs(30);
/// How long a file may take to be completed.
const CLOSE_WITHIN: Duration = Duration::from_secs(30);
/// How often a device that is being restarted is asked again.
const ASK_AGAIN: Duration = Duration::from_millis(50);

/// What was found when everything came to rest.
#[derive(Debug, Default)]
pub(super) struct Rest {
    /// Contiguous frames on disk, for every detector that could tell.
    pub(super) on_disk: BTreeMap<Name, u64>,
    /// What could not be brought to rest, and why.
    pub(super) faults: Vec<Fault>,
}

impl Beamline {
    /// Halts every controller and disarms every detector, at the same time.
    ///
    /// A device whose actor is down is waited for, at most for `patience`: a new incarnation makes
    /// its hardware safe before anything else.
    pub(super) async fn come_to_rest(&self, patience: Duration) -> Rest {
        let halts = join_all(self.controllers.iter().map(|controller| async move {
            let caller = Caller::new(&self.clock, controller);
            self.persist(patience, controller.1, || caller.call("halt", Halt, STOP_WITHIN)).await
        }));
        let disarms = join_all(self.detectors.iter().map(|detector| async move {
            let caller = Caller::new(&self.clock, detector);
            let disarm = || caller.call("disarm", Disarm, STOP_WITHIN);
            (detector.0, self.persist(patience, detector.1, disarm).await)
        }));
        let (halts, disarms) = futures_util::join!(halts, disarms);
        let mut rest = Rest::default();
        rest.faults.extend(halts.into_iter().filter_map(Result::err));
        for (name, disarmed) in disarms {
            match disarmed {
                Ok(frames) => {
                    rest.on_disk.insert(name.clone(), frames);
                }
                Err(fault) => rest.faults.push(fault),
            }
        }
        rest
    }

    /// Closes the file of every detector; tells what could not be closed.
    pub(super) async fn close_files(&self, patience: Duration) -> Vec<Fault> {
        let closes = join_all(self.detectors.iter().map(|detector| async move {
            let caller = Caller::new(&self.clock, detector);
            let close = || caller.call("close its file", Close, CLOSE_WITHIN);
            self.persist(patience, detector.1, close).await
        }));
        closes.await.into_iter().filter_map(Result::err).collect()
    }

    /// Stops every motor that moves on its own; tells what could not be stopped.
    pub(super) async fn stop_motors(&self, patience: Duration) -> Vec<Fault> {
        let stops = join_all(self.motors.iter().map(|motor| async move {
            let caller = Caller::new(&self.clock, motor);
            self.persist(patience, motor.1, || caller.call("stop", StopMotor, STOP_WITHIN)).await
        }));
        stops.await.into_iter().filter_map(Result::err).collect()
    }

    /// Opens the file of a detector, and does so again if it has to be waited for: what an earlier
    /// request left is made safe first, and a file that it opened is gone on with.
    pub(super) async fn open_file(
        &self,
        (name, file): (&Name, FilePlan),
    ) -> Result<Arc<OpenFile>, Fault> {
        let caller = self.detector(name)?;
        let open = || async {
            caller.call("make safe", Disarm, STOP_WITHIN).await?;
            caller.call("open its file", Open(file.clone()), OPEN_WITHIN).await
        };
        self.persist(self.settings.crash_patience(), &self.detectors[name], open).await
    }

    /// Frames that the motion has gone through, as the controller counts them.
    pub(super) async fn frames_done(&self, controller: &Name) -> Result<u64, Fault> {
        self.controller(controller)?.ask("count its frames", FramesDone).await?
    }

    /// Calls again while the actor is down, for as long as `patience` lasts.
    pub(super) async fn persist<A, T, F>(
        &self,
        patience: Duration,
        device: &Ref<A>,
        call: impl Fn() -> F,
    ) -> Result<T, Fault>
    where
        A: Actor<Context = Context<A>>,
        F: Future<Output = Result<T, Fault>>,
    {
        let deadline = self.clock.now() + patience;
        loop {
            let fault = match call().await {
                Ok(value) => return Ok(value),
                Err(fault) => fault,
            };
            if fault.class != FaultClass::Disconnected || self.clock.now() >= deadline {
                return Err(fault);
            }
            let left = deadline - self.clock.now();
            if !matches!(self.clock.timeout(left, device.up()).await, Ok(Ok(()))) {
                return Err(fault);
            }
            self.clock.sleep(ASK_AGAIN).await;
        }
    }
}

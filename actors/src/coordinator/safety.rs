//! Bringing the beamline to rest: halting motion, disarming and closing detectors, also those whose
//! actor is being restarted at the moment.
use super::{absent::Patience, beamline::Beamline, call::Caller};
use crate::{
    device::{
        Halt,
        controller::FramesDone,
        detector::{Close, Disarm, Open},
        triggers::FramesTriggered,
    },
    logic::detector::{FilePlan, OpenFile},
    supervise::Ref,
};
use actix::{Actor, Context};
use bluefly_protocol::{
    fault::{Fault, FaultClass},
    name::Name,
};
use futures_util::future::{FutureExt as _, join_all, try_join_all};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// How long hardware may take to come to rest.
pub(super) const STOP_WITHIN: Duration = Duration::from_secs(70);
/// How long a file may take to be created.
pub(super) const OPEN_WITHIN: Duration = Duration::from_secs(30);
/// How long a file may take to be completed.
const CLOSE_WITHIN: Duration = Duration::from_secs(30);
/// How long detectors are left armed while their triggers are made safe.
const TRIGGERS_FIRST: Duration = Duration::from_secs(2);
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
    /// Halts every controller, makes every source of triggers safe and disarms every detector, at the
    /// same time; but detectors, which wait for what is on its way, after the triggers.
    ///
    /// A device whose actor is down is waited for, at most for `patience`: a new incarnation makes
    /// its hardware safe before anything else. So is one that is away, unless it was before.
    pub(super) async fn come_to_rest(&self, patience: impl Into<Patience>) -> Rest {
        let patience = patience.into();
        let halts = self.controllers.keys().map(|name| self.halt(name, (patience, Halt::IfAsked)));
        let halts = join_all(halts);
        let triggers = self.triggers_safe(patience).shared();
        let disarms = async {
            if !self.triggers.is_empty() {
                // Also a detector comes to rest whose triggers cannot be told to.
                if self.clock.timeout(TRIGGERS_FIRST, triggers.clone()).await.is_err() {
                    tracing::debug!("detectors are disarmed before triggers are safe");
                }
            }
            join_all(self.detectors.iter().map(|detector| async move {
                let caller = Caller::new(&self.clock, detector);
                let disarm = || caller.call("disarm", Disarm(Halt::IfAsked), STOP_WITHIN);
                (detector.0, self.persist(patience, detector.1, disarm).await)
            }))
            .await
        };
        let (halts, triggers, disarms) = futures_util::join!(halts, triggers.clone(), disarms);
        let mut rest = Rest::default();
        rest.faults.extend(halts.into_iter().filter_map(Result::err));
        rest.faults.extend(triggers);
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

    /// Makes every source of triggers safe; tells what could not be.
    pub(super) async fn triggers_safe(&self, patience: Patience) -> Vec<Fault> {
        let all = join_all(self.triggers.keys().map(|name| self.trigger_safe(name, patience)));
        all.await.into_iter().filter_map(Result::err).collect()
    }

    /// Makes one source of triggers safe.
    pub(super) async fn trigger_safe(&self, name: &Name, patience: Patience) -> Result<(), Fault> {
        let caller = self.triggers(name)?;
        let make_safe = || caller.call("make its triggers safe", Halt::IfAsked, STOP_WITHIN);
        self.persist(patience, &self.triggers[name], make_safe).await
    }

    /// Stops the triggers that a device of this name makes, if it makes any.
    pub(super) async fn triggers_stopped(
        &self,
        name: &Name,
        patience: impl Into<Patience>,
    ) -> Result<(), Fault> {
        let Some(source) = self.triggers.get(name) else { return Ok(()) };
        let caller = self.triggers(name)?;
        let stop = || caller.call("stop its triggers", Halt::Now, STOP_WITHIN);
        self.persist(patience, source, stop).await
    }

    /// Closes the file of every detector; tells what could not be closed.
    pub(super) async fn close_files(&self, patience: impl Into<Patience>) -> Vec<Fault> {
        let patience = patience.into();
        let closes = join_all(self.detectors.iter().map(|detector| async move {
            let caller = Caller::new(&self.clock, detector);
            let close = || caller.call("close its file", Close, CLOSE_WITHIN);
            self.persist(patience, detector.1, close).await
        }));
        closes.await.into_iter().filter_map(Result::err).collect()
    }

    /// Stops every motor that moves on its own; tells what could not be stopped.
    pub(super) async fn stop_motors(&self, patience: impl Into<Patience>) -> Vec<Fault> {
        let patience = patience.into();
        let stops = self.motors.keys().map(|name| self.stop_motor(name, (patience, Halt::IfAsked)));
        join_all(stops).await.into_iter().filter_map(Result::err).collect()
    }

    /// Stops one motor.
    pub(super) async fn stop_motor(
        &self,
        name: &Name,
        (patience, halt): (impl Into<Patience>, Halt),
    ) -> Result<(), Fault> {
        let caller = self.motor(name)?;
        let stop = || caller.call("stop", halt, STOP_WITHIN);
        self.persist(patience, &self.motors[name], stop).await?;
        self.by_hand.rests(name);
        Ok(())
    }

    /// Brings to rest every motor that was moved by hand and may not have come to rest since.
    pub(super) async fn rest_from_hands(&self, patience: Duration) -> Result<(), Fault> {
        let motors = self.by_hand.restless();
        let stops = motors.iter().map(|motor| self.stop_motor(motor, (patience, Halt::IfAsked)));
        join_all(stops).await.into_iter().collect()
    }

    /// What `work` comes to. A motor that somebody moves by hand stops at once, however long that takes.
    pub(super) async fn hands_off<T>(&self, work: impl Future<Output = T>) -> T {
        let (done, by_hand) = futures_util::join!(work, self.rest_from_hands(Duration::ZERO));
        if let Err(fault) = by_hand {
            tracing::debug!(%fault, "is told to stop once more");
        }
        done
    }

    /// Halts one controller.
    pub(super) async fn halt(
        &self,
        name: &Name,
        (patience, halt): (impl Into<Patience>, Halt),
    ) -> Result<(), Fault> {
        let caller = self.controller(name)?;
        let halt = || caller.call("halt", halt, STOP_WITHIN);
        self.persist(patience, &self.controllers[name], halt).await
    }

    /// Opens the file of a detector, and does so again if it has to be waited for: what an earlier
    /// request left is made safe first, and a file that it opened is gone on with.
    pub(super) async fn open_file(
        &self,
        (name, file): (&Name, FilePlan),
    ) -> Result<Arc<OpenFile>, Fault> {
        let caller = self.detector(name)?;
        let open = || async {
            caller.call("make safe", Disarm(Halt::IfAsked), STOP_WITHIN).await?;
            caller.call("open its file", Open(file.clone()), OPEN_WITHIN).await
        };
        self.persist(self.settings.crash_patience(), &self.detectors[name], open).await
    }

    /// Frames that the motion has gone through, as the controller counts them.
    pub(super) async fn frames_done(&self, controller: &Name) -> Result<u64, Fault> {
        self.controller(controller)?.ask("count its frames", FramesDone).await?
    }

    /// Frames of the scan that every source of triggers has triggered to their end, as far as they know.
    pub(super) async fn frames_triggered(&self) -> Result<Option<u64>, Fault> {
        let counts = self.triggers.keys().map(|name| async move {
            self.triggers(name)?.ask("count its triggers", FramesTriggered).await
        });
        Ok(try_join_all(counts).await?.into_iter().flatten().min())
    }

    /// Calls again while the actor is down or its hardware away, for as long as `patience` lasts.
    pub(super) async fn persist<A, T, F>(
        &self,
        patience: impl Into<Patience>,
        device: &Ref<A>,
        call: impl Fn() -> F,
    ) -> Result<T, Fault>
    where
        A: Actor<Context = Context<A>>,
        F: Future<Output = Result<T, Fault>>,
    {
        let (patience, begun) = (patience.into(), self.clock.now());
        loop {
            let fault = match call().await {
                Err(fault) if fault.class == FaultClass::Disconnected => fault,
                answered => {
                    self.absent.is_back(device.id());
                    return answered;
                }
            };
            let now = self.clock.now();
            let is_away = device.is_up() && {
                let missed = self.absent.missed(device.id(), now);
                now.saturating_since(missed) >= patience.away
            };
            let waited = now.saturating_since(begun);
            if is_away || waited >= patience.restart {
                return Err(fault);
            }
            let left = patience.restart.saturating_sub(waited);
            if !matches!(self.clock.timeout(left, device.up()).await, Ok(Ok(()))) {
                return Err(fault);
            }
            self.clock.sleep(ASK_AGAIN).await;
        }
    }
}

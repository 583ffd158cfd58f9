//! The last word of a process: its hardware is made safe without any actor.
use crate::assembly::Devices;
use bluefly_actors::{
    clock::{Clock, Instant},
    coordinator::Absent,
    logic::detector::DetectorLogic,
};
use bluefly_protocol::{
    fault::{Fault, FaultClass},
    name::Name,
};
use futures_util::{
    future::{FutureExt as _, join_all},
    join,
};
use std::{collections::BTreeSet, time::Duration};

/// How long detectors are left armed while their triggers are made safe.
const TRIGGERS_FIRST: Duration = Duration::from_secs(2);
/// How often a device that cannot be reached is tried again.
const RETRY: Duration = Duration::from_millis(250);

/// For how long devices are waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// Until the first of all that cannot be reached was missed for so long.
    away: Duration,
    /// How long motors are left alone while their controllers are halted.
    controllers_first: Duration,
    /// All of them together may take so long to come to rest.
    within: Duration,
}

impl Patience {
    /// Nobody is in a hurry.
    pub(crate) const USUAL: Self = Self {
        away: Duration::from_secs(5),
        controllers_first: Duration::from_secs(70),
        within: Duration::from_secs(140),
    };
    /// Somebody has asked twice.
    pub(crate) const LITTLE: Self = Self {
        away: Duration::ZERO,
        controllers_first: Duration::from_secs(2),
        within: Duration::from_secs(5),
    };
}

impl Devices {
    /// From now on no device is waited for long that does what does not matter for safety.
    pub(crate) fn hurry(&self) {
        self.detectors.iter().for_each(|(_, logic)| logic.hurry());
    }

    /// Halts every controller, then every motor; lets no trigger leave, then disarms every detector and
    /// closes its file, at the same time. What may not be safe in the end is logged as an error, and
    /// told by name. Does no harm to what is safe already, and may be dropped and begun anew.
    ///
    /// Once the actors are gone: one that goes on would undo it.
    pub(crate) async fn make_safe(
        &self,
        clock: &Clock,
        (absent, patience): (&Absent, Patience),
    ) -> Vec<Name> {
        let now = clock.now();
        // Motors are often where their controller is, which somebody has waited for.
        let away = absent.earliest(now).unwrap_or(now) + patience.away;
        let until = (away, now + patience.within);
        let controllers = self.controllers.iter();
        let controllers = join_all(
            controllers.map(|(name, logic)| persist(clock, (name, until), || logic.make_safe())),
        );
        let controllers = controllers.shared();
        let motors = async {
            // Not before: an axis that stops by itself is a fault to the controller that moves it.
            let first = clock.timeout(patience.controllers_first, controllers.clone());
            if first.await.is_err() {
                tracing::debug!("motors are stopped before controllers are safe");
            }
            let stops = self.motors.iter();
            let stops = stops.map(|(name, logic)| persist(clock, (name, until), || logic.stop()));
            join_all(stops).await
        };
        let triggers = self.triggers.iter();
        let triggers = join_all(
            triggers.map(|(name, logic)| persist(clock, (name, until), || logic.make_safe())),
        );
        let triggers = triggers.shared();
        let detectors = async {
            if !self.triggers.is_empty() {
                // Also a detector comes to rest whose triggers cannot be told to.
                if clock.timeout(TRIGGERS_FIRST, triggers.clone()).await.is_err() {
                    tracing::debug!("detectors are disarmed before triggers are safe");
                }
            }
            let detectors = self.detectors.iter();
            join_all(
                detectors
                    .map(|(name, logic)| persist(clock, (name, until), || come_to_rest(&**logic))),
            )
            .await
        };
        let left = join!(controllers.clone(), motors, triggers.clone(), detectors);
        let left = [left.0, left.1, left.2, left.3].into_iter().flatten().flatten();
        left.collect::<BTreeSet<_>>().into_iter().collect()
    }
}

/// Disarms a detector and closes the file that it has open, also if it could not be disarmed.
async fn come_to_rest(logic: &dyn DetectorLogic) -> Result<(), Fault> {
    match logic.make_safe().await {
        Ok(None) => Ok(()),
        Ok(Some(_)) => logic.close().await,
        Err(fault) => {
            // One that cannot be reached is told of where it is tried again.
            if let Err(fault) = logic.close().await
                && fault.class != FaultClass::Disconnected
            {
                tracing::error!(%fault, "its file may be open still");
            }
            Err(fault)
        }
    }
}

/// Tries again while the device cannot be reached, until the first moment; gives up at the second what
/// has not come to an end. The device, if it may not be safe.
async fn persist<F>(
    clock: &Clock,
    (device, (away, end)): (&Name, (Instant, Instant)),
    make_safe: impl Fn() -> F,
) -> Option<Name>
where
    F: Future<Output = Result<(), Fault>>,
{
    let attempts = async {
        while let Err(fault) = make_safe().await {
            let now = clock.now();
            if fault.class != FaultClass::Disconnected || now >= away {
                return Err(fault);
            }
            tracing::debug!(%device, %fault, "not safe yet");
            clock.sleep(RETRY.min(away - now)).await;
        }
        Ok(())
    };
    match clock.timeout(end.saturating_since(clock.now()), attempts).await {
        Ok(Ok(())) => return None,
        Ok(Err(fault)) => tracing::error!(%device, %fault, "it may not be safe: look"),
        Err(elapsed) => tracing::error!(%device, %elapsed, "it may not be safe: look"),
    }
    Some(device.clone())
}

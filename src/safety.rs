//! The last word of a process: its hardware is made safe without any actor.
use crate::assembly::Devices;
use bluefly_actors::{clock::Clock, logic::detector::DetectorLogic};
use bluefly_protocol::{
    fault::{Fault, FaultClass},
    name::Name,
};
use futures_util::{future::join_all, join};
use std::time::Duration;

/// How long one device may take to come to rest, and how long one is waited for that cannot be
/// reached.
const WITHIN: Duration = Duration::from_secs(70);
/// How long a device that cannot be reached is left alone before it is tried again.
const RETRY: Duration = Duration::from_secs(1);

impl Devices {
    /// Halts every controller, then every motor; disarms every detector and closes its file, at the
    /// same time. Resolves when all is done or given up, after three minutes at most; what is not
    /// safe then is logged as an error. Does no harm to what is safe already.
    ///
    /// Once the actors are gone: one that goes on would undo it.
    pub(crate) async fn make_safe(&self, clock: &Clock) {
        let motion = async {
            let halts = self.controllers.iter();
            join_all(halts.map(|(name, logic)| persist(clock, name, || logic.make_safe()))).await;
            // Only now: an axis that stops by itself is a fault to the controller that moves it.
            let stops = self.motors.iter();
            join_all(stops.map(|(name, logic)| persist(clock, name, || logic.stop()))).await;
        };
        let detectors = self.detectors.iter();
        let detectors =
            join_all(detectors.map(|(name, logic)| persist(clock, name, || come_to_rest(logic))));
        join!(motion, detectors);
    }
}

/// Disarms a detector and closes the file that it has open, also if it could not be disarmed.
async fn come_to_rest(logic: &DetectorLogic) -> Result<(), Fault> {
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

/// Tries again while the device cannot be reached.
async fn persist<F>(clock: &Clock, device: &Name, make_safe: impl Fn() -> F)
where
    F: Future<Output = Result<(), Fault>>,
{
    let attempts = async {
        while let Err(fault) = make_safe().await {
            if fault.class != FaultClass::Disconnected {
                return Err(fault);
            }
            tracing::warn!(%device, %fault, "not safe yet");
            clock.sleep(RETRY).await;
        }
        Ok(())
    };
    match clock.timeout(WITHIN, attempts).await {
        Ok(Ok(())) => {}
        Ok(Err(fault)) => tracing::error!(%device, %fault, "it may not be safe"),
        Err(elapsed) => tracing::error!(%device, %elapsed, "it may not be safe"),
    }
}

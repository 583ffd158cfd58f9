//! Frames that are taken one by one, each at a command.
use super::{AreaDetector, Task, WITHIN, signed, tally::Tally};
use crate::{
    logic::detector::{Doing, Stepper},
    signal::SignalError,
};
use bluefly_protocol::{
    exposures::Exposures,
    fault::{Fault, FaultClass},
};
use std::time::Duration;

/// How far the frames have come that are taken at commands.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Steps {
    /// Exposures that are over, since it was armed.
    pub(super) taken: u64,
    /// From the start of an exposure to the start of the next.
    pub(super) period: Duration,
}

impl Stepper for AreaDetector {
    fn take_next(&self) -> Doing<'_, ()> {
        Box::pin(self.take_next())
    }
}

impl AreaDetector {
    /// Takes the next of the frames that were armed; resolves when the last of its exposures is over,
    /// though it may not be written yet. Fails as lost if the driver does not make them.
    async fn take_next(&self) -> Result<(), Fault> {
        let (steps, Tally { first, count, .. }) = (self.steps.get(), self.tally.get());
        let per_frame = self.setup.exposures_per_frame;
        let frame = per_frame.whole_frames(Exposures(first + steps.taken));
        let operation = format!("take frame {frame}");
        let task = self.task(&operation);
        let taken = steps.taken + per_frame.of(1).0;
        if taken > count {
            let reason = format!("all {count} exposures that it was armed for are taken");
            return Err(task.fault(FaultClass::Rejected, reason));
        }
        let driver = &self.record.driver;
        task.done(driver.acquire.send(true).await)?;
        self.await_made(task, signed(first + taken) - 1, steps.period).await?;
        task.done(driver.acquiring.wait_for(WITHIN, |acquiring| !acquiring).await)?;
        self.steps.set(Steps { taken, ..steps });
        Ok(())
    }

    /// Resolves when the driver has made the exposure of this unique id.
    async fn await_made(&self, task: Task<'_>, last: i64, period: Duration) -> Result<(), Fault> {
        let within = period * self.setup.exposures_per_frame.get() + WITHIN;
        let counter = &self.record.driver.array_counter_readback;
        match counter.wait_for(within, |id| *id >= last).await {
            Err(SignalError::NotReached { .. }) => {
                let id = task.done(counter.get().await)?;
                let signal = counter.address();
                let reason = format!(
                    "{signal} is {id} {within:?} after the exposure was told to begin, not {last}"
                );
                Err(task.fault(FaultClass::Lost, reason))
            }
            made => task.done(made).map(drop),
        }
    }
}

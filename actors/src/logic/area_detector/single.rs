//! Single frames, started by software: they go into no file.
use super::{AreaDetector, DetectorState, DriverRecord, ImageMode, StatsRecord, Task, WITHIN};
use bluefly_protocol::{
    beamline::Trigger,
    fault::{Fault, FaultClass},
};
use std::time::Duration;

/// What a driver was set to.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Settings {
    image_mode: ImageMode,
    trigger_mode: String,
    num_images: i64,
    acquire_time_s: f64,
    acquire_period_s: f64,
}

impl AreaDetector {
    /// Takes one exposure, started by software, while no file is open; resolves with the sum of its
    /// pixels. Leaves the driver set as it was; so does the next [`make_safe`](Self::make_safe) if
    /// this fails or is dropped.
    pub async fn take_one(&self, exposure: Duration) -> Result<f64, Fault> {
        let operation = format!("take a frame of {exposure:?}");
        let task = self.task(&operation);
        let writer = &self.record.writer;
        if task.done(writer.is_capturing.get().await)? {
            let path = task.done(writer.full_file_name.get().await)?;
            let reason = format!("{path} is open, and the frame would go into it");
            return Err(task.fault(FaultClass::Failed, reason));
        }
        self.stats(task)?;
        *self.watch.borrow_mut() = None;
        if self.is_live().await {
            self.take_over(task).await?;
        }
        if self.before.borrow().is_none() {
            let settings = self.record.driver.settings(task).await?;
            *self.before.borrow_mut() = Some(settings);
        }
        let total = self.expose_once(task, exposure).await?;
        self.restore(task).await?;
        self.give_back(task).await?;
        Ok(total)
    }

    async fn expose_once(&self, task: Task<'_>, exposure: Duration) -> Result<f64, Fault> {
        let (dead_time, driver) = (self.setup.dead_time, &self.record.driver);
        let word = self.word(task, Trigger::Internal)?;
        let settings = Settings {
            image_mode: ImageMode::Single,
            trigger_mode: word.to_owned(),
            num_images: 1,
            acquire_time_s: exposure.as_secs_f64(),
            acquire_period_s: (exposure + dead_time).as_secs_f64(),
        };
        // Its plugins have the frame, and its sum, from the driver.
        task.done(driver.array_callbacks.put(true).await)?;
        self.set_as(task, settings).await?;
        // Each has the same id: nothing about it depends on how many there were before.
        task.done(driver.array_counter.put(-1).await)?;
        let StatsRecord { num_frames, latest_total, .. } = self.stats(task)?;
        let before = task.done(num_frames.get().await)?;
        // Completes when the acquisition ends, whatever came of it.
        task.done(driver.acquire.w().put_within(exposure + dead_time + WITHIN, true).await)?;
        if task.done(driver.state.get().await)? == DetectorState::Error {
            return Err(self.driver_fault(task).await?);
        }
        task.done(num_frames.wait_for(WITHIN, |frames| *frames != before).await)?;
        task.done(latest_total.get().await)
    }

    /// Sets the driver as it was before a single frame, if it is not so yet.
    pub(super) async fn restore(&self, task: Task<'_>) -> Result<(), Fault> {
        let before = self.before.borrow().clone();
        if let Some(before) = before {
            self.set_as(task, before).await?;
            *self.before.borrow_mut() = None;
        }
        Ok(())
    }

    pub(super) async fn set_as(&self, task: Task<'_>, settings: Settings) -> Result<(), Fault> {
        let (driver, patience) = (&self.record.driver, &self.patience);
        task.done(patience.put(driver.image_mode.w(), settings.image_mode).await)?;
        task.done(patience.put(driver.trigger_mode.w(), settings.trigger_mode).await)?;
        task.done(patience.put(driver.num_images.w(), settings.num_images).await)?;
        task.done(patience.put(driver.acquire_time_s.w(), settings.acquire_time_s).await)?;
        task.done(patience.put(driver.acquire_period_s.w(), settings.acquire_period_s).await)
    }
}

impl DriverRecord {
    pub(super) async fn settings(&self, task: Task<'_>) -> Result<Settings, Fault> {
        Ok(Settings {
            image_mode: task.done(self.image_mode.get().await)?,
            trigger_mode: task.done(self.trigger_mode.get().await)?,
            num_images: task.done(self.num_images.get().await)?,
            acquire_time_s: task.done(self.acquire_time_s.get().await)?,
            acquire_period_s: task.done(self.acquire_period_s.get().await)?,
        })
    }
}

//! A camera that runs continuously while no scan has it, for its picture to be looked at.
use super::{AreaDetector, ImageMode, LATE, Task};
use crate::signal::SignalError;
use bluefly_protocol::fault::Fault;

impl AreaDetector {
    /// Whether somebody looks at its picture: it runs continuously, as it never does for a scan, and
    /// no file gets its frames. One that does not say so at once is taken for one that is to be stopped.
    pub(super) async fn is_live(&self) -> bool {
        let (driver, writer) = (&self.record.driver, &self.record.writer);
        let looked = async {
            Ok::<_, SignalError>(
                driver.acquiring.get().await?
                    && driver.image_mode.get().await? == ImageMode::Continuous
                    && !writer.capture.get().await?
                    && !writer.is_capturing.get().await?,
            )
        };
        let looked = self.patience.answer(driver.acquiring.address(), LATE, looked).await;
        matches!(looked, Ok(true))
    }

    /// Stops whatever it acquires for others. If that is a picture that is looked at, it runs again as it
    /// did at the [end](Self::give_back) of what it is wanted for.
    pub(super) async fn take_over(&self, task: Task<'_>) -> Result<(), Fault> {
        if self.is_live().await {
            let settings = self.record.driver.settings(task).await?;
            *self.live.borrow_mut() = Some(settings);
        } else if !task.done(self.record.driver.acquiring.get().await)? {
            return Ok(());
        }
        self.stop_acquiring(task).await
    }

    /// Lets it run continuously again, if it did so before it was [taken](Self::take_over).
    pub(super) async fn give_back(&self, task: Task<'_>) -> Result<(), Fault> {
        let live = self.live.borrow().clone();
        if let Some(settings) = live {
            self.set_as(task, settings).await?;
            task.done(self.record.driver.acquire.send(true).await)?;
            *self.live.borrow_mut() = None;
        }
        Ok(())
    }
}

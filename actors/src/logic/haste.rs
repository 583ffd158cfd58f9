//! [`Haste`]: waits are cut short once somebody is in a hurry, those that are under way as well.
use crate::{
    clock::{Clock, Instant},
    watch,
};
use std::{pin::pin, time::Duration};

/// How long anything is waited for once somebody is in a hurry.
const HASTE: Duration = Duration::from_secs(2);

/// Whether somebody is in a hurry, and since when.
pub(super) struct Haste {
    clock: Clock,
    hurried: watch::Sender<Option<Instant>>,
}

impl Haste {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, hurried: watch::Sender::new(None) }
    }

    /// From now on nothing is waited for longer than a moment; nor is what is waited for now.
    pub(super) fn hurry(&self) {
        let now = self.clock.now();
        self.hurried.send_modify(|since| *since = since.or(Some(now)));
    }

    /// Resolves if somebody comes to be in a hurry.
    pub(super) async fn hurries(&self) {
        if self.hurried.subscribe().changed().await.is_err() {
            // The sender is in here.
            std::future::pending::<()>().await;
        }
    }

    /// Until when something is waited for that usually takes no longer than this.
    pub(super) fn until(&self, since: Instant, usual: Duration) -> Instant {
        let (usual, hurried) = (since + usual, *self.hurried.borrow());
        hurried.map_or(usual, |hurried| usual.min(since.max(hurried) + HASTE))
    }

    /// What `work` comes to; for how long it was waited for if it does not come in time.
    pub(super) async fn within<T>(
        &self,
        usual: Duration,
        work: impl Future<Output = T>,
    ) -> Result<T, Duration> {
        let (since, mut work) = (self.clock.now(), pin!(work));
        loop {
            tokio::select! { biased;
                done = &mut work => return Ok(done),
                () = self.clock.sleep_until(self.until(since, usual)) => {
                    return Err(self.clock.now() - since);
                }
                () = self.hurries() => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::simulated_system;

    fn ms(duration: u64) -> Duration {
        Duration::from_millis(duration)
    }

    #[test]
    fn what_is_waited_for_is_given_up_a_moment_after_somebody_is_in_a_hurry() {
        simulated_system().block_on(async {
            let clock = Clock::simulated();
            let haste = Haste::new(clock.clone());
            assert_eq!(haste.within(ms(9_000), clock.sleep(ms(8_999))).await, Ok(()));
            assert_eq!(haste.within(ms(9_000), clock.sleep(ms(60_000))).await, Err(ms(9_000)));
            let hurry = async {
                clock.sleep(ms(3_000)).await;
                haste.hurry();
                clock.sleep(ms(500)).await;
                haste.hurry();
            };
            let slow = haste.within(ms(9_000), clock.sleep(ms(60_000)));
            assert_eq!(tokio::join!(slow, hurry).0, Err(ms(5_000)));
            assert_eq!(haste.within(ms(9_000), clock.sleep(ms(60_000))).await, Err(ms(2_000)));
            assert_eq!(haste.within(ms(9_000), clock.sleep(ms(1_999))).await, Ok(()));
            assert_eq!(haste.within(ms(1_000), clock.sleep(ms(60_000))).await, Err(ms(1_000)));
        });
    }
}

//! The only source of time: every sleep, timeout and instant of the process goes through [`Clock`].
//!
//! tokio's timer wheel has a grain of 1 ms, too coarse for the order of events on a beamline. The
//! simulated clock therefore runs on a paused tokio clock which is stretched 1,000 times: one
//! microsecond of beamline time is one tokio millisecond, so that events a microsecond apart keep
//! their order.
#![expect(clippy::disallowed_methods, reason = "the one place that reads clocks and sets timers")]
use std::{
    future::Future,
    ops::{Add, Sub},
    sync::Arc,
    time::Duration,
};

/// A moment on a [`Clock`]: how long after the clock was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(Duration);

impl Instant {
    /// Time between the making of the clock and this moment.
    pub const fn since_start(self) -> Duration {
        self.0
    }

    /// Time from `earlier` to this moment; zero if `earlier` is later.
    pub fn saturating_since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Instant {
    type Output = Self;
    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }
}

impl Sub for Instant {
    type Output = Duration;
    /// Time from `earlier` to this moment; zero if `earlier` is later.
    fn sub(self, earlier: Self) -> Duration {
        self.saturating_since(earlier)
    }
}

/// The awaited future did not finish in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("did not finish in time")]
pub struct Elapsed;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pace {
    Real,
    /// One microsecond of beamline time is one tokio millisecond.
    Simulated,
}

#[derive(Debug)]
struct Inner {
    pace: Pace,
    started: tokio::time::Instant,
    /// Seconds between 1970-01-01T00:00:00Z and `started`.
    unix_start_s: f64,
}

/// Real or simulated time. Cheap to clone; all clones tell the same time.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Inner>);

/// How many times slower a simulated clock runs than the tokio clock beneath it.
const STRETCH: u32 = 1_000;
/// The grain of a simulated clock, and the price of one answer from a foreign thread.
const TICK: Duration = Duration::from_micros(1);
/// Thirty years of beamline time: beyond any scan.
const FAR_FUTURE: Duration = Duration::from_hours(24 * 365 * 30);
/// 2026-01-01T00:00:00Z, at which every simulation starts.
const SIMULATION_UNIX_START_S: f64 = 1_767_225_600.0;

impl Clock {
    /// A clock that follows the wall clock. Must be called within a tokio runtime.
    pub fn real() -> Self {
        let unix = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let unix_start_s = unix.map_or(0.0, |unix| unix.as_secs_f64());
        Self::new(Pace::Real, unix_start_s)
    }

    /// A clock that starts at 2026-01-01T00:00:00Z and jumps to the next event whenever nothing
    /// else is left to do. Must be called within a tokio runtime that was started paused.
    pub fn simulated() -> Self {
        Self::new(Pace::Simulated, SIMULATION_UNIX_START_S)
    }

    fn new(pace: Pace, unix_start_s: f64) -> Self {
        Self(Arc::new(Inner { pace, started: tokio::time::Instant::now(), unix_start_s }))
    }

    /// Whether time jumps instead of passing.
    pub fn is_simulated(&self) -> bool {
        self.0.pace == Pace::Simulated
    }

    /// The present moment.
    pub fn now(&self) -> Instant {
        let elapsed = self.0.started.elapsed();
        match self.0.pace {
            Pace::Real => Instant(elapsed),
            Pace::Simulated => Instant(elapsed / STRETCH),
        }
    }

    /// Seconds since 1970-01-01T00:00:00Z at `instant`, as documents carry them.
    pub fn unix_s(&self, instant: Instant) -> f64 {
        self.0.unix_start_s + instant.0.as_secs_f64()
    }

    /// Resolves `duration` from now.
    pub async fn sleep(&self, duration: Duration) {
        self.sleep_until(self.now() + duration).await;
    }

    /// Resolves at `deadline`, at once if it has passed; never, if it is more than thirty years after
    /// the clock was made.
    pub async fn sleep_until(&self, deadline: Instant) {
        // A timer that is due already would still wait for the next grain.
        if self.0.pace == Pace::Real && self.now() >= deadline {
            return;
        }
        match self.tokio_instant(deadline) {
            Some(deadline) => tokio::time::sleep_until(deadline).await,
            None => std::future::pending().await,
        }
    }

    /// The output of `future`, or [`Elapsed`] if it takes longer than `within`.
    pub async fn timeout<F: Future>(
        &self,
        within: Duration,
        future: F,
    ) -> Result<F::Output, Elapsed> {
        match self.tokio_instant(self.now() + within) {
            Some(deadline) => tokio::time::timeout_at(deadline, future).await.map_err(|_| Elapsed),
            None => Ok(future.await),
        }
    }

    /// Runs `work` on a thread of the blocking pool and resolves with its result.
    ///
    /// In a simulation the clock is held while `work` runs (the paused clock of tokio stands still
    /// while a blocking task is alive), and the result is let in at the next tick, so that the real
    /// speed of the other thread leaves no mark on the order of events.
    ///
    /// # Panics
    /// If `work` panics.
    pub async fn foreign<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let work = tokio::task::spawn_blocking(work);
        let result = match self.0.pace {
            Pace::Real => work.await,
            Pace::Simulated => {
                // `work` is not listened to before it has ended: a wake from its thread would come at
                // no moment of simulated time.
                self.sleep(TICK).await;
                work.await
            }
        };
        result.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
    }

    /// When `instant` is on the clock beneath; `None` if it never comes. The limit is one of beamline
    /// time: the stretched time beneath is as far beyond it as it has to be.
    fn tokio_instant(&self, instant: Instant) -> Option<tokio::time::Instant> {
        if instant.0 > FAR_FUTURE {
            return None;
        }
        let since_start = match self.0.pace {
            Pace::Real => instant.0,
            Pace::Simulated => instant.0.saturating_mul(STRETCH),
        };
        self.0.started.checked_add(since_start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A runtime whose clock jumps.
    fn paused() -> tokio::runtime::Runtime {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_time().start_paused(true).build().expect("a runtime without I/O")
    }

    const DAY: Duration = Duration::from_hours(24);
    const US: Duration = Duration::from_micros(1);

    /// A sleep of `duration`, begun `at` this time, ends at its microsecond.
    fn check(at: Duration, duration: Duration) {
        paused().block_on(async {
            let clock = Clock::simulated();
            clock.sleep(at).await;
            assert_eq!(clock.now(), Instant(at));
            clock.sleep(duration).await;
            assert_eq!(clock.now(), Instant(at + duration));
        });
    }

    /// The limit of thirty years was once one of stretched time, and passed after 10.95 days.
    #[test]
    fn simulated_time_did_not_end_after_eleven_days() {
        check(Duration::ZERO, 29 * DAY);
        check(11 * DAY, US);
        check(29 * DAY + US, 31 * DAY);
        check(Duration::ZERO, FAR_FUTURE);
    }

    #[test]
    fn a_timeout_after_eleven_days_was_over_at_once() {
        paused().block_on(async {
            let clock = Clock::simulated();
            clock.sleep(20 * DAY).await;
            assert_eq!(clock.timeout(2 * US, clock.sleep(US)).await, Ok(()));
            assert_eq!(clock.timeout(US, clock.sleep(2 * US)).await, Err(Elapsed));
            assert_eq!(clock.now(), Instant(20 * DAY + 2 * US));
        });
    }

    #[test]
    fn a_sleep_beyond_the_far_future_returned_at_once() {
        paused().block_on(async {
            let clock = Clock::simulated();
            clock.sleep(FAR_FUTURE.saturating_sub(DAY)).await;
            let beyond = clock.now() + 2 * DAY;
            assert_eq!(clock.timeout(DAY, clock.sleep_until(beyond)).await, Err(Elapsed));
            assert_eq!(clock.now(), Instant(FAR_FUTURE));
            let endless = clock.timeout(Duration::MAX, async { 1 });
            assert_eq!(endless.await, Ok(1));
        });
    }
}

//! [`Train`]: evenly spaced triggers, computed instead of slept for.
use bluefly_actors::clock::Instant;
use std::time::Duration;

/// `count` triggers within `duration`, the first at `start`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Train {
    pub start: Instant,
    pub duration: Duration,
    /// Into how many frames `duration` is divided.
    pub frames: u64,
    /// How many of the triggers are sent: all, unless it was cut.
    pub count: u64,
}

impl Train {
    pub(crate) const fn new(start: Instant, duration: Duration, frames: u64) -> Self {
        Self { start, duration, frames, count: frames }
    }

    /// When trigger `number` is sent.
    pub(crate) fn time(&self, number: u64) -> Instant {
        let nanos = self.duration.as_nanos() * u128::from(number) / u128::from(self.frames);
        self.start + nanoseconds(nanos)
    }

    /// Takes back every trigger at `now` and later.
    pub(crate) fn cut(&mut self, now: Instant) {
        while self.count > 0 && self.time(self.count - 1) >= now {
            self.count -= 1;
        }
    }
}

/// A span of so many nanoseconds, at most 584 years.
pub(crate) fn nanoseconds(nanos: u128) -> Duration {
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

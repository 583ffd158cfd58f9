//! Ticks: the whole microseconds in which a controller counts.
use std::time::Duration;

/// Ticks per second.
pub(super) const PER_SECOND: f64 = 1e6;

/// A relative error below this is rounding, not intent.
const ROUNDING: f64 = 1e-10;

/// The longest time that one frame or one motion may take, seconds: more than a day.
pub(super) const LONGEST_S: f64 = 1e5;

/// The same in ticks.
pub(super) const LONGEST: u64 = 100_000_000_000;

/// The fewest ticks that last `seconds`, or [`LONGEST_S`] if that is shorter.
///
/// What is above a whole number by rounding only (0.0003 s is 299.99999999999994 us) counts as it.
pub(super) fn at_least(seconds: f64) -> u64 {
    Grid { interval: 1 }.at_least(seconds)
}

/// The ticks in `seconds`, with their fraction, but without a fraction that is rounding only.
pub(super) fn exactly(seconds: f64) -> f64 {
    let exact = seconds * PER_SECOND;
    let nearest = exact.round();
    if (exact - nearest).abs() <= 4.0 * f64::EPSILON * nearest { nearest } else { exact }
}

/// Seconds in so many ticks.
pub(super) fn seconds(ticks: u64) -> f64 {
    ticks as f64 / PER_SECOND
}

/// The whole ticks of a duration, one at least.
pub(super) fn of(duration: Duration) -> u64 {
    (duration.as_micros() as u64).max(1)
}

/// The multiples of an interval on which motion between rows changes its acceleration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Grid {
    /// Ticks, at least 1.
    pub(super) interval: u64,
}

impl Grid {
    /// The first multiple that is no less than `seconds` but for rounding; [`LONGEST_S`] or little
    /// more if that is shorter.
    pub(super) fn at_least(self, seconds: f64) -> u64 {
        let exact = seconds * PER_SECOND / self.interval as f64;
        let nearest = exact.round();
        let whole =
            if (exact - nearest).abs() <= ROUNDING * exact.abs() { nearest } else { exact.ceil() };
        (whole as u64).min(LONGEST.div_ceil(self.interval)) * self.interval
    }
}

//! [`ExposuresPerFrame`]: a detector that exposes several times in each frame of a scan.
use std::{fmt, num::NonZeroU32, time::Duration};

/// How many exposures a detector takes in each frame of a scan, evenly spaced.
///
/// The one place where frames of a scan become rows of a detector's file, and rows become frames, and
/// where a frame is divided: for detectors that are told their period, and for the pulses that a
/// sequencer's hardware makes ([`pulse_train`](crate::sequencer::pulse_train)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExposuresPerFrame(NonZeroU32);

/// Exposures of one detector in a run: how many, or which one. Exposure `i` is row `i` of its file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Exposures(pub u64);

/// A number of exposures that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is out of range: must be 1 to {most}", most = ExposuresPerFrame::MOST)]
pub struct NoExposures(u32);

impl ExposuresPerFrame {
    /// One exposure in each frame.
    pub const ONE: Self = Self(NonZeroU32::MIN);
    /// The most that a detector may take. Statistics are kept of a few thousand exposures: those of
    /// one frame are among them.
    pub const MOST: u32 = 1_000;

    pub const fn get(self) -> u32 {
        self.0.get()
    }

    /// The exposures of so many frames; for an index: the first exposure of that frame.
    pub const fn of(self, frames: u64) -> Exposures {
        Exposures(frames.saturating_mul(self.get() as u64))
    }

    /// The frames of which every exposure is among the first `exposures`.
    pub const fn whole_frames(self, exposures: Exposures) -> u64 {
        exposures.0 / self.get() as u64
    }

    /// Time from one exposure to the next, if frames last `frame`, as a controller can take it: its
    /// time is in whole microseconds, and some frames are shorter by a part of one.
    pub fn period(self, frame: Duration) -> Duration {
        Duration::from_micros(u64::try_from(frame.as_micros()).unwrap_or(u64::MAX)) / self.get()
    }

    /// The shortest frame whose exposures are at least `period` apart: whole microseconds.
    pub fn shortest_frame(self, period: Duration) -> Duration {
        let micros = period.saturating_mul(self.get()).as_nanos().div_ceil(1_000);
        Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
    }
}

impl TryFrom<u32> for ExposuresPerFrame {
    type Error = NoExposures;
    fn try_from(number: u32) -> Result<Self, NoExposures> {
        let in_range = NonZeroU32::new(number).filter(|number| number.get() <= Self::MOST);
        in_range.map(Self).ok_or(NoExposures(number))
    }
}

impl fmt::Display for ExposuresPerFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn per_frame(number: u32) -> ExposuresPerFrame {
        number.try_into().expect("a number in range")
    }

    fn ns(nanos: u64) -> Duration {
        Duration::from_nanos(nanos)
    }

    #[test]
    fn none_and_too_many_are_refused() {
        let check = |number: u32, expected: Result<u32, &str>| {
            let made = ExposuresPerFrame::try_from(number);
            let made = made.map(ExposuresPerFrame::get).map_err(|error| error.to_string());
            assert_eq!(made, expected.map_err(str::to_owned));
        };
        check(0, Err("0 is out of range: must be 1 to 1000"));
        check(1, Ok(1));
        check(1_000, Ok(1_000));
        check(1_001, Err("1001 is out of range: must be 1 to 1000"));
        check(u32::MAX, Err("4294967295 is out of range: must be 1 to 1000"));
    }

    #[test]
    fn a_frame_counts_when_all_its_exposures_do() {
        let check = |number: u32, exposures: &[u64], frames: &[u64]| {
            let whole = |&rows: &u64| per_frame(number).whole_frames(Exposures(rows));
            assert_eq!(exposures.iter().map(whole).collect::<Vec<_>>(), frames, "{number}");
        };
        check(1, &[0, 1, 7], &[0, 1, 7]);
        check(3, &[0, 1, 2, 3, 5, 6, 29, 30], &[0, 0, 0, 1, 1, 2, 9, 10]);
        check(1_000, &[999, 1_000, 1_999, 2_000], &[0, 1, 1, 2]);
        check(3, &[u64::MAX], &[u64::MAX / 3]);
    }

    #[test]
    fn a_frame_lands_behind_the_exposures_of_those_before() {
        let check = |number: u32, frame: u64, row: u64| {
            assert_eq!(per_frame(number).of(frame), Exposures(row));
        };
        check(1, 41, 41);
        check(3, 0, 0);
        check(3, 41, 123);
        check(1_000, u64::MAX / 2, u64::MAX);
    }

    #[test]
    fn the_period_fits_into_the_shortest_frame_that_a_controller_makes_of_it() {
        let check = |number: u32, frame: u64, period: u64| {
            assert_eq!(per_frame(number).period(ns(frame)), ns(period), "{number} in {frame} ns");
        };
        check(1, 50_000_000, 50_000_000);
        check(3, 50_000_000, 16_666_666);
        check(7, 10_000, 1_428);
        // 16,666 us of the 16,666.666 us: three exposures more would not fit into them.
        check(3, 16_666_666, 5_555_333);
        check(1_000, 999, 0);
    }

    #[test]
    fn the_shortest_frame_is_one_that_a_controller_can_make() {
        let check = |number: u32, period: u64, frame: u64| {
            let shortest = per_frame(number).shortest_frame(ns(period));
            assert_eq!(shortest, ns(frame), "{number} times {period} ns");
            assert!(per_frame(number).period(shortest) >= ns(period), "{number} {period}");
        };
        check(1, 6_000_000, 6_000_000);
        check(3, 5_500_000, 16_500_000);
        check(3, 500_333, 1_501_000);
        check(7, 1_429, 11_000);
        assert_eq!(per_frame(1_000).shortest_frame(Duration::MAX), Duration::from_micros(u64::MAX));
    }
}

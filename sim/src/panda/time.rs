//! Times of fields in ticks and in units, and moments as headers print them.
use super::{fault::Fault, fpga::TICKS_PER_SECOND};
use std::time::Duration;

pub(super) const TICK_NS: u64 = 8;
pub(super) const MAX_TIME: u64 = (1 << 48) - 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TimeUnit {
    Minute,
    Second,
    Millisecond,
    Microsecond,
}

impl TimeUnit {
    /// In the order in which the server lists them.
    pub(super) const ALL: [Self; 4] =
        [Self::Minute, Self::Second, Self::Millisecond, Self::Microsecond];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Minute => "min",
            Self::Second => "s",
            Self::Millisecond => "ms",
            Self::Microsecond => "us",
        }
    }

    pub(super) fn parse(text: &str) -> Result<Self, Fault> {
        let unit = Self::ALL.into_iter().find(|unit| unit.name() == text);
        unit.ok_or(Fault::new("Invalid time units"))
    }

    const fn ticks(self) -> f64 {
        match self {
            Self::Minute => 60.0 * TICKS_PER_SECOND as f64,
            Self::Second => TICKS_PER_SECOND as f64,
            Self::Millisecond => 125_000.0,
            Self::Microsecond => 125.0,
        }
    }

    pub(super) fn of_ticks(self, ticks: u64) -> f64 {
        ticks as f64 / self.ticks()
    }

    /// `value` in ticks; not more than `max`.
    pub(super) fn to_ticks(self, value: f64, max: u64) -> Result<u64, Fault> {
        let ticks = (value * self.ticks()).round();
        if (0.0..=max as f64).contains(&ticks) {
            Ok(ticks as u64)
        } else {
            Err(Fault::new("Time setting out of range"))
        }
    }
}

/// Time since 1970-01-01T00:00:00Z that `tick` is at, on a box that started at `start`.
pub(super) fn moment(start: Duration, tick: u64) -> Duration {
    let within = Duration::from_nanos(tick % TICKS_PER_SECOND * TICK_NS);
    start + Duration::from_secs(tick / TICKS_PER_SECOND) + within
}

/// As ISO 8601 with `decimals` digits of the second; `since_1970` as [`moment`] gives it.
pub(super) fn iso_8601(since_1970: Duration, decimals: usize) -> String {
    let seconds = since_1970.as_secs();
    let (days, second_of_day) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) =
        (second_of_day / 3_600, second_of_day / 60 % 60, second_of_day % 60);
    let nanos = format!("{:09}", since_1970.subsec_nanos());
    let fraction = &nanos[..decimals.min(9)];
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{fraction}Z")
}

/// Year, month and day of the month, so many days after 1970-01-01.
fn civil(days: u64) -> (u64, u64, u64) {
    // Years that begin in March have the leap day at their end; an era has 400 of them.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_printed_in_utc() {
        let check = |seconds, nanos, decimals, expected: &str| {
            assert_eq!(iso_8601(Duration::new(seconds, nanos), decimals), expected);
        };
        check(0, 0, 9, "1970-01-01T00:00:00.000000000Z");
        check(1_582_979_696, 789_000_000, 3, "2020-02-29T12:34:56.789Z");
        check(1_767_225_599, 5, 9, "2025-12-31T23:59:59.000000005Z");
        check(4_107_542_400, 0, 3, "2100-03-01T00:00:00.000Z");
        let start = Duration::new(10, 999_999_992);
        assert_eq!(moment(start, 1), Duration::new(11, 0));
        assert_eq!(moment(start, 3 * TICKS_PER_SECOND), Duration::new(13, 999_999_992));
    }

    #[test]
    fn times_have_limits() {
        let check = |unit: TimeUnit, value, expected| {
            assert_eq!(unit.to_ticks(value, MAX_TIME).ok(), expected, "{value}");
        };
        check(TimeUnit::Second, 1.5, Some(187_500_000));
        check(TimeUnit::Second, 2_251_799.0, Some(281_474_875_000_000));
        check(TimeUnit::Second, 2_251_800.0, None);
        check(TimeUnit::Second, -1.0, None);
        check(TimeUnit::Second, f64::NAN, None);
        check(TimeUnit::Minute, 1.0, Some(7_500_000_000));
        assert_eq!(TimeUnit::Microsecond.of_ticks(12_345).to_string(), "98.76");
    }
}

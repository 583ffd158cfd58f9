//! [`Pace`]: the ticks of a frame, and which of them are live.
use super::{LONGEST_TICKS, SequencerError, TICKS_PER_SECOND};
use std::num::NonZeroU32;

/// When during a frame its live output is high.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Live {
    /// In its first half.
    FirstHalf,
    /// From its lower bound until so many ticks before its upper one.
    First { dead_ticks: NonZeroU32 },
    /// In its middle, with half of the dead ticks before and half after it, so that frames taken
    /// forwards and backwards are live at the same positions.
    Centred { dead_ticks: NonZeroU32 },
}

/// How far from its place the bound of a frame may be, ticks: 1 us.
pub const MAX_DRIFT: u32 = 125;

/// The ticks of the frames of one duration.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// Whole ticks of the shorter frames; the others have one more.
    whole: u64,
    /// What a frame lasts beyond that, of a tick: 0..1.
    fraction: f64,
    /// Ticks before the live ones.
    pub(super) lead: u64,
    pub(super) live: u64,
    /// Most frames that are counted together.
    pub(super) most: u64,
}

/// Frames of a pace that follow each other: how many have the whole ticks, how many one more.
pub(super) struct Split {
    pub(super) short: u64,
    pub(super) long: u64,
    /// Exact time less the time given out, at the end, ticks.
    pub(super) owed: f64,
}

impl Pace {
    /// The pace of `frame` and those of its duration, seconds.
    pub(super) fn new(live: Live, frame: u64, value: f64) -> Result<Self, SequencerError> {
        if !(value.is_finite() && value > 0.0) {
            return Err(SequencerError::Duration { frame, value });
        }
        let per_second = TICKS_PER_SECOND as f64;
        let exact = exact_ticks(value);
        if exact >= LONGEST_TICKS as f64 {
            let limit = LONGEST_TICKS as f64 / per_second;
            return Err(SequencerError::TooLong { frame, value, limit });
        }
        let (whole, fraction) = (exact.floor() as u64, exact.fract());
        let dead = match live {
            Live::FirstHalf => whole.div_ceil(2).max(1),
            Live::First { dead_ticks } | Live::Centred { dead_ticks } => dead_ticks.get().into(),
        };
        if whole <= dead {
            let minimum = (dead + 1) as f64 / per_second;
            return Err(SequencerError::TooShort { frame, value, minimum });
        }
        let lead = match live {
            Live::FirstHalf | Live::First { .. } => 0,
            Live::Centred { .. } => dead / 2,
        };
        Ok(Self { whole, fraction, lead, live: whole - dead, most: most_together(fraction) })
    }

    /// The dead ticks after the live ones in a short frame.
    pub(super) fn tail(&self) -> u64 {
        self.whole - self.lead - self.live
    }

    /// Divides so many `frames`, at most [`most`](Self::most), after which nothing is owed if what
    /// was `owed` before is counted in.
    pub(super) fn split(&self, frames: u64, owed: f64) -> Split {
        let exact = owed + frames as f64 * self.fraction;
        let long = (exact.round().max(0.0) as u64).min(frames);
        Split { short: frames - long, long, owed: exact - long as f64 }
    }
}

/// The ticks in `seconds`, with their fraction, but without a fraction that is rounding only
/// (0.0163 s is 2037499.9999999998).
pub(super) fn exact_ticks(seconds: f64) -> f64 {
    let exact = seconds * TICKS_PER_SECOND as f64;
    let nearest = exact.round();
    if (exact - nearest).abs() <= 4.0 * f64::EPSILON * nearest { nearest } else { exact }
}

/// The frames that may be given to the hardware in two rows, short ones first, without the bounds
/// in between drifting further than [`MAX_DRIFT`].
///
/// Of `n` frames the short ones are `n * (1 - fraction)`, each of which lags by `fraction` more;
/// a tick is left for what is owed before and rounded within.
fn most_together(fraction: f64) -> u64 {
    let lag = fraction * (1.0 - fraction);
    let most = f64::from(MAX_DRIFT - 1) / lag;
    most.min(f64::from(u16::MAX)) as u64
}

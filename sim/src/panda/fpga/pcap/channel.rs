//! [`Channel`]: what is gathered of one position between triggers.
use super::super::{Tick, track::Track};

/// What of a position goes into a row: the low bits of a word that is written to the hardware.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Value,
    Difference,
    /// Which 32 bits of it.
    Sum(u32),
    Min,
    Max,
    SumOfSquares(u32),
}

impl Mode {
    pub(super) const fn new(bits: u32) -> Option<Self> {
        match bits {
            0 => Some(Self::Value),
            1 => Some(Self::Difference),
            2 | 3 => Some(Self::Sum(bits - 2)),
            4 => Some(Self::Min),
            5 => Some(Self::Max),
            6..=8 => Some(Self::SumOfSquares(bits - 6)),
            _ => None,
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Channel {
    pub position: usize,
    needs_sum: bool,
    needs_squares: bool,
    needs_extremes: bool,
    /// From when on ticks have not been added yet.
    since: Tick,
    start: i32,
    difference: i32,
    sum: i128,
    squares: u128,
    extremes: [i32; 2],
}

impl Channel {
    pub(super) const fn new(position: usize) -> Self {
        Self {
            position,
            needs_sum: false,
            needs_squares: false,
            needs_extremes: false,
            since: 0,
            start: 0,
            difference: 0,
            sum: 0,
            squares: 0,
            extremes: [i32::MAX, i32::MIN],
        }
    }

    pub(super) const fn need(&mut self, mode: Mode) {
        match mode {
            Mode::Value | Mode::Difference => {}
            Mode::Sum(_) => self.needs_sum = true,
            Mode::Min | Mode::Max => self.needs_extremes = true,
            Mode::SumOfSquares(_) => self.needs_squares = true,
        }
    }

    /// Whether anything depends on the gate.
    pub(super) const fn clear(&mut self, now: Tick) {
        self.since = now;
        self.difference = 0;
        self.sum = 0;
        self.squares = 0;
        self.extremes = [i32::MAX, i32::MIN];
    }

    pub(super) fn open(&mut self, now: Tick, track: &Track) {
        self.since = now;
        self.start = track.at(now);
    }

    /// The gate has been open until `now`.
    pub(super) fn add(&mut self, now: Tick, track: &Track) {
        if now <= self.since {
            return;
        }
        if self.needs_sum {
            self.sum += track.sum(self.since, now);
        }
        if self.needs_squares {
            track.runs(self.since, now, |value, ticks| {
                let square = u128::from(value.unsigned_abs()).pow(2);
                self.squares += square * u128::from(ticks);
            });
        }
        if self.needs_extremes {
            let [low, high] = track.extremes(self.since, now);
            self.extremes = [self.extremes[0].min(low), self.extremes[1].max(high)];
        }
        self.since = now;
    }

    pub(super) fn close(&mut self, now: Tick, track: &Track) {
        self.add(now, track);
        self.difference = self.difference.wrapping_add(track.at(now).wrapping_sub(self.start));
    }

    pub(super) fn word(&self, mode: Mode, shift: u32, track: &Track, now: Tick) -> u32 {
        match mode {
            Mode::Value => track.at(now).cast_unsigned(),
            Mode::Difference => self.difference.cast_unsigned(),
            // The registers are of 72 and of 104 bits.
            Mode::Sum(part) => (self.sum >> shift >> (32 * part)) as u32,
            Mode::Min => self.extremes[0].cast_unsigned(),
            Mode::Max => self.extremes[1].cast_unsigned(),
            Mode::SumOfSquares(part) => (self.squares >> shift >> (32 * part)) as u32,
        }
    }
}

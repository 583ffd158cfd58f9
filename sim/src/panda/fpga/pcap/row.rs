//! [`Row`]: which words are captured, and what they are made of.
use super::{
    View,
    channel::{Channel, Mode},
};
use crate::panda::fpga::{Tick, block::Moved, track::Track};

/// A row has less words than its memory.
pub(in super::super) const MAX_WORDS: usize = 63;
const NOT_GATED: u64 = u64::MAX;

#[derive(Clone, Copy, Debug)]
enum Word {
    Position {
        channel: usize,
        mode: Mode,
    },
    /// Which 32 bits of a timestamp.
    Start(u32),
    End(u32),
    Trigger(u32),
    Samples,
    Bits(u32),
    /// No code of the hardware.
    Unknown,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    words: Vec<Word>,
    channels: Vec<Channel>,
    is_open: bool,
    /// Ticks with the gate open, up to `since`.
    samples: u64,
    since: Tick,
    start: u64,
    has_start: bool,
    end: u64,
    has_end: bool,
}

impl Row {
    pub(super) fn new(words: &[u32]) -> Self {
        let mut row = Self::default();
        for word in words {
            let word = row.word(*word);
            row.words.push(word);
        }
        row
    }

    fn word(&mut self, word: u32) -> Word {
        if word & 0x200 != 0 {
            return match word >> 4 & 15 {
                part @ 0..=1 => Word::Start(part),
                part @ 2..=3 => Word::End(part - 2),
                part @ 4..=5 => Word::Trigger(part - 4),
                6 => Word::Samples,
                quarter @ 7..=10 => Word::Bits(quarter - 7),
                _ => Word::Unknown,
            };
        }
        let Some(mode) = Mode::new(word & 15) else { return Word::Unknown };
        let position = (word >> 4 & 31) as usize;
        let found = self.channels.iter().position(|channel| channel.position == position);
        let channel = found.unwrap_or_else(|| {
            self.channels.push(Channel::new(position));
            self.channels.len() - 1
        });
        self.channels[channel].need(mode);
        Word::Position { channel, mode }
    }

    pub(super) const fn len(&self) -> usize {
        self.words.len()
    }

    /// Armed: nothing has been gathered.
    pub(super) fn start(&mut self, now: Tick) {
        self.is_open = false;
        self.samples = 0;
        self.since = now;
        self.has_start = false;
        self.has_end = false;
        self.channels.iter_mut().for_each(|channel| channel.clear(now));
    }

    /// The gate, before the trigger of the same tick is looked at.
    pub(super) fn gate(&mut self, view: &View<'_>, gate: Moved, trigger: bool, timestamp: u64) {
        let now = view.now;
        if gate.rose {
            self.is_open = true;
            self.since = now;
            for channel in &mut self.channels {
                channel.open(now, &view.tracks[channel.position]);
            }
            if !self.has_start && !trigger {
                self.has_start = true;
                self.start = timestamp;
            }
        }
        if gate.fell {
            self.is_open = false;
            self.samples += now - self.since;
            for channel in &mut self.channels {
                channel.close(now, &view.tracks[channel.position]);
            }
            self.has_end |= !trigger;
            self.end = timestamp;
        } else if trigger && self.is_open {
            self.has_end = false;
            self.end = timestamp;
        } else if trigger {
            if !self.has_end {
                self.end = NOT_GATED;
            }
            self.has_end = false;
        }
    }

    /// What a trigger captures.
    pub(super) fn write(&mut self, view: &View<'_>, timestamp: u64, words: &mut Vec<u32>) {
        let View { now, shift, bits, tracks, .. } = *view;
        if self.is_open {
            self.samples += now - self.since;
            self.since = now;
            for channel in &mut self.channels {
                channel.close(now, &tracks[channel.position]);
            }
        }
        for word in &self.words {
            words.push(match *word {
                Word::Position { channel, mode } => {
                    let channel = &self.channels[channel];
                    channel.word(mode, shift, &tracks[channel.position], now)
                }
                Word::Start(part) => half(self.start, part),
                Word::End(part) => half(self.end, part),
                Word::Trigger(part) => half(timestamp, part),
                Word::Samples => (self.samples >> shift) as u32,
                Word::Bits(quarter) => (bits >> (32 * quarter)) as u32,
                Word::Unknown => 0,
            });
        }
    }

    /// Begins anew at a trigger.
    pub(super) fn reset(&mut self, view: &View<'_>, is_gated: bool, timestamp: u64) {
        let now = view.now;
        self.samples = 0;
        self.since = now;
        self.has_start = is_gated;
        self.start = if is_gated { timestamp } else { NOT_GATED };
        for channel in &mut self.channels {
            channel.clear(now);
            if is_gated {
                channel.open(now, &view.tracks[channel.position]);
            }
        }
    }

    /// The gate fell at the tick after the trigger of a row.
    pub(super) fn patch_end(&self, row: &mut [u32], timestamp: u64) {
        for (word, value) in self.words.iter().zip(row) {
            if let Word::End(part) = word {
                *value = half(timestamp, *part);
            }
        }
    }

    pub(super) fn catch_up(&mut self, now: Tick, tracks: &[Track]) {
        if self.is_open {
            for channel in &mut self.channels {
                channel.add(now, &tracks[channel.position]);
            }
        }
    }
}

const fn half(number: u64, part: u32) -> u32 {
    (number >> (32 * part)) as u32
}

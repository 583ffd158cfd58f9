//! [`Progress`]: how many frames have been triggered, from the counters of a sequencer.
use super::{Output, Outputs, Repeats, Row};
use std::collections::VecDeque;

/// Where a sequencer is in its rows, as its counters tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Number of the row since the first table began, counted from 1; 0 if none has begun.
    pub line: u64,
    /// How often the row has begun, counted from 1.
    pub repeat: u64,
    pub phase: Phase,
}

/// What a sequencer does with its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It waits for the trigger; also where nobody knows what it does.
    Waiting,
    First,
    Second,
}

/// Counts the frames whose trigger has left: those whose live output has risen.
///
/// It remembers the rows that are told of and not yet forgotten, 16 bytes of each.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    rows: VecDeque<Counted>,
    /// Rows that are forgotten.
    forgotten: u64,
    frames: u64,
    /// Outputs at the end of the latest row.
    outputs: Outputs,
    last_repeats: u64,
}

/// What a row adds.
#[derive(Clone, Copy, Debug)]
struct Counted {
    /// Frames triggered before it.
    before: u64,
    /// Frames that its first repeat triggers, up to its first phase and in all.
    first: [u8; 2],
    /// Frames that each other repeat triggers.
    other: [u8; 2],
    /// Whether the live output is high before it, in its first phase and in its second.
    is_live: [bool; 3],
}

/// The counter of rows has so many values: it begins with 0 again after the last.
const LINES: u64 = 1 << 19;

impl Progress {
    /// These rows follow.
    pub fn push(&mut self, rows: &[Row]) {
        for row in rows {
            let (first, other) = (rises(self.outputs, row), rises(row.outputs2, row));
            let is_live = [self.outputs, row.outputs1, row.outputs2].map(is_live);
            self.rows.push_back(Counted { before: self.frames, first, other, is_live });
            self.last_repeats = match row.repeats {
                Repeats::Times(times) => times.get().into(),
                Repeats::Forever => u64::MAX,
            };
            let others = u64::from(other[1]).saturating_mul(self.last_repeats - 1);
            self.frames = (self.frames + u64::from(first[1])).saturating_add(others);
            self.outputs = row.outputs2;
        }
    }

    /// How many rows were pushed.
    pub fn lines(&self) -> u64 {
        self.forgotten + self.rows.len() as u64
    }

    /// How many frames all rows trigger.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Whether the last row is run, or is over, for the last time.
    pub fn is_last(&self, place: Place) -> bool {
        place.line == self.lines() && place.repeat == self.last_repeats
    }

    /// How many frames have been triggered; as many at least if the phase is not known. None if the
    /// row was never pushed, or is forgotten.
    pub fn triggered(&self, place: Place) -> Option<u64> {
        if place.line == 0 {
            return Some(0);
        }
        let row = self.row(place.line)?;
        let of_phase = |[first, both]: [u8; 2]| match place.phase {
            Phase::Waiting => 0,
            Phase::First => u64::from(first),
            Phase::Second => u64::from(both),
        };
        Some(match place.repeat {
            0 | 1 => row.before + of_phase(row.first),
            repeat => {
                let others = u64::from(row.other[1]) * (repeat - 2);
                row.before + u64::from(row.first[1]) + others + of_phase(row.other)
            }
        })
    }

    /// How many frames have been triggered to their end: the live output has risen and fallen. As many
    /// at least if the phase is not known. None if the row was never pushed, or is forgotten.
    pub fn whole(&self, place: Place) -> Option<u64> {
        let triggered = self.triggered(place)?;
        if place.line == 0 {
            return Some(0);
        }
        let [before, first, second] = self.row(place.line)?.is_live;
        let is_live = match place.phase {
            Phase::Waiting if place.repeat <= 1 => before,
            Phase::First => first,
            Phase::Waiting | Phase::Second => second,
        };
        Some(triggered - u64::from(is_live))
    }

    fn row(&self, line: u64) -> Option<&Counted> {
        let index = line.checked_sub(1)?.checked_sub(self.forgotten)?;
        self.rows.get(usize::try_from(index).ok()?)
    }

    /// The first row that is not forgotten.
    pub fn first_line(&self) -> u64 {
        self.forgotten + 1
    }

    /// Forgets the rows before `line`, which are over.
    pub fn forget_before(&mut self, line: u64) {
        while self.forgotten + 1 < line && self.rows.pop_front().is_some() {
            self.forgotten += 1;
        }
    }

    /// The row that a counter shows as `shown`, which was at row `before` less than 2^19 rows ago.
    pub fn line(before: u64, shown: u32) -> u64 {
        let passed = u64::from(shown).wrapping_sub(before) % LINES;
        before + passed
    }
}

/// How often the live output rises in one repeat that begins with `outputs`, up to its first phase
/// and in all.
fn rises(outputs: Outputs, row: &Row) -> [u8; 2] {
    let first = if row.time1_ticks > 0 { row.outputs1 } else { outputs };
    let rises = |from, to| u8::from(!is_live(from) && is_live(to));
    let in_first = rises(outputs, first);
    [in_first, in_first + rises(first, row.outputs2)]
}

fn is_live(outputs: Outputs) -> bool {
    outputs.has(Output::A)
}

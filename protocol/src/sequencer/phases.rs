//! [`Encoder`]: phases of any length and number as rows.
use super::{Outputs, Repeats, Row, Trigger};
use std::{
    collections::VecDeque,
    num::{NonZeroU16, NonZeroU32},
};

/// Most repeats of a row.
pub(super) const MAX_REPEATS: u64 = u16::MAX as u64;

/// A row whose numbers may be too large for the hardware. The times are not both zero, the second
/// is not zero unless the first is longer than a phase of the hardware.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Phases {
    pub(super) repeats: u64,
    pub(super) trigger: Trigger,
    /// Ticks, and what is high for so long.
    pub(super) first: (u64, Outputs),
    pub(super) second: (u64, Outputs),
}

/// Joins equal phases that follow each other, and divides what is too large.
#[derive(Debug, Default)]
pub(super) struct Encoder {
    /// The latest phases, with which more may be joined.
    held: Option<Phases>,
    /// Phases with which nothing more is joined.
    closed: VecDeque<Phases>,
    rows: VecDeque<Row>,
}

impl Encoder {
    pub(super) fn push(&mut self, phases: Phases) {
        if phases.repeats == 0 {
            return;
        }
        match &mut self.held {
            Some(held) if held.is_joined_by(&phases) => held.repeats += phases.repeats,
            Some(_) | None => {
                self.flush();
                self.held = Some(phases);
            }
        }
    }

    /// Nothing more is joined with what was pushed.
    pub(super) fn flush(&mut self) {
        self.closed.extend(self.held.take());
    }

    /// The next row, unless it depends on what is pushed next.
    pub(super) fn pop(&mut self) -> Option<Row> {
        while self.rows.is_empty() {
            if let Some(phases) = self.closed.front_mut() {
                phases.give(&mut self.rows);
                if phases.repeats == 0 {
                    self.closed.pop_front();
                }
            } else {
                let held = self.held.as_mut().filter(|held| held.repeats > MAX_REPEATS)?;
                held.give(&mut self.rows);
            }
        }
        self.rows.pop_front()
    }
}

impl Phases {
    /// Whether it is the same once more: a row waits for its trigger at each repeat.
    fn is_joined_by(&self, next: &Self) -> bool {
        *self == Self { repeats: self.repeats, ..*next }
    }

    /// Gives as many of its repeats as go together, at least one.
    fn give(&mut self, rows: &mut VecDeque<Row>) {
        let time1_ticks = u32::try_from(self.first.0);
        let time2_ticks = u32::try_from(self.second.0).ok().and_then(NonZeroU32::new);
        if let (Ok(time1_ticks), Some(time2_ticks)) = (time1_ticks, time2_ticks) {
            let times = self.repeats.min(MAX_REPEATS);
            self.repeats -= times;
            rows.push_back(Row {
                repeats: repeats(times),
                trigger: self.trigger,
                time1_ticks,
                outputs1: self.first.1,
                time2_ticks,
                outputs2: self.second.1,
            });
        } else {
            self.repeats -= 1;
            let trigger = hold(self.first, self.trigger, rows);
            hold(self.second, trigger, rows);
        }
    }
}

/// Holds outputs for any time below 2^48 ticks, after the trigger. Gives the trigger back if the
/// time is zero.
fn hold((ticks, outputs): (u64, Outputs), trigger: Trigger, rows: &mut VecDeque<Row>) -> Trigger {
    const LONGEST: u64 = 1 << 32;
    let (whole, rest) = (ticks / LONGEST, ticks % LONGEST);
    let parts =
        [(whole.min(1), LONGEST), (whole.saturating_sub(1), LONGEST), (u64::from(rest > 0), rest)];
    let mut trigger = trigger;
    for (times, ticks) in parts.into_iter().filter(|&(times, _)| times > 0) {
        rows.push_back(Row {
            repeats: repeats(times),
            trigger,
            time1_ticks: u32::try_from(ticks / 2).expect("at most 2^31"),
            outputs1: outputs,
            time2_ticks: u32::try_from(ticks.div_ceil(2))
                .ok()
                .and_then(NonZeroU32::new)
                .expect("from 1 to 2^31"),
            outputs2: outputs,
        });
        trigger = Trigger::Immediate;
    }
    trigger
}

fn repeats(times: u64) -> Repeats {
    let times = u16::try_from(times).ok().and_then(NonZeroU16::new);
    Repeats::Times(times.expect("from 1 to 65535"))
}

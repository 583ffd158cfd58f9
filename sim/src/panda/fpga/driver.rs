//! [`Driver`]: what the kernel of a PandA does with the tables that it is given for one block.
use super::Tick;
use std::{collections::VecDeque, sync::Arc};

/// Buffers of each block, and how many words each holds.
const BUFFERS: usize = 8;
const MAX_WORDS: usize = 1 << 20;
/// From an interrupt to the register which the driver writes: 10 µs.
const LATENCY: Tick = 1250;

/// Why a table was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    #[error("{words} words are no rows of {row_words} words")]
    NotRows { words: usize, row_words: usize },
    #[error("{words} words, but a buffer holds {most}")]
    TooLong { words: usize, most: usize },
    #[error("all {most} buffers are in use")]
    NoBuffer { most: usize },
    #[error("the last table was given before")]
    Completed,
}

/// A table, or a part of one.
#[derive(Clone, Debug)]
pub(super) struct Buffer {
    pub words: Arc<[u32]>,
    /// Whether another one follows it.
    pub has_more: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interrupt {
    /// The FPGA has begun to read the buffer it was given last.
    Ready,
    /// It will read no more.
    Completed,
}

#[derive(Default)]
pub(super) struct Driver {
    /// The one in use and the one that follows it: both are known to the FPGA.
    given: VecDeque<Buffer>,
    queue: VecDeque<Buffer>,
    words: usize,
    is_completed: bool,
    interrupts: VecDeque<(Tick, Interrupt)>,
}

impl Driver {
    /// Takes a buffer, and returns it if the FPGA is to have it at once.
    pub(super) fn send(
        &mut self,
        buffer: Buffer,
        row_words: usize,
    ) -> Result<Option<Buffer>, TableError> {
        let words = buffer.words.len();
        if words == 0 || !words.is_multiple_of(row_words) {
            return Err(TableError::NotRows { words, row_words });
        }
        if words > MAX_WORDS {
            return Err(TableError::TooLong { words, most: MAX_WORDS });
        }
        if self.given.len() + self.queue.len() == BUFFERS {
            return Err(TableError::NoBuffer { most: BUFFERS });
        }
        if self.is_completed {
            return Err(TableError::Completed);
        }
        self.words += words;
        self.is_completed = !buffer.has_more;
        self.queue.push_back(buffer);
        Ok(self.give())
    }

    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }

    /// How many words it holds, those in use among them.
    pub(super) const fn words(&self) -> usize {
        self.words
    }

    pub(super) fn interrupt(&mut self, now: Tick, interrupt: Interrupt) {
        self.interrupts.push_back((now + LATENCY, interrupt));
    }

    pub(super) fn next_interrupt(&self) -> Option<Tick> {
        self.interrupts.front().map(|(tick, _)| *tick)
    }

    /// Serves what is due, and returns the buffer which the FPGA is to have.
    pub(super) fn serve(&mut self, now: Tick) -> Option<Buffer> {
        self.next_interrupt().filter(|tick| *tick <= now)?;
        let (_, interrupt) = self.interrupts.pop_front()?;
        match interrupt {
            Interrupt::Completed => {
                let interrupts = std::mem::take(&mut self.interrupts);
                *self = Self { is_completed: true, interrupts, ..Self::default() };
                None
            }
            Interrupt::Ready => {
                if self.given.len() == 2 {
                    let released = self.given.pop_front();
                    self.words -= released.map_or(0, |buffer| buffer.words.len());
                }
                self.give()
            }
        }
    }

    fn give(&mut self) -> Option<Buffer> {
        if self.given.len() == 2 {
            return None;
        }
        let buffer = self.queue.pop_front()?;
        self.given.push_back(buffer.clone());
        Some(buffer)
    }
}

//! [`Table`]: how the rows of SEQ and PGEN come from the memory of the processor into the FPGA.
//!
//! The FPGA reads the buffer it was given in bursts, a word a tick, into a ring of 4096 rows. A table
//! that fits the ring stays there; one that does not is read again and again.
use super::{
    Tick,
    block::NEVER,
    driver::{Buffer, Driver, Interrupt, TableError},
};
use std::{collections::VecDeque, sync::Arc};

/// How many words a burst has at most.
const BURST: u64 = 256;
/// From the tick at which a burst is asked for to its first word.
const LATENCY: Tick = 3;
/// From the start of a transfer to the tick at which its first burst is asked for.
const SETUP: Tick = 2;
const RING: u64 = 4096;

/// What the FPGA does about the lengths which are written to it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Manager {
    #[default]
    Idle,
    OneBuffer,
    Streaming,
    StreamingWait,
    Done,
}

/// What the first length said about the table.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Form {
    #[default]
    None,
    Fixed,
    Streamed,
}

/// Words on their way: one a tick, from `first` on.
#[derive(Clone, Copy, Debug)]
struct Burst {
    first: Tick,
    words: u64,
}

impl Burst {
    const fn last(self) -> Tick {
        self.first + self.words - 1
    }
}

/// The rows of one transfer, counted from the last reset of the ring.
struct Stretch {
    first: u64,
    rows: u64,
    words: Arc<[u32]>,
    is_last: bool,
}

/// A row, and whether it is the last of a streamed table.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Row {
    pub words: [u32; 4],
    pub is_last: bool,
}

#[derive(Default)]
pub(super) struct Table {
    row_words: usize,
    driver: Driver,
    manager: Manager,
    form: Form,
    /// The words of the buffer that was given last.
    length: usize,
    /// Given, but not begun with.
    given: Option<Buffer>,
    /// What is read, or will be again.
    buffer: Option<Buffer>,
    /// When a transfer starts, if the FPGA is about to.
    start: Option<Tick>,
    /// When a burst may be asked for, if the buffer is not yet read.
    request: Option<Tick>,
    /// The latest one, over or not.
    burst: Option<Burst>,
    is_bursting: bool,
    left_words: u64,
    /// Words in the ring and on their way to it, and rows that were taken from it.
    asked_words: u64,
    taken_rows: u64,
    taken_at: Tick,
    stretches: VecDeque<Stretch>,
    /// The ring is held empty from the tick after the first one until the second one.
    reset: Option<[Tick; 2]>,
    was_valid: bool,
    is_busy_until: Tick,
    overflow: Option<Tick>,
    has_told_completed: bool,
}

impl Table {
    pub(super) fn new(row_words: usize) -> Self {
        Self { row_words, ..Self::default() }
    }

    /// The processor empties the table.
    pub(super) fn clear(&mut self, now: Tick) {
        self.driver.reset();
        self.write_nothing(now);
    }

    /// The processor gives a table or a part of it.
    pub(super) fn send(&mut self, now: Tick, buffer: Buffer) -> Result<(), TableError> {
        if let Some(buffer) = self.driver.send(buffer, self.row_words)? {
            self.write(now, buffer);
        }
        Ok(())
    }

    pub(super) const fn queued_words(&self) -> usize {
        self.driver.words()
    }

    /// The length register is written with zero.
    pub(super) fn write_nothing(&mut self, now: Tick) {
        self.advance(now);
        self.empty(now);
        self.manager = Manager::Idle;
        self.form = Form::None;
        self.length = 0;
        self.given = None;
        self.buffer = None;
        self.start = None;
        self.has_told_completed = false;
    }

    /// The length register is written with that of a buffer.
    pub(super) fn write(&mut self, now: Tick, buffer: Buffer) {
        self.advance(now);
        self.length = buffer.words.len();
        match self.manager {
            Manager::Idle => {
                (self.form, self.manager) = if buffer.has_more {
                    (Form::Streamed, Manager::Streaming)
                } else {
                    (Form::Fixed, Manager::OneBuffer)
                };
            }
            Manager::StreamingWait => self.manager = Manager::Streaming,
            Manager::OneBuffer | Manager::Streaming | Manager::Done => {
                self.manager = Manager::Done;
                self.overflow = Some(now + 1);
                self.start = None;
                return;
            }
        }
        self.given = Some(buffer);
        if !self.is_reading() {
            self.start = Some((now + 1).max(self.is_busy_until + 1));
        }
    }

    /// Whether a length was written at the tick before although none was asked for.
    pub(super) fn has_overflowed(&self, now: Tick) -> bool {
        self.overflow == Some(now)
    }

    const fn is_reading(&self) -> bool {
        self.request.is_some() || self.is_bursting
    }

    /// How many rows the table has.
    pub(super) const fn rows(&self) -> u64 {
        (self.length / self.row_words) as u64
    }

    /// Whether it fits the ring, so that it is read once and stays.
    pub(super) const fn is_wrapping(&self) -> bool {
        self.is_fixed() && self.rows() < RING
    }

    pub(super) const fn is_fixed(&self) -> bool {
        matches!(self.form, Form::Fixed)
    }

    pub(super) const fn is_streaming(&self) -> bool {
        matches!(self.form, Form::Streamed)
    }

    /// Brings all up to the tick before `now`.
    pub(super) fn advance(&mut self, now: Tick) {
        loop {
            if let Some(start) = self.start.filter(|start| *start < now) {
                self.start = None;
                self.begin(start);
            } else if let Some(burst) = self.bursting().filter(|burst| burst.last() < now) {
                self.is_bursting = false;
                if self.left_words > 0 {
                    self.request = Some(burst.last() + 1);
                } else {
                    self.finish(burst.last());
                }
            } else if let Some(request) = self.next_request().filter(|request| *request < now) {
                self.ask(request);
            } else if let Some(due) = self.driver.next_interrupt().filter(|due| *due < now) {
                if let Some(buffer) = self.driver.serve(due) {
                    self.write(due, buffer);
                }
            } else {
                return;
            }
        }
    }

    fn bursting(&self) -> Option<Burst> {
        self.burst.filter(|_| self.is_bursting)
    }

    /// A transfer starts.
    fn begin(&mut self, start: Tick) {
        if let Some(given) = self.given.take() {
            self.buffer = Some(given);
        }
        let Some(buffer) = &self.buffer else { return };
        let words = buffer.words.len() as u64;
        let is_last = self.manager == Manager::Streaming && !buffer.has_more;
        self.stretches.push_back(Stretch {
            first: self.asked_words / self.row_words as u64,
            rows: words / self.row_words as u64,
            words: buffer.words.clone(),
            is_last,
        });
        self.left_words = words;
        self.request = Some(start + SETUP);
        self.manager = match self.manager {
            Manager::OneBuffer if self.is_wrapping() => Manager::Done,
            Manager::Streaming if is_last => Manager::Done,
            Manager::Streaming => {
                self.driver.interrupt(start, Interrupt::Ready);
                Manager::StreamingWait
            }
            Manager::OneBuffer => Manager::OneBuffer,
            Manager::Idle | Manager::StreamingWait | Manager::Done => return,
        };
    }

    /// When the next burst will be asked for, if there is room for it.
    fn next_request(&self) -> Option<Tick> {
        let request = self.request?.max(self.taken_at + 1);
        let held = self.asked_words / self.row_words as u64;
        let held = if self.is_wrapping() { held } else { held - self.taken_rows };
        let room = (RING - 1).saturating_sub(held) * self.row_words as u64;
        (room >= self.left_words.min(BURST)).then_some(request)
    }

    fn ask(&mut self, request: Tick) {
        let words = self.left_words.min(BURST);
        self.request = None;
        self.left_words -= words;
        self.asked_words += words;
        self.burst = Some(Burst { first: request + LATENCY, words });
        self.is_bursting = true;
    }

    /// The buffer has been read.
    fn finish(&mut self, at: Tick) {
        match self.manager {
            Manager::OneBuffer | Manager::Streaming => self.start = Some(at + 1),
            Manager::Done => self.tell_completed(at + 1),
            Manager::Idle | Manager::StreamingWait => {}
        }
    }

    fn tell_completed(&mut self, at: Tick) {
        if !self.has_told_completed {
            self.has_told_completed = true;
            self.driver.interrupt(at, Interrupt::Completed);
        }
    }

    /// The block gives up what is in the ring, because of an error or because it was disabled.
    pub(super) fn abort(&mut self, now: Tick) {
        self.empty(now);
        let end = self.is_busy_until.max(now + 1) + 1;
        self.reset = Some([now + 1, end]);
        self.start = None;
        if self.manager == Manager::OneBuffer {
            self.start = Some(end);
        } else {
            self.manager = Manager::Done;
            self.tell_completed(end);
        }
    }

    /// A table that stays begins again.
    pub(super) fn rewind(&mut self) {
        self.taken_rows = 0;
    }

    /// A burst cannot be called back, so a new one has to wait for its end.
    fn empty(&mut self, now: Tick) {
        self.was_valid = self.is_valid(now + 1);
        if let Some(burst) = self.bursting() {
            self.is_busy_until = burst.last() + u64::from(self.left_words > 0);
        } else if let Some(request) = self.request {
            self.is_busy_until = request.max(now + 1);
        }
        self.request = None;
        self.burst = None;
        self.is_bursting = false;
        self.left_words = 0;
        self.asked_words = 0;
        self.taken_rows = 0;
        self.stretches.clear();
        self.reset = Some([now + 1, self.is_busy_until.max(now) + 1]);
    }

    /// Whether the ring is being emptied at this tick.
    pub(super) fn is_resetting(&self, now: Tick) -> bool {
        self.reset.is_some_and(|[from, to]| (from..=to).contains(&now))
    }

    /// Whether there is a row, as the block sees it at this tick.
    pub(super) fn is_valid(&self, now: Tick) -> bool {
        if self.reset.is_some_and(|[from, _]| now <= from) {
            return self.was_valid;
        }
        now > 0 && !self.is_resetting(now - 1) && self.valid_at() <= now
    }

    /// From which tick on there is a row.
    fn valid_at(&self) -> Tick {
        let taken = if self.is_wrapping() { 0 } else { self.taken_rows };
        let needed = (taken + 1) * self.row_words as u64;
        match self.burst {
            _ if self.asked_words < needed => NEVER,
            Some(burst) => {
                let before = self.asked_words - burst.words;
                let missing = needed.saturating_sub(before);
                if missing == 0 { 0 } else { burst.first + missing + 1 }
            }
            None => 0,
        }
    }

    /// The row that stands next.
    pub(super) fn row(&self) -> Row {
        let at = |stretch: &&Stretch| self.taken_rows < stretch.first + stretch.rows;
        let Some(stretch) = self.stretches.iter().find(at) else { return Row::default() };
        let index = self.taken_rows - stretch.first;
        let begin = index as usize * self.row_words;
        let mut words = [0; 4];
        words[..self.row_words].copy_from_slice(&stretch.words[begin..begin + self.row_words]);
        Row { words, is_last: stretch.is_last && index + 1 == stretch.rows }
    }

    /// Takes that row.
    pub(super) fn take(&mut self, now: Tick) {
        self.taken_rows += 1;
        self.taken_at = now;
        if self.is_wrapping() {
            if self.taken_rows * self.row_words as u64 >= self.written_words(now) {
                self.taken_rows = 0;
            }
            return;
        }
        let taken = self.taken_rows;
        if self.stretches.front().is_some_and(|stretch| stretch.first + stretch.rows <= taken) {
            self.stretches.pop_front();
        }
    }

    fn written_words(&self, now: Tick) -> u64 {
        let coming = self.burst.map_or(0, |burst| {
            burst.words - (now + 1).saturating_sub(burst.first).min(burst.words)
        });
        self.asked_words - coming
    }

    /// When something happens here that the block has to see.
    pub(super) fn wake(&self, now: Tick) -> Tick {
        let valid = Some(self.valid_at()).filter(|at| *at > now);
        let after = |tick: Option<Tick>| tick.map(|tick| tick + 1);
        let reset = self.reset.map(|[_, to]| to + 1);
        let events = [
            valid,
            after(self.start),
            after(self.bursting().map(Burst::last)),
            after(self.next_request()),
            after(self.driver.next_interrupt()),
            self.overflow,
            reset,
            reset.map(|tick| tick + 1),
            self.reset.map(|[from, _]| from + 1),
        ];
        events.into_iter().flatten().filter(|tick| *tick > now).min().unwrap_or(NEVER)
    }
}

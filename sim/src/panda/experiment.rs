//! [`Experiment`]: one capture from its arming to its end, and what readers can still get of it.
use super::{fpga::EndReason, layout::Layout};
use std::{collections::VecDeque, rc::Rc, time::Duration};

/// Whole rows as the driver hands them over at once.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) bytes: Vec<u8>,
    pub(super) num_rows: u64,
}

/// What happened since an arming.
#[derive(Debug)]
pub(super) struct Experiment {
    pub(super) layout: Rc<Layout>,
    pub(super) armed_at: Duration,
    armed_tick: u64,
    started: Option<u64>,
    pub(super) end: Option<EndReason>,
    ring: VecDeque<Rc<Block>>,
    /// How many blocks left the ring, and the rows in them.
    num_gone: u64,
    rows_gone: u64,
    num_rows: u64,
    /// Words of rows that the driver has not handed over yet.
    open: Vec<u32>,
}

/// Blocks that readers may be behind.
const RING_BLOCKS: usize = 128;
const BLOCK_BYTES: usize = 2 << 20;

impl Experiment {
    pub(super) fn new(layout: Rc<Layout>, armed_at: Duration, armed_tick: u64) -> Self {
        Self {
            layout,
            armed_at,
            armed_tick,
            started: None,
            end: None,
            ring: VecDeque::new(),
            num_gone: 0,
            rows_gone: 0,
            num_rows: 0,
            open: Vec::new(),
        }
    }

    pub(super) fn start(&mut self, tick: u64) {
        self.started = Some(tick);
    }

    pub(super) fn has_started(&self) -> bool {
        self.started.is_some()
    }

    /// From where looks at the driver are counted.
    pub(super) fn grid_zero(&self) -> u64 {
        self.started.unwrap_or(self.armed_tick)
    }

    /// Rows that were handed over.
    pub(super) fn num_rows(&self) -> u64 {
        self.num_rows
    }

    /// Takes words of rows.
    pub(super) fn take(&mut self, words: &[u32]) {
        self.open.extend_from_slice(words);
    }

    /// Hands over what fills whole blocks.
    pub(super) fn hand_over_blocks(&mut self) {
        let row_words = self.row_words();
        let block_words = BLOCK_BYTES / (4 * row_words) * row_words;
        while self.open.len() >= block_words {
            self.hand_over(block_words);
        }
    }

    /// Hands over all whole rows; what is left of one that was cut by the end is thrown away.
    pub(super) fn flush(&mut self) {
        self.open.truncate(self.open.len() / self.row_words() * self.row_words());
        if !self.open.is_empty() {
            self.hand_over(self.open.len());
        }
    }

    fn row_words(&self) -> usize {
        self.layout.selection().len().max(1)
    }

    fn hand_over(&mut self, num_words: usize) {
        let words = self.open.drain(..num_words);
        let bytes: Vec<u8> = words.flat_map(u32::to_le_bytes).collect();
        let num_rows = (num_words / self.row_words()) as u64;
        self.num_rows += num_rows;
        self.ring.push_back(Rc::new(Block { bytes, num_rows }));
        if self.ring.len() > RING_BLOCKS
            && let Some(block) = self.ring.pop_front()
        {
            self.num_gone += 1;
            self.rows_gone += block.num_rows;
        }
    }

    /// The number of the oldest block that can still be had, and the rows that were before it.
    pub(super) fn oldest(&self) -> (u64, u64) {
        (self.num_gone, self.rows_gone)
    }

    /// Block number `number`, counted from the arming.
    pub(super) fn block(&self, number: u64) -> Lookup {
        let Some(i) = number.checked_sub(self.num_gone) else { return Lookup::Gone };
        match usize::try_from(i).ok().and_then(|i| self.ring.get(i)) {
            Some(block) => Lookup::There(block.clone()),
            None => Lookup::NotYet,
        }
    }
}

/// Where a block is.
#[derive(Debug)]
pub(super) enum Lookup {
    There(Rc<Block>),
    NotYet,
    /// The reader came too late for it.
    Gone,
}

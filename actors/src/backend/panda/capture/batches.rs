//! [`Batches`]: rows become columns, a chunk of the file at a time.
use super::layout::{CHUNK_ROWS, FileLayout};
use crate::storage::{ColumnData, Element, Rows};
use std::collections::VecDeque;

/// Rows that are made columns at a time: few enough to stay close to the processor.
const BLOCK_ROWS: usize = 512;

/// Rows on their way to the file, in batches that end where a chunk ends. They leave once they are
/// known to be sound, and their buffers come back.
#[derive(Debug, Default)]
pub(super) struct Batches {
    /// The last one is being filled, unless it ends where a chunk does.
    queue: VecDeque<Batch>,
    /// Index of the next row.
    next: u64,
    /// Rows before this are sound.
    sound: u64,
    /// Whether what is there is to leave as soon as it is sound.
    is_release_due: bool,
    spare: Vec<Rows>,
}

#[derive(Debug)]
struct Batch {
    rows: Rows,
    len: usize,
    /// Rows up to the end of the chunk.
    room: usize,
}

impl Batch {
    const fn end(&self) -> u64 {
        self.rows.first_index + self.len as u64
    }

    /// Its columns as long as there are rows.
    fn finish(mut self) -> Rows {
        for column in &mut self.rows.columns {
            match column {
                ColumnData::F64(values) => values.truncate(self.len),
                ColumnData::U32(values) => values.truncate(self.len),
                _ => unreachable!("columns are doubles or bits"),
            }
        }
        self.rows
    }
}

impl Batches {
    /// Whether all rows have left.
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(super) const fn next(&self) -> u64 {
        self.next
    }

    /// Rows that are not yet known to be sound.
    pub(super) const fn num_doubtful(&self) -> u64 {
        self.next - self.sound
    }

    /// The next row goes to `first`. Nothing may be left of what came before.
    pub(super) fn begin(&mut self, first: u64) {
        debug_assert!(self.queue.is_empty(), "all rows of an arm leave before the next");
        self.next = first;
        self.sound = first;
    }

    /// All rows so far are sound.
    pub(super) fn trust(&mut self) {
        self.sound = self.next;
        if std::mem::take(&mut self.is_release_due)
            && let Some(last) = self.queue.back_mut()
        {
            last.room = last.len;
        }
    }

    /// Lets rows leave that do not fill a chunk, as soon as they are sound.
    pub(super) fn release(&mut self) {
        self.is_release_due = true;
        if self.num_doubtful() == 0 {
            self.trust();
        }
    }

    /// Lets go of the rows that are not known to be sound.
    pub(super) fn discard(&mut self) {
        while let Some(last) = self.queue.back_mut() {
            if last.end() <= self.sound {
                break;
            }
            last.len = self.sound.saturating_sub(last.rows.first_index) as usize;
            if last.len > 0 {
                break;
            }
            let emptied = self.queue.pop_back().map(|batch| batch.rows);
            self.spare.extend(emptied);
        }
        self.next = self.sound;
    }

    /// Makes columns of whole rows.
    pub(super) fn push(&mut self, layout: &FileLayout, rows: &[u8]) {
        let row_bytes = layout.row_bytes();
        let mut left = rows;
        while !left.is_empty() {
            let batch = self.filling(layout);
            let num_rows = (left.len() / row_bytes).min(batch.room - batch.len);
            let (now, later) = left.split_at(num_rows * row_bytes);
            fill(batch, layout, now);
            self.next += num_rows as u64;
            left = later;
        }
    }

    /// The batch that has room for the next row.
    fn filling(&mut self, layout: &FileLayout) -> &mut Batch {
        if self.queue.back().is_none_or(|last| last.len == last.room) {
            let room = CHUNK_ROWS - (self.next % CHUNK_ROWS as u64) as usize;
            let mut rows = self.spare.pop().unwrap_or_else(|| empty(layout));
            rows.first_index = self.next;
            rows.columns.iter_mut().for_each(|column| resize(column, room));
            self.queue.push_back(Batch { rows, len: 0, room });
        }
        self.queue.back_mut().expect("there is one now")
    }

    /// The first batch that is full and sound.
    pub(super) fn take_full(&mut self) -> Option<Rows> {
        let sound = self.sound;
        let is_ready = |batch: &&Batch| batch.len == batch.room && batch.end() <= sound;
        self.queue.front().filter(is_ready)?;
        self.queue.pop_front().map(Batch::finish)
    }

    /// Takes a buffer back.
    pub(super) fn recycle(&mut self, rows: Rows) {
        self.spare.push(rows);
    }

    /// Whether a buffer is wanted back.
    pub(super) const fn wants_spare(&self) -> bool {
        self.spare.len() < MAX_SPARE
    }
}

/// More buffers than the longest frame fills at once are of no use.
const MAX_SPARE: usize = 8;

fn empty(layout: &FileLayout) -> Rows {
    let column = |element| match element {
        Element::U32 => ColumnData::U32(Vec::with_capacity(CHUNK_ROWS)),
        _ => ColumnData::F64(Vec::with_capacity(CHUNK_ROWS)),
    };
    Rows { first_index: 0, columns: layout.elements().into_iter().map(column).collect() }
}

/// Nothing is written to a buffer that had this length before.
fn resize(column: &mut ColumnData, len: usize) {
    match column {
        ColumnData::F64(values) => values.resize(len, 0.0),
        ColumnData::U32(values) => values.resize(len, 0),
        _ => unreachable!("columns are doubles or bits"),
    }
}

fn fill(batch: &mut Batch, layout: &FileLayout, rows: &[u8]) {
    let row_bytes = layout.row_bytes();
    for block in rows.chunks(BLOCK_ROWS * row_bytes) {
        let range = batch.len..batch.len + block.len() / row_bytes;
        for (column, data) in layout.columns().iter().zip(&mut batch.rows.columns) {
            match (column.bits(), data) {
                (Some(bits), ColumnData::U32(values)) => {
                    bits.fill(block, &mut values[range.clone()]);
                }
                (None, ColumnData::F64(values)) => column.fill(block, &mut values[range.clone()]),
                _ => unreachable!("the buffers were made for these columns"),
            }
        }
        batch.len = range.end;
    }
}

//! [`Producer`]: a thread of its own that makes rows, and may wait for the writer.
use super::{client::StreamHandle, disk::Result, error::StorageError, plan::Rows, writer::Spent};
use crossbeam_channel::Receiver;
use std::time::Duration;

/// Buffers that may be under way and come back; more of them are let go.
const MAX_SPARE: usize = 256;

/// Hands the rows of a stream to the writer, waits while the queue is full, and gets its buffers
/// back, so that nothing is allocated while rows come at a steady rate. Not for the thread of an
/// actor.
pub struct Producer {
    stream: StreamHandle,
    spent: Spent,
    spare: Receiver<Rows>,
}

/// Rows that were not taken, and why.
#[derive(Debug)]
pub struct Refused {
    pub rows: Rows,
    pub error: StorageError,
}

impl Producer {
    pub fn new(stream: StreamHandle) -> Self {
        let (spent, spare) = crossbeam_channel::bounded(MAX_SPARE);
        Self { stream, spent, spare }
    }

    pub const fn stream(&self) -> &StreamHandle {
        &self.stream
    }

    /// Rows that were appended and have been written, for their room: what they hold is of no use.
    pub fn spare(&self) -> Option<Rows> {
        self.spare.try_recv().ok()
    }

    /// [Appends](StreamHandle::append) rows, and waits up to `patience` for room in the queue. Fails
    /// with [`StorageError::Backpressure`] if there was none in that time.
    pub fn append(&self, rows: Rows, patience: Duration) -> Result<(), Refused> {
        self.stream.append_patiently(rows, patience, &self.spent)
    }
}

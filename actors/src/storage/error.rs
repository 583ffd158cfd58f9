//! What can go wrong between a producer of rows and the disk.
use super::disk::DiskError;
use std::path::PathBuf;

/// Why rows are not, or will not be, on disk.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StorageError {
    /// The disk or the HDF5 library failed. The stream writes no more; what was committed stays.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The disk is nearly full. The stream writes no more; all it had is on disk.
    #[error("{}: {free_bytes} bytes are free, the limit is {limit_bytes}", path.display())]
    DiskFull { path: PathBuf, free_bytes: u64, limit_bytes: u64 },
    /// The writer is too slow for this stream.
    #[error("{}: the queue to the writer is full ({bound})", path.display())]
    Backpressure { path: PathBuf, bound: Bound },
    /// No file can be made of this plan.
    #[error("{}: {reason}", path.display())]
    Unusable { path: PathBuf, reason: String },
    /// The rows do not fit the plan of the stream. Nothing was written.
    #[error("{}: rows do not fit the stream: {reason}", path.display())]
    Mismatch { path: PathBuf, reason: String },
    /// The stream has been closed.
    #[error("{}: the stream is closed", path.display())]
    Closed { path: PathBuf },
    /// A bug stopped the writer in the middle of its work. What was committed stays.
    #[error("the writer panicked: {message}")]
    Panicked { message: String },
    /// The storage has been shut down.
    #[error("the storage has been shut down")]
    Down,
}

/// Which bound of the queue was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Bound {
    #[error("{0} commands")]
    Commands(usize),
    #[error("{0} bytes")]
    Bytes(u64),
}

//! The seam between the writer and whatever keeps the rows: HDF5 files, memory, a failing disk.
use super::{
    error::StorageError,
    journal::Entry,
    nexus::{MasterEnd, MasterPlan},
    plan::{Rows, StreamPlan},
};
use std::{
    fmt,
    path::{Path, PathBuf},
};

/// Where stream files and `NeXus` masters are kept. Used from one thread only.
pub trait Disk: Send {
    /// Makes the directory, of which so many of the last parts may be missing; fails if more are.
    fn make_directory(&mut self, directory: &Path, new_parts: u32) -> Result<(), DiskError>;

    /// A new file with all its groups, datasets and attributes, ready to be followed by readers.
    /// Fails with [`Cause::Exists`] if there is one of that name, which is left as it is.
    fn create(&mut self, plan: &StreamPlan) -> Result<Box<dyn StreamFile>, DiskError>;

    /// How many bytes may still be written to the file system of `path`.
    fn free_bytes(&mut self, path: &Path) -> Result<u64, DiskError>;

    /// Writes a `NeXus` master complete and closes it.
    fn create_master(&mut self, plan: MasterPlan) -> Result<(), DiskError>;

    /// Adds to a master what is known only at the end of its run.
    fn finish_master(&mut self, path: &Path, end: &MasterEnd) -> Result<(), DiskError>;
}

/// A stream file that is being written.
///
/// **Invariant:** a file that is dropped without [`close`](Self::close) is left as it stands on
/// disk: after a failed call it must not be closed and so be called good.
pub trait StreamFile: Send {
    /// Writes rows, which fit the plan, at their index; extends the file as needed.
    fn write(&mut self, rows: &Rows) -> Result<(), DiskError>;

    /// Adds `entry`, which fits the plan, to the journal.
    fn record(&mut self, entry: &Entry) -> Result<(), DiskError>;

    /// Resolves once everything written is visible to readers and survives the process.
    fn flush(&mut self) -> Result<(), DiskError>;

    /// Tells readers that rows `0..rows` are complete, at once and durably.
    fn commit(&mut self, rows: u64) -> Result<(), DiskError>;

    /// Closes the file for good; its size in bytes.
    fn close(self: Box<Self>) -> Result<u64, DiskError>;
}

/// Something the disk was asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DiskCall {
    MakeDirectory,
    Create,
    Write,
    Record,
    Flush,
    Commit,
    Close,
    FreeBytes,
    CreateMaster,
    FinishMaster,
}

/// The disk did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot {call} {}: {cause}", path.display())]
pub struct DiskError {
    pub path: PathBuf,
    pub call: DiskCall,
    pub cause: Cause,
}

/// Why the disk did not do it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    #[error("there is a file of that name")]
    Exists,
    /// Another process holds the lock beside the file.
    #[error("another process is writing it")]
    Locked,
    #[error("{0}")]
    Other(String),
}

impl DiskCall {
    /// The error of this call on `path`.
    pub fn failed(self, path: &Path, cause: Cause) -> DiskError {
        DiskError { path: path.to_owned(), call: self, cause }
    }
}

impl fmt::Display for DiskCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MakeDirectory => "make the directory",
            Self::Create => "create",
            Self::Write => "write",
            Self::Record => "write the journal of",
            Self::Flush => "flush",
            Self::Commit => "commit rows of",
            Self::Close => "close",
            Self::FreeBytes => "find the free space of",
            Self::CreateMaster => "create the master",
            Self::FinishMaster => "finish the master",
        })
    }
}

/// Result of what the storage does.
pub type Result<T, E = StorageError> = std::result::Result<T, E>;

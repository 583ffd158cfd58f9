//! Rows to disk: one writer owns the HDF5 library and is fed by a bounded queue.
//!
//! Whoever produces rows [creates](StorageClient::create) a stream and
//! [appends](StreamHandle::append) to it. A frame has an index in its run and is written at that
//! index; a [rewind](StreamHandle::rewind) overwrites. The [`Storage`] actor flushes at a period,
//! and [`StreamState::committed`] then says how many rows, without a hole from row 0, are on disk.
//! Nothing may be announced before it is.
//!
//! **Invariant:** no other thread calls HDF5, and the writer has no clock.
mod actor;
mod client;
mod config;
mod disk;
mod error;
mod extent;
mod faulty;
mod h5raw;
mod hdf5_disk;
mod journal;
mod lag;
mod layout;
mod lock;
mod memory;
mod nexus;
mod nexus_file;
mod plan;
mod producer;
mod transport;
mod watchdog;
mod writer;

pub use actor::{GetReport, Storage};
pub use client::{StorageClient, StorageReport, StreamHandle};
pub use config::StorageConfig;
pub use disk::{Cause, Disk, DiskCall, DiskError, Result, StreamFile};
pub use error::{Bound, StorageError};
pub use faulty::{DiskFault, DiskFaults, FaultAfter, FaultEffect, FaultyDisk};
pub use hdf5_disk::Hdf5Disk;
pub use journal::{Cell, Entry, JournalPlan, Kind};
pub use lag::Lag;
pub use memory::{MemoryDisk, MemoryFile, MemoryMaster};
pub use nexus::{AxisPlan, ColumnsLink, DetectorLink, MasterEnd, MasterPlan, Setpoints};
pub use plan::{Attribute, ColumnData, ColumnPlan, Element, Rows, StreamPlan};
pub use producer::{Producer, Refused};
pub use writer::{FileSummary, StreamState};

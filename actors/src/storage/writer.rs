//! The one writer: carries out commands in order and keeps the books of every stream.
//!
//! **Invariant:** it has no clock. Flushes come as commands, so that in a simulation what is on
//! disk when depends on nothing but the order of commands.
use super::{
    client::Reserved,
    disk::{Disk, DiskError, Result, StreamFile},
    error::StorageError,
    extent::Written,
    journal::Entry,
    lag::Ticket,
    nexus::{MasterEnd, MasterPlan},
    plan::{Rows, StreamPlan},
};
use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::Arc,
};
use tokio::sync::oneshot;

/// Which stream of this process, never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct StreamId(pub(super) u64);

/// How far a stream has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamState {
    /// Rows `0..written` have been handed to the HDF5 library, as of the last flush.
    pub written: u64,
    /// Rows `0..committed` are on disk and visible to readers. Only a rewind lowers it.
    pub committed: u64,
    /// Why the stream writes no more. Never taken back.
    pub error: Option<StorageError>,
}

/// What a stream file holds when it has been closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSummary {
    pub path: PathBuf,
    /// Rows `0..committed` are complete.
    pub committed: u64,
    /// One more than the highest index written: larger than `committed` if frames were lost, or
    /// rewound and not taken again.
    pub extent: u64,
    /// Size of the file.
    pub bytes: u64,
}

/// Where rows go when they have been written, for their room.
pub(super) type Spent = crossbeam_channel::Sender<Rows>;

pub(super) type Reply<T> = oneshot::Sender<T>;

pub(super) enum Command {
    MakeDirectory {
        directory: PathBuf,
        new_parts: u32,
        reply: Reply<Result<()>>,
    },
    Create {
        stream: StreamId,
        plan: Arc<StreamPlan>,
        reply: Reply<Result<()>>,
    },
    Append {
        stream: StreamId,
        rows: Rows,
        num_rows: u64,
        reserved: Reserved,
        ticket: Ticket,
        spent: Option<Spent>,
    },
    Record {
        stream: StreamId,
        entry: Entry,
    },
    Rewind {
        stream: StreamId,
        rows: u64,
        epoch: u64,
    },
    Flush {
        reply: Reply<Vec<StreamReport>>,
    },
    Close {
        stream: StreamId,
        reply: Reply<Result<FileSummary>>,
    },
    Room {
        beside: PathBuf,
        reply: Reply<Result<u64>>,
    },
    CreateMaster {
        plan: MasterPlan,
        reply: Reply<Result<()>>,
    },
    FinishMaster {
        path: PathBuf,
        end: MasterEnd,
        reply: Reply<Result<()>>,
    },
    Shutdown {
        reply: Reply<Vec<(StreamId, Result<FileSummary>)>>,
    },
}

/// State of one stream after a flush.
pub(super) struct StreamReport {
    pub(super) stream: StreamId,
    /// How many rewinds the writer had seen.
    pub(super) epoch: u64,
    pub(super) state: StreamState,
}

/// Whether to carry out another command.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    GoOn,
    End,
}

pub(super) struct Writer {
    disk: Box<dyn Disk>,
    min_free_bytes: u64,
    streams: BTreeMap<StreamId, Stream>,
}

struct Stream {
    plan: Arc<StreamPlan>,
    health: Health,
    written: Written,
    extent: u64,
    committed: u64,
    epoch: u64,
    /// Whether anything has happened since the last flush.
    is_dirty: bool,
}

enum Health {
    Writing(Box<dyn StreamFile>),
    /// Writes no more, but the file is sound.
    Stopped(Box<dyn StreamFile>, StorageError),
    /// A call failed halfway: the file must not be touched again.
    Failed(StorageError),
}

impl Writer {
    pub(super) fn new(disk: Box<dyn Disk>, min_free_bytes: u64) -> Self {
        Self { disk, min_free_bytes, streams: BTreeMap::new() }
    }

    /// Carries out `command`. A panic costs the open streams, not the writer.
    pub(super) fn run(&mut self, command: Command) -> Next {
        let after_panic = match command {
            Command::Shutdown { .. } => Next::End,
            _ => Next::GoOn,
        };
        let outcome = catch_unwind(AssertUnwindSafe(|| self.execute(command)));
        outcome.unwrap_or_else(|panic| {
            let error = StorageError::Panicked { message: panic_message(panic.as_ref()) };
            tracing::error!(%error, streams = self.streams.len(), "streams lost");
            for stream in self.streams.values_mut() {
                stream.fail(error.clone());
            }
            after_panic
        })
    }

    fn execute(&mut self, command: Command) -> Next {
        match command {
            Command::MakeDirectory { directory, new_parts, reply } => {
                let made = self.disk.make_directory(&directory, new_parts);
                answer(reply, made.map_err(StorageError::from));
            }
            Command::Create { stream, plan, reply } => answer(reply, self.create(stream, plan)),
            Command::Append { stream, rows, num_rows, reserved, ticket, spent } => {
                if let Some(stream) = self.streams.get_mut(&stream) {
                    stream.append(&rows, num_rows);
                }
                // The buffer is back before there is room for another.
                give_back(spent, rows);
                drop((reserved, ticket));
            }
            Command::Record { stream, entry } => {
                if let Some(stream) = self.streams.get_mut(&stream) {
                    stream.record(&entry);
                }
            }
            Command::Rewind { stream, rows, epoch } => {
                if let Some(stream) = self.streams.get_mut(&stream) {
                    stream.rewind(rows, epoch);
                }
            }
            Command::Flush { reply } => answer(reply, self.flush()),
            Command::Close { stream, reply } => answer(reply, self.close(stream)),
            Command::Room { beside, reply } => {
                let free = self.disk.free_bytes(&beside).map_err(StorageError::from);
                answer(reply, free.map(|free| free.saturating_sub(self.min_free_bytes)));
            }
            Command::CreateMaster { plan, reply } => {
                answer(reply, self.disk.create_master(plan).map_err(StorageError::from));
            }
            Command::FinishMaster { path, end, reply } => {
                answer(reply, self.disk.finish_master(&path, &end).map_err(StorageError::from));
            }
            Command::Shutdown { reply } => {
                answer(reply, self.close_all());
                return Next::End;
            }
        }
        Next::GoOn
    }

    fn create(&mut self, id: StreamId, plan: Arc<StreamPlan>) -> Result<()> {
        check_free(self.disk.as_mut(), self.min_free_bytes, &plan)?;
        let health = Health::Writing(self.disk.create(&plan)?);
        let stream = Stream {
            plan,
            health,
            written: Written::default(),
            extent: 0,
            committed: 0,
            epoch: 0,
            is_dirty: false,
        };
        self.streams.insert(id, stream);
        Ok(())
    }

    fn flush(&mut self) -> Vec<StreamReport> {
        for stream in self.streams.values_mut().filter(|stream| stream.is_dirty) {
            stream.flush();
            if !matches!(stream.health, Health::Writing(_)) {
                continue;
            }
            // After the flush: what is there is safe, and there was room for it.
            let free = check_free(self.disk.as_mut(), self.min_free_bytes, &stream.plan);
            if let Err(error) = free {
                stream.stop(error);
            }
        }
        let report = |(&stream, now): (&StreamId, &Stream)| StreamReport {
            stream,
            epoch: now.epoch,
            state: now.state(),
        };
        self.streams.iter().map(report).collect()
    }

    fn close(&mut self, id: StreamId) -> Result<FileSummary> {
        self.streams.remove(&id).ok_or(StorageError::Down)?.close()
    }

    /// Closes every stream, in the order in which they were created.
    pub(super) fn close_all(&mut self) -> Vec<(StreamId, Result<FileSummary>)> {
        let next = || self.streams.pop_first();
        std::iter::from_fn(next).map(|(id, stream)| (id, stream.close())).collect()
    }
}

fn check_free(disk: &mut dyn Disk, limit_bytes: u64, plan: &StreamPlan) -> Result<()> {
    let path = plan.path.clone();
    let free_bytes = disk.free_bytes(&path)?;
    if free_bytes < limit_bytes {
        return Err(StorageError::DiskFull { path, free_bytes, limit_bytes });
    }
    Ok(())
}

impl Stream {
    fn state(&self) -> StreamState {
        let error = match &self.health {
            Health::Writing(_) => None,
            Health::Stopped(_, error) | Health::Failed(error) => Some(error.clone()),
        };
        StreamState { written: self.written.prefix(), committed: self.committed, error }
    }

    fn append(&mut self, rows: &Rows, num_rows: u64) {
        let Health::Writing(file) = &mut self.health else { return };
        self.is_dirty = true;
        match file.write(rows) {
            Ok(()) => {
                let end = rows.first_index + num_rows;
                self.written.insert(rows.first_index, end);
                self.extent = self.extent.max(end);
            }
            Err(error) => self.fail(error.into()),
        }
    }

    fn record(&mut self, entry: &Entry) {
        let Health::Writing(file) = &mut self.health else { return };
        self.is_dirty = true;
        if let Err(error) = file.record(entry) {
            self.fail(error.into());
        }
    }

    /// The counter goes down before the rows are written again, so that no reader takes a row for
    /// complete which is half old and half new.
    fn rewind(&mut self, rows: u64, epoch: u64) {
        self.epoch = epoch;
        self.is_dirty = true;
        self.written.truncate(rows);
        let Health::Writing(file) = &mut self.health else { return };
        if rows < self.committed {
            match file.commit(rows) {
                Ok(()) => self.committed = rows,
                Err(error) => self.fail(error.into()),
            }
        }
    }

    fn flush(&mut self) {
        self.is_dirty = false;
        let (Health::Writing(file) | Health::Stopped(file, _)) = &mut self.health else { return };
        let rows = self.written.prefix();
        let commit = |file: &mut dyn StreamFile| -> Result<(), DiskError> {
            file.flush()?;
            if rows == self.committed { Ok(()) } else { file.commit(rows) }
        };
        match commit(file.as_mut()) {
            Ok(()) => self.committed = rows,
            Err(error) => self.fail(error.into()),
        }
    }

    fn stop(&mut self, error: StorageError) {
        let failed = Health::Failed(error.clone());
        self.health = match std::mem::replace(&mut self.health, failed) {
            Health::Writing(file) => {
                tracing::error!(%error, committed = self.committed, "stream stopped");
                Health::Stopped(file, error)
            }
            sooner @ (Health::Stopped(..) | Health::Failed(_)) => sooner,
        };
    }

    fn fail(&mut self, error: StorageError) {
        if !matches!(self.health, Health::Failed(_)) {
            tracing::error!(%error, committed = self.committed, "stream failed");
            self.is_dirty = true;
            self.health = Health::Failed(error);
        }
    }

    fn close(mut self) -> Result<FileSummary> {
        if self.is_dirty {
            self.flush();
        }
        let (file, error) = match self.health {
            Health::Writing(file) => (file, None),
            Health::Stopped(file, error) => (file, Some(error)),
            Health::Failed(error) => return Err(error),
        };
        let bytes = file.close()?;
        let (path, committed) = (self.plan.path.clone(), self.committed);
        let summary = FileSummary { path, committed, extent: self.extent, bytes };
        error.map_or(Ok(summary), Err)
    }
}

/// Rows that nobody takes back are let go.
fn give_back(spent: Option<Spent>, rows: Rows) {
    if let Some(Err(refused)) = spent.map(|spent| spent.try_send(rows)) {
        drop(refused);
    }
}

/// A caller that no longer waits for its answer is no fault.
fn answer<T>(reply: Reply<T>, value: T) {
    if reply.send(value).is_err() {
        tracing::debug!("nobody waits for the answer of the writer");
    }
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no text".to_owned())
}

//! [`StorageClient`]: the way to the writer; [`StreamHandle`]: one stream of it.
use super::{
    config::StorageConfig,
    disk::{Disk, Result},
    error::{Bound, StorageError},
    journal::Entry,
    lag::{Backlog, Lag},
    nexus::{MasterEnd, MasterPlan},
    plan::{Rows, StreamPlan},
    producer::Refused,
    transport::{Budget, NotSent, Transport},
    watchdog::{Calls, WatchedDisk},
    writer::{Command, FileSummary, Spent, StreamId, StreamReport, StreamState, Writer},
};
use crate::clock::Clock;
use crate::watch;
use std::{
    collections::BTreeMap,
    io,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::oneshot;

pub(super) use super::transport::Reserved;

/// The way to the one writer of the process. Cheap to clone, usable from any thread, and it
/// outlives every incarnation of the actor that owns the timer.
///
/// When the last clone is dropped the writer closes its files and ends; to wait for that, call
/// [`shutdown`](Self::shutdown).
#[derive(Clone)]
pub struct StorageClient(Arc<Shared>);

struct Shared {
    clock: Clock,
    config: StorageConfig,
    transport: Transport,
    budget: Arc<Budget>,
    calls: Calls,
    streams: Mutex<BTreeMap<StreamId, Arc<Stream>>>,
    next_id: AtomicU64,
    /// Changes sent to the writer, and how many of them the last published flush covers. Counted
    /// rather than flagged: a flush whose caller dies before it is published covers nothing.
    num_sent: AtomicU64,
    num_flushed: AtomicU64,
}

/// One stream file that is being written. All clones are the same stream; dropping them closes
/// nothing.
#[derive(Clone)]
pub struct StreamHandle {
    client: StorageClient,
    stream: Arc<Stream>,
}

struct Stream {
    id: StreamId,
    plan: Arc<StreamPlan>,
    state: watch::Sender<StreamState>,
    books: Mutex<Books>,
    backlog: Arc<Backlog>,
}

#[derive(Default)]
struct Books {
    /// Rewinds so far: a flush that the writer did before the last of them says nothing.
    epoch: u64,
    is_closing: bool,
    summary: Option<Result<FileSummary>>,
}

/// The queue to the writer and the streams, as shown to people. What is queued depends on the real
/// speed of the writer: it has no place in the trace of a simulation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageReport {
    pub queued_commands: usize,
    pub queued_bytes: u64,
    pub streams: Vec<(PathBuf, StreamState)>,
}

impl StorageClient {
    /// Files on disk, written by a thread of its own.
    pub fn hdf5(config: StorageConfig, clock: Clock) -> io::Result<Self> {
        Self::on_thread(config, clock, Box::new(super::hdf5_disk::Hdf5Disk))
    }

    /// `disk` on a thread of its own, behind the bounded queue.
    pub fn on_thread(config: StorageConfig, clock: Clock, disk: Box<dyn Disk>) -> io::Result<Self> {
        let calls = Calls::default();
        let disk = if clock.is_simulated() {
            disk
        } else {
            Box::new(WatchedDisk::new(disk, &clock, &calls, config.slow_call))
        };
        let writer = Writer::new(disk, config.min_free_bytes);
        let transport = Transport::thread(writer, config.queue_commands)?;
        Ok(Self::new(config, clock, transport, calls))
    }

    /// `disk` on the thread of the caller: every request is carried out before it returns. For
    /// disks that never block, such as [`MemoryDisk`](super::MemoryDisk).
    pub fn inline(config: StorageConfig, clock: Clock, disk: Box<dyn Disk>) -> Self {
        let writer = Writer::new(disk, config.min_free_bytes);
        Self::new(config, clock, Transport::inline(writer), Calls::default())
    }

    fn new(config: StorageConfig, clock: Clock, transport: Transport, calls: Calls) -> Self {
        Self(Arc::new(Shared {
            clock,
            budget: Budget::new(config.queue_bytes),
            config,
            transport,
            calls,
            streams: Mutex::default(),
            next_id: AtomicU64::new(0),
            num_sent: AtomicU64::new(0),
            num_flushed: AtomicU64::new(0),
        }))
    }

    pub fn config(&self) -> &StorageConfig {
        &self.0.config
    }

    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Resolves when the directory is there. So many of its last parts may be missing, and are made;
    /// fails if more are.
    pub async fn make_directory(&self, directory: PathBuf, new_parts: u32) -> Result<()> {
        let (reply, made) = oneshot::channel();
        self.ask(Command::MakeDirectory { directory, new_parts, reply }, made).await?
    }

    /// Resolves when the file exists with all its datasets and readers can follow it.
    ///
    /// Fails if there is a file of that name (it is left as it is), if another process writes it,
    /// or if the disk is nearly full.
    pub async fn create(&self, plan: StreamPlan) -> Result<StreamHandle> {
        plan.check()?;
        let (id, plan) = (StreamId(self.0.next_id.fetch_add(1, Ordering::Relaxed)), Arc::new(plan));
        let (reply, created) = oneshot::channel();
        self.ask(Command::Create { stream: id, plan: plan.clone(), reply }, created).await??;
        let state = watch::Sender::new(StreamState::default());
        let (books, backlog) = (Mutex::default(), Arc::default());
        let stream = Arc::new(Stream { id, plan, state, books, backlog });
        lock(&self.0.streams).insert(id, stream.clone());
        Ok(StreamHandle { client: self.clone(), stream })
    }

    /// The streams that are open, in the order in which they were created.
    pub fn streams(&self) -> Vec<StreamHandle> {
        let handle =
            |stream: &Arc<Stream>| StreamHandle { client: self.clone(), stream: stream.clone() };
        lock(&self.0.streams).values().map(handle).collect()
    }

    /// Resolves when everything appended before is on disk and every
    /// [`watch`](StreamHandle::watch) says so, or why not.
    pub async fn flush(&self) -> Result<()> {
        let covered = self.0.num_sent.load(Ordering::Acquire);
        let (reply, flushed) = oneshot::channel();
        for report in self.ask(Command::Flush { reply }, flushed).await? {
            self.publish(report);
        }
        self.0.num_flushed.fetch_max(covered, Ordering::Relaxed);
        Ok(())
    }

    /// [`flush`](Self::flush), unless nothing was sent since the last one.
    pub async fn flush_if_dirty(&self) -> Result<()> {
        let num_flushed = self.0.num_flushed.load(Ordering::Relaxed);
        let is_dirty = self.0.num_sent.load(Ordering::Relaxed) > num_flushed;
        if is_dirty { self.flush().await } else { Ok(()) }
    }

    /// How many bytes may still be written to files beside `beside` before the disk is nearly full.
    pub async fn room(&self, beside: PathBuf) -> Result<u64> {
        let (reply, room) = oneshot::channel();
        self.ask(Command::Room { beside, reply }, room).await?
    }

    /// Resolves when the `NeXus` master has been written and closed.
    pub async fn create_master(&self, plan: MasterPlan) -> Result<()> {
        let (reply, created) = oneshot::channel();
        self.ask(Command::CreateMaster { plan, reply }, created).await?
    }

    /// Resolves when `end` has been added to the `NeXus` master at `path`.
    pub async fn finish_master(&self, path: PathBuf, end: MasterEnd) -> Result<()> {
        let (reply, finished) = oneshot::channel();
        self.ask(Command::FinishMaster { path, end, reply }, finished).await?
    }

    /// Closes all streams and ends the writer; resolves when its thread has ended, or after
    /// [`shutdown_timeout`](StorageConfig::shutdown_timeout) if the disk hangs. Everything asked
    /// later fails with [`StorageError::Down`]. May be called twice.
    pub async fn shutdown(&self) {
        self.shutdown_within(self.0.config.shutdown_timeout).await;
    }

    /// The same, with another patience.
    pub async fn shutdown_within(&self, within: Duration) {
        if self.0.clock.timeout(within, self.end()).await.is_err() {
            tracing::error!("the writer hangs, its files stay open");
        }
    }

    async fn end(&self) {
        let (reply, closed) = oneshot::channel();
        match self.ask(Command::Shutdown { reply }, closed).await {
            Ok(summaries) => {
                for (id, summary) in summaries {
                    let stream = lock(&self.0.streams).get(&id).cloned();
                    let Some(stream) = stream else { continue };
                    let handle = StreamHandle { client: self.clone(), stream };
                    if let Err(error) = handle.finish(summary) {
                        tracing::error!(%error, "stream lost at the end");
                    }
                }
            }
            Err(error) => tracing::debug!(%error, "nothing to shut down"),
        }
        self.0.transport.join(&self.0.clock).await;
    }

    /// Queue and streams now.
    pub fn report(&self) -> StorageReport {
        let streams = lock(&self.0.streams);
        let state =
            |stream: &Arc<Stream>| (stream.plan.path.clone(), stream.state.borrow().clone());
        StorageReport {
            queued_commands: self.0.transport.queued(),
            queued_bytes: self.0.budget.used(),
            streams: streams.values().map(state).collect(),
        }
    }

    /// What the writer is doing now, if it is on a thread and time is real.
    pub(super) fn calls(&self) -> &Calls {
        &self.0.calls
    }

    async fn ask<T: Send + 'static>(
        &self,
        command: Command,
        answer: oneshot::Receiver<T>,
    ) -> Result<T> {
        self.0.transport.submit(command, &self.0.clock).await?;
        self.0.transport.answer(answer, &self.0.clock).await.inspect_err(|_| {
            // The writer panicked: the next flush tells which streams that cost.
            self.0.num_sent.fetch_add(1, Ordering::Release);
        })
    }

    fn publish(&self, report: StreamReport) {
        let stream = lock(&self.0.streams).get(&report.stream).cloned();
        let Some(stream) = stream else { return };
        let books = lock(&stream.books);
        if books.epoch != report.epoch {
            return;
        }
        stream.state.send_if_modified(|state| {
            let before = state.clone();
            // Two flushes may be published in either order.
            state.written = state.written.max(report.state.written);
            state.committed = state.committed.max(report.state.committed);
            state.error = state.error.take().or(report.state.error);
            *state != before
        });
    }
}

impl StreamHandle {
    pub fn plan(&self) -> &StreamPlan {
        &self.stream.plan
    }

    /// Hands rows to the writer, which puts them at their index: earlier rows of the same index are
    /// overwritten, indices left out hold the fill value.
    ///
    /// Returns at once. Fails with [`StorageError::Backpressure`] if the queue is full (nothing was
    /// taken: slow down or stop, the rows are the caller's), with [`StorageError::Mismatch`] if the
    /// rows do not fit the plan, and with the error of the stream once that is known. In a
    /// simulation it waits for room instead, so that the speed of the writer leaves no mark.
    pub fn append(&self, rows: Rows) -> Result<()> {
        let num_rows = self.num_rows(&rows)?;
        // Held while sending: a row sent after the close would vanish without an error.
        let books = self.open_books()?;
        if num_rows == 0 {
            return Ok(());
        }
        let shared = &self.client.0;
        let reserved = if shared.clock.is_simulated() {
            shared.budget.wait(rows.bytes())
        } else {
            shared
                .budget
                .reserve(rows.bytes())
                .ok_or_else(|| self.backpressure(Bound::Bytes(shared.config.queue_bytes)))?
        };
        self.send(self.append_command(rows, num_rows, reserved, None))?;
        drop(books);
        Ok(())
    }

    /// The same from a thread that may wait for room; rows go to `spent` when they are written.
    pub(super) fn append_patiently(
        &self,
        rows: Rows,
        patience: Duration,
        spent: &Spent,
    ) -> Result<(), Refused> {
        let num_rows = match self.num_rows(&rows) {
            Ok(0) => return Ok(()),
            Ok(num_rows) => num_rows,
            Err(error) => return Err(Refused { rows, error }),
        };
        let shared = &self.client.0;
        let reserved = if shared.clock.is_simulated() {
            Some(shared.budget.wait(rows.bytes()))
        } else {
            shared.budget.wait_for(rows.bytes(), patience)
        };
        let Some(reserved) = reserved else {
            let error = self.backpressure(Bound::Bytes(shared.config.queue_bytes));
            return Err(Refused { rows, error });
        };
        let mut command = self.append_command(rows, num_rows, reserved, Some(spent.clone()));
        let mut left = patience;
        loop {
            let not_sent = match self.open_books() {
                Err(error) => return Err(refused(command, error)),
                Ok(_held_while_sending) => match self.try_send(command) {
                    Ok(()) => return Ok(()),
                    Err(not_sent) => not_sent,
                },
            };
            command = *not_sent.command;
            if not_sent.bound.is_none() || left.is_zero() {
                return Err(refused(command, self.not_taken(not_sent.bound)));
            }
            shared.budget.wait_for_news(left.min(RETRY));
            left = left.saturating_sub(RETRY);
        }
    }

    /// How many rows these are, if they can be appended now.
    fn num_rows(&self, rows: &Rows) -> Result<u64> {
        match &self.stream.state.borrow().error {
            Some(error) => Err(error.clone()),
            None => self.stream.plan.num_rows(rows),
        }
    }

    fn append_command(
        &self,
        rows: Rows,
        num_rows: u64,
        reserved: Reserved,
        spent: Option<Spent>,
    ) -> Command {
        let ticket = self.stream.backlog.add(num_rows, self.client.clock().now());
        Command::Append { stream: self.stream.id, rows, num_rows, reserved, ticket, spent }
    }

    /// How far the writer is behind. It depends on the real speed of the writer: it has no place in
    /// the trace of a simulation.
    pub fn lag(&self) -> Lag {
        self.stream.backlog.lag(self.client.clock().now())
    }

    /// Adds an entry to the journal of the stream, on disk with the next flush. Fails with
    /// [`StorageError::Mismatch`] if the plan has no such journal.
    pub fn record(&self, entry: Entry) -> Result<()> {
        let plan = &self.stream.plan;
        if let Some(error) = &self.stream.state.borrow().error {
            return Err(error.clone());
        }
        let journal = plan.journal.as_ref().ok_or_else(|| "there is no journal".to_owned());
        let fits = journal.and_then(|journal| journal.check_entry(&entry));
        fits.map_err(|reason| StorageError::Mismatch { path: plan.path.clone(), reason })?;
        let _held_while_sending = self.open_books()?;
        self.send(Command::Record { stream: self.stream.id, entry })
    }

    /// Declares that rows from `rows` on will be written again: until they are, they do not count
    /// as written or committed. [`watch`](Self::watch) says so when this returns.
    pub fn rewind(&self, rows: u64) -> Result<()> {
        let mut books = self.open_books()?;
        let epoch = books.epoch + 1;
        self.send(Command::Rewind { stream: self.stream.id, rows, epoch })?;
        books.epoch = epoch;
        self.stream.state.send_if_modified(|state| {
            let lowers = state.written.max(state.committed) > rows;
            state.written = state.written.min(rows);
            state.committed = state.committed.min(rows);
            lowers
        });
        Ok(())
    }

    /// State of the stream, renewed by every flush.
    pub fn watch(&self) -> watch::Receiver<StreamState> {
        self.stream.state.subscribe()
    }

    /// Resolves when the file is closed. Fails with the error of the stream, if it has one; the
    /// rows committed before it are in the file all the same. May be called twice.
    pub async fn close(&self) -> Result<FileSummary> {
        lock(&self.stream.books).is_closing = true;
        if let Some(summary) = &lock(&self.stream.books).summary {
            return summary.clone();
        }
        let (reply, closed) = oneshot::channel();
        let command = Command::Close { stream: self.stream.id, reply };
        let summary = self.client.ask(command, closed).await.and_then(|summary| summary);
        self.finish(summary)
    }

    /// Keeps the first summary: whoever closes again gets the same.
    fn finish(&self, summary: Result<FileSummary>) -> Result<FileSummary> {
        let mut books = lock(&self.stream.books);
        books.is_closing = true;
        let summary = books.summary.get_or_insert(summary).clone();
        lock(&self.client.0.streams).remove(&self.stream.id);
        self.stream.state.send_modify(|state| match &summary {
            Ok(summary) => {
                state.written = summary.committed;
                state.committed = summary.committed;
            }
            Err(error) => state.error = state.error.take().or_else(|| Some(error.clone())),
        });
        summary
    }

    fn open_books(&self) -> Result<MutexGuard<'_, Books>> {
        let books = lock(&self.stream.books);
        if books.is_closing {
            return Err(StorageError::Closed { path: self.stream.plan.path.clone() });
        }
        Ok(books)
    }

    fn send(&self, command: Command) -> Result<()> {
        self.try_send(command).map_err(|not_sent| self.not_taken(not_sent.bound))
    }

    fn try_send(&self, command: Command) -> Result<(), NotSent> {
        let shared = &self.client.0;
        shared.transport.send(command, &shared.clock)?;
        // After sending: what is counted before a flush is in the queue before it.
        shared.num_sent.fetch_add(1, Ordering::Release);
        Ok(())
    }

    fn not_taken(&self, bound: Option<Bound>) -> StorageError {
        bound.map_or(StorageError::Down, |bound| self.backpressure(bound))
    }

    fn backpressure(&self, bound: Bound) -> StorageError {
        StorageError::Backpressure { path: self.stream.plan.path.clone(), bound }
    }
}

/// How often a full queue of commands is looked at again.
const RETRY: Duration = Duration::from_millis(5);

fn refused(command: Command, error: StorageError) -> Refused {
    match command {
        Command::Append { rows, .. } => Refused { rows, error },
        _ => unreachable!("it was made to append"),
    }
}

/// No state behind these locks is left half changed by a panic.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

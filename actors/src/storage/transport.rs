//! How commands get to the writer: a bounded queue to its thread, or straight through.
use super::{
    client::lock,
    disk::Result,
    error::{Bound, StorageError},
    writer::{Command, Next, Writer},
};
use crate::clock::Clock;
use crossbeam_channel::{Receiver, Sender, TrySendError};
use std::{
    io,
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread::JoinHandle,
    time::Duration,
};
use tokio::sync::oneshot;

/// A command that was not taken.
pub(super) struct NotSent {
    pub(super) command: Box<Command>,
    /// The bound of the queue that was reached; `None` if there is no writer.
    pub(super) bound: Option<Bound>,
}

impl NotSent {
    fn new(command: Command, bound: Option<Bound>) -> Self {
        Self { command: Box::new(command), bound }
    }
}

pub(super) enum Transport {
    Thread {
        queue: Sender<Command>,
        num_commands: usize,
        thread: Mutex<Option<JoinHandle<()>>>,
    },
    /// `None` after the shutdown.
    Inline(Mutex<Option<Writer>>),
}

impl Transport {
    pub(super) fn thread(writer: Writer, num_commands: usize) -> io::Result<Self> {
        let (queue, commands) = crossbeam_channel::bounded(num_commands);
        let builder = std::thread::Builder::new().name("hdf5".to_owned());
        let thread = builder.spawn(move || serve(writer, &commands))?;
        Ok(Self::Thread { queue, num_commands, thread: Mutex::new(Some(thread)) })
    }

    pub(super) fn inline(writer: Writer) -> Self {
        Self::Inline(Mutex::new(Some(writer)))
    }

    /// Hands over a command at once; a simulation waits for room.
    pub(super) fn send(&self, command: Command, clock: &Clock) -> Result<(), NotSent> {
        match self {
            Self::Thread { queue, .. } if clock.is_simulated() => {
                queue.send(command).map_err(|error| NotSent::new(error.0, None))
            }
            Self::Thread { queue, num_commands, .. } => {
                queue.try_send(command).map_err(|error| match error {
                    TrySendError::Full(command) => {
                        NotSent::new(command, Some(Bound::Commands(*num_commands)))
                    }
                    TrySendError::Disconnected(command) => NotSent::new(command, None),
                })
            }
            Self::Inline(writer) => {
                let mut writer = lock(writer);
                let Some(running) = writer.as_mut() else {
                    return Err(NotSent::new(command, None));
                };
                if running.run(command) == Next::End {
                    *writer = None;
                }
                Ok(())
            }
        }
    }

    /// Hands over a command, waiting for room without blocking the thread of the caller.
    pub(super) async fn submit(&self, command: Command, clock: &Clock) -> Result<()> {
        let Self::Thread { queue, .. } = self else {
            return self.send(command, clock).map_err(|_| StorageError::Down);
        };
        let command = match queue.try_send(command) {
            Ok(()) => return Ok(()),
            Err(TrySendError::Disconnected(_)) => return Err(StorageError::Down),
            Err(TrySendError::Full(command)) => command,
        };
        if clock.is_simulated() {
            return queue.send(command).map_err(|_| StorageError::Down);
        }
        let queue = queue.clone();
        let sent = clock.foreign(move || queue.send(command).is_ok()).await;
        if sent { Ok(()) } else { Err(StorageError::Down) }
    }

    /// The answer to a command. A simulated clock is held until it is there.
    pub(super) async fn answer<T: Send + 'static>(
        &self,
        answer: oneshot::Receiver<T>,
        clock: &Clock,
    ) -> Result<T> {
        let is_foreign = matches!(self, Self::Thread { .. }) && clock.is_simulated();
        let answer = if is_foreign {
            clock.foreign(move || answer.blocking_recv()).await
        } else {
            answer.await
        };
        answer.map_err(|_| StorageError::Panicked { message: "during this request".to_owned() })
    }

    /// Resolves when the thread has ended.
    pub(super) async fn join(&self, clock: &Clock) {
        let Self::Thread { thread, .. } = self else { return };
        let thread = lock(thread).take();
        let Some(thread) = thread else { return };
        if clock.foreign(move || thread.join()).await.is_err() {
            tracing::error!("the writer thread ended with a panic");
        }
    }

    /// Commands that wait for the writer.
    pub(super) fn queued(&self) -> usize {
        match self {
            Self::Thread { queue, .. } => queue.len(),
            Self::Inline(_) => 0,
        }
    }
}

fn serve(mut writer: Writer, commands: &Receiver<Command>) {
    while let Ok(command) = commands.recv() {
        if writer.run(command) == Next::End {
            return;
        }
    }
    // Nobody is left to tell but the log.
    for (_, summary) in writer.close_all() {
        match summary {
            Ok(summary) => tracing::info!(path = %summary.path.display(), "closed at the end"),
            Err(error) => tracing::error!(%error, "stream lost at the end"),
        }
    }
}

/// How many bytes of rows may wait for the writer.
pub(super) struct Budget {
    max_bytes: u64,
    used_bytes: Mutex<u64>,
    freed: Condvar,
}

/// Room in the queue, given back when dropped.
pub(super) struct Reserved {
    budget: Arc<Budget>,
    bytes: u64,
}

impl Budget {
    pub(super) fn new(max_bytes: u64) -> Arc<Self> {
        Arc::new(Self { max_bytes, used_bytes: Mutex::new(0), freed: Condvar::new() })
    }

    pub(super) fn used(&self) -> u64 {
        *lock(&self.used_bytes)
    }

    /// Room for `bytes`, if there is.
    pub(super) fn reserve(self: &Arc<Self>, bytes: u64) -> Option<Reserved> {
        let mut used = lock(&self.used_bytes);
        self.fits(*used, bytes).then(|| {
            *used += bytes;
            Reserved { budget: self.clone(), bytes }
        })
    }

    /// Room for `bytes`, waiting until there is.
    pub(super) fn wait(self: &Arc<Self>, bytes: u64) -> Reserved {
        let used = lock(&self.used_bytes);
        let used = self.freed.wait_while(used, |used| !self.fits(*used, bytes));
        *used.unwrap_or_else(PoisonError::into_inner) += bytes;
        Reserved { budget: self.clone(), bytes }
    }

    /// Room for `bytes`, if there is before `patience` has passed.
    pub(super) fn wait_for(self: &Arc<Self>, bytes: u64, patience: Duration) -> Option<Reserved> {
        let used = lock(&self.used_bytes);
        let is_full = |used: &mut u64| !self.fits(*used, bytes);
        let waited = self.freed.wait_timeout_while(used, patience, is_full);
        let (mut used, _) = waited.unwrap_or_else(PoisonError::into_inner);
        self.fits(*used, bytes).then(|| {
            *used += bytes;
            Reserved { budget: self.clone(), bytes }
        })
    }

    /// Returns when rows have been written, or `patience` has passed.
    pub(super) fn wait_for_news(&self, patience: Duration) {
        let used = lock(&self.used_bytes);
        drop(self.freed.wait_timeout(used, patience).unwrap_or_else(PoisonError::into_inner));
    }

    /// An empty queue takes anything: a frame larger than the bound must pass some time.
    fn fits(&self, used: u64, bytes: u64) -> bool {
        used == 0 || used.saturating_add(bytes) <= self.max_bytes
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        *lock(&self.budget.used_bytes) -= self.bytes;
        self.budget.freed.notify_all();
    }
}

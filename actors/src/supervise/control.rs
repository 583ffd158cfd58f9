//! [`Control`]: what a supervisor and one running incarnation share; [`Vitals`]: what it costs.
use super::exit::{Exit, Kill};
use futures_util::task::AtomicWaker;
use std::sync::{
    Arc, Mutex, MutexGuard, OnceLock, PoisonError,
    atomic::{AtomicU64, Ordering::Relaxed},
};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// Work done by one incarnation. May be read from any thread.
#[derive(Debug, Default)]
pub struct Vitals {
    polls: AtomicU64,
    busy_ns: AtomicU64,
    /// Real time at which the poll began that is under way; 0 between polls.
    poll_started_ns: AtomicU64,
    asked: AtomicU64,
}

/// A request that was made of an incarnation and is not answered, while this lives.
#[derive(Debug)]
pub(super) struct Asked(Arc<Vitals>);

impl Asked {
    pub(super) fn of(vitals: &Arc<Vitals>) -> Self {
        vitals.asked.fetch_add(1, Relaxed);
        Self(Arc::clone(vitals))
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.0.asked.fetch_sub(1, Relaxed);
    }
}

/// The poll that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Poll {
    pub(super) started_ns: u64,
}

impl Vitals {
    /// How often it has been polled.
    pub fn polls(&self) -> u64 {
        self.polls.load(Relaxed)
    }

    /// Real microseconds spent in its polls; always 0 in a simulation, so that equal seeds give
    /// equal snapshots.
    pub fn busy_us(&self) -> u64 {
        self.busy_ns.load(Relaxed) / 1_000
    }

    /// Requests that it has not answered: those in its mailbox, and the one that it works on.
    pub fn asked(&self) -> u64 {
        self.asked.load(Relaxed)
    }

    pub(super) fn poll_under_way(&self) -> Option<Poll> {
        let started_ns = self.poll_started_ns.load(Relaxed);
        (started_ns != 0).then_some(Poll { started_ns })
    }

    pub(super) fn begin_poll(&self) -> Poll {
        let started_ns = real_ns();
        self.poll_started_ns.store(started_ns, Relaxed);
        Poll { started_ns }
    }

    pub(super) fn end_poll(&self, poll: Poll, counted: Counted) {
        self.poll_started_ns.store(0, Relaxed);
        self.polls.fetch_add(1, Relaxed);
        if counted == Counted::WithTime {
            self.busy_ns.fetch_add(real_ns() - poll.started_ns, Relaxed);
        }
    }
}

/// What is counted of a poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counted {
    WithTime,
    /// Real time leaves no trace in a simulation.
    WithoutTime,
}

/// Nanoseconds of real time since its first call, plus one: never zero.
pub(super) fn real_ns() -> u64 {
    static START: OnceLock<std::time::Instant> = OnceLock::new();
    #[expect(clippy::disallowed_methods, reason = "how long real code holds a real thread")]
    let now = std::time::Instant::now();
    now.duration_since(*START.get_or_init(|| now)).as_nanos() as u64 + 1
}

/// What a supervisor orders beyond a stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Be gone, without a word.
    Kill(Kill),
    /// Panic: an injected fault.
    Crash(String),
}

/// The out-of-band line between a supervisor and one incarnation: it needs no mailbox, so it works
/// when the mailbox is full or the actor waits for something else.
#[derive(Debug)]
pub(super) struct Control {
    pub(super) vitals: Arc<Vitals>,
    pub(super) stop: CancellationToken,
    pub(super) killed: CancellationToken,
    order: Mutex<Option<Order>>,
    waker: AtomicWaker,
    /// Why the actor said it fails.
    failure: Mutex<Option<Exit>>,
    ready: Mutex<Option<oneshot::Sender<()>>>,
}

impl Control {
    /// A line for a new incarnation, and what resolves once it is ready.
    pub(super) fn new() -> (Self, oneshot::Receiver<()>) {
        let (ready, is_ready) = oneshot::channel();
        let control = Self {
            vitals: Arc::default(),
            stop: CancellationToken::new(),
            killed: CancellationToken::new(),
            order: Mutex::default(),
            waker: AtomicWaker::new(),
            failure: Mutex::default(),
            ready: Mutex::new(Some(ready)),
        };
        (control, is_ready)
    }

    pub(super) fn request_stop(&self) {
        self.stop.cancel();
        self.waker.wake();
    }

    pub(super) fn order(&self, order: Order) {
        let kills = matches!(order, Order::Kill(_));
        let mut standing = lock(&self.order);
        // A kill is never taken back.
        if !matches!(*standing, Some(Order::Kill(_))) {
            *standing = Some(order);
        }
        drop(standing);
        if kills {
            self.killed.cancel();
        }
        self.waker.wake();
    }

    pub(super) fn take_order(&self) -> Option<Order> {
        lock(&self.order).take()
    }

    /// Wakes `waker` at the next request or order.
    pub(super) fn listen(&self, waker: &std::task::Waker) {
        self.waker.register(waker);
    }

    pub(super) fn ready(&self) {
        if let Some(ready) = lock(&self.ready).take()
            && ready.send(()).is_err()
        {
            tracing::debug!("ready after its supervisor had stopped waiting");
        }
    }

    pub(super) fn fail(&self, why: String) {
        *lock(&self.failure) = Some(Exit::Failed(why));
    }

    pub(super) fn take_failure(&self) -> Option<Exit> {
        lock(&self.failure).take()
    }
}

/// Locks a mutex whose holders only move values and so cannot leave it half changed.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

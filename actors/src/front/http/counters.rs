//! [`Tally`]: what the server counts of itself.
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

/// Counts of one incarnation of the server, over all its workers.
#[derive(Debug, Default)]
pub(super) struct Tally {
    answers: Mutex<BTreeMap<u16, u64>>,
    in_flight: Arc<AtomicU64>,
    /// How far each listener has come in the feed, by its number.
    listeners: Arc<Mutex<BTreeMap<u64, u64>>>,
    next_listener: AtomicU64,
}

/// What a [`Tally`] has counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Counters {
    pub(super) answers: BTreeMap<u16, u64>,
    pub(super) in_flight: u64,
    pub(super) listeners: usize,
    /// Events by which the slowest listener is behind.
    pub(super) lag: u64,
}

/// A request that is being answered, while this lives.
#[derive(Debug)]
pub(super) struct InFlight(Arc<AtomicU64>);

/// One who listens, while this lives.
#[derive(Debug)]
pub(super) struct Seat {
    listeners: Arc<Mutex<BTreeMap<u64, u64>>>,
    number: u64,
}

impl Tally {
    pub(super) fn begin(&self) -> InFlight {
        self.in_flight.fetch_add(1, Relaxed);
        InFlight(Arc::clone(&self.in_flight))
    }

    pub(super) fn answered(&self, status: u16) {
        *lock(&self.answers).entry(status).or_default() += 1;
    }

    /// One more who listens, and has heard all events up to `event`.
    pub(super) fn sit_down(&self, event: u64) -> Seat {
        let number = self.next_listener.fetch_add(1, Relaxed);
        lock(&self.listeners).insert(number, event);
        Seat { listeners: Arc::clone(&self.listeners), number }
    }

    /// The counts, when the latest event is number `latest`.
    pub(super) fn counters(&self, latest: u64) -> Counters {
        let listeners = lock(&self.listeners);
        let slowest = listeners.values().min().copied().unwrap_or(latest);
        Counters {
            answers: lock(&self.answers).clone(),
            in_flight: self.in_flight.load(Relaxed),
            listeners: listeners.len(),
            lag: latest.saturating_sub(slowest),
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl Seat {
    /// It has heard all events up to `event`.
    pub(super) fn heard(&self, event: u64) {
        lock(&self.listeners).insert(self.number, event);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        lock(&self.listeners).remove(&self.number);
    }
}

/// Nothing is left half changed by a panic: each change is one call.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_is_not_counted_any_more() {
        let tally = Tally::default();
        tally.answered(200);
        tally.answered(404);
        tally.answered(200);
        let under_way = tally.begin();
        let (slow, fast) = (tally.sit_down(3), tally.sit_down(3));
        fast.heard(9);
        let check = |in_flight, listeners, lag| {
            let answers = BTreeMap::from([(200, 2), (404, 1)]);
            assert_eq!(tally.counters(10), Counters { answers, in_flight, listeners, lag });
        };
        check(1, 2, 7);
        drop(under_way);
        drop(slow);
        check(0, 1, 1);
        drop(fast);
        check(0, 0, 0);
    }
}

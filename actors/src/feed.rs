//! [`Feed`]: what happens, as JSON text, for any number of listeners, each at its own pace.
use bluefly_protocol::api::{EventKind, EventKinds};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::Notify;

/// The latest events in a ring of bounded size that all listeners share: a listener is a place in
/// it, so that one more costs nothing, and one that is too slow is told how many it missed.
///
/// Cheap to clone, usable from any thread.
#[derive(Clone, Debug)]
pub struct Feed(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    ring: Mutex<Ring>,
    pushed: Notify,
}

#[derive(Debug)]
struct Ring {
    events: VecDeque<(EventKind, Arc<str>)>,
    /// Number of the first event in the ring.
    first: u64,
    bytes: usize,
    max_events: usize,
    max_bytes: usize,
}

/// Digits of the largest number.
const MAX_DIGITS: usize = 20;

/// What a listener takes in one go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Events that came before these and are gone, of all kinds.
    pub missed: u64,
    pub texts: Vec<Arc<str>>,
}

/// One listener's place in a [`Feed`].
#[derive(Debug)]
pub struct Listener {
    feed: Feed,
    next: u64,
}

impl Feed {
    /// Keeps the latest events: `max_events` of them and `max_bytes` of text at most, but always the
    /// last one.
    pub fn new(max_events: usize, max_bytes: usize) -> Self {
        let ring = Ring { events: VecDeque::new(), first: 1, bytes: 0, max_events, max_bytes };
        Self(Arc::new(Shared { ring: Mutex::new(ring), pushed: Notify::new() }))
    }

    /// Adds an event: its number is put between the two parts of its text.
    pub fn push(&self, kind: EventKind, [head, tail]: [&str; 2]) {
        let mut text = String::with_capacity(head.len() + MAX_DIGITS + tail.len());
        text.push_str(head);
        let mut ring = self.ring();
        text.push_str(&ring.next().to_string());
        text.push_str(tail);
        let text = Arc::<str>::from(text);
        ring.bytes += text.len();
        ring.events.push_back((kind, text));
        while ring.events.len() > 1
            && (ring.events.len() > ring.max_events || ring.bytes > ring.max_bytes)
        {
            let gone = ring.events.pop_front().map_or(0, |(_, text)| text.len());
            ring.bytes -= gone;
            ring.first += 1;
        }
        drop(ring);
        self.0.pushed.notify_waiters();
    }

    /// A listener that hears what comes from now on; or from the event after number `since`, as far
    /// as it is still there. A number that is still to come is one of another feed: then it hears
    /// everything.
    pub fn listen(&self, since: Option<u64>) -> Listener {
        let now = self.ring().next();
        let next = since.map_or(now, |since| if since < now { since + 1 } else { 1 });
        Listener { feed: self.clone(), next }
    }

    /// Number of the latest event; 0 before the first.
    pub fn latest(&self) -> u64 {
        self.ring().next() - 1
    }

    /// Nothing is left half done by a panic: each change is one statement after another that cannot.
    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.0.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ring {
    fn next(&self) -> u64 {
        self.first + self.events.len() as u64
    }
}

impl Listener {
    /// The next events of some `kinds`, `max` of them at most.
    pub fn take(&mut self, kinds: EventKinds, max: usize) -> Taken {
        let ring = self.feed.ring();
        let missed = ring.first.saturating_sub(self.next);
        let begin = (self.next.max(ring.first) - ring.first) as usize;
        let mut texts = Vec::new();
        let mut looked_at = begin;
        for (kind, text) in ring.events.iter().skip(begin) {
            if texts.len() == max {
                break;
            }
            looked_at += 1;
            if kinds.has(*kind) {
                texts.push(Arc::clone(text));
            }
        }
        self.next = ring.first + looked_at as u64;
        Taken { missed, texts }
    }

    /// Events that it has not taken, of all kinds.
    pub fn lag(&self) -> u64 {
        self.feed.ring().next() - self.next
    }

    /// Resolves once there is an event that it has not taken. Nothing is missed if it is dropped
    /// before it resolves.
    pub async fn ready(&self) {
        loop {
            // Made first: from here on no event goes by unnoticed.
            let pushed = self.feed.0.pushed.notified();
            if self.lag() > 0 {
                return;
            }
            pushed.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    fn push(feed: &Feed, kind: EventKind, count: u64) {
        (0..count).for_each(|_| feed.push(kind, ["#", ""]));
    }

    fn check(listener: &mut Listener, max: usize, missed: u64, texts: &[&str]) {
        let texts = texts.iter().map(|text| Arc::from(*text)).collect();
        assert_eq!(listener.take(EventKinds::ALL, max), Taken { missed, texts });
    }

    #[test]
    fn everybody_hears_everything_at_his_own_pace() {
        let feed = Feed::new(100, 10_000);
        push(&feed, EventKind::Document, 2);
        let (mut late, mut early) = (feed.listen(None), feed.listen(Some(0)));
        check(&mut late, 9, 0, &[]);
        check(&mut early, 1, 0, &["#1"]);
        push(&feed, EventKind::Document, 1);
        check(&mut late, 9, 0, &["#3"]);
        check(&mut early, 9, 0, &["#2", "#3"]);
        assert_eq!((feed.latest(), early.lag()), (3, 0));
    }

    #[test]
    fn who_is_too_slow_is_told_how_many_were_missed() {
        let count = Feed::new(3, 10_000);
        let mut listener = count.listen(None);
        push(&count, EventKind::Document, 5);
        check(&mut listener, 9, 2, &["#3", "#4", "#5"]);
        check(&mut listener, 9, 0, &[]);

        let bytes = Feed::new(100, 5);
        let mut listener = bytes.listen(None);
        push(&bytes, EventKind::Document, 4);
        check(&mut listener, 9, 2, &["#3", "#4"]);
        bytes.push(EventKind::Document, ["number ", " is larger than all the room"]);
        check(&mut listener, 9, 0, &["number 5 is larger than all the room"]);
    }

    #[test]
    fn who_comes_back_goes_on_where_he_was() {
        let feed = Feed::new(3, 10_000);
        push(&feed, EventKind::Document, 5);
        check(&mut feed.listen(Some(4)), 9, 0, &["#5"]);
        check(&mut feed.listen(Some(1)), 9, 1, &["#3", "#4", "#5"]);
        check(&mut feed.listen(Some(5)), 9, 0, &[]);
    }

    #[test]
    fn who_comes_from_another_feed_hears_everything() {
        let feed = Feed::new(3, 10_000);
        check(&mut feed.listen(Some(7)), 9, 0, &[]);
        push(&feed, EventKind::Document, 5);
        check(&mut feed.listen(Some(6)), 9, 2, &["#3", "#4", "#5"]);
        check(&mut feed.listen(Some(u64::MAX)), 9, 2, &["#3", "#4", "#5"]);
    }

    #[test]
    fn only_the_kinds_that_are_wanted_are_heard() {
        let feed = Feed::new(100, 10_000);
        let mut listener = feed.listen(None);
        push(&feed, EventKind::Tree, 1);
        push(&feed, EventKind::Document, 1);
        let kinds = "document".parse().expect("a kind");
        assert_eq!(listener.take(kinds, 9).texts, [Arc::from("#2")]);
        assert_eq!(listener.lag(), 0);
    }

    #[test]
    fn an_event_wakes_who_waits() {
        let feed = Feed::new(100, 10_000);
        let listener = feed.listen(None);
        let mut ready = Box::pin(listener.ready());
        assert_eq!((&mut ready).now_or_never(), None);
        push(&feed, EventKind::Tree, 1);
        assert_eq!((&mut ready).now_or_never(), Some(()));
    }
}

//! [`Lag`]: how far the writer is behind whoever produces rows.
use super::client::lock;
use crate::clock::Instant;
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

/// How far the writer is behind: rows that were appended and are not yet written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lag {
    pub rows: u64,
    /// For how long the first of them has waited.
    pub behind: Duration,
}

/// What was appended to one stream and is not yet written, in order. It is bounded as the queue is.
#[derive(Default)]
pub(super) struct Backlog(Mutex<VecDeque<Waiting>>);

struct Waiting {
    ticket: u64,
    rows: u64,
    since: Instant,
}

/// Rows that wait; dropped when they are written, or will not be.
pub(super) struct Ticket {
    backlog: Arc<Backlog>,
    ticket: u64,
}

impl Backlog {
    /// `rows` more, from now on.
    pub(super) fn add(self: &Arc<Self>, rows: u64, now: Instant) -> Ticket {
        let mut waiting = lock(&self.0);
        let ticket = waiting.back().map_or(0, |last| last.ticket + 1);
        waiting.push_back(Waiting { ticket, rows, since: now });
        Ticket { backlog: self.clone(), ticket }
    }

    pub(super) fn lag(&self, now: Instant) -> Lag {
        let waiting = lock(&self.0);
        let behind = waiting.front().map_or(Duration::ZERO, |first| now - first.since);
        Lag { rows: waiting.iter().map(|waiting| waiting.rows).sum(), behind }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut waiting = lock(&self.backlog.0);
        if let Some(i) = waiting.iter().position(|waiting| waiting.ticket == self.ticket) {
            waiting.remove(i);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_wait_from_when_they_were_appended() {
        let at = |ms| Instant::default() + Duration::from_millis(ms);
        let backlog = Arc::new(Backlog::default());
        let check = |ms, rows, behind_ms| {
            let behind = Duration::from_millis(behind_ms);
            assert_eq!(backlog.lag(at(ms)), Lag { rows, behind });
        };
        check(5, 0, 0);
        let first = backlog.add(3, at(10));
        let second = backlog.add(4, at(30));
        let refused = backlog.add(5, at(35));
        check(40, 12, 30);
        drop(refused);
        check(40, 7, 30);
        drop(first);
        check(50, 4, 20);
        let third = backlog.add(1, at(60));
        drop(second);
        check(60, 1, 0);
        drop(third);
        check(70, 0, 0);
    }
}

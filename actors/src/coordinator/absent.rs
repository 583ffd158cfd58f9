//! [`Absent`]: since when devices are away; [`Patience`]: how long whoever is not there is waited for.
use crate::clock::Instant;
use std::{cell::RefCell, collections::BTreeMap, time::Duration};

/// Devices that are away, and when each was missed first. Whoever has waited for one has done so for
/// all who come soon after, but it is told once whatever it is to be told: it may be back.
#[derive(Debug, Default)]
pub struct Absent(RefCell<BTreeMap<String, Span>>);

/// The first and the last moment at which a device was missed.
#[derive(Clone, Copy, Debug)]
struct Span {
    first: Instant,
    last: Instant,
}

/// Whoever was not missed for so long may have been there meanwhile: nobody has looked.
const UNSEEN: Duration = Duration::from_secs(10);

impl Span {
    fn is_fresh(self, now: Instant) -> bool {
        now.saturating_since(self.last) <= UNSEEN
    }
}

impl Absent {
    /// When the first of them was missed.
    pub fn earliest(&self, now: Instant) -> Option<Instant> {
        let spans = self.0.borrow();
        spans.values().filter(|span| span.is_fresh(now)).map(|span| span.first).min()
    }

    /// It does not answer now; when that began.
    pub(super) fn missed(&self, device: &str, now: Instant) -> Instant {
        let mut spans = self.0.borrow_mut();
        let span = spans.entry(device.to_owned()).or_insert(Span { first: now, last: now });
        if !span.is_fresh(now) {
            span.first = now;
        }
        span.last = now;
        span.first
    }

    pub(super) fn is_back(&self, device: &str) {
        self.0.borrow_mut().remove(device);
    }

    /// For how long one of them has been waited for at most.
    pub(super) fn longest(&self, now: Instant) -> Duration {
        self.earliest(now).map_or(Duration::ZERO, |missed| now.saturating_since(missed))
    }

    /// All are worth waiting for anew.
    pub(super) fn forget(&self) {
        self.0.borrow_mut().clear();
    }
}

/// How long whoever is asked may stay away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Patience {
    /// Its actor is being restarted.
    pub(super) restart: Duration,
    /// Its actor is there, and its hardware cannot be reached; from when it was missed first.
    pub(super) away: Duration,
}

impl Patience {
    /// What is left of it after some of it was used up.
    pub(super) fn after(self, used: Duration) -> Self {
        let left = |patience: Duration| patience.saturating_sub(used);
        Self { restart: left(self.restart), away: left(self.away) }
    }
}

impl From<Duration> for Patience {
    fn from(patience: Duration) -> Self {
        Self { restart: patience, away: patience }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_was_away_hours_ago_was_not_waited_for_any_more() {
        let (absent, begin) = (Absent::default(), Instant::default());
        let at = |seconds| begin + Duration::from_secs(seconds);
        assert_eq!(absent.missed("x", at(0)), at(0));
        assert_eq!(absent.missed("x", at(10)), at(0));
        assert_eq!((absent.earliest(at(20)), absent.longest(at(20)).as_secs()), (Some(at(0)), 20));
        assert_eq!((absent.earliest(at(21)), absent.longest(at(21)).as_secs()), (None, 0));
        assert_eq!(absent.missed("x", at(3_600)), at(3_600));
    }
}

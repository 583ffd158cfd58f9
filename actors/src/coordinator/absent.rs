//! [`Absent`]: since when devices are away; [`Patience`]: how long whoever is not there is waited for.
use crate::clock::Instant;
use std::{cell::RefCell, collections::BTreeMap, time::Duration};

/// Devices that are away, and when each was missed first. Whoever has waited for one has done so for
/// all who come later, but it is told once whatever it is to be told: it may be back.
#[derive(Debug, Default)]
pub struct Absent(RefCell<BTreeMap<String, Instant>>);

impl Absent {
    /// When the first of them was missed.
    pub fn earliest(&self) -> Option<Instant> {
        self.0.borrow().values().min().copied()
    }

    /// It does not answer now; when that began.
    pub(super) fn missed(&self, device: &str, now: Instant) -> Instant {
        *self.0.borrow_mut().entry(device.to_owned()).or_insert(now)
    }

    pub(super) fn is_back(&self, device: &str) {
        self.0.borrow_mut().remove(device);
    }

    /// For how long one of them has been waited for at most.
    pub(super) fn longest(&self, now: Instant) -> Duration {
        self.earliest().map_or(Duration::ZERO, |missed| now.saturating_since(missed))
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

//! [`Absent`]: devices that are away, and were waited for in vain; [`Patience`]: for how long others
//! are.
use std::{cell::RefCell, collections::BTreeSet, time::Duration};

/// Devices that were waited for until nobody had patience any more. Nobody waits for one again before
/// it has answered, but it is told once whatever it is to be told: it may be back.
#[derive(Debug, Default)]
pub struct Absent(RefCell<BTreeSet<String>>);

impl Absent {
    /// Whether it is pointless to wait for this device.
    pub fn has(&self, device: &str) -> bool {
        self.0.borrow().contains(device)
    }

    pub(super) fn give_up(&self, device: &str) {
        self.0.borrow_mut().insert(device.to_owned());
    }

    pub(super) fn is_back(&self, device: &str) {
        self.0.borrow_mut().remove(device);
    }

    /// All are worth waiting for again: somebody has asked for them anew.
    pub(super) fn forget(&self) {
        self.0.borrow_mut().clear();
    }
}

/// How long whoever is asked may stay away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Patience {
    /// Its actor is being restarted.
    pub(super) restart: Duration,
    /// Its actor is there, and its hardware cannot be reached.
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

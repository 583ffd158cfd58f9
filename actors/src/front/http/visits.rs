//! [`Visits`]: how many connections each address has.
use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

/// How many connections each address has, of those on which something was asked.
#[derive(Clone, Debug, Default)]
pub(super) struct Visits(Arc<Mutex<BTreeMap<IpAddr, usize>>>);

/// One connection, while this lives.
#[derive(Debug, Default)]
pub(super) struct Visit(OnceLock<Counted>);

#[derive(Debug)]
struct Counted {
    visits: Visits,
    peer: IpAddr,
}

impl Visits {
    /// No value is left half changed by a panic: each is replaced as a whole.
    fn counts(&self) -> MutexGuard<'_, BTreeMap<IpAddr, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Visit {
    /// Counts the connection, once; how many of `peer` are counted.
    pub(super) fn begin(&self, visits: &Visits, peer: IpAddr) -> usize {
        self.0.get_or_init(|| {
            *visits.counts().entry(peer).or_default() += 1;
            Counted { visits: visits.clone(), peer }
        });
        visits.counts().get(&peer).copied().unwrap_or_default()
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut counts = self.visits.counts();
        let left = counts.get(&self.peer).map_or(0, |count| count.saturating_sub(1));
        if left == 0 {
            counts.remove(&self.peer);
        } else {
            counts.insert(self.peer, left);
        }
    }
}

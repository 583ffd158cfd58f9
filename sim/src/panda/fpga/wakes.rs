//! [`Wakes`]: which unit is to be asked next.
use super::{Tick, block::NEVER};

const UNITS: usize = 64;

/// A tournament: every node has the smaller tick of the two below it, the root the smallest.
pub(super) struct Wakes {
    nodes: [Tick; 2 * UNITS],
}

impl Wakes {
    pub(super) const fn new() -> Self {
        Self { nodes: [NEVER; 2 * UNITS] }
    }

    pub(super) const fn next(&self) -> Tick {
        self.nodes[1]
    }

    pub(super) fn set(&mut self, unit: usize, tick: Tick) {
        let mut node = UNITS + unit;
        self.nodes[node] = tick;
        while node > 1 {
            let smaller = self.nodes[node].min(self.nodes[node ^ 1]);
            node /= 2;
            if self.nodes[node] == smaller {
                return;
            }
            self.nodes[node] = smaller;
        }
    }

    /// Not later than `tick`.
    pub(super) fn hasten(&mut self, unit: usize, tick: Tick) {
        if tick < self.nodes[UNITS + unit] {
            self.set(unit, tick);
        }
    }

    /// The units that are due, as bits; they are not due again until they are told so.
    pub(super) fn take(&mut self, now: Tick) -> u64 {
        let mut due = 0;
        while self.nodes[1] <= now {
            let mut node = 1;
            while node < UNITS {
                node = 2 * node + usize::from(self.nodes[2 * node] > now);
            }
            due |= 1 << (node - UNITS);
            self.set(node - UNITS, NEVER);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_one_is_the_earliest_whatever_was_said_before() {
        let mut wakes = Wakes::new();
        wakes.set(3, 10);
        wakes.set(63, 8);
        wakes.hasten(3, 9);
        wakes.hasten(63, 20);
        assert_eq!(wakes.next(), 8);
        wakes.set(63, 30);
        assert_eq!(wakes.next(), 9);
        wakes.set(0, 9);
        assert_eq!(wakes.take(8), 0);
        assert_eq!(wakes.take(9), 1 | 1 << 3);
        assert_eq!(wakes.next(), 30);
        assert_eq!(wakes.take(40), 1 << 63);
        assert_eq!(wakes.next(), NEVER);
    }
}

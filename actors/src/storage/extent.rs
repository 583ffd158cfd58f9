//! Which rows of a stream have been written.
use std::collections::BTreeMap;

/// A set of row indices, kept as ranges that neither touch nor overlap: start to end (exclusive).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Written(BTreeMap<u64, u64>);

impl Written {
    /// Adds `start..end`.
    pub(super) fn insert(&mut self, start: u64, end: u64) {
        if start >= end {
            return;
        }
        let (mut first, mut last) = (start, end);
        // At most one range starts before `start` and reaches it.
        if let Some((&before, &reach)) = self.0.range(..=start).next_back()
            && reach >= start
        {
            first = before;
            last = last.max(reach);
        }
        while let Some((&next, &reach)) = self.0.range(first..=last).next_back() {
            last = last.max(reach);
            self.0.remove(&next);
        }
        self.0.insert(first, last);
    }

    /// Forgets all rows from `rows` on.
    pub(super) fn truncate(&mut self, rows: u64) {
        self.0.split_off(&rows);
        if let Some(mut last) = self.0.last_entry() {
            let end = last.get_mut();
            *end = rows.min(*end);
        }
    }

    /// The largest `n` such that all of `0..n` have been written.
    pub(super) fn prefix(&self) -> u64 {
        self.0.get(&0).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(inserts: &[(u64, u64)], expected: &[(u64, u64)]) {
        let mut written = Written::default();
        for &(start, end) in inserts {
            written.insert(start, end);
        }
        assert_eq!(written.0.into_iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn ranges_are_merged() {
        check(&[(0, 0)], &[]);
        check(&[(0, 3), (3, 5)], &[(0, 5)]);
        check(&[(3, 5), (0, 3)], &[(0, 5)]);
        check(&[(0, 3), (4, 5)], &[(0, 3), (4, 5)]);
        check(&[(0, 3), (4, 5), (3, 4)], &[(0, 5)]);
        check(&[(1, 2), (3, 4), (5, 6), (0, 9)], &[(0, 9)]);
        check(&[(0, 9), (3, 4)], &[(0, 9)]);
        check(&[(2, 6), (4, 9)], &[(2, 9)]);
        check(&[(4, 9), (2, 6)], &[(2, 9)]);
        check(&[(4, 9), (4, 5)], &[(4, 9)]);
    }

    #[test]
    fn a_random_sequence_equals_a_plain_set() {
        let seed = 7;
        let mut random = crate::random::Seed(seed).stream("written", 0);
        let mut written = Written::default();
        let mut rows = [false; 64];
        for step in 0..20_000 {
            let start = random.below(60);
            if random.chance(0.1) {
                written.truncate(start);
                rows[start as usize..].fill(false);
            } else {
                let end = start + random.below(5);
                written.insert(start, end);
                rows[start as usize..end as usize].fill(true);
            }
            let prefix = rows.iter().take_while(|row| **row).count() as u64;
            assert_eq!(written.prefix(), prefix, "seed {seed}, step {step}");
            let count = rows.iter().filter(|row| **row).count() as u64;
            let sum: u64 = written.0.iter().map(|(start, end)| end - start).sum();
            assert_eq!(sum, count, "seed {seed}, step {step}");
        }
    }
}

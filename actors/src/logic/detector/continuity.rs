//! [`Continuity`]: finds the exposures that never came to the file writer.
use std::{collections::VecDeque, fmt};

/// Exposures that were lost before they came to the file writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gap {
    /// How many.
    pub(super) missing: i64,
    /// All of them are from here ...
    pub(super) first: i64,
    /// ... to here.
    pub(super) last: i64,
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { missing, first, last } = self;
        match missing {
            1 if first == last => write!(f, "exposure {first} was lost"),
            _ if last - first + 1 == *missing => write!(f, "exposures {first} to {last} were lost"),
            1 => write!(f, "one of the exposures {first} to {last} was lost"),
            _ => write!(f, "{missing} of the exposures {first} to {last} were lost"),
        }
    }
}

/// Follows how many frames the writer took in and the unique id of the latest: both start at the
/// same number and stay equal for as long as no frame is lost.
///
/// They are two signals, and each may skip values under load, so that their values do not always
/// come in pairs: a gap found here is to be confirmed.
#[derive(Debug)]
pub(super) struct Continuity {
    /// The latest pair of which both are known.
    count: i64,
    id: i64,
    /// The id of a frame before, if the next one has the same: it does not change then.
    unchanged: Option<i64>,
    counts: VecDeque<i64>,
    ids: VecDeque<i64>,
    /// Whether the two queues no longer hold pairs.
    is_astray: bool,
}

impl Continuity {
    /// Nothing came yet: the first frame will have the id `first`, and one before had `latest`.
    pub(super) fn new(first: i64, latest: i64) -> Self {
        let unchanged = (latest == first).then_some(latest);
        let (counts, ids) = (VecDeque::new(), VecDeque::new());
        Self { count: first - 1, id: first - 1, unchanged, counts, ids, is_astray: false }
    }

    pub(super) fn take_count(&mut self, count: i64) {
        self.counts.push_back(count);
    }

    pub(super) fn take_id(&mut self, id: i64) {
        // The count of a frame comes before its id: one too many is that of the first frame, of whose
        // id nothing told.
        let is_behind = |first: &i64| self.counts.len() > 1 && self.counts.front() == Some(first);
        let first = self.unchanged.take().filter(is_behind);
        self.ids.extend(first);
        self.ids.push_back(id);
    }

    /// The next gap, among what was taken.
    pub(super) fn gap(&mut self) -> Option<Gap> {
        while let (false, Some(count), Some(id)) =
            (self.is_astray, self.counts.front().copied(), self.ids.front().copied())
        {
            self.counts.pop_front();
            self.ids.pop_front();
            let (arrived, passed) = (count - self.count, id - self.id);
            let first = self.id + 1;
            self.is_astray = arrived < 1 || arrived > passed;
            if !self.is_astray {
                (self.count, self.id) = (count, id);
            }
            if (1..passed).contains(&arrived) {
                // A frame that came alone came after those that did not.
                return Some(Gap { missing: passed - arrived, first, last: id - 1 });
            }
        }
        self.find_the_way();
        None
    }

    /// The gap found last is none: values were skipped.
    pub(super) fn reject_gap(&mut self) {
        self.is_astray = true;
    }

    /// Goes on from where both are equal again: nothing is missing there.
    fn find_the_way(&mut self) {
        if !self.is_astray {
            return;
        }
        self.counts.drain(..self.counts.len().saturating_sub(1));
        self.ids.drain(..self.ids.len().saturating_sub(1));
        if let (Some(count), Some(id)) = (self.counts.back(), self.ids.back())
            && count == id
        {
            *self = Self::new(id + 1, *id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found in frames from 5 on, if counts and ids come like this.
    fn check(counts: &[i64], ids: &[i64], expected: &[&str]) {
        let mut continuity = Continuity::new(5, 77);
        for count in counts {
            continuity.take_count(*count);
        }
        for id in ids {
            continuity.take_id(*id);
        }
        let gaps = std::iter::from_fn(|| continuity.gap()).map(|gap| gap.to_string());
        assert_eq!(gaps.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn frames_that_come_one_by_one_or_together_have_no_gap() {
        check(&[], &[], &[]);
        check(&[5, 6, 7], &[5, 6, 7], &[]);
        check(&[5, 9, 20], &[5, 9, 20], &[]);
        check(&[5, 6], &[5], &[]);
        check(&[5], &[5, 6], &[]);
    }

    #[test]
    fn an_id_that_is_the_one_before_is_not_told_again() {
        let check = |counts: &[i64], ids: &[i64], expected: &[&str]| {
            let mut continuity = Continuity::new(5, 5);
            for count in counts {
                continuity.take_count(*count);
            }
            for id in ids {
                continuity.take_id(*id);
            }
            let gaps = std::iter::from_fn(|| continuity.gap()).map(|gap| gap.to_string());
            assert_eq!(gaps.collect::<Vec<_>>(), expected);
        };
        check(&[5, 6, 7], &[6, 7], &[]);
        check(&[5, 6, 7], &[6, 8], &["exposure 7 was lost"]);
        check(&[7, 8], &[7, 8], &[]);
        check(&[5], &[6], &["exposure 5 was lost"]);
    }

    #[test]
    fn what_is_missing_is_named() {
        check(&[5, 6], &[5, 7], &["exposure 6 was lost"]);
        check(&[5], &[8], &["exposures 5 to 7 were lost"]);
        check(
            &[5, 6, 7, 8],
            &[5, 9, 10, 12],
            &["exposures 6 to 8 were lost", "exposure 11 was lost"],
        );
        check(&[8], &[9], &["one of the exposures 5 to 8 was lost"]);
        check(&[8], &[10], &["2 of the exposures 5 to 9 were lost"]);
    }

    #[test]
    fn values_that_were_skipped_lead_astray_until_both_are_equal() {
        // An id was skipped: this is what has to be confirmed.
        check(&[5, 6, 7], &[6, 7], &["exposure 5 was lost"]);
        check(&[5, 8, 9], &[5, 6, 9], &[]);
        let mut continuity = Continuity::new(5, 77);
        for (count, id) in [(5, 5), (8, 6), (8, 8), (9, 9), (10, 11)] {
            continuity.take_count(count);
            continuity.take_id(id);
            let gap = continuity.gap().map(|gap| gap.to_string());
            assert_eq!(gap.as_deref(), (id == 11).then_some("exposure 10 was lost"));
        }
    }
}

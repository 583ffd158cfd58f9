//! [`Continuity`]: finds the exposures that never came to the file writer, and counters that somebody
//! set meanwhile.
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

/// What only ever grows by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counter {
    UniqueId,
    /// Frames that the writer took in.
    Taken,
    /// Frames that it wrote.
    Written,
}

/// A counter that went back: somebody set it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StepBack {
    pub(super) counter: Counter,
    before: i64,
    after: i64,
    /// Rows from here on may be overwritten, or hold other frames than they are taken for.
    pub(super) first: i64,
}

impl StepBack {
    /// The file was opened anew: it has nothing of what was written.
    pub(super) const fn of_written(before: i64, after: i64) -> Self {
        Self { counter: Counter::Written, before, after, first: 0 }
    }
}

impl fmt::Display for StepBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { counter, before, after, .. } = self;
        let counter = match counter {
            Counter::UniqueId => "unique id",
            Counter::Taken => "count of frames taken in",
            Counter::Written => "count of frames written",
        };
        write!(f, "{counter} went back from {before} to {after}")
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
    /// What was told last, or would have been of the frame before the first.
    latest_count: i64,
    latest_id: i64,
    /// What the signal of the id says; before the first frame it is of an earlier acquisition.
    told_id: i64,
    step_back: Option<StepBack>,
    /// Whether the two queues no longer hold pairs.
    is_astray: bool,
}

impl Continuity {
    /// Nothing came yet: the first frame will have the id `first`, and one before had `latest`.
    pub(super) fn new(first: i64, latest: i64) -> Self {
        let unchanged = (latest == first).then_some(latest);
        let (counts, ids) = (VecDeque::new(), VecDeque::new());
        let before = first - 1;
        Self {
            count: before,
            id: before,
            unchanged,
            counts,
            ids,
            latest_count: before,
            latest_id: before,
            told_id: latest,
            step_back: None,
            is_astray: false,
        }
    }

    pub(super) fn take_count(&mut self, count: i64) {
        let before = std::mem::replace(&mut self.latest_count, count);
        if count < before {
            let first = self.id.saturating_add(1);
            self.step_back(StepBack { counter: Counter::Taken, before, after: count, first });
        }
        if count != before {
            self.counts.push_back(count);
        }
    }

    pub(super) fn take_id(&mut self, id: i64) {
        // A signal may tell the same again for other reasons than a frame.
        if std::mem::replace(&mut self.told_id, id) == id {
            return;
        }
        let before = std::mem::replace(&mut self.latest_id, id);
        if id <= before {
            // Its first frames may have been skipped.
            let skipped = self.latest_count.saturating_sub(self.count).saturating_sub(1).max(0);
            let first = id.saturating_sub(skipped);
            self.step_back(StepBack { counter: Counter::UniqueId, before, after: id, first });
        }
        // The count of a frame comes before its id: one too many is that of the first frame, of whose
        // id nothing told.
        let is_behind = |first: &i64| self.counts.len() > 1 && self.counts.front() == Some(first);
        let first = self.unchanged.take().filter(is_behind);
        self.ids.extend(first);
        self.ids.push_back(id);
    }

    /// The first counter that went back, among what was taken.
    pub(super) const fn stepped_back(&self) -> Option<StepBack> {
        self.step_back
    }

    fn step_back(&mut self, step: StepBack) {
        self.step_back.get_or_insert(step);
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
            *self = Self { step_back: self.step_back, ..Self::new(id + 1, *id) };
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
    fn a_counter_that_goes_back_is_told_with_what_it_was_and_is() {
        let check = |latest: i64, told: &[[i64; 2]], expected: Option<(&str, i64)>| {
            let mut continuity = Continuity::new(5, latest);
            for [count, id] in told {
                continuity.take_count(*count);
                continuity.take_id(*id);
                while continuity.gap().is_some() {}
            }
            let found = continuity.stepped_back().map(|step| (step.to_string(), step.first));
            let expected = expected.map(|(text, first)| (text.to_owned(), first));
            assert_eq!(found, expected, "{told:?}");
        };
        check(77, &[[5, 5], [6, 6], [7, 7]], None);
        check(77, &[[5, 5], [6, 9], [7, 10]], None);
        check(77, &[[5, 5], [6, 2]], Some(("unique id went back from 5 to 2", 2)));
        // The first frames after it may have been skipped.
        check(77, &[[5, 5], [9, 4]], Some(("unique id went back from 5 to 4", 1)));
        check(77, &[[5, 3]], Some(("unique id went back from 4 to 3", 3)));
        check(77, &[[5, 4]], Some(("unique id went back from 4 to 4", 4)));
        // What is told again is of no frame.
        check(4, &[[4, 4], [5, 5], [5, 5], [6, 6]], None);
        check(77, &[[5, 5], [2, 6]], Some(("count of frames taken in went back from 5 to 2", 6)));
        // What follows does not hide it.
        check(77, &[[5, 5], [6, 2], [7, 7]], Some(("unique id went back from 5 to 2", 2)));
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

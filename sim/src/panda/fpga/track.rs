//! [`Track`]: a number on the position bus as a function of ticks, known ahead as far as it is given.
use super::{
    EncoderError, Tick,
    segment::{Condition, Segment},
};
use std::collections::VecDeque;

/// How many segments of one encoder are held at most.
const MAX_SEGMENTS: usize = 1 << 16;
/// A run of one value is looked for by halving if it is expected to be longer than this.
const SHORT_RUN: u64 = 8;

#[derive(Clone, Debug)]
pub(super) struct Track {
    /// By start, never empty; each holds until the next one starts.
    segments: VecDeque<Segment>,
    /// From which tick on changes have not been told yet.
    told: Tick,
    /// Whether there was one in a segment which has been dropped since.
    has_changed: bool,
}

impl Track {
    pub(super) fn new() -> Self {
        let segments = VecDeque::from([Segment::constant(0, 0)]);
        Self { segments, told: 0, has_changed: false }
    }

    pub(super) fn len(&self) -> usize {
        self.segments.len()
    }

    fn index(&self, tick: Tick) -> usize {
        // Most questions are about the last segments, and there are few.
        match self.segments.back() {
            Some(last) if last.start <= tick => self.segments.len() - 1,
            _ => self.segments.partition_point(|segment| segment.start <= tick).saturating_sub(1),
        }
    }

    /// The last tick at which a segment holds.
    fn last(&self, index: usize) -> Tick {
        self.segments.get(index + 1).map_or(Tick::MAX, |next| next.start - 1)
    }

    pub(super) fn at(&self, tick: Tick) -> i32 {
        let segment = &self.segments[self.index(tick)];
        segment.at(tick.max(segment.start))
    }

    /// What is known from the start of the first segment on is replaced by the segments.
    pub(super) fn replace(&mut self, segments: Vec<Segment>) -> Result<(), EncoderError> {
        let start = segments.first().map_or(Tick::MAX, |segment| segment.start);
        let kept = self.segments.partition_point(|segment| segment.start < start);
        if kept + segments.len() > MAX_SEGMENTS {
            return Err(EncoderError::TooMany { most: MAX_SEGMENTS });
        }
        self.segments.truncate(kept);
        self.segments.extend(segments);
        Ok(())
    }

    /// A value from a tick on.
    pub(super) fn set(&mut self, tick: Tick, value: i32) {
        while self.segments.len() > 1 && self.segments.back().is_some_and(|s| s.start >= tick) {
            self.segments.pop_back();
        }
        self.segments.push_back(Segment::constant(tick, value));
    }

    /// Moves all values from a tick on.
    pub(super) fn shift(&mut self, tick: Tick, counts: i64) -> Result<(), EncoderError> {
        let first = self.index(tick);
        let moved: Result<Vec<_>, _> = self
            .segments
            .range(first..)
            .map(|segment| segment.moved(tick.max(segment.start), counts))
            .collect();
        self.replace(moved?)
    }

    /// Forgets what was before the tick.
    pub(super) fn forget(&mut self, before: Tick) {
        while self.segments.get(1).is_some_and(|next| next.start <= before) {
            let next = self.segments[1].start;
            self.has_changed = self.has_changed || self.changes(self.told, next);
            self.told = self.told.max(next);
            self.segments.pop_front();
        }
    }

    /// Whether the value has changed since this was asked before.
    pub(super) fn take_change(&mut self, now: Tick) -> bool {
        let has_changed = self.has_changed || self.changes(self.told, now);
        self.has_changed = false;
        self.told = self.told.max(now);
        has_changed
    }

    fn changes(&self, from: Tick, to: Tick) -> bool {
        from < to
            && self.first(Condition::Not(i64::from(self.at(from))), from).is_some_and(|t| t <= to)
    }

    /// The first tick, `from` or later, at which the condition holds, as far as is known.
    pub(super) fn first(&self, condition: Condition, from: Tick) -> Option<Tick> {
        let first = self.index(from);
        self.segments.range(first..).enumerate().find_map(|(i, segment)| {
            segment.first(condition, from.max(segment.start), self.last(first + i))
        })
    }

    /// Calls `visit` with every value of `from..to` and for how many ticks it stays.
    pub(super) fn runs(&self, from: Tick, to: Tick, mut visit: impl FnMut(i32, u64)) {
        let mut from = from;
        while from < to {
            let index = self.index(from);
            let segment = &self.segments[index];
            let end = to.min(self.last(index).saturating_add(1));
            let moving = end.min(segment.end().saturating_add(1).max(from));
            let steps = segment.at(from).abs_diff(segment.at(moving.max(from + 1) - 1));
            if !segment.is_constant() && u64::from(steps) * SHORT_RUN > moving - from {
                (from..moving).for_each(|tick| visit(segment.at(tick), 1));
                from = moving;
            } else {
                let value = segment.at(from);
                let change = segment.first(Condition::Not(i64::from(value)), from, end - 1);
                let next = change.unwrap_or(end);
                visit(value, next - from);
                from = next;
            }
        }
    }

    /// The sum of the values of `from..to`.
    pub(super) fn sum(&self, from: Tick, to: Tick) -> i128 {
        let mut total = 0;
        let mut from = from;
        while from < to {
            let index = self.index(from);
            let segment = &self.segments[index];
            let end = to.min(self.last(index).saturating_add(1));
            if segment.is_constant() {
                total += i128::from(segment.at(from)) * i128::from(end - from);
            } else if segment.is_straight() {
                total += segment.sum_of_line(from, end);
            } else {
                self.runs(from, end, |value, ticks| {
                    total += i128::from(value) * i128::from(ticks);
                });
            }
            from = end;
        }
        total
    }

    /// The smallest and the largest value of `from..to`, which is not empty.
    pub(super) fn extremes(&self, from: Tick, to: Tick) -> [i32; 2] {
        let first = self.index(from);
        let mut range = [i32::MAX, i32::MIN];
        for (index, segment) in self.segments.iter().enumerate().skip(first) {
            if segment.start >= to {
                break;
            }
            let [low, high] =
                segment.extremes(from.max(segment.start), self.last(index).min(to - 1));
            range = [range[0].min(low), range[1].max(high)];
        }
        range
    }
}

#[cfg(test)]
mod tests {
    use super::{super::segment::Motion, *};

    fn track() -> Track {
        let mut track = Track::new();
        let motions = [
            Motion { start: 10, duration: 40, coefficients: [0.0, 0.5, 0.0, 0.0] },
            Motion { start: 50, duration: 60, coefficients: [20.0, 0.5, -0.02, 0.0] },
            Motion { start: 110, duration: 30, coefficients: [-22.0, 3.0, 0.0, 0.001] },
            Motion::rest(200, 5.0),
        ];
        for motion in motions {
            track.replace(motion.segments(0).unwrap()).unwrap();
        }
        track
    }

    #[test]
    fn sums_runs_and_extremes_are_those_of_the_values() {
        let track = track();
        for (from, to) in [(0, 1), (0, 10), (5, 60), (49, 51), (60, 300), (10, 250), (205, 260)] {
            let values: Vec<i32> = (from..to).map(|tick| track.at(tick)).collect();
            let mut runs = vec![];
            track.runs(from, to, |value, ticks| runs.extend((0..ticks).map(|_| value)));
            assert_eq!(runs, values, "{from}..{to}");
            assert_eq!(track.sum(from, to), values.iter().map(|v| i128::from(*v)).sum());
            let extremes = [*values.iter().min().unwrap(), *values.iter().max().unwrap()];
            assert_eq!(track.extremes(from, to), extremes);
        }
    }

    #[test]
    fn a_crossing_is_found_in_the_segment_where_it_is() {
        let track = track();
        for limit in -30..150 {
            for condition in [Condition::AtLeast(limit), Condition::AtMost(limit)] {
                for from in [0, 30, 50, 77, 111, 199, 201] {
                    let expected = (from..400).find(|t| condition.holds(i64::from(track.at(*t))));
                    assert_eq!(track.first(condition, from), expected, "{condition:?} {from}");
                }
            }
        }
    }

    #[test]
    fn a_change_is_told_once_even_if_its_segment_is_gone() {
        let mut track = track();
        assert!(!track.take_change(10));
        assert!(track.take_change(12));
        assert!(!track.take_change(12));
        track.forget(205);
        assert_eq!(track.len(), 1);
        assert!(track.take_change(205));
        assert!(!track.take_change(205));
    }
}

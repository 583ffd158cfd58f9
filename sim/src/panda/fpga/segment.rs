//! [`Segment`]: a position along a cubic, in exact integers, so that every question has one answer.
use super::{EncoderError, Tick};

/// Cubics are cut into pieces of this many ticks (2.1 s): their coefficients then fit 128 bits.
const MAX_CURVE: Tick = 1 << 28;
/// Straight lines may be longer: 39 hours.
const MAX_LINE: Tick = 1 << 44;
/// The terms of a straight line are scaled by two to the power of this, so that sums of them fit.
const LINE_BITS: u32 = 64;
/// Those of a curve as much as fits: to this power its sum of terms is brought.
const CURVE_BITS: u32 = 118;
/// With so many bits there is room for every position a register can be set to.
const SHIFTED_BITS: u32 = 84;
/// No term of a polynomial may be beyond this.
const MAX_TERM: f64 = (1_u64 << 33) as f64;

/// A motion of an encoder: counts as a polynomial of the ticks since its start.
///
/// After `duration` the position stays where it is then, until the next motion begins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Motion {
    pub start: Tick,
    pub duration: Tick,
    /// Of 1, t, t² and t³: counts per power of a tick.
    pub coefficients: [f64; 4],
}

/// Position (counts) and velocity (counts per tick) at one end of a motion.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Place {
    pub position: f64,
    pub velocity: f64,
}

impl Motion {
    pub const fn rest(start: Tick, position: f64) -> Self {
        Self { start, duration: 0, coefficients: [position, 0.0, 0.0, 0.0] }
    }

    /// At a constant velocity in counts per tick.
    pub const fn line(start: Tick, duration: Tick, from: Place) -> Self {
        Self { start, duration, coefficients: [from.position, from.velocity, 0.0, 0.0] }
    }

    /// Along the cubic which both ends determine.
    pub fn between(start: Tick, duration: Tick, from: Place, to: Place) -> Self {
        if duration == 0 {
            return Self::rest(start, to.position);
        }
        let ticks = duration as f64;
        let mean = (to.position - from.position) / ticks;
        let second = (3.0 * mean - 2.0 * from.velocity - to.velocity) / ticks;
        let third = (from.velocity + to.velocity - 2.0 * mean) / (ticks * ticks);
        let coefficients = [from.position, from.velocity, second, third];
        Self { start, duration, coefficients }
    }

    fn is_straight(&self) -> bool {
        self.coefficients[2] == 0.0 && self.coefficients[3] == 0.0
    }

    /// The pieces of it which [`Segment`] can hold, its values moved by `offset` counts.
    pub(super) fn segments(&self, offset: i64) -> Result<Vec<Segment>, EncoderError> {
        let [c0, c1, c2, c3] = self.coefficients;
        let longest = if self.is_straight() { MAX_LINE } else { MAX_CURVE };
        if self.is_straight() && self.duration > longest {
            return Err(EncoderError::TooLong { ticks: self.duration, most: longest });
        }
        let mut found = vec![];
        let mut begin = 0;
        loop {
            let duration = (self.duration - begin).min(longest);
            let t = begin as f64;
            let moved = [
                ((c3 * t + c2) * t + c1) * t + c0 + offset as f64,
                (3.0 * c3 * t + 2.0 * c2) * t + c1,
                3.0 * c3 * t + c2,
                c3,
            ];
            found.push(Segment::new(self.start + begin, duration, moved)?);
            begin += duration;
            if begin >= self.duration {
                return Ok(found);
            }
        }
    }
}

/// What a position is to be compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    AtLeast(i64),
    AtMost(i64),
    Not(i64),
}

impl Condition {
    pub(super) const fn holds(self, value: i64) -> bool {
        match self {
            Self::AtLeast(limit) => value >= limit,
            Self::AtMost(limit) => value <= limit,
            Self::Not(other) => value != other,
        }
    }
}

/// One polynomial piece. It keeps its last value after its end.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Segment {
    pub start: Tick,
    /// For how many ticks it moves.
    duration: Tick,
    /// Scaled by two to the power of `bits`; half a count is added, so that the floor rounds.
    coefficients: [i128; 4],
    bits: u32,
    /// The last tick of each stretch along which it never turns; the last one is `duration`.
    stretches: [Tick; 3],
    /// The smallest and the largest value.
    range: [i32; 2],
}

impl Segment {
    pub(super) const fn constant(start: Tick, value: i32) -> Self {
        Self {
            start,
            duration: 0,
            coefficients: [value as i128, 0, 0, 0],
            bits: 0,
            stretches: [0; 3],
            range: [value; 2],
        }
    }

    fn new(start: Tick, duration: Tick, coefficients: [f64; 4]) -> Result<Self, EncoderError> {
        let is_straight = coefficients[2] == 0.0 && coefficients[3] == 0.0;
        let mut power = 1.0;
        let mut largest = 1.0_f64;
        for coefficient in coefficients {
            let term = (coefficient * power).abs();
            if term.is_nan() || term > MAX_TERM {
                return Err(EncoderError::RunsAway { term });
            }
            largest = largest.max(term);
            power *= (duration as f64).max(1.0);
        }
        let size = (largest as u64).ilog2() + 1;
        let bits = if is_straight { LINE_BITS } else { CURVE_BITS - size };
        let scale = (1_i128 << bits) as f64;
        let mut coefficients = coefficients.map(|coefficient| (coefficient * scale) as i128);
        coefficients[0] += 1 << (bits - 1);
        Self { start, duration, coefficients, bits, stretches: [duration; 3], range: [0; 2] }
            .measured()
    }

    /// The rest of it from `start` on, moved by `counts`.
    pub(super) fn moved(&self, start: Tick, counts: i64) -> Result<Self, EncoderError> {
        let passed = (start - self.start).min(self.duration);
        let [c0, c1, c2, c3] = self.coefficients;
        let t = i128::from(passed);
        let bits = self.bits.min(SHIFTED_BITS);
        let coefficients = [
            ((c3 * t + c2) * t + c1) * t + c0,
            (3 * c3 * t + 2 * c2) * t + c1,
            3 * c3 * t + c2,
            c3,
        ];
        let mut coefficients = coefficients.map(|coefficient| coefficient >> (self.bits - bits));
        coefficients[0] += i128::from(counts) << bits;
        let duration = self.duration - passed;
        let stretches = [duration; 3];
        Self { start, duration, coefficients, bits, stretches, range: [0; 2] }.measured()
    }

    /// With its stretches and its range.
    fn measured(self) -> Result<Self, EncoderError> {
        let mut segment = self;
        let duration = segment.duration;
        segment.stretches = segment.find_stretches();
        let ends = segment.stretches.map(|end| [end, (end + 1).min(duration)]);
        let values = ends.as_flattened().iter().map(|ticks| segment.after(*ticks));
        let first = segment.after(0);
        let extremes = values.fold([first; 2], |[low, high], v| [low.min(v), high.max(v)]);
        for (limit, value) in segment.range.iter_mut().zip(extremes) {
            *limit = i32::try_from(value).map_err(|_| EncoderError::OutOfRange { value })?;
        }
        Ok(segment)
    }

    pub(super) const fn end(&self) -> Tick {
        self.start + self.duration
    }

    pub(super) const fn is_constant(&self) -> bool {
        self.range[0] == self.range[1]
    }

    pub(super) const fn is_straight(&self) -> bool {
        self.coefficients[2] == 0 && self.coefficients[3] == 0
    }

    pub(super) fn at(&self, tick: Tick) -> i32 {
        if self.is_constant() {
            return self.range[0];
        }
        self.after((tick - self.start).min(self.duration)) as i32
    }

    fn after(&self, ticks: Tick) -> i64 {
        let t = i128::from(ticks);
        let [c0, c1, c2, c3] = self.coefficients;
        let value =
            if self.is_straight() { c1 * t + c0 } else { ((c3 * t + c2) * t + c1) * t + c0 };
        (value >> self.bits) as i64
    }

    fn rises(&self, ticks: Tick) -> bool {
        let t = i128::from(ticks);
        let [_, c1, c2, c3] = self.coefficients;
        (3 * c3 * t + 2 * c2) * t + c1 >= 0
    }

    /// A quadratic derivative has one direction on either side of its vertex, so each side holds one
    /// turn at most.
    fn find_stretches(&self) -> [Tick; 3] {
        let last = self.duration;
        let [_, _, c2, c3] = self.coefficients;
        let vertex = if c3 == 0 { 0 } else { (-c2).div_euclid(3 * c3).clamp(0, i128::from(last)) };
        let vertex = vertex as Tick;
        let sides = [(0, vertex), (vertex, (vertex + 1).min(last)), ((vertex + 1).min(last), last)];
        let mut stretches = [last; 3];
        let mut found = 0;
        for (low, high) in sides {
            let first = self.rises(low);
            if first != self.rises(high) && found < 2 {
                stretches[found] = bisect(low, high, |ticks| self.rises(ticks) != first) - 1;
                found += 1;
            }
        }
        stretches
    }

    /// The first tick of `from..=to` at which the condition holds.
    pub(super) fn first(&self, condition: Condition, from: Tick, to: Tick) -> Option<Tick> {
        let [low, high] = self.range.map(i64::from);
        let is_possible = match condition {
            Condition::AtLeast(limit) => high >= limit,
            Condition::AtMost(limit) => low <= limit,
            Condition::Not(other) => low != other || high != other,
        };
        if !is_possible {
            return None;
        }
        let last = to.min(self.end().max(from)) - self.start;
        let holds = |ticks: Tick| condition.holds(self.after(ticks.min(self.duration)));
        let mut low = from - self.start;
        for stretch in self.stretches {
            let high = stretch.min(last);
            if holds(low) {
                return Some(self.start + low);
            }
            if high > low && holds(high) {
                return Some(self.start + bisect(low, high, holds));
            }
            low = low.max(high + 1);
            if low > last {
                return None;
            }
        }
        holds(low).then_some(self.start + low)
    }

    /// The smallest and the largest value of `from..=to`.
    pub(super) fn extremes(&self, from: Tick, to: Tick) -> [i32; 2] {
        if self.is_constant() {
            return self.range;
        }
        let [first, last] = [from, to].map(|tick| (tick - self.start).min(self.duration));
        let inner = self.stretches.map(|end| [end, end + 1]);
        let inner = inner.as_flattened().iter().filter(|ticks| (first..=last).contains(ticks));
        let values = inner.chain([&first, &last]).map(|ticks| self.after(*ticks) as i32);
        values.fold([i32::MAX, i32::MIN], |[low, high], v| [low.min(v), high.max(v)])
    }

    /// The sum of the values of `from..to`, along a straight line.
    pub(super) fn sum_of_line(&self, from: Tick, to: Tick) -> i128 {
        let [c0, c1, ..] = self.coefficients;
        let turn = to.clamp(from, self.end().max(from));
        let begin = c1 * i128::from(from - self.start) + c0;
        let still = i128::from(to - turn) * i128::from(self.after(self.duration));
        sum_of_floors(i128::from(turn - from), c1, begin, 1 << self.bits) + still
    }
}

/// The first number of `low..=high` for which `holds` is true, if it is so at `high` and from the
/// first one on.
fn bisect(low: Tick, high: Tick, holds: impl Fn(Tick) -> bool) -> Tick {
    let (mut low, mut high) = (low, high);
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    high
}

/// The sum of `(slope * i + first).div_euclid(unit)` for `i` in `0..count`, as Euclid would do it.
fn sum_of_floors(count: i128, slope: i128, first: i128, unit: i128) -> i128 {
    let (mut count, mut slope, mut first, mut unit) = (count, slope, first, unit);
    let mut total = 0;
    loop {
        total += count * (count - 1) / 2 * slope.div_euclid(unit) + count * first.div_euclid(unit);
        slope = slope.rem_euclid(unit);
        first = first.rem_euclid(unit);
        let top = slope * count + first;
        if top < unit {
            return total;
        }
        // What is left are the points under a line less steep than 1: counted by rows instead of
        // by columns, from the far end, they are again a sum of the same kind.
        (count, first, slope, unit) = (top / unit, top % unit, unit, slope);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(duration: Tick, coefficients: [f64; 4]) -> Segment {
        let motion = Motion { start: 100, duration, coefficients };
        let mut segments = motion.segments(0).unwrap();
        assert_eq!(segments.len(), 1);
        segments.remove(0)
    }

    /// Every question is asked of the segment and of its values one by one.
    #[test]
    fn questions_are_answered_as_values_one_by_one_do() {
        let curves = [
            curve(0, [7.0, 0.0, 0.0, 0.0]),
            curve(200, [3.0, 0.25, 0.0, 0.0]),
            curve(200, [3.0, -1.75, 0.0, 0.0]),
            curve(200, [-20.0, 0.0, 0.01, 0.0]),
            curve(200, [0.0, 1.0, -0.01, 0.0]),
            curve(200, [0.0, 0.9, -0.012, 0.00004]),
            curve(200, [5.0, -0.9, 0.012, -0.00004]),
            curve(200, [5.0, 1e-9, 0.0, 1e-12]),
        ];
        for segment in curves {
            let values: Vec<i64> = (100..340).map(|t| i64::from(segment.at(t))).collect();
            let low = *values.iter().min().unwrap();
            let high = *values.iter().max().unwrap();
            assert_eq!(segment.range.map(i64::from), [low, high]);
            for limit in low - 1..=high + 1 {
                let conditions =
                    [Condition::AtLeast(limit), Condition::AtMost(limit), Condition::Not(limit)];
                for condition in conditions {
                    for from in [100, 101, 150, 222, 299, 300, 310] {
                        let expected = (from..340)
                            .find(|t| condition.holds(values[usize::try_from(t - 100).unwrap()]));
                        let found = segment.first(condition, from, 339);
                        assert_eq!(found, expected, "{segment:?} {condition:?} from {from}");
                    }
                }
            }
        }
    }

    #[test]
    fn sums_along_a_line_are_those_of_its_values() {
        for velocity in [0.0, 0.25, 1.0, 7.3, -0.001, -3.9] {
            let segment = curve(1000, [-12.5, velocity, 0.0, 0.0]);
            for (from, to) in [(100, 100), (100, 101), (103, 777), (500, 1100), (900, 1500)] {
                let expected: i128 = (from..to).map(|t| i128::from(segment.at(t))).sum();
                assert_eq!(segment.sum_of_line(from, to), expected, "{velocity} {from}..{to}");
            }
        }
    }

    #[test]
    fn a_long_cubic_is_cut_and_ends_where_it_is_to_end() {
        let to = Place { position: 1e9, velocity: 0.0 };
        let motion = Motion::between(0, 5 << 28, Place::default(), to);
        let segments = motion.segments(0).unwrap();
        assert_eq!(segments.len(), 5);
        assert_eq!(segments[4].at(5 << 28), 1_000_000_000);
        for pair in segments.windows(2) {
            assert_eq!(pair[0].at(pair[1].start), pair[1].at(pair[1].start));
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let refused = |duration, coefficients| {
            Motion { start: 0, duration, coefficients }.segments(0).unwrap_err()
        };
        assert_eq!(
            refused(0, [2_147_483_648.0, 0.0, 0.0, 0.0]),
            EncoderError::OutOfRange { value: 2_147_483_648 }
        );
        assert!(matches!(refused(1, [f64::NAN, 0.0, 0.0, 0.0]), EncoderError::RunsAway { .. }));
        assert!(matches!(refused(1000, [0.0, 1e9, 0.0, 0.0]), EncoderError::RunsAway { .. }));
        assert!(matches!(refused(1 << 45, [0.0; 4]), EncoderError::TooLong { .. }));
    }
}

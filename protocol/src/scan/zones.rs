//! [`Zones`]: where along a run it must be asked point by point whether something holds, since it
//! may change there or rounding may decide. Outside the zones it is the same from one zone to the
//! next, so that one point stands for all.
//!
//! A condition is compared with a line (or the square of a line) in the ticks of the run. The
//! positions, as computed, differ from that line by rounding alone, of which [`Slope::error`] is
//! a bound; where the line is nearer to the limit than this, it is a zone. Mostly no tick is that
//! near, and the zone is empty: just the place where the condition changes.
use super::{
    budget::{Budget, Exceeded},
    runs::{Track, Tracks},
};
use std::ops::Range;

/// The ticks of a run and the tracks of its axes.
#[derive(Clone, Copy)]
pub(super) struct Course<'a> {
    pub(super) tracks: &'a Tracks,
    pub(super) ticks: u64,
}

/// A quantity along a run: `start + tick * step`, from which what is computed differs by `error`
/// at most.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slope {
    start: f64,
    step: f64,
    error: f64,
    moves: bool,
}

/// Beyond it, and below its inverse, products may overflow or vanish.
const HUGE: f64 = 1e140;

impl Course<'_> {
    pub(super) fn track(&self, axis: usize) -> Track {
        self.tracks.of(axis)
    }

    /// The position along an axis, from an origin.
    pub(super) fn slope(&self, axis: usize, origin: f64) -> Slope {
        let (track, start) = (self.tracks.of(axis), self.tracks.of(axis).at(0) - origin);
        let size = track.reach(self.ticks) + origin.abs();
        // Eight roundings of half an epsilon, of numbers up to this size; here, sixteen. What may
        // overflow is not known at all.
        let error = if size < HUGE { 8.0 * f64::EPSILON * size } else { f64::INFINITY };
        let step = track.step();
        Slope { start, step, error, moves: step != 0.0 }
    }
}

impl Slope {
    pub(super) fn moves(self) -> bool {
        self.moves
    }

    /// `factor * self + other_factor * other`.
    pub(super) fn mix(self, factor: f64, other: Self, other_factor: f64) -> Self {
        Self {
            start: factor * self.start + other_factor * other.start,
            step: factor * self.step + other_factor * other.step,
            error: 1.5 * (factor.abs() * self.error + other_factor.abs() * other.error),
            moves: self.moves || other.moves,
        }
    }

    fn over(self, divisor: f64) -> Self {
        Self {
            start: self.start / divisor,
            step: self.step / divisor,
            error: 1.5 * self.error / divisor.abs(),
            moves: self.moves,
        }
    }

    /// The same with more doubt.
    pub(super) fn doubt(self, error: f64) -> Self {
        Self { error: self.error + error, ..self }
    }

    /// How much the quantity may be off.
    pub(super) fn error(self) -> f64 {
        self.error
    }
}

/// Stretches of ticks, in any order, which may overlap or be empty.
pub(super) struct Zones {
    ticks: u64,
    list: [(u64, u64); 8],
    len: usize,
}

impl Zones {
    pub(super) fn new(ticks: u64) -> Self {
        Self { ticks, list: [(0, 0); 8], len: 0 }
    }

    fn push(&mut self, zone: (u64, u64)) {
        match self.list.get_mut(self.len) {
            Some(place) => {
                *place = zone;
                self.len += 1;
            }
            // More than any area has: then everything is asked.
            None => self.list[0] = (0, self.ticks),
        }
    }

    /// From one real tick to another, both included.
    fn between(&mut self, low: f64, high: f64) {
        let margin = |end: f64| 2.0 * f64::EPSILON * end.abs();
        let (low, high) = (low - margin(low), high + margin(high));
        if low.is_nan() || high.is_nan() {
            self.push((0, self.ticks));
            return;
        }
        // The conversion cuts towards zero, and puts what is beyond the numbers at their ends.
        let after = |end: f64, whole: u64| whole + u64::from((whole as f64) < end);
        let start = after(low, (low as u64).min(self.ticks)).min(self.ticks);
        let end = if high < 0.0 { 0 } else { (high as u64).saturating_add(1) };
        self.push((start, end.clamp(start, self.ticks)));
    }

    /// The zone in which a quantity goes through a limit.
    pub(super) fn crossing(&mut self, quantity: Slope, limit: f64) {
        let Slope { start, step, error, moves } = quantity;
        if !moves {
            return;
        }
        let (distance, error) = (limit - start, error + 2.0 * f64::EPSILON * limit.abs());
        if step == 0.0 {
            // What moves cancels out.
            if distance.abs() > error {
                return;
            }
            self.push((0, self.ticks));
            return;
        }
        let (one, other) = ((distance - error) / step, (distance + error) / step);
        self.between(one.min(other), one.max(other));
    }

    /// The zones in which `(x / a)^2 + (y / b)^2` goes through 1.
    pub(super) fn ellipse(&mut self, (x, a): (Slope, f64), (y, b): (Slope, f64)) {
        if !(x.moves || y.moves) {
            return;
        }
        let (x, y) = (x.over(a), y.over(b));
        let sane = |radius: f64| (1.0 / HUGE..HUGE).contains(&radius.abs());
        if !(sane(a) && sane(b)) {
            self.push((0, self.ticks));
            return;
        }
        let speed = (x.step * x.step + y.step * y.step).sqrt();
        if !(1.0 / HUGE..HUGE).contains(&speed) {
            self.push((0, self.ticks));
            return;
        }
        // How near the line comes to the centre, and when.
        let nearest = ((x.start * y.step - x.step * y.start) / speed).abs();
        let middle = -(x.start * (x.step / speed) + y.start * (y.step / speed)) / speed;
        let error = x.error + y.error;
        let doubt = 2.0 * error + 8.0 * f64::EPSILON;
        let (outside, inside) = (1.0 + doubt, 1.0 - doubt);
        if nearest > outside {
            return;
        }
        let half = |radius: f64| ((radius - nearest) * (radius + nearest)).sqrt() / speed;
        let outer = half(outside);
        let margin = error / speed + 4.0 * f64::EPSILON * (middle.abs() + outer);
        if inside > nearest {
            let inner = half(inside);
            self.between(middle - outer - margin, middle - inner + margin);
            self.between(middle + inner - margin, middle + outer + margin);
        } else {
            self.between(middle - outer - margin, middle + outer + margin);
        }
    }

    /// Keeps of the zones from the one numbered `from` on only what lies in the hull of the others.
    pub(super) fn clip(&mut self, from: usize) {
        let (hull, rest) = self.list[..self.len].split_at_mut(from.min(self.len));
        let start = hull.iter().map(|zone| zone.0).min().unwrap_or(0);
        let end = hull.iter().map(|zone| zone.1).max().unwrap_or(self.ticks);
        for zone in rest {
            zone.0 = zone.0.clamp(start, end);
            zone.1 = zone.1.clamp(zone.0, end);
        }
    }

    /// Whether all zones are empty and at one place.
    pub(super) fn alike(&self) -> bool {
        self.list[..self.len].iter().all(|zone| zone.0 == zone.1 && *zone == self.list[0])
    }

    /// Appends the stretches of ticks for which the condition holds, in order.
    pub(super) fn solve(
        mut self,
        budget: &Budget,
        holds: impl Fn(u64) -> bool,
        out: &mut Vec<Range<u64>>,
    ) -> Result<(), Exceeded> {
        let zones = &mut self.list[..self.len];
        zones.sort_unstable();
        let asked: u64 = zones.iter().map(|zone| zone.1 - zone.0).fold(0, u64::saturating_add);
        budget.look(asked.saturating_add(zones.len() as u64 + 1))?;
        let first = out.len();
        // A stretch costs memory, too, before it is known whether it is kept.
        let mut take = |stretch: Range<u64>| match out[first..].last_mut() {
            Some(last) if last.end == stretch.start => {
                last.end = stretch.end;
                Ok(())
            }
            _ => {
                out.push(stretch);
                budget.look(4)?;
                budget.holds(out.len()).map(|_| ())
            }
        };
        let mut next = 0;
        for (start, end) in zones.iter().copied().chain([(self.ticks, self.ticks)]) {
            if next < start {
                if holds(next) {
                    take(next..start)?;
                }
                next = start;
            }
            while next < end {
                if holds(next) {
                    take(next..next + 1)?;
                }
                next += 1;
            }
        }
        Ok(())
    }
}

//! [`Stroke`]: motion of one axis between rows, from any position and velocity to any other.
use super::{
    AxisLimits,
    ticks::{self, Grid},
    velocity_profile::VelocityProfile,
};

/// Where an axis is, and how fast, at a tick.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Knot {
    pub(super) tick: u64,
    pub(super) position: f64,
    pub(super) velocity: f64,
}

/// As many knots as any stroke has: start, rest, two of a move, start of the run-up, settled, end.
const MAX_KNOTS: usize = 7;

/// Constant acceleration from knot to knot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stroke {
    knots: [Knot; MAX_KNOTS],
    count: usize,
}

/// How an axis reaches its velocity from rest, ticks.
#[derive(Clone, Copy, Debug)]
pub(super) struct RunUp {
    /// Even acceleration; zero if it is not to move.
    pub(super) ramp: u64,
    /// At its velocity.
    pub(super) settle: u64,
}

impl RunUp {
    pub(super) fn duration(self) -> u64 {
        self.ramp + self.settle
    }

    /// Where it begins if it is to reach a position at a velocity.
    pub(super) fn start(self, (position, velocity): (f64, f64)) -> f64 {
        if self.ramp == 0 {
            // It cannot move without a ramp.
            return position;
        }
        position - velocity * (ticks::seconds(self.ramp) / 2.0 + ticks::seconds(self.settle))
    }
}

impl Stroke {
    fn new(start: Knot) -> Self {
        Self { knots: [start; MAX_KNOTS], count: 1 }
    }

    /// Goes on until `tick`, evenly to `velocity`.
    fn until(mut self, tick: u64, velocity: f64) -> Self {
        let last = self.knots[self.count - 1];
        if tick > last.tick {
            let way = f64::midpoint(last.velocity, velocity) * ticks::seconds(tick - last.tick);
            self.knots[self.count] = Knot { tick, position: last.position + way, velocity };
            self.count += 1;
        }
        self
    }

    /// What was added up to `position` but for rounding is there. The rounding goes into the longest
    /// phase: in one of a tick it would be an acceleration.
    fn ends_at(mut self, position: f64) -> Self {
        let rounding = position - self.knots[self.count - 1].position;
        let length = |end: &usize| self.knots[*end].tick - self.knots[end - 1].tick;
        if let Some(longest) = (1..self.count).max_by_key(length) {
            for knot in &mut self.knots[longest..self.count] {
                knot.position += rounding;
            }
        }
        self.knots[self.count - 1].position = position;
        self
    }

    /// Rest, and then from there to `to`, where it is after `total` ticks.
    pub(super) fn run_up(to: (f64, f64), by: RunUp, total: u64) -> Self {
        let begin = total - by.duration();
        Self::new(Knot { tick: 0, position: by.start(to), velocity: 0.0 })
            .until(begin, 0.0)
            .until(begin + by.ramp, to.1)
            .until(total, to.1)
            .ends_at(to.0)
    }

    /// From `from` to rest, by a ramp of so many ticks.
    pub(super) fn run_down(from: (f64, f64), ramp: u64) -> Self {
        let (position, velocity) = from;
        Self::new(Knot { tick: 0, position, velocity }).until(ramp, 0.0)
    }

    /// Along a profile on the grid and so many ticks at its last velocity, to `position`.
    pub(super) fn along(
        from: (f64, f64),
        profile: &VelocityProfile,
        to: (f64, f64),
        settle: u64,
    ) -> Self {
        let tick = |seconds: f64| (seconds * ticks::PER_SECOND).round() as u64;
        let first = tick(profile.first_ramp_s);
        let cruised = tick(profile.first_ramp_s + profile.cruise_s);
        let ramped = tick(profile.first_ramp_s + profile.cruise_s + profile.last_ramp_s);
        let cruise = profile.cruise_velocity;
        Self::new(Knot { tick: 0, position: from.0, velocity: from.1 })
            .until(first, cruise)
            .until(cruised, cruise)
            .until(ramped, to.1)
            .until(ramped + settle, to.1)
            .ends_at(to.0)
    }

    pub(super) fn knots(&self) -> &[Knot] {
        &self.knots[..self.count]
    }

    /// Where it begins.
    pub(super) fn start(&self) -> f64 {
        self.knots[0].position
    }

    pub(super) fn duration(&self) -> u64 {
        self.knots[self.count - 1].tick
    }

    /// Position and velocity at a tick; those of the end after it.
    pub(super) fn at(&self, tick: u64) -> (f64, f64) {
        let knots = self.knots();
        let Some(next) = knots.iter().position(|knot| knot.tick >= tick) else {
            let last = knots[self.count - 1];
            return (last.position, last.velocity);
        };
        let to = knots[next];
        if to.tick == tick {
            return (to.position, to.velocity);
        }
        let from = knots[next - 1];
        let (since, left) = (tick - from.tick, to.tick - tick);
        let part = since as f64 / (since + left) as f64;
        let velocity = from.velocity + (to.velocity - from.velocity) * part;
        let way = |velocities: (f64, f64), ticks: u64| {
            f64::midpoint(velocities.0, velocities.1) * ticks::seconds(ticks)
        };
        // Spread evenly, and from the nearer end, as in a tick it would be an acceleration.
        let whole = way((from.velocity, to.velocity), since + left);
        let rounding = to.position - from.position - whole;
        let position = if since <= left {
            from.position + way((from.velocity, velocity), since) + rounding * part
        } else {
            to.position - way((velocity, to.velocity), left) - rounding * (1.0 - part)
        };
        (position, velocity)
    }

    /// Where it turns back or comes to rest, with the knot before which that is.
    pub(super) fn turns(&self) -> impl Iterator<Item = (usize, f64)> {
        self.knots().windows(2).enumerate().filter_map(|(index, pair)| {
            let [from, to] = [pair[0], pair[1]];
            if to.velocity == 0.0 {
                return Some((index + 1, to.position));
            }
            let part = from.velocity / (from.velocity - to.velocity);
            let way = from.velocity * part * ticks::seconds(to.tick - from.tick) / 2.0;
            (from.velocity * to.velocity < 0.0).then_some((index + 1, from.position + way))
        })
    }
}

/// A stroke that always exists: brake to rest, go from rest to rest, run up, settle. All in ticks
/// on the grid, each ramp of constant acceleration.
#[derive(Clone, Copy, Debug)]
pub(super) struct ByRest {
    from: (f64, f64),
    to: (f64, f64),
    brake: u64,
    /// Length of each of the two ramps of the move; zero without a move.
    ramp: u64,
    /// The shortest time for the move.
    shortest: u64,
    run_up: u64,
    settle: u64,
}

impl ByRest {
    pub(super) fn new(
        from: (f64, f64),
        to: (f64, f64),
        (limits, settle): (&AxisLimits, u64),
        grid: Grid,
    ) -> Self {
        let ramp = |velocity: f64| grid.at_least(velocity.abs() / limits.max_acceleration);
        let mut stroke = Self {
            from,
            to,
            brake: ramp(from.1),
            ramp: 0,
            shortest: 0,
            run_up: ramp(to.1),
            settle,
        };
        let distance = (stroke.begin() - stroke.rest()).abs();
        let scale = from.0.abs().max(to.0.abs());
        if distance > 16.0 * f64::EPSILON * scale {
            // The cruise velocity is the distance over (duration - ramp): both are rounded up, so
            // neither velocity nor acceleration passes its limit.
            let to_full_speed = limits.max_velocity / limits.max_acceleration;
            let to_half_way = (distance / limits.max_acceleration).sqrt();
            stroke.ramp = grid.at_least(to_full_speed.min(to_half_way)).max(grid.interval);
            let at_full_speed = grid.at_least(distance / limits.max_velocity);
            stroke.shortest = stroke.ramp + stroke.ramp.max(at_full_speed);
        }
        stroke
    }

    /// Where it has come to rest.
    fn rest(&self) -> f64 {
        self.from.0 + self.from.1 * ticks::seconds(self.brake) / 2.0
    }

    /// Where the run-up begins.
    fn begin(&self) -> f64 {
        let seconds = ticks::seconds(self.run_up) / 2.0 + ticks::seconds(self.settle);
        self.to.0 - self.to.1 * seconds
    }

    pub(super) fn duration(&self) -> u64 {
        self.brake + self.shortest + self.run_up + self.settle
    }

    /// The stroke in `total` ticks. A longer time than the shortest lowers the velocity of the move,
    /// and its acceleration.
    pub(super) fn within(&self, total: u64) -> Stroke {
        let ramped = total - self.settle;
        let end = ramped - self.run_up;
        let start = Knot { tick: 0, position: self.from.0, velocity: self.from.1 };
        let mut stroke = Stroke::new(start).until(self.brake, 0.0);
        if self.ramp > 0 {
            let move_s = ticks::seconds(end - self.brake - self.ramp);
            let cruise = (self.begin() - self.rest()) / move_s;
            stroke = stroke.until(self.brake + self.ramp, cruise).until(end - self.ramp, cruise);
        }
        stroke.until(end, 0.0).until(ramped, self.to.1).until(total, self.to.1).ends_at(self.to.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn a_stroke_by_rest_exists_for_any_longer_time() {
        for seed in 0..2_000 {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            let limits = AxisLimits {
                low: -1e4,
                high: 1e4,
                max_velocity: random.random_range(0.5..50.0),
                max_acceleration: random.random_range(0.5..500.0),
                settle_s: 0.0,
            };
            let grid = Grid { interval: [1, 50, 2_000][random.random_range(0..3)] };
            let mut end = || {
                let part = [0.0, 1.0, -1.0, random.random_range(-1.0..1.0)];
                let velocity = limits.max_velocity * part[random.random_range(0..4)];
                (random.random_range(-50.0..50.0), velocity)
            };
            let (from, to) = (end(), end());
            let to = (if random.random_range(0..4) == 0 { from.0 } else { to.0 }, to.1);
            let settle = grid.interval * random.random_range(0..3);
            let shortest = ByRest::new(from, to, (&limits, settle), grid);
            let total = shortest.duration() + grid.interval * random.random_range(0..1_000);
            let stroke = shortest.within(total);
            assert_eq!((stroke.at(0), stroke.at(total)), (from, to), "seed {seed}");
            assert_eq!(stroke.at(total - settle).1, to.1, "seed {seed}: settled");
            let knots = stroke.knots();
            assert!(knots.iter().any(|knot| knot.velocity == 0.0), "seed {seed}");
            for pair in knots.windows(2) {
                let ticks = pair[1].tick - pair[0].tick;
                assert_eq!(pair[1].tick % grid.interval, 0, "seed {seed}: {knots:?}");
                let change = (pair[1].velocity - pair[0].velocity).abs();
                let most = limits.max_acceleration * ticks::seconds(ticks) * (1.0 + 1e-9);
                assert!(change <= most + 1e-12, "seed {seed}: {knots:?}");
                assert!(pair[1].velocity.abs() <= limits.max_velocity * (1.0 + 1e-9));
                let mean = f64::midpoint(pair[0].velocity, pair[1].velocity);
                let way = pair[1].position - pair[0].position - mean * ticks::seconds(ticks);
                assert!(way.abs() <= 1e-9, "seed {seed}: {way} in {knots:?}");
            }
        }
    }
}

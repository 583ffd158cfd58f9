//! [`Turn`]: motion between rows, from any position and velocity to any other.
use super::{AxisLimits, Segment, ticks};

/// Where every axis is, and how fast.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct State {
    pub(super) positions: Box<[f64]>,
    pub(super) velocities: Box<[f64]>,
}

/// One axis: brake to rest, go from rest to rest, run up. Ticks, EGU, EGU/s.
#[derive(Clone, Debug)]
pub(super) struct Stroke {
    from: f64,
    from_velocity: f64,
    brake: u64,
    /// Where it has come to rest.
    pub(super) rest: f64,
    /// Length of each of the two ramps of the move; zero without a move.
    ramp: u64,
    /// The shortest time for the move.
    shortest: u64,
    /// Where the run-up begins.
    pub(super) begin: f64,
    run_up: u64,
    to: f64,
    to_velocity: f64,
}

/// Motion of all axes in a common time.
#[derive(Clone, Debug)]
pub(super) struct Turn {
    pub(super) strokes: Vec<Stroke>,
    /// When each segment ends, ascending; the last is the whole duration. Empty if nothing moves.
    knots: Vec<u64>,
}

/// The time in which `velocity` is reached from rest, or rest from it.
fn ramp_ticks(velocity: f64, limits: &AxisLimits) -> u64 {
    ticks::at_least(velocity.abs() / limits.max_acceleration)
}

/// The distance of a ramp between rest and `velocity` of so many ticks.
fn ramp_distance(velocity: f64, duration: u64) -> f64 {
    velocity * ticks::seconds(duration) / 2.0
}

/// Where an axis must stand still to reach `position` at `velocity`.
pub(super) fn run_up_from(position: f64, velocity: f64, limits: &AxisLimits) -> f64 {
    position - ramp_distance(velocity, ramp_ticks(velocity, limits))
}

/// Where an axis comes to rest that is at `position` with `velocity`.
pub(super) fn run_down_to(position: f64, velocity: f64, limits: &AxisLimits) -> f64 {
    position + ramp_distance(velocity, ramp_ticks(velocity, limits))
}

impl Stroke {
    fn new(from: (f64, f64), to: (f64, f64), limits: &AxisLimits) -> Self {
        let (rest, begin) = (run_down_to(from.0, from.1, limits), run_up_from(to.0, to.1, limits));
        let distance = (begin - rest).abs();
        let scale = from.0.abs().max(to.0.abs()).max(rest.abs()).max(begin.abs());
        // A snake turns at one place up to rounding: no move may be made of the rounding.
        let (ramp, shortest) = if distance <= 16.0 * f64::EPSILON * scale {
            (0, 0)
        } else {
            shortest(distance, limits)
        };
        Self {
            from: from.0,
            from_velocity: from.1,
            brake: ramp_ticks(from.1, limits),
            rest,
            ramp,
            shortest,
            begin,
            run_up: ramp_ticks(to.1, limits),
            to: to.0,
            to_velocity: to.1,
        }
    }

    fn duration(&self) -> u64 {
        self.brake + self.shortest + self.run_up
    }

    /// When the acceleration changes, if the whole takes `total`.
    fn knots(&self, total: u64) -> [u64; 4] {
        let end = total - self.run_up;
        [self.brake, self.brake + self.ramp, end - self.ramp, end]
    }

    /// Position and velocity at `tick` of `total`.
    ///
    /// A longer time than the shortest lowers the velocity of the move, and its acceleration.
    fn at(&self, tick: u64, total: u64) -> (f64, f64) {
        let end = total - self.run_up;
        if tick >= total {
            return (self.to, self.to_velocity);
        }
        if tick < self.brake {
            let velocity = self.from_velocity * ((self.brake - tick) as f64 / self.brake as f64);
            let mean = f64::midpoint(self.from_velocity, velocity);
            return (self.from + mean * ticks::seconds(tick), velocity);
        }
        if tick >= end {
            let velocity = self.to_velocity * ((tick - end) as f64 / self.run_up as f64);
            return (self.begin + ramp_distance(velocity, tick - end), velocity);
        }
        if self.ramp == 0 {
            return (self.rest, 0.0);
        }
        let (since, left) = (tick - self.brake, end - tick);
        let cruise = (self.begin - self.rest) / ticks::seconds(since + left - self.ramp);
        if since < self.ramp {
            let velocity = cruise * (since as f64 / self.ramp as f64);
            (self.rest + ramp_distance(velocity, since), velocity)
        } else if left < self.ramp {
            let velocity = cruise * (left as f64 / self.ramp as f64);
            (self.begin - ramp_distance(velocity, left), velocity)
        } else {
            let ramp = ramp_distance(cruise, self.ramp);
            (self.rest + ramp + cruise * ticks::seconds(since - self.ramp), cruise)
        }
    }
}

/// The ramp and the whole duration of the fastest move over `distance` from rest to rest.
///
/// The cruise velocity is the distance over (duration - ramp): both are rounded up, so neither
/// velocity nor acceleration passes its limit.
fn shortest(distance: f64, limits: &AxisLimits) -> (u64, u64) {
    let to_full_speed = limits.max_velocity / limits.max_acceleration;
    let to_half_way = (distance / limits.max_acceleration).sqrt();
    let ramp = ticks::at_least(to_full_speed.min(to_half_way)).max(1);
    let at_full_speed = ticks::at_least(distance / limits.max_velocity);
    (ramp, ramp + ramp.max(at_full_speed))
}

impl Turn {
    /// From one state to another, in the least time in which every axis can brake, move, run up.
    pub(super) fn new(from: &State, to: &State, limits: &[AxisLimits], longest: u64) -> Self {
        let state = |state: &State, axis: usize| (state.positions[axis], state.velocities[axis]);
        let strokes: Vec<Stroke> = limits
            .iter()
            .enumerate()
            .map(|(axis, limits)| Stroke::new(state(from, axis), state(to, axis), limits))
            .collect();
        let total = strokes.iter().map(Stroke::duration).max().unwrap_or(0);
        let mut breaks: Vec<u64> = strokes.iter().flat_map(|stroke| stroke.knots(total)).collect();
        breaks.push(total);
        breaks.sort_unstable();
        Self { strokes, knots: split(&breaks, longest) }
    }

    /// Standing still at `positions` for so many ticks.
    pub(super) fn still(positions: &[f64], duration: u64, longest: u64) -> Self {
        let stroke = |&position: &f64| Stroke {
            from: position,
            from_velocity: 0.0,
            brake: 0,
            rest: position,
            ramp: 0,
            shortest: 0,
            begin: position,
            run_up: 0,
            to: position,
            to_velocity: 0.0,
        };
        let strokes = positions.iter().map(stroke).collect();
        Self { strokes, knots: split(&[duration], longest) }
    }

    /// Where every axis is before it.
    pub(super) fn start(&self) -> Box<[f64]> {
        self.strokes.iter().map(|stroke| stroke.from).collect()
    }

    pub(super) fn count(&self) -> u64 {
        self.knots.len() as u64
    }

    pub(super) fn duration(&self) -> u64 {
        self.knots.last().copied().unwrap_or(0)
    }

    pub(super) fn segment(&self, index: u64) -> Segment {
        let index = usize::try_from(index).expect("an index below the number of knots");
        let before = index.checked_sub(1).map_or(0, |previous| self.knots[previous]);
        let (tick, total) = (self.knots[index], self.duration());
        let (positions, velocities): (Vec<f64>, Vec<f64>) =
            self.strokes.iter().map(|stroke| stroke.at(tick, total)).unzip();
        Segment {
            duration_us: tick - before,
            frames: 0,
            frame_goes_on: false,
            positions: positions.into(),
            velocities: velocities.into(),
        }
    }
}

/// The ascending `breaks` without zero and repetition, and with as many more as keep every
/// interval within `longest`.
fn split(breaks: &[u64], longest: u64) -> Vec<u64> {
    let mut knots = Vec::with_capacity(breaks.len());
    let mut before = 0;
    for &next in breaks {
        let interval = next - before;
        let parts = interval.div_ceil(longest);
        knots.extend((1..=parts).map(|part| before + interval * part / parts));
        before = next;
    }
    knots
}

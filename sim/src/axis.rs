//! [`Axis`]: where something that moves is at every moment, from the motions it was given.
use bluefly_actors::clock::Instant;
use std::{cell::RefCell, collections::VecDeque, time::Duration};

/// A stretch of constant acceleration.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Phase {
    pub start: Instant,
    pub duration: Duration,
    pub from: State,
    pub to: State,
}

/// Position (EGU) and velocity (EGU/s).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct State {
    pub position: f64,
    pub velocity: f64,
}

impl State {
    pub(crate) const fn at_rest(position: f64) -> Self {
        Self { position, velocity: 0.0 }
    }
}

impl Phase {
    pub(crate) fn end(&self) -> Instant {
        self.start + self.duration
    }

    /// Where constant acceleration leads, which `to` must be but for rounding.
    pub(crate) fn reached(&self) -> f64 {
        let mean = f64::midpoint(self.from.velocity, self.to.velocity);
        self.from.position + mean * self.duration.as_secs_f64()
    }

    fn at(&self, now: Instant) -> State {
        if now >= self.end() {
            return self.to;
        }
        let (elapsed, whole) = ((now - self.start).as_secs_f64(), self.duration.as_secs_f64());
        let acceleration = (self.to.velocity - self.from.velocity) / whole;
        let travelled = self.from.velocity * elapsed + acceleration * elapsed * elapsed / 2.0;
        // Durations are whole nanoseconds: what that rounds away is spread over the phase.
        let rounding = (self.to.position - self.reached()) * (elapsed / whole);
        State {
            position: self.from.position + travelled + rounding,
            velocity: self.from.velocity + acceleration * elapsed,
        }
    }
}

/// How far back positions are known: beyond any exposure in a continuous motion.
const MEMORY: Duration = Duration::from_mins(1);

/// The motion of one axis. It rests before, after and between its phases.
#[derive(Debug)]
pub(crate) struct Axis {
    pub max_velocity: f64,
    pub max_acceleration: f64,
    phases: RefCell<VecDeque<Phase>>,
}

/// Phases that are remembered however old they are: an hour of segments of 4 s.
const MIN_PHASES: usize = 1_000;

impl Axis {
    pub(crate) fn new(position: f64, max_velocity: f64, max_acceleration: f64) -> Self {
        let state = State::at_rest(position);
        let (start, duration) = (Instant::default(), Duration::ZERO);
        let rest = Phase { start, duration, from: state, to: state };
        Self { max_velocity, max_acceleration, phases: RefCell::new([rest].into()) }
    }

    /// Where it is at `now`; at the very end of a phase, with the velocity of that end.
    pub(crate) fn at(&self, now: Instant) -> State {
        let phases = self.phases.borrow();
        let started = phases.iter().rev().find(|phase| phase.start <= now);
        match started {
            None => State::at_rest(phases[0].from.position),
            Some(phase) if now <= phase.end() => phase.at(now),
            Some(phase) => State::at_rest(phase.to.position),
        }
    }

    /// Position and velocity at the end of everything it was given.
    pub(crate) fn end(&self) -> (Instant, State) {
        let phases = self.phases.borrow();
        let last = phases.back().expect("an axis always has a phase");
        (last.end(), last.to)
    }

    pub(crate) fn is_moving(&self, now: Instant) -> bool {
        self.end().0 > now
    }

    /// Adds a phase after all others.
    pub(crate) fn push(&self, phase: Phase) {
        let mut phases = self.phases.borrow_mut();
        // Long frames are of few phases, short ones are over soon.
        while phases.len() > MIN_PHASES && phases[1].start + MEMORY < phase.start {
            phases.pop_front();
        }
        phases.push_back(phase);
    }

    /// Forgets what was to happen from `now` on and decelerates; returns when it stands still.
    pub(crate) fn halt(&self, now: Instant) -> Instant {
        let state = self.at(now);
        {
            let mut phases = self.phases.borrow_mut();
            while phases.len() > 1 && phases.back().is_some_and(|phase| phase.start >= now) {
                phases.pop_back();
            }
            let last = phases.back_mut().expect("an axis always has a phase");
            if last.end() > now {
                last.duration = now - last.start;
                last.to = state;
            }
        }
        if state.velocity == 0.0 {
            return now;
        }
        let time = state.velocity.abs() / self.max_acceleration;
        let to = State::at_rest(state.position + state.velocity * time / 2.0);
        let duration = Duration::from_secs_f64(time);
        self.push(Phase { start: now, duration, from: state, to });
        now + duration
    }

    /// Goes from rest to rest, as fast as it can at `velocity`; returns when it arrives.
    pub(crate) fn travel(&self, start: Instant, target: f64, velocity: f64) -> Instant {
        let origin = self.at(start).position;
        let distance = target - origin;
        let acceleration = self.max_acceleration;
        let ramp_s = (velocity / acceleration).min((distance.abs() / acceleration).sqrt());
        let peak = (acceleration * ramp_s).copysign(distance);
        let ramp = peak * ramp_s / 2.0;
        let cruise_s = ((distance - 2.0 * ramp) / peak).max(0.0);
        let cruising = |position| State { position, velocity: peak };
        let ends = [
            (ramp_s, cruising(origin + ramp)),
            (cruise_s, cruising(target - ramp)),
            (ramp_s, State::at_rest(target)),
        ];
        let (mut start, mut from) = (start, State::at_rest(origin));
        for (time_s, to) in ends {
            let duration = Duration::try_from_secs_f64(time_s).unwrap_or_default();
            if !duration.is_zero() {
                self.push(Phase { start, duration, from, to });
                (start, from) = (start + duration, to);
            }
        }
        start
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(seconds: f64) -> Instant {
        Instant::default() + Duration::from_secs_f64(seconds)
    }

    fn check_travel(distance: f64, arrival_s: f64, at_s: f64, expected: f64) {
        let axis = Axis::new(1.0, 10.0, 20.0);
        assert_eq!(axis.travel(second(0.0), 1.0 + distance, 10.0), second(arrival_s));
        assert_eq!(axis.at(second(at_s)).position, 1.0 + expected);
        assert_eq!(axis.at(second(arrival_s)), State::at_rest(1.0 + distance));
    }

    #[test]
    fn a_long_travel_is_a_trapezoid() {
        check_travel(20.0, 2.5, 0.0, 0.0);
        check_travel(20.0, 2.5, 0.25, 0.625);
        check_travel(20.0, 2.5, 0.5, 2.5);
        check_travel(20.0, 2.5, 1.25, 10.0);
        check_travel(-20.0, 2.5, 1.25, -10.0);
        check_travel(20.0, 2.5, 2.25, 19.375);
    }

    #[test]
    fn a_short_travel_is_a_triangle() {
        check_travel(1.25, 0.5, 0.25, 0.625);
        check_travel(-1.25, 0.5, 0.25, -0.625);
        check_travel(0.0, 0.0, 0.0, 0.0);
    }

    #[test]
    fn a_halt_takes_the_time_that_the_velocity_needs() {
        let axis = Axis::new(0.0, 10.0, 20.0);
        axis.travel(second(0.0), 20.0, 10.0);
        assert_eq!(axis.halt(second(1.0)), second(1.5));
        assert_eq!(axis.at(second(1.0)), State { position: 7.5, velocity: 10.0 });
        assert_eq!(axis.at(second(1.5)), State::at_rest(10.0));
        assert_eq!(axis.halt(second(2.0)), second(2.0));
        assert_eq!(axis.at(second(0.25)).position, 0.625);
    }
}

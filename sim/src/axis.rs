//! [`Axis`]: where something that moves is at every moment, from the motions it was given.
use bluefly_actors::clock::Instant;
use std::{cell::RefCell, collections::VecDeque, rc::Rc, time::Duration};

/// A stretch of motion along the cubic that both ends determine; behind it the axis rests.
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
    fn rest(start: Instant, position: f64) -> Self {
        let state = State::at_rest(position);
        Self { start, duration: Duration::ZERO, from: state, to: state }
    }

    pub(crate) fn end(&self) -> Instant {
        self.start + self.duration
    }

    fn duration_s(&self) -> f64 {
        self.duration.as_secs_f64().max(1e-9)
    }

    /// Accelerations at its ends, between which it changes evenly.
    pub(crate) fn accelerations(&self) -> [f64; 2] {
        let (time_s, from, to) = (self.duration_s(), self.from, self.to);
        let mean = (to.position - from.position) / time_s;
        [
            (6.0 * mean - 4.0 * from.velocity - 2.0 * to.velocity) / time_s,
            (2.0 * from.velocity + 4.0 * to.velocity - 6.0 * mean) / time_s,
        ]
    }

    /// The greatest speed in it.
    pub(crate) fn max_speed(&self) -> f64 {
        let [first, last] = self.accelerations();
        let ends = self.from.velocity.abs().max(self.to.velocity.abs());
        if first * last >= 0.0 {
            return ends;
        }
        // Fastest where the acceleration changes sign.
        let part = first / (first - last);
        ends.max((self.from.velocity + first * part * self.duration_s() / 2.0).abs())
    }

    /// Least and greatest position in it.
    pub(crate) fn extent(&self) -> [f64; 2] {
        let [first, last] = self.accelerations();
        let time_s = self.duration_s();
        // Where the velocity is zero: velocity + first * t + half_jerk * t^2.
        let half_jerk = (last - first) / (2.0 * time_s);
        let velocity = self.from.velocity;
        let root = (first * first - 4.0 * half_jerk * velocity).max(0.0).sqrt();
        let sum = -(first + root.copysign(first)) / 2.0;
        let turns = [sum / half_jerk, velocity / sum];
        let turns = turns.into_iter().filter(|time_s| (0.0..self.duration_s()).contains(time_s));
        let ends = [self.from.position, self.to.position];
        turns
            .map(|seconds| self.after(seconds).position)
            .chain(ends)
            .fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], position| {
                [low.min(position), high.max(position)]
            })
    }

    fn after(&self, elapsed_s: f64) -> State {
        let [position, velocity, ..] = self.terms(elapsed_s);
        State { position, velocity }
    }

    /// What it is from some time after its start on, as a polynomial: EGU per power of a second.
    pub(crate) fn terms(&self, elapsed_s: f64) -> [f64; 4] {
        let [first, last] = self.accelerations();
        let (time_s, from) = (elapsed_s, self.from);
        let jerk = (last - first) / self.duration_s();
        [
            from.position + time_s * (from.velocity + time_s * (first / 2.0 + time_s * jerk / 6.0)),
            from.velocity + time_s * (first + time_s * jerk / 2.0),
            first / 2.0 + time_s * jerk / 2.0,
            jerk / 6.0,
        ]
    }

    fn at(&self, now: Instant) -> State {
        if now >= self.end() { self.to } else { self.after((now - self.start).as_secs_f64()) }
    }
}

/// How far back positions are known: beyond any exposure in a continuous motion.
const MEMORY: Duration = Duration::from_mins(1);

/// Is told what an axis does from the start of a phase on; what it knew of later motion is void.
pub(crate) type Follower = Rc<dyn Fn(&Phase)>;

/// The motion of one axis. It rests before, after and between its phases.
pub(crate) struct Axis {
    pub max_velocity: f64,
    pub max_acceleration: f64,
    phases: RefCell<VecDeque<Phase>>,
    followers: RefCell<Vec<Follower>>,
}

/// Phases that are remembered however old they are: an hour of segments of 4 s.
const MIN_PHASES: usize = 1_000;

impl Axis {
    pub(crate) fn new(position: f64, max_velocity: f64, max_acceleration: f64) -> Self {
        let rest = Phase::rest(Instant::default(), position);
        let (phases, followers) = (RefCell::new([rest].into()), RefCell::default());
        Self { max_velocity, max_acceleration, phases, followers }
    }

    pub(crate) fn follow(&self, follower: Follower) {
        self.followers.borrow_mut().push(follower);
    }

    /// What it does from `now` on, as far as it is known.
    pub(crate) fn ahead(&self, now: Instant) -> Vec<Phase> {
        let rest = Phase::rest(now, self.at(now).position);
        let phases = self.phases.borrow();
        let ahead = phases.iter().filter(|phase| phase.end() > now).copied();
        [rest].into_iter().chain(ahead).collect()
    }

    fn tell(&self, phase: &Phase) {
        self.followers.borrow().iter().for_each(|follower| follower(phase));
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
        drop(phases);
        self.tell(&phase);
    }

    /// Forgets what was to happen from `now` on: there it stands still at once.
    pub(crate) fn cut(&self, now: Instant) {
        let state = self.at(now);
        let mut phases = self.phases.borrow_mut();
        while phases.len() > 1 && phases.back().is_some_and(|phase| phase.start >= now) {
            phases.pop_back();
        }
        let last = phases.back_mut().expect("an axis always has a phase");
        if last.end() > now {
            last.duration = now - last.start;
            last.to = state;
        }
        drop(phases);
        self.tell(&Phase::rest(now, state.position));
    }

    /// Forgets what was to happen from `now` on and decelerates; returns when it stands still.
    pub(crate) fn halt(&self, now: Instant) -> Instant {
        let state = self.at(now);
        self.cut(now);
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

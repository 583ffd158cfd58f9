//! [`VelocityProfile`]: how one axis gets from a velocity to another over a distance.

/// What a [`VelocityProfile`] has to fulfil. EGU, EGU/s, EGU/s², seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Passage {
    pub from_velocity: f64,
    pub to_velocity: f64,
    pub distance: f64,
    /// Least time, with the settle time.
    pub min_time_s: f64,
    pub max_velocity: f64,
    pub acceleration: f64,
    /// Time at `to_velocity` at the end.
    pub settle_s: f64,
}

/// Three phases, and the settle time after them: a ramp from the first velocity to that of the
/// cruise, the cruise, and a ramp to the last velocity.
///
/// Of all such profiles it is the one that takes the least time, or the time demanded if it is
/// longer and the distance can be covered in it at this acceleration. The area under it is the
/// distance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VelocityProfile {
    passage: Passage,
    pub first_ramp_s: f64,
    pub cruise_s: f64,
    pub last_ramp_s: f64,
    pub cruise_velocity: f64,
}

/// Whether there is a cruise between the ramps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Pointed,
    Flat,
}

/// A cruise or an excess of this part of the whole is rounding.
const ROUNDING: f64 = 1e-10;
/// So near to a point of the grid is on it, in intervals.
const ON_GRID: f64 = 1e-6;

/// How fast an axis can become at most, and how far it comes by that, in a given time. The slowest
/// and shortest is the same seen in a mirror.
#[derive(Clone, Copy, Debug)]
struct Peak {
    velocity: f64,
    distance: f64,
}

impl Peak {
    /// The velocity of a cruise that leads as far as `way`. Each side of the triangle that the cruise
    /// cuts off has this acceleration.
    fn velocity_for(&self, way: f64, (time_s, acceleration): (f64, f64)) -> f64 {
        let cut = self.distance - way;
        // The root of what is rounding would not be.
        let rounding = 1e-12 * (way.abs() + self.velocity.abs() * time_s);
        if cut <= rounding { self.velocity } else { self.velocity - (acceleration * cut).sqrt() }
    }
}

impl Passage {
    /// The distance without that of the settle time.
    fn way(&self) -> f64 {
        self.distance - self.to_velocity * self.settle_s
    }

    fn mirrored(self) -> Self {
        Self {
            from_velocity: -self.from_velocity,
            to_velocity: -self.to_velocity,
            distance: -self.distance,
            ..self
        }
    }

    /// The distance in `time_s` with a cruise at `velocity`, which neither end velocity is above.
    fn hat(&self, velocity: f64, time_s: f64) -> f64 {
        let (first, last) = (velocity - self.from_velocity, velocity - self.to_velocity);
        velocity * time_s - (first * first + last * last) / (2.0 * self.acceleration)
    }

    fn peak(&self, time_s: f64) -> Peak {
        let sum = self.from_velocity + self.to_velocity;
        let velocity = f64::midpoint(self.acceleration * time_s, sum);
        Peak { velocity, distance: self.hat(velocity, time_s) }
    }

    /// `time_s`, or the least longer one in which the axis can come far enough.
    fn far_enough(&self, time_s: f64) -> f64 {
        let (way, acceleration) = (self.way(), self.acceleration);
        let mut time_s = time_s;
        if way > self.peak(time_s).distance {
            let (from, to) = (self.from_velocity, self.to_velocity);
            let squares = (2.0 * acceleration * way + from * from + to * to).max(0.0);
            // The time of which the peak's distance is the way.
            time_s = time_s.max(((2.0 * squares).sqrt() - from - to) / acceleration);
        }
        if self.peak(time_s).velocity > self.max_velocity {
            let at_full_speed = self.hat(self.max_velocity, time_s);
            time_s += (way - at_full_speed).max(0.0) / self.max_velocity;
        }
        time_s
    }

    /// The time that its profile takes.
    pub(super) fn total_s(&self) -> f64 {
        self.phases_s() + self.settle_s
    }

    /// The least time for the phases (without settling) that is no shorter than the one demanded.
    fn phases_s(&self) -> f64 {
        let change = (self.from_velocity - self.to_velocity).abs() / self.acceleration;
        let time_s = (self.min_time_s - self.settle_s).max(change);
        self.mirrored().far_enough(self.far_enough(time_s))
    }

    /// The velocity of the cruise by which the axis comes as far as it should in `time_s`.
    fn cruise_velocity(&self, time_s: f64) -> f64 {
        let (low, high) = if self.from_velocity < self.to_velocity {
            (self.from_velocity, self.to_velocity)
        } else {
            (self.to_velocity, self.from_velocity)
        };
        let (way, acceleration) = (self.way(), self.acceleration);
        if acceleration * time_s <= (high - low) * (1.0 + ROUNDING) {
            // One ramp is all: any velocity in it will do.
            return f64::midpoint(low, high);
        }
        if way >= self.hat(high, time_s) {
            return self.peak(time_s).velocity_for(way, (time_s, acceleration));
        }
        let mirrored = self.mirrored();
        if -way >= mirrored.hat(-low, time_s) {
            return -mirrored.peak(time_s).velocity_for(-way, (time_s, acceleration));
        }
        // Between the two velocities the cruise takes the same time whatever its velocity.
        let cruise_s = time_s - (high - low) / acceleration;
        let lowest = -mirrored.hat(-low, time_s);
        (low + (way - lowest) / cruise_s).clamp(low, high)
    }
}

impl VelocityProfile {
    /// The profile for a passage with a positive acceleration and maximum velocity, which neither
    /// end velocity is above.
    pub fn new(passage: Passage) -> Self {
        let time_s = passage.phases_s();
        let cruise_velocity = passage.cruise_velocity(time_s);
        let ramp = |velocity: f64| (cruise_velocity - velocity).abs() / passage.acceleration;
        let first_ramp_s = ramp(passage.from_velocity).min(time_s);
        let last_ramp_s = ramp(passage.to_velocity).min(time_s - first_ramp_s);
        let rest_s = time_s - first_ramp_s - last_ramp_s;
        let cruise_s = if rest_s <= ROUNDING * time_s { 0.0 } else { rest_s };
        let last_ramp_s = time_s - first_ramp_s - cruise_s;
        Self { passage, first_ramp_s, cruise_s, last_ramp_s, cruise_velocity }
    }

    /// All phases and the settle time.
    pub fn total_s(&self) -> f64 {
        self.phases_s() + self.passage.settle_s
    }

    fn phases_s(&self) -> f64 {
        self.first_ramp_s + self.cruise_s + self.last_ramp_s
    }

    pub fn shape(&self) -> Shape {
        if self.cruise_s == 0.0 { Shape::Pointed } else { Shape::Flat }
    }

    /// Whether every phase ends on a multiple of `interval_s`.
    pub fn is_on_grid(&self, interval_s: f64) -> bool {
        [self.first_ramp_s, self.cruise_s, self.last_ramp_s]
            .into_iter()
            .all(|time_s| (time_s / interval_s - (time_s / interval_s).round()).abs() <= ON_GRID)
    }

    /// The time for the phases to which those of any axis can be extended so that each phase is a
    /// multiple of `interval_s`: the whole grows by two to four intervals, to an even number.
    pub fn grid_s(&self, interval_s: f64) -> f64 {
        let pair_s = 2.0 * interval_s;
        (ceil(self.phases_s() / pair_s) + 1.0) * pair_s
    }

    /// The same passage on the grid, its phases in `phases_s` (from [`grid_s`](Self::grid_s) of
    /// this one or of a longer one). The ramps become longer, so gentler; the velocity of the
    /// cruise follows from the distance.
    ///
    /// Whether it [`holds`](Self::holds) is for the caller to see: more time is not always easier.
    pub fn on_grid(&self, phases_s: f64, interval_s: f64, shape: Shape) -> Self {
        let whole = |time_s: f64| ceil(time_s / interval_s);
        let all = (phases_s / interval_s).round();
        let (first, last) = match shape {
            Shape::Pointed => {
                let first = (whole(self.first_ramp_s) + 1.0).min(all);
                (first, all - first)
            }
            Shape::Flat => {
                let first = whole(self.first_ramp_s).min(all);
                (first, whole(self.last_ramp_s).min(all - first))
            }
        };
        let cruise = all - first - last;
        let Passage { from_velocity, to_velocity, .. } = self.passage;
        let (first_ramp_s, last_ramp_s) = (first * interval_s, last * interval_s);
        let cruise_s = cruise * interval_s;
        let ramps = first_ramp_s * from_velocity + last_ramp_s * to_velocity;
        let cruise_velocity = if all > 0.0 {
            (2.0 * self.passage.way() - ramps) / (2.0 * cruise_s + first_ramp_s + last_ramp_s)
        } else {
            to_velocity
        };
        Self { passage: self.passage, first_ramp_s, cruise_s, last_ramp_s, cruise_velocity }
    }

    /// Whether it keeps within the velocity and acceleration of the passage, up to rounding.
    pub fn holds(&self) -> bool {
        let Passage { from_velocity, to_velocity, max_velocity, acceleration, .. } = self.passage;
        let within =
            |value: f64, limit: f64| value.abs() <= limit * (1.0 + ROUNDING) + 1e-12 * max_velocity;
        within(self.cruise_velocity, max_velocity)
            && within(self.cruise_velocity - from_velocity, acceleration * self.first_ramp_s)
            && within(to_velocity - self.cruise_velocity, acceleration * self.last_ramp_s)
    }

    /// When the acceleration changes (seconds), and the velocity then; without phases of no length.
    pub fn knots(&self) -> Vec<(f64, f64)> {
        let Passage { from_velocity, to_velocity, settle_s, .. } = self.passage;
        let mut knots = vec![(0.0, from_velocity)];
        let mut time_s = 0.0;
        for (phase_s, velocity) in [
            (self.first_ramp_s, self.cruise_velocity),
            (self.cruise_s, self.cruise_velocity),
            (self.last_ramp_s, to_velocity),
            (settle_s, to_velocity),
        ] {
            if phase_s > 0.0 {
                time_s += phase_s;
                knots.push((time_s, velocity));
            }
        }
        knots
    }
}

/// The whole number that is no smaller, but for rounding.
fn ceil(value: f64) -> f64 {
    let nearest = value.round();
    if (value - nearest).abs() <= ROUNDING * value.abs().max(1.0) { nearest } else { value.ceil() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    const GOLDEN: &str = include_str!("../../tests/golden/pmac/035_velocity_profile.json");

    fn cases() -> Vec<Value> {
        let golden: Value = serde_json::from_str(GOLDEN).unwrap();
        golden["cases"].as_array().unwrap().clone()
    }

    fn number(case: &Value, key: &str) -> f64 {
        case[key].as_f64().unwrap()
    }

    fn passage(case: &Value, min_time_s: f64) -> Passage {
        Passage {
            from_velocity: number(case, "v1"),
            to_velocity: number(case, "v2"),
            distance: number(case, "d"),
            min_time_s,
            max_velocity: number(case, "v_max"),
            acceleration: number(case, "acceleration"),
            settle_s: number(case, "settle_time"),
        }
    }

    /// Times and velocities to 1e-9 of a second and of the greatest velocity: the golden lists are
    /// rounded to 1e-10 and 1e-12.
    fn assert_same(profile: &VelocityProfile, case: &Value, label: &str) {
        let scale = profile.passage.max_velocity;
        let near = |ours: f64, key: &str, scale: f64| {
            let theirs = number(case, key);
            assert!((ours - theirs).abs() <= 1e-9 * scale, "{label}: {key} {ours}, not {theirs}");
        };
        near(profile.first_ramp_s, "t1", 1.0);
        near(profile.cruise_s, "tm", 1.0);
        near(profile.last_ramp_s, "t2", 1.0);
        near(profile.total_s(), "t_total", 1.0);
        near(profile.cruise_velocity, "vm", scale);
        let list = |key: &str| -> Vec<f64> {
            case[key].as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
        };
        let theirs = list("times").into_iter().zip(list("velocities"));
        let knots = profile.knots();
        let mut rest = knots.iter().peekable();
        for (time_s, velocity) in theirs {
            let near = |knot: &(f64, f64)| {
                (knot.0 - time_s).abs() <= 1e-9 && (knot.1 - velocity).abs() <= 1e-9 * scale
            };
            // A phase whose length is rounding is a knot of theirs only.
            let found = rest.next_if(|knot| near(knot)).is_some() || knots.iter().any(near);
            assert!(found, "{label}: no knot at {time_s}");
        }
        assert_eq!(rest.next(), None, "{label}: a knot too many");
    }

    /// Cases whose settle distance upstream takes off twice when it looks for the least time: it
    /// finds none, is too fast, or takes longer than it must.
    fn is_settled_twice(case: &Value) -> bool {
        number(case, "settle_time") * number(case, "v2") != 0.0
    }

    #[test]
    fn all_golden_profiles_come_out() {
        let [mut failed, mut too_fast, mut longer, mut noisy] = [0; 4];
        for (index, case) in cases().iter().enumerate() {
            let label = format!("case {index}");
            let ours = VelocityProfile::new(passage(case, number(case, "min_time")));
            if case.get("exception").is_some() {
                assert!(is_settled_twice(case), "{label}");
                failed += 1;
                continue;
            }
            if number(case, "vm").abs() > number(case, "v_max") * (1.0 + 1e-9) {
                assert!(is_settled_twice(case), "{label}");
                too_fast += 1;
                continue;
            }
            let theirs_s = number(case, "t_total");
            let needs_time = ours.total_s() < theirs_s - 1e-9;
            let profile = if needs_time && is_settled_twice(case) {
                longer += 1;
                VelocityProfile::new(passage(case, theirs_s))
            } else {
                ours
            };
            assert_same(&profile, case, &label);
            let Some(quantised) = case.get("quantized").filter(|value| !value.is_null()) else {
                continue;
            };
            let interval_s = number(case, "interval");
            assert!(!profile.is_on_grid(interval_s), "{label}");
            // A cruise of 1e-17 s, which is rounding, is one to them.
            let shape = if number(case, "tm") == 0.0 { Shape::Pointed } else { Shape::Flat };
            noisy += usize::from(shape != profile.shape());
            let on_grid = profile.on_grid(profile.grid_s(interval_s), interval_s, shape);
            assert_same(&on_grid, quantised, &format!("{label}, on the grid"));
        }
        // Of 250. The 50 are the same as ours once ours are given as much time; of the 40, the time
        // of the cruise is 1e-17 s or so.
        assert_eq!([failed, too_fast, longer, noisy], [8, 8, 50, 40]);
    }

    #[test]
    fn every_profile_covers_its_distance() {
        for (index, case) in cases().iter().enumerate() {
            let profile = VelocityProfile::new(passage(case, number(case, "min_time")));
            assert!(profile.holds(), "case {index}");
            let knots = profile.knots();
            let area: f64 = knots
                .windows(2)
                .map(|pair| (pair[1].0 - pair[0].0) * f64::midpoint(pair[0].1, pair[1].1))
                .sum();
            let (distance, scale) = (number(case, "d"), profile.passage.max_velocity);
            let tolerance = 1e-9 * (scale * profile.total_s()).max(distance.abs());
            assert!((area - distance).abs() <= tolerance, "case {index}: {area}, not {distance}");
        }
    }
}

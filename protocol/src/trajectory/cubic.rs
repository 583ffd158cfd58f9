//! [`Cubic`]: motion of one axis between two points of given position and velocity (Hermite).

/// The cubic that two points of position (EGU) and velocity (EGU/s) determine.
#[derive(Clone, Copy, Debug)]
pub struct Cubic {
    pub from: (f64, f64),
    pub to: (f64, f64),
    /// Time from one to the other, positive.
    pub seconds: f64,
}

impl Cubic {
    /// Acceleration at the start and at the end; it changes evenly between them, so that none is
    /// greater.
    pub fn accelerations(&self) -> [f64; 2] {
        let Self { from, to, seconds } = *self;
        let mean = (to.0 - from.0) / seconds;
        [
            (6.0 * mean - 4.0 * from.1 - 2.0 * to.1) / seconds,
            (2.0 * from.1 + 4.0 * to.1 - 6.0 * mean) / seconds,
        ]
    }

    /// The greatest speed: at an end, or where the acceleration changes sign.
    pub fn max_speed(&self) -> f64 {
        let [first, last] = self.accelerations();
        let ends = self.from.1.abs().max(self.to.1.abs());
        if first * last < 0.0 {
            let part = first / (first - last);
            ends.max((self.from.1 + first * part * self.seconds / 2.0).abs())
        } else {
            ends
        }
    }

    /// When, in seconds after the start, and where it turns back: up to twice, in no order.
    pub fn turns(&self) -> impl Iterator<Item = (f64, f64)> {
        let [first, last] = self.accelerations();
        // Roots of velocity + first * t + half_jerk * t^2, without cancellation.
        let (velocity, half_jerk) = (self.from.1, (last - first) / (2.0 * self.seconds));
        let discriminant = first * first - 4.0 * half_jerk * velocity;
        let sum = -f64::midpoint(first, discriminant.max(0.0).sqrt().copysign(first));
        let inside = move |time: &f64| *time > 0.0 && *time < self.seconds && discriminant > 0.0;
        let times = [sum / half_jerk, velocity / sum].into_iter().filter(inside);
        times.map(|time| (time, self.at(time).0))
    }

    /// Position and velocity `time` seconds after the start.
    pub fn at(&self, time: f64) -> (f64, f64) {
        let [first, last] = self.accelerations();
        let jerk = (last - first) / self.seconds;
        let position =
            self.from.0 + time * (self.from.1 + time * (first / 2.0 + time * jerk / 6.0));
        (position, self.from.1 + time * (first + time * jerk / 2.0))
    }
}

//! [`Turnaround`]: motion between two windows, and how long the sequencer must not look at it.
use super::{
    Gap, LONGEST_TICKS, MIN_PULSE_TICKS, Sense, Sequencer, SequencerError, Start, TICKS_PER_SECOND,
    outline::{Beginning, Compare},
};
use crate::trajectory::{Cubic, Segment};

/// Sequencer ticks in a tick of the motion controller, 1 us.
const TICKS_PER_US: u64 = TICKS_PER_SECOND / 1_000_000;

/// Part of the greatest velocity of a motion below which an axis stands still but for rounding.
const STILL: f64 = 1e-9;

/// Motion from the end of one window to the beginning of the next.
#[derive(Clone, Copy, Debug)]
pub struct Turnaround<'a> {
    /// The segment before it, at the end of which the motion begins.
    pub before: &'a Segment,
    /// All of the motion, at the end of which the window begins.
    pub segments: &'a [Segment],
    /// The first frame of the window.
    pub frame: u64,
    /// Where that begins, as in [`Entry::Window`](super::Entry::Window).
    pub axes: &'a [Start],
}

/// A place on the way of one axis: us since the motion began, EGU, EGU/s.
#[derive(Clone, Copy)]
struct Knot {
    time_us: f64,
    position: f64,
    velocity: f64,
}

impl Sequencer {
    /// For how long the beginning of a window must not be looked for.
    ///
    /// A position compare is true on the far side of its position however the axis came there. So
    /// it is blind until the axis has last stood still or gone the wrong way; from there on it
    /// only approaches the position. If it is there already, to the count (a run-up shorter than
    /// a count), the compare cannot see the beginning, and time alone tells it: blind is the whole
    /// motion. So it is where time begins the window anyhow. A gate needs no blindness.
    pub fn gap(&self, turnaround: &Turnaround<'_>) -> Result<Gap, SequencerError> {
        let Turnaround { before, segments, frame, axes } = *turnaround;
        let expected = axes.len();
        for segment in segments.iter().chain([before]) {
            let found = segment.positions.len().min(segment.velocities.len());
            if found < expected {
                return Err(SequencerError::Axes { frame, expected, found });
            }
        }
        let durations = segments.iter().map(|segment| segment.duration_us);
        let whole = durations.fold(0_u64, u64::saturating_add).saturating_mul(TICKS_PER_US);
        if whole >= LONGEST_TICKS {
            let limit = (LONGEST_TICKS / TICKS_PER_SECOND) as f64;
            return Err(SequencerError::LongGap { frame, limit });
        }
        let shortest = whole.min(2 * u64::from(MIN_PULSE_TICKS));
        let blind_ticks = match self.beginning(frame, axes)? {
            Beginning::Gated(_) => shortest,
            Beginning::Timed => whole,
            Beginning::At(compare) => {
                compare.check(turnaround)?;
                let turned = compare.last_turned(before, segments);
                let place = ("position", turned.position);
                let counts = compare.input.counts_at(frame, place)?;
                if compare.sense.is_reached(compare.position, counts) {
                    whole
                } else {
                    let ticks = (turned.time_us * TICKS_PER_US as f64).ceil() as u64;
                    ticks.clamp(shortest, whole)
                }
            }
        };
        Ok(Gap { blind_ticks })
    }
}

impl Compare<'_> {
    /// The axis can be counted wherever it goes.
    fn check(&self, turnaround: &Turnaround<'_>) -> Result<(), SequencerError> {
        let frame = turnaround.frame;
        for segment in turnaround.segments.iter().chain([turnaround.before]) {
            let (position, value) = (segment.positions[self.axis], segment.velocities[self.axis]);
            self.input.counts_at(frame, ("position", position))?;
            if !value.is_finite() {
                let axis = self.input.axis.clone();
                return Err(SequencerError::NotFinite { frame, axis, key: "velocity", value });
            }
        }
        Ok(())
    }

    /// When and where the axis was last not on its way to the position; at the beginning, if it is
    /// on its way all the time.
    fn last_turned(&self, before: &Segment, segments: &[Segment]) -> Knot {
        let knot = |time_us: f64, segment: &Segment| Knot {
            time_us,
            position: segment.positions[self.axis],
            velocity: segment.velocities[self.axis],
        };
        let rising = match self.sense {
            Sense::Rising => self.input.direction(),
            Sense::Falling => -self.input.direction(),
        };
        let velocities =
            segments.iter().chain([before]).map(|segment| segment.velocities[self.axis]);
        let still = STILL * velocities.fold(0.0, |fastest, next| f64::max(fastest, next.abs()));
        let mut from = knot(0.0, before);
        let mut turned = from;
        for segment in segments {
            let to = knot(from.time_us + segment.duration_us as f64, segment);
            if to.velocity * rising <= still {
                turned = to;
            } else if let Some(turn) = from.last_turn_before(to) {
                turned = turn;
            }
            from = to;
        }
        turned
    }
}

impl Knot {
    /// Where the axis last turns before `to`, if it does, on the cubic that both determine.
    fn last_turn_before(self, to: Self) -> Option<Self> {
        let cubic = Cubic {
            from: (self.position, self.velocity),
            to: (to.position, to.velocity),
            seconds: (to.time_us - self.time_us) / 1e6,
        };
        let last = cubic.turns().reduce(|one, other| if one.0 < other.0 { other } else { one });
        last.map(|(time_s, position)| Self {
            time_us: self.time_us + time_s * 1e6,
            position,
            velocity: 0.0,
        })
    }
}

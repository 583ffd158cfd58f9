//! What a beamline can do: its axes, controllers and detectors.
use super::{Unflyable, stillness::two_paces};
use crate::{
    beamline::Trigger,
    exposures::ExposuresPerFrame,
    name::Name,
    sequencer::PositionInput,
    trajectory::{AxisLimits, BitsBefore, Planner, PointMode, TriggerBits},
};
use std::{collections::BTreeMap, time::Duration};

/// What a scan may use of a beamline.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Capabilities {
    pub axes: BTreeMap<Name, AxisCapability>,
    pub detectors: BTreeMap<Name, DetectorCapability>,
    /// Controllers in order of preference for scans that move nothing.
    pub controllers: BTreeMap<Name, ControllerCapability>,
    /// The position that a source of triggers compares instead of running through rows, by its device: all
    /// that it can trigger is a line of equal steps.
    pub compared: BTreeMap<Name, PositionInput>,
}

impl Capabilities {
    /// Why its detectors can have no scan together, whatever it is.
    pub fn conflict(&self) -> Option<Unflyable> {
        two_paces(&self.detectors)
    }
}

/// One axis, and the trajectory controller that moves it.
#[derive(Clone, Debug, PartialEq)]
pub struct AxisCapability {
    pub controller: Name,
    pub limits: AxisLimits,
    pub units: String,
    /// Digits after the point that mean something.
    pub precision: u32,
}

/// What a trajectory controller takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControllerCapability {
    /// Segments that its buffer holds.
    pub max_segments: usize,
    /// Shortest time that one segment may take; motion between rows is on multiples of it.
    pub min_segment: Duration,
    /// Longest time that one segment may take.
    pub max_segment: Duration,
    /// Least time between two rows.
    pub min_turnaround: Duration,
    /// Which points of a scan it is given.
    pub points: PointMode,
    /// What it tells the trigger hardware.
    pub trigger_bits: TriggerBits,
}

impl ControllerCapability {
    /// A controller of these buffers and segments, driven as one is of which nothing else is said.
    pub const fn new(max_segments: usize, max_segment: Duration) -> Self {
        Self {
            max_segments,
            min_segment: Duration::from_micros(1),
            max_segment,
            min_turnaround: Duration::ZERO,
            points: PointMode::Sparse,
            trigger_bits: TriggerBits::None,
        }
    }

    /// A planner for this controller.
    pub(super) fn planner(&self, limits: &[(Name, AxisLimits)], min_frame: Duration) -> Planner {
        Planner::new(limits, min_frame)
            .with_interval(self.min_segment)
            .with_max_segment(self.max_segment)
            .with_min_turnaround(self.min_turnaround)
            .with_modes(self.points, self.trigger_bits)
            .with_bits_before(BitsBefore::Unknown)
    }
}

/// How long a detector needs for a frame, and how much it leaves of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DetectorCapability {
    /// What starts its exposures.
    pub trigger: Trigger,
    /// Time after an exposure before the next may start.
    pub dead_time: Duration,
    /// Time for which it exposes; if absent, all of the time from one exposure to the next, less the
    /// dead time.
    pub exposure: Option<Duration>,
    pub exposures_per_frame: ExposuresPerFrame,
    /// What one exposure adds to its file: pixels, and numbers about them.
    pub exposure_bytes: u64,
    /// What its file has beside exposures, or more than they need: the last chunk of numbers.
    pub file_bytes: u64,
}

/// The shortest exposure of a detector that fits its exposure to the frame.
pub(super) const MIN_EXPOSURE: Duration = Duration::from_micros(1);
/// The exposure of such a detector where the specification says no duration.
pub(super) const USUAL_EXPOSURE: Duration = Duration::from_millis(10);

impl DetectorCapability {
    /// The shortest frame it can take.
    pub fn min_frame(self) -> Duration {
        self.frame(MIN_EXPOSURE)
    }

    /// The frame it takes if nothing else is said.
    pub(super) fn usual_frame(self) -> Duration {
        self.frame(USUAL_EXPOSURE)
    }

    /// The shortest frame in which it exposes as often as it is to; for `exposure` unless it has an
    /// exposure of its own.
    fn frame(self, exposure: Duration) -> Duration {
        let period = self.dead_time + self.exposure.unwrap_or(exposure);
        self.exposures_per_frame.shortest_frame(period)
    }

    /// How long it exposes in a scan whose shortest frame is `frame`.
    pub fn exposure_within(self, frame: Duration) -> Duration {
        let period = self.exposures_per_frame.period(frame);
        self.exposure.unwrap_or(period.saturating_sub(self.dead_time))
    }
}

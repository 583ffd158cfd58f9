//! [`Rules`]: what is the same for all of a trajectory.
use super::{
    AxisLimits,
    beat::Pace,
    row::Row,
    segment::{BitsBefore, PointMode, TriggerBits},
    stroke::RunUp,
    ticks::{self, Grid},
};
use crate::scan::{Path, Piece};
use std::{sync::Arc, time::Duration};

/// How long bits take to be cleared before the first row: as a usual point, not as the shortest.
const CLEARING: Duration = Duration::from_millis(10);

#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) limits: Arc<[AxisLimits]>,
    /// Shortest frame, seconds.
    pub(super) minimum_s: f64,
    /// Longest segment, ticks; at least 1.
    pub(super) longest: u64,
    /// Motion between rows is on it, and no segment is shorter.
    pub(super) grid: Grid,
    /// Least time between two rows, ticks.
    pub(super) min_turnaround: u64,
    pub(super) points: PointMode,
    pub(super) bits: TriggerBits,
    pub(super) bits_before: BitsBefore,
}

impl Rules {
    /// The row of a piece with at least one frame.
    pub(super) fn row(&self, piece: Piece) -> Row {
        let minimum_s = self.shortest_frame_s(&piece);
        Row::new(piece, &self.limits, minimum_s)
    }

    /// Which segments a row on this path needs.
    pub(super) fn pace(&self, path: &Path) -> Pace {
        match (path, self.points) {
            (Path::Straight, PointMode::Sparse) => Pace::Frames,
            (Path::Straight, PointMode::EveryPoint) | (Path::Curved(_), _) => Pace::Halves,
        }
    }

    /// The shortest frames of a piece of which no segment is shorter than the interval, wherever it
    /// is entered. Seconds.
    pub(super) fn on_grid_s(&self, piece: &Piece) -> f64 {
        let interval_s = ticks::seconds(self.grid.interval);
        match self.pace(&piece.path) {
            Pace::Frames => interval_s,
            Pace::Halves => 2.0 * interval_s,
        }
    }

    /// The ticks of the shortest frame that lasts `seconds`: those of a curve make all of its
    /// segments whole.
    pub(super) fn frame_ticks(&self, path: &Path, seconds: f64) -> u64 {
        match path {
            Path::Straight => ticks::at_least(seconds).max(1),
            Path::Curved(_) => {
                let half = ticks::at_least(seconds / 2.0).max(1);
                let parts = half.div_ceil(self.longest);
                2 * half.div_ceil(parts) * parts
            }
        }
    }

    /// The shortest frames of a piece that detectors and the controller take. Seconds.
    pub(super) fn shortest_frame_s(&self, piece: &Piece) -> f64 {
        self.minimum_s.max(self.on_grid_s(piece))
    }

    /// Least time of any motion between rows: one point at least, if it is to carry a program.
    pub(super) fn least(&self) -> u64 {
        match self.bits {
            TriggerBits::None => 0,
            TriggerBits::RowGate | TriggerBits::EveryPoint => self.grid.interval,
        }
    }

    /// How long all stand still before the first row, so that a point of their own clears the bits.
    pub(super) fn entry(&self) -> u64 {
        match (self.bits_before, self.bits) {
            (BitsBefore::Low, _) | (BitsBefore::Unknown, TriggerBits::None) => 0,
            (BitsBefore::Unknown, TriggerBits::RowGate | TriggerBits::EveryPoint) => {
                let interval = self.grid.interval;
                ticks::of(CLEARING).div_ceil(interval) * interval
            }
        }
    }

    /// How an axis reaches a velocity from rest, if so many axes do so at the same time. One alone has
    /// nobody to share a grid with.
    pub(super) fn run_up(&self, axis: usize, velocity: f64, moving: usize) -> RunUp {
        let ramp_s = velocity.abs() / self.limits[axis].max_acceleration;
        let ramp = match (ticks::at_least(ramp_s), moving) {
            (0, _) => return RunUp { ramp: 0, settle: 0 },
            (ramp, ..=1) => ramp.max(self.grid.interval),
            (_, _) => self.grid.at_least(ramp_s),
        };
        RunUp { ramp, settle: self.settle(axis) }
    }

    /// Ticks on the grid for which an axis keeps its last velocity.
    pub(super) fn settle(&self, axis: usize) -> u64 {
        self.grid.at_least(self.limits[axis].settle_s)
    }
}

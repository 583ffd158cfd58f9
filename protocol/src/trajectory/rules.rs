//! [`Rules`]: what is the same for all of a trajectory.
use super::{
    AxisLimits,
    row::Row,
    segment::{PointMode, TriggerBits},
    ticks::Grid,
};
use crate::scan::Piece;
use std::sync::Arc;

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
}

impl Rules {
    /// The row of a piece with at least one frame.
    pub(super) fn row(&self, piece: Piece) -> Row {
        Row::new(piece, &self.limits, self.minimum_s)
    }

    /// Least time of any motion between rows: one point at least, if it is to carry a program.
    pub(super) fn least(&self) -> u64 {
        match self.bits {
            TriggerBits::None => 0,
            TriggerBits::RowGate | TriggerBits::EveryPoint => self.grid.interval,
        }
    }

    /// Ticks on the grid for which an axis keeps its last velocity.
    pub(super) fn settle(&self, axis: usize) -> u64 {
        self.grid.at_least(self.limits[axis].settle_s)
    }
}

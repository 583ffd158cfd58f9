//! [`Leg`]: a row or the motion before, between or after rows.
use super::{Segment, row::RowLeg, turn::Turn};

/// Segments by index, made when asked for.
#[derive(Clone, Debug)]
pub(super) enum Leg {
    Turn {
        turn: Turn,
        /// The last frame before it, if any.
        after: Option<u64>,
        /// The first frame after it, if any.
        before: Option<u64>,
    },
    Settle(Turn),
    Row(RowLeg),
}

impl Leg {
    /// Number of segments.
    pub(super) fn count(&self) -> u64 {
        match self {
            Self::Turn { turn, .. } | Self::Settle(turn) => turn.count(),
            Self::Row(row) => row.count(),
        }
    }

    /// Ticks.
    pub(super) fn duration(&self) -> u64 {
        match self {
            Self::Turn { turn, .. } | Self::Settle(turn) => turn.duration(),
            Self::Row(row) => row.duration(),
        }
    }

    pub(super) fn segment(&self, index: u64) -> Segment {
        match self {
            Self::Turn { turn, .. } | Self::Settle(turn) => turn.segment(index),
            Self::Row(row) => row.segment(index),
        }
    }
}

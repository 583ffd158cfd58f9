//! [`Course`]: a trajectory row by row, for whoever triggers its frames.
use super::{
    Batch, Planner, Segment,
    leg::{Leg, RowLeg},
    walk::Walk,
};
use crate::scan::Piece;
use std::num::NonZeroU64;

/// Frames of one row, and how the axes come to them.
#[derive(Clone, Debug)]
pub(crate) struct Section {
    pub(crate) piece: Piece,
    pub(crate) frames: NonZeroU64,
    /// As the specification says, or as the planner makes it. Seconds.
    pub(crate) frame_duration_s: f64,
    pub(crate) approach: Approach,
}

/// The way to the first frame of a section.
#[derive(Clone, Debug)]
pub(crate) enum Approach {
    /// From rest: it is the first of all.
    RunUp,
    /// None: motion goes on from the section before it.
    Joined,
    /// All the motion from the end of the section before it, of which `before` is the last segment.
    Turn { before: Segment, segments: Vec<Segment> },
}

/// The sections of a scan in order, with the motion that [`Planner::plan`] gives.
#[derive(Debug)]
pub(crate) struct Course<I> {
    walk: Walk<I>,
    axes: usize,
    /// The last segment of the last section, if there is one.
    before: Option<Segment>,
}

impl Planner {
    /// The sections of a scan of which [`check`](Self::check) has accepted the pieces, or of its
    /// tail.
    pub(crate) fn course<P>(&self, pieces: P) -> Course<P::IntoIter>
    where
        P: IntoIterator<Item = Piece>,
    {
        let walk = Walk::new(self.rules.clone(), pieces.into_iter());
        Course { walk, axes: self.names.len(), before: None }
    }

    /// Where an axis stands before a straight piece, at whose start it is entered.
    pub(crate) fn rest_before(&self, piece: &Piece, axis: usize) -> f64 {
        let begin = self.rules.row(piece.clone()).begin();
        let to = begin.of(axis);
        self.rules.run_up(axis, to.1, begin.moving()).start(to)
    }
}

impl<I> Course<I> {
    fn segments(&self, leg: &Leg, from: u64) -> Vec<Segment> {
        let mut batch = Batch::new(self.axes);
        leg.write(from..leg.count(), &mut batch);
        batch.segments().collect()
    }
}

impl<I: Iterator<Item = Piece>> Iterator for Course<I> {
    type Item = Section;

    fn next(&mut self) -> Option<Section> {
        let mut approach = Approach::Joined;
        loop {
            let leg = self.walk.next()?;
            match leg {
                Leg::Turn { .. } => {
                    approach = match self.before.take() {
                        None => Approach::RunUp,
                        Some(before) => Approach::Turn { before, segments: self.segments(&leg, 0) },
                    };
                }
                Leg::Row(_) => {
                    let last = leg.count().saturating_sub(1);
                    self.before = self.segments(&leg, last).pop();
                    let Leg::Row(RowLeg { row, .. }) = leg else { continue };
                    let Some(frames) = NonZeroU64::new(row.piece.frames) else { continue };
                    let frame_duration_s =
                        row.piece.frame_duration_s.unwrap_or_else(|| row.frame_s());
                    return Some(Section { piece: row.piece, frames, frame_duration_s, approach });
                }
            }
        }
    }
}

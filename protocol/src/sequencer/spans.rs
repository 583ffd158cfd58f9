//! [`Spans`]: a planned scan as the sequencer is told of it.
use super::{Entry, Sequencer, SequencerError, Span, Start, Turnaround};
use crate::{
    scan::{Path, Piece},
    trajectory::{Approach, Course, Planner, Section},
};
use std::sync::Arc;

/// The spans of a planned scan, made when asked for, of which two pieces are in memory at a time.
/// After an error, nothing.
#[derive(Debug)]
pub struct Spans<I> {
    sequencer: Arc<Sequencer>,
    /// None after an error.
    course: Option<Course<I>>,
}

impl Sequencer {
    /// The spans of a scan as `planner` flies it: a piece is joined to the one before it exactly
    /// where motion goes on, and begins a window exactly where the planner has motion of its own.
    ///
    /// `pieces` are what [`Planner::check`] has accepted, or the tail of it from any frame; the axes
    /// of the planner are those of the sequencer. A [gate](super::StartOn::Gate) is held by the
    /// controller only if the planner tells it to
    /// ([`TriggerBits::RowGate`](crate::trajectory::TriggerBits)).
    ///
    /// With position compares, a window in which no axis moves is begun by time: when the planned
    /// motion that leads to it is over, or at once if it is the first. Nothing but the clocks then
    /// holds a step to the motion, for as long as step follows step.
    ///
    /// The motion before a window is the planner's own, which begins where the rounding to
    /// microseconds has left the axes. The sequencer, which counts finer, comes to the end of the
    /// window before up to 1 us sooner or later than the motion, and so to the end of the blind
    /// time, and to a window that time begins. This does not add up, since the planner carries the
    /// fraction from row to row. A compare still sees nothing wrong: within 1 us of its turn an axis
    /// is, to the count, where it turns.
    pub fn spans<P>(&self, planner: &Planner, pieces: P) -> Spans<P::IntoIter>
    where
        P: IntoIterator<Item = Piece>,
    {
        Spans { sequencer: Arc::new(self.clone()), course: Some(planner.course(pieces)) }
    }

    fn span(&self, section: Section) -> Result<Span, SequencerError> {
        let Section { piece, frames, frame_duration_s, approach } = section;
        let first_frame = piece.first_frame;
        let entry = match approach {
            Approach::Joined => Entry::Joined,
            Approach::RunUp => Entry::Window { axes: self.starts(&piece), gap: None },
            Approach::Turn { before, segments } => {
                let axes = self.starts(&piece);
                let (before, segments, frame) = (&before, &segments, first_frame);
                let gap = self.gap(&Turnaround { before, segments, frame, axes: &axes })?;
                Entry::Window { axes, gap: Some(gap) }
            }
        };
        Ok(Span { first_frame, frames, frame_duration_s, entry })
    }

    /// Where the axes are at the beginning of a window; none if time begins it as nothing moves.
    fn starts(&self, piece: &Piece) -> Box<[Start]> {
        match &piece.path {
            Path::Straight if piece.start == piece.end && self.times_still_windows() => [].into(),
            Path::Straight => {
                let halves = 2.0 * piece.frames as f64;
                let ends = piece.start.iter().zip(&piece.end);
                ends.map(|(&lower, end)| Start { lower, midpoint: lower + (end - lower) / halves })
                    .collect()
            }
            Path::Curved(curve) => {
                let axes = curve.by_axis(piece.start.len());
                axes.map(|points| Start { lower: points[0], midpoint: points[1] }).collect()
            }
        }
    }
}

impl<I: Iterator<Item = Piece>> Iterator for Spans<I> {
    type Item = Result<Span, SequencerError>;

    fn next(&mut self) -> Option<Self::Item> {
        let section = self.course.as_mut()?.next()?;
        let span = self.sequencer.span(section);
        if span.is_err() {
            self.course = None;
        }
        Some(span)
    }
}

//! [`Row`]: a piece with its velocity and duration settled, and its segments.
use super::{AxisLimits, Segment, ticks, turn::State};
use crate::scan::Piece;

/// A piece whose frames have a duration, and whose axes a velocity.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) piece: Piece,
    /// Ticks per frame, with the fraction that the specification asks for.
    pub(super) frame_ticks: f64,
    pub(super) velocities: Box<[f64]>,
}

impl Row {
    /// The row of a piece with at least one frame, which lasts `minimum_s` seconds or longer if
    /// the specification leaves it open.
    pub(super) fn new(piece: Piece, limits: &[AxisLimits], minimum_s: f64) -> Self {
        let frames = piece.frames as f64;
        let distances = piece.end.iter().zip(&piece.start).map(|(end, start)| end - start);
        let fastest = || {
            let times = distances.clone().zip(limits);
            let times = times.map(|(distance, axis)| distance.abs() / frames / axis.max_velocity);
            ticks::at_least(times.fold(minimum_s, f64::max)).max(1) as f64
        };
        let frame_ticks = piece.frame_duration_s.map_or_else(fastest, ticks::exactly);
        let seconds = frames * frame_ticks / ticks::PER_SECOND;
        let velocities = distances.map(|distance| distance / seconds).collect();
        Self { piece, frame_ticks, velocities }
    }

    /// Whether every axis stands still.
    pub(super) fn is_step(&self) -> bool {
        self.velocities.iter().all(|&velocity| velocity == 0.0)
    }

    /// Where and how fast the axes are at the lower bound of the first frame.
    pub(super) fn begin(&self) -> State {
        State { positions: self.piece.start.clone(), velocities: self.velocities.clone() }
    }

    pub(super) fn last_frame(&self) -> u64 {
        self.piece.first_frame + self.piece.frames - 1
    }

    fn total_ticks(&self) -> f64 {
        self.piece.frames as f64 * self.frame_ticks
    }

    /// Whether motion goes on from this row into `next`: joined, and at the same velocity.
    pub(super) fn continues_into(&self, next: &Self) -> bool {
        let ticks = self.total_ticks().min(next.total_ticks());
        let same = |axis: usize| {
            let (before, after) = (self.velocities[axis], next.velocities[axis]);
            let place = self.piece.end[axis].abs().max(self.piece.start[axis].abs());
            // Far from zero a short frame knows its length only up to the rounding of its bounds.
            let rounding = 8.0 * f64::EPSILON * place / (ticks / ticks::PER_SECOND);
            (before - after).abs() <= 1e-12 * before.abs() + rounding
        };
        !next.piece.gap
            && self.piece.end == next.piece.start
            && (0..self.velocities.len()).all(same)
    }
}

/// The segments of a row, by index.
#[derive(Clone, Debug)]
pub(super) struct RowLeg {
    pub(super) row: Row,
    /// Frames in a segment; one if a frame needs several segments.
    frames_per_segment: u64,
    /// Segments for one frame; one if a segment holds whole frames.
    segments_per_frame: u64,
    /// How much later than the ticks given out the row should begin, ticks (within a half).
    carried: f64,
    /// How far along its line, in ticks, the row begins beyond its lower bound.
    ahead: f64,
}

impl RowLeg {
    pub(super) fn new(row: Row, longest: u64, carried: f64, ahead: f64) -> Self {
        // What is carried is in -0.5..0.5, so rounding never makes a segment longer than its
        // exact duration rounded up: `longest`, being whole, holds.
        let longest = longest as f64;
        let frames_per_segment = ((longest / row.frame_ticks) as u64).max(1);
        let segments_per_frame = ((row.frame_ticks / longest).ceil() as u64).max(1);
        Self { row, frames_per_segment, segments_per_frame, carried, ahead }
    }

    pub(super) fn count(&self) -> u64 {
        self.row.piece.frames.div_ceil(self.frames_per_segment) * self.segments_per_frame
    }

    pub(super) fn duration(&self) -> u64 {
        self.ticks_until(self.count())
    }

    /// The fraction to be carried into the next row.
    pub(super) fn carried_on(&self) -> f64 {
        if self.is_whole() {
            self.carried
        } else {
            self.carried + self.row.total_ticks() - self.duration() as f64
        }
    }

    /// How far along the line, in ticks, the row ends beyond its upper bound.
    pub(super) fn ahead_after(&self) -> f64 {
        self.ahead + self.duration() as f64 - self.row.total_ticks()
    }

    /// Where and how fast the axes are at the end.
    pub(super) fn finish(&self) -> State {
        let positions = self.positions(self.count());
        State { positions, velocities: self.row.velocities.clone() }
    }

    pub(super) fn segment(&self, index: u64) -> Segment {
        let frames = if self.segments_per_frame > 1 {
            u64::from(index.is_multiple_of(self.segments_per_frame))
        } else {
            let done = index * self.frames_per_segment;
            self.frames_per_segment.min(self.row.piece.frames - done)
        };
        Segment {
            duration_us: self.ticks_until(index + 1) - self.ticks_until(index),
            frames,
            frame_goes_on: !(index + 1).is_multiple_of(self.segments_per_frame),
            positions: self.positions(index + 1),
            velocities: self.row.velocities.clone(),
        }
    }

    fn is_whole(&self) -> bool {
        self.row.frame_ticks.fract() == 0.0
    }

    /// The exact number of ticks in the first `segments`.
    fn exact_until(&self, segments: u64) -> f64 {
        if segments == self.count() {
            return self.row.total_ticks();
        }
        let (frames, parts) =
            (segments / self.segments_per_frame, segments % self.segments_per_frame);
        let part = parts as f64 / self.segments_per_frame as f64;
        ((frames * self.frames_per_segment) as f64 + part) * self.row.frame_ticks
    }

    /// The ticks given out for the first `segments`.
    fn ticks_until(&self, segments: u64) -> u64 {
        if segments == 0 {
            return 0;
        }
        let carried = if self.is_whole() { 0.0 } else { self.carried };
        (self.exact_until(segments) + carried).round() as u64
    }

    /// Where the axes are after the first `segments`: on the line, at the time given out.
    fn positions(&self, segments: u64) -> Box<[f64]> {
        let (piece, exact) = (&self.row.piece, self.exact_until(segments));
        let ahead = self.ahead + self.ticks_until(segments) as f64 - exact;
        let fraction = exact / self.row.total_ticks();
        let position = |axis: usize| {
            let (start, end) = (piece.start[axis], piece.end[axis]);
            let bound =
                if segments == self.count() { end } else { start + (end - start) * fraction };
            bound + self.row.velocities[axis] * (ahead / ticks::PER_SECOND)
        };
        (0..self.row.velocities.len()).map(position).collect()
    }
}

//! [`Leg`]: a row or the motion before, between or after rows.
use super::{
    Batch, Mark,
    beat::Beat,
    cubic::Cubic,
    row::{Row, knot, points},
    rules::Rules,
    ticks,
    turn::{State, Turn},
};
use crate::scan::{Curved, Path};
use std::ops::Range;

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
    Row(RowLeg),
}

impl Leg {
    /// Number of segments.
    pub(super) fn count(&self) -> u64 {
        match self {
            Self::Turn { turn, .. } => turn.count(),
            Self::Row(row) => row.beat.count(),
        }
    }

    /// Ticks.
    pub(super) fn duration(&self) -> u64 {
        match self {
            Self::Turn { turn, .. } => turn.duration(),
            Self::Row(row) => row.beat.duration(),
        }
    }

    /// Adds these segments to a batch of the same axes.
    pub(super) fn write(&self, segments: Range<u64>, batch: &mut Batch) {
        match self {
            Self::Turn { turn, .. } => turn.write(segments, batch),
            Self::Row(row) => row.write(segments, batch),
        }
    }
}

/// The segments of a row.
#[derive(Clone, Debug)]
pub(super) struct RowLeg {
    pub(super) row: Row,
    pub(super) beat: Beat,
    /// How far along its way, in ticks, the row begins beyond its lower bound.
    ahead: f64,
    /// What is at its end.
    end: Mark,
}

/// The end of a segment: how much of the row is over, and how much later than it should.
#[derive(Clone, Copy, Debug)]
struct Moment {
    part: f64,
    late_s: f64,
}

impl RowLeg {
    pub(super) fn new(row: Row, rules: &Rules, (carried, ahead): (f64, f64), end: Mark) -> Self {
        let pace = rules.pace(&row.piece.path);
        let beat = Beat::new((row.piece.frames, row.frame_ticks), pace, rules.longest, carried);
        Self { row, beat, ahead, end }
    }

    /// How far along its way, in ticks, the row ends beyond its upper bound.
    pub(super) fn ahead_after(&self) -> f64 {
        self.ahead + self.beat.late(self.beat.count())
    }

    /// Where and how fast the axes are at the end.
    pub(super) fn finish(&self) -> State {
        let ahead_s = self.ahead_after() / ticks::PER_SECOND;
        let velocities = &self.row.end_velocities;
        let ends = self.row.piece.end.iter().zip(velocities);
        let positions = ends.map(|(end, velocity)| end + velocity * ahead_s).collect();
        State { positions, velocities: velocities.clone() }
    }

    /// Where and how fast the axes are at the beginning.
    pub(super) fn begin(&self) -> State {
        let mut state = self.row.begin();
        let ahead_s = self.ahead / ticks::PER_SECOND;
        for (position, velocity) in state.positions.iter_mut().zip(&state.velocities) {
            *position += velocity * ahead_s;
        }
        state
    }

    /// What a segment of a curve, which is `flown` so, is without rounding, and in scans that are
    /// entered elsewhere: their roundings differ.
    pub(super) fn otherwise(&self, index: u64, flown: Cubic) -> impl Iterator<Item = Cubic> {
        let late = |segments: u64| match segments {
            0 => self.ahead,
            _ => self.ahead + self.beat.late(segments),
        };
        let (from_late, to_late) = (late(index), late(index + 1));
        let exact = self.beat.part_ticks();
        let shifted = move |(from, to): (f64, f64)| {
            let shift = |(position, velocity): (f64, f64), ticks: f64| {
                (position + velocity * ticks / ticks::PER_SECOND, velocity)
            };
            Cubic {
                from: shift(flown.from, from - from_late),
                to: shift(flown.to, to - to_late),
                seconds: (exact + to - from) / ticks::PER_SECOND,
            }
        };
        let is_exact = self.ahead == 0.0 && exact.fract() == 0.0;
        let unrounded = (!is_exact).then_some((0.0, 0.0));
        // A point is up to a tick off its time, and the ticks are the whole ones below or above.
        let (less, more) = (exact.floor().max(1.0) - exact, exact.ceil() - exact);
        let ends = [(-1.0 - less, -1.0), (1.0, 1.0 + less), (-1.0, more - 1.0), (1.0 - more, 1.0)];
        let varies = self.ahead != 0.0 || !self.beat.is_whole();
        let entered = ends.into_iter().filter(move |_| varies);
        unrounded.into_iter().chain(entered).map(shifted)
    }

    /// The first segment of a frame of a curve at which motion begins; `half` is the way to its
    /// midpoint without rounding.
    pub(super) fn entered(&self, half: Cubic) -> Cubic {
        let exact = self.beat.part_ticks();
        let ticks = exact.round().max(1.0);
        let (position, velocity) = half.at(exact / ticks::PER_SECOND);
        let to = (position + velocity * (ticks - exact) / ticks::PER_SECOND, velocity);
        Cubic { to, seconds: ticks / ticks::PER_SECOND, ..half }
    }

    /// Adds these segments to a batch of the same axes.
    pub(super) fn write(&self, segments: Range<u64>, batch: &mut Batch) {
        let beat = &self.beat;
        let mut moments = Vec::with_capacity((segments.end - segments.start) as usize);
        let mut before = beat.ticks_until(segments.start);
        for index in segments.clone() {
            let ticks = beat.ticks_until(index + 1);
            batch.durations_us.push(ticks - before);
            batch.frames.push(beat.frames(index));
            batch.frame_goes_on.push(beat.goes_on(index));
            batch.marks.push(if index + 1 == beat.count() { self.end } else { beat.mark(index) });
            let late_s = (self.ahead + beat.late(index + 1)) / ticks::PER_SECOND;
            moments.push(Moment { part: beat.part_until(index + 1), late_s });
            before = ticks;
        }
        for axis in 0..self.row.begin_velocities.len() {
            let columns = (&mut batch.positions[axis], &mut batch.velocities[axis]);
            match &self.row.piece.path {
                Path::Straight => self.write_straight(axis, &moments, columns),
                Path::Curved(curve) => {
                    self.write_curved((curve, axis), segments.start, &moments, columns);
                }
            }
        }
    }

    /// On the line, at the time given out.
    fn write_straight(
        &self,
        axis: usize,
        moments: &[Moment],
        (positions, velocities): (&mut Vec<f64>, &mut Vec<f64>),
    ) {
        let (start, end) = (self.row.piece.start[axis], self.row.piece.end[axis]);
        let velocity = self.row.begin_velocities[axis];
        positions.extend(moments.iter().map(|moment| {
            let bound = if moment.part == 1.0 { end } else { start + (end - start) * moment.part };
            bound + velocity * moment.late_s
        }));
        velocities.extend(moments.iter().map(|_| velocity));
    }

    /// Through the points, at the time given out.
    fn write_curved(
        &self,
        (curve, axis): (&Curved, usize),
        first: u64,
        moments: &[Moment],
        (positions, velocities): (&mut Vec<f64>, &mut Vec<f64>),
    ) {
        let row = &self.row;
        let (points, frame_s) = (points(curve, &row.piece, axis), row.frame_s());
        let ends = (row.begin_velocities[axis], row.end_velocities[axis]);
        let parts = self.beat.per_frame() / 2;
        for (segment, moment) in (first + 1..).zip(moments) {
            let (point, part) = ((segment / parts) as usize, segment % parts);
            let mut at = knot(points, point, ends, frame_s);
            if part > 0 {
                let to = knot(points, point + 1, ends, frame_s);
                let cubic = Cubic { from: at, to, seconds: frame_s / 2.0 };
                at = cubic.at(cubic.seconds * part as f64 / parts as f64);
            }
            positions.push(at.0 + at.1 * moment.late_s);
            velocities.push(at.1);
        }
    }
}

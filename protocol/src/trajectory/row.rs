//! [`Row`]: a piece with its duration settled, and the velocities at its ends.
use super::{AxisLimits, cubic::Cubic, ticks, turn::State};
use crate::scan::{Curved, Path, Piece, goes_on};

/// A piece whose frames have a duration, and whose axes a velocity at both ends.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) piece: Piece,
    /// Ticks per frame, with the fraction that the specification asks for.
    pub(super) frame_ticks: f64,
    pub(super) begin_velocities: Box<[f64]>,
    pub(super) end_velocities: Box<[f64]>,
}

/// How a row is followed by the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Joint {
    /// By motion between them.
    Apart,
    /// At once, at the same velocity.
    Met,
    /// At once, as the next stretch of the same curve.
    Through,
}

impl Row {
    /// The row of a piece with at least one frame, which lasts `minimum_s` seconds or longer if
    /// the specification leaves it open.
    pub(super) fn new(piece: Piece, limits: &[AxisLimits], minimum_s: f64) -> Self {
        let shortest = || ticks::at_least(shortest_frame_s(&piece, limits, minimum_s)).max(1);
        let frame_ticks = piece.frame_duration_s.map_or_else(|| shortest() as f64, ticks::exactly);
        let frame_s = frame_ticks / ticks::PER_SECOND;
        let (begin_velocities, end_velocities) = match &piece.path {
            Path::Straight => {
                let seconds = piece.frames as f64 * frame_s;
                let velocities: Box<[f64]> =
                    distances(&piece).map(|distance| distance / seconds).collect();
                (velocities.clone(), velocities)
            }
            Path::Curved(curve) => {
                let ends = (0..limits.len()).map(|axis| end_steps(points(curve, &piece, axis)));
                let (begin, end): (Vec<_>, Vec<_>) =
                    ends.map(|[begin, end]| (begin / frame_s, end / frame_s)).unzip();
                (begin.into(), end.into())
            }
        };
        Self { piece, frame_ticks, begin_velocities, end_velocities }
    }

    /// Where and how fast the axes are at the lower bound of the first frame.
    pub(super) fn begin(&self) -> State {
        State { positions: self.piece.start.clone(), velocities: self.begin_velocities.clone() }
    }

    /// Where and how fast the axes are at the upper bound of the last frame.
    pub(super) fn end(&self) -> State {
        State { positions: self.piece.end.clone(), velocities: self.end_velocities.clone() }
    }

    pub(super) fn last_frame(&self) -> u64 {
        self.piece.first_frame + self.piece.frames - 1
    }

    pub(super) fn frame_s(&self) -> f64 {
        self.frame_ticks / ticks::PER_SECOND
    }

    /// Least time before the row, ticks.
    pub(super) fn delay(&self) -> u64 {
        ticks::at_least(self.piece.delay_before_s)
    }

    /// Finds out how `next` follows. Where it is the next stretch of the same curve, both get their
    /// velocity at the bound between them.
    pub(super) fn join(&mut self, next: &mut Self) -> Joint {
        let is_apart =
            next.piece.gap || next.piece.delay_before_s > 0.0 || self.piece.end != next.piece.start;
        if is_apart {
            return Joint::Apart;
        }
        if let (Path::Curved(before), Path::Curved(after)) = (&self.piece.path, &next.piece.path)
            && before.next_midpoint.is_some()
        {
            let seconds = f64::midpoint(self.frame_s(), next.frame_s());
            let velocity = |axis: usize| {
                let (before, after) =
                    (points(before, &self.piece, axis), points(after, &next.piece, axis));
                (after[1] - before[before.len() - 2]) / seconds
            };
            let velocities: Box<[f64]> = (0..self.end_velocities.len()).map(velocity).collect();
            self.end_velocities.clone_from(&velocities);
            next.begin_velocities = velocities;
            return Joint::Through;
        }
        if self.agrees_with(next) { Joint::Met } else { Joint::Apart }
    }

    /// Whether the next row begins at the velocity of the end of this one.
    fn agrees_with(&self, next: &Self) -> bool {
        let frame_s = self.frame_s();
        (0..self.end_velocities.len()).all(|axis| {
            let (before, after) = (self.end_velocities[axis], next.begin_velocities[axis]);
            let ends = [&self.piece.start, &self.piece.end, &next.piece.end];
            let place = ends.into_iter().map(|end| end[axis].abs()).fold(0.0, f64::max);
            goes_on((before * frame_s, after * frame_s), place)
        })
    }
}

/// Bounds and midpoints in turn of one axis of a curve.
pub(super) fn points<'a>(curve: &'a Curved, piece: &Piece, axis: usize) -> &'a [f64] {
    let count = 2 * piece.frames as usize + 1;
    &curve.points[axis * count..(axis + 1) * count]
}

fn distances(piece: &Piece) -> impl Iterator<Item = f64> {
    piece.end.iter().zip(&piece.start).map(|(end, start)| end - start)
}

/// How far an axis would come in a frame at its velocity at the first and at the last of these points:
/// of the parabola through the bounds and the midpoint of the frame there.
fn end_steps(points: &[f64]) -> [f64; 2] {
    let last = points.len() - 1;
    let step = |bound: usize, midpoint: usize, other: usize| {
        4.0 * (points[midpoint] - points[bound]) - (points[other] - points[bound])
    };
    [step(0, 1, 2), -step(last, last - 1, last - 2)]
}

/// How far an axis would come in a frame at its velocity at any of these points: as from the point
/// before to the one after it.
fn step(points: &[f64], index: usize) -> f64 {
    points[index + 1] - points[index - 1]
}

/// Position and velocity at a point of a curve, whose ends have these velocities.
pub(super) fn knot(
    points: &[f64],
    index: usize,
    (begin, end): (f64, f64),
    frame_s: f64,
) -> (f64, f64) {
    let velocity = if index == 0 {
        begin
    } else if index == points.len() - 1 {
        end
    } else {
        step(points, index) / frame_s
    };
    (points[index], velocity)
}

/// The shortest frames of a piece that keep velocity and acceleration of every axis within its limits,
/// and last `minimum_s` at least. Seconds.
pub(super) fn shortest_frame_s(piece: &Piece, limits: &[AxisLimits], minimum_s: f64) -> f64 {
    match &piece.path {
        Path::Straight => {
            let frames = piece.frames as f64;
            distances(piece)
                .zip(limits)
                .map(|(distance, axis)| distance.abs() / frames / axis.max_velocity)
                .fold(minimum_s, f64::max)
        }
        Path::Curved(curve) => curve_frame_s((piece, curve), None, limits).max(minimum_s),
    }
}

/// The shortest frames of a stretch of a curve, wherever it is entered. `before` is the midpoint of
/// the frame before it in the same curve, if motion comes from there. Seconds.
pub(super) fn curve_frame_s(
    (piece, curve): (&Piece, &Curved),
    before: Option<&[f64]>,
    limits: &[AxisLimits],
) -> f64 {
    let times = limits.iter().enumerate().map(|(axis, limits)| {
        let points = points(curve, piece, axis);
        let [mut begin, mut end] = end_steps(points);
        if let Some(before) = before {
            begin = points[1] - before[axis];
        }
        if let Some(next) = &curve.next_midpoint {
            end = next[axis] - points[points.len() - 2];
        }
        let [velocity, acceleration] = hardest(points, (begin, end));
        (velocity / limits.max_velocity).max((acceleration / limits.max_acceleration).sqrt())
    });
    times.fold(0.0, f64::max)
}

/// The greatest velocity and acceleration in a curve of frames of 1 s, which has these velocities at
/// its ends or is entered at any frame.
fn hardest(points: &[f64], ends: (f64, f64)) -> [f64; 2] {
    let knot = |index: usize| knot(points, index, ends, 1.0);
    let cubics =
        (1..points.len()).map(|to| Cubic { from: knot(to - 1), to: knot(to), seconds: 0.5 });
    let flown = cubics.map(|cubic| {
        let [first, last] = cubic.accelerations();
        [cubic.max_speed(), first.abs().max(last.abs())]
    });
    let entered = frames(points).map(|frame| {
        let cubic = entry(frame, 1.0);
        let [acceleration, _] = cubic.accelerations();
        [cubic.from.1.abs(), acceleration.abs()]
    });
    flown.chain(entered).fold([0.0, 0.0], |[velocity, acceleration], [one, other]| {
        [f64::max(velocity, one), f64::max(acceleration, other)]
    })
}

/// Lower bound, midpoint and upper bound of each frame.
pub(super) fn frames(points: &[f64]) -> impl Iterator<Item = &[f64]> {
    points.windows(3).step_by(2)
}

/// The way from the lower bound of a frame, at which motion begins, to its midpoint: along the
/// parabola.
pub(super) fn entry(frame: &[f64], frame_s: f64) -> Cubic {
    let [velocity, _] = end_steps(frame);
    Cubic {
        from: (frame[0], velocity / frame_s),
        to: (frame[1], step(frame, 1) / frame_s),
        seconds: frame_s / 2.0,
    }
}

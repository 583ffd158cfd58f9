//! [`Pieces`]: a scan as straight rows and stretches of curves.
use super::{
    Piece, Stack,
    columns::{Columns, Frame},
    piece::{Curved, MAX_CURVED, Path},
};
use std::ops::{Deref, Range};

/// The pieces of a scan from some frame on; `S` borrows the stack or owns a share of it.
pub(super) struct Pieces<S> {
    stack: S,
    point: Vec<Frame>,
    /// The frames of a curve, used again for each piece of it.
    columns: Columns,
    from: u64,
    next: u64,
}

impl<S: Deref<Target = Stack>> Pieces<S> {
    pub(super) fn new(stack: S, from: u64) -> Self {
        let point = vec![Frame::default(); stack.axes().len()];
        Self { stack, point, columns: Columns::default(), from, next: from }
    }

    /// Whether a frame is part of a curve, though nothing else of that curve is in its piece.
    fn bends(&mut self, frame: u64) -> bool {
        self.stack.sequence.point(frame, &mut self.point);
        self.point.iter().any(|frame| frame.bends())
    }

    /// Bounds of the frames at the ends.
    fn ends(&mut self, frames: &Range<u64>) -> (Box<[f64]>, Box<[f64]>) {
        let sequence = &self.stack.sequence;
        sequence.point(frames.start, &mut self.point);
        let start = self.point.iter().map(|frame| frame.lower).collect();
        sequence.point(frames.end - 1, &mut self.point);
        (start, self.point.iter().map(|frame| frame.upper).collect())
    }

    /// Points of a stretch of a curve that goes on until `end`.
    fn curved(&mut self, frames: &Range<u64>, end: u64) -> Curved {
        let count = (frames.end - frames.start) as usize;
        let axes = self.stack.axes().len();
        // With the frame after it, if there is one.
        let filled = count + usize::from(frames.end < end);
        self.columns.resize(axes, filled);
        self.stack.sequence.fill(frames.start, filled, &mut self.columns);
        let mut points = Vec::with_capacity(axes * (2 * count + 1));
        for axis in 0..axes {
            let [midpoints, lower, upper] =
                [&self.columns.midpoints, &self.columns.lower, &self.columns.upper]
                    .map(|table| &table[axis]);
            points.push(lower[0]);
            for (midpoint, upper) in midpoints.iter().zip(upper).take(count) {
                points.extend([*midpoint, *upper]);
            }
        }
        let next_midpoint =
            (filled > count).then(|| self.columns.midpoints.iter().map(|all| all[count]).collect());
        Curved { points: points.into(), next_midpoint }
    }
}

impl<S: Deref<Target = Stack>> Iterator for Pieces<S> {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        let first_frame = self.next;
        if first_frame >= self.stack.num_points() {
            return None;
        }
        let row = self.stack.sequence.straight(first_frame).end;
        let curve = self.stack.sequence.unbroken(first_frame).end;
        let alone = row == first_frame + 1;
        let (frames, path) = if row < curve || (alone && self.bends(first_frame)) {
            let frames = first_frame..curve.min(first_frame + MAX_CURVED);
            let curved = self.curved(&frames, curve);
            (frames, Path::Curved(curved))
        } else {
            (first_frame..row, Path::Straight)
        };
        let (start, end) = self.ends(&frames);
        self.next = frames.end;
        let sequence = &self.stack.sequence;
        Some(Piece {
            first_frame,
            frames: frames.end - frames.start,
            gap: first_frame == self.from || sequence.gap(first_frame),
            delay_before_s: if first_frame == self.from { 0.0 } else { sequence.delay_s() },
            frame_duration_s: sequence.duration(first_frame),
            start,
            end,
            path,
        })
    }
}

//! [`Pieces`]: a scan as straight motions.
use super::{Piece, Stack, columns::Frame};
use std::ops::Deref;

/// The pieces of a scan from some frame on; `S` borrows the stack or owns a share of it.
pub(super) struct Pieces<S> {
    stack: S,
    point: Vec<Frame>,
    from: u64,
    next: u64,
}

impl<S: Deref<Target = Stack>> Pieces<S> {
    pub(super) fn new(stack: S, from: u64) -> Self {
        let point = vec![Frame::default(); stack.axes().len()];
        Self { stack, point, from, next: from }
    }
}

impl<S: Deref<Target = Stack>> Iterator for Pieces<S> {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        let (first_frame, layers) = (self.next, &self.stack.layers);
        if first_frame >= layers.len() {
            return None;
        }
        let end = layers.straight(first_frame).end;
        layers.point(first_frame, &mut self.point);
        let start = self.point.iter().map(|frame| frame.lower).collect();
        layers.point(end - 1, &mut self.point);
        let stop = self.point.iter().map(|frame| frame.upper).collect();
        self.next = end;
        Some(Piece {
            first_frame,
            frames: end - first_frame,
            gap: first_frame == self.from || layers.gap(first_frame),
            frame_duration_s: layers.duration(first_frame),
            start,
            end: stop,
        })
    }
}

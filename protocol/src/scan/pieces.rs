//! [`Pieces`]: a scan as straight motions.
use super::{Piece, columns::Frame, layers::Layers};

/// The pieces of a scan from some frame on.
pub(super) struct Pieces<'a> {
    layers: &'a Layers,
    point: Vec<Frame>,
    from: u64,
    next: u64,
}

impl<'a> Pieces<'a> {
    pub(super) fn new(layers: &'a Layers, axes: usize, from: u64) -> Self {
        Self { layers, point: vec![Frame::default(); axes], from, next: from }
    }
}

impl Iterator for Pieces<'_> {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        let first_frame = self.next;
        if first_frame >= self.layers.len() {
            return None;
        }
        let end = self.layers.straight(first_frame).end;
        self.layers.point(first_frame, &mut self.point);
        let start = self.point.iter().map(|frame| frame.lower).collect();
        self.layers.point(end - 1, &mut self.point);
        let stop = self.point.iter().map(|frame| frame.upper).collect();
        self.next = end;
        Some(Piece {
            first_frame,
            frames: end - first_frame,
            gap: first_frame == self.from || self.layers.gap(first_frame),
            frame_duration_s: self.layers.duration(first_frame),
            start,
            end: stop,
        })
    }
}

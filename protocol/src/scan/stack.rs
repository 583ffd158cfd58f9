//! [`Stack`]: the dimensions that a specification stands for.
use super::{
    Frames, Piece, Spec, SpecError, Window, build, frames, pieces, sequence::Sequence, window,
};
use std::{ops::Range, sync::Arc};

/// The dimensions of a scan, slowest first, from which its frames follow.
///
/// It holds what the specification says and nothing per frame, so its size does not depend on the
/// number of frames. Frames are computed when they are asked for, in any order.
#[derive(Clone, Debug)]
pub struct Stack {
    axes: Arc<[String]>,
    pub(super) sequence: Sequence,
}

impl Stack {
    /// The stack of a specification. Fails on what a single field cannot show: sides that do not
    /// fit together, an axis that is used twice, a squash that would change the path.
    pub fn new(spec: &Spec) -> Result<Self, SpecError> {
        let (axes, sequence) = build::stack(spec)?;
        Ok(Self { axes: axes.into(), sequence })
    }

    /// Names of the axes, slowest first.
    pub fn axes(&self) -> &[String] {
        &self.axes
    }

    /// Number of frames in each dimension, slowest first.
    pub fn shape(&self) -> Vec<u64> {
        self.sequence.layers.dimensions().map(|dimension| dimension.len).collect()
    }

    /// Names of the axes of each dimension, slowest first; none of a dimension that only repeats.
    pub fn axes_by_dimension(&self) -> Vec<Vec<&str>> {
        let names = |axes: &[usize]| axes.iter().map(|&axis| self.axes[axis].as_str()).collect();
        self.sequence.layers.dimensions().map(|dimension| names(&dimension.axes)).collect()
    }

    /// For each dimension, slowest first, whether every other pass runs backwards.
    pub fn snaked(&self) -> Vec<bool> {
        self.sequence.layers.dimensions().map(|dimension| dimension.snaked).collect()
    }

    /// Number of frames of the whole scan, at most 2^53.
    pub fn num_points(&self) -> u64 {
        self.sequence.len()
    }

    /// Whether the specification says how long each frame takes.
    pub fn has_duration(&self) -> bool {
        self.sequence.layers.has_duration()
    }

    /// Least time between a frame and the next, in seconds; nothing if the specification is of a
    /// form that cannot say it.
    pub fn delay_after_s(&self) -> Option<f64> {
        self.sequence.delay_after_s
    }

    /// Index of a frame in each dimension, slowest first: where it belongs in an array of the shape
    /// of the scan, also on a pass that runs backwards.
    pub fn indexes(&self, frame: u64) -> Vec<u64> {
        self.sequence.layers.indexes(frame)
    }

    /// Frames of a range, cut to those that there are.
    pub fn frames(&self, range: Range<u64>) -> Frames {
        let mut frames = Frames::default();
        self.fill(range, &mut frames);
        frames
    }

    /// Replaces `frames` by those of a range, cut to those that there are. The memory is used
    /// again, which makes it the quick way through a long scan.
    pub fn fill(&self, range: Range<u64>, frames: &mut Frames) {
        let end = range.end.min(self.num_points());
        let start = range.start.min(end);
        frames::fill(&self.axes, &self.sequence, start..end, frames);
    }

    /// The scan from a frame on, as pieces of straight motion; none if there is no such frame.
    ///
    /// The first piece has a gap before it, wherever the scan is entered. A piece is as long as
    /// the specification lets it be known without comparing frames: a row of a grid, the repeats
    /// of a point. Two lines that are concatenated stay two pieces even if they continue each other.
    pub fn pieces(&self, from_frame: u64) -> impl Iterator<Item = Piece> + '_ {
        pieces::Pieces::new(self, from_frame)
    }

    /// The same as [`pieces`](Self::pieces), for whoever keeps the iterator.
    pub fn into_pieces(self: Arc<Self>, from_frame: u64) -> impl Iterator<Item = Piece> {
        pieces::Pieces::new(self, from_frame)
    }

    /// The scan from a frame on, as windows: what is flown without stopping. Each is found in a time
    /// that does not grow with the scan: after 1,024 rows that continue each other a window is cut,
    /// though nothing must stop there.
    pub fn windows(&self, from_frame: u64) -> impl Iterator<Item = Window> + '_ {
        window::Windows::new(self, from_frame)
    }
}

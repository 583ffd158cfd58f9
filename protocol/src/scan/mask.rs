//! [`Mask`]: those frames of a grid that lie within an outline.
use super::{
    columns::{Columns, Frame},
    layers::Layers,
};
use std::ops::Range;

/// Frames of a grid, of which only some stretches of its rows are taken. It grows with the number
/// of stretches (of an ellipse: rows), not with the number of frames.
#[derive(Clone, Debug)]
pub(super) struct Mask {
    grid: Box<Layers>,
    stretches: Box<[Stretch]>,
    len: u64,
}

/// Consecutive frames of the grid that are taken.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    /// Index of the first one in the mask.
    first: u64,
    /// Index of the first one in the grid.
    grid: u64,
    count: u64,
    /// Whether a gap precedes the first one.
    gap: bool,
}

impl Mask {
    /// The frames of a grid that lie in the ranges, which are in order and not empty. `axes` is
    /// the number of axes of the stack.
    pub(super) fn new(grid: Layers, ranges: &[Range<u64>], axes: usize) -> Self {
        let mut stretches = Vec::with_capacity(ranges.len());
        let mut first = 0;
        for range in ranges {
            let count = range.end - range.start;
            stretches.push(Stretch { first, grid: range.start, count, gap: false });
            first += count;
        }
        let mut mask = Self { grid: Box::new(grid), stretches: stretches.into(), len: first };
        let mut ends = vec![Frame::default(); axes];
        let mut starts = ends.clone();
        for place in 1..mask.stretches.len() {
            let (before, after) = (mask.stretches[place - 1], mask.stretches[place]);
            mask.grid.point(before.grid + before.count - 1, &mut ends);
            mask.grid.point(after.grid, &mut starts);
            let meets = ends.iter().zip(&starts).all(|(end, start)| end.upper == start.lower);
            mask.stretches[place].gap = !meets;
        }
        mask
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    fn stretch(&self, index: u64) -> &Stretch {
        &self.stretches[self.stretches.partition_point(|stretch| stretch.first <= index) - 1]
    }

    fn in_grid(&self, index: u64) -> u64 {
        let stretch = self.stretch(index);
        stretch.grid + (index - stretch.first)
    }

    pub(super) fn point(&self, index: u64, point: &mut [Frame]) {
        self.grid.point(self.in_grid(index), point);
    }

    pub(super) fn moves(&self, index: u64) -> bool {
        self.grid.moves(self.in_grid(index))
    }

    /// Whether there is a gap between frame `index - 1` and frame `index`.
    pub(super) fn gap(&self, index: u64) -> bool {
        let stretch = self.stretch(index);
        if index == stretch.first { stretch.gap } else { self.grid.gap(self.in_grid(index)) }
    }

    /// Indices around `index` that are one by construction, given those of the grid.
    pub(super) fn around(&self, index: u64, within: fn(&Layers, u64) -> Range<u64>) -> Range<u64> {
        let stretch = self.stretch(index);
        let range = within(&self.grid, self.in_grid(index));
        let start = range.start.max(stretch.grid) - stretch.grid;
        let end = range.end.min(stretch.grid + stretch.count) - stretch.grid;
        stretch.first + start..stretch.first + end
    }

    /// Sets those of `gaps` that stand for an index, from `from` (never 0) on, with a gap before it.
    pub(super) fn or_gaps(&self, from: u64, gaps: &mut [bool]) {
        let mut done = 0;
        while done < gaps.len() {
            let index = from + done as u64;
            let stretch = self.stretch(index);
            let passed = index - stretch.first;
            let part = (stretch.count - passed).min((gaps.len() - done) as u64) as usize;
            let starts = usize::from(passed == 0);
            if starts == 1 {
                gaps[done] |= stretch.gap;
            }
            let rest = &mut gaps[done + starts..done + part];
            self.grid.or_gaps(stretch.grid + passed + starts as u64, rest);
            done += part;
        }
    }

    pub(super) fn fill(&self, from: u64, count: usize, (at, columns): (usize, &mut Columns)) {
        let mut done = 0;
        while done < count {
            let index = from + done as u64;
            let stretch = self.stretch(index);
            let left = stretch.count - (index - stretch.first);
            let part = left.min((count - done) as u64) as usize;
            let grid = stretch.grid + (index - stretch.first);
            self.grid.fill(grid, part, (at + done, columns));
            done += part;
        }
    }
}

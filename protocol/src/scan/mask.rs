//! [`Mask`]: those frames of a dimension that lie within a region, and how they are found.
//!
//! To mask the dimensions of a specification, [`Builder::mask`] squashes those that share an axis
//! of an area and takes from each the frames within the region. Whoever has other rules for what is
//! to be squashed calls [`Builder::squash`] and [`Builder::select`].
use super::{
    SpecError,
    budget::Exceeded,
    build::{Builder, Nesting, PathCheck},
    columns::{Columns, Direction, Frame, Span},
    dimension::{Dimension, Source, Whole},
    error::At,
    region::Region,
    runs::Tracks,
    stretches::Work,
    zones::Course,
};
use std::ops::Range;

/// How many points are asked at a time where there is no straight run.
const ASKED: u64 = 1024;

/// What a run costs for each part of a point, and once more, in looks: about as long as they take.
const RUN: u64 = 8;

/// Frames of a dimension, of which only some stretches are taken. It grows with the number of
/// stretches (of an ellipse: rows), not with the number of frames.
#[derive(Clone, Debug)]
pub(super) struct Mask {
    grid: Box<Dimension>,
    stretches: Box<[Stretch]>,
    len: u64,
}

/// Consecutive frames of the grid that are taken: up to the first of the next stretch.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    /// Index of the first one in the mask.
    first: u64,
    /// How many frames of the grid before it are not taken.
    skipped: u64,
}

impl Mask {
    /// The frames of a dimension that lie in the ranges, which are in order and not empty.
    fn new(grid: Dimension, ranges: &[Range<u64>]) -> Self {
        let mut first = 0;
        let stretches = ranges.iter().map(|range| {
            let stretch = Stretch { first, skipped: range.start - first };
            first += range.end - range.start;
            stretch
        });
        let stretches = stretches.collect();
        Self { grid: Box::new(grid), stretches, len: first }
    }

    /// What the frames are taken from.
    pub(super) fn grid(&self) -> &Dimension {
        &self.grid
    }

    /// The stretch of a frame, and how many frames of the grid before it are not taken.
    pub(super) fn stretch_of(&self, index: u64) -> (Range<u64>, u64) {
        let after = self.stretches.partition_point(|stretch| stretch.first <= index);
        let end = self.stretches.get(after).map_or(self.len, |next| next.first);
        let Stretch { first, skipped } = self.stretches[after - 1];
        (first..end, skipped)
    }

    /// The frame's index in the grid.
    pub(super) fn in_grid(&self, index: u64) -> u64 {
        index + self.stretch_of(index).1
    }

    /// Whether there is a gap between frame `index - 1` and frame `index`.
    pub(super) fn gap(&self, index: u64) -> bool {
        let (stretch, skipped) = self.stretch_of(index);
        if index > stretch.start {
            return self.grid.boundary(index + skipped);
        }
        self.parts(index, &mut self.room())
    }

    /// Frames for all axes of the grid.
    fn room(&self) -> [Vec<Frame>; 2] {
        let axes = self.grid.axes.iter().max().map_or(0, |axis| axis + 1);
        [vec![Frame::default(); axes], vec![Frame::default(); axes]]
    }

    /// Whether one stretch ends elsewhere than the next, of first frame `index`, starts.
    fn parts(&self, index: u64, [ends, starts]: &mut [Vec<Frame>; 2]) -> bool {
        self.grid.point(self.in_grid(index - 1), Direction::Forward, ends);
        self.grid.point(self.in_grid(index), Direction::Forward, starts);
        self.grid.axes.iter().any(|axis| ends[*axis].upper != starts[*axis].lower)
    }

    /// Indices around `index` that are one by construction.
    pub(super) fn around(&self, index: u64, whole: Whole) -> Range<u64> {
        let (stretch, skipped) = self.stretch_of(index);
        let range = self.grid.around(index + skipped, whole);
        let start = range.start.max(stretch.start + skipped) - skipped;
        start..range.end.min(stretch.end + skipped) - skipped
    }

    /// Calls `each` with the part of every stretch that lies in a range of frames, and how many
    /// frames of the grid before it are not taken.
    fn each(&self, frames: Range<u64>, mut each: impl FnMut(Range<u64>, u64)) {
        let after = self.stretches.partition_point(|stretch| stretch.first <= frames.start);
        let mut next = frames.start;
        for place in after - 1..self.stretches.len() {
            if next >= frames.end {
                break;
            }
            let end = self.stretches.get(place + 1).map_or(self.len, |next| next.first);
            let end = end.min(frames.end);
            each(next..end, self.stretches[place].skipped);
            next = end;
        }
    }

    /// Sets those of `gaps` that stand for an index, from `from` (never 0) on, with a gap before it.
    pub(super) fn or_gaps(&self, from: u64, gaps: &mut [bool]) {
        let mut room = self.room();
        self.each(from..from + gaps.len() as u64, |part, skipped| {
            let mut within = part.start;
            if self.stretch_of(part.start).0.start == part.start {
                gaps[(part.start - from) as usize] |= self.parts(part.start, &mut room);
                within += 1;
            }
            if within < part.end {
                let span = Span {
                    first: within + skipped,
                    count: (part.end - within) as usize,
                    direction: Direction::Forward,
                };
                let gaps = &mut gaps[(within - from) as usize..(part.end - from) as usize];
                self.grid.or_boundaries(span, gaps);
            }
        });
    }

    pub(super) fn fill(&self, from: u64, count: usize, (at, columns): (usize, &mut Columns)) {
        self.each(from..from + count as u64, |part, skipped| {
            let at = at + (part.start - from) as usize;
            self.grid.fill(forward(&part, skipped), at, columns);
        });
    }

    /// Writes the durations of frames, all of which are said.
    pub(super) fn fill_durations(&self, from: u64, durations: &mut [f64]) {
        self.each(from..from + durations.len() as u64, |part, skipped| {
            let places = (part.start - from) as usize..(part.end - from) as usize;
            self.grid.fill_durations(forward(&part, skipped), &mut durations[places]);
        });
    }
}

/// Appends a range, or lengthens the last one if it goes on there.
fn join(ranges: &mut Vec<Range<u64>>, range: Range<u64>) {
    match ranges.last_mut() {
        Some(last) if last.end == range.start => last.end = range.end,
        _ => ranges.push(range),
    }
}

/// The span of the grid for some frames of a stretch.
fn forward(part: &Range<u64>, skipped: u64) -> Span {
    Span {
        first: part.start + skipped,
        count: (part.end - part.start) as usize,
        direction: Direction::Forward,
    }
}

impl Builder {
    /// The dimensions with only those midpoints that lie within the region, whose axes they have.
    ///
    /// From the first to the last dimension with an axis of an area, they are squashed into one;
    /// it is as with a squash whether that may change the path. Each dimension then sees the areas
    /// that have an axis of it. Gaps are where the bounds of neighbours differ: one that was only
    /// asked for is no more. Fails if nothing is left of a dimension, or finding it would take too
    /// long.
    pub(super) fn mask(
        &self,
        mut dimensions: Vec<Dimension>,
        region: &Region,
        (nesting, asked): (Nesting, PathCheck),
        at: &At,
    ) -> Result<Vec<Dimension>, SpecError> {
        for set in region.axis_sets() {
            let any = |dimension: &Dimension| dimension.axes.iter().any(|axis| set.contains(axis));
            let first = dimensions.iter().position(any);
            let last = dimensions.iter().rposition(any);
            if let (Some(first), Some(last)) = (first, last)
                && first < last
            {
                let check =
                    if nesting == Nesting::Nested || first > 0 { asked } else { PathCheck::Allow };
                let rest = dimensions.split_off(last + 1);
                let joined = dimensions.split_off(first);
                dimensions.push(self.squash(joined, check, at)?);
                dimensions.extend(rest);
            }
        }
        let select = |dimension: Dimension| {
            if dimension.axes.is_empty() {
                Ok(dimension)
            } else {
                let region = region.within(&dimension.axes);
                self.select(dimension, &region, at)
            }
        };
        dimensions.into_iter().map(select).collect()
    }

    /// The frames of a dimension whose midpoints lie within a region of its axes; it runs as the
    /// dimension does. Fails if there is none, or finding them would take too long.
    pub(super) fn select(
        &self,
        dimension: Dimension,
        region: &Region,
        at: &At,
    ) -> Result<Dimension, SpecError> {
        let grid = self.unforced(dimension, at)?;
        if *region == Region::Everything {
            return Ok(grid);
        }
        let ranges = self.ranges(&grid, region).map_err(|exceeded| exceeded.error(&grid, at))?;
        if ranges.is_empty() {
            let rule = "has no point of its grid within it: the region and the grid must overlap";
            return Err(SpecError::new(at, "the region", rule));
        }
        let (axes, snaked) = (grid.axes.clone(), grid.snaked);
        let mask = Mask::new(grid, &ranges);
        let mut masked = Dimension {
            len: mask.len,
            snaked,
            first_gap: false,
            duration: None,
            axes,
            source: Source::Mask(mask),
        };
        masked.first_gap = !snaked && !self.meet(&masked, &masked);
        Ok(masked)
    }

    /// The frames within a region, in order; none of the ranges touches another. What finding them
    /// takes is taken from the budget.
    pub(super) fn ranges(
        &self,
        grid: &Dimension,
        region: &Region,
    ) -> Result<Vec<Range<u64>>, Exceeded> {
        let wanted = region.axis_sets().into_iter().flatten();
        let mut tracks = Tracks::new(self.places.len(), wanted);
        let (mut work, mut found) = (Work::new(&self.budget), Vec::new());
        let mut columns = Columns::default();
        // Points are computed in a table of all axes of the stack.
        let point = grid.parts() + self.places.len() as u64 / 8;
        let each = region.areas() + point;
        self.budget.allows(grid.curved(&tracks).saturating_mul(each))?;
        let mut ranges = Vec::new();
        let mut next = 0;
        while next < grid.len {
            self.budget.look(RUN * (1 + point))?;
            let run = grid.run_from(next, &mut tracks);
            if run.range.end == next + 1 {
                let count = ASKED.min(grid.len - next);
                self.budget.look(count.saturating_mul(each))?;
                columns.resize(self.places.len(), count as usize);
                grid.fill(forward(&(next..next + count), 0), 0, &mut columns);
                for place in 0..count as usize {
                    if region.contains(|axis| columns.midpoints[axis][place]) {
                        let index = next + place as u64;
                        join(&mut ranges, index..index + 1);
                    }
                }
                next += count;
            } else {
                found.clear();
                let course = Course { tracks: &tracks, ticks: run.ticks() };
                region.stretches(course, &mut work, &mut found)?;
                for ticks in &found {
                    join(&mut ranges, run.frames(ticks));
                }
                next = run.range.end;
            }
            self.budget.holds(ranges.len())?;
        }
        self.budget.keep(ranges.len())?;
        Ok(ranges)
    }

    /// The dimension without the gaps that were asked for: only where the bounds differ.
    fn unforced(&self, mut dimension: Dimension, at: &At) -> Result<Dimension, SpecError> {
        let boxed = |one: Box<Dimension>| self.unforced(*one, at).map(Box::new);
        match dimension.source {
            Source::Repeat { .. } => {
                dimension.source = Source::Repeat { gap: false };
                dimension.first_gap = false;
            }
            Source::Zip(left, right) => {
                let (left, right) = (boxed(left)?, boxed(right)?);
                dimension.first_gap = !dimension.snaked && (left.first_gap || right.first_gap);
                dimension.source = Source::Zip(left, right);
            }
            Source::Concat { left, right, .. } => {
                let (left, right) = (boxed(left)?, boxed(right)?);
                let gap = !self.meet(&left, &right);
                dimension.source = Source::Concat { left, right, gap };
            }
            Source::Squash(layers) => {
                let unforced = |one| self.unforced(one, at);
                let inner = layers.into_dimensions().into_iter().map(unforced);
                let layers = super::build::layers(inner.collect::<Result<_, _>>()?, at)?;
                dimension.source = Source::Squash(layers);
                dimension.first_gap =
                    dimension.len > 0 && !dimension.snaked && !self.meet(&dimension, &dimension);
            }
            Source::Curves(_) | Source::Ways(_) | Source::Constant { .. } | Source::Mask(_) => {}
        }
        Ok(dimension)
    }
}

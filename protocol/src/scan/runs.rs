//! [`Run`]: a stretch of a dimension along which the midpoints of some axes are straight lines, so
//! that what lies within a region need not be asked frame by frame.
use super::{
    columns::Direction,
    curve::Curve,
    dimension::{Dimension, Source},
    way::Way,
};
use std::ops::Range;

/// Midpoints along one axis as scanspec computes them: `(index + offset) * step + first`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Line {
    pub(super) step: f64,
    pub(super) first: f64,
    pub(super) offset: f64,
}

impl Line {
    pub(super) fn at(self, index: u64) -> f64 {
        (index as f64 + self.offset) * self.step + self.first
    }
}

/// How the midpoint of one axis goes through a run, tick by tick.
#[derive(Clone, Copy, Debug)]
pub(super) struct Track {
    line: Line,
    /// Index on the line at tick 0.
    index: u64,
    direction: Direction,
}

impl Track {
    fn still(value: f64) -> Self {
        let line = Line { step: 0.0, first: value, offset: 0.0 };
        Self { line, index: 0, direction: Direction::Forward }
    }

    fn index(self, tick: u64) -> u64 {
        match self.direction {
            Direction::Forward => self.index + tick,
            Direction::Backward => self.index - tick,
        }
    }

    /// The same track from one of its ticks on, in a direction.
    fn from(self, tick: u64, direction: Direction) -> Self {
        // What stands has no other index.
        if self.line.step == 0.0 {
            self
        } else {
            Self { index: self.index(tick), direction, ..self }
        }
    }

    /// The midpoint, bit for bit.
    pub(super) fn at(self, tick: u64) -> f64 {
        self.line.at(self.index(tick))
    }

    /// The way from one tick to the next.
    pub(super) fn step(self) -> f64 {
        match self.direction {
            Direction::Forward => self.line.step,
            Direction::Backward => -self.line.step,
        }
    }

    /// What no number exceeds that the midpoints of so many ticks are computed from.
    pub(super) fn reach(self, ticks: u64) -> f64 {
        let index = match self.direction {
            Direction::Forward => self.index + ticks,
            Direction::Backward => self.index,
        };
        (index as f64 + 1.0) * self.line.step.abs() + self.line.first.abs()
    }
}

/// The tracks of the axes that are asked for, by their place in the stack.
pub(super) struct Tracks {
    wanted: Box<[bool]>,
    tracks: Box<[Track]>,
}

impl Tracks {
    /// Room for the tracks of some of the axes of a stack.
    pub(super) fn new(axes: usize, wanted: impl IntoIterator<Item = usize>) -> Self {
        let mut flags = vec![false; axes];
        for axis in wanted {
            flags[axis] = true;
        }
        Self { wanted: flags.into(), tracks: vec![Track::still(0.0); axes].into() }
    }

    pub(super) fn of(&self, axis: usize) -> Track {
        self.tracks[axis]
    }

    /// Whether any of the axes is asked for.
    pub(super) fn want(&self, axes: &[usize]) -> bool {
        axes.iter().any(|axis| self.wanted[*axis])
    }

    /// Changes the tracks of those of the axes that are asked for; the others are not known.
    fn each(&mut self, axes: &[usize], change: impl Fn(Track) -> Track) {
        for axis in axes.iter().filter(|axis| self.wanted[**axis]) {
            self.tracks[*axis] = change(self.tracks[*axis]);
        }
    }

    /// Makes the axes stand where they are at a tick.
    pub(super) fn hold(&mut self, axes: &[usize], tick: u64) {
        self.each(axes, |track| Track::still(track.at(tick)));
    }

    /// Makes the axes go through the run backwards, from what was its last tick.
    pub(super) fn turn(&mut self, axes: &[usize], last: u64) {
        self.each(axes, |track| {
            let direction = match track.direction {
                Direction::Forward => Direction::Backward,
                Direction::Backward => Direction::Forward,
            };
            track.from(last, direction)
        });
    }
}

/// Consecutive frames, several of which may make one tick of the tracks.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) range: Range<u64>,
    /// Frames per tick.
    unit: u64,
    /// How many frames of the first tick precede the run.
    phase: u64,
}

impl Run {
    pub(super) fn new(range: Range<u64>) -> Self {
        Self { range, unit: 1, phase: 0 }
    }

    /// How many ticks there are, of which the first and the last may be cut.
    pub(super) fn ticks(&self) -> u64 {
        (self.phase + (self.range.end - self.range.start)).div_ceil(self.unit)
    }

    /// The tick of a frame.
    pub(super) fn tick(&self, index: u64) -> u64 {
        (index - self.range.start + self.phase) / self.unit
    }

    /// The frames of some of the ticks.
    pub(super) fn frames(&self, ticks: &Range<u64>) -> Range<u64> {
        let at = |tick: u64| self.range.start + (tick * self.unit).saturating_sub(self.phase);
        at(ticks.start)..at(ticks.end).min(self.range.end)
    }

    /// The part of the run within a range, which must overlap it.
    fn cut(&mut self, range: &Range<u64>, axes: &[usize], tracks: &mut Tracks) {
        let start = self.range.start.max(range.start);
        let skipped = self.phase + (start - self.range.start);
        if skipped >= self.unit {
            let ticks = skipped / self.unit;
            tracks.each(axes, |track| track.from(ticks, track.direction));
        }
        self.phase = skipped % self.unit;
        self.range = start..self.range.end.min(range.end);
    }

    /// The same run where the dimension's frame `index` is the frame `own`, gone through in a
    /// direction, and each of its frames lasts `repeat` frames.
    pub(super) fn placed(
        mut self,
        (index, direction): (u64, Direction),
        (own, repeat): (u64, u64),
        (axes, tracks): (&[usize], &mut Tracks),
    ) -> Self {
        let len = self.range.end - self.range.start;
        let before = match direction {
            Direction::Forward => index - self.range.start,
            Direction::Backward => {
                let ticks = self.ticks();
                tracks.turn(axes, ticks - 1);
                self.phase = ticks * self.unit - self.phase - len;
                self.range.end - 1 - index
            }
        };
        let start = own - before;
        Self {
            range: start * repeat..(start + len) * repeat,
            unit: self.unit * repeat,
            phase: self.phase * repeat,
        }
    }
}

impl Dimension {
    /// Whether any axis that is asked for is elsewhere in another frame.
    pub(super) fn varies(&self, tracks: &Tracks) -> bool {
        if self.len <= 1 || !tracks.want(&self.axes) {
            return false;
        }
        match &self.source {
            Source::Repeat { .. } | Source::Constant { .. } => false,
            Source::Curves(curves) => {
                curves.iter().any(|(axis, curve)| tracks.wanted[*axis] && !curve.still())
            }
            Source::Zip(left, right) => left.varies(tracks) || right.varies(tracks),
            Source::Ways(ways) => ways.iter().any(|way| tracks.wanted[way.axis]),
            Source::Concat { .. } => true,
            Source::Squash(layers) => layers.vary(tracks),
            Source::Mask(mask) => mask.grid().varies(tracks),
        }
    }

    /// How many frames at least are no part of a longer run, so that each of them is asked.
    pub(super) fn curved(&self, tracks: &Tracks) -> u64 {
        match &self.source {
            // Of a way it is not known: its parts may be lines.
            Source::Repeat { .. } | Source::Constant { .. } | Source::Ways(_) => 0,
            Source::Curves(curves) => {
                let bent = |(axis, curve): &(usize, Curve)| {
                    tracks.wanted[*axis] && curve.shape.midpoints().is_none()
                };
                if curves.iter().any(bent) { self.len } else { 0 }
            }
            Source::Zip(left, right) => left.curved(tracks).max(right.curved(tracks)),
            Source::Concat { left, right, .. } => left.curved(tracks) + right.curved(tracks),
            Source::Squash(layers) => layers.curved(tracks),
            Source::Mask(mask) => {
                let grid = mask.grid();
                if grid.curved(tracks) == grid.len { self.len } else { 0 }
            }
        }
    }

    /// The run from a frame on, of which that frame is the first; the tracks of the dimension's axes
    /// are set to it.
    pub(super) fn run_from(&self, index: u64, tracks: &mut Tracks) -> Run {
        let mut run = self.run(index, tracks);
        run.cut(&(index..self.len), &self.axes, tracks);
        run
    }

    /// The run around a frame, of which other runs are made: it may begin before that frame. The
    /// tracks of the dimension's axes are set to it.
    pub(super) fn run(&self, index: u64, tracks: &mut Tracks) -> Run {
        match &self.source {
            Source::Repeat { .. } => Run::new(0..self.len),
            Source::Constant { frames, .. } => {
                for (axis, frame) in frames {
                    tracks.tracks[*axis] = Track::still(frame.midpoint);
                }
                Run::new(0..self.len)
            }
            Source::Curves(curves) => {
                let mut straight = true;
                for (axis, curve) in curves {
                    let line = curve.shape.midpoints();
                    straight &= line.is_some() || !tracks.wanted[*axis];
                    let along = |line| Track { line, index: 0, direction: Direction::Forward };
                    tracks.tracks[*axis] = line.map_or(Track::still(0.0), along);
                }
                if straight {
                    return Run::new(0..self.len);
                }
                for (axis, curve) in curves {
                    tracks.tracks[*axis] = Track::still(curve.midpoint(index));
                }
                Run::new(index..index + 1)
            }
            Source::Ways(ways) => {
                let wanted: Vec<&Way> = ways.iter().filter(|way| tracks.wanted[way.axis]).collect();
                let range = wanted.iter().fold(0..self.len, |range, way| {
                    let one = way.midpoints(index).0;
                    range.start.max(one.start)..range.end.min(one.end)
                });
                for way in wanted {
                    tracks.tracks[way.axis] = match way.midpoints(index) {
                        (part, Some(line)) => {
                            let index = range.start - part.start;
                            Track { line, index, direction: Direction::Forward }
                        }
                        (_, None) => Track::still(way.frame(index).midpoint),
                    };
                }
                Run::new(range)
            }
            Source::Zip(left, right) => both(left, right, index, tracks),
            Source::Concat { left, right, .. } => match index.checked_sub(left.len) {
                None => left.run(index, tracks),
                Some(index) => {
                    let mut run = right.run(index, tracks);
                    run.range = run.range.start + left.len..run.range.end + left.len;
                    run
                }
            },
            Source::Squash(layers) => layers.run(index, tracks),
            Source::Mask(mask) => {
                let (stretch, shift) = mask.stretch_of(index);
                let mut run = mask.grid().run(index + shift, tracks);
                run.cut(&(stretch.start + shift..stretch.end + shift), &self.axes, tracks);
                run.range = run.range.start - shift..run.range.end - shift;
                run
            }
        }
    }
}

/// The run of two dimensions at the same time.
fn both(left: &Dimension, right: &Dimension, index: u64, tracks: &mut Tracks) -> Run {
    let (mut one, mut other) = (left.run(index, tracks), right.run(index, tracks));
    if !right.varies(tracks) {
        tracks.hold(&right.axes, other.tick(index));
        one.cut(&other.range, &left.axes, tracks);
        return one;
    }
    if !left.varies(tracks) {
        tracks.hold(&left.axes, one.tick(index));
        other.cut(&one.range, &right.axes, tracks);
        return other;
    }
    let (own, others) = (one.range.clone(), other.range.clone());
    one.cut(&others, &left.axes, tracks);
    other.cut(&own, &right.axes, tracks);
    if (one.unit, one.phase) == (other.unit, other.phase) {
        return one;
    }
    // Ticks of different length: only as far as the longer ones last, during which they stand.
    for (run, axes) in [(&one, &left.axes), (&other, &right.axes)] {
        if run.unit > 1 {
            tracks.hold(axes, run.tick(index));
        }
    }
    let end = |run: &Run| {
        let tick = run.tick(index);
        if run.unit > 1 { run.frames(&(tick..tick + 1)).end } else { run.range.end }
    };
    let range = index..end(&one).min(end(&other));
    let (mut run, axes) = match (one.unit, other.unit) {
        (1, _) => (one, &left.axes),
        (_, 1) => (other, &right.axes),
        _ => return Run::new(range),
    };
    run.cut(&range, axes, tracks);
    run
}

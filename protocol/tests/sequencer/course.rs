//! A planned trajectory over time, and where the frames of its scan begin.
use bluefly_protocol::{
    scan::{Path, Piece},
    trajectory::{Mark, Planner, Segment},
};

/// Sequencer ticks in a microsecond.
const TICKS_PER_US: u64 = 125;

/// One segment between two instants, ticks.
#[derive(Debug)]
pub(crate) struct Hop {
    pub(crate) from_tick: u64,
    pub(crate) to_tick: u64,
    from: Segment,
    to: Segment,
    /// Whether frames are taken in it.
    pub(crate) in_row: bool,
}

/// A frame as the motion controller comes to it.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    pub(crate) ticks: f64,
    pub(crate) lower: Box<[f64]>,
}

/// All hops of a scan, and the frames in them.
#[derive(Debug)]
pub(crate) struct Flight {
    pub(crate) hops: Vec<Hop>,
    pub(crate) arrivals: Vec<Arrival>,
    /// Ticks of the motion before each window.
    pub(crate) turns: Vec<u64>,
}

impl Flight {
    pub(crate) fn new(planner: &Planner, pieces: &[Piece]) -> Self {
        let mut trajectory = planner.plan(pieces.iter().cloned());
        let start = trajectory.start();
        let mut from = Segment {
            duration_us: 0,
            frames: 0,
            frame_goes_on: false,
            velocities: start.iter().map(|_| 0.0).collect(),
            positions: start,
        };
        let (mut hops, mut times, mut tick) = (vec![], vec![], 0);
        let (mut in_row, mut turns, mut rest) = (false, vec![], 0);
        loop {
            let batch = trajectory.next_batch(1_000);
            for (to, mark) in batch.segments().zip(&batch.marks) {
                let to_tick = tick + to.duration_us * TICKS_PER_US;
                let each = (to_tick - tick) as f64 / (to.frames.max(1)) as f64;
                times.extend((0..to.frames).map(|frame| tick as f64 + frame as f64 * each));
                if to.frames > 0 && !in_row {
                    in_row = true;
                    turns.push(tick - rest);
                }
                hops.push(Hop { from_tick: tick, to_tick, from, to: to.clone(), in_row });
                if *mark == Mark::RowEnd {
                    in_row = false;
                    rest = to_tick;
                }
                (from, tick) = (to, to_tick);
            }
            if batch.last {
                break;
            }
        }
        let lowers =
            pieces.iter().flat_map(|piece| (0..piece.frames).map(|frame| lower(piece, frame)));
        let arrivals = times.into_iter().zip(lowers);
        let arrivals = arrivals.map(|(ticks, lower)| Arrival { ticks, lower });
        Self { hops, arrivals: arrivals.collect(), turns }
    }

    /// Where an axis is at a time, EGU.
    pub(crate) fn position(&self, axis: usize, ticks: f64) -> f64 {
        let index = self.hops.partition_point(|hop| (hop.to_tick as f64) < ticks);
        self.hops[index.min(self.hops.len() - 1)].position(axis, ticks)
    }

    /// The first tick from `from` on at which what is read of an axis passes, if there is one.
    pub(crate) fn first(
        &self,
        axis: usize,
        from: u64,
        passes: impl Fn(f64) -> bool,
    ) -> Option<u64> {
        let index = self.hops.partition_point(|hop| hop.to_tick < from);
        for hop in &self.hops[index..] {
            let begin = from.max(hop.from_tick);
            let mut low = begin;
            // Between two turns an axis goes one way, so that a place is passed once.
            let ends = hop.turns(axis).into_iter().chain([hop.to_tick]);
            for end in ends.filter(|end| *end >= begin) {
                if passes(hop.position(axis, low as f64)) {
                    return Some(low);
                }
                if passes(hop.position(axis, end as f64)) {
                    return Some(bisect(low, end, |tick| passes(hop.position(axis, tick as f64))));
                }
                low = end;
            }
        }
        None
    }
}

/// The first tick after `low` that passes; `high` does.
fn bisect(mut low: u64, mut high: u64, passes: impl Fn(u64) -> bool) -> u64 {
    while high - low > 1 {
        let middle = low.midpoint(high);
        if passes(middle) { high = middle } else { low = middle }
    }
    high
}

fn lower(piece: &Piece, frame: u64) -> Box<[f64]> {
    match &piece.path {
        Path::Straight => {
            let part = frame as f64 / piece.frames as f64;
            let ends = piece.start.iter().zip(&piece.end);
            ends.map(|(start, end)| start + (end - start) * part).collect()
        }
        Path::Curved(curve) => {
            curve.by_axis(piece.start.len()).map(|points| points[2 * frame as usize]).collect()
        }
    }
}

impl Hop {
    /// The cubic by the textbook (Hermite).
    fn position(&self, axis: usize, ticks: f64) -> f64 {
        let ticks_long = (self.to_tick - self.from_tick) as f64;
        let part = (ticks - self.from_tick as f64) / ticks_long;
        let seconds = ticks_long / 125e6;
        let (start, end) = (self.from.positions[axis], self.to.positions[axis]);
        let leaving = self.from.velocities[axis] * seconds;
        let arriving = self.to.velocities[axis] * seconds;
        let (square, left) = (part * part, 1.0 - part);
        start
            + (end - start) * square * (3.0 - 2.0 * part)
            + leaving * part * left * left
            + arriving * square * (part - 1.0)
    }

    /// Where an axis turns within it, in order, ticks.
    fn turns(&self, axis: usize) -> Vec<u64> {
        let ticks = (self.to_tick - self.from_tick) as f64;
        let seconds = ticks / 125e6;
        let way = self.to.positions[axis] - self.from.positions[axis];
        let leaving = self.from.velocities[axis] * seconds;
        let arriving = self.to.velocities[axis] * seconds;
        // The velocity is c + b * part + a * part^2.
        let (a, b) =
            (3.0 * (leaving + arriving - 2.0 * way), 6.0 * way - 4.0 * leaving - 2.0 * arriving);
        let root = (b * b - 4.0 * a * leaving).sqrt();
        let sum = -(b + root.copysign(b)) / 2.0;
        let mut parts: Vec<f64> = [sum / a, leaving / sum].into();
        parts.retain(|part| *part > 0.0 && *part < 1.0);
        parts.sort_by(f64::total_cmp);
        parts.into_iter().map(|part| self.from_tick + (part * ticks) as u64).collect()
    }
}

//! [`PmacTable`]: a trajectory in the form that a PMAC takes.
use super::{Batch, Mark, TriggerBits};

/// Consecutive points, in columns of one length.
///
/// A PMAC is given no velocities: its driver computes them from the positions and times around a
/// point, in the way that the mode of the point says ([`VelocityMode`]).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PmacTable {
    /// Time from the point before, microseconds.
    pub time_us: Vec<u64>,
    pub velocity_mode: Vec<VelocityMode>,
    /// The user program that is called at the point: 0 for none, else 1 to 8, each of which sets
    /// three output bits.
    pub user_program: Vec<u8>,
    /// Index of the frame that is under way at the point, or begins there: so many frames of the
    /// scan are complete.
    pub completed: Vec<u64>,
    /// EGU, `[axis][point]`.
    pub positions: Vec<Vec<f64>>,
}

/// How the driver computes the velocity at point `i` from positions `p` and times `t`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VelocityMode {
    /// `(p[i+1] - p[i-1]) / (t[i] + t[i+1])`
    PreviousToNext = 0,
    /// `2 * (p[i] - p[i-1]) / t[i] - v[i-1]`: constant acceleration from the point before.
    RealPreviousToCurrent = 1,
    /// `(p[i] - p[i-1]) / t[i]`
    AveragePreviousToCurrent = 2,
    /// Zero.
    Zero = 3,
    /// `(p[i+1] - p[i]) / t[i+1]`; no trajectory needs it.
    CurrentToNext = 4,
}

/// Turns the batches of a trajectory into tables, one after the other.
#[derive(Clone, Debug)]
pub struct PmacWriter {
    bits: TriggerBits,
    completed: u64,
    open: Open,
    /// What was at the point before, but for split ones.
    before: Mark,
}

/// Whether a frame has begun that is not over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    No = 0,
    Yes = 1,
}

impl PmacWriter {
    /// For a trajectory that is entered at `first_frame`.
    pub fn new(bits: TriggerBits, first_frame: u64) -> Self {
        Self { bits, completed: first_frame, open: Open::No, before: Mark::RunDown }
    }

    /// The points of the next batch.
    pub fn table(&mut self, batch: &Batch) -> PmacTable {
        let mut table = PmacTable {
            time_us: batch.durations_us.clone(),
            positions: batch.positions.clone(),
            ..PmacTable::default()
        };
        for (index, &mark) in batch.marks.iter().enumerate() {
            table.velocity_mode.push(self.velocity_mode(mark));
            table.user_program.push(user_program(self.bits, mark));
            let open = if batch.frame_goes_on[index] { Open::Yes } else { Open::No };
            self.count(batch.frames[index], open);
            table.completed.push(self.completed);
            if mark != Mark::Within {
                self.before = mark;
            }
        }
        table
    }

    fn velocity_mode(&self, mark: Mark) -> VelocityMode {
        match (mark, self.before) {
            (Mark::Midpoint | Mark::FrameEnd, _) => VelocityMode::PreviousToNext,
            // A part of a row; of a frame of a curve it is not exact, which only matters to frames
            // that are longer than two of the longest segments.
            (Mark::Within, Mark::RowStart | Mark::Midpoint | Mark::FrameEnd | Mark::Join) => {
                VelocityMode::PreviousToNext
            }
            (
                Mark::Within,
                Mark::Within | Mark::RowEnd | Mark::Turnaround | Mark::RunDown | Mark::Entry,
            )
            | (Mark::RowStart | Mark::Turnaround | Mark::Join, _)
            | (Mark::RowEnd, Mark::Midpoint) => VelocityMode::RealPreviousToCurrent,
            (
                Mark::RowEnd,
                Mark::Within
                | Mark::RowStart
                | Mark::FrameEnd
                | Mark::Join
                | Mark::RowEnd
                | Mark::Turnaround
                | Mark::RunDown
                | Mark::Entry,
            ) => VelocityMode::AveragePreviousToCurrent,
            (Mark::RunDown | Mark::Entry, _) => VelocityMode::Zero,
        }
    }

    /// Counts the frames that are over with a segment which begins so many.
    fn count(&mut self, begun: u64, open: Open) {
        self.completed += begun + self.open as u64 - open as u64;
        self.open = open;
    }
}

/// The program whose output bits say what the point is.
fn user_program(bits: TriggerBits, mark: Mark) -> u8 {
    match bits {
        TriggerBits::None => 0,
        TriggerBits::RowGate => match mark {
            Mark::RowStart => 1,
            Mark::RowEnd | Mark::Entry => 8,
            Mark::Within
            | Mark::Midpoint
            | Mark::FrameEnd
            | Mark::Join
            | Mark::Turnaround
            | Mark::RunDown => 0,
        },
        TriggerBits::EveryPoint => match mark {
            Mark::RowStart | Mark::FrameEnd | Mark::Join => 1,
            Mark::Midpoint => 4,
            Mark::RowEnd => 2,
            Mark::Turnaround | Mark::RunDown | Mark::Entry => 8,
            Mark::Within => 0,
        },
    }
}

//! [`Table`]: the points that were built, and the two half buffers from which they are followed.
use bluefly_protocol::trajectory::{Segment, TriggerSource};
use std::{collections::VecDeque, sync::Arc};

/// The longest time between two points.
const MAX_TIME_US: f64 = 4_095_000.0;

/// An array of numbers.
type Column = Arc<[f64]>;

/// What the arrays of a controller hold. Short ones go on with zeros.
pub(super) struct Rows {
    pub(super) count: usize,
    pub(super) times_us: Column,
    pub(super) frames: Column,
    pub(super) user_programs: Column,
    /// Positions and velocities of each axis that is used.
    pub(super) axes: Vec<(Column, Column)>,
}

/// What is the same for all points of a trajectory, and what one point leaves for the next.
#[derive(Debug, Default)]
pub(super) struct Trajectory {
    /// Indices of the axes that it moves.
    pub(super) used: Vec<usize>,
    source: TriggerSource,
    /// Whether the user program of the last point begins a frame.
    begins_frame: bool,
}

impl Trajectory {
    pub(super) fn new(used: Vec<usize>, source: TriggerSource) -> Self {
        Self { used, source, begins_frame: false }
    }
}

/// The user program of a point at which a frame begins.
const FRAME_BEGINS: f64 = 1.0;

/// A stretch of motion and the point at its end.
#[derive(Clone, Debug)]
pub(super) struct Point {
    pub(super) segment: Segment,
    /// The user program that is called there, unless it is 0.
    pub(super) user_program: u8,
}

impl Rows {
    pub(super) fn points(&self, trajectory: &mut Trajectory) -> Result<Vec<Point>, String> {
        if self.times_us.iter().take(self.count).any(|&time_us| time_us > MAX_TIME_US) {
            return Err(format!("Invalid profile time value (> {MAX_TIME_US} microseconds)"));
        }
        let at = |values: &[f64], i: usize| values.get(i).copied().unwrap_or(0.0);
        let point = |i: usize| {
            let frames = match trajectory.source {
                TriggerSource::Box => at(&self.frames, i) as u64,
                TriggerSource::UserPrograms => {
                    let begins = at(&self.user_programs, i) == FRAME_BEGINS;
                    u64::from(std::mem::replace(&mut trajectory.begins_frame, begins))
                }
            };
            let segment = Segment {
                duration_us: at(&self.times_us, i) as u64,
                frames,
                frame_goes_on: false,
                positions: self.axes.iter().map(|(positions, _)| at(positions, i)).collect(),
                velocities: self.axes.iter().map(|(_, velocities)| at(velocities, i)).collect(),
            };
            Point { segment, user_program: at(&self.user_programs, i) as u8 }
        };
        Ok((0..self.count).map(point).collect())
    }
}

/// One half of the buffer: so many points were sent to it at once, and so many are left.
#[derive(Clone, Copy, Debug, Default)]
struct Half {
    sent: u64,
    left: u64,
}

/// What was built, and how far it was executed.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) trajectory: Trajectory,
    queue: VecDeque<Point>,
    pub(super) built: u64,
    /// Points that were come to.
    pub(super) scanned: u64,
    /// Whether it can be appended to; whether it can be executed, as long as it was not.
    pub(super) is_built: bool,
    half_length: u64,
    present: Half,
    other: Half,
}

impl Table {
    pub(super) fn new(trajectory: Trajectory, half_length: usize) -> Self {
        Self { trajectory, half_length: half_length as u64, is_built: true, ..Self::default() }
    }

    pub(super) fn add(&mut self, points: Vec<Point>) {
        self.built += points.len() as u64;
        self.queue.extend(points);
    }

    /// Sends what there is to a half buffer.
    fn fill(&self, unsent: u64) -> Half {
        let sent = unsent.min(self.half_length);
        Half { sent, left: sent }
    }

    fn unsent(&self) -> u64 {
        (self.queue.len() as u64).saturating_sub(self.present.left + self.other.left)
    }

    /// Both half buffers are filled as far as points were built.
    pub(super) fn start(&mut self) {
        self.present = self.fill(self.unsent());
        self.fill_other();
    }

    /// Fills the half buffer that is not followed, if it is empty. What was sent to it once is not
    /// added to.
    pub(super) fn fill_other(&mut self) {
        if self.other.left == 0 {
            self.other = self.fill(self.unsent());
        }
    }

    /// The next point to go to; nothing once a half buffer ends that was not full, or with nothing in
    /// the other.
    pub(super) fn next(&mut self) -> Option<Point> {
        if self.present.left == 0 {
            if self.present.sent < self.half_length {
                return None;
            }
            self.present = std::mem::take(&mut self.other);
            self.fill_other();
        }
        self.present.left = self.present.left.checked_sub(1)?;
        self.queue.pop_front()
    }

    pub(super) fn percent(&self) -> f64 {
        100.0 * self.scanned as f64 / self.built.max(1) as f64
    }

    /// What is left of it once it was executed: its numbers.
    pub(super) fn spend(&mut self) {
        let (built, scanned) = (self.built, self.scanned);
        *self = Self { built, scanned, ..Self::default() };
    }
}

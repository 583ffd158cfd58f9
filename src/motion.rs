//! [`Motion`]: the trajectory of a plan, point by point. The one place outside the coordinator that
//! knows in which form the planner gives it.
use bluefly_protocol::{
    plan::ScanPlan,
    scan::Piece,
    trajectory::{Segment, Trajectory},
};
use std::{collections::VecDeque, ops::Range};

/// Segments planned at a time: memory does not grow with the scan.
const BATCH: usize = 4_096;

/// A point of a trajectory, and the segment that leads there from the one before.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Point {
    /// Since the first point.
    pub(crate) time_us: u64,
    /// Since the point before.
    pub(crate) duration_us: u64,
    /// Per axis, EGU.
    pub(crate) positions: Box<[f64]>,
    /// Per axis, EGU/s.
    pub(crate) velocities: Box<[f64]>,
    /// Frames that begin in the segment, evenly spaced, the first at its start.
    pub(crate) frames: u64,
    /// Index of the first frame that is not complete at this point.
    pub(crate) completed: u64,
    pub(crate) user_program: UserProgram,
}

/// What the controller's program tells the detectors in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UserProgram {
    /// No frame is taken.
    Nothing,
    /// Frames are taken.
    Frames,
}

impl UserProgram {
    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::Nothing => 0,
            Self::Frames => 1,
        }
    }
}

/// The points of the motion through some frames: first where every axis stands still before the
/// run-up, last the one at which they are complete, or standstill after the end of the scan.
pub(crate) struct Motion {
    trajectory: Trajectory<Box<dyn Iterator<Item = Piece>>>,
    segments: VecDeque<Segment>,
    /// The point given last; none before the first.
    at: Option<Point>,
    begun: u64,
    frames: Range<u64>,
    total: u64,
}

impl Motion {
    pub(crate) fn new(plan: &ScanPlan, frames: &Range<u64>) -> Self {
        let pieces: Box<dyn Iterator<Item = Piece>> = if frames.is_empty() {
            Box::new(std::iter::empty())
        } else {
            Box::new(plan.pieces(frames.start))
        };
        Self {
            trajectory: plan.planner().plan(pieces),
            segments: VecDeque::new(),
            at: None,
            begun: frames.start,
            frames: frames.clone(),
            total: plan.num_frames(),
        }
    }

    /// How long all of it takes.
    pub(crate) fn duration_us(self) -> u64 {
        self.last().map_or(0, |last| last.time_us)
    }

    fn start(&self) -> Point {
        let positions = self.trajectory.start();
        Point {
            time_us: 0,
            duration_us: 0,
            velocities: positions.iter().map(|_| 0.0).collect(),
            positions,
            frames: 0,
            completed: self.frames.start,
            user_program: UserProgram::Nothing,
        }
    }

    fn is_over(&self, at: &Point) -> bool {
        self.frames.is_empty() || (at.completed >= self.frames.end && self.frames.end < self.total)
    }
}

impl Iterator for Motion {
    type Item = Point;

    fn next(&mut self) -> Option<Point> {
        let point = match &self.at {
            None if self.frames.is_empty() => return None,
            None => self.start(),
            Some(at) if self.is_over(at) => return None,
            Some(at) => {
                if self.segments.is_empty() {
                    self.segments.extend(self.trajectory.next_batch(BATCH).segments());
                }
                let segment = self.segments.pop_front()?;
                self.begun += segment.frames;
                let completed = self.begun - u64::from(segment.frame_goes_on);
                let taking =
                    segment.frames > 0 || completed > at.completed || segment.frame_goes_on;
                Point {
                    time_us: at.time_us + segment.duration_us,
                    duration_us: segment.duration_us,
                    positions: segment.positions,
                    velocities: segment.velocities,
                    frames: segment.frames,
                    completed,
                    user_program: if taking { UserProgram::Frames } else { UserProgram::Nothing },
                }
            }
        };
        self.at = Some(point.clone());
        Some(point)
    }
}

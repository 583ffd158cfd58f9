//! [`Motion`]: the trajectory of a plan, point by point. The one place outside the coordinator that
//! knows in which form the planner gives it.
use bluefly_protocol::{
    plan::ScanPlan,
    scan::Piece,
    trajectory::{
        Batch, Mark, PlanError, Planner, PmacTable, PmacWriter, Trajectory, TriggerBits,
        VelocityMode,
    },
};
use std::ops::Range;

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
    /// Whether a frame is taken in the segment.
    pub(crate) takes_frames: bool,
    /// What the point is; nothing if it is the first.
    pub(crate) mark: Option<Mark>,
    /// How a PMAC finds its velocity there.
    pub(crate) velocity_mode: VelocityMode,
    /// The program that a PMAC calls at the point.
    pub(crate) user_program: u8,
}

/// The points of the motion through some frames: first where every axis stands still before the
/// run-up, last the one at which they are complete, or standstill after the end of the scan.
pub(crate) struct Motion {
    trajectory: Trajectory<Box<dyn Iterator<Item = Piece>>>,
    writer: PmacWriter,
    batch: Batch,
    table: PmacTable,
    /// The next of the batch.
    index: usize,
    /// The point given last; none before the first.
    at: Option<Point>,
    frames: Range<u64>,
    total: u64,
}

/// The planner of a plan with other trigger bits, if the scan can be flown with them: points that
/// they ask for may follow each other too fast.
pub(crate) fn planner(plan: &ScanPlan, bits: TriggerBits) -> Result<Planner, PlanError> {
    let usual = plan.planner();
    let planner = usual.clone().with_modes(usual.point_mode(), bits);
    if bits != usual.trigger_bits() {
        planner.check(plan.pieces(0))?;
    }
    Ok(planner)
}

impl Motion {
    /// The motion of a plan through `frames`, as a planner gives it that has checked the plan.
    pub(crate) fn new(plan: &ScanPlan, planner: &Planner, frames: &Range<u64>) -> Self {
        let pieces: Box<dyn Iterator<Item = Piece>> = if frames.is_empty() {
            Box::new(std::iter::empty())
        } else {
            Box::new(plan.pieces(frames.start))
        };
        Self {
            trajectory: planner.plan(pieces),
            writer: PmacWriter::new(planner.trigger_bits(), frames.start),
            batch: Batch::default(),
            table: PmacTable::default(),
            index: 0,
            at: None,
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
            takes_frames: false,
            mark: None,
            velocity_mode: VelocityMode::Zero,
            user_program: 0,
        }
    }

    fn is_over(&self, at: &Point) -> bool {
        at.completed >= self.frames.end && self.frames.end < self.total
    }

    /// The point that follows `at`.
    fn after(&mut self, at: &Point) -> Option<Point> {
        if self.index == self.batch.len() {
            self.batch = self.trajectory.next_batch(BATCH);
            self.table = self.writer.table(&self.batch);
            self.index = 0;
        }
        let (batch, i) = (&self.batch, self.index);
        let duration_us = *batch.durations_us.get(i)?;
        self.index += 1;
        let row = |columns: &[Vec<f64>]| columns.iter().map(|column| column[i]).collect();
        let (frames, completed) = (batch.frames[i], self.table.completed[i]);
        Some(Point {
            time_us: at.time_us + duration_us,
            duration_us,
            positions: row(&batch.positions),
            velocities: row(&batch.velocities),
            frames,
            completed,
            takes_frames: frames > 0 || completed > at.completed || batch.frame_goes_on[i],
            mark: Some(batch.marks[i]),
            velocity_mode: self.table.velocity_mode[i],
            user_program: self.table.user_program[i],
        })
    }
}

impl Iterator for Motion {
    type Item = Point;

    fn next(&mut self) -> Option<Point> {
        let point = match self.at.take() {
            None if self.frames.is_empty() => return None,
            None => self.start(),
            Some(at) => {
                let next = if self.is_over(&at) { None } else { self.after(&at) };
                let Some(next) = next else {
                    self.at = Some(at);
                    return None;
                };
                next
            }
        };
        self.at = Some(point.clone());
        Some(point)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bluefly_protocol::plan::{Capabilities, ControllerCapability};
    use std::time::Duration;

    #[test]
    fn other_trigger_bits_are_for_scans_that_can_be_flown_with_them() {
        let stage = ControllerCapability::new(1_000, Duration::from_secs(4));
        let controllers = [("stage".parse().expect("a name"), stage)].into();
        let beamline = Capabilities { controllers, ..Capabilities::default() };
        let planner = |duration: &str, bits| {
            let spec = format!(
                r#"{{"type":"ConstantDuration","constant_duration":{duration},"spec":{{"type":"Product","outer":4,"inner":1}}}}"#
            );
            let plan = ScanPlan::new(spec.parse().expect("a spec"), &beamline).expect("a plan");
            planner(&plan, bits).map(|_| ()).map_err(|error| error.to_string())
        };
        assert_eq!(planner("2e-6", TriggerBits::EveryPoint), Ok(()));
        assert_eq!(planner("1e-6", TriggerBits::RowGate), Ok(()));
        let error = "frame 0: a point every 0.0000005 s is more than one every 0.000001 s, the \
                     controller's least interval";
        assert_eq!(planner("1e-6", TriggerBits::EveryPoint), Err(error.to_owned()));
    }
}

//! [`Planner`]: checks a scan before motion and turns it into a [`Trajectory`].
use super::{
    AxisLimits, Batch, BitsBefore, PlanError, PointMode, TriggerBits,
    check::Check,
    leg::Leg,
    row::{Joint, curve_frame_s, shortest_frame_s},
    rules::Rules,
    ticks::{self, Grid},
    turn::Turn,
    walk::Walk,
};
use crate::{
    name::Name,
    scan::{Path, Piece},
};
use std::{iter, sync::Arc, time::Duration};

/// The longest segment that a PMAC takes: 2^12 - 1 ms.
pub const MAX_SEGMENT: Duration = Duration::from_millis(4_095);

/// Turns pieces into segments for a motion controller.
#[derive(Clone, Debug)]
pub struct Planner {
    pub(super) names: Arc<[Name]>,
    pub(super) rules: Rules,
}

/// What a scan will take, exactly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prediction {
    /// From the start of the run-up to standstill.
    pub duration: Duration,
    pub frames: u64,
    pub segments: u64,
}

impl Planner {
    /// A planner for `axes` in the order of the stack, whose frames last `min_frame_duration`
    /// (exposure and dead time) or longer.
    pub fn new(axes: &[(Name, AxisLimits)], min_frame_duration: Duration) -> Self {
        let rules = Rules {
            limits: axes.iter().map(|(_, limits)| *limits).collect(),
            minimum_s: min_frame_duration.as_secs_f64(),
            longest: ticks::of(MAX_SEGMENT),
            grid: Grid { interval: 1 },
            min_turnaround: 0,
            points: PointMode::Sparse,
            bits: TriggerBits::None,
            bits_before: BitsBefore::Low,
        };
        Self { names: axes.iter().map(|(name, _)| name.clone()).collect(), rules }
    }

    /// The same for a controller whose longest segment is not [`MAX_SEGMENT`]; at least 1 us.
    pub fn with_max_segment(mut self, longest: Duration) -> Self {
        self.rules.longest = ticks::of(longest);
        self
    }

    /// The same for a controller whose segments last `interval` at least (1 us otherwise). Motion
    /// between rows changes its acceleration at multiples of it only, so that no two axes do so
    /// within less.
    pub fn with_interval(mut self, interval: Duration) -> Self {
        self.rules.grid = Grid { interval: ticks::at_least(interval.as_secs_f64()).max(1) };
        self
    }

    /// The same with at least this time between rows (none otherwise).
    pub fn with_min_turnaround(mut self, least: Duration) -> Self {
        self.rules.min_turnaround = ticks::at_least(least.as_secs_f64());
        self
    }

    /// The same with points and trigger bits as said ([`PointMode::Sparse`] and
    /// [`TriggerBits::None`] otherwise). With trigger bits every row starts and ends at a point of
    /// its own, even if nothing moves there.
    pub fn with_modes(mut self, points: PointMode, bits: TriggerBits) -> Self {
        self.rules.points = match bits {
            TriggerBits::EveryPoint => PointMode::EveryPoint,
            TriggerBits::None | TriggerBits::RowGate => points,
        };
        self.rules.bits = bits;
        self
    }

    /// The same with such trigger bits before it ([`BitsBefore::Low`] otherwise). If they are unknown,
    /// and it has any, it begins with a standstill of 10 ms, at the end of which they are cleared.
    pub fn with_bits_before(mut self, before: BitsBefore) -> Self {
        self.rules.bits_before = before;
        self
    }

    /// Which points it is given.
    pub fn point_mode(&self) -> PointMode {
        self.rules.points
    }

    /// What the controller tells the trigger hardware.
    pub fn trigger_bits(&self) -> TriggerBits {
        self.rules.bits
    }

    /// What the scan will take, or the first reason why it cannot be flown.
    ///
    /// What is accepted can be entered at any frame: the run-up to each is within limits, too.
    ///
    /// Goes through all pieces once, in time that grows with their number and with the frames of
    /// curves only.
    pub fn check(&self, pieces: impl IntoIterator<Item = Piece>) -> Result<Prediction, PlanError> {
        let mut check = Check::new(self)?;
        let mut walk = Walk::new(self.rules.clone(), iter::empty());
        for piece in pieces.into_iter().filter(|piece| piece.frames > 0) {
            check.piece(&piece)?;
            let row = self.rules.row(piece);
            check.row(&row)?;
            walk.go_on(row);
            walk.ready.drain(..).try_for_each(|leg| check.leg(&leg))?;
        }
        walk.come_to_rest();
        walk.ready.drain(..).try_for_each(|leg| check.leg(&leg))?;
        Ok(check.prediction)
    }

    /// The segments of the scan, made when asked for.
    ///
    /// `pieces` must be what [`check`](Self::check) has accepted, or the tail of it from any frame
    /// (resume, rewind). What is refused gives a trajectory that nothing can follow, or a panic if
    /// the number of positions is wrong.
    pub fn plan<P>(&self, pieces: P) -> Trajectory<P::IntoIter>
    where
        P: IntoIterator<Item = Piece>,
    {
        let mut walk = Walk::new(self.rules.clone(), pieces.into_iter());
        let leg = walk.next();
        let start = match &leg {
            Some(Leg::Turn { turn, .. }) => turn.start(),
            Some(Leg::Row(_)) | None => Box::default(),
        };
        let mut trajectory = Trajectory { walk, leg, index: 0, start };
        trajectory.skip_finished();
        trajectory
    }

    /// The motion between the end of `last` and the start of `next`; nothing if one follows the
    /// other at once. Of pieces that [`check`](Self::check) accepts.
    ///
    /// It begins where `last` ends, at the velocity it has there. What the rounding of times to
    /// microseconds carries along in a scan (within 1 us) is not in it.
    pub fn turnaround(&self, last: &Piece, next: &Piece) -> Batch {
        let mut batch = Batch::new(self.names.len());
        let (mut row, mut next) = (self.rules.row(last.clone()), self.rules.row(next.clone()));
        match row.join(&mut next) {
            Joint::Met | Joint::Through => {}
            Joint::Apart => {
                let min_ticks = self.rules.min_turnaround.max(next.delay());
                let turn = Turn::between(&row.end(), &next.begin(), &self.rules, min_ticks);
                turn.write(0..turn.count(), &mut batch);
            }
        }
        batch
    }

    /// The shortest frames of a piece that keep every axis within its velocity and acceleration
    /// while it follows the path, and are no shorter than the least frame, nor any of their segments
    /// than the interval. Seconds.
    ///
    /// The piece has as many positions as there are axes.
    pub fn shortest_frame_s(&self, piece: &Piece) -> f64 {
        shortest_frame_s(piece, &self.rules.limits, self.rules.shortest_frame_s(piece))
    }

    /// The shortest duration of a frame on a path, no less than `at_least_s` but for rounding, that
    /// the controller can take exactly: whole microseconds, on a curve in each segment. Seconds.
    pub fn whole_frame_s(&self, path: &Path, at_least_s: f64) -> f64 {
        ticks::seconds(self.rules.frame_ticks(path, at_least_s))
    }

    /// The shortest frames of all curves among the pieces, if they are to have one duration, which
    /// keep every axis within its velocity and acceleration wherever a curve is entered, and every
    /// segment no shorter than the interval. Seconds; 0 without a curve.
    ///
    /// The pieces follow each other, and have as many positions as there are axes.
    pub fn shortest_curve_frame_s(&self, pieces: impl IntoIterator<Item = Piece>) -> f64 {
        let mut shortest_s: f64 = 0.0;
        let mut before: Option<Box<[f64]>> = None;
        for piece in pieces {
            let Path::Curved(curve) = &piece.path else {
                before = None;
                continue;
            };
            let from = before.as_deref().filter(|_| !piece.gap);
            let followed_s = curve_frame_s((&piece, curve), from, &self.rules.limits);
            shortest_s = shortest_s.max(followed_s).max(self.rules.on_grid_s(&piece));
            let last = |points: &[f64]| points[points.len() - 2];
            let goes_on = curve.next_midpoint.is_some();
            before = goes_on.then(|| curve.by_axis(piece.start.len()).map(last).collect());
        }
        shortest_s
    }

    pub(super) fn axes(&self) -> impl Iterator<Item = (&Name, &AxisLimits)> {
        self.names.iter().zip(&*self.rules.limits)
    }
}

/// The segments of a scan, made a batch at a time.
#[derive(Debug)]
pub struct Trajectory<I> {
    walk: Walk<I>,
    /// What the next segment is taken from; none at the end.
    leg: Option<Leg>,
    /// The next segment of the leg.
    index: u64,
    start: Box<[f64]>,
}

impl<I: Iterator<Item = Piece>> Trajectory<I> {
    /// Where every axis must stand still before the first segment, EGU. Empty if there is no frame.
    pub fn start(&self) -> Box<[f64]> {
        self.start.clone()
    }

    /// The next segments, at most `max_segments`; nothing, and `last`, once all have been given.
    pub fn next_batch(&mut self, max_segments: usize) -> Batch {
        let mut batch = Batch::new(self.start.len());
        while let Some(leg) = self.leg.as_ref().filter(|_| batch.len() < max_segments) {
            let room = (max_segments - batch.len()) as u64;
            let end = leg.count().min(self.index.saturating_add(room));
            leg.write(self.index..end, &mut batch);
            self.index = end;
            self.skip_finished();
        }
        batch.last = self.leg.is_none();
        batch
    }

    fn skip_finished(&mut self) {
        while self.leg.as_ref().is_some_and(|leg| self.index == leg.count()) {
            self.leg = self.walk.next();
            self.index = 0;
        }
    }
}

//! [`Planner`]: checks a scan before motion and turns it into a [`Trajectory`].
use super::{
    AxisLimits, Batch, Bound, PlanError, Stretch,
    leg::Leg,
    row::Row,
    ticks,
    turn::{Stroke, Turn},
    walk::{Rules, Walk},
};
use crate::{name::Name, scan::Piece};
use std::{iter, sync::Arc, time::Duration};

/// The longest segment that a PMAC takes: 2^12 - 1 ms.
pub const MAX_SEGMENT: Duration = Duration::from_millis(4_095);

/// What is beyond a limit by less than this part of it is rounding.
const ROUNDING: f64 = 1e-9;

/// Turns pieces into segments for a motion controller.
#[derive(Clone, Debug)]
pub struct Planner {
    names: Arc<[Name]>,
    rules: Rules,
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
            longest: ticks_of(MAX_SEGMENT),
        };
        Self { names: axes.iter().map(|(name, _)| name.clone()).collect(), rules }
    }

    /// The same for a controller whose longest segment is not [`MAX_SEGMENT`]; at least 1 us.
    pub fn with_max_segment(mut self, longest: Duration) -> Self {
        self.rules.longest = ticks_of(longest);
        self
    }

    /// What the scan will take, or the first reason why it cannot be flown.
    ///
    /// Goes through all pieces once, in time that grows with their number only.
    pub fn check(&self, pieces: impl IntoIterator<Item = Piece>) -> Result<Prediction, PlanError> {
        self.axes().try_for_each(|(name, limits)| check_limits(name, limits))?;
        let mut walk = Walk::new(self.rules.clone(), iter::empty());
        let mut prediction = Prediction::default();
        for piece in pieces.into_iter().filter(|piece| piece.frames > 0) {
            self.check_piece(&piece)?;
            let row = self.rules.row(piece);
            self.check_row(&row)?;
            prediction.frames += row.piece.frames;
            walk.go_through(row);
            walk.ready.drain(..).try_for_each(|leg| self.count(&leg, &mut prediction))?;
        }
        walk.come_to_rest();
        walk.ready.drain(..).try_for_each(|leg| self.count(&leg, &mut prediction))?;
        Ok(prediction)
    }

    /// The segments of the scan, made when asked for.
    ///
    /// `pieces` must be what [`check`](Self::check) has accepted, or the tail of it from any frame
    /// (resume, rewind). What it refuses gives a trajectory that nothing can follow, or a panic if
    /// the number of positions is wrong.
    pub fn plan<P>(&self, pieces: P) -> Trajectory<P::IntoIter>
    where
        P: IntoIterator<Item = Piece>,
    {
        let mut walk = Walk::new(self.rules.clone(), pieces.into_iter());
        let leg = walk.next();
        let start = match &leg {
            Some(Leg::Turn { turn, .. }) => turn.start(),
            Some(Leg::Settle(_) | Leg::Row(_)) | None => Box::default(),
        };
        let mut trajectory = Trajectory { walk, leg, index: 0, start };
        trajectory.skip_finished();
        trajectory
    }

    fn axes(&self) -> impl Iterator<Item = (&Name, &AxisLimits)> {
        self.names.iter().zip(&*self.rules.limits)
    }

    fn count(&self, leg: &Leg, prediction: &mut Prediction) -> Result<(), PlanError> {
        match leg {
            Leg::Turn { turn, after, before } => self.check_turn(turn, *after, *before)?,
            Leg::Settle(_) | Leg::Row(_) => {}
        }
        prediction.segments += leg.count();
        prediction.duration += Duration::from_micros(leg.duration());
        Ok(())
    }

    /// Number, finiteness and limits of the positions, and the duration.
    fn check_piece(&self, piece: &Piece) -> Result<(), PlanError> {
        let (frame, expected) = (piece.first_frame, self.names.len());
        for positions in [&piece.start, &piece.end] {
            if positions.len() != expected {
                return Err(PlanError::Axes { frame, expected, found: positions.len() });
            }
        }
        for ((name, limits), (&start, &end)) in self.axes().zip(piece.start.iter().zip(&piece.end))
        {
            for (frame, value) in [(frame, start), (frame + piece.frames - 1, end)] {
                if !value.is_finite() {
                    return Err(PlanError::NotFinite { frame, axis: name.clone(), value });
                }
            }
            if let Some((frame, value, (bound, limit))) = first_outside(piece, (start, end), limits)
            {
                let axis = name.clone();
                return Err(PlanError::Position { frame, axis, value, bound, limit });
            }
        }
        piece.frame_duration_s.map_or(Ok(()), |value| self.check_duration(frame, value))
    }

    fn check_duration(&self, frame: u64, value: f64) -> Result<(), PlanError> {
        let minimum = self.rules.minimum_s;
        if !(value.is_finite() && value > 0.0) {
            Err(PlanError::Duration { frame, value })
        } else if value < minimum * (1.0 - ROUNDING) {
            Err(PlanError::TooShort { frame, value, minimum })
        } else if value < 1e-6 {
            Err(PlanError::BelowTick { frame, value })
        } else {
            Ok(())
        }
    }

    fn check_row(&self, row: &Row) -> Result<(), PlanError> {
        let (frame, value) = (row.piece.first_frame, row.frame_ticks / ticks::PER_SECOND);
        if value >= ticks::LONGEST_S {
            return Err(PlanError::TooLong { frame, value, limit: ticks::LONGEST_S });
        }
        for ((name, limits), &velocity) in self.axes().zip(&row.velocities) {
            let (value, limit) = (velocity.abs(), limits.max_velocity);
            if value > limit * (1.0 + ROUNDING) {
                let axis = name.clone();
                return Err(PlanError::Velocity { frame, axis, value, limit });
            }
        }
        Ok(())
    }

    /// Motion between two rows is farthest out where it rests: after the run-down from frame
    /// `after` and before the run-up to frame `before`.
    fn check_turn(
        &self,
        turn: &Turn,
        after: Option<u64>,
        before: Option<u64>,
    ) -> Result<(), PlanError> {
        let run_down = after.map(|frame| (frame, Stretch::RunDown));
        let run_up = before.map(|frame| (frame, Stretch::RunUp));
        if turn.duration() >= ticks::at_least(ticks::LONGEST_S) {
            let frame = before.or(after).expect("motion leads to or from a frame");
            return Err(PlanError::TooSlow { frame, limit: ticks::LONGEST_S });
        }
        for (frame, stretch) in run_down.into_iter().chain(run_up) {
            for ((name, limits), stroke) in self.axes().zip(&turn.strokes) {
                let value = place(stroke, stretch);
                if let Some((bound, limit)) = outside(value, limits) {
                    let axis = name.clone();
                    return Err(PlanError::Excursion { frame, axis, stretch, value, bound, limit });
                }
            }
        }
        Ok(())
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
            batch.push(&leg.segment(self.index));
            self.index += 1;
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

fn ticks_of(longest: Duration) -> u64 {
    (longest.as_micros() as u64).max(1)
}

fn place(stroke: &Stroke, stretch: Stretch) -> f64 {
    match stretch {
        Stretch::RunUp => stroke.begin,
        Stretch::RunDown => stroke.rest,
    }
}

/// The limit that `value` is beyond, by more than rounding.
fn outside(value: f64, limits: &AxisLimits) -> Option<(Bound, f64)> {
    let range = limits.high - limits.low;
    let slack = |limit: f64| ROUNDING * if range.is_finite() { range } else { limit.abs() };
    if value < limits.low - slack(limits.low) {
        Some((Bound::Low, limits.low))
    } else if value > limits.high + slack(limits.high) {
        Some((Bound::High, limits.high))
    } else {
        None
    }
}

/// The first frame of which one bound is beyond a limit, that bound, and the limit.
fn first_outside(
    piece: &Piece,
    (start, end): (f64, f64),
    limits: &AxisLimits,
) -> Option<(u64, f64, (Bound, f64))> {
    if let Some(violated) = outside(start, limits) {
        return Some((piece.first_frame, start, violated));
    }
    let (bound, limit) = outside(end, limits)?;
    let frames = piece.frames as f64;
    let upper = |index: f64| start + (end - start) * ((index + 1.0) / frames);
    let near = ((limit - start) / (end - start) * frames).floor().clamp(0.0, frames - 1.0);
    // A bound that lies on the limit up to rounding is not beyond it.
    let candidates = [near, near + 1.0].into_iter().filter(|&index| index < frames - 1.0);
    let beyond = candidates.map(|index| (index, upper(index)));
    let (index, value) = beyond
        .into_iter()
        .find(|&(_, value)| outside(value, limits).is_some())
        .unwrap_or((frames - 1.0, end));
    Some((piece.first_frame + index as u64, value, (bound, limit)))
}

fn check_limits(name: &Name, limits: &AxisLimits) -> Result<(), PlanError> {
    let refused =
        |key, value, rule| Err(PlanError::Limits { axis: name.clone(), key, value, rule });
    let positive = "positive and finite";
    for (key, value) in
        [("max_velocity", limits.max_velocity), ("max_acceleration", limits.max_acceleration)]
    {
        if !(value.is_finite() && value > 0.0) {
            return refused(key, value, positive);
        }
    }
    if !(0.0..ticks::LONGEST_S).contains(&limits.settle_s) {
        return refused("settle_s", limits.settle_s, "zero or positive, and below 100000");
    }
    if limits.low.is_nan() || limits.high.is_nan() || limits.low > limits.high {
        return refused("low", limits.low, "at most high");
    }
    Ok(())
}

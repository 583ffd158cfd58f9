//! [`Check`]: whether a scan can be flown.
use super::{
    AxisLimits, Batch, Bound, Needed, PlanError, Planner, Prediction, Stretch,
    cubic::Cubic,
    leg::{Leg, RowLeg},
    row::{Row, entry, frames},
    ticks,
    turn::Turn,
};
use crate::{
    name::Name,
    scan::{Curved, Path, Piece},
};
use std::time::Duration;

/// What is beyond a limit by less than this part of it is rounding.
const ROUNDING: f64 = 1e-9;

/// Segments of a curve that are checked at a time.
const CHUNK: u64 = 1_024;

/// A check under way: what the legs so far take.
#[derive(Debug)]
pub(super) struct Check<'a> {
    planner: &'a Planner,
    pub(super) prediction: Prediction,
    /// Used again and again.
    segments: Batch,
}

/// The hardest acceleration in a curve.
#[derive(Clone, Copy, Debug)]
struct Hardest {
    /// In parts of the limit.
    part: f64,
    axis: usize,
    frame: u64,
}

/// One of so many axes that run up to a frame.
#[derive(Clone, Copy, Debug)]
struct Moving {
    axis: usize,
    moving: usize,
}

impl<'a> Check<'a> {
    pub(super) fn new(planner: &'a Planner) -> Result<Self, PlanError> {
        planner.axes().try_for_each(|(name, limits)| check_limits(name, limits))?;
        let segments = Batch::new(planner.names.len());
        Ok(Self { planner, prediction: Prediction::default(), segments })
    }

    fn axis(&self, axis: usize) -> (Name, AxisLimits) {
        (self.planner.names[axis].clone(), self.planner.rules.limits[axis])
    }

    /// Number, finiteness and limits of the positions, and the durations.
    pub(super) fn piece(&self, piece: &Piece) -> Result<(), PlanError> {
        let (frame, expected) = (piece.first_frame, self.planner.names.len());
        for positions in [&piece.start, &piece.end] {
            if positions.len() != expected {
                return Err(PlanError::Axes { frame, expected, found: positions.len() });
            }
        }
        match &piece.path {
            Path::Straight => self.line(piece)?,
            Path::Curved(curve) => self.points(piece, curve)?,
        }
        let delay = piece.delay_before_s;
        if !(0.0..ticks::LONGEST_S).contains(&delay) {
            return Err(PlanError::Delay { frame, value: delay });
        }
        piece.frame_duration_s.map_or(Ok(()), |value| self.duration(frame, value))
    }

    fn line(&self, piece: &Piece) -> Result<(), PlanError> {
        let ends = piece.start.iter().zip(&piece.end);
        for ((name, limits), (&start, &end)) in self.planner.axes().zip(ends) {
            for (frame, value) in
                [(piece.first_frame, start), (piece.first_frame + piece.frames - 1, end)]
            {
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
        Ok(())
    }

    fn points(&self, piece: &Piece, curve: &Curved) -> Result<(), PlanError> {
        let first_frame = piece.first_frame;
        let count = self.planner.names.len() as u64;
        let per_axis = piece.frames.saturating_mul(2).saturating_add(1);
        let (expected, found) = (count.saturating_mul(per_axis), curve.points.len() as u64);
        if found != expected {
            return Err(PlanError::Points { frame: first_frame, expected, found });
        }
        for ((name, limits), points) in
            self.planner.axes().zip(curve.points.chunks_exact(per_axis as usize))
        {
            for (index, &value) in (0_u64..).zip(points) {
                // A bound between two frames is taken as that of the first.
                let frame = first_frame + index.saturating_sub(1) / 2;
                if !value.is_finite() {
                    return Err(PlanError::NotFinite { frame, axis: name.clone(), value });
                }
                if let Some((bound, limit)) = outside(value, limits) {
                    let axis = name.clone();
                    return Err(PlanError::Position { frame, axis, value, bound, limit });
                }
            }
        }
        Ok(())
    }

    fn duration(&self, frame: u64, value: f64) -> Result<(), PlanError> {
        let minimum = self.planner.rules.minimum_s;
        if !(value.is_finite() && value > 0.0) {
            Err(PlanError::Duration { frame, value })
        } else if nanoseconds(value) < nanoseconds(minimum) {
            Err(PlanError::TooShort { frame, value, minimum })
        } else if value < 1e-6 {
            Err(PlanError::BelowTick { frame, value })
        } else if value >= ticks::LONGEST_S {
            Err(PlanError::TooLong { frame, value, limit: ticks::LONGEST_S })
        } else {
            Ok(())
        }
    }

    /// Whatever a leg takes is within limits; then it counts.
    pub(super) fn leg(&mut self, leg: &Leg) -> Result<(), PlanError> {
        match leg {
            Leg::Turn { turn, after, before } => self.turn(turn, *after, *before)?,
            Leg::Row(row) => {
                self.row_leg(row)?;
                self.prediction.frames += row.row.piece.frames;
            }
        }
        self.prediction.segments += leg.count();
        self.prediction.duration += Duration::from_micros(leg.duration());
        Ok(())
    }

    /// That a frame can be entered: where the run-up of an axis to it begins, and how long it takes.
    /// That to a later frame of a straight row begins between there and the end of the row.
    fn run_up(&self, frame: u64, axis: Moving, to: (f64, f64)) -> Result<(), PlanError> {
        let Moving { axis, moving } = axis;
        let run_up = self.planner.rules.run_up(axis, to.1, moving);
        if run_up.duration() >= ticks::LONGEST {
            return Err(PlanError::TooSlow { frame, limit: ticks::LONGEST_S });
        }
        let value = run_up.start(to);
        let Some((bound, limit)) = outside(value, &self.planner.rules.limits[axis]) else {
            return Ok(());
        };
        let (axis, stretch) = (self.planner.names[axis].clone(), Stretch::RunUp);
        Err(PlanError::Excursion { frame, axis, stretch, value, bound, limit })
    }

    /// Duration and velocity of a row, and the run-up to it, before anything is made of it.
    pub(super) fn row(&self, row: &Row) -> Result<(), PlanError> {
        let (frame, value) = (row.piece.first_frame, row.frame_s());
        if value >= ticks::LONGEST_S {
            return Err(PlanError::TooLong { frame, value, limit: ticks::LONGEST_S });
        }
        match &row.piece.path {
            Path::Straight => {
                let moving = row.begin().moving();
                let mut ends = row.piece.start.iter().zip(&row.begin_velocities).enumerate();
                ends.try_for_each(|(axis, (&start, &velocity))| {
                    self.velocity(frame, axis, velocity.abs())?;
                    self.run_up(frame, Moving { axis, moving }, (start, velocity))
                })
            }
            Path::Curved(_) => Ok(()),
        }
    }

    /// A curve can be entered at any frame: that is how a scan is resumed. Refuses run-ups beyond a
    /// limit; the hardest acceleration above its limit.
    fn entries(&self, leg: &RowLeg, curve: &Curved) -> Result<Option<Hardest>, PlanError> {
        let (piece, frame_s) = (&leg.row.piece, leg.row.frame_s());
        let mut hardest: Option<Hardest> = None;
        // On a curve all move, but for an instant.
        let moving = piece.start.len();
        for (axis, points) in curve.by_axis(moving).enumerate() {
            let limits = &self.planner.rules.limits[axis];
            for (frame, points) in (piece.first_frame..).zip(frames(points)) {
                let half = entry(points, frame_s);
                self.velocity(frame, axis, half.from.1.abs())?;
                self.run_up(frame, Moving { axis, moving }, half.from)?;
                for cubic in [half, leg.entered(half)] {
                    let found = too_hard(&cubic, limits);
                    hardest = harder(hardest, found.map(|part| Hardest { part, axis, frame }));
                }
            }
        }
        Ok(hardest)
    }

    fn row_leg(&mut self, leg: &RowLeg) -> Result<(), PlanError> {
        let frame = leg.row.piece.first_frame;
        // A row that is entered at its last frame has no more than that for a segment.
        let shortest = leg.beat.shortest().min(leg.row.frame_ticks);
        let interval = self.planner.rules.grid.interval;
        if shortest < interval as f64 * (1.0 - ROUNDING) {
            let (value, limit) = (shortest / ticks::PER_SECOND, ticks::seconds(interval));
            return Err(PlanError::BelowInterval { frame, value, limit });
        }
        match &leg.row.piece.path {
            Path::Straight => Ok(()),
            Path::Curved(curve) => {
                let hardest = self.entries(leg, curve)?;
                self.curve(leg, hardest)
            }
        }
    }

    fn velocity(&self, frame: u64, axis: usize, value: f64) -> Result<(), PlanError> {
        let (name, AxisLimits { max_velocity: limit, .. }) = self.axis(axis);
        if value > limit * (1.0 + ROUNDING) {
            return Err(PlanError::Velocity { frame, axis: name, value, limit });
        }
        Ok(())
    }

    /// All segments of a curve, as they will be flown; `hardest` is what is known to be too hard.
    fn curve(&mut self, leg: &RowLeg, mut hardest: Option<Hardest>) -> Result<(), PlanError> {
        let mut segments = std::mem::take(&mut self.segments);
        let begin = leg.begin();
        let mut from: Vec<_> = (0..begin.positions.len()).map(|axis| begin.of(axis)).collect();
        let count = leg.beat.count();
        for first in (0..count).step_by(CHUNK as usize) {
            segments.clear();
            leg.write(first..count.min(first + CHUNK), &mut segments);
            for (axis, from) in from.iter_mut().enumerate() {
                let found = self.stretch(leg, (first, axis), from, &segments)?;
                hardest = harder(hardest, found);
            }
        }
        self.segments = segments;
        hardest.map_or(Ok(()), |hardest| {
            let (axis, AxisLimits { max_acceleration: limit, .. }) = self.axis(hardest.axis);
            let (frame, value) = (hardest.frame, hardest.part * limit);
            // Acceleration falls with the square of the time.
            let enough_s = leg.row.frame_s() * hardest.part.sqrt();
            let enough_s = self.planner.whole_frame_s(&leg.row.piece.path, enough_s);
            Err(PlanError::Acceleration { frame, axis, value, limit, enough_s })
        })
    }

    /// One axis in consecutive segments of a curve: the hardest acceleration above its limit.
    fn stretch(
        &self,
        leg: &RowLeg,
        (first, axis): (u64, usize),
        from: &mut (f64, f64),
        segments: &Batch,
    ) -> Result<Option<Hardest>, PlanError> {
        let limits = &self.planner.rules.limits[axis];
        let mut hardest: Option<Hardest> = None;
        let ends = segments.positions[axis].iter().zip(&segments.velocities[axis]);
        for (index, (to, &ticks)) in (first..).zip(ends.zip(&segments.durations_us)) {
            let frame = leg.row.piece.first_frame + index / leg.beat.per_frame();
            let flown = Cubic { from: *from, to: (*to.0, *to.1), seconds: ticks::seconds(ticks) };
            *from = flown.to;
            for cubic in [flown].into_iter().chain(leg.otherwise(index, flown)) {
                self.cubic((frame, axis), &cubic)?;
                let found = too_hard(&cubic, limits);
                hardest = harder(hardest, found.map(|part| Hardest { part, axis, frame }));
            }
        }
        Ok(hardest)
    }

    /// Velocity and position of one axis in a segment of a curve.
    fn cubic(&self, (frame, axis): (u64, usize), cubic: &Cubic) -> Result<(), PlanError> {
        let limits = &self.planner.rules.limits[axis];
        let speed = cubic.max_speed();
        if speed > limits.max_velocity {
            self.velocity(frame, axis, speed)?;
        }
        let (from, to) = (cubic.from.1, cubic.to.1);
        if from * to < 0.0 || speed > from.abs().max(to.abs()) {
            for (_, value) in cubic.turns() {
                if let Some((bound, limit)) = outside(value, limits) {
                    let axis = self.planner.names[axis].clone();
                    return Err(PlanError::Position { frame, axis, value, bound, limit });
                }
            }
        }
        Ok(())
    }

    /// Motion outside rows is farthest out where it turns or rests: after the run-down from frame
    /// `after` and before the run-up to frame `before`.
    fn turn(&self, turn: &Turn, after: Option<u64>, before: Option<u64>) -> Result<(), PlanError> {
        let run_down = after.map(|frame| (frame, Stretch::RunDown));
        let run_up = before.map(|frame| (frame, Stretch::RunUp));
        if turn.duration() >= ticks::LONGEST {
            let frame = before.or(after).expect("motion leads to or from a frame");
            return Err(PlanError::TooSlow { frame, limit: ticks::LONGEST_S });
        }
        for (frame, stretch) in run_down.into_iter().chain(run_up) {
            for ((name, limits), stroke) in self.planner.axes().zip(&turn.strokes) {
                let start = after.is_none().then(|| stroke.start());
                let turns = stroke.turns().filter(|(knot, _)| {
                    let is_down = match (after, before) {
                        (_, None) => true,
                        (None, Some(_)) => false,
                        // What stood still does not run down; what comes to rest does not run up.
                        (Some(_), Some(_)) => {
                            let knots = stroke.knots();
                            let stood = knots[0].velocity == 0.0;
                            let rests = knots[knots.len() - 1].velocity == 0.0;
                            !stood && (rests || *knot == 1)
                        }
                    };
                    is_down == (stretch == Stretch::RunDown)
                });
                for value in start.into_iter().chain(turns.map(|(_, value)| value)) {
                    if let Some((bound, limit)) = outside(value, limits) {
                        let axis = name.clone();
                        return Err(PlanError::Excursion {
                            frame,
                            axis,
                            stretch,
                            value,
                            bound,
                            limit,
                        });
                    }
                }
            }
        }
        Ok(())
    }
}

/// Seconds in whole nanoseconds, as detectors are given them.
fn nanoseconds(seconds: f64) -> f64 {
    (seconds * 1e9).round()
}

/// The harder of two accelerations; the first if they are the same.
fn harder(first: Option<Hardest>, second: Option<Hardest>) -> Option<Hardest> {
    let both = first.into_iter().chain(second);
    both.reduce(|first, second| if second.part > first.part { second } else { first })
}

/// The acceleration of an axis in parts of its limit, if it is above it.
fn too_hard(cubic: &Cubic, limits: &AxisLimits) -> Option<f64> {
    let [first, last] = cubic.accelerations().map(f64::abs);
    // Of positions that are rounded.
    let place = cubic.from.0.abs().max(cubic.to.0.abs());
    let rounding = 32.0 * f64::EPSILON * place / (cubic.seconds * cubic.seconds);
    let (value, limit) = (first.max(last), limits.max_acceleration);
    (value > limit * (1.0 + ROUNDING) + rounding).then_some(value / limit)
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
    for (key, value) in
        [("max_velocity", limits.max_velocity), ("max_acceleration", limits.max_acceleration)]
    {
        if !(value.is_finite() && value > 0.0) {
            return refused(key, value, Needed::Positive);
        }
    }
    if !(0.0..ticks::LONGEST_S).contains(&limits.settle_s) {
        return refused("settle_s", limits.settle_s, Needed::Time);
    }
    for (key, value) in [("low", limits.low), ("high", limits.high)] {
        if value.is_nan() {
            return refused(key, value, Needed::Number);
        }
    }
    if limits.low > limits.high {
        return refused("low", limits.low, Needed::AtMostHigh(limits.high));
    }
    Ok(())
}

//! [`ScanPlan`]: a scan specification checked against a beamline, ready to be flown.
use crate::{
    exposures::ExposuresPerFrame,
    name::Name,
    scan::{Path, Piece, Spec, SpecError, Stack},
    sequencer::{Row, Sequencer, SequencerError},
    trajectory::{AxisLimits, PlanError, Planner, PointMode, Prediction, TriggerBits},
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// What a scan may use of a beamline.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Capabilities {
    pub axes: BTreeMap<Name, AxisCapability>,
    pub detectors: BTreeMap<Name, DetectorCapability>,
    /// Controllers in order of preference for scans that move nothing.
    pub controllers: BTreeMap<Name, ControllerCapability>,
}

/// One axis, and the trajectory controller that moves it.
#[derive(Clone, Debug, PartialEq)]
pub struct AxisCapability {
    pub controller: Name,
    pub limits: AxisLimits,
    pub units: String,
    /// Digits after the point that mean something.
    pub precision: u32,
}

/// What a trajectory controller takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControllerCapability {
    /// Segments that its buffer holds.
    pub max_segments: usize,
    /// Shortest time that one segment may take; motion between rows is on multiples of it.
    pub min_segment: Duration,
    /// Longest time that one segment may take.
    pub max_segment: Duration,
    /// Least time between two rows.
    pub min_turnaround: Duration,
    /// Which points of a scan it is given.
    pub points: PointMode,
    /// What it tells the trigger hardware.
    pub trigger_bits: TriggerBits,
}

impl ControllerCapability {
    /// A controller of these buffers and segments, driven as one is of which nothing else is said.
    pub const fn new(max_segments: usize, max_segment: Duration) -> Self {
        Self {
            max_segments,
            min_segment: Duration::from_micros(1),
            max_segment,
            min_turnaround: Duration::ZERO,
            points: PointMode::Sparse,
            trigger_bits: TriggerBits::None,
        }
    }

    /// A planner for this controller.
    fn planner(&self, limits: &[(Name, AxisLimits)], min_frame: Duration) -> Planner {
        Planner::new(limits, min_frame)
            .with_interval(self.min_segment)
            .with_max_segment(self.max_segment)
            .with_min_turnaround(self.min_turnaround)
            .with_modes(self.points, self.trigger_bits)
    }
}

/// How long a detector needs for a frame, and how much it leaves of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DetectorCapability {
    /// Time after an exposure before the next may start.
    pub dead_time: Duration,
    /// Time for which it exposes; if absent, all of the time from one exposure to the next, less the
    /// dead time.
    pub exposure: Option<Duration>,
    pub exposures_per_frame: ExposuresPerFrame,
    /// What one exposure adds to its file: pixels, and numbers about them.
    pub exposure_bytes: u64,
    /// What its file has beside exposures, or more than they need: the last chunk of numbers.
    pub file_bytes: u64,
}

/// The shortest exposure of a detector that fits its exposure to the frame.
const MIN_EXPOSURE: Duration = Duration::from_micros(1);
/// The exposure of such a detector where the specification says no duration.
const USUAL_EXPOSURE: Duration = Duration::from_millis(10);

impl DetectorCapability {
    /// The shortest frame it can take.
    pub fn min_frame(self) -> Duration {
        self.frame(MIN_EXPOSURE)
    }

    /// The frame it takes if nothing else is said.
    fn usual_frame(self) -> Duration {
        self.frame(USUAL_EXPOSURE)
    }

    /// The shortest frame in which it exposes as often as it is to; for `exposure` unless it has an
    /// exposure of its own.
    fn frame(self, exposure: Duration) -> Duration {
        let period = self.dead_time + self.exposure.unwrap_or(exposure);
        self.exposures_per_frame.shortest_frame(period)
    }

    /// How long it exposes in a scan whose shortest frame is `frame`.
    pub fn exposure_within(self, frame: Duration) -> Duration {
        let period = self.exposures_per_frame.period(frame);
        self.exposure.unwrap_or(period.saturating_sub(self.dead_time))
    }
}

/// Why a specification cannot be flown on this beamline.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Unflyable {
    #[error(transparent)]
    Spec(#[from] SpecError),
    #[error("{path}: no axis {axis:?} on this beamline: it has {known}")]
    UnknownAxis { path: String, axis: String, known: String },
    #[error(
        "{path}: axis {axis} is in {theirs} on this beamline, not in {units}: positions are not \
         converted"
    )]
    OtherUnits { path: String, axis: Name, units: String, theirs: String },
    #[error(
        "{path}: axis {axis} belongs to controller {controller}, {other_axis} to {other}: \
         the axes of a scan share one controller"
    )]
    TwoControllers { path: String, axis: Name, controller: Name, other_axis: Name, other: Name },
    #[error("$: this beamline has no trajectory controller")]
    NoController,
    #[error("{path}: {}", error.in_units(units))]
    Limit { path: String, error: PlanError, units: String },
    #[error(
        "{path}: frame {frame}: duration {duration_s} s is shorter than {} s, {}exposure and dead \
         time of detector {detector}",
        min_frame.as_secs_f64(),
        times(*.exposures)
    )]
    TooFast {
        path: String,
        frame: u64,
        duration_s: f64,
        detector: Name,
        exposures: ExposuresPerFrame,
        min_frame: Duration,
    },
    #[error("$: {frames} frames take {} days or more: a scan lasts at most {MAX_DAYS} days", told(*.days))]
    TooLong { frames: u64, days: f64 },
    #[error(
        "$: {frames} frames are too many to be looked at before they are flown: at most {MAX_ROWS} \
         rows and steps, or {MAX_WORK} frames of curves"
    )]
    TooManyRows { frames: u64 },
}

/// A number of days as people read it: with a tenth, or as 1e300.
fn told(days: f64) -> String {
    if days < 1e9 { format!("{days:.1}") } else { format!("{days:.1e}") }
}

/// A scan that lasts longer is a mistake, which is better found before its files are made.
const MAX_DAYS: u64 = 30;
const MAX_S: f64 = (MAX_DAYS * 86_400) as f64;
/// What can be looked at in half a minute: frames of curves, of which a row or a step is worth five.
const MAX_WORK: u64 = 100_000_000;
const WORK_OF_ROW: u64 = 5;
const MAX_ROWS: u64 = MAX_WORK / WORK_OF_ROW;

/// A specification that can be flown: what it takes, and everything that follows from it.
#[derive(Clone, Debug)]
pub struct ScanPlan {
    spec: Spec,
    stack: Arc<Stack>,
    axes: Vec<Name>,
    controller: Name,
    max_segments: usize,
    planner: Planner,
    usual: UsualFrame,
    prediction: Prediction,
    shortest_frame: Duration,
    exposures: BTreeMap<Name, Duration>,
    file_bytes: u64,
}

/// The duration of frames whose specification says none.
#[derive(Clone, Debug)]
struct UsualFrame {
    at_least: Duration,
    /// Of all curves, seconds: to be flown through, they have one duration.
    curves_s: f64,
    planner: Planner,
}

impl UsualFrame {
    /// Looks at no more than [`ScanPlan::new`] does: a scan that is longer is refused.
    fn new(stack: &Stack, planner: &Planner, at_least: Duration) -> Result<Self, Unflyable> {
        let planner = planner.clone();
        if stack.has_duration() {
            return Ok(Self { at_least, curves_s: 0.0, planner });
        }
        let mut census = Census::new(stack.num_points(), at_least)?;
        let pieces = stack.pieces(0).take_while(|piece| census.takes(piece));
        let curves_s = planner.shortest_curve_frame_s(pieces);
        census.within_limits()?;
        Ok(Self { at_least, curves_s, planner })
    }

    /// The same piece with a duration: as fast as detectors and axes can.
    fn fill(&self, mut piece: Piece) -> Piece {
        if piece.frame_duration_s.is_none() {
            let fastest_s = match &piece.path {
                Path::Straight => self.planner.shortest_frame_s(&piece),
                Path::Curved(_) => self.curves_s,
            };
            let frame_s = fastest_s.max(self.at_least.as_secs_f64());
            piece.frame_duration_s = Some(self.planner.whole_frame_s(&piece.path, frame_s));
        }
        piece
    }
}

impl ScanPlan {
    /// Checks `spec` against `beamline`: axes known and moved by one controller, every position,
    /// velocity and excursion within limits, every frame long enough for every detector.
    ///
    /// Takes time in proportion to the rows of the scan and the frames of its curves.
    pub fn new(spec: Spec, beamline: &Capabilities) -> Result<Self, Unflyable> {
        let stack = Arc::new(Stack::new(&spec)?);
        let (axes, controller) = resolve_axes(&spec, &stack, beamline)?;
        let capability = beamline.controllers.get(&controller).ok_or(Unflyable::NoController)?;
        let limits: Vec<(Name, AxisLimits)> =
            axes.iter().map(|axis| (axis.clone(), beamline.axes[axis].limits)).collect();
        let timings = || beamline.detectors.values();
        let slowest = beamline.detectors.iter().max_by_key(|(_, timing)| timing.min_frame());
        let min_frame = slowest.map(|(_, timing)| timing.min_frame());
        let at_least = timings().map(|timing| timing.usual_frame()).max();
        let planner = capability.planner(&limits, min_frame.unwrap_or(MIN_EXPOSURE));
        let mut census = Census::new(stack.num_points(), min_frame.unwrap_or(MIN_EXPOSURE))?;
        let usual = UsualFrame::new(&stack, &planner, at_least.unwrap_or(USUAL_EXPOSURE))?;
        let pieces = stack.pieces(0).map(|piece| usual.fill(piece));
        let prediction = planner
            .check(pieces.take_while(|piece| census.takes(piece)))
            .map_err(|error| unflyable(&spec, error, (beamline, slowest)))?;
        let shortest_frame = census.shortest_frame(prediction.duration)?;
        let shortest_frame = shortest_frame.unwrap_or(usual.at_least);
        let exposures = beamline.detectors.iter();
        let exposures = exposures
            .map(|(name, timing)| (name.clone(), timing.exposure_within(shortest_frame)))
            .collect();
        let max_segments = capability.max_segments;
        let file_bytes = file_bytes(&stack, beamline);
        Ok(Self {
            spec,
            stack,
            axes,
            controller,
            max_segments,
            planner,
            usual,
            prediction,
            shortest_frame,
            exposures,
            file_bytes,
        })
    }

    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    pub fn stack(&self) -> &Arc<Stack> {
        &self.stack
    }

    /// The axes that move, in the order of the stack.
    pub fn axes(&self) -> &[Name] {
        &self.axes
    }

    /// The controller that moves them.
    pub fn controller(&self) -> &Name {
        &self.controller
    }

    /// Segments that the controller's buffer holds.
    pub fn max_segments(&self) -> usize {
        self.max_segments
    }

    pub fn planner(&self) -> &Planner {
        &self.planner
    }

    /// Duration, frames and segments of the whole scan.
    pub fn prediction(&self) -> Prediction {
        self.prediction
    }

    /// What the scan will leave in files, bytes: data of detectors, setpoints, documents.
    pub fn file_bytes(&self) -> u64 {
        self.file_bytes
    }

    /// Number of frames of the scan.
    pub fn num_frames(&self) -> u64 {
        self.stack.num_points()
    }

    pub fn shortest_frame(&self) -> Duration {
        self.shortest_frame
    }

    /// How long each detector exposes.
    pub fn exposures(&self) -> &BTreeMap<Name, Duration> {
        &self.exposures
    }

    /// The pieces from `frame` on, each with its duration.
    pub fn pieces(&self, frame: u64) -> impl Iterator<Item = Piece> + use<> {
        let usual = self.usual.clone();
        Arc::clone(&self.stack).into_pieces(frame).map(move |piece| usual.fill(piece))
    }

    /// The rows that make `sequencer`, which is one for [`axes`](Self::axes), trigger the frames from
    /// `frame` on as the [`planner`](Self::planner) moves through them.
    pub fn trigger_rows<'a>(
        &self,
        frame: u64,
        sequencer: &'a Sequencer,
    ) -> impl Iterator<Item = Result<Row, SequencerError>> + use<'a> {
        sequencer.rows(sequencer.spans(&self.planner, self.pieces(frame)))
    }
}

/// What is learned of a scan while the planner goes through it, so that it ends early with one that
/// is too long: nobody waits for hours to hear that a scan takes years.
struct Census {
    num_frames: u64,
    shortest_s: f64,
    total_s: f64,
    work: u64,
}

impl Census {
    /// Of a scan whose frames are not shorter than `min_frame`.
    fn new(num_frames: u64, min_frame: Duration) -> Result<Self, Unflyable> {
        let at_least_s = num_frames as f64 * min_frame.as_secs_f64();
        Self { num_frames, shortest_s: f64::INFINITY, total_s: at_least_s, work: 0 }
            .within_limits()
            .map(|census| Self { total_s: 0.0, ..census })
    }

    /// Counts a piece; whether more is worth looking at.
    fn takes(&mut self, piece: &Piece) -> bool {
        if let Some(frame_s) = piece.frame_duration_s {
            self.shortest_s = self.shortest_s.min(frame_s);
            self.total_s += frame_s * piece.frames as f64;
        }
        self.work += match piece.path {
            Path::Straight => WORK_OF_ROW,
            Path::Curved(_) => piece.frames,
        };
        self.total_s <= MAX_S && self.work <= MAX_WORK
    }

    fn within_limits(self) -> Result<Self, Unflyable> {
        let frames = self.num_frames;
        if self.total_s > MAX_S {
            return Err(Unflyable::TooLong { frames, days: self.total_s / 86_400.0 });
        }
        if self.work > MAX_WORK {
            return Err(Unflyable::TooManyRows { frames });
        }
        Ok(self)
    }

    /// The shortest of all frames, if there is one, and the scan, which takes `duration`, can be flown.
    fn shortest_frame(mut self, duration: Duration) -> Result<Option<Duration>, Unflyable> {
        self.total_s = self.total_s.max(duration.as_secs_f64());
        let shortest_s = self.within_limits()?.shortest_s;
        Ok(Duration::try_from_secs_f64(shortest_s).ok())
    }
}

/// Length of a number in a document, with its comma.
const DOCUMENT_NUMBER: u64 = 20;

/// Files of detectors, the master file with its setpoints, and documents.
fn file_bytes(stack: &Stack, beamline: &Capabilities) -> u64 {
    let (axes, detectors) = (stack.axes().len() as u64, beamline.detectors.len() as u64);
    // A value and its time for each axis and each detector, an index and a time of the row.
    let documents = (2 * (axes + detectors) + 2) * DOCUMENT_NUMBER;
    let setpoints = axes * size_of::<f64>() as u64;
    let rows = beamline.detectors.values().map(|detector| {
        detector.exposures_per_frame.of(1).0.saturating_mul(detector.exposure_bytes)
    });
    let rows = rows.fold(setpoints + documents, u64::saturating_add);
    let files = beamline.detectors.values().map(|detector| detector.file_bytes);
    files.fold(rows.saturating_mul(stack.num_points()), u64::saturating_add)
}

fn resolve_axes(
    spec: &Spec,
    stack: &Stack,
    beamline: &Capabilities,
) -> Result<(Vec<Name>, Name), Unflyable> {
    let mut axes: Vec<Name> = Vec::new();
    let mut first: Option<(Name, Name)> = None;
    for axis in stack.axes() {
        let Some((name, capability)) = beamline.axes.get_key_value(axis.as_str()) else {
            let known: Vec<&str> = beamline.axes.keys().map(Name::as_str).collect();
            return Err(Unflyable::UnknownAxis {
                path: spec.axis_path(axis),
                axis: axis.clone(),
                known: known.join(", "),
            });
        };
        if let Some(units) = spec.units(axis).filter(|units| *units != capability.units) {
            return Err(Unflyable::OtherUnits {
                path: spec.axis_path(axis),
                axis: name.clone(),
                units: units.to_owned(),
                theirs: capability.units.clone(),
            });
        }
        match &first {
            Some((other_axis, other)) if *other != capability.controller => {
                return Err(Unflyable::TwoControllers {
                    path: spec.axis_path(axis),
                    axis: name.clone(),
                    controller: capability.controller.clone(),
                    other_axis: other_axis.clone(),
                    other: other.clone(),
                });
            }
            Some(_) => {}
            None => first = Some((name.clone(), capability.controller.clone())),
        }
        axes.push(name.clone());
    }
    let any = || beamline.controllers.keys().next().cloned();
    let controller = first.map(|(_, controller)| controller).or_else(any);
    Ok((axes, controller.ok_or(Unflyable::NoController)?))
}

/// The error of the planner at the node of the specification that it is about: that of the axis, if
/// one. A frame that is too short is so for the `slowest` detector.
fn unflyable(
    spec: &Spec,
    error: PlanError,
    (beamline, slowest): (&Capabilities, Option<(&Name, &DetectorCapability)>),
) -> Unflyable {
    let path =
        error.axis().map_or_else(|| spec.duration_path(), |axis| spec.axis_path(axis.as_str()));
    if let (PlanError::TooShort { frame, value, .. }, Some((detector, timing))) = (&error, slowest)
    {
        return Unflyable::TooFast {
            path,
            frame: *frame,
            duration_s: *value,
            detector: detector.clone(),
            exposures: timing.exposures_per_frame,
            min_frame: timing.min_frame(),
        };
    }
    let axis = error.axis().and_then(|axis| beamline.axes.get(axis));
    let units = axis.map(|axis| axis.units.clone()).unwrap_or_default();
    Unflyable::Limit { path, error, units }
}

/// How often something is needed, as words before it: nothing if once.
fn times(exposures: ExposuresPerFrame) -> String {
    if exposures == ExposuresPerFrame::ONE { String::new() } else { format!("{exposures} times ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::Curved;

    fn check(pieces: &[(u64, f64, Path)], expected: &str) {
        let mut census = Census::new(1_000, Duration::from_micros(1)).expect("a scan of 1 ms");
        let taken = pieces.iter().take_while(|(frames, frame_s, path)| {
            census.takes(&Piece {
                first_frame: 0,
                frames: *frames,
                gap: true,
                delay_before_s: 0.0,
                frame_duration_s: Some(*frame_s),
                start: [].into(),
                end: [].into(),
                path: path.clone(),
            })
        });
        assert_eq!(taken.count(), pieces.len() - 1, "it ends at the last piece");
        let error = census.shortest_frame(Duration::ZERO).expect_err("too much");
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn nobody_waits_for_a_scan_that_takes_years_to_be_looked_at() {
        let curve = || Path::Curved(Curved { points: [].into(), next_midpoint: None });
        let short = (1_000_000, 0.01, Path::Straight);
        let error = "$: 1000 frames take 31.8 days or more: a scan lasts at most 30 days";
        check(&[short, (1, 2_740_000.0, Path::Straight)], error);
        let error = "$: 1000 frames are too many to be looked at before they are flown: at most \
                     20000000 rows and steps, or 100000000 frames of curves";
        check(&[(100_000_000, 1e-6, curve()), (1, 1e-6, curve())], error);
        let error = Census::new(1 << 53, Duration::from_micros(1)).err().expect("285 years");
        let expected = "$: 9007199254740992 frames take 104250.0 days or more: \
                        a scan lasts at most 30 days";
        assert_eq!(error.to_string(), expected);
    }
}

//! [`ScanPlan`]: a scan specification checked against a beamline, ready to be flown.
mod capability;
mod census;
mod stillness;

use crate::{
    exposures::ExposuresPerFrame,
    name::Name,
    scan::{Path, Piece, Spec, SpecError, Stack},
    sequencer::{Comparison, ComparisonError, PositionInput, Row, Sequencer, SequencerError},
    trajectory::{AxisLimits, PlanError, Planner, Prediction},
};
use capability::{MIN_EXPOSURE, USUAL_EXPOSURE};
use census::{Census, MAX_DAYS, MAX_ROWS, MAX_WORK};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use stillness::Stillness;

pub use capability::{AxisCapability, Capabilities, ControllerCapability, DetectorCapability};

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
    #[error(
        "{path}: frame {frame}: {change}: detector {detector} takes one frame after the other at its \
         own pace (trigger = \"internal\"), where nothing moves or changes"
    )]
    NotStill { path: String, frame: u64, change: String, detector: Name },
    #[error(
        "{path}: frame {frame}: axis {axis} moves while the frame is taken: detector {detector} is told \
         to take it by a command (trigger = \"software\"), at rest: leave out Fly"
    )]
    NotStepped { path: String, frame: u64, axis: Name, detector: Name },
    #[error(
        "$: detector {software} takes a frame at a command (trigger = \"software\"), {other} by {trigger:?}: \
         all detectors of a beamline do, or none"
    )]
    TwoPaces { software: Name, other: Name, trigger: &'static str },
    #[error("{path}: {device} triggers by comparing a position: {error}")]
    NoComparison { path: String, device: Name, error: ComparisonError },
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
/// A specification that can be flown: what it takes, and everything that follows from it.
#[derive(Clone, Debug)]
pub struct ScanPlan {
    spec: Spec,
    stack: Arc<Stack>,
    axes: Vec<Name>,
    controller: Name,
    max_segments: usize,
    planner: Planner,
    is_stepped: bool,
    moved: Option<Name>,
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
    /// velocity and excursion within limits, every frame long enough for every detector, a line of equal
    /// steps where triggers are made by comparing a position.
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
        let mut stillness = Stillness::default();
        let pieces = stack.pieces(0).map(|piece| usual.fill(piece));
        let pieces = pieces.inspect(|piece| stillness.sees(piece));
        let prediction = planner
            .check(pieces.take_while(|piece| census.takes(piece)))
            .map_err(|error| unflyable(&spec, error, (beamline, slowest)))?;
        let moved = stillness.moved().map(|column| axes[column].clone());
        let is_stepped = stillness.takes_steps((&spec, &axes), &beamline.detectors)?;
        let shortest_frame = census.shortest_frame(prediction.duration)?;
        let shortest_frame = shortest_frame.unwrap_or(usual.at_least);
        let exposures = beamline.detectors.iter();
        let exposures = exposures
            .map(|(name, timing)| (name.clone(), timing.exposure_within(shortest_frame)))
            .collect();
        let pieces = || stack.pieces(0).map(|piece| usual.fill(piece));
        can_be_compared((&spec, &beamline.compared), (&planner, &axes), pieces)?;
        let max_segments = capability.max_segments;
        let file_bytes = file_bytes(&stack, beamline);
        Ok(Self {
            spec,
            stack,
            axes,
            controller,
            max_segments,
            planner,
            is_stepped,
            moved,
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

    /// The first axis that does not stay where it is at the beginning, if there is one.
    pub fn moved(&self) -> Option<&Name> {
        self.moved.as_ref()
    }

    /// Whether its frames are taken at commands, each while every axis rests: no trajectory is followed.
    pub fn is_stepped(&self) -> bool {
        self.is_stepped
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
    /// `frame` on as the [`planner`](Self::planner) moves through them, its [entry](Sequencer::entry)
    /// first.
    pub fn trigger_rows(
        &self,
        frame: u64,
        sequencer: &Sequencer,
    ) -> impl Iterator<Item = Result<Row, SequencerError>> + Send + use<> {
        let rows = sequencer.rows(sequencer.spans(&self.planner, self.pieces(frame)));
        sequencer.entry().map(Ok).into_iter().chain(rows)
    }
}

/// That whatever makes triggers by comparing a position can make them of these pieces.
fn can_be_compared<P: Iterator<Item = Piece>>(
    (spec, compared): (&Spec, &BTreeMap<Name, PositionInput>),
    planned: (&Planner, &[Name]),
    pieces: impl Fn() -> P,
) -> Result<(), Unflyable> {
    for (device, input) in compared {
        // How long its pulses are low is no reason to refuse any.
        if let Err(error) = Comparison::new(input, planned, pieces(), Duration::ZERO) {
            let (path, device) = (spec.axis_path(input.axis().as_str()), device.clone());
            return Err(Unflyable::NoComparison { path, device, error });
        }
    }
    Ok(())
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

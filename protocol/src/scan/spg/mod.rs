//! Scan specifications of scanpointgenerator 3.1: a [`Compound`] of generators.
//!
//! What the files say, field by field, in the order in which scanpointgenerator writes the fields.
//! They lower to the same dimensions as the nodes of scanspec.
mod build;
mod fields;
mod parse;
mod roi;
mod trim;
pub(super) use build::stack;
pub(super) use parse::compound as parse;
pub(super) use roi::Roi;
use serde::Serialize;
use std::f64::consts::PI;

/// Generators nested in each other, slowest first, and what is done to their points. Positions are
/// in the unit that the file gives for the axis.
///
/// **Invariant:** every number is finite, every size at least 1, no axis is moved twice.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "typeid", rename = "scanpointgenerator:generator/CompoundGenerator:1.0")]
pub(in crate::scan) struct Compound {
    pub(super) generators: Vec<Generator>,
    pub(super) excluders: Vec<Excluder>,
    pub(super) mutators: Vec<Mutator>,
    /// Seconds per frame. Not said if -1, which is scanpointgenerator's default, or 0, with which
    /// pymalcolm guesses it: the planner then takes the shortest that the axes and detectors allow.
    pub(super) duration: f64,
    /// Whether the axes of the innermost generator move through the frames.
    pub(super) continuous: bool,
    /// Least time between a frame and the next, in seconds; not negative.
    pub(super) delay_after: f64,
}

/// What gives the points of one or several axes.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "typeid")]
pub(super) enum Generator {
    #[serde(rename = "scanpointgenerator:generator/LineGenerator:1.0")]
    Line(Line),
    #[serde(rename = "scanpointgenerator:generator/ArrayGenerator:1.0")]
    Array(Array),
    #[serde(rename = "scanpointgenerator:generator/SpiralGenerator:1.0")]
    Spiral(Spiral),
    #[serde(rename = "scanpointgenerator:generator/LissajousGenerator:1.0")]
    Lissajous(Lissajous),
    #[serde(rename = "scanpointgenerator:generator/StaticPointGenerator:1.0")]
    Static(StaticPoint),
    #[serde(rename = "scanpointgenerator:generator/ZipGenerator:1.0")]
    Zip(Combined),
    #[serde(rename = "scanpointgenerator:generator/ConcatGenerator:1.0")]
    Concat(Combined),
}

/// Equally spaced points, from `start` to `stop`. A single one is in the middle of them, with
/// `start` and `stop` as its bounds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Line {
    pub(super) axes: Vec<String>,
    pub(super) units: Vec<String>,
    pub(super) start: Vec<f64>,
    pub(super) stop: Vec<f64>,
    pub(super) size: u64,
    pub(super) alternate: bool,
}

/// Given points, of one axis.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Array {
    pub(super) axes: [String; 1],
    pub(super) units: [String; 1],
    pub(super) points: Vec<f64>,
    pub(super) alternate: bool,
}

/// A spiral outwards from its centre.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Spiral {
    pub(super) axes: [String; 2],
    pub(super) units: [String; 2],
    pub(super) centre: [f64; 2],
    pub(super) radius: f64,
    /// Distance between arms, not 0.
    pub(super) scale: f64,
    pub(super) alternate: bool,
}

impl Spiral {
    /// Radius per radian.
    pub(super) fn beta(&self) -> f64 {
        self.scale / (2.0 * PI)
    }

    /// Number of points; may be beyond what can be counted.
    pub(super) fn size(&self) -> f64 {
        let turns = self.radius / ((4.0 * PI).sqrt() * self.beta());
        (turns * turns).trunc() + 1.0
    }
}

/// A Lissajous curve, once around.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Lissajous {
    pub(super) axes: [String; 2],
    pub(super) units: [String; 2],
    pub(super) centre: [f64; 2],
    pub(super) span: [f64; 2],
    /// Of the first axis; the second has one more.
    pub(super) lobes: u64,
    pub(super) size: u64,
    pub(super) alternate: bool,
}

/// Repeats of what is within, which may be counted along an axis: 1, 2, ...
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct StaticPoint {
    pub(super) size: u64,
    /// At most one.
    pub(super) axes: Vec<String>,
}

/// Generators at the same time or one after the other; none of them alternates.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Combined {
    pub(super) generators: Vec<Generator>,
    pub(super) alternate: bool,
}

/// What joins the dimensions of its axes to one, and may leave points out.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "typeid")]
pub(super) enum Excluder {
    #[serde(rename = "scanpointgenerator:excluder/SquashingExcluder:1.0")]
    Squashing { axes: Vec<String> },
    /// Only the points within any of the regions are taken.
    #[serde(rename = "scanpointgenerator:excluder/ROIExcluder:1.0")]
    Roi { rois: Vec<Roi>, axes: [String; 2] },
}

impl Excluder {
    pub(super) fn axes(&self) -> &[String] {
        match self {
            Self::Squashing { axes } => axes,
            Self::Roi { axes, .. } => axes,
        }
    }
}

/// What changes each point by its index.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "typeid")]
pub(super) enum Mutator {
    #[serde(rename = "scanpointgenerator:mutator/RandomOffsetMutator:1.0")]
    RandomOffset { seed: i64, axes: Vec<String>, max_offset: Vec<f64> },
}

impl Generator {
    /// Axes and their units, in order.
    pub(super) fn axes(&self) -> Vec<(&str, &str)> {
        match self {
            Self::Line(line) => paired(&line.axes, &line.units),
            Self::Array(array) => paired(&array.axes, &array.units),
            Self::Spiral(spiral) => paired(&spiral.axes, &spiral.units),
            Self::Lissajous(lissajous) => paired(&lissajous.axes, &lissajous.units),
            Self::Static(point) => point.axes.iter().map(|axis| (axis.as_str(), "")).collect(),
            Self::Zip(zip) => zip.generators.iter().flat_map(Self::axes).collect(),
            Self::Concat(concat) => concat.generators.first().map(Self::axes).unwrap_or_default(),
        }
    }

    /// Number of points.
    pub(super) fn size(&self) -> u64 {
        match self {
            Self::Line(line) => line.size,
            Self::Array(array) => array.points.len() as u64,
            Self::Spiral(spiral) => spiral.size() as u64,
            Self::Lissajous(lissajous) => lissajous.size,
            Self::Static(point) => point.size,
            Self::Zip(zip) => zip.generators.first().map_or(0, Self::size),
            Self::Concat(concat) => {
                concat.generators.iter().fold(0, |size, each| size.saturating_add(each.size()))
            }
        }
    }

    /// Whether every other pass runs backwards.
    pub(super) fn alternate(&self) -> bool {
        match self {
            Self::Line(line) => line.alternate,
            Self::Array(array) => array.alternate,
            Self::Spiral(spiral) => spiral.alternate,
            Self::Lissajous(lissajous) => lissajous.alternate,
            Self::Static(_) => false,
            Self::Zip(combined) | Self::Concat(combined) => combined.alternate,
        }
    }
}

fn paired<'a>(axes: &'a [String], units: &'a [String]) -> Vec<(&'a str, &'a str)> {
    axes.iter().map(String::as_str).zip(units.iter().map(String::as_str)).collect()
}

impl Compound {
    /// The units in which the positions of an axis are given; none if there is no such axis, or it
    /// only counts.
    pub(in crate::scan) fn units(&self, axis: &str) -> Option<&str> {
        let mut pairs = self.generators.iter().flat_map(Generator::axes);
        pairs.find(|(known, units)| *known == axis && !units.is_empty()).map(|(_, units)| units)
    }

    /// Path of the field that names an axis first.
    pub(in crate::scan) fn axis_path(&self, axis: &str) -> Option<String> {
        named(&self.generators, "$", axis)
    }
}

fn named(generators: &[Generator], path: &str, wanted: &str) -> Option<String> {
    generators.iter().enumerate().find_map(|(index, generator)| {
        let path = format!("{path}.generators[{index}]");
        match generator {
            Generator::Zip(combined) | Generator::Concat(combined) => {
                named(&combined.generators, &path, wanted)
            }
            Generator::Line(_)
            | Generator::Array(_)
            | Generator::Spiral(_)
            | Generator::Lissajous(_)
            | Generator::Static(_) => {
                let place = generator.axes().iter().position(|(axis, _)| *axis == wanted)?;
                Some(format!("{path}.axes[{place}]"))
            }
        }
    })
}

//! From a specification to its dimensions, and what the parts of one demand of each other.
use super::{
    Spec, SpecError,
    budget::Budget,
    curve::Motion,
    dimension::{Dimension, Source},
    error::At,
    layers::Layers,
    leaf,
    sequence::Sequence,
    spec::{CountedSpiral, Ellipse, Form, Node, Polygon, Side, Spiral},
    spg,
};
use std::collections::BTreeMap;

/// How a node is used by those above it.
#[derive(Clone, Copy)]
pub(super) struct Use {
    pub(super) motion: Motion,
    pub(super) nesting: Nesting,
}

/// Whether a node is within a product, so that it may run more than once.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Nesting {
    Top,
    Nested,
}

/// Whether a squash is to be refused if the squashed frames would run along another path.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum PathCheck {
    Refuse,
    Allow,
}

impl From<bool> for PathCheck {
    fn from(check: bool) -> Self {
        if check { Self::Refuse } else { Self::Allow }
    }
}

impl Use {
    /// What to check of a squash: only what runs again can change its path.
    pub(super) fn path_check(self, asked: PathCheck) -> PathCheck {
        if self.nesting == Nesting::Nested && asked == PathCheck::Refuse {
            PathCheck::Refuse
        } else {
            PathCheck::Allow
        }
    }
}

/// Builds the dimensions of the nodes; knows the place of every axis in the stack.
pub(super) struct Builder {
    pub(super) places: BTreeMap<String, usize>,
    /// What all masks of the specification take.
    pub(super) budget: Budget,
}

/// The axes of a specification, slowest first, and its frames.
pub(super) fn stack(spec: &Spec) -> Result<(Vec<String>, Sequence), SpecError> {
    stack_within(spec, Budget::default())
}

/// The same, if its masks take no more than the budget.
pub(super) fn stack_within(
    spec: &Spec,
    budget: Budget,
) -> Result<(Vec<String>, Sequence), SpecError> {
    match &spec.0 {
        Form::Tree(node) => tree(node, budget).map(|(axes, layers)| (axes, layers.into())),
        Form::Compound(compound) => spg::stack(compound, budget),
    }
}

fn tree(node: &Node, budget: Budget) -> Result<(Vec<String>, Layers), SpecError> {
    let axes: Vec<String> = axes(node, &At::Top)?.into_iter().map(|(axis, _)| axis).collect();
    let places = axes.iter().cloned().zip(0..).collect();
    let top = Use { motion: Motion::Step, nesting: Nesting::Top };
    let dimensions = Builder { places, budget }.dimensions(node, top, &At::Top)?;
    let layers = layers(dimensions, &At::Top)?;
    Ok((axes, layers))
}

pub(super) fn layers(dimensions: Vec<Dimension>, at: &At) -> Result<Layers, SpecError> {
    let shape: Vec<String> = dimensions.iter().map(|each| each.len.to_string()).collect();
    Layers::new(dimensions).ok_or_else(|| {
        let rule = "are too many frames: a scan has at most 9007199254740992";
        SpecError::new(at, shape.join(" x "), rule)
    })
}

/// Most axes of a scan: what is done for each generator or node takes as long as there are axes.
const MAX_AXES: usize = 1000;

/// Fails if there are too many axes.
pub(super) fn check_axes(axes: usize, at: &At) -> Result<(), SpecError> {
    if axes <= MAX_AXES {
        return Ok(());
    }
    let rule = format!("are too many: a scan moves at most {MAX_AXES}");
    Err(SpecError::new(at, format!("{axes} axes or more"), rule))
}

/// The axes of a node in order, each with the path of the node that moves it. No axis is twice.
fn axes(node: &Node, at: &At) -> Result<Vec<(String, String)>, SpecError> {
    let both = |(left, left_name): (&Node, &str), (right, right_name): (&Node, &str)| {
        let mut left = axes(left, &at.field(left_name))?;
        for (axis, place) in axes(right, &at.field(right_name))? {
            if let Some((_, other)) = left.iter().find(|(known, _)| *known == axis) {
                let rule = format!("is also moved by {other}: an axis is moved once");
                return Err(SpecError { path: place, value: format!("axis {axis:?}"), rule });
            }
            left.push((axis, place));
            check_axes(left.len(), at)?;
        }
        Ok(left)
    };
    match node {
        Node::Product { outer: Side::Spec(outer), inner: Side::Spec(inner), .. } => {
            both((outer, "outer"), (inner, "inner"))
        }
        Node::Product { outer: Side::Spec(spec), .. } => axes(spec, &at.field("outer")),
        Node::Product { inner: Side::Spec(spec), .. } => axes(spec, &at.field("inner")),
        Node::Product { .. } | Node::ConstantDuration { spec: None, .. } => Ok(Vec::new()),
        Node::Zip { left, right } => both((left, "left"), (right, "right")),
        Node::Concat { left, right, .. } => {
            axes(right, &at.field("right"))?;
            axes(left, &at.field("left"))
        }
        Node::Snake { spec }
        | Node::Squash { spec, .. }
        | Node::Fly { spec }
        | Node::Mask { spec, .. }
        | Node::ConstantDuration { spec: Some(spec), .. } => axes(spec, &at.field("spec")),
        Node::Linspace { axis, .. }
        | Node::Line { axis, .. }
        | Node::Range { axis, .. }
        | Node::Static { axis, .. } => Ok(vec![(axis.clone(), at.to_string())]),
        Node::Spiral(Spiral { x_axis, y_axis, .. })
        | Node::CountedSpiral(CountedSpiral { x_axis, y_axis, .. })
        | Node::Ellipse(Ellipse { x_axis, y_axis, .. })
        | Node::Polygon(Polygon { x_axis, y_axis, .. }) => {
            if x_axis == y_axis {
                let rule = "is also the y_axis: an axis is moved once";
                return Err(SpecError::new(&at.field("x_axis"), format!("{x_axis:?}"), rule));
            }
            Ok(vec![(y_axis.clone(), at.to_string()), (x_axis.clone(), at.to_string())])
        }
    }
}

/// The same dimensions, with every other pass backwards.
fn snaked(mut dimensions: Vec<Dimension>) -> Vec<Dimension> {
    for dimension in &mut dimensions {
        // A pass that runs backwards starts where the one before ended.
        dimension.snaked = true;
        dimension.first_gap = false;
    }
    dimensions
}

fn one(dimension: Result<Dimension, SpecError>) -> Result<Vec<Dimension>, SpecError> {
    dimension.map(|dimension| vec![dimension])
}

fn repeat(times: u64, gap: bool) -> Dimension {
    Dimension {
        len: times,
        snaked: false,
        first_gap: gap,
        duration: None,
        axes: Box::new([]),
        source: Source::Repeat { gap },
    }
}

impl Builder {
    fn dimensions(&self, node: &Node, usage: Use, at: &At) -> Result<Vec<Dimension>, SpecError> {
        match node {
            Node::Product { outer, inner, gap } => self.product(outer, (inner, *gap), usage, at),
            Node::Zip { left, right } => {
                let left = self.dimensions(left, usage, &at.field("left"))?;
                let right = self.dimensions(right, usage, &at.field("right"))?;
                self.zip(left, right, at)
            }
            Node::Snake { spec } => Ok(snaked(self.dimensions(spec, usage, &at.field("spec"))?)),
            Node::Concat { left, right, gap, check_path_changes } => {
                let check = usage.path_check(PathCheck::from(*check_path_changes));
                let side =
                    |spec, at: &At| self.squash(self.dimensions(spec, usage, at)?, check, at);
                let left = side(left, &at.field("left"))?;
                let right = side(right, &at.field("right"))?;
                one(self.concat(left, right, (*gap, at)))
            }
            Node::Squash { spec, check_path_changes } => {
                let dimensions = self.dimensions(spec, usage, &at.field("spec"))?;
                let check = usage.path_check(PathCheck::from(*check_path_changes));
                one(self.squash(dimensions, check, at))
            }
            Node::Fly { spec } => {
                self.dimensions(spec, Use { motion: Motion::Fly, ..usage }, &at.field("spec"))
            }
            Node::ConstantDuration { constant_duration, spec } => {
                let mut dimensions = match spec {
                    Some(spec) => self.dimensions(spec, usage, &at.field("spec"))?,
                    None => vec![repeat(1, false)],
                };
                if let Some(fastest) = dimensions.last_mut() {
                    fastest.duration = Some(*constant_duration);
                }
                Ok(dimensions)
            }
            Node::Linspace { axis, start, stop, num } | Node::Line { axis, start, stop, num } => {
                one(self.line((axis, usage.motion), leaf::linspace(*start, *stop, *num), at))
            }
            Node::Range { axis, start, stop, step } => {
                one(self.line((axis, usage.motion), leaf::range(*start, *stop, *step), at))
            }
            Node::Static { axis, value, num } => {
                one(self.line((axis, usage.motion), leaf::stay(*value, *num), at))
            }
            Node::Spiral(spiral) => one(self.spiral(spiral, usage.motion, at)),
            Node::CountedSpiral(spiral) => one(self.counted_spiral(spiral, usage.motion, at)),
            Node::Ellipse(ellipse) => self.ellipse(ellipse, usage, at),
            Node::Polygon(polygon) => self.polygon(polygon, usage, at),
            Node::Mask { spec, region, check_path_changes } => {
                let dimensions = self.dimensions(spec, usage, &at.field("spec"))?;
                let axes: Vec<usize> =
                    dimensions.iter().flat_map(|one| one.axes.iter().copied()).collect();
                let region = region.region(self, &axes, &at.field("region"))?;
                let check = PathCheck::from(*check_path_changes);
                self.mask(dimensions, &region, (usage.nesting, check), at)
            }
        }
    }

    fn product(
        &self,
        outer: &Side,
        (inner, gap): (&Side, bool),
        usage: Use,
        at: &At,
    ) -> Result<Vec<Dimension>, SpecError> {
        let mut dimensions = match outer {
            Side::Times(times) => vec![repeat(*times, gap)],
            Side::Spec(outer) => {
                let usage = Use { motion: Motion::Step, ..usage };
                self.dimensions(outer, usage, &at.field("outer"))?
            }
        };
        match inner {
            Side::Times(times) => dimensions.push(repeat(*times, false)),
            Side::Spec(inner) => {
                let usage = Use { nesting: Nesting::Nested, ..usage };
                dimensions.extend(self.dimensions(inner, usage, &at.field("inner"))?);
            }
        }
        Ok(dimensions)
    }
}

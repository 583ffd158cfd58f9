//! From JSON to [`Node`]s: each field by its own rule, then what a node demands of its children.
use super::{
    coerce::{Fields, Flag, count, named, number},
    error::{At, SpecError, short_number, shown},
    region_spec::RegionSpec,
    spec::{CountedSpiral, Ellipse, Node, Polygon, Side, Spiral},
};
use serde_json::Value;

/// How deep specifications may be nested; what JSON text can hold is not much more.
const MAX_DEPTH: usize = 100;

const TYPES: &str = "Product, Zip, Snake, Concat, Squash, Linspace, Range, Fly, \
                     ConstantDuration, Static, Spiral, Ellipse, Polygon, Line, Mask";

/// A node and what its parent must know of it.
type Parsed = (Node, Says);

/// What a specification says of itself to the node above.
struct Says {
    axes: Vec<String>,
    duration: Duration,
}

/// What a specification says about the duration of its frames.
#[derive(Clone, Copy, PartialEq)]
enum Duration {
    Unsaid,
    Constant(f64),
    Variable,
}

impl Says {
    fn axes<const N: usize>(axes: [&String; N]) -> Self {
        Self { axes: axes.into_iter().cloned().collect(), duration: Duration::Unsaid }
    }

    /// Both together, of which at most one may say the duration.
    fn and(mut self, other: Self, at: &At) -> Result<Self, SpecError> {
        if self.duration == Duration::Unsaid {
            self.duration = other.duration;
        } else if other.duration != Duration::Unsaid {
            let rule = "says the duration on both sides: only one of them may";
            return Err(SpecError::new(at, "the node", rule));
        }
        self.axes.extend(other.axes);
        Ok(self)
    }
}

/// The node that a JSON value describes.
pub(super) fn spec(value: &Value) -> Result<Node, SpecError> {
    parse(value, At::Top, 0).map(|(node, _)| node)
}

fn parse(value: &Value, at: At, depth: usize) -> Result<Parsed, SpecError> {
    let Value::Object(map) = value else {
        let rule = "is no specification: it must be an object with a type";
        return Err(SpecError::new(&at, shown(value), rule));
    };
    if depth >= MAX_DEPTH {
        return Err(SpecError::new(&at, "the specification", "is nested more than 100 deep"));
    }
    let Some(kind) = map.get("type") else {
        let rule = format!("is missing: the type of a node is one of {TYPES}");
        return Err(SpecError::new(&at.field("type"), "type", rule));
    };
    let fields = |allowed: &[&str]| Fields::new(map, at, (&named(kind), allowed));
    match kind.as_str().unwrap_or_default() {
        "Product" => product(&fields(&["outer", "inner", "gap"])?, depth),
        "Zip" => zip(&fields(&["left", "right"])?, depth),
        "Snake" => {
            let (spec, says) = child(&fields(&["spec"])?, "spec", depth)?;
            Ok((Node::Snake { spec }, says))
        }
        "Fly" => {
            let (spec, says) = child(&fields(&["spec"])?, "spec", depth)?;
            Ok((Node::Fly { spec }, says))
        }
        "Squash" => squash(&fields(&["spec", "check_path_changes"])?, depth),
        "Concat" => concat(&fields(&["left", "right", "gap", "check_path_changes"])?, depth),
        "ConstantDuration" => constant_duration(&fields(&["constant_duration", "spec"])?, depth),
        "Linspace" => linspace(&fields(&["axis", "start", "stop", "num"])?),
        "Range" => range(&fields(&["axis", "start", "stop", "step"])?),
        "Static" => stay(&fields(&["axis", "value", "num"])?),
        "Spiral" if COUNTED.iter().any(|field| map.contains_key(*field)) => {
            counted_spiral(&fields(COUNTED_SPIRAL)?)
        }
        "Spiral" => spiral(&fields(SPIRAL)?),
        "Ellipse" => ellipse(&fields(ELLIPSE)?),
        "Polygon" => polygon(&fields(POLYGON)?),
        "Line" => line(&fields(&["axis", "start", "stop", "num"])?),
        "Mask" => mask(&fields(&["spec", "region", "check_path_changes"])?, depth),
        _ => {
            let rule = format!("is no type of node: it must be one of {TYPES}");
            Err(SpecError::new(&at.field("type"), shown(kind), rule))
        }
    }
}

const SPIRAL: &[&str] =
    &["x_axis", "x_centre", "x_diameter", "x_step", "y_axis", "y_centre", "y_diameter"];
/// The fields of a spiral of scanspec 0.9; and those that one of 1.0 has not.
const COUNTED_SPIRAL: &[&str] =
    &["x_axis", "y_axis", "x_start", "y_start", "x_range", "y_range", "num", "rotate"];
const COUNTED: &[&str] = &["x_start", "y_start", "x_range", "y_range", "num", "rotate"];
const ELLIPSE: &[&str] = &[
    "x_axis",
    "x_centre",
    "x_diameter",
    "x_step",
    "y_axis",
    "y_centre",
    "y_diameter",
    "y_step",
    "snake",
    "vertical",
];
const POLYGON: &[&str] = &["x_axis", "y_axis", "vertices", "x_step", "y_step", "snake", "vertical"];

fn child(fields: &Fields, name: &str, depth: usize) -> Result<(Box<Node>, Says), SpecError> {
    let (node, says) = parse(fields.required(name)?, fields.at.field(name), depth + 1)?;
    Ok((Box::new(node), says))
}

fn side(fields: &Fields, name: &str, depth: usize) -> Result<(Side, Says), SpecError> {
    let value = fields.required(name)?;
    if value.is_object() {
        let (spec, says) = child(fields, name, depth)?;
        return Ok((Side::Spec(spec), says));
    }
    Ok((Side::Times(count(value, &fields.at.field(name))?), Says::axes([])))
}

fn product(fields: &Fields, depth: usize) -> Result<Parsed, SpecError> {
    let (outer, outer_says) = side(fields, "outer", depth)?;
    let (inner, inner_says) = side(fields, "inner", depth)?;
    let gap = fields.flag("gap", Flag::True)?;
    Ok((Node::Product { outer, inner, gap }, outer_says.and(inner_says, &fields.at)?))
}

fn zip(fields: &Fields, depth: usize) -> Result<Parsed, SpecError> {
    let (left, left_says) = child(fields, "left", depth)?;
    let (right, right_says) = child(fields, "right", depth)?;
    Ok((Node::Zip { left, right }, left_says.and(right_says, &fields.at)?))
}

fn squash(fields: &Fields, depth: usize) -> Result<Parsed, SpecError> {
    let (spec, says) = child(fields, "spec", depth)?;
    let check_path_changes = fields.flag("check_path_changes", Flag::True)?;
    Ok((Node::Squash { spec, check_path_changes }, says))
}

fn concat(fields: &Fields, depth: usize) -> Result<Parsed, SpecError> {
    let (left, mut says) = child(fields, "left", depth)?;
    let (right, right_says) = child(fields, "right", depth)?;
    let gap = fields.flag("gap", Flag::False)?;
    let check_path_changes = fields.flag("check_path_changes", Flag::True)?;
    let sorted = |axes: &[String]| {
        let mut sorted = axes.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        sorted
    };
    if sorted(&says.axes) != sorted(&right_says.axes) {
        let (left_axes, right_axes) = (says.axes.join(", "), right_says.axes.join(", "));
        let value = format!("[{left_axes}] != [{right_axes}]");
        let rule = "in axes: both sides of a Concat must have the same axes";
        return Err(SpecError::new(&fields.at, value, rule));
    }
    says.duration = match (says.duration, right_says.duration) {
        (left, right) if left == right => left,
        (Duration::Unsaid, _) | (_, Duration::Unsaid) => {
            let rule = "says the duration on one side only: both sides must, or none";
            return Err(SpecError::new(&fields.at, "the node", rule));
        }
        (Duration::Constant(_) | Duration::Variable, _) => Duration::Variable,
    };
    Ok((Node::Concat { left, right, gap, check_path_changes }, says))
}

fn constant_duration(fields: &Fields, depth: usize) -> Result<Parsed, SpecError> {
    let constant_duration = fields.positive("constant_duration")?;
    let (spec, mut says) = match fields.optional("spec") {
        None | Some(Value::Null) => (None, Says::axes([])),
        Some(_) => {
            let (spec, says) = child(fields, "spec", depth)?;
            (Some(spec), says)
        }
    };
    if says.duration != Duration::Unsaid {
        let rule = "would say the duration again: the specification within it says it already";
        return Err(SpecError::new(&fields.at, short_number(constant_duration), rule));
    }
    says.duration = Duration::Constant(constant_duration);
    Ok((Node::ConstantDuration { constant_duration, spec }, says))
}

fn linspace(fields: &Fields) -> Result<Parsed, SpecError> {
    let axis = fields.axis("axis")?;
    let (start, stop) = (fields.number("start")?, fields.number("stop")?);
    let says = Says::axes([&axis]);
    Ok((Node::Linspace { axis, start, stop, num: fields.num()? }, says))
}

#[expect(clippy::similar_names, reason = "the names of the fields")]
fn range(fields: &Fields) -> Result<Parsed, SpecError> {
    let axis = fields.axis("axis")?;
    let (start, stop) = (fields.number("start")?, fields.number("stop")?);
    let step = match fields.optional("step") {
        None => (stop - start).abs(),
        // What is written for a range of one point without a step must be read again.
        Some(_) if start == stop && fields.number("step")? == 0.0 => 0.0,
        Some(_) => fields.positive("step")?,
    };
    let says = Says::axes([&axis]);
    Ok((Node::Range { axis, start, stop, step }, says))
}

fn stay(fields: &Fields) -> Result<Parsed, SpecError> {
    let axis = fields.axis("axis")?;
    let value = fields.number("value")?;
    let says = Says::axes([&axis]);
    Ok((Node::Static { axis, value, num: fields.num()? }, says))
}

/// A diameter or the step of a spiral: of either sign, as scanspec lets it be, but some width.
fn diameter(fields: &Fields, name: &str) -> Result<f64, SpecError> {
    match fields.number(name)? {
        0.0 => {
            let rule = format!("is no width: {name} must not be 0");
            Err(SpecError::new(&fields.at.field(name), 0.0, rule))
        }
        diameter => Ok(diameter),
    }
}

fn y_diameter(fields: &Fields, x_diameter: f64) -> Result<f64, SpecError> {
    match fields.optional("y_diameter") {
        None => Ok(x_diameter.abs()),
        Some(_) => diameter(fields, "y_diameter"),
    }
}

fn y_step(fields: &Fields, x_step: f64) -> Result<f64, SpecError> {
    if fields.optional("y_step").is_none() { Ok(x_step) } else { fields.positive("y_step") }
}

fn spiral(fields: &Fields) -> Result<Parsed, SpecError> {
    let x_diameter = diameter(fields, "x_diameter")?;
    let spiral = Spiral {
        x_axis: fields.axis("x_axis")?,
        x_centre: fields.number("x_centre")?,
        x_diameter,
        x_step: diameter(fields, "x_step")?,
        y_axis: fields.axis("y_axis")?,
        y_centre: fields.number("y_centre")?,
        y_diameter: y_diameter(fields, x_diameter)?,
    };
    if x_diameter * spiral.y_diameter < 0.0 {
        let x_diameter = short_number(x_diameter);
        let rule = format!("differs in sign from x_diameter {x_diameter}: both must have one sign");
        let value = short_number(spiral.y_diameter);
        return Err(SpecError::new(&fields.at.field("y_diameter"), value, rule));
    }
    let says = Says::axes([&spiral.y_axis, &spiral.x_axis]);
    Ok((Node::Spiral(spiral), says))
}

fn counted_spiral(fields: &Fields) -> Result<Parsed, SpecError> {
    fields.required("num")?;
    let spiral = CountedSpiral {
        x_axis: fields.axis("x_axis")?,
        y_axis: fields.axis("y_axis")?,
        x_start: fields.number("x_start")?,
        y_start: fields.number("y_start")?,
        x_range: fields.number("x_range")?,
        y_range: fields.number("y_range")?,
        num: fields.num()?,
        rotate: if fields.optional("rotate").is_none() { 0.0 } else { fields.number("rotate")? },
    };
    let says = Says::axes([&spiral.y_axis, &spiral.x_axis]);
    Ok((Node::CountedSpiral(spiral), says))
}

fn line(fields: &Fields) -> Result<Parsed, SpecError> {
    let axis = fields.axis("axis")?;
    let (start, stop) = (fields.number("start")?, fields.number("stop")?);
    fields.required("num")?;
    let says = Says::axes([&axis]);
    Ok((Node::Line { axis, start, stop, num: fields.num()? }, says))
}

fn mask(fields: &Fields, depth: usize) -> Result<Parsed, SpecError> {
    let (spec, says) = child(fields, "spec", depth)?;
    let region = RegionSpec::parse(fields.required("region")?, fields.at.field("region"))?;
    let check_path_changes = fields.flag("check_path_changes", Flag::True)?;
    Ok((Node::Mask { spec, region, check_path_changes }, says))
}

fn ellipse(fields: &Fields) -> Result<Parsed, SpecError> {
    let x_diameter = diameter(fields, "x_diameter")?;
    let x_step = fields.positive("x_step")?;
    let ellipse = Ellipse {
        x_axis: fields.axis("x_axis")?,
        x_centre: fields.number("x_centre")?,
        x_diameter,
        x_step,
        y_axis: fields.axis("y_axis")?,
        y_centre: fields.number("y_centre")?,
        y_diameter: y_diameter(fields, x_diameter)?,
        y_step: y_step(fields, x_step)?,
        snake: fields.flag("snake", Flag::False)?,
        vertical: fields.flag("vertical", Flag::False)?,
    };
    let says = Says::axes([&ellipse.y_axis, &ellipse.x_axis]);
    Ok((Node::Ellipse(ellipse), says))
}

fn polygon(fields: &Fields) -> Result<Parsed, SpecError> {
    let x_step = fields.positive("x_step")?;
    let polygon = Polygon {
        x_axis: fields.axis("x_axis")?,
        y_axis: fields.axis("y_axis")?,
        vertices: vertices(fields)?,
        x_step,
        y_step: y_step(fields, x_step)?,
        snake: fields.flag("snake", Flag::False)?,
        vertical: fields.flag("vertical", Flag::False)?,
    };
    let says = Says::axes([&polygon.y_axis, &polygon.x_axis]);
    Ok((Node::Polygon(polygon), says))
}

fn vertices(fields: &Fields) -> Result<Vec<[f64; 2]>, SpecError> {
    let value = fields.required("vertices")?;
    let at = fields.at.field("vertices");
    let Value::Array(list) = value else {
        return Err(SpecError::new(&at, shown(value), "is no list: it must be a list of [x, y]"));
    };
    if list.len() < 3 {
        let value = format!("a list of {}", list.len());
        return Err(SpecError::new(&at, value, "is too short: a polygon has at least 3 vertices"));
    }
    let vertex = |(index, value): (usize, &Value)| {
        let at = at.item(index);
        match value.as_array().map(Vec::as_slice) {
            Some([x, y]) => Ok([number(x, &at.item(0))?, number(y, &at.item(1))?]),
            _ => Err(SpecError::new(&at, shown(value), "is no vertex: it must be [x, y]")),
        }
    };
    list.iter().enumerate().map(vertex).collect()
}

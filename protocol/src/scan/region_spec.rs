//! [`RegionSpec`]: the region of a `Mask`, as scanspec 0.9 writes it in JSON.
use super::{
    build::Builder,
    coerce::{Fields, named, number},
    error::{At, SpecError, shown},
    region::{Area, Combination, Plane, Region},
};
use serde::{Serialize, Serializer};
use serde_json::Value;
use std::f64::consts::PI;

/// How deep regions may be nested, as specifications.
const MAX_DEPTH: usize = 100;

const TYPES: &str = "Range, Rectangle, Polygon, Circle, Ellipse, UnionOf, IntersectionOf, \
                     DifferenceOf, SymmetricDifferenceOf";

/// A region, checked field by field. Written by `serde`, it has scanspec's own form: `type` last
/// and every default spelled out.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct RegionSpec(Form);

/// A region of each type. Positions are in the EGU of their axis, angles in degrees; radii are
/// greater than 0.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
enum Form {
    Range {
        axis: String,
        min: f64,
        max: f64,
    },
    Rectangle {
        x_axis: String,
        y_axis: String,
        x_min: f64,
        y_min: f64,
        x_max: f64,
        y_max: f64,
        angle: f64,
    },
    Polygon {
        x_axis: String,
        y_axis: String,
        x_verts: Vec<f64>,
        y_verts: Vec<f64>,
    },
    Circle {
        x_axis: String,
        y_axis: String,
        x_middle: f64,
        y_middle: f64,
        radius: f64,
    },
    Ellipse {
        x_axis: String,
        y_axis: String,
        x_middle: f64,
        y_middle: f64,
        x_radius: f64,
        y_radius: f64,
        angle: f64,
    },
    Combination {
        left: Box<RegionSpec>,
        right: Box<RegionSpec>,
        #[serde(skip)]
        combination: Combination,
    },
}

impl Form {
    fn type_name(&self) -> &'static str {
        match self {
            Self::Range { .. } => "Range",
            Self::Rectangle { .. } => "Rectangle",
            Self::Polygon { .. } => "Polygon",
            Self::Circle { .. } => "Circle",
            Self::Ellipse { .. } => "Ellipse",
            Self::Combination { combination, .. } => match combination {
                Combination::Union => "UnionOf",
                Combination::Intersection => "IntersectionOf",
                Combination::Difference => "DifferenceOf",
                Combination::SymmetricDifference => "SymmetricDifferenceOf",
            },
        }
    }
}

/// The fields of a region, then its type: the order in which scanspec writes them.
#[derive(Serialize)]
struct Typed<'a> {
    #[serde(flatten)]
    fields: &'a Form,
    r#type: &'static str,
}

impl Serialize for RegionSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Typed { fields: &self.0, r#type: self.0.type_name() }.serialize(serializer)
    }
}

impl RegionSpec {
    /// The region that a JSON value describes.
    pub(super) fn parse(value: &Value, at: At) -> Result<Self, SpecError> {
        parse(value, at, 0)
    }

    /// The region in the axes of a stack. Fails if one of its axes is none of `axes`, those of the
    /// specification that is masked.
    pub(super) fn region(
        &self,
        builder: &Builder,
        axes: &[usize],
        at: &At,
    ) -> Result<Region, SpecError> {
        let place = |name: &str, field: &str| match builder.places.get(name) {
            Some(place) if axes.contains(place) => Ok(*place),
            _ => {
                let names = builder.places.iter().filter(|(_, place)| axes.contains(place));
                let names: Vec<&str> = names.map(|(name, _)| name.as_str()).collect();
                let rule = format!("is no axis of what is masked: it has [{}]", names.join(", "));
                Err(SpecError::new(&at.field(field), format!("{name:?}"), rule))
            }
        };
        let pair = |x: &str, y: &str| Ok([place(x, "x_axis")?, place(y, "y_axis")?]);
        // The angle is that of the region: points are turned by as much the other way.
        let turned =
            |axes, origin, angle: f64| Plane::new(axes, origin).turned(angle * (PI / 180.0));
        let area = match &self.0 {
            Form::Range { axis, min, max } => {
                Area::Range { axis: place(axis, "axis")?, low: *min, high: *max }
            }
            Form::Rectangle { x_axis, y_axis, x_min, y_min, x_max, y_max, angle } => {
                Area::Rectangle {
                    plane: turned(pair(x_axis, y_axis)?, [*x_min, *y_min], *angle),
                    size: [x_max - x_min, y_max - y_min],
                }
            }
            Form::Polygon { x_axis, y_axis, x_verts, y_verts } => Area::Polygon {
                axes: pair(x_axis, y_axis)?,
                vertices: x_verts.iter().zip(y_verts).map(|(x, y)| [*x, *y]).collect(),
            },
            Form::Circle { x_axis, y_axis, x_middle, y_middle, radius } => Area::Circle {
                plane: turned(pair(x_axis, y_axis)?, [*x_middle, *y_middle], 0.0),
                radius: *radius,
            },
            Form::Ellipse { x_axis, y_axis, x_middle, y_middle, x_radius, y_radius, angle } => {
                Area::Ellipse {
                    plane: turned(pair(x_axis, y_axis)?, [*x_middle, *y_middle], *angle),
                    radii: [*x_radius, *y_radius],
                }
            }
            Form::Combination { left, right, combination } => {
                let left = left.region(builder, axes, &at.field("left"))?;
                let right = right.region(builder, axes, &at.field("right"))?;
                return Ok(Region::both(*combination, left, right));
            }
        };
        Ok(Region::Area(area))
    }
}

fn parse(value: &Value, at: At, depth: usize) -> Result<RegionSpec, SpecError> {
    let Value::Object(map) = value else {
        let rule = "is no region: it must be an object with a type";
        return Err(SpecError::new(&at, shown(value), rule));
    };
    if depth >= MAX_DEPTH {
        return Err(SpecError::new(&at, "the region", "is nested more than 100 deep"));
    }
    let Some(kind) = map.get("type") else {
        let rule = format!("is missing: the type of a region is one of {TYPES}");
        return Err(SpecError::new(&at.field("type"), "type", rule));
    };
    let fields = |allowed: &[&str]| Fields::new(map, at, (&named(kind), allowed));
    let combination = |combination| {
        let fields = fields(&["left", "right"])?;
        let side = |name| {
            let side = parse(fields.required(name)?, fields.at.field(name), depth + 1)?;
            Ok(Box::new(side))
        };
        Ok(Form::Combination { left: side("left")?, right: side("right")?, combination })
    };
    let form = match kind.as_str().unwrap_or_default() {
        "Range" => range(&fields(&["axis", "min", "max"])?),
        "Rectangle" => {
            rectangle(&fields(&["x_axis", "y_axis", "x_min", "y_min", "x_max", "y_max", "angle"])?)
        }
        "Polygon" => polygon(&fields(&["x_axis", "y_axis", "x_verts", "y_verts"])?),
        "Circle" => circle(&fields(&["x_axis", "y_axis", "x_middle", "y_middle", "radius"])?),
        "Ellipse" => ellipse(&fields(&[
            "x_axis", "y_axis", "x_middle", "y_middle", "x_radius", "y_radius", "angle",
        ])?),
        "UnionOf" => combination(Combination::Union),
        "IntersectionOf" => combination(Combination::Intersection),
        "DifferenceOf" => combination(Combination::Difference),
        "SymmetricDifferenceOf" => combination(Combination::SymmetricDifference),
        _ => {
            let rule = format!("is no type of region: it must be one of {TYPES}");
            Err(SpecError::new(&at.field("type"), shown(kind), rule))
        }
    };
    form.map(RegionSpec)
}

fn range(fields: &Fields) -> Result<Form, SpecError> {
    let (min, max) = (fields.number("min")?, fields.number("max")?);
    Ok(Form::Range { axis: fields.axis("axis")?, min, max })
}

fn rectangle(fields: &Fields) -> Result<Form, SpecError> {
    let [x_axis, y_axis] = axes(fields)?;
    Ok(Form::Rectangle {
        x_axis,
        y_axis,
        x_min: fields.number("x_min")?,
        y_min: fields.number("y_min")?,
        x_max: fields.number("x_max")?,
        y_max: fields.number("y_max")?,
        angle: angle(fields)?,
    })
}

fn circle(fields: &Fields) -> Result<Form, SpecError> {
    let [x_axis, y_axis] = axes(fields)?;
    Ok(Form::Circle {
        x_axis,
        y_axis,
        x_middle: fields.number("x_middle")?,
        y_middle: fields.number("y_middle")?,
        radius: fields.positive("radius")?,
    })
}

fn ellipse(fields: &Fields) -> Result<Form, SpecError> {
    let [x_axis, y_axis] = axes(fields)?;
    Ok(Form::Ellipse {
        x_axis,
        y_axis,
        x_middle: fields.number("x_middle")?,
        y_middle: fields.number("y_middle")?,
        x_radius: fields.positive("x_radius")?,
        y_radius: fields.positive("y_radius")?,
        angle: angle(fields)?,
    })
}

/// The axes of an area, which are two.
fn axes(fields: &Fields) -> Result<[String; 2], SpecError> {
    let (x_axis, y_axis) = (fields.axis("x_axis")?, fields.axis("y_axis")?);
    if x_axis == y_axis {
        let rule = "is also the y_axis: a region has two axes";
        let value = shown(fields.required("x_axis")?);
        return Err(SpecError::new(&fields.at.field("x_axis"), value, rule));
    }
    Ok([x_axis, y_axis])
}

/// An angle in degrees, 0 unless it is given.
fn angle(fields: &Fields) -> Result<f64, SpecError> {
    if fields.optional("angle").is_none() { Ok(0.0) } else { fields.number("angle") }
}

fn polygon(fields: &Fields) -> Result<Form, SpecError> {
    let (x_verts, y_verts) = (coordinates(fields, "x_verts")?, coordinates(fields, "y_verts")?);
    if x_verts.len() != y_verts.len() {
        let value = format!("{} and {} numbers", x_verts.len(), y_verts.len());
        let rule = "do not fit: x_verts and y_verts must be equally many";
        return Err(SpecError::new(&fields.at, value, rule));
    }
    let [x_axis, y_axis] = axes(fields)?;
    Ok(Form::Polygon { x_axis, y_axis, x_verts, y_verts })
}

/// The coordinates of the vertices of a polygon along one axis.
fn coordinates(fields: &Fields, name: &str) -> Result<Vec<f64>, SpecError> {
    let value = fields.required(name)?;
    let at = fields.at.field(name);
    let Value::Array(list) = value else {
        return Err(SpecError::new(&at, shown(value), "is no list: it must be a list of numbers"));
    };
    if list.len() < 3 {
        let value = format!("a list of {}", list.len());
        return Err(SpecError::new(&at, value, "is too short: a polygon has at least 3 vertices"));
    }
    list.iter().enumerate().map(|(index, value)| number(value, &at.item(index))).collect()
}

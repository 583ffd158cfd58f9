//! [`Spec`]: a scan specification, as scanspec 1.0 and 0.9 or scanpointgenerator 3.1 write it in JSON.
use super::{
    SpecError, parse,
    region_spec::RegionSpec,
    spg::{self, Compound},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use serde_json::Value;
use std::str::FromStr;

/// A scan specification: checked field by field when it was read, so that every value in it
/// obeys the rules of its node. What follows from the whole is checked by
/// [`Stack::new`](super::Stack::new).
///
/// It is a scanspec tree, whose nodes have a `type`, or a `CompoundGenerator` of scanpointgenerator,
/// which has a `typeid`. Written by `serde`, each has its own form with every default spelled out:
/// `type` last, `typeid` first.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec(pub(super) Form);

/// The forms of a specification.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Form {
    Tree(Node),
    Compound(Compound),
}

impl Spec {
    /// A specification from parsed JSON.
    pub fn from_value(value: &Value) -> Result<Self, SpecError> {
        if value.get("typeid").is_some() {
            return spg::parse(value).map(|compound| Self(Form::Compound(compound)));
        }
        parse::spec(value).map(|node| Self(Form::Tree(node)))
    }
}

impl FromStr for Spec {
    type Err = SpecError;

    /// A specification from JSON text.
    fn from_str(text: &str) -> Result<Self, SpecError> {
        match serde_json::from_str::<Value>(text) {
            Ok(value) => Self::from_value(&value),
            Err(error) => Err(SpecError {
                path: "$".to_owned(),
                value: "the text".to_owned(),
                rule: format!("is not JSON: {error}"),
            }),
        }
    }
}

impl<'de> Deserialize<'de> for Spec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_value(&Value::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// A node of a specification. Positions are in the EGU of their axis, durations in seconds;
/// **invariant:** every number is finite, every duration positive, every `num` at least 1.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged, remote = "Self")]
pub(super) enum Node {
    Product {
        outer: Side,
        inner: Side,
        gap: bool,
    },
    Zip {
        left: Box<Node>,
        right: Box<Node>,
    },
    Snake {
        spec: Box<Node>,
    },
    Concat {
        left: Box<Node>,
        right: Box<Node>,
        gap: bool,
        check_path_changes: bool,
    },
    Squash {
        spec: Box<Node>,
        check_path_changes: bool,
    },
    Linspace {
        axis: String,
        start: f64,
        stop: f64,
        num: u64,
    },
    Range {
        axis: String,
        start: f64,
        stop: f64,
        step: f64,
    },
    Fly {
        spec: Box<Node>,
    },
    ConstantDuration {
        constant_duration: f64,
        spec: Option<Box<Node>>,
    },
    Static {
        axis: String,
        value: f64,
        num: u64,
    },
    Spiral(Spiral),
    Ellipse(Ellipse),
    Polygon(Polygon),
    /// As scanspec 0.9 calls a `Linspace`.
    Line {
        axis: String,
        start: f64,
        stop: f64,
        num: u64,
    },
    /// Of scanspec 0.9: only the midpoints that lie within a region.
    Mask {
        spec: Box<Node>,
        region: RegionSpec,
        check_path_changes: bool,
    },
    CountedSpiral(CountedSpiral),
}

/// One side of a product: a specification, or how often the other side is repeated.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub(super) enum Side {
    Spec(Box<Node>),
    Times(u64),
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Spiral {
    pub(super) x_axis: String,
    pub(super) x_centre: f64,
    pub(super) x_diameter: f64,
    pub(super) x_step: f64,
    pub(super) y_axis: String,
    pub(super) y_centre: f64,
    pub(super) y_diameter: f64,
}

/// The `Spiral` of scanspec 0.9, which says its number of frames. Its angle is in radians.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct CountedSpiral {
    pub(super) x_axis: String,
    pub(super) y_axis: String,
    pub(super) x_start: f64,
    pub(super) y_start: f64,
    pub(super) x_range: f64,
    pub(super) y_range: f64,
    pub(super) num: u64,
    pub(super) rotate: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Ellipse {
    pub(super) x_axis: String,
    pub(super) x_centre: f64,
    pub(super) x_diameter: f64,
    pub(super) x_step: f64,
    pub(super) y_axis: String,
    pub(super) y_centre: f64,
    pub(super) y_diameter: f64,
    pub(super) y_step: f64,
    pub(super) snake: bool,
    pub(super) vertical: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Polygon {
    pub(super) x_axis: String,
    pub(super) y_axis: String,
    pub(super) vertices: Vec<[f64; 2]>,
    pub(super) x_step: f64,
    pub(super) y_step: f64,
    pub(super) snake: bool,
    pub(super) vertical: bool,
}

impl Node {
    fn type_name(&self) -> &'static str {
        match self {
            Self::Product { .. } => "Product",
            Self::Zip { .. } => "Zip",
            Self::Snake { .. } => "Snake",
            Self::Concat { .. } => "Concat",
            Self::Squash { .. } => "Squash",
            Self::Linspace { .. } => "Linspace",
            Self::Range { .. } => "Range",
            Self::Fly { .. } => "Fly",
            Self::ConstantDuration { .. } => "ConstantDuration",
            Self::Static { .. } => "Static",
            Self::Spiral(_) | Self::CountedSpiral(_) => "Spiral",
            Self::Ellipse(_) => "Ellipse",
            Self::Polygon(_) => "Polygon",
            Self::Line { .. } => "Line",
            Self::Mask { .. } => "Mask",
        }
    }
}

/// The fields of a node, then its type: the order in which scanspec writes them.
#[derive(Serialize)]
struct Typed<'a> {
    #[serde(flatten)]
    fields: Fields<'a>,
    r#type: &'static str,
}

/// The fields of a node without its type, which is what is derived for it.
struct Fields<'a>(&'a Node);

impl Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Node::serialize(self.0, serializer)
    }
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Typed { fields: Fields(self), r#type: self.type_name() }.serialize(serializer)
    }
}

impl Serialize for Spec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Form::Tree(node) => node.serialize(serializer),
            Form::Compound(compound) => compound.serialize(serializer),
        }
    }
}

//! [`Form`]: what the values of a field or of an attribute are, as its class tells.
use crate::signal::{Access, Kind, Metadata, NativeType, Range};
use bluefly_protocol::panda::describe::{
    ChangeGroup, ExtOut, FieldClass, FieldInfo, FieldName, ValueType,
};

/// What the values of a signal are, and how they are had.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Form {
    pub(super) shape: Shape,
    pub(super) access: Access,
    /// Which question tells that it has changed; `None`: it must be asked itself.
    pub(super) group: Option<ChangeGroup>,
    pub(super) unit: Unit,
    /// The class of its field, for people.
    pub(super) class: String,
}

/// What a value is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Shape {
    Bool,
    Int {
        low: i64,
        high: i64,
    },
    Float,
    Choice(Vec<String>),
    Text,
    /// Several lines.
    Lines,
    /// Words of a table, at most so many.
    Words(usize),
    /// It is the writing that counts.
    Action,
}

/// Where the unit of a value is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    None,
    /// By its attribute `UNITS`.
    Told,
    /// By the attribute `UNITS` of its field.
    OfField,
}

const READ: Access = Access { read: true, write: false };
const WRITE: Access = Access { read: false, write: true };
const BOTH: Access = Access { read: true, write: true };
const NONE: Access = Access { read: false, write: false };

const UINT: Shape = Shape::Int { low: 0, high: u32::MAX as i64 };
const INT: Shape = Shape::Int { low: i32::MIN as i64, high: i32::MAX as i64 };
/// Longest text of a value, in bytes.
const MAX_TEXT: usize = 255;

impl Form {
    /// Of the field or attribute that `name` names; `None` if there is no such attribute.
    pub(super) fn of(name: &FieldName, info: &FieldInfo) -> Option<Self> {
        let (shape, access, group, unit) = match name.attribute() {
            None => value(info),
            Some(attribute) => {
                info.attributes.get(attribute)?;
                attribute_of(attribute, info)
            }
        };
        Some(Self { shape, access, group, unit, class: info.class.to_string() })
    }

    /// Whether signals of `kind` can be had of it.
    pub(super) fn carries(&self, kind: Kind) -> bool {
        let number = matches!(self.shape, Shape::Int { .. });
        self.shape.kind() == kind || number && kind == Kind::Float
    }

    pub(super) fn metadata(&self, units: String) -> Metadata {
        let described = match &self.shape {
            Shape::Bool => Metadata::choices(&["0", "1"]),
            Shape::Int { low, high } => {
                let range = Range { low: *low as f64, high: *high as f64 };
                Metadata { control: range, display: range, ..Metadata::scalar(NativeType::Long) }
            }
            Shape::Float => Metadata::scalar(NativeType::Double),
            Shape::Choice(words) => {
                Metadata { choices: words.clone(), ..Metadata::scalar(NativeType::Enum) }
            }
            Shape::Text => Metadata::text(MAX_TEXT),
            Shape::Lines => Metadata::text(usize::MAX),
            Shape::Words(most) => Metadata::array(NativeType::Double, *most),
            Shape::Action => Metadata::scalar(NativeType::Long),
        };
        Metadata { access: self.access, units, ..described }
    }
}

impl Shape {
    pub(super) const fn kind(&self) -> Kind {
        match self {
            Self::Bool => Kind::Bool,
            Self::Int { .. } | Self::Action => Kind::Int,
            Self::Float => Kind::Float,
            Self::Choice(_) | Self::Text | Self::Lines => Kind::Text,
            Self::Words(_) => Kind::Floats,
        }
    }
}

type Parts = (Shape, Access, Option<ChangeGroup>, Unit);

fn value(info: &FieldInfo) -> Parts {
    let config = Some(ChangeGroup::Config);
    match &info.class {
        FieldClass::Param(of) => {
            let (shape, unit) = typed(of, info);
            (shape, BOTH, config, unit)
        }
        FieldClass::Read(of) => {
            let (shape, unit) = typed(of, info);
            (shape, READ, Some(ChangeGroup::Read), unit)
        }
        FieldClass::Write(of) => {
            let (shape, unit) = typed(of, info);
            (shape, WRITE, None, unit)
        }
        FieldClass::Time => (Shape::Float, BOTH, config, Unit::Told),
        FieldClass::BitOut => (Shape::Bool, READ, Some(ChangeGroup::Bits), Unit::None),
        FieldClass::PosOut => (INT, READ, Some(ChangeGroup::Posn), Unit::None),
        FieldClass::ExtOut(_) => (Shape::Text, NONE, None, Unit::None),
        FieldClass::BitMux | FieldClass::PosMux => {
            (Shape::Choice(info.choices.clone()), BOTH, config, Unit::None)
        }
        FieldClass::Table => {
            let most = info.table.as_ref().map_or(0, |table| table.max_words);
            let most = usize::try_from(most).unwrap_or(usize::MAX);
            (Shape::Words(most), BOTH, Some(ChangeGroup::Table), Unit::None)
        }
        FieldClass::Other(_) => (Shape::Text, BOTH, None, Unit::None),
    }
}

fn typed(of: &ValueType, info: &FieldInfo) -> (Shape, Unit) {
    match of {
        ValueType::Uint => {
            let most = info.max.and_then(|max| i64::try_from(max).ok());
            (most.map_or(UINT, |high| Shape::Int { low: 0, high }), Unit::None)
        }
        ValueType::Int => (INT, Unit::None),
        ValueType::Scalar | ValueType::Time => (Shape::Float, Unit::Told),
        ValueType::Bit => (Shape::Bool, Unit::None),
        ValueType::Action => (Shape::Action, Unit::None),
        ValueType::Enum => (Shape::Choice(info.choices.clone()), Unit::None),
        ValueType::Lut | ValueType::Other(_) => (Shape::Text, Unit::None),
    }
}

fn attribute_of(attribute: &str, info: &FieldInfo) -> Parts {
    let told = Some(ChangeGroup::Attr);
    let is_position = info.class == FieldClass::PosOut;
    let may_be_set = if is_position { BOTH } else { READ };
    let changes = if is_position { told } else { None };
    let choices = || match info.attributes.get(attribute) {
        Some(words) if !words.is_empty() => Shape::Choice(words.clone()),
        Some(_) | None => Shape::Text,
    };
    let is_time = matches!(
        &info.class,
        FieldClass::Time
            | FieldClass::Param(ValueType::Time)
            | FieldClass::Read(ValueType::Time)
            | FieldClass::Write(ValueType::Time)
    );
    match attribute {
        "UNITS" if is_time => (choices(), BOTH, told, Unit::None),
        "UNITS" => (Shape::Text, may_be_set, changes, Unit::None),
        "OFFSET" if info.class == FieldClass::BitOut => (UINT, READ, None, Unit::None),
        "OFFSET" | "SCALE" => (Shape::Float, may_be_set, changes, Unit::OfField),
        "SCALED" => (Shape::Float, READ, None, Unit::OfField),
        "CAPTURE" => (choices(), BOTH, told, Unit::None),
        "DELAY" => {
            let high = info.max_delay.and_then(|max| i64::try_from(max).ok());
            let shape = high.map_or(UINT, |high| Shape::Int { low: 0, high });
            (shape, BOTH, told, Unit::None)
        }
        "QUEUED_LINES" => (UINT, READ, told, Unit::None),
        "RAW" if is_time => (Shape::Int { low: 0, high: i64::MAX }, BOTH, None, Unit::None),
        "RAW" if is_scalar(&info.class) => (INT, READ, None, Unit::None),
        "MAX" | "MAX_DELAY" | "MAX_LENGTH" | "ROW_WORDS" | "LENGTH" => {
            (UINT, READ, None, Unit::None)
        }
        "INFO" | "MODE" | "CAPTURE_WORD" => (Shape::Text, READ, None, Unit::None),
        "BITS" if matches!(info.class, FieldClass::ExtOut(ExtOut::Bits)) => {
            (Shape::Lines, READ, None, Unit::None)
        }
        "B" | "FIELDS" => (Shape::Lines, READ, None, Unit::None),
        _ => (Shape::Text, BOTH, None, Unit::None),
    }
}

fn is_scalar(class: &FieldClass) -> bool {
    matches!(
        class,
        FieldClass::Param(ValueType::Scalar)
            | FieldClass::Read(ValueType::Scalar)
            | FieldClass::Write(ValueType::Scalar)
    )
}

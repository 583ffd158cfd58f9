//! [`Metadata`]: what the record behind a signal says of itself.
use serde::Serialize;

/// The type in which a record keeps its value: the seven plain types of Channel Access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NativeType {
    /// Up to 39 characters.
    String,
    Short,
    Float,
    /// An index into [`Metadata::choices`].
    Enum,
    /// Bytes; several of them are a long text, as areaDetector has its paths.
    Char,
    Long,
    Double,
}

impl NativeType {
    /// The type in a word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Short => "short",
            Self::Float => "float",
            Self::Enum => "enum",
            Self::Char => "char",
            Self::Long => "long",
            Self::Double => "double",
        }
    }
}

/// Whether a signal may be read and written by us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Access {
    pub read: bool,
    pub write: bool,
}

/// From where to where, in the unit of the signal; NaN where it is not said.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Range {
    pub low: f64,
    pub high: f64,
}

impl Range {
    /// Nothing is said.
    pub const NONE: Self = Self { low: f64::NAN, high: f64::NAN };
}

/// What the record behind a signal says of itself, when it was last connected.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Metadata {
    pub native: NativeType,
    /// Most elements that it holds: 1 for a scalar.
    pub max_count: usize,
    pub access: Access,
    /// Engineering unit (EGU); empty without one.
    pub units: String,
    /// Decimal places that mean something, of a floating-point number.
    pub precision: Option<i16>,
    /// What displays span.
    pub display: Range,
    /// What may be written.
    pub control: Range,
    pub warning: Range,
    pub alarm: Range,
    /// The words of an enum, in the order of its index.
    pub choices: Vec<String>,
}

impl Metadata {
    /// A scalar of this type that may be read and written, and of which nothing else is said.
    pub const fn scalar(native: NativeType) -> Self {
        Self {
            native,
            max_count: 1,
            access: Access { read: true, write: true },
            units: String::new(),
            precision: None,
            display: Range::NONE,
            control: Range::NONE,
            warning: Range::NONE,
            alarm: Range::NONE,
            choices: Vec::new(),
        }
    }

    /// An array of at most so many elements.
    pub fn array(native: NativeType, max_count: usize) -> Self {
        Self { max_count, ..Self::scalar(native) }
    }

    /// An enum with these words.
    pub fn choices(words: &[&str]) -> Self {
        let choices = words.iter().map(ToString::to_string).collect();
        Self { choices, ..Self::scalar(NativeType::Enum) }
    }

    /// A text of at most so many characters, as a char array.
    pub fn text(max_count: usize) -> Self {
        Self::array(NativeType::Char, max_count)
    }

    /// The same in a unit, with so many decimal places.
    pub fn in_unit(self, units: impl Into<String>, precision: i16) -> Self {
        Self { units: units.into(), precision: Some(precision), ..self }
    }

    /// The same, but nobody may write it.
    pub fn read_only(self) -> Self {
        Self { access: Access { read: true, write: false }, ..self }
    }
}

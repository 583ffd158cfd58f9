//! [`FieldClass`]: what can be done with a field, and what its value is.
use std::fmt;

/// What can be done with a field. Prints as the server writes it, and so is `INFO` read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldClass {
    /// A setting.
    Param(ValueType),
    /// Told by the hardware.
    Read(ValueType),
    /// Told to the hardware.
    Write(ValueType),
    /// A time of 48 bits, in units of its own.
    Time,
    /// A place on the bit bus.
    BitOut,
    /// A place on the position bus, which may be captured.
    PosOut,
    /// Something else that may be captured.
    ExtOut(ExtOut),
    /// Looks at a place on the bit bus.
    BitMux,
    /// Looks at a place on the position bus.
    PosMux,
    Table,
    /// Something of a server that is newer than this.
    Other(String),
}

/// What the value of a field is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueType {
    Uint,
    Int,
    Scalar,
    Bit,
    /// Nothing: it is the writing that counts.
    Action,
    Lut,
    Enum,
    /// A time of 32 bits, in units of its own.
    Time,
    /// Something of a server that is newer than this.
    Other(String),
}

/// What is captured of a field that is not on the position bus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExtOut {
    Timestamp,
    /// For how many ticks the gate was high.
    Samples,
    /// A word of the bit bus.
    Bits,
    /// Something of a server that is newer than this.
    Other(String),
}

impl From<&str> for FieldClass {
    fn from(text: &str) -> Self {
        let (class, subtype) = text.split_once(' ').unwrap_or((text, ""));
        match (class, subtype) {
            ("param", subtype) => Self::Param(subtype.into()),
            ("read", subtype) => Self::Read(subtype.into()),
            ("write", subtype) => Self::Write(subtype.into()),
            ("ext_out", subtype) => Self::ExtOut(subtype.into()),
            ("time", "") => Self::Time,
            ("bit_out", "") => Self::BitOut,
            ("pos_out", "") => Self::PosOut,
            ("bit_mux", "") => Self::BitMux,
            ("pos_mux", "") => Self::PosMux,
            ("table", "") => Self::Table,
            _ => Self::Other(text.to_owned()),
        }
    }
}

impl From<&str> for ValueType {
    fn from(text: &str) -> Self {
        match text {
            "uint" => Self::Uint,
            "int" => Self::Int,
            "scalar" => Self::Scalar,
            "bit" => Self::Bit,
            "action" => Self::Action,
            "lut" => Self::Lut,
            "enum" => Self::Enum,
            "time" => Self::Time,
            _ => Self::Other(text.to_owned()),
        }
    }
}

impl From<&str> for ExtOut {
    fn from(text: &str) -> Self {
        match text {
            "timestamp" => Self::Timestamp,
            "samples" => Self::Samples,
            "bits" => Self::Bits,
            _ => Self::Other(text.to_owned()),
        }
    }
}

impl fmt::Display for FieldClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Param(value) => write!(f, "param {value}"),
            Self::Read(value) => write!(f, "read {value}"),
            Self::Write(value) => write!(f, "write {value}"),
            Self::ExtOut(what) => write!(f, "ext_out {what}"),
            Self::Time => f.write_str("time"),
            Self::BitOut => f.write_str("bit_out"),
            Self::PosOut => f.write_str("pos_out"),
            Self::BitMux => f.write_str("bit_mux"),
            Self::PosMux => f.write_str("pos_mux"),
            Self::Table => f.write_str("table"),
            Self::Other(text) => f.write_str(text),
        }
    }
}

impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Uint => "uint",
            Self::Int => "int",
            Self::Scalar => "scalar",
            Self::Bit => "bit",
            Self::Action => "action",
            Self::Lut => "lut",
            Self::Enum => "enum",
            Self::Time => "time",
            Self::Other(text) => text,
        })
    }
}

impl fmt::Display for ExtOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Timestamp => "timestamp",
            Self::Samples => "samples",
            Self::Bits => "bits",
            Self::Other(text) => text,
        })
    }
}

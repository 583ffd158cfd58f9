//! [`Value`]: what goes through a channel; [`SignalValue`]: the types that a signal may have.
use super::{Metadata, NativeType};
use serde::Serialize;
use std::{fmt, sync::Arc};

/// A value on its way through a channel.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    Floats(Arc<[f64]>),
}

/// The type of a [`Value`]. An enum of the device travels as its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Bool,
    Int,
    Float,
    Text,
    Floats,
}

impl Value {
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Bool(_) => Kind::Bool,
            Self::Int(_) => Kind::Int,
            Self::Float(_) => Kind::Float,
            Self::Text(_) => Kind::Text,
            Self::Floats(_) => Kind::Floats,
        }
    }
}

/// As it is told to people: a text in quotes, of an array how long it is.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => write!(f, "{value}"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value}"),
            Self::Text(value) => write!(f, "{value:?}"),
            Self::Floats(values) => write!(f, "an array of {}", values.len()),
        }
    }
}

impl Kind {
    /// What a record that holds such a value looks like, unless it says otherwise.
    pub fn usual_metadata(self) -> Metadata {
        match self {
            Self::Bool => Metadata::choices(&["No", "Yes"]),
            Self::Int => Metadata::scalar(NativeType::Long),
            Self::Float => Metadata::scalar(NativeType::Double),
            Self::Text => Metadata::text(256),
            Self::Floats => Metadata::array(NativeType::Double, 100_000),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bool => "bool",
            Self::Int => "integer",
            Self::Float => "float",
            Self::Text => "text",
            Self::Floats => "float array",
        })
    }
}

/// How bad the device says a value is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    #[default]
    None,
    Minor,
    Major,
    Invalid,
}

/// What the device says about the quality of a value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Alarm {
    pub severity: Severity,
    /// The device's words; empty without an alarm.
    pub text: String,
}

/// A value as the device told it, when, and how good it was.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading<T> {
    pub value: T,
    /// When the device took it, seconds since 1970-01-01T00:00:00Z.
    pub timestamp_s: f64,
    pub alarm: Alarm,
}

impl<T> Reading<T> {
    /// The same reading of another value.
    pub fn map<U, E>(self, map: impl FnOnce(T) -> Result<U, E>) -> Result<Reading<U>, E> {
        let Self { value, timestamp_s, alarm } = self;
        Ok(Reading { value: map(value)?, timestamp_s, alarm })
    }
}

/// A type that a signal may have.
pub trait SignalValue: Clone + PartialEq + fmt::Debug + 'static {
    const KIND: Kind;
    /// What a record that holds such a value looks like, unless it says otherwise.
    fn usual_metadata() -> Metadata {
        Self::KIND.usual_metadata()
    }
    fn into_value(self) -> Value;
    /// The value, or what came back if it is none of this type.
    fn from_value(value: Value) -> Result<Self, Value>;
}

macro_rules! signal_value {
    ($type:ty, $kind:ident) => {
        impl SignalValue for $type {
            const KIND: Kind = Kind::$kind;
            fn into_value(self) -> Value {
                Value::$kind(self)
            }
            fn from_value(value: Value) -> Result<Self, Value> {
                match value {
                    Value::$kind(value) => Ok(value),
                    other => Err(other),
                }
            }
        }
    };
}
signal_value!(bool, Bool);
signal_value!(i64, Int);
signal_value!(f64, Float);
signal_value!(String, Text);
signal_value!(Arc<[f64]>, Floats);

/// An enum whose variants travel as the device's words for them.
macro_rules! choices {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$variant_meta])* $variant,)+ }
        impl $name {
            /// The device's word for it.
            pub const fn text(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }
        impl $crate::signal::SignalValue for $name {
            const KIND: $crate::signal::Kind = $crate::signal::Kind::Text;
            fn usual_metadata() -> $crate::signal::Metadata {
                $crate::signal::Metadata::choices(&[$($text,)+])
            }
            fn into_value(self) -> $crate::signal::Value {
                $crate::signal::Value::Text(self.text().to_owned())
            }
            fn from_value(
                value: $crate::signal::Value,
            ) -> Result<Self, $crate::signal::Value> {
                match value {
                    $($crate::signal::Value::Text(text) if text == $text => Ok(Self::$variant),)+
                    other => Err(other),
                }
            }
        }
    };
}
pub(crate) use choices;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_were_told_as_the_program_has_them() {
        let check = |value: Value, expected: &str| assert_eq!(value.to_string(), expected);
        check(Value::Bool(true), "true");
        check(Value::Int(-3), "-3");
        check(Value::Float(0.25), "0.25");
        check(Value::Text("a \"b\"".to_owned()), "\"a \\\"b\\\"\"");
        check(Value::Floats(vec![1.0, 2.0].into()), "an array of 2");
    }
}

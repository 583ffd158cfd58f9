//! [`SpecError`]: what is wrong with a specification, and where.
use serde_json::Value;
use std::fmt;

/// One thing that is wrong with a scan specification.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {value} {rule}")]
pub struct SpecError {
    /// JSON path of the field or node, from the top: `$.inner.num`.
    pub path: String,
    /// The value found there, shortened.
    pub value: String,
    /// What is wrong with the value, and the rule: `is less than 1: num must be at least 1`.
    pub rule: String,
}

impl SpecError {
    pub(super) fn new(at: &At, value: impl fmt::Display, rule: impl Into<String>) -> Self {
        Self { path: at.to_string(), value: value.to_string(), rule: rule.into() }
    }
}

/// The place of a node in the specification; a list on the stack, written out only for an error.
#[derive(Clone, Copy)]
pub(super) enum At<'a> {
    Top,
    Field(&'a At<'a>, &'a str),
    Item(&'a At<'a>, usize),
}

impl<'a> At<'a> {
    pub(super) fn field(&'a self, name: &'a str) -> At<'a> {
        At::Field(self, name)
    }

    pub(super) fn item(&'a self, index: usize) -> At<'a> {
        At::Item(self, index)
    }
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            At::Top => f.write_str("$"),
            At::Field(parent, name) => write!(f, "{parent}.{}", short(name)),
            At::Item(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

/// At most 60 characters of a text which may be a whole file, and none that would break the line.
pub(super) fn short(text: &str) -> String {
    let mut clean: String =
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(61).collect();
    if clean.chars().count() > 60 {
        clean = clean.chars().take(57).chain("...".chars()).collect();
    }
    clean
}

/// A number in as few characters as tell it: not 300 digits of 1e300.
pub(crate) fn short_number(number: f64) -> String {
    match number.abs() {
        0.0 | 1e-4..1e15 => number.to_string(),
        _ => format!("{number:e}"),
    }
}

/// A JSON value as it would be written, shortened; containers by their kind.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::Object(_) => "an object".to_owned(),
        Value::Array(_) => "an array".to_owned(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => format!("{:?}", short(text)),
    }
}

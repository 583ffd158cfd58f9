//! Reading the fields of a node, with the conversions that scanspec allows: numbers and booleans
//! as text, booleans as numbers, whole numbers with a point.
use super::error::{At, SpecError, short, shown};
use serde_json::{Map, Value};

/// Largest count: beyond it an index is no longer exact as a number with 53 bits.
pub(super) const MAX_COUNT: u64 = 1 << 53;

/// The fields of one node.
pub(super) struct Fields<'a> {
    map: &'a Map<String, Value>,
    pub(super) at: At<'a>,
}

impl<'a> Fields<'a> {
    /// The fields of a node of the given type, which has no others than `allowed`.
    pub(super) fn new(
        map: &'a Map<String, Value>,
        at: At<'a>,
        (kind, allowed): (&str, &[&str]),
    ) -> Result<Self, SpecError> {
        match map.keys().find(|key| *key != "type" && !allowed.contains(&key.as_str())) {
            Some(key) => Err(SpecError::new(
                &at.field(key),
                shown(&map[key]),
                format!("is not expected: {kind} has the fields {}", allowed.join(", ")),
            )),
            None => Ok(Self { map, at }),
        }
    }

    pub(super) fn optional(&self, name: &str) -> Option<&'a Value> {
        self.map.get(name)
    }

    pub(super) fn required(&self, name: &str) -> Result<&'a Value, SpecError> {
        self.map
            .get(name)
            .ok_or_else(|| SpecError::new(&self.at.field(name), name, "is missing: it is required"))
    }

    pub(super) fn axis(&self, name: &str) -> Result<String, SpecError> {
        match self.required(name)? {
            Value::String(text) if !text.is_empty() => Ok(text.clone()),
            other => Err(SpecError::new(
                &self.at.field(name),
                shown(other),
                "is no axis: an axis is a text, not empty",
            )),
        }
    }

    /// A finite number.
    pub(super) fn number(&self, name: &str) -> Result<f64, SpecError> {
        number(self.required(name)?, &self.at.field(name))
    }

    /// A finite number greater than zero.
    pub(super) fn positive(&self, name: &str) -> Result<f64, SpecError> {
        let value = self.number(name)?;
        if value > 0.0 {
            return Ok(value);
        }
        let rule = format!("is not greater than 0: {name} must be greater than 0");
        Err(SpecError::new(&self.at.field(name), shown(self.required(name)?), rule))
    }

    /// A number of frames, 1 unless it is given.
    pub(super) fn num(&self) -> Result<u64, SpecError> {
        let Some(value) = self.optional("num") else { return Ok(1) };
        let at = self.at.field("num");
        match count(value, &at)? {
            0 => Err(SpecError::new(&at, 0, "is less than 1: num must be at least 1")),
            num => Ok(num),
        }
    }

    pub(super) fn flag(&self, name: &str, default: Flag) -> Result<bool, SpecError> {
        match self.optional(name) {
            Some(value) => flag(value, &self.at.field(name)),
            None => Ok(default == Flag::True),
        }
    }
}

/// What a flag is when it is not given.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Flag {
    True,
    False,
}

/// A finite number.
pub(super) fn number(value: &Value, at: &At) -> Result<f64, SpecError> {
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::Bool(flag) => Some(f64::from(u8::from(*flag))),
        Value::String(text) => digits(text).and_then(|digits| digits.parse().ok()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    };
    match number {
        Some(number) if number.is_finite() => Ok(number),
        Some(_) => Err(SpecError::new(at, shown(value), "is not finite: it must be a number")),
        None => Err(SpecError::new(at, shown(value), "is no number: it must be a number")),
    }
}

/// A whole number from zero to [`MAX_COUNT`].
pub(super) fn count(value: &Value, at: &At) -> Result<u64, SpecError> {
    let refuse = |rule: &str| Err(SpecError::new(at, shown(value), rule));
    let whole = match value {
        Value::Number(number) => match (number.as_i128(), number.as_f64()) {
            (Some(whole), _) => Some(whole),
            (None, Some(number)) if number.fract() != 0.0 => {
                return refuse("has a fractional part: it must be a whole number");
            }
            // What is beyond its numbers goes to their ends.
            (None, number) => number.map(|number| number as i128),
        },
        Value::Bool(flag) => Some(i128::from(*flag)),
        Value::String(text) => digits(text).and_then(|digits| whole_text(&digits)),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    };
    // As whole numbers: as floats, the first that is too large would be the largest allowed.
    match (whole, whole.map(u64::try_from)) {
        (Some(..0), _) => refuse("is less than 0: it must not be negative"),
        (_, Some(Ok(count @ ..=MAX_COUNT))) => Ok(count),
        (Some(_), _) => refuse("is too large: it must be at most 9007199254740992"),
        (None, _) => refuse("is no whole number: it must be one"),
    }
}

fn flag(value: &Value, at: &At) -> Result<bool, SpecError> {
    let known = match value {
        Value::Bool(flag) => Some(*flag),
        Value::Number(number) => match number.as_f64() {
            Some(0.0) => Some(false),
            Some(1.0) => Some(true),
            _ => None,
        },
        Value::String(text) => match text.to_ascii_lowercase().as_str() {
            "0" | "off" | "f" | "false" | "n" | "no" => Some(false),
            "1" | "on" | "t" | "true" | "y" | "yes" => Some(true),
            _ => None,
        },
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    };
    known.ok_or_else(|| SpecError::new(at, shown(value), "is neither true nor false"))
}

/// The text of a number without the blanks around it and the underscores between its digits.
fn digits(text: &str) -> Option<String> {
    let text = text.trim();
    let between = |(index, _): (usize, &str)| {
        let digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
        index > 0 && digit(text.as_bytes().get(index - 1)) && digit(text.as_bytes().get(index + 1))
    };
    text.match_indices('_').all(between).then(|| text.replace('_', ""))
}

/// A whole number in decimal digits, which may be followed by a point and zeros.
fn whole_text(digits: &str) -> Option<i128> {
    let (whole, zeros) = digits.split_once('.').unwrap_or((digits, ""));
    if zeros.bytes().any(|byte| byte != b'0') {
        return None;
    }
    whole.parse().ok()
}

/// How an unknown type is shown.
pub(super) fn named(value: &Value) -> String {
    match value {
        Value::String(text) => short(text),
        other => shown(other),
    }
}

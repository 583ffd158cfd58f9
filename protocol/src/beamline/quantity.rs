//! Numbers with their unit, as people write them: `10 mm/s`, `1.5 ms`, `1 GiB`.
use std::time::Duration;

/// A text that is not the quantity which was expected: the value, and the rule it breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    #[error("{value:?} has no number: expected a number and its unit, such as \"{example}\"")]
    NoNumber { value: String, example: String },
    #[error("{value:?} has no unit: expected {expected}")]
    NoUnit { value: String, expected: String },
    #[error("{value:?} has the wrong unit: expected {expected}")]
    WrongUnit { value: String, expected: String },
    #[error("{value:?} is not finite")]
    NotFinite { value: String },
    #[error("{value:?} is out of range: must be {rule}")]
    OutOfRange { value: String, rule: String },
}

/// Nanoseconds in each unit of time.
const TIME_UNITS: [(&str, f64); 4] = [("us", 1e3), ("ms", 1e6), ("s", 1e9), ("min", 60e9)];
/// Bytes in each unit of storage.
const BYTE_UNITS: [(&str, f64); 4] =
    [("B", 1.0), ("KiB", 1024.0), ("MiB", 1_048_576.0), ("GiB", 1_073_741_824.0)];
/// Longest duration a file may ask for: a year.
const MAX_DURATION_NS: f64 = 365.0 * 86_400e9;
/// Most bytes a file may ask for: the integers that `f64` holds exactly.
const MAX_BYTES: f64 = 9_007_199_254_740_992.0;

/// The number of `value`, which must be followed by exactly `unit`, in that unit.
pub(super) fn in_unit(value: &str, unit: &str) -> Result<f64, QuantityError> {
    let (number, written) = split(value, unit)?;
    let same = written == unit || written == unit.replace("^2", "²");
    if same { Ok(number) } else { Err(wrong_unit(value, unit)) }
}

/// `value` as a duration, zero to a year: `20 us`, `1.5 ms`, `2 s`, `10 min`.
pub(super) fn duration(value: &str) -> Result<Duration, QuantityError> {
    let nanoseconds = scaled(value, &TIME_UNITS, "us, ms, s or min", "s")?;
    if (0.0..=MAX_DURATION_NS).contains(&nanoseconds) {
        Ok(Duration::from_nanos(nanoseconds.round() as u64))
    } else {
        Err(out_of_range(value, "0 s to a year"))
    }
}

/// `value` as a number of bytes: `512 B`, `64 KiB`, `1.5 MiB`, `1 GiB`.
pub(super) fn bytes(value: &str) -> Result<u64, QuantityError> {
    let bytes = scaled(value, &BYTE_UNITS, "B, KiB, MiB or GiB", "GiB")?;
    if (0.0..=MAX_BYTES).contains(&bytes) {
        Ok(bytes.round() as u64)
    } else {
        Err(out_of_range(value, "0 B to 8388608 GiB"))
    }
}

/// A rule about the size of `value` was broken.
pub(super) fn out_of_range(value: &str, rule: impl Into<String>) -> QuantityError {
    QuantityError::OutOfRange { value: value.to_owned(), rule: rule.into() }
}

fn wrong_unit(value: &str, expected: &str) -> QuantityError {
    QuantityError::WrongUnit { value: value.to_owned(), expected: expected.to_owned() }
}

fn scaled(
    value: &str,
    units: &[(&str, f64)],
    expected: &str,
    example: &str,
) -> Result<f64, QuantityError> {
    let (number, written) = split(value, example).map_err(|error| match error {
        QuantityError::NoUnit { value, .. } => {
            QuantityError::NoUnit { value, expected: expected.to_owned() }
        }
        other => other,
    })?;
    let unit = units.iter().find(|(unit, _)| *unit == written);
    unit.map(|(_, scale)| number * scale).ok_or_else(|| wrong_unit(value, expected))
}

/// The finite number at the start of `value`, and the unit after it.
fn split<'v>(value: &'v str, unit: &str) -> Result<(f64, &'v str), QuantityError> {
    let text = value.trim();
    let (number, written) = text.split_once(' ').unwrap_or_else(|| text.split_at(number_end(text)));
    let number: f64 = number.parse().map_err(|_| QuantityError::NoNumber {
        value: value.to_owned(),
        example: format!("10 {unit}"),
    })?;
    if !number.is_finite() {
        return Err(QuantityError::NotFinite { value: value.to_owned() });
    }
    if written.trim().is_empty() {
        return Err(QuantityError::NoUnit { value: value.to_owned(), expected: unit.to_owned() });
    }
    Ok((number, written.trim_start()))
}

/// Where the longest number at the start of `text` ends: `1e3mm` is 1,000 mm, `1eV` is one eV.
fn number_end(text: &str) -> usize {
    let ends = (1..=text.len()).rev().filter(|end| text.is_char_boundary(*end));
    ends.into_iter().find(|end| text[..*end].parse::<f64>().is_ok()).unwrap_or(0)
}

//! What a signal is on the wire, and what comes from there is to a signal.
use super::directory::{COMM, Served, severity_number};
use bluefly_actors::signal::{Alarm, Kind, Metadata, NativeType, Range, Reading, Severity, Value};
use bluefly_protocol::channel_access::{
    ConvertError, Data, Field, Info, Limits, Stamp, alarm_status, choice_index, number_text,
};
use std::sync::Arc;

/// What of a reading is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum View {
    Value,
    /// A text as characters (`NAME$`).
    LongString,
    /// How many elements there are; a text has its characters and a zero.
    Count {
        of_text: bool,
    },
    /// How bad it is.
    Severity,
}

/// Why a value cannot be put.
#[derive(Debug, PartialEq, thiserror::Error)]
pub(super) enum PutError {
    #[error(transparent)]
    Convert(#[from] ConvertError),
    #[error("there is no choice number {0}")]
    NoChoice(f64),
    #[error("there is no value")]
    Empty,
    #[error("the text is not UTF-8")]
    NotText,
}

pub(super) const fn field(native: NativeType) -> Field {
    match native {
        NativeType::String => Field::String,
        NativeType::Short => Field::Short,
        NativeType::Float => Field::Float,
        NativeType::Enum => Field::Enum,
        NativeType::Char => Field::Char,
        NativeType::Long => Field::Long,
        NativeType::Double => Field::Double,
    }
}

/// What clients may ask of the values of `served`.
pub(super) fn info<'a>(served: &'a Served, metadata: &'a Metadata) -> Info<'a> {
    let span = |range: Range| [range.low, range.high];
    // Limits that are not set are zero to displays and writers, and not a number to alarms.
    let set = |range: Range| if range.low.is_nan() { [0.0; 2] } else { span(range) };
    Info {
        units: &metadata.units,
        precision: metadata.precision,
        choices: &metadata.choices,
        limits: Limits {
            display: set(metadata.display),
            control: set(metadata.control),
            alarm: span(metadata.alarm),
            warning: span(metadata.warning),
        },
        record_type: &served.record_type,
    }
}

pub(super) fn stamp(reading: &Reading<Value>) -> Stamp {
    let Alarm { severity, text } = &reading.alarm;
    let status = match severity {
        Severity::None => 0,
        Severity::Minor | Severity::Major | Severity::Invalid => alarm_status(text).max(1),
    };
    let severity = severity_number(*severity);
    Stamp { status, severity, ..Stamp::default() }.at_unix_s(reading.timestamp_s)
}

/// The same reading of a device that cannot be reached any more.
pub(super) fn unreachable_reading(reading: Reading<Value>) -> Reading<Value> {
    Reading { alarm: Alarm { severity: Severity::Invalid, text: COMM.to_owned() }, ..reading }
}

/// A reading as it goes over the wire.
pub(super) fn data(reading: &Reading<Value>, view: View, metadata: &Metadata) -> Data {
    let value = &reading.value;
    match view {
        View::Severity => Data::Enums(vec![severity_number(reading.alarm.severity)]),
        View::Count { of_text } => Data::Longs(vec![match value {
            Value::Floats(elements) => i32::try_from(elements.len()).unwrap_or(i32::MAX),
            Value::Text(text) if of_text => i32::try_from(text.len() + 1).unwrap_or(i32::MAX),
            Value::Text(_) | Value::Bool(_) | Value::Int(_) | Value::Float(_) => 1,
        }]),
        View::LongString | View::Value => match value {
            Value::Text(text) => text_data(text, metadata),
            Value::Floats(elements) => array_data(elements, metadata.native),
            Value::Bool(on) => number_data(f64::from(u8::from(*on)), metadata),
            Value::Int(value) => number_data(*value as f64, metadata),
            Value::Float(value) => number_data(*value, metadata),
        },
    }
}

fn text_data(text: &str, metadata: &Metadata) -> Data {
    match metadata.native {
        NativeType::Enum => {
            let choice = metadata.choices.iter().position(|choice| choice == text);
            // A word that is no choice has no number: clients show one beyond the last.
            let index = choice.unwrap_or(metadata.choices.len());
            Data::Enums(vec![index as u16])
        }
        NativeType::Char => {
            let room = metadata.max_count.saturating_sub(1);
            let text = &text[..text.floor_char_boundary(room)];
            Data::Chars(text.bytes().chain([0]).collect())
        }
        NativeType::String
        | NativeType::Short
        | NativeType::Float
        | NativeType::Long
        | NativeType::Double => Data::Strings(vec![text.to_owned()]),
    }
}

fn number_data(value: f64, metadata: &Metadata) -> Data {
    match metadata.native {
        NativeType::String => {
            let places = metadata.precision.and_then(|places| u16::try_from(places).ok());
            Data::Strings(vec![number_text(value, places.unwrap_or(0))])
        }
        native => array_data(&[value].into(), native),
    }
}

fn array_data(elements: &Arc<[f64]>, native: NativeType) -> Data {
    let numbers = elements.iter().copied();
    match native {
        NativeType::Double => Data::Doubles(elements.clone()),
        NativeType::Float => Data::Floats(numbers.map(|number| number as f32).collect()),
        NativeType::Short => Data::Shorts(numbers.map(|number| number as i16).collect()),
        NativeType::Long => Data::Longs(numbers.map(|number| number as i32).collect()),
        NativeType::Enum => Data::Enums(numbers.map(|number| number as u16).collect()),
        NativeType::Char => Data::Chars(numbers.map(|number| number as u8).collect()),
        NativeType::String => Data::Strings(numbers.map(|number| number_text(number, 6)).collect()),
    }
}

/// What a client puts, as the signal takes it.
pub(super) fn value(data: &Data, served: &Served) -> Result<Value, PutError> {
    let metadata = served.metadata.borrow().clone();
    match served.kind {
        Kind::Bool => {
            let number = match metadata.native {
                NativeType::Enum => choice(data, &metadata.choices)?.into(),
                _ => number(data)?,
            };
            Ok(Value::Bool(number != 0.0))
        }
        Kind::Int => {
            let number = match metadata.native {
                NativeType::Enum => choice(data, &metadata.choices)?.into(),
                NativeType::Short => f64::from(number(data)? as i16),
                NativeType::Long => f64::from(number(data)? as i32),
                NativeType::Char => f64::from(number(data)? as u8),
                NativeType::String | NativeType::Float | NativeType::Double => number(data)?,
            };
            Ok(Value::Int(number as i64))
        }
        Kind::Float => Ok(Value::Float(match metadata.native {
            NativeType::Float => f64::from(number(data)? as f32),
            _ => number(data)?,
        })),
        Kind::Text => text(data, served, &metadata).map(Value::Text),
        Kind::Floats => {
            let numbers = data.numbers()?;
            if numbers.len() <= metadata.max_count {
                return Ok(Value::Floats(numbers));
            }
            Ok(Value::Floats(numbers[..metadata.max_count].into()))
        }
    }
}

fn number(data: &Data) -> Result<f64, PutError> {
    Ok(data.first_number().ok_or(PutError::Empty)??)
}

fn choice(data: &Data, choices: &[String]) -> Result<u16, PutError> {
    if let Data::Strings(texts) = data {
        return Ok(choice_index(texts.first().ok_or(PutError::Empty)?, choices)?);
    }
    let number = number(data)?;
    if number >= 0.0 && number < choices.len() as f64 {
        Ok(number as u16)
    } else {
        Err(PutError::NoChoice(number))
    }
}

fn text(data: &Data, served: &Served, metadata: &Metadata) -> Result<String, PutError> {
    let is_long = served.view == View::LongString;
    match (metadata.native, data) {
        (NativeType::Enum, _) => {
            let index = choice(data, &metadata.choices)?;
            let word = metadata.choices.get(usize::from(index));
            word.cloned().ok_or(PutError::NoChoice(index.into()))
        }
        (NativeType::Char, Data::Strings(texts)) if is_long => {
            texts.first().cloned().ok_or(PutError::Empty)
        }
        // A string put to characters is taken for a number, one character: so do records.
        (NativeType::Char, Data::Strings(_)) => characters(&[number(data)? as u8]),
        (NativeType::Char, Data::Chars(bytes)) => {
            characters(&bytes[..bytes.len().min(metadata.max_count)])
        }
        (NativeType::Char, _) => {
            let numbers = data.numbers()?;
            let bytes = numbers.iter().take(metadata.max_count).map(|number| *number as u8);
            characters(&bytes.collect::<Vec<_>>())
        }
        (_, Data::Strings(texts)) => texts.first().cloned().ok_or(PutError::Empty),
        (_, _) => Ok(number_text(number(data)?, 0)),
    }
}

/// The text before the first zero.
fn characters(bytes: &[u8]) -> Result<String, PutError> {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8(bytes[..end].to_vec()).map_err(|_| PutError::NotText)
}

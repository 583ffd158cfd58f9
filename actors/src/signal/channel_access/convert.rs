//! Which type a signal asks a record for, and values on their way there and back.
use crate::{
    backend::channel_access::{
        Data, Limits, Native, Payload, Properties, Rights, STRING_BYTES, Sample, Shape,
    },
    signal::{
        Access, Alarm, Kind, Metadata, NativeType, Range, Reading, Severity, SignalError, Value,
    },
};
use bluefly_protocol::channel_access::ALARM_STATUS;

/// What is asked of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub native: Native,
    pub shape: Shape,
}

/// Between the beginnings of the times of Unix and of EPICS.
const EPICS_EPOCH_S: f64 = 631_152_000.0;
/// Whole numbers up to this are exact as floating-point numbers.
const MAX_EXACT: i64 = 1 << 53;

/// How values of `kind` are read from such a record.
pub(super) fn plan(signal: &str, kind: Kind, metadata: &Metadata) -> Result<Plan, SignalError> {
    let many = metadata.max_count > 1;
    let native = native(metadata.native);
    let one = Plan { native, shape: Shape::One };
    let plan = match (kind, metadata.native) {
        (Kind::Bool, NativeType::Enum) if !many && metadata.choices.len() <= 2 => Some(one),
        (
            Kind::Bool | Kind::Int | Kind::Float,
            NativeType::Short
            | NativeType::Long
            | NativeType::Char
            | NativeType::Float
            | NativeType::Double,
        )
        | (Kind::Int, NativeType::Enum)
            if !many =>
        {
            Some(one)
        }
        // A server knows the words of an enum better than we do.
        (Kind::Text, NativeType::String | NativeType::Enum) if !many => {
            Some(Plan { native: Native::String, shape: Shape::One })
        }
        (Kind::Text, NativeType::Char) if many => Some(Plan { native, shape: Shape::Bytes }),
        (Kind::Floats, NativeType::String) => None,
        (Kind::Floats, _) => Some(Plan { native, shape: Shape::Numbers }),
        _ => None,
    };
    plan.ok_or_else(|| SignalError::WrongRecord {
        signal: signal.to_owned(),
        expected: kind,
        found: looks(metadata),
    })
}

/// Refuses a record whose value may be longer than libca takes, which would come to silence.
pub(super) fn within_limit(
    signal: &str,
    kind: Kind,
    metadata: &Metadata,
    limit: Option<u64>,
) -> Result<(), SignalError> {
    let bytes = (metadata.max_count as u64).saturating_mul(native(metadata.native).bytes() as u64);
    let Some(limit) = limit.filter(|limit| metadata.max_count > 1 && bytes > *limit) else {
        return Ok(());
    };
    let found = format!("{} ({bytes} bytes, and ca.max_array_bytes is {limit})", looks(metadata));
    Err(SignalError::WrongRecord { signal: signal.to_owned(), expected: kind, found })
}

/// The record in words.
fn looks(metadata: &Metadata) -> String {
    let name = metadata.native.as_str();
    match metadata.max_count {
        0 | 1 if metadata.native == NativeType::Enum => {
            format!("enum with {} choices", metadata.choices.len())
        }
        0 | 1 => name.to_owned(),
        count => format!("{count} {name}"),
    }
}

pub(super) fn reading(
    signal: &str,
    kind: Kind,
    sample: Sample,
) -> Result<Reading<Value>, SignalError> {
    let value = value(kind, sample.data).map_err(|found| SignalError::WrongType {
        signal: signal.to_owned(),
        expected: kind,
        found,
    })?;
    let severity = match sample.alarm_severity {
        0 => Severity::None,
        1 => Severity::Minor,
        2 => Severity::Major,
        _ => Severity::Invalid,
    };
    let text = if severity == Severity::None || sample.alarm_status == 0 {
        String::new()
    } else {
        let word = usize::try_from(sample.alarm_status).ok().and_then(|i| ALARM_STATUS.get(i));
        word.map_or_else(|| format!("status {}", sample.alarm_status), ToString::to_string)
    };
    let since_epoch_s = f64::from(sample.seconds) + f64::from(sample.nanoseconds) * 1e-9;
    let timestamp_s = EPICS_EPOCH_S + since_epoch_s;
    Ok(Reading { value, timestamp_s, alarm: Alarm { severity, text } })
}

/// The value, or what is there instead.
fn value(kind: Kind, data: Data) -> Result<Value, Value> {
    match (kind, data) {
        (Kind::Bool, Data::Number(0.0)) => Ok(Value::Bool(false)),
        (Kind::Bool, Data::Number(1.0)) => Ok(Value::Bool(true)),
        (Kind::Int, Data::Number(number))
            if number.fract() == 0.0 && number.abs() <= MAX_EXACT as f64 =>
        {
            Ok(Value::Int(number as i64))
        }
        (Kind::Float, Data::Number(number)) => Ok(Value::Float(number)),
        (Kind::Text, Data::Text(text)) => Ok(Value::Text(text)),
        (Kind::Floats, Data::Numbers(numbers)) => Ok(Value::Floats(numbers)),
        (_, Data::Number(number)) => Err(Value::Float(number)),
        (_, Data::Text(text)) => Err(Value::Text(text)),
        (_, Data::Numbers(numbers)) => Err(Value::Floats(numbers)),
    }
}

/// `value` as such a record takes it.
pub(super) fn payload(
    signal: &str,
    metadata: &Metadata,
    value: &Value,
) -> Result<Payload, SignalError> {
    match value {
        Value::Bool(yes) => match metadata.native {
            NativeType::Enum => Ok(Payload::Index((*yes).into())),
            _ => number(signal, metadata, value, f64::from(u8::from(*yes))),
        },
        Value::Int(int) if int.unsigned_abs() > MAX_EXACT.unsigned_abs() => {
            Err(refused(signal, value, format!("no whole number beyond {MAX_EXACT} is exact")))
        }
        Value::Int(int) => number(signal, metadata, value, *int as f64),
        Value::Float(float) => number(signal, metadata, value, *float),
        Value::Text(text) => words(signal, metadata, text),
        Value::Floats(floats) if floats.is_empty() => {
            Err(refused(signal, value, "an empty array cannot be put".to_owned()))
        }
        Value::Floats(floats) => {
            fits(signal, floats.len(), metadata.max_count)?;
            Ok(Payload::Doubles(floats.clone()))
        }
    }
}

fn number(
    signal: &str,
    metadata: &Metadata,
    value: &Value,
    number: f64,
) -> Result<Payload, SignalError> {
    let (low, high) = match metadata.native {
        NativeType::Float | NativeType::Double => return Ok(Payload::Double(number)),
        NativeType::Enum => (0.0, f64::from(u16::MAX)),
        // Some are signed and some are not.
        NativeType::Char => (f64::from(i8::MIN), f64::from(u8::MAX)),
        NativeType::Short => (f64::from(i16::MIN), f64::from(i16::MAX)),
        NativeType::Long => (f64::from(i32::MIN), f64::from(i32::MAX)),
        NativeType::String => {
            return Err(refused(signal, value, "a string is no number".to_owned()));
        }
    };
    if number.fract() != 0.0 || !(low..=high).contains(&number) {
        let rule = format!("{} holds whole numbers from {low} to {high}", looks(metadata));
        return Err(refused(signal, value, rule));
    }
    Ok(match metadata.native {
        NativeType::Enum => Payload::Index(number as u16),
        _ => Payload::Long(number as i32),
    })
}

fn words(signal: &str, metadata: &Metadata, text: &str) -> Result<Payload, SignalError> {
    if text.contains('\0') {
        let value = Value::Text(text.to_owned());
        return Err(refused(signal, &value, "a text ends before its first zero".to_owned()));
    }
    match metadata.native {
        NativeType::Enum => {
            let index = metadata.choices.iter().position(|choice| choice == text);
            let index = index.and_then(|index| u16::try_from(index).ok());
            index.map(Payload::Index).ok_or_else(|| SignalError::NoChoice {
                signal: signal.to_owned(),
                value: text.to_owned(),
                choices: metadata.choices.clone(),
            })
        }
        NativeType::Char => {
            // Behind it is a zero.
            fits(signal, text.len(), metadata.max_count.saturating_sub(1))?;
            Ok(Payload::Bytes(text.as_bytes().to_vec()))
        }
        _ => {
            fits(signal, text.len(), STRING_BYTES - 1)?;
            Ok(Payload::Text(text.to_owned()))
        }
    }
}

fn fits(signal: &str, given: usize, holds: usize) -> Result<(), SignalError> {
    if given <= holds {
        return Ok(());
    }
    Err(SignalError::TooLong { signal: signal.to_owned(), given, holds })
}

pub(super) fn refused(signal: &str, value: &Value, reason: String) -> SignalError {
    SignalError::Refused { signal: signal.to_owned(), value: value.clone(), reason }
}

/// What is known of a record before it was asked.
pub(super) fn undescribed(native: Native, max_count: usize, rights: Rights) -> Metadata {
    let native = match native {
        Native::String => NativeType::String,
        Native::Short => NativeType::Short,
        Native::Float => NativeType::Float,
        Native::Enum => NativeType::Enum,
        Native::Char => NativeType::Char,
        Native::Long => NativeType::Long,
        Native::Double => NativeType::Double,
    };
    Metadata { access: access(rights), ..Metadata::array(native, max_count) }
}

pub(super) fn describe(metadata: &mut Metadata, properties: Properties) {
    metadata.units = properties.units;
    metadata.precision = properties.precision;
    metadata.display = range(properties.display);
    metadata.control = range(properties.control);
    metadata.warning = range(properties.warning);
    metadata.alarm = range(properties.alarm);
    metadata.choices = properties.choices;
}

pub(super) const fn access(Rights { read, write }: Rights) -> Access {
    Access { read, write }
}

pub(super) const fn native(native: NativeType) -> Native {
    match native {
        NativeType::String => Native::String,
        NativeType::Short => Native::Short,
        NativeType::Float => Native::Float,
        NativeType::Enum => Native::Enum,
        NativeType::Char => Native::Char,
        NativeType::Long => Native::Long,
        NativeType::Double => Native::Double,
    }
}

const fn range((low, high): Limits) -> Range {
    Range { low, high }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_beyond_the_limit_was_once_silent() {
        let check = |max_count, limit, expected: Option<&str>| {
            let metadata = Metadata::array(NativeType::Double, max_count);
            let told = within_limit("ca://a", Kind::Floats, &metadata, limit);
            assert_eq!(told.err().map(|error| error.to_string()).as_deref(), expected);
        };
        check(2_048, None, None);
        check(2_048, Some(16_384), None);
        let words = "ca://a is a record of 2049 double (16392 bytes, and ca.max_array_bytes is 16384), \
                     which cannot carry the expected float array";
        check(2_049, Some(16_384), Some(words));
    }
}

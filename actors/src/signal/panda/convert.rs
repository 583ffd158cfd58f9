//! Values on their way to a PandA and back.
use super::form::{Form, Shape};
use crate::{
    backend::panda::control::ControlFault,
    clock::Clock,
    signal::{Absence, Alarm, Kind, Reading, SignalError, Value},
};
use bluefly_protocol::panda::{
    control::{Command, ControlError, Refusal, Reply, UnexpectedReply},
    table::{TableMode, TableText},
};

/// The value that `reply` tells, now.
pub(super) fn reading(
    signal: &str,
    form: &Form,
    kind: Kind,
    reply: Reply,
    clock: &Clock,
) -> Result<Reading<Value>, SignalError> {
    let value = match reply {
        Reply::Value(text) => parsed(signal, form, kind, text)?,
        Reply::Lines(lines) => of_lines(signal, form, kind, &lines)?,
        Reply::Error(error) => return Err(unreadable(signal, &error)),
        Reply::Ok => return Err(wrong(signal, kind, Value::Text(String::new()))),
    };
    let timestamp_s = clock.unix_s(clock.now());
    Ok(Reading { value, timestamp_s, alarm: Alarm::default() })
}

fn wrong(signal: &str, expected: Kind, found: Value) -> SignalError {
    SignalError::WrongType { signal: signal.to_owned(), expected, found }
}

/// The value of one line.
pub(super) fn parsed(
    signal: &str,
    form: &Form,
    kind: Kind,
    text: String,
) -> Result<Value, SignalError> {
    let value = match &form.shape {
        Shape::Bool => match text.as_str() {
            "0" => Some(Value::Bool(false)),
            "1" => Some(Value::Bool(true)),
            _ => None,
        },
        Shape::Int { .. } | Shape::Action => match kind {
            Kind::Float => text.parse().ok().map(Value::Float),
            Kind::Bool | Kind::Int | Kind::Text | Kind::Floats => text.parse().ok().map(Value::Int),
        },
        Shape::Float => text.parse().ok().map(Value::Float),
        Shape::Choice(_) | Shape::Text => Some(Value::Text(text.clone())),
        Shape::Lines | Shape::Words(_) => None,
    };
    value.ok_or_else(|| wrong(signal, kind, Value::Text(text)))
}

fn of_lines(signal: &str, form: &Form, kind: Kind, lines: &[String]) -> Result<Value, SignalError> {
    if form.shape == Shape::Lines {
        return Ok(Value::Text(lines.join("\n")));
    }
    let words = lines.iter().map(|line| line.parse::<u32>().map(f64::from));
    match (&form.shape, words.collect::<Result<Vec<_>, _>>()) {
        (Shape::Words(_), Ok(words)) => Ok(Value::Floats(words.into())),
        _ => Err(wrong(signal, kind, Value::Text(lines.first().cloned().unwrap_or_default()))),
    }
}

/// What puts `value` to the field `name`, if it can be taken.
pub(super) fn command(
    signal: &str,
    form: &Form,
    name: &str,
    value: &Value,
) -> Result<Command, SignalError> {
    let refused = |reason: String| SignalError::Refused {
        signal: signal.to_owned(),
        value: value.clone(),
        reason,
    };
    let text = match (&form.shape, value) {
        (Shape::Words(most), Value::Floats(numbers)) => {
            let holds = *most;
            if numbers.len() > holds {
                let (signal, given) = (signal.to_owned(), numbers.len());
                return Err(SignalError::TooLong { signal, given, holds });
            }
            let words = numbers.iter().map(|number| word(*number)).collect::<Option<Vec<_>>>();
            let words =
                words.ok_or_else(|| refused("a word is a whole number of 32 bits".into()))?;
            let table = Command::table(name, TableMode::Fixed, TableText::Base64, &words);
            return table.map_err(|error| refused(error.to_string()));
        }
        (Shape::Bool, Value::Bool(yes)) => u8::from(*yes).to_string(),
        (Shape::Action, Value::Int(_)) => String::new(),
        (Shape::Int { low, high }, Value::Int(number)) => {
            if !(low..=high).contains(&number) {
                return Err(refused(format!("it takes {low} to {high}")));
            }
            number.to_string()
        }
        (Shape::Int { low, high }, Value::Float(number)) => {
            let range = *low as f64..=*high as f64;
            if number.fract() != 0.0 || !range.contains(number) {
                return Err(refused(format!("it takes whole numbers of {low} to {high}")));
            }
            (*number as i64).to_string()
        }
        (Shape::Float, Value::Float(number)) => {
            if !number.is_finite() {
                return Err(refused("it takes finite numbers".to_owned()));
            }
            number.to_string()
        }
        (Shape::Choice(choices), Value::Text(word)) => {
            if !choices.contains(word) {
                let (signal, value) = (signal.to_owned(), word.clone());
                return Err(SignalError::NoChoice { signal, value, choices: choices.clone() });
            }
            word.clone()
        }
        (Shape::Text, Value::Text(text)) => text.clone(),
        (shape, value) => return Err(wrong(signal, shape.kind(), value.clone())),
    };
    Command::assign(name, &text).map_err(|error| refused(error.to_string()))
}

fn word(number: f64) -> Option<u32> {
    let fits = number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number);
    fits.then_some(number as u32)
}

/// What a refusal to tell a value means.
pub(super) fn unreadable(signal: &str, error: &ControlError) -> SignalError {
    let signal = signal.to_owned();
    match error.class {
        Refusal::UnknownName => SignalError::Unknown { signal },
        Refusal::NotSupported => SignalError::NoAccess { signal, operation: "read" },
        Refusal::OutOfRange | Refusal::WrongForm | Refusal::NotNow | Refusal::Other => {
            SignalError::Unreadable { signal, reason: error.text.clone() }
        }
    }
}

/// What became of a put that was not answered with an OK.
pub(super) fn not_put(
    signal: &str,
    value: Value,
    fault: ControlFault,
    absence: Absence,
) -> SignalError {
    let (signal, absence) = (signal.to_owned(), Box::new(absence));
    match fault {
        ControlFault::Lost { .. } => SignalError::Lost { signal, value, absence },
        ControlFault::NotSent { .. } => SignalError::Disconnected { signal, absence },
        ControlFault::Unexpected { source: UnexpectedReply::Refused(error), .. } => {
            match error.class {
                Refusal::UnknownName => SignalError::Unknown { signal },
                Refusal::NotSupported => SignalError::NoAccess { signal, operation: "written" },
                Refusal::OutOfRange | Refusal::WrongForm | Refusal::NotNow | Refusal::Other => {
                    SignalError::Refused { signal, value, reason: error.text }
                }
            }
        }
        other @ (ControlFault::Connect(_)
        | ControlFault::Unexpected { .. }
        | ControlFault::Unreadable { .. }
        | ControlFault::Enquiry(_)
        | ControlFault::Settings(_)
        | ControlFault::Armed
        | ControlFault::StillTaking { .. }) => {
            SignalError::Refused { signal, value, reason: other.to_string() }
        }
    }
}

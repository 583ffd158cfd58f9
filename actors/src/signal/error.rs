//! [`SignalError`]: what can go wrong with one signal.
use super::{Kind, Value};
use bluefly_protocol::{
    fault::{Fault, FaultClass},
    name::Name,
};
use std::{fmt, time::Duration};

/// Why a signal cannot be reached, as far as what carries it knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Absence {
    /// There is no more to say.
    Unknown,
    /// Nobody has ever answered for it, though it was searched for so long.
    NeverFound { searched_for: Duration, searched_at: String },
    /// Its server has it, but has not said yet what must be known before it is used.
    Unready { server: String },
    /// Its server closed the connection.
    Closed { server: String },
    /// Its server said nothing for so long.
    Silent { server: String, after: Duration },
}

/// How addresses of signals begin that an IOC has.
const SERVED: &str = "ca://";

/// A signal could not be got, put or observed. Every variant names the signal by its address.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SignalError {
    /// The link to the device is down. What a put in flight did is unknown.
    #[error("{signal} is disconnected{absence}")]
    Disconnected { signal: String, absence: Box<Absence> },
    /// The link went down while a put was under way: what it did is unknown until the device has been
    /// read again.
    #[error(
        "{signal} was disconnected while {value} was being put: what that did is unknown{absence}"
    )]
    Lost { signal: String, value: Value, absence: Box<Absence> },
    /// The device is reachable but did not answer, or did not finish, in time.
    #[error("{signal} did not answer within {} s", after.as_secs_f64())]
    Timeout { signal: String, after: Duration },
    /// The value did not become what was waited for in time.
    #[error("{signal} is still {last} after {} s", after.as_secs_f64())]
    NotReached { signal: String, last: Value, after: Duration },
    /// No device has such a signal.
    #[error("there is no signal {signal}")]
    Unknown { signal: String },
    /// Nothing here carries signals with such an address.
    #[error("{signal}: no provider of this process carries it")]
    NoProvider { signal: String },
    /// The device has a signal of another type, or a word that is none of the expected choices.
    #[error("{signal} is {found}, which is not the expected {expected}")]
    WrongType { signal: String, expected: Kind, found: Value },
    /// The record behind the signal has a type that cannot carry its values.
    #[error("{signal} is a record of {found}, which cannot carry the expected {expected}")]
    WrongRecord { signal: String, expected: Kind, found: String },
    /// The record is an enum without this choice.
    #[error("{signal} has no choice {value:?}: it has {}", choices.join(", "))]
    NoChoice { signal: String, value: String, choices: Vec<String> },
    /// More elements than the record holds.
    #[error("{signal} holds {holds} elements: {given} do not fit")]
    TooLong { signal: String, given: usize, holds: usize },
    /// We may not read, or not write, the signal.
    #[error("{signal} may not be {operation} by us")]
    NoAccess { signal: String, operation: &'static str },
    /// The device does not take this value.
    #[error("{signal} refused {value}: {reason}")]
    Refused { signal: String, value: Value, reason: String },
    /// The device is reachable but does not give its value.
    #[error("{signal} cannot be read: {reason}")]
    Unreadable { signal: String, reason: String },
    /// The observer fell behind its bound; this many readings are gone.
    #[error("{signal}: {lost} readings came faster than they were taken")]
    Overrun { signal: String, lost: u64 },
}

/// What is told behind the loss: nothing if nothing is known.
impl fmt::Display for Absence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => Ok(()),
            Self::NeverFound { searched_for, searched_at } => {
                let searched_for_s = searched_for.as_secs_f64();
                write!(
                    f,
                    "; it was never found in {searched_for_s:.1} s of searching at {searched_at}"
                )
            }
            Self::Unready { server } => {
                write!(f, "; its server {server} has not said yet what it is")
            }
            Self::Closed { server } => {
                write!(f, "; its server {server} closed the connection (it died, or was stopped)")
            }
            Self::Silent { server, after } => {
                let ms = after.as_millis();
                write!(f, "; its server {server} was silent for {ms} ms (it hangs, or is cut off)")
            }
        }
    }
}

impl Absence {
    /// Whether there was an IOC behind `signal` that is there no more.
    fn was_there(&self, signal: &str) -> bool {
        match self {
            Self::NeverFound { .. } | Self::Unready { .. } => false,
            Self::Unknown | Self::Closed { .. } | Self::Silent { .. } => signal.starts_with(SERVED),
        }
    }
}

impl SignalError {
    /// A loss of which no more is known.
    pub fn disconnected(signal: impl Into<String>) -> Self {
        Self::Disconnected { signal: signal.into(), absence: Box::new(Absence::Unknown) }
    }

    /// The address of the signal.
    pub fn signal(&self) -> &str {
        match self {
            Self::Disconnected { signal, .. }
            | Self::Lost { signal, .. }
            | Self::Timeout { signal, .. }
            | Self::NotReached { signal, .. }
            | Self::Unknown { signal }
            | Self::NoProvider { signal }
            | Self::WrongType { signal, .. }
            | Self::WrongRecord { signal, .. }
            | Self::NoChoice { signal, .. }
            | Self::TooLong { signal, .. }
            | Self::NoAccess { signal, .. }
            | Self::Refused { signal, .. }
            | Self::Unreadable { signal, .. }
            | Self::Overrun { signal, .. } => signal,
        }
    }

    /// What this asks of whoever was working with the device.
    pub const fn class(&self) -> FaultClass {
        match self {
            Self::Disconnected { .. } | Self::Lost { .. } => FaultClass::Disconnected,
            Self::Refused { .. }
            | Self::NoChoice { .. }
            | Self::TooLong { .. }
            | Self::NoAccess { .. } => FaultClass::Rejected,
            Self::Overrun { .. } => FaultClass::Lost,
            Self::Timeout { .. }
            | Self::Unreadable { .. }
            | Self::NotReached { .. }
            | Self::Unknown { .. }
            | Self::NoProvider { .. }
            | Self::WrongType { .. }
            | Self::WrongRecord { .. } => FaultClass::Failed,
        }
    }

    /// The fault of `device`, which was to do `operation` (an infinitive).
    pub fn into_fault(self, device: &Name, operation: impl Into<String>) -> Fault {
        Fault {
            device: device.clone(),
            operation: operation.into(),
            class: self.class(),
            reason: match &self {
                Self::Disconnected { signal, absence } if absence.was_there(signal) => {
                    format!("its IOC went away ({signal}{absence})")
                }
                Self::Lost { signal, value, absence } if absence.was_there(signal) => format!(
                    "its IOC went away ({signal}{absence}) while {value} was being put: what that did is unknown"
                ),
                _ => self.to_string(),
            },
        }
    }
}

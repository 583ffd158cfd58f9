//! [`SignalError`]: what can go wrong with one signal.
use super::{Kind, Value};
use bluefly_protocol::{
    fault::{Fault, FaultClass},
    name::Name,
};
use std::time::Duration;

/// How addresses of signals begin that an IOC has.
const SERVED: &str = "ca://";

/// A signal could not be got, put or observed. Every variant names the signal by its address.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SignalError {
    /// The link to the device is down. What a put in flight did is unknown.
    #[error("{signal} is disconnected")]
    Disconnected { signal: String },
    /// The link went down while a put was under way: what it did is unknown until the device has been
    /// read again.
    #[error("{signal} was disconnected while {value} was being put: what that did is unknown")]
    Lost { signal: String, value: Value },
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
    /// The observer fell behind its bound; this many readings are gone.
    #[error("{signal}: {lost} readings came faster than they were taken")]
    Overrun { signal: String, lost: u64 },
}

impl SignalError {
    /// The address of the signal.
    pub fn signal(&self) -> &str {
        match self {
            Self::Disconnected { signal }
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
                Self::Disconnected { signal } if signal.starts_with(SERVED) => {
                    format!("its IOC went away ({signal})")
                }
                Self::Lost { signal, value } if signal.starts_with(SERVED) => format!(
                    "its IOC went away ({signal}) while {value:?} was being put: what that did is unknown"
                ),
                _ => self.to_string(),
            },
        }
    }
}

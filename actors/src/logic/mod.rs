//! What hardware needs to be told, in plain `async` Rust over records of signals.
//!
//! A logic knows hardware; it knows no actor and no phase. Methods take `&self`. Each future may be
//! dropped at any await: a later `make_safe` brings the device to rest from whatever was left.
pub mod area_detector;
pub mod detector;
pub mod dynamic;
pub mod generator;
mod haste;
pub mod motor;
pub mod panda;
pub mod trajectory;
pub mod triggers;

use crate::signal::{Reading, Severity, SignalError, SignalR, SignalValue};
use bluefly_protocol::{
    fault::{Fault, FaultClass},
    name::Name,
};

/// What a device is being told to do: names the device and the operation in every fault.
#[derive(Clone, Copy, Debug)]
struct Task<'a> {
    device: &'a Name,
    operation: &'a str,
}

impl Task<'_> {
    fn fault(self, class: FaultClass, reason: impl Into<String>) -> Fault {
        Fault {
            device: self.device.clone(),
            operation: self.operation.to_owned(),
            class,
            reason: reason.into(),
        }
    }

    /// The value of a signal that something is decided by.
    async fn number(self, signal: &SignalR<f64>) -> Result<f64, Fault> {
        self.finite(signal, self.done(signal.get().await)?)
    }

    /// A value that a signal told, if it is a number to decide by.
    fn finite(self, signal: &SignalR<f64>, value: f64) -> Result<f64, Fault> {
        if value.is_finite() {
            return Ok(value);
        }
        let reason = format!("{} is {value}, which is no finite number", signal.address());
        Err(self.fault(FaultClass::Failed, reason))
    }

    /// What a signal told, unless nobody knows its value.
    fn known<T: SignalValue>(self, signal: &SignalR<T>, reading: Reading<T>) -> Result<T, Fault> {
        if reading.alarm.severity < Severity::Invalid {
            return Ok(reading.value);
        }
        let (address, alarm) = (signal.address(), reading.alarm.text);
        let reason = format!("the value of {address} is not known: it has alarm {alarm}");
        Err(self.fault(FaultClass::Failed, reason))
    }

    /// Turns the error of a signal into a fault of this task.
    fn done<T>(self, result: Result<T, SignalError>) -> Result<T, Fault> {
        result.map_err(|error| error.into_fault(self.device, self.operation))
    }
}

/// A count as a signal carries it.
fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

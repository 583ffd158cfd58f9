//! [`SignalProvider`]: the seam between signals and what carries them.
use super::{Absence, Backlog, Kind, Metadata, Monitor, Reading, SignalError, Value};
use std::{pin::Pin, rc::Rc};

/// A future that stays on its thread.
pub type LocalFuture<T> = Pin<Box<dyn Future<Output = T>>>;

/// When a put resolves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settle {
    /// Once the device has taken the value (a plain put).
    Accepted,
    /// Once everything that the value set off is complete (a put-callback). It says nothing about
    /// success: compare readbacks.
    Completed,
}

/// What carries signals: Channel Access, a simulation.
pub trait SignalProvider {
    /// Resolves once the device of `address` (`sim://x.VAL`) is reached; it may never.
    /// Fails if the signal cannot carry values of `kind`.
    fn connect(
        &self,
        address: &str,
        kind: Kind,
    ) -> LocalFuture<Result<Rc<dyn Channel>, SignalError>>;

    /// Why the device of `address`, which somebody connects to, is not reached.
    fn absence(&self, _address: &str) -> Absence {
        Absence::Unknown
    }
}

/// One signal, once it was reached. It outlives disconnections.
///
/// Deadlines are the caller's ([`super::SignalR`] has them): these futures may never resolve.
pub trait Channel {
    /// The value now; [`SignalError::Disconnected`] at once while the link is down, or as soon as
    /// it drops.
    fn get(&self) -> LocalFuture<Result<Reading<Value>, SignalError>>;
    /// Resolves as `settle` says. Dropping the future does not take the put back.
    fn put(&self, value: Value, settle: Settle) -> LocalFuture<Result<(), SignalError>>;
    /// The present value and every change of value or link from now on.
    fn observe(&self, backlog: Backlog) -> Monitor;
    /// What its record says of itself; [`SignalError::Disconnected`] at once while the link is down.
    fn metadata(&self) -> LocalFuture<Result<Metadata, SignalError>>;
}

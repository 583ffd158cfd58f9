//! Typed signals: one value of a device that can be got, put or observed.
//!
//! Where the value lives (`sim://x.VAL`, Channel Access) is the business of a [`SignalProvider`].
//! Everything here lives on one thread; futures need not be `Send`.
//!
//! **Invariant:** a value from a lost connection is an error, never a stale number.
mod any;
mod batch;
#[cfg(feature = "ca")]
pub mod channel_access;
mod error;
mod link;
mod metadata;
mod monitor;
pub mod panda;
mod provider;
mod router;
mod soft;
mod typed;
mod value;

pub use any::AnySignal;
pub use batch::{put_all, read_all};
pub use error::{Absence, SignalError};
pub use link::{Batch, Connector, Found, Usage, Wanted};
pub use metadata::{Access, Metadata, NativeType, Range};
pub use monitor::{Backlog, Feed, Monitor, monitor};
pub use provider::{Channel, LocalFuture, Settle, SignalProvider};
pub use router::Router;
pub use soft::SoftSignals;
pub use typed::{Observer, SignalR, SignalRW, SignalW, SignalX};
pub(crate) use value::choices;
pub use value::{Alarm, Kind, Reading, Severity, SignalValue, Value};

//! The control port of a PandA: commands that follow each other without waiting, each with a
//! deadline, and whatever ends the connection told to all who wait.
mod client;
mod connection;
mod dial;
mod fault;
mod introspect;
mod limits;
mod outgoing;
mod settings;

pub use client::Control;
pub use dial::{Dial, Dialed, TcpDial, Wire};
pub use fault::{ControlFault, Loss};
pub use limits::{Limits, MAX_QUEUED, MAX_UNDER_WAY, Watch};
pub use settings::Loaded;

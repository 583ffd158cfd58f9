//! A PandA over its two sockets: commands and replies, and rows into files.
pub mod capture;
pub mod control;
mod socket;

pub use bluefly_protocol::panda::Address;
pub use control::{Control, ControlFault};
pub use socket::{SocketFault, connect_data};

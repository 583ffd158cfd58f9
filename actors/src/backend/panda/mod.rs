//! A PandA over its two sockets: commands and replies, and rows into files.
pub mod capture;
pub mod control;
mod socket;

pub use control::{Control, ControlFault};
pub use socket::{Address, SocketFault, connect_data};

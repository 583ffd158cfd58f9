//! A simulated PandA box.
mod attribute;
mod base64;
mod capture;
mod catalogue;
mod changes;
mod control;
mod experiment;
mod fault;
mod field;
pub mod fpga;
mod hardware;
mod header;
mod layout;
mod lut;
mod metadata;
mod name;
mod number;
mod options;
mod panel;
mod reader;
mod server;
mod slot;
mod system;
mod table;
mod time;

pub use hardware::{
    Bits, CaptureEvent, EndReason, Hardware, More, NoRoom, ONE_BIT, Positions, Register, ZERO_BIT,
    ZERO_POSITION,
};
pub use server::{ConnectionId, Server};
pub use time::TICKS_PER_SECOND;

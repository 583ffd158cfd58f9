//! Channel Access on the wire: bytes in, messages and values out. No sockets, no clock.
//!
//! Written from the *Channel Access Protocol Specification* (docs.epics-controls.org) and from what
//! the server of EPICS base does where that is silent (`modules/database/src/ioc/rsrv/camessage.c`,
//! `modules/ca/src/client/caProto.h`, `db_access.h`, `caerr.h` and `cvtFast.c` of EPICS 7.0).
//!
//! **Invariant:** no bytes whatever make this panic, and nothing is allocated for what a header
//! promises: memory grows with the bytes that came.
mod alarm;
mod convert;
mod data;
mod dbr;
mod decoder;
mod header;
mod reply;
mod request;
mod snapshot;

pub use alarm::{ALARM_STATUS, alarm_status};
pub use convert::{ConvertError, choice_index, number_text, parse_number};
pub use data::{Data, DataError};
pub use dbr::{Class, Dbr, Field};
pub use decoder::{DecodeError, Decoder};
pub use header::{Header, command};
pub use reply::Reply;
pub use request::{Access, Request};
pub use snapshot::{Info, Limits, Recipient, Snapshot, Span, Stamp};

/// The minor version of the protocol that is spoken here: 4.13.
pub const MINOR_VERSION: u16 = 13;
/// UDP port where servers are looked for, unless told otherwise.
pub const SERVER_PORT: u16 = 5064;
/// UDP port of the repeater, which tells the clients of a machine about beacons.
pub const REPEATER_PORT: u16 = 5065;
/// Longest name of a channel that is taken for one.
pub const MAX_NAME_BYTES: usize = 500;
/// Bytes of a string, with the zero at its end.
pub const STRING_BYTES: usize = 40;
/// Most choices of an enum on the wire.
pub const MAX_CHOICES: usize = 16;
/// Bytes of a choice of an enum, with the zero at its end.
pub const CHOICE_BYTES: usize = 26;
/// Bytes of an engineering unit, with the zero at its end if there is room.
pub const UNITS_BYTES: usize = 8;

/// What happened to a request (`caerr.h`).
pub mod status {
    pub const NORMAL: u32 = 1;
    pub const ALLOCATION: u32 = 48;
    pub const TOO_LARGE: u32 = 72;
    pub const TIMEOUT: u32 = 80;
    pub const BAD_TYPE: u32 = 114;
    pub const INTERNAL: u32 = 142;
    pub const GET_FAILED: u32 = 152;
    pub const PUT_FAILED: u32 = 160;
    pub const BAD_COUNT: u32 = 176;
    pub const BAD_SUBSCRIPTION: u32 = 242;
    pub const PUT_IN_PROGRESS: u32 = 362;
    pub const NO_READ_ACCESS: u32 = 368;
    pub const NO_WRITE_ACCESS: u32 = 376;
    pub const BAD_CHANNEL: u32 = 410;
}

/// What a subscription asks to be told of.
pub mod mask {
    pub const VALUE: u16 = 1;
    pub const LOG: u16 = 2;
    pub const ALARM: u16 = 4;
    pub const PROPERTY: u16 = 8;
}

//! A PandA on the wire: bytes in, values out. No sockets, no clock.
//!
//! [`control`] is what is said on the control port, [`describe`] what its replies tell of blocks and
//! fields, [`table`] what is written to sequencers. [`data`] is the data port: what is asked for,
//! and the stream of headers, rows and endings; [`scaling`] makes columns of rows.
//!
//! Written from the documentation of PandABlocks-server and from what its version 4.1 answered.
//! Where they differ, the recording is right.
//!
//! **Invariant:** no bytes whatever make this panic, and memory grows with the bytes that came, up
//! to bounds that are stated where they are checked.
mod address;
mod capture;
pub mod control;
pub mod data;
pub mod describe;
mod end;
mod number;
pub mod reliance;
pub mod scaling;
pub mod settings;
pub mod silence;
pub mod table;
pub mod wiring;

pub use address::Address;
pub use capture::Capture;
pub use end::EndReason;
pub use number::is_same_number;

/// TCP port of the control port, unless told otherwise.
pub const CONTROL_PORT: u16 = 8888;
/// TCP port of the data port, unless told otherwise.
pub const DATA_PORT: u16 = 8889;

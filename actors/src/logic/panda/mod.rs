//! What a PandA is told, over the connection of its [`PandaSeat`](crate::signal::panda::PandaSeat):
//! as a device of a scan, and to be wired as it is to be.
pub mod capture;
pub mod triggers;
pub mod wired;
pub mod wiring;

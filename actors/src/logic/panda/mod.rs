//! What a PandA is told as a device of a scan, over the connection of its
//! [`PandaSeat`](crate::signal::panda::PandaSeat).
pub mod capture;
pub mod triggers;

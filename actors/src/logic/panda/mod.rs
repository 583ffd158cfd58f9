//! What a PandA is told as a device of a scan.
pub mod triggers;

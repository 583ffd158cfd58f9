//! `ADAndor`, the driver of the SDK 2 cameras.
//!
//! Its words are those of the documentation of the driver; no camera was at hand to try them.
use bluefly_protocol::beamline::Trigger;

pub(super) const CHOICES: &[&str] =
    &["Internal", "External", "External Start", "External Exposure", "External FVB", "Software"];

/// "External Start" waits for one edge and then goes on by itself: nothing here asks for that.
pub(super) const fn trigger_word(trigger: Trigger) -> &'static str {
    match trigger {
        Trigger::Internal => "Internal",
        Trigger::Edge => "External",
        Trigger::Gate => "External Exposure",
        Trigger::Software => "Software",
    }
}

//! `ADSimDetector`.
use bluefly_protocol::beamline::Trigger;

pub(super) const CHOICES: &[&str] = &["Internal", "External"];

pub(super) const fn trigger_word(trigger: Trigger) -> Option<&'static str> {
    match trigger {
        Trigger::Internal => Some("Internal"),
        Trigger::Edge => Some("External"),
        Trigger::Gate | Trigger::Software => None,
    }
}

//! Any other driver: the beamline file has its words.
use bluefly_protocol::beamline::{Trigger, TriggerWords};

pub(super) fn choices(words: &TriggerWords) -> Vec<&str> {
    let external = words.edge.iter().chain(&words.gate);
    [&words.internal].into_iter().chain(external).map(String::as_str).collect()
}

pub(super) fn trigger_word(words: &TriggerWords, trigger: Trigger) -> Option<&str> {
    match trigger {
        Trigger::Internal => Some(&words.internal),
        Trigger::Edge => words.edge.as_deref(),
        Trigger::Gate => words.gate.as_deref(),
        Trigger::Software => None,
    }
}

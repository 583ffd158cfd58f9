//! [`Run`]: a run that was asked for, from its submission to its end.
use crate::scan::Spec;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Whether `text` can be the uid of a run: a UUID of lower case hex digits with dashes.
pub fn is_uuid(text: &str) -> bool {
    let lengths = text.split('-').map(str::len);
    let is_digit = |c: char| c == '-' || c.is_ascii_digit() || ('a'..='f').contains(&c);
    lengths.eq([8, 4, 4, 4, 12]) && text.chars().all(is_digit)
}

/// How far a run has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Waiting for its turn.
    Queued,
    Running,
    /// All frames are taken, or it was stopped and keeps what it has.
    Done,
    /// Ended early by somebody; what was taken is kept.
    Aborted,
    Failed,
    /// Taken out of the queue before its turn.
    Cancelled,
}

/// Who takes a run through its steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunSource {
    /// It was submitted as a whole.
    Queue,
    /// A client that asks for one step after the other.
    Client,
}

/// A run, flown or to be flown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Run {
    /// Also that of its start document.
    pub uid: String,
    pub state: RunState,
    /// Runs before it in the queue; none unless it is queued.
    pub place: Option<u64>,
    /// Unix time.
    pub submitted_s: f64,
    pub started_s: Option<f64>,
    pub ended_s: Option<f64>,
    /// Frames that were documented, once it has ended.
    pub num_frames: Option<u64>,
    /// Why it ended, unless it is done.
    #[serde(default)]
    pub reason: String,
    /// None if a client prepared it step by step.
    #[schema(value_type = Option<Object>)]
    pub spec: Option<Spec>,
    /// Further fields of its start document.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub metadata: BTreeMap<String, Value>,
    pub source: RunSource,
}

/// Whether queued runs are begun when their turn comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Gate {
    #[default]
    Open,
    Held,
}

/// The queue as such.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Queue {
    pub state: Gate,
    /// Why it is held.
    #[serde(default)]
    pub reason: String,
}

/// Runs: the one in the air, then those that wait in the order of their turns, then those that have
/// ended, the latest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RunList {
    pub queue: Queue,
    pub runs: Vec<Run>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uid_is_a_uuid() {
        let check = |text: &str, expected| assert_eq!(is_uuid(text), expected, "{text:?}");
        check("01234567-89ab-cdef-0123-456789abcdef", true);
        check("01234567-89AB-cdef-0123-456789abcdef", false);
        check("0123456789abcdef0123456789abcdef", false);
        check("01234567-89ab-cdef-0123-456789abcdeg", false);
        check("01234567-89ab-cdef-0123-456789abcdef-", false);
        check("../../..-89ab-cdef-0123-456789abcdef", false);
        check("", false);
    }
}

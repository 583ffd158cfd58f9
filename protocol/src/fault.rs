//! What can go wrong, in three types which are never mixed: [`Refused`] (asked in the wrong phase),
//! [`Fault`] (a device failed), and the messaging errors of the supervisor.
use crate::name::Name;
use serde::{Deserialize, Serialize};

/// What a fault asks of whoever sees it. The class alone decides; nobody matches on text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultClass {
    /// The device will not do what was asked: tell the caller.
    Rejected,
    /// The device cannot be reached: wait, then go on.
    Disconnected,
    /// The device failed: stop the scan and undo.
    Failed,
    /// Data has a hole: go back to the last complete frame, or stop.
    Lost,
}

/// A device failed: which one, while doing what, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{device}: cannot {operation}: {reason}")]
pub struct Fault {
    pub device: Name,
    /// What was being done, as an infinitive: `arm`, `move to 3.2 mm`.
    pub operation: String,
    pub class: FaultClass,
    /// The cause in words, with values and the rule they break. If it is about a place in a
    /// specification it begins with that, which begins with `$`, a colon and a space.
    pub reason: String,
}

impl Fault {
    /// The place in the specification that the reason is about, if it is about one, and the rest of
    /// the reason.
    pub fn place(&self) -> Option<(&str, &str)> {
        self.reason.starts_with('$').then(|| self.reason.split_once(": "))?
    }
}

/// A request came in a phase that does not allow it. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{device}: cannot {request} while {phase}")]
pub struct Refused {
    pub device: Name,
    pub request: String,
    pub phase: String,
}

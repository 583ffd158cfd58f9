//! [`Exit`]: how an incarnation ended.
use serde::{Deserialize, Serialize};
use std::fmt;

/// How one incarnation of an actor, or a supervisor, ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// It stopped of its own accord.
    Normal,
    /// Its supervisor asked it to stop.
    Shutdown,
    /// It gave up, with its reason ([`Lifeline::fail`](super::Lifeline::fail)).
    Failed(String),
    /// It panicked: message and place.
    Panicked(String),
    /// Its supervisor took it down.
    Killed(Kill),
    /// A supervisor ran out of restarts: which child, and how that ended last.
    Escalated(String),
}

/// Why a supervisor took an actor down. No `stopping()` or `stopped()` ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kill {
    /// It was not ready within its `start_within`.
    NotReady,
    /// It did not answer its health probe in time.
    Unresponsive,
    /// It did not stop within its shutdown timeout.
    ShutdownTimeout,
    /// Its own supervisor was taken down.
    Orphaned,
    /// Its task or thread was dropped from outside: the runtime is going down.
    Lost,
}

impl Exit {
    /// Whether a [`Transient`](super::Restart::Transient) child is restarted after it.
    pub fn is_abnormal(&self) -> bool {
        match self {
            Self::Normal | Self::Shutdown => false,
            Self::Failed(_) | Self::Panicked(_) | Self::Killed(_) | Self::Escalated(_) => true,
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Normal => write!(f, "ended"),
            Self::Shutdown => write!(f, "shut down"),
            Self::Failed(why) => write!(f, "failed: {why}"),
            Self::Panicked(what) => write!(f, "panicked: {what}"),
            Self::Killed(why) => write!(f, "killed: {why}"),
            Self::Escalated(why) => write!(f, "out of restarts: {why}"),
        }
    }
}

impl fmt::Display for Kill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotReady => "was not ready in time",
            Self::Unresponsive => "did not answer its health probe",
            Self::ShutdownTimeout => "did not stop in time",
            Self::Orphaned => "its supervisor was taken down",
            Self::Lost => "its task was dropped",
        })
    }
}

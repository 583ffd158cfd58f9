//! [`CaptureError`]: why a capture ended before its end.
use crate::storage::StorageError;
use bluefly_protocol::panda::{data::DataError, scaling::ScalingError};
use std::{error::Error as _, io, time::Duration};

/// Why a capture ended. Rows that were handed over before it are kept.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// What came is not what a PandA sends, or it was cut off.
    #[error("data port: {}", with_cause(.0))]
    Data(#[source] DataError),
    #[error("{peer}: cannot connect: {source}")]
    Connect {
        peer: String,
        #[source]
        source: io::Error,
    },
    #[error("data port: these rows cannot be made columns: {0}")]
    Scaling(#[from] ScalingError),
    /// An arm captures something else than those before it in the file.
    #[error("arm {arm} captures something else than the file holds: {difference}")]
    OtherColumns { arm: u64, difference: String },
    /// Rows of an arm that somebody else asked for have no place in the file.
    #[error("arm {arm} was asked for by somebody else: its rows are no frames")]
    Unexpected { arm: u64 },
    #[error("data port: cannot read: {0}")]
    Socket(#[source] io::Error),
    /// Something began to come and did not go on.
    #[error("data port: {what} did not go on for {} s", silent.as_secs_f64())]
    Silent { what: &'static str, silent: Duration },
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The disk takes nothing.
    #[error("no room in the queue to the disk for {} s: {error}", waited.as_secs_f64())]
    DiskHangs { waited: Duration, error: StorageError },
    /// The ends of so many arms wait to be taken.
    #[error("{0} arms have ended, and nobody took what became of them")]
    Unheard(usize),
    #[error("the thread of the capture could not be started: {0}")]
    Thread(#[source] io::Error),
    /// A bug.
    #[error("the thread of the capture ended with a panic")]
    Panicked,
}

/// An error and what was wrong: whoever is told of the capture is told no more.
fn with_cause(error: &DataError) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

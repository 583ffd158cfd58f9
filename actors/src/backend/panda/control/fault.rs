//! [`ControlFault`]: why a command was not carried out; [`Loss`]: what ended a connection.
use super::super::socket::SocketFault;
use bluefly_protocol::panda::{
    control::{ReplyError, UnexpectedReply},
    describe::{DescribeError, EnquiryError},
    settings::SettingsError,
};
use std::{io, time::Duration};

/// Why a command was not carried out, or is not known to be.
#[derive(Debug, thiserror::Error)]
pub enum ControlFault {
    #[error(transparent)]
    Connect(#[from] SocketFault),
    /// Some of it was sent: what it did is unknown.
    #[error("control port: {command}: {loss}")]
    Lost {
        command: String,
        #[source]
        loss: Loss,
    },
    /// The connection ended before any of it was sent: it did nothing.
    #[error("control port: {command} was not sent: {loss}")]
    NotSent {
        command: String,
        #[source]
        loss: Loss,
    },
    #[error("control port: {command}: {source}")]
    Unexpected {
        command: String,
        #[source]
        source: UnexpectedReply,
    },
    #[error("control port: {command}: {source}")]
    Unreadable {
        command: String,
        #[source]
        source: DescribeError,
    },
    /// It does not tell what it has.
    #[error("control port: {0}")]
    Enquiry(#[from] EnquiryError),
    /// Its settings cannot be had, or not be put.
    #[error("control port: {0}")]
    Settings(#[from] SettingsError),
    #[error("cannot arm: a capture is under way already")]
    Armed,
    #[error("cannot arm for {} s, as others have not taken the last capture to its end: {last}", waited.as_secs_f64())]
    StillTaking { waited: Duration, last: UnexpectedReply },
}

/// What ended a connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Loss {
    /// The reply that was due first did not come in time.
    #[error("no reply within {} s", within.as_secs_f64())]
    Silent { within: Duration },
    #[error("the connection was closed")]
    Closed,
    #[error("{text}")]
    Socket { kind: io::ErrorKind, text: String },
    #[error(transparent)]
    Malformed(#[from] ReplyError),
    #[error("something came that nobody had asked for")]
    Unasked,
    /// Its owner ended it.
    #[error("the connection was given up")]
    GivenUp,
}

impl From<io::Error> for Loss {
    fn from(error: io::Error) -> Self {
        Self::Socket { kind: error.kind(), text: error.to_string() }
    }
}

//! [`ClientError`]: why there is no answer.
use bluefly_protocol::api::ApiError;
use std::time::Duration;

/// Why there is no answer, or none that helps. Texts follow the URL of the server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ClientError {
    /// What was given to reach the server with is wrong: which argument, and why.
    #[error("{rule}")]
    Setting { argument: &'static str, rule: String },
    #[error("no server answers there: {cause}")]
    NoServer { cause: String },
    #[error("no answer to {request} within {} s", after.as_secs_f64())]
    Timeout { request: String, after: Duration },
    #[error("the answer to {request} was cut off: {cause}")]
    Cut { request: String, cause: String },
    /// The server said so, without a reason.
    #[error("{request} is not answered now: {cause}")]
    Busy { request: String, cause: String },
    /// Whatever answered is no bluefly, or another version of it.
    #[error("the answer to {request} cannot be read: {cause}")]
    Foreign { request: String, cause: String },
    /// The server said so itself.
    #[error(transparent)]
    Refused(ApiError),
}

impl ClientError {
    /// Whether to try once more may help: the way to the server broke, or it is not up yet.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::NoServer { .. } | Self::Timeout { .. } | Self::Cut { .. } | Self::Busy { .. } => {
                true
            }
            Self::Setting { .. } | Self::Foreign { .. } => false,
            Self::Refused(error) => may_pass(error.code.http_status()),
        }
    }
}

/// Whether an answer of `http_status` is one of now: too many requests, or unavailable.
pub(super) const fn may_pass(http_status: u16) -> bool {
    matches!(http_status, 429 | 503)
}

//! [`Limits`]: how long a control connection waits, and for how much.
use std::time::Duration;

/// How long a control connection waits for the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Each reply is there within so long, unless the command is given another deadline.
    pub reply_within: Duration,
    /// How a silent end is noticed while nothing is asked of it; `None`: not before something is.
    pub watch: Option<Watch>,
}

/// A cheap question, asked of an end that was not asked anything for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watch {
    pub after: Duration,
    pub within: Duration,
}

impl Watch {
    /// An end without power is noticed after 90 ms.
    pub const PROMPT: Self =
        Self { after: Duration::from_millis(30), within: Duration::from_millis(60) };
}

/// Commands that wait to be sent; whoever asks beyond waits for a place.
pub const MAX_QUEUED: usize = 64;
/// Commands that were sent and are not answered.
pub const MAX_UNDER_WAY: usize = 256;

//! What came of a step, for those who wait for it.
use crate::status::{Ended, OperationPhase, Status};

/// When a request counts as done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Until {
    Ended,
    /// Or paused.
    Paused,
}

/// Resolves with how the operation ended, or with `None` once it is as far as was asked.
pub(super) async fn settled<P: Clone, T: Clone>(
    mut status: Status<P, T>,
    until: Until,
) -> Option<Ended<T>> {
    loop {
        if let Some(end) = status.ended() {
            return Some(end);
        }
        let is_paused = status.report().phase == OperationPhase::Paused;
        if until == Until::Paused && is_paused {
            return None;
        }
        status.changed().await;
    }
}

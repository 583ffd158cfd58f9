//! [`Front`]: what every route has at hand.
use super::{
    buckets::Buckets, config::HttpConfig, counters::Tally, stopwatch::Stopwatch, visits::Visits,
};
use crate::{clock::Clock, front::Desk};
use actix_web::web::Data;
use bluefly_protocol::api::{ApiError, ErrorCode, Reply, Request};
use tokio_util::sync::CancellationToken;

/// What every route has at hand, on every worker.
pub(super) struct Front {
    pub(super) desk: Desk,
    pub(super) clock: Clock,
    pub(super) config: HttpConfig,
    pub(super) buckets: Buckets,
    pub(super) visits: Visits,
    pub(super) tally: Tally,
    pub(super) stopwatch: Stopwatch,
    /// Cancelled when the server is to stop: who waits waits no longer.
    pub(super) stop: CancellationToken,
}

pub(super) type Shared = Data<Front>;

impl Front {
    /// The one way to the desk.
    pub(super) async fn dispatch(&self, request: Request) -> Result<Reply, ApiError> {
        tokio::select! { biased;
            reply = self.desk.dispatch(request) => reply,
            () = self.stop.cancelled() => Err(stopping()),
        }
    }
}

/// The answer to whoever waits while the server stops.
pub(super) fn stopping() -> ApiError {
    ApiError::new(ErrorCode::Unavailable, "http_server", "is being stopped")
}

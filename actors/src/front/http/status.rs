//! Where everything stands, and what the data of a run look like.
use super::{
    front::Shared,
    query::{AssetQuery, NoQuery, Query, StatusQuery},
    reply::{Answer, Failure, found, json},
};
use actix_web::HttpResponse;
use bluefly_protocol::api::{
    AssetRange, Assets, Description, ErrorBody, ErrorCode, Reply, Request, Status, Wait,
};
use std::time::Duration;

/// How long a change is waited for, unless it is said.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Where the process and its run stand: at once, or when that has changed.
#[utoipa::path(get, path = "/api/v1/status", tag = "status", params(StatusQuery),
    responses((status = 200, body = Status), (status = "default", body = ErrorBody)))]
pub(super) async fn status(front: Shared, query: Query<StatusQuery>) -> Answer {
    let StatusQuery { since, timeout } = query.0;
    let wait = Wait::at_most(timeout.unwrap_or(TIMEOUT));
    tokio::select! { biased;
        reply = front.desk.dispatch(Request::Status { since, wait }) => found(reply),
        () = front.stop.cancelled() => found(Ok(Reply::Status(Box::new(front.desk.status())))),
    }
}

/// What the rows of the prepared scan consist of.
#[utoipa::path(get, path = "/api/v1/describe", tag = "status",
    responses((status = 200, body = Description), (status = "default", body = ErrorBody)))]
pub(super) async fn describe(front: Shared, _: Query<NoQuery>) -> Answer {
    found(front.dispatch(Request::Describe).await)
}

/// Rows of the run that is open, or else of the last one: where in files they are, and the numbers
/// that are in none.
#[utoipa::path(get, path = "/api/v1/assets", tag = "status", params(AssetQuery),
    responses((status = 200, body = Assets), (status = "default", body = ErrorBody)))]
pub(super) async fn assets(front: Shared, query: Query<AssetQuery>) -> Answer {
    let AssetQuery { start, stop } = query.0;
    if let Some(stop) = stop.filter(|stop| *stop < start) {
        let message = format!("stop {stop} is before start {start}");
        return Err(Failure::new(ErrorCode::BadRequest, "query", message));
    }
    found(front.dispatch(Request::Assets(AssetRange { start, stop })).await)
}

/// The tree of actors: what runs, how often it was restarted and why.
#[utoipa::path(get, path = "/api/v1/tree", tag = "status",
    responses((status = 200, body = Object), (status = "default", body = ErrorBody)))]
pub(super) async fn tree(front: Shared, _: Query<NoQuery>) -> Answer {
    Ok(json(&mut HttpResponse::Ok(), &front.desk.running()?))
}

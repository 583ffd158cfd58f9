//! Runs that are submitted as a whole, and their queue.
use super::{
    body::{Json, Nothing, Raw},
    front::Shared,
    query::{NoQuery, Query, RunsQuery},
    reply::{Answer, found, json},
};
use actix_web::{HttpResponse, http::header::LOCATION, web::Path};
use bluefly_protocol::api::{
    ErrorBody, FlightBody, HoldBody, MoveBody, Queue, Reply, Request, Run, RunList,
};

/// Runs told of, unless it is said.
const LIMIT: usize = 100;

/// Submit a run: it is flown when its turn comes.
#[utoipa::path(post, path = "/api/v1/runs", tag = "runs",
    request_body(content = Object,
        description = "The specification, or an object of `spec`, `metadata` and `uid`; what is \
            submitted again under the same uid is answered with the same run",
        example = json!({
            "spec": {"type": "Fly", "spec": {"type": "ConstantDuration", "constant_duration": 0.01,
                "spec": {"type": "Linspace", "axis": "x", "start": 0.0, "stop": 1.0, "num": 5}}},
            "metadata": {"sample": "a1"}
        })),
    responses((status = 202, body = Run, headers(("location", description = "Of the run")),
        links(
            ("run" = (operation_id = "run", parameters(("uid" = "$response.body#/uid")))),
            ("cancel" = (operation_id = "cancel", parameters(("uid" = "$response.body#/uid")))),
            ("move" = (operation_id = "move_run", parameters(("uid" = "$response.body#/uid")))),
            ("documents" = (operation_id = "documents", parameters(("uid" = "$response.body#/uid")))))),
        (status = "default", body = ErrorBody)))]
pub(super) async fn submit(front: Shared, _: Query<NoQuery>, body: Raw) -> Answer {
    let body = FlightBody::from_value(&body.0)?;
    let reply = front.dispatch(Request::Submit(body)).await?;
    let mut response = HttpResponse::Accepted();
    if let Reply::Run(run) = &reply {
        response.insert_header((LOCATION, format!("/api/v1/runs/{}", run.uid)));
    }
    Ok(json(&mut response, &reply))
}

/// The run in the air, those that wait in order, and those that have ended, the latest first.
#[utoipa::path(get, path = "/api/v1/runs", tag = "runs", params(RunsQuery),
    responses((status = 200, body = RunList), (status = "default", body = ErrorBody)))]
pub(super) async fn runs(front: Shared, query: Query<RunsQuery>) -> Answer {
    let RunsQuery { state, limit } = query.0;
    found(front.dispatch(Request::Runs { state, limit: limit.unwrap_or(LIMIT) }).await)
}

/// One run.
#[utoipa::path(get, path = "/api/v1/runs/{uid}", tag = "runs",
    params(("uid" = String, Path, description = "Of the run")),
    responses((status = 200, body = Run), (status = "default", body = ErrorBody)))]
pub(super) async fn run(front: Shared, uid: Path<String>, _: Query<NoQuery>) -> Answer {
    found(front.dispatch(Request::Run(uid.into_inner())).await)
}

/// Take a run out of the queue.
#[utoipa::path(delete, path = "/api/v1/runs/{uid}", tag = "runs",
    params(("uid" = String, Path, description = "Of the run")),
    responses((status = 200, body = Run), (status = "default", body = ErrorBody)))]
pub(super) async fn cancel(
    front: Shared,
    uid: Path<String>,
    _: Query<NoQuery>,
    _: Json<Nothing>,
) -> Answer {
    found(front.dispatch(Request::Cancel(uid.into_inner())).await)
}

/// Move a run within the queue.
#[utoipa::path(post, operation_id = "move_run", path = "/api/v1/runs/{uid}/move", tag = "runs",
    params(("uid" = String, Path, description = "Of the run")), request_body = MoveBody,
    responses((status = 200, body = Run), (status = "default", body = ErrorBody)))]
pub(super) async fn move_to(
    front: Shared,
    uid: Path<String>,
    _: Query<NoQuery>,
    body: Json<MoveBody>,
) -> Answer {
    found(front.dispatch(Request::Move(uid.into_inner(), body.0)).await)
}

/// Begin no further run.
#[utoipa::path(post, path = "/api/v1/queue/hold", tag = "runs",
    request_body(content = Option<HoldBody>, description = "May be empty"),
    responses((status = 200, body = Queue), (status = "default", body = ErrorBody)))]
pub(super) async fn hold(front: Shared, _: Query<NoQuery>, body: Json<HoldBody>) -> Answer {
    found(front.dispatch(Request::Hold(body.0)).await)
}

/// Begin runs again when their turn comes.
#[utoipa::path(post, path = "/api/v1/queue/release", tag = "runs",
    responses((status = 200, body = Queue), (status = "default", body = ErrorBody)))]
pub(super) async fn release(front: Shared, _: Query<NoQuery>, _: Json<Nothing>) -> Answer {
    found(front.dispatch(Request::Release).await)
}

//! The steps of a run. All are idempotent.
use super::{
    body::{Json, Nothing, Raw},
    front::Shared,
    query::{AbortQuery, Query, StepQuery},
    reply::{Answer, accepted},
};
use bluefly_protocol::api::{
    AbortBody, ErrorBody, Request, ResumeBody, SpecBody, StageBody, Status, Terms, Wait,
};
use std::time::Duration;

/// Long enough to refuse a specification that cannot be flown.
const PREPARE: Duration = Duration::from_secs(5);

async fn step(front: &Shared, request: Request) -> Answer {
    accepted(front.dispatch(request).await)
}

/// Make everything safe; the next kickoff begins a run.
#[utoipa::path(post, path = "/api/v1/stage", tag = "steps", params(StepQuery),
    request_body(content = Option<StageBody>, description = "May be empty"),
    responses((status = 202, body = Status), (status = "default", body = ErrorBody)))]
pub(super) async fn stage(front: Shared, query: Query<StepQuery>, body: Json<StageBody>) -> Answer {
    step(&front, Request::Stage(body.0, query.0.or_none())).await
}

/// Plan a scan.
#[utoipa::path(post, path = "/api/v1/prepare", tag = "steps", params(StepQuery),
    request_body(content = Object,
        description = "The specification, or an object whose `spec` is one",
        example = json!({"type": "Fly", "spec": {"type": "ConstantDuration",
            "constant_duration": 0.01,
            "spec": {"type": "Linspace", "axis": "x", "start": 0.0, "stop": 1.0, "num": 5}}})),
    responses((status = 202, body = Status), (status = "default", body = ErrorBody)))]
pub(super) async fn prepare(front: Shared, query: Query<StepQuery>, body: Raw) -> Answer {
    let body = SpecBody::from_value(&body.0)?;
    step(&front, Request::Prepare(body, query.0.or(PREPARE))).await
}

/// Fly the scan that is prepared.
#[utoipa::path(post, path = "/api/v1/kickoff", tag = "steps", params(StepQuery),
    responses((status = 202, body = Status), (status = "default", body = ErrorBody)))]
pub(super) async fn kickoff(front: Shared, query: Query<StepQuery>, _: Json<Nothing>) -> Answer {
    step(&front, Request::Kickoff(query.0.or_none())).await
}

/// Bring the flight to a safe point.
#[utoipa::path(post, path = "/api/v1/pause", tag = "steps", params(StepQuery),
    responses((status = 202, body = Status), (status = "default", body = ErrorBody)))]
pub(super) async fn pause(front: Shared, query: Query<StepQuery>, _: Json<Nothing>) -> Answer {
    step(&front, Request::Pause(query.0.or_none())).await
}

/// Go on from the last complete frame, or from earlier.
#[utoipa::path(post, path = "/api/v1/resume", tag = "steps", params(StepQuery),
    request_body(content = Option<ResumeBody>, description = "May be empty"),
    responses((status = 202, body = Status), (status = "default", body = ErrorBody)))]
pub(super) async fn resume(
    front: Shared,
    query: Query<StepQuery>,
    body: Json<ResumeBody>,
) -> Answer {
    step(&front, Request::Resume(body.0, query.0.or_none())).await
}

/// End whatever is under way; its stop document says `abort`.
#[utoipa::path(post, path = "/api/v1/abort", tag = "steps", params(AbortQuery),
    request_body(content = Option<AbortBody>, description = "May be empty"),
    responses((status = 202, body = Status), (status = "default", body = ErrorBody)))]
pub(super) async fn abort(
    front: Shared,
    query: Query<AbortQuery>,
    body: Json<AbortBody>,
) -> Answer {
    let AbortQuery { wait, operation, reason } = query.0;
    let body = AbortBody { reason: body.0.reason.or(reason) };
    let terms = Terms { wait: Wait::at_most(wait.unwrap_or_default()), operation };
    step(&front, Request::Abort(body, terms)).await
}

/// End whatever is under way and keep what was taken; its stop document says `success`.
#[utoipa::path(post, path = "/api/v1/stop", tag = "steps", params(StepQuery),
    responses((status = 202, body = Status), (status = "default", body = ErrorBody)))]
pub(super) async fn stop(front: Shared, query: Query<StepQuery>, _: Json<Nothing>) -> Answer {
    step(&front, Request::Stop(query.0.or_none())).await
}

/// Close the files and end the run.
#[utoipa::path(post, path = "/api/v1/unstage", tag = "steps", params(StepQuery),
    responses((status = 202, body = Status), (status = "default", body = ErrorBody)))]
pub(super) async fn unstage(front: Shared, query: Query<StepQuery>, _: Json<Nothing>) -> Answer {
    step(&front, Request::Unstage(query.0.or_none())).await
}

//! Whether the process lives, and whether it can be worked with. No actor and no device is asked.
use super::{
    front::Shared,
    reply::{Answer, json},
};
use actix_web::HttpResponse;
use serde::Serialize;
use utoipa::ToSchema;

/// How the process is.
#[derive(Serialize, ToSchema)]
pub(super) struct Health {
    status: &'static str,
    /// Why it is not ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// That the process lives.
#[utoipa::path(get, path = "/healthz", tag = "process", security(()),
    responses((status = 200, body = Health)))]
pub(super) async fn healthz() -> Answer {
    Ok(json(&mut HttpResponse::Ok(), &Health { status: "ok", reason: None }))
}

/// Whether scans can be flown.
#[utoipa::path(get, path = "/readyz", tag = "process", security(()),
    responses((status = 200, body = Health), (status = 503, body = Health)))]
pub(super) async fn readyz(front: Shared) -> Answer {
    Ok(match front.desk.readiness() {
        Ok(()) => json(&mut HttpResponse::Ok(), &Health { status: "ready", reason: None }),
        Err(reason) => {
            let health = Health { status: "not ready", reason: Some(reason) };
            json(&mut HttpResponse::ServiceUnavailable(), &health)
        }
    })
}

//! Whether the process lives, for which nobody is asked, and whether it can be worked with, for which
//! every device is.
use super::{
    front::Shared,
    reply::{Answer, json},
};
use crate::front::Unready;
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
    /// Devices that cannot be reached.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    devices: Vec<String>,
}

impl Health {
    const fn good(status: &'static str) -> Self {
        Self { status, reason: None, devices: Vec::new() }
    }
}

/// That the process lives.
#[utoipa::path(get, path = "/healthz", tag = "process", security(()),
    responses((status = 200, body = Health)))]
pub(super) async fn healthz() -> Answer {
    Ok(json(&mut HttpResponse::Ok(), &Health::good("ok")))
}

/// Whether scans can be flown.
#[utoipa::path(get, path = "/readyz", tag = "process", security(()),
    responses((status = 200, body = Health), (status = 503, body = Health)))]
pub(super) async fn readyz(front: Shared) -> Answer {
    Ok(match front.desk.readiness().await {
        Ok(()) => json(&mut HttpResponse::Ok(), &Health::good("ready")),
        Err(Unready { reason, devices }) => {
            let health = Health { status: "not ready", reason: Some(reason), devices };
            json(&mut HttpResponse::ServiceUnavailable(), &health)
        }
    })
}

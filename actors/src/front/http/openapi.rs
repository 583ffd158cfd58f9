//! What may be asked, as OpenAPI: made from the routes and the types of messages.
use super::{
    devices, documents, events,
    front::Shared,
    health, metrics,
    query::{NoQuery, Query},
    reply::{Answer, json},
    runs, status, steps,
};
use actix_web::HttpResponse;
use utoipa::{
    Modify, OpenApi,
    openapi::security::{Http, HttpAuthScheme, SecurityScheme},
};

/// The document itself, for files and tests.
///
/// # Panics
/// Never: its keys are texts.
pub fn openapi() -> String {
    let text = Api::openapi().to_pretty_json().expect("its keys are texts");
    text + "\n"
}

/// What may be asked of this server.
#[utoipa::path(get, operation_id = "openapi", path = "/openapi.json", tag = "process",
    responses((status = 200, body = Object)))]
pub(super) async fn served(_: Shared, _: Query<NoQuery>) -> Answer {
    Ok(json(&mut HttpResponse::Ok(), &Api::openapi()))
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "bluefly",
        version = "1",
        description = "Flies scans at a beamline. Every error is an object with `error`, whose \
            `code` decides the status; the token is needed only if the server has one."
    ),
    paths(
        status::status,
        status::describe,
        status::assets,
        status::tree,
        events::events,
        steps::stage,
        steps::prepare,
        steps::kickoff,
        steps::pause,
        steps::resume,
        steps::abort,
        steps::stop,
        steps::unstage,
        runs::runs,
        runs::submit,
        runs::run,
        runs::cancel,
        runs::move_to,
        documents::documents,
        runs::hold,
        runs::release,
        devices::devices,
        devices::device,
        devices::set,
        devices::stop,
        devices::trigger,
        health::healthz,
        health::readyz,
        metrics::metrics,
        served,
    ),
    modifiers(&Token),
    security((), ("token" = []))
)]
struct Api;

struct Token;

impl Modify for Token {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let token = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        api.components.get_or_insert_default().add_security_scheme("token", token);
    }
}

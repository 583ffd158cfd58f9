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
use serde_json::{Value, json as value};
use utoipa::{
    Modify, OpenApi,
    openapi::security::{Http, HttpAuthScheme, SecurityScheme},
};

/// The document itself, for files and tests.
///
/// # Panics
/// Never: its keys are texts.
pub fn openapi() -> String {
    let text = serde_json::to_string_pretty(&whole()).expect("its keys are texts");
    text + "\n"
}

/// The document, with what its macros cannot say.
fn whole() -> Value {
    let mut api = serde_json::to_value(Api::openapi()).expect("its keys are texts");
    complete(&mut api);
    api
}

/// Says of every number how large it may be, and of a body that may be left out no more than that:
/// `null` is none.
fn complete(node: &mut Value) {
    let children: Vec<&mut Value> = match node {
        Value::Object(fields) => {
            let kind = fields.get("type").map(Value::to_string).unwrap_or_default();
            let format = fields.get("format").and_then(Value::as_str);
            let known = match format {
                Some("u-int32") => Some(("uint32", u64::from(u32::MAX))),
                Some("u-int64") => Some(("uint64", u64::MAX)),
                // A `usize`.
                None if kind.contains("integer") => Some(("uint64", u64::MAX)),
                Some(_) | None => None,
            };
            if let Some((format, largest)) = known {
                fields.insert("format".to_owned(), value!(format));
                fields.entry("maximum").or_insert(value!(largest));
            }
            if let Some(content) = fields.get_mut("requestBody") {
                let schema = &mut content["content"]["application/json"]["schema"];
                if let Some(body) = schema.pointer_mut("/oneOf/0").map(Value::take) {
                    *schema = body;
                }
            }
            fields.values_mut().collect()
        }
        Value::Array(items) => items.iter_mut().collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    children.into_iter().for_each(complete);
}

/// What may be asked of this server.
#[utoipa::path(get, operation_id = "openapi", path = "/openapi.json", tag = "process",
    responses((status = 200, body = Object)))]
pub(super) async fn served(_: Shared, _: Query<NoQuery>) -> Answer {
    Ok(json(&mut HttpResponse::Ok(), &whole()))
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

//! Which path leads where.
use super::{
    devices, documents, events, health, metrics, openapi, page, reply::Failure, runs, status, steps,
};
use actix_web::{
    Handler, HttpRequest, HttpResponse, Responder, Route, guard,
    http::{Method, header},
    web::{self, PathConfig, ServiceConfig},
};
use bluefly_protocol::api::ErrorCode;

/// One thing that can be done with a path.
type Way = (Method, Route);

fn get<F, A>(handler: F) -> Way
where
    F: Handler<A>,
    A: actix_web::FromRequest + 'static,
    F::Output: Responder + 'static,
{
    (Method::GET, web::route().guard(guard::Any(guard::Get()).or(guard::Head())).to(handler))
}

fn post<F, A>(handler: F) -> Way
where
    F: Handler<A>,
    A: actix_web::FromRequest + 'static,
    F::Output: Responder + 'static,
{
    (Method::POST, web::post().to(handler))
}

fn delete<F, A>(handler: F) -> Way
where
    F: Handler<A>,
    A: actix_web::FromRequest + 'static,
    F::Output: Responder + 'static,
{
    (Method::DELETE, web::delete().to(handler))
}

/// Adds every route; whatever else is asked for is answered with an error of ours.
pub(super) fn routes(services: &mut ServiceConfig) {
    let mut at = |path: &str, ways: Vec<Way>| {
        services.service(resource(path, ways));
    };
    at("/healthz", vec![get(health::healthz)]);
    at("/readyz", vec![get(health::readyz)]);
    at("/metrics", vec![get(metrics::metrics)]);
    at("/openapi.json", vec![get(openapi::served)]);
    at("/", vec![get(page::page)]);
    at("/api/v1/status", vec![get(status::status)]);
    at("/api/v1/describe", vec![get(status::describe)]);
    at("/api/v1/assets", vec![get(status::assets)]);
    at("/api/v1/tree", vec![get(status::tree)]);
    at("/api/v1/events", vec![get(events::events)]);
    at("/api/v1/stage", vec![post(steps::stage)]);
    at("/api/v1/prepare", vec![post(steps::prepare)]);
    at("/api/v1/kickoff", vec![post(steps::kickoff)]);
    at("/api/v1/pause", vec![post(steps::pause)]);
    at("/api/v1/resume", vec![post(steps::resume)]);
    at("/api/v1/abort", vec![post(steps::abort)]);
    at("/api/v1/stop", vec![post(steps::stop)]);
    at("/api/v1/unstage", vec![post(steps::unstage)]);
    at("/api/v1/runs", vec![get(runs::runs), post(runs::submit)]);
    at("/api/v1/runs/{uid}", vec![get(runs::run), delete(runs::cancel)]);
    at("/api/v1/runs/{uid}/documents", vec![get(documents::documents)]);
    at("/api/v1/runs/{uid}/move", vec![post(runs::move_to)]);
    at("/api/v1/queue/hold", vec![post(runs::hold)]);
    at("/api/v1/queue/release", vec![post(runs::release)]);
    at("/api/v1/devices", vec![get(devices::devices)]);
    at("/api/v1/devices/{name}", vec![get(devices::device)]);
    at("/api/v1/devices/{name}/set", vec![post(devices::set)]);
    at("/api/v1/devices/{name}/stop", vec![post(devices::stop)]);
    at("/api/v1/devices/{name}/trigger", vec![post(devices::trigger)]);
    services.app_data(PathConfig::default().error_handler(|_, request| unknown(request).into()));
    services.default_service(web::to(async |request: HttpRequest| {
        Err::<HttpResponse, Failure>(unknown(&request))
    }));
}

fn unknown(request: &HttpRequest) -> Failure {
    Failure::new(ErrorCode::NotFound, request.path(), "is no path of this server")
}

fn resource(path: &str, ways: Vec<Way>) -> actix_web::Resource {
    let methods: Vec<&str> = ways.iter().map(|(method, _)| method.as_str()).collect();
    let allowed = methods.join(", ").replace("GET", "GET, HEAD");
    let resource =
        ways.into_iter().fold(web::resource(path), |resource, (_, way)| resource.route(way));
    resource.default_service(web::to(move |request: HttpRequest| {
        let message = format!("{} is not allowed, but {allowed}", request.method());
        let failure = Failure::new(ErrorCode::MethodNotAllowed, request.path(), message);
        let failure = failure.with(header::ALLOW, allowed.clone());
        async move { Err::<HttpResponse, Failure>(failure) }
    }))
}

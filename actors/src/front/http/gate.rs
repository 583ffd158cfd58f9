//! Who is let in: before any route, and for all of them alike.
use super::{
    buckets::Buckets,
    config::HttpConfig,
    front::{Front, Shared},
    reply::Failure,
    visits::Visit,
};
use actix_web::{
    Error, ResponseError as _,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{
        ConnectionType, Uri,
        header::{self, HeaderName, HeaderValue},
    },
    middleware::Next,
};
use bluefly_protocol::api::ErrorCode;
use std::{net::IpAddr, time::Duration};

/// What anybody may ask, and as often as they like.
const PROBES: [&str; 2] = ["/healthz", "/readyz"];
/// A page that says nothing by itself: a browser sends no token with a first visit.
const PAGE: &str = "/";

/// Lets a request pass or answers it, and says with every answer that it is not to be kept.
pub(super) async fn gate(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let front = request.app_data::<Shared>().expect("every route has it").clone();
    let in_flight = front.tally.begin();
    let mut response = match admit(&front, &request) {
        Ok(()) => next.call(request).await?.map_into_boxed_body(),
        Err(failure) => {
            let mut answer = failure.error_response();
            // Who is not let in keeps no place that others could have.
            answer.head_mut().set_connection_type(ConnectionType::Close);
            request.into_response(answer)
        }
    };
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    drop(in_flight);
    front.tally.answered(response.status().as_u16());
    let (method, path) = (response.request().method(), response.request().path());
    tracing::debug!(%method, path, status = response.status().as_u16(), "answered");
    Ok(response)
}

fn admit(front: &Front, request: &ServiceRequest) -> Result<(), Failure> {
    not_too_many(front, request)?;
    let is_probe = PROBES.contains(&request.path());
    if !is_probe {
        let peer = request.peer_addr().map(|peer| peer.ip());
        not_too_often(&front.buckets, peer, front)?;
    }
    let host = text(request, &header::HOST);
    if front.config.token.is_none() {
        own_name(&front.config, host)?;
    }
    if let Some(origin) = request.headers().get(header::ORIGIN) {
        own_origin(origin, host)?;
    }
    if is_probe || request.path() == PAGE {
        return Ok(());
    }
    let given = text(request, &header::AUTHORIZATION);
    authorized(&front.config, given)
}

/// Takes one of the connections that an address has, if this is the first request on it.
fn not_too_many(front: &Front, request: &ServiceRequest) -> Result<(), Failure> {
    let peer = request.peer_addr().map(|peer| peer.ip());
    let (Some(peer), Some(visit)) = (peer, request.conn_data::<Visit>()) else { return Ok(()) };
    let most = front.config.limits.max_per_address();
    if visit.begin(&front.visits, peer) <= most {
        return Ok(());
    }
    let message = format!("has more than {most} connections");
    Err(Failure::new(ErrorCode::TooManyRequests, peer.to_string(), message))
}

/// Takes one of the requests that an address has.
fn not_too_often(buckets: &Buckets, peer: Option<IpAddr>, front: &Front) -> Result<(), Failure> {
    let Some(peer) = peer else { return Ok(()) };
    buckets.take(peer, front.clock.now()).map_err(|wait: Duration| {
        let message =
            format!("sends more requests than allowed: again in {:.3} s", wait.as_secs_f64());
        let failure = Failure::new(ErrorCode::TooManyRequests, peer.to_string(), message);
        failure.with(header::RETRY_AFTER, (wait.as_secs() + 1).to_string())
    })
}

/// Who has no token to show must at least mean this server: the name of a page from elsewhere can be
/// made to lead here, so that its script is let in by the browser.
fn own_name(config: &HttpConfig, host: Option<&str>) -> Result<(), Failure> {
    let host = host.ok_or_else(|| Failure::new(ErrorCode::BadRequest, "host", "is missing"))?;
    let name = host.parse::<Uri>().ok().and_then(|host| host.host().map(str::to_ascii_lowercase));
    let is_own = name.is_some_and(|name| {
        let address = name.trim_start_matches('[').trim_end_matches(']');
        name == "localhost"
            || address.parse::<IpAddr>().is_ok()
            || config.names.iter().any(|own| own.eq_ignore_ascii_case(&name))
    });
    let message = || format!("{host:?} is no name of this server");
    if is_own { Ok(()) } else { Err(Failure::new(ErrorCode::Forbidden, "host", message())) }
}

/// Refuses the pages of others: a browser says where a script comes from.
fn own_origin(origin: &HeaderValue, host: Option<&str>) -> Result<(), Failure> {
    let origin = origin.to_str().unwrap_or("null");
    let from = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    match (from, host) {
        (Some(from), Some(host)) if from.eq_ignore_ascii_case(host) => Ok(()),
        _ => {
            let message = format!("{origin:?} is not this server");
            Err(Failure::new(ErrorCode::Forbidden, "origin", message))
        }
    }
}

fn authorized(config: &HttpConfig, given: Option<&str>) -> Result<(), Failure> {
    let Some(token) = &config.token else { return Ok(()) };
    let given = given.and_then(|given| given.split_once(' '));
    let given = given.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let message = match given {
        Some((_, given)) if token.is(given.trim()) => return Ok(()),
        Some(_) => "the token is wrong",
        None => "is not \"Bearer\" and a token",
    };
    let failure = Failure::new(ErrorCode::Unauthorized, "authorization", message);
    Err(failure.with(header::WWW_AUTHENTICATE, "Bearer"))
}

fn text<'r>(request: &'r ServiceRequest, name: &HeaderName) -> Option<&'r str> {
    request.headers().get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use super::{super::config::Token, *};

    fn passed(result: Result<(), Failure>) -> Option<String> {
        result.err().map(|failure| failure.to_string())
    }

    #[test]
    fn only_own_names_are_answered_to() {
        let config = HttpConfig { names: vec!["Beamline.lab".into()], ..HttpConfig::default() };
        let check = |host: Option<&str>, expected: Option<&str>| {
            assert_eq!(passed(own_name(&config, host)).as_deref(), expected, "{host:?}");
        };
        check(Some("localhost"), None);
        check(Some("LocalHost:8470"), None);
        check(Some("127.0.0.1:8470"), None);
        check(Some("[::1]:8470"), None);
        check(Some("beamline.LAB:1"), None);
        check(Some("evil.org:8470"), Some("host: \"evil.org:8470\" is no name of this server"));
        check(
            Some("127.0.0.1.evil.org"),
            Some("host: \"127.0.0.1.evil.org\" is no name of this server"),
        );
        check(Some("a b"), Some("host: \"a b\" is no name of this server"));
        check(None, Some("host: is missing"));
    }

    #[test]
    fn pages_of_others_are_refused() {
        let check = |origin: &'static str, expected: Option<&str>| {
            let origin = HeaderValue::from_static(origin);
            let found = passed(own_origin(&origin, Some("localhost:8470")));
            assert_eq!(found.as_deref(), expected, "{origin:?}");
        };
        check("http://localhost:8470", None);
        check("https://LOCALHOST:8470", None);
        check(
            "http://localhost:8471",
            Some("origin: \"http://localhost:8471\" is not this server"),
        );
        check("http://localhost", Some("origin: \"http://localhost\" is not this server"));
        check("null", Some("origin: \"null\" is not this server"));
    }

    #[test]
    fn a_token_must_be_right_to_the_last_letter() {
        let token = Some(Token::new("sesame"));
        let config = HttpConfig { token, ..HttpConfig::default() };
        let check = |given: Option<&str>, expected: Option<&str>| {
            assert_eq!(passed(authorized(&config, given)).as_deref(), expected, "{given:?}");
        };
        check(Some("Bearer sesame"), None);
        check(Some("bearer  sesame"), None);
        check(Some("Bearer sesam"), Some("authorization: the token is wrong"));
        check(Some("Bearer sesame1"), Some("authorization: the token is wrong"));
        check(Some("Basic sesame"), Some("authorization: is not \"Bearer\" and a token"));
        check(None, Some("authorization: is not \"Bearer\" and a token"));
        assert_eq!(passed(authorized(&HttpConfig::default(), None)), None);
    }
}

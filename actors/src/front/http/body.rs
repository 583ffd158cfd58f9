//! [`Json`]: the body of a request, bounded in size and time.
use super::{front::Shared, reply::Failure};
use actix_web::{
    FromRequest, HttpMessage as _, HttpRequest,
    dev::Payload,
    error::PayloadError,
    http::header::{self, HeaderMap},
    web::BytesMut,
};
use bluefly_protocol::api::ErrorCode;
use futures_util::{StreamExt as _, future::LocalBoxFuture};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, error::Category};

/// The body of a request; one that is empty stands for `{}`.
pub(super) struct Json<T>(pub(super) T);

/// A body in which nothing can be given.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// The body of a request that has a shape of its own; one that is empty stands for `{}`.
pub(super) struct Raw(pub(super) Value);

impl<T: DeserializeOwned + 'static> FromRequest for Json<T> {
    type Error = Failure;
    type Future = LocalBoxFuture<'static, Result<Self, Failure>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let raw = Raw::from_request(request, payload);
        Box::pin(async move {
            let Raw(value) = raw.await?;
            if !value.is_object() {
                return Err(Failure::new(ErrorCode::Invalid, BODY, "is no object"));
            }
            serde_path_to_error::deserialize(value).map(Json).map_err(|error| {
                let place = match error.path().to_string() {
                    path if path == "." => BODY.to_owned(),
                    path => path,
                };
                Failure::new(ErrorCode::Invalid, place, error.into_inner().to_string())
            })
        })
    }
}

impl FromRequest for Raw {
    type Error = Failure;
    type Future = LocalBoxFuture<'static, Result<Self, Failure>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, mut payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let front = request.app_data::<Shared>().expect("every route has it");
            let limits = &front.config.limits;
            let body = read(&request, &mut payload, limits.max_body_bytes);
            let body = front.clock.timeout(limits.body_timeout, body).await;
            let late = |_| {
                let message = format!("did not arrive within {:?}", limits.body_timeout);
                Failure::new(ErrorCode::Timeout, BODY, message)
            };
            parse(request.headers(), &body.map_err(late)??).map(Raw)
        })
    }
}

const BODY: &str = "body";

/// All of the body, `limit` bytes at most.
async fn read(
    request: &HttpRequest,
    payload: &mut Payload,
    limit: usize,
) -> Result<BytesMut, Failure> {
    let too_large = || {
        let message = format!("is larger than {limit} bytes");
        Failure::new(ErrorCode::TooLarge, BODY, message)
    };
    let length = request.headers().get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > limit as u64) {
        return Err(too_large());
    }
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| broken(&error))?;
        if body.len() + chunk.len() > limit {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    if !body.is_empty() && request.content_type() != "application/json" {
        let given = request.content_type();
        let message = format!("is {given:?}, and must be \"application/json\"");
        return Err(Failure::new(ErrorCode::UnsupportedMediaType, "content-type", message));
    }
    Ok(body)
}

fn broken(error: &PayloadError) -> Failure {
    Failure::new(ErrorCode::BadRequest, BODY, format!("cannot be read: {error}"))
}

fn parse(headers: &HeaderMap, body: &[u8]) -> Result<Value, Failure> {
    if body.is_empty() {
        return Ok(Value::Object(Map::new()));
    }
    if headers.get(header::CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        let message = "is not understood: bodies are not compressed";
        return Err(Failure::new(ErrorCode::UnsupportedMediaType, "content-encoding", message));
    }
    serde_json::from_slice(body).map_err(|error| {
        let what = match error.classify() {
            Category::Eof => "ends too early".to_owned(),
            Category::Io | Category::Syntax | Category::Data => without_place(&error),
        };
        let message =
            format!("is no JSON: line {}, column {}: {what}", error.line(), error.column());
        Failure::new(ErrorCode::BadRequest, BODY, message)
    })
}

/// The message of `error` without the place that is at its end.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&place).unwrap_or(&text).to_owned()
}

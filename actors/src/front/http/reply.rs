//! What is sent back: JSON, whatever came of the request.
use actix_web::{
    HttpResponse, HttpResponseBuilder, ResponseError,
    body::BoxBody,
    http::{StatusCode, header},
};
use bluefly_protocol::api::{ApiError, ErrorBody, ErrorCode, Reply};
use serde::Serialize;
use std::fmt;

/// An [`ApiError`] on its way out.
#[derive(Debug)]
pub(super) struct Failure {
    error: Box<ApiError>,
    header: Option<(header::HeaderName, Box<str>)>,
}

/// What a route comes to.
pub(super) type Answer = Result<HttpResponse, Failure>;

impl Failure {
    pub(super) fn new(
        code: ErrorCode,
        place: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        ApiError::new(code, place, message).into()
    }

    /// With a header that says more.
    pub(super) fn with(mut self, name: header::HeaderName, value: impl Into<String>) -> Self {
        self.header = Some((name, value.into().into()));
        self
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        Self { error: Box::new(error), header: None }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl ResponseError for Failure {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.error.code.http_status())
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        let mut response = HttpResponse::build(self.status_code());
        if let Some((name, value)) = &self.header {
            response.insert_header((name.clone(), &**value));
        }
        json(&mut response, &ErrorBody { error: ApiError::clone(&self.error) })
    }
}

/// `value` as the body of a response.
pub(super) fn json(response: &mut HttpResponseBuilder, value: &impl Serialize) -> HttpResponse {
    match serde_json::to_vec(value) {
        Ok(text) => response.content_type("application/json").body(text),
        Err(error) => {
            tracing::error!(%error, "an answer has no JSON");
            HttpResponse::InternalServerError().finish()
        }
    }
}

/// What was asked for.
pub(super) fn found(reply: Result<Reply, ApiError>) -> Answer {
    Ok(json(&mut HttpResponse::Ok(), &reply?))
}

/// What was begun.
pub(super) fn accepted(reply: Result<Reply, ApiError>) -> Answer {
    Ok(json(&mut HttpResponse::Accepted(), &reply?))
}

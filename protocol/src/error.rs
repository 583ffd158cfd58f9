//! [`ApiError`]: why a request was not done, and where to look.
use crate::{
    fault::{Fault, FaultClass, Refused},
    scan::SpecError,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What kind of error it is; decides the status of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The request cannot be read: no JSON, or a parameter that means nothing.
    BadRequest,
    /// The token is missing or wrong.
    Unauthorized,
    /// A page of another origin asked.
    Forbidden,
    /// There is no such path, run or device.
    NotFound,
    /// There is such a path, but not for this method.
    MethodNotAllowed,
    /// The request did not arrive in time.
    Timeout,
    /// The phase does not allow it. Nothing was changed.
    Refused,
    /// The request is larger than allowed.
    TooLarge,
    /// The body is not declared to be JSON.
    UnsupportedMediaType,
    /// The content is wrong: a specification that cannot be flown, a field that does not exist.
    Invalid,
    /// More requests than allowed came from there.
    TooManyRequests,
    /// A device or a file failed.
    Failed,
    /// Whoever has to do it cannot be reached now; to ask again may help.
    Unavailable,
}

impl ErrorCode {
    /// The status code of HTTP.
    pub const fn http_status(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::Unauthorized => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::Timeout => 408,
            Self::Refused => 409,
            Self::TooLarge => 413,
            Self::UnsupportedMediaType => 415,
            Self::Invalid => 422,
            Self::TooManyRequests => 429,
            Self::Failed => 500,
            Self::Unavailable => 503,
        }
    }
}

/// Why a request was not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, thiserror::Error)]
#[error("{place}: {message}")]
pub struct ApiError {
    pub code: ErrorCode,
    /// Place in the specification such as `$.outer.stop`, field, device or part of the process.
    #[serde(rename = "where")]
    pub place: String,
    /// What is wrong, with the value and the rule, in one line.
    pub message: String,
    /// The phase that refused the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// The device that failed or cannot be reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
}

/// An error as it is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErrorBody {
    pub error: ApiError,
}

impl ApiError {
    pub fn new(code: ErrorCode, place: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code, place: place.into(), message: message.into(), phase: None, device: None }
    }

    /// Whoever has to do it, `actor`, cannot be reached.
    pub fn unavailable(actor: &str, message: impl Into<String>) -> Self {
        let device = Some(actor.to_owned());
        Self { device, ..Self::new(ErrorCode::Unavailable, actor, message) }
    }
}

impl From<Refused> for ApiError {
    fn from(refused: Refused) -> Self {
        let message = format!("cannot {} while {}", refused.request, refused.phase);
        let phase = Some(refused.phase);
        Self { phase, ..Self::new(ErrorCode::Refused, refused.device.to_string(), message) }
    }
}

impl From<SpecError> for ApiError {
    fn from(SpecError { path, value, rule }: SpecError) -> Self {
        Self::new(ErrorCode::Invalid, path, format!("{value} {rule}"))
    }
}

impl From<Fault> for ApiError {
    fn from(fault: Fault) -> Self {
        let device = Some(fault.device.to_string());
        let code = match fault.class {
            FaultClass::Rejected => ErrorCode::Invalid,
            FaultClass::Disconnected => ErrorCode::Unavailable,
            FaultClass::Failed | FaultClass::Lost => ErrorCode::Failed,
        };
        if let (FaultClass::Rejected, Some((place, rule))) = (fault.class, fault.place()) {
            return Self::new(code, place, rule);
        }
        let message = format!("cannot {}: {}", fault.operation, fault.reason);
        Self { device, ..Self::new(code, fault.device.to_string(), message) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(class: FaultClass, reason: &str) -> Fault {
        let device = "camera".parse().expect("a name");
        Fault { device, operation: "arm".into(), class, reason: reason.into() }
    }

    #[test]
    fn an_error_names_the_place_the_device_or_the_phase() {
        let check = |error: ApiError, expected: &str| {
            assert_eq!(serde_json::to_string(&error).expect("it is plain"), expected);
        };
        check(
            fault(FaultClass::Rejected, "$.outer: no axis \"q\"").into(),
            r#"{"code":"invalid","where":"$.outer","message":"no axis \"q\""}"#,
        );
        check(
            fault(FaultClass::Rejected, "it is not to be").into(),
            r#"{"code":"invalid","where":"camera","message":"cannot arm: it is not to be","device":"camera"}"#,
        );
        check(
            fault(FaultClass::Disconnected, "gone").into(),
            r#"{"code":"unavailable","where":"camera","message":"cannot arm: gone","device":"camera"}"#,
        );
        check(
            fault(FaultClass::Lost, "frame 3").into(),
            r#"{"code":"failed","where":"camera","message":"cannot arm: frame 3","device":"camera"}"#,
        );
        let device = "scan_coordinator".parse().expect("a name");
        check(
            Refused { device, request: "pause".into(), phase: "idle".into() }.into(),
            r#"{"code":"refused","where":"scan_coordinator","message":"cannot pause while idle","phase":"idle"}"#,
        );
    }
}

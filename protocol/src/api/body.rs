//! Bodies of requests. An empty body stands for one in which nothing is given.
use crate::error::{ApiError, ErrorCode};
use crate::scan::Spec;
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::{Map, Number, Value};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Of `stage`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StageBody {
    /// Further fields of the start document; no name at any depth may have '.' or '/'.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub metadata: BTreeMap<String, Value>,
}

/// Of `prepare`: a specification, or an object whose `spec` is one.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct SpecBody {
    pub spec: Spec,
}

/// Of a run that is submitted: a specification, or an object whose `spec` is one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FlightBody {
    pub spec: Spec,
    /// Further fields of the start document; no name at any depth may have '.' or '/'.
    pub metadata: BTreeMap<String, Value>,
    /// The uid that the run is to have, a UUID. What is submitted again under the same uid is
    /// answered with the same run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
}

/// Of `resume`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResumeBody {
    /// Complete frames to take again; refused if documents of them are out.
    #[serde(default, deserialize_with = "whole")]
    pub retake: u64,
}

/// Of `abort`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AbortBody {
    /// Stands in the stop document.
    #[serde(default)]
    pub reason: Option<String>,
}

/// Of a queue that is held.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HoldBody {
    #[serde(default)]
    pub reason: Option<String>,
}

/// Of a run that is moved within the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MoveBody {
    /// Runs that are to be before it; beyond the end it is the last.
    #[serde(deserialize_with = "whole")]
    pub place: u64,
}

/// Of a motor that is moved.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetBody {
    /// In the units of the motor.
    pub value: f64,
}

impl SpecBody {
    /// A body from parsed JSON; an error names the place, which is `$` at the top of the
    /// specification.
    pub fn from_value(value: &Value) -> Result<Self, ApiError> {
        let (spec, _) = parts(value, &["spec"])?;
        Ok(Self { spec })
    }
}

impl FlightBody {
    /// A body from parsed JSON; an error names the place, which is `$` at the top of the
    /// specification.
    pub fn from_value(value: &Value) -> Result<Self, ApiError> {
        let (spec, fields) = parts(value, &["spec", "metadata", "uid"])?;
        let given = |key: &str| fields.and_then(|fields| fields.get(key)).cloned();
        let metadata = given("metadata").unwrap_or_else(|| Value::Object(Map::new()));
        let uid = serde_json::from_value(given("uid").unwrap_or_default())
            .map_err(|error| ApiError::new(ErrorCode::Invalid, "uid", error.to_string()))?;
        let metadata = serde_json::from_value(metadata).map_err(|error| {
            ApiError::new(ErrorCode::Invalid, "metadata", format!("is no object: {error}"))
        })?;
        Ok(Self { spec, metadata, uid })
    }
}

/// The fields of an object.
type Fields = Map<String, Value>;

/// The specification and what is given beside it.
fn parts<'v>(value: &'v Value, known: &[&str]) -> Result<(Spec, Option<&'v Fields>), ApiError> {
    match value.as_object().filter(|fields| fields.contains_key("spec")) {
        // A node such as Snake has a field of this name too, but also a type.
        Some(fields) if !fields.contains_key("type") && !fields.contains_key("typeid") => {
            if let Some(key) = fields.keys().find(|key| !known.contains(&key.as_str())) {
                let rule = format!("is unknown here; expected {}", known.join(" or "));
                return Err(ApiError::new(ErrorCode::Invalid, key, rule));
            }
            Ok((Spec::from_value(&fields["spec"])?, Some(fields)))
        }
        Some(_) | None => Ok((Spec::from_value(value)?, None)),
    }
}

/// A whole number however JSON has it: `2.0` is one as well as `2`.
fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    const BEYOND: f64 = 18_446_744_073_709_551_616.0;
    let number = Number::deserialize(deserializer)?;
    let is_whole = |value: &f64| value.fract() == 0.0 && (0.0..BEYOND).contains(value);
    let float = || number.as_f64().filter(is_whole).map(|value| value as u64);
    let wrong = || de::Error::custom(format!("{number} is no whole number of 0 or more"));
    number.as_u64().or_else(float).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_specification_stands_alone_or_with_metadata() {
        let line = json!({"type": "Linspace", "axis": "x", "start": 0.0, "stop": 1.0, "num": 3});
        let snake = json!({"type": "Snake", "spec": line});
        let check = |value: Value, expected: Result<usize, &str>| {
            let found = FlightBody::from_value(&value).map(|body| body.metadata.len());
            let found = found.map_err(|error| error.to_string());
            assert_eq!(found, expected.map_err(str::to_owned), "{value}");
        };
        check(line.clone(), Ok(0));
        check(snake.clone(), Ok(0));
        check(json!({"spec": snake}), Ok(0));
        check(json!({"spec": line, "metadata": {"sample": "a", "visit": 1}}), Ok(2));
        check(
            json!({"spec": line, "md": {}}),
            Err("md: is unknown here; expected spec or metadata or uid"),
        );
        check(json!({"spec": line, "uid": "a"}), Ok(0));
        check(
            json!({"spec": line, "uid": 3}),
            Err("uid: invalid type: integer `3`, expected a string"),
        );
        check(
            json!({"spec": line, "metadata": 3}),
            Err("metadata: is no object: invalid type: integer `3`, expected a map"),
        );
        check(json!([]), Err("$: an array is no specification: it must be an object with a type"));
        assert!(SpecBody::from_value(&json!({"spec": line, "metadata": {}})).is_err());
    }

    #[test]
    fn two_point_zero_was_no_whole_number() {
        let place = |text: &str| serde_json::from_str::<MoveBody>(text).map(|body| body.place);
        for (text, right) in [
            (r#"{"place": 2}"#, 2),
            (r#"{"place": 2.0}"#, 2),
            (r#"{"place": 1e3}"#, 1000),
            (r#"{"place": 18446744073709551615}"#, u64::MAX),
        ] {
            assert_eq!(place(text).unwrap(), right, "{text}");
        }
        for number in ["2.5", "-1", "-1.0", "1e30", "18446744073709551616", "\"2\"", "null"] {
            assert!(place(&format!(r#"{{"place": {number}}}"#)).is_err(), "{number}");
        }
    }
}

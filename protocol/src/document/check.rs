//! The rules of the event model and of its consumers that a type cannot say.
use super::{
    ComposeError, Configuration, DataKey, DescriptorInfo, Dtype, JoinMethod, ObjectHints,
    ResourceInfo, Rows,
};
use serde_json::Value;
use std::collections::BTreeMap;

/// What the start document says itself.
const OWN: [&str; 6] = ["uid", "time", "scan_id", "shape", "num_points", "hints"];
/// What every run of a beamline says of itself beside that.
const EVERY_RUN: [&str; 8] = [
    "plan_type",
    "beamline",
    "motors",
    "detectors",
    "scan_spec",
    "snaked",
    "predicted_duration",
    "predicted_bytes",
];
/// How deep lists and objects in metadata may be nested. JSON text can be read back to a depth of
/// 127, and metadata is put into lists of runs and journals.
const MAX_DEPTH: usize = 32;
/// What consumers call columns of their own.
const RESERVED: [&str; 2] = ["time", "seq_num"];
const PLAIN: &str = "must not be empty nor have '.' or '/'";

fn is_plain(key: &str) -> bool {
    !key.is_empty() && !key.contains(['.', '/'])
}

/// Names at any depth of objects, and none that the start document has itself.
pub(super) fn metadata(metadata: &BTreeMap<String, Value>) -> Result<(), ComposeError> {
    let refused = |key: &str, rule| Err(ComposeError::Metadata { key: key.to_owned(), rule });
    for (key, value) in metadata {
        if OWN.contains(&key.as_str()) {
            return refused(key, "is said by the start document itself");
        }
        if !is_plain(key) {
            return refused(key, PLAIN);
        }
        if let Some(bad) = bad_name(value) {
            return refused(bad, PLAIN);
        }
        if let Some(rule) = known_rule(key, value) {
            return refused(key, rule);
        }
    }
    Ok(())
}

/// Checks what a user wants to have in a start document: names at any depth of objects, none that
/// the document has itself, fields of the event model by their rules, and nothing nested too deep.
pub fn check_metadata(wanted: &BTreeMap<String, Value>) -> Result<(), ComposeError> {
    let refused = |key: &str, rule| Err(ComposeError::Metadata { key: key.to_owned(), rule });
    if let Some(key) = wanted.keys().find(|key| EVERY_RUN.contains(&key.as_str())) {
        return refused(key, "is said by the start document itself");
    }
    if let Some((key, _)) = wanted.iter().find(|(_, value)| is_deeper(value, MAX_DEPTH)) {
        return refused(key, "is nested more than 32 deep");
    }
    metadata(wanted)
}

/// Whether lists and objects in `value` are nested more than `levels` deep.
fn is_deeper(value: &Value, levels: usize) -> bool {
    let is_inner_deeper = |inner: &Value| is_deeper(inner, levels - 1);
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
        Value::Array(_) | Value::Object(_) if levels == 0 => true,
        Value::Array(values) => values.iter().any(is_inner_deeper),
        Value::Object(fields) => fields.values().any(is_inner_deeper),
    }
}

/// What the schema says of a start document's optional fields.
fn known_rule(key: &str, value: &Value) -> Option<&'static str> {
    let is_text = value.is_string();
    let (right, rule) = match key {
        "data_session" | "group" | "owner" | "project" => (is_text, "must be a text"),
        "sample" => (is_text || value.is_object(), "must be a text or an object"),
        "data_groups" => {
            let texts = value.as_array().is_some_and(|all| all.iter().all(Value::is_string));
            (texts, "must be a list of texts")
        }
        "data_type" | "projections" => (false, "is not supported"),
        _ => (true, ""),
    };
    (!right).then_some(rule)
}

/// The first name in nested objects that the schema refuses.
fn bad_name(value: &Value) -> Option<&str> {
    match value {
        Value::Object(fields) => fields
            .iter()
            .find_map(|(key, value)| if is_plain(key) { bad_name(value) } else { Some(key) }),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            None
        }
    }
}

pub(super) fn descriptor(info: &DescriptorInfo) -> Result<(), ComposeError> {
    let stream = &info.stream;
    for (key, data_key) in &info.data_keys {
        let rule = data_key_rule(key, data_key);
        if let Some(rule) = rule {
            return Err(ComposeError::DataKey { stream: stream.clone(), key: key.clone(), rule });
        }
    }
    for (object, ObjectHints { fields, nx_class }) in &info.hints {
        if !is_plain(object) || nx_class.as_deref().is_some_and(|class| !is_nexus(class)) {
            let rule = "hints must be for a plain name, with a class such as NXpositioner";
            return Err(ComposeError::DataKey {
                stream: stream.clone(),
                key: object.clone(),
                rule,
            });
        }
        if let Some(key) = fields.iter().find(|&field| !info.data_keys.contains_key(field)) {
            let rule = "is hinted at, but no data key";
            return Err(ComposeError::DataKey { stream: stream.clone(), key: key.clone(), rule });
        }
    }
    for (object, configuration) in &info.configuration {
        if let Some(rule) = configuration_rule(object, configuration) {
            let (stream, object) = (stream.clone(), object.clone());
            return Err(ComposeError::Configuration { stream, object, rule });
        }
    }
    Ok(())
}

/// The rule that a data key breaks.
fn data_key_rule(key: &str, data_key: &DataKey) -> Option<&'static str> {
    let is_array = data_key.dtype == Dtype::Array;
    if !is_plain(key) {
        Some(PLAIN)
    } else if RESERVED.contains(&key) {
        Some("is a name that consumers have for themselves")
    } else if !is_plain(&data_key.object_name) {
        Some("must belong to a device, whose name has no '.' or '/'")
    } else if is_array == data_key.shape.is_empty() {
        Some("must have a shape if and only if it is an array")
    } else if !data_key.dtype_numpy.as_deref().is_some_and(is_numpy) {
        Some("must have an exact type such as <f8 (dtype_numpy)")
    } else if !data_key.dims.is_empty() && data_key.dims.len() != data_key.shape.len() {
        Some("must name each of its dimensions, or none")
    } else if data_key.external.is_none() && data_key.dtype != Dtype::Number {
        Some("must be a number, or external")
    } else {
        None
    }
}

/// Whether `text` is a byte order, a kind and a size, such as `<f8`.
fn is_numpy(text: &str) -> bool {
    let mut rest = text.chars();
    rest.next().is_some_and(|order| "|<>".contains(order))
        && rest.next().is_some_and(|kind| "tbiufcmMOSUV".contains(kind))
        && !rest.as_str().is_empty()
        && rest.all(|digit| digit.is_ascii_digit())
}

fn is_nexus(class: &str) -> bool {
    let name = class.strip_prefix("NX").unwrap_or_default();
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphabetic() || c == '_')
}

fn configuration_rule(object: &str, configuration: &Configuration) -> Option<&'static str> {
    let Configuration { data, timestamps, data_keys } = configuration;
    if !is_plain(object) || !data.keys().all(|key| is_plain(key)) {
        Some(PLAIN)
    } else if !data.keys().eq(timestamps.keys()) || !data.keys().eq(data_keys.keys()) {
        Some("data, timestamps and data_keys must have the same keys")
    } else if !timestamps.values().all(|time| time.is_finite()) {
        Some("timestamps must be finite")
    } else if data_keys.values().any(|key| key.dtype_numpy.as_deref().is_some_and(|t| !is_numpy(t)))
    {
        Some("an exact type must be like <f8 (dtype_numpy)")
    } else if data.values().any(|value| bad_name(value).is_some()) {
        Some("names inside of values must not have '.' or '/'")
    } else {
        None
    }
}

pub(super) fn resource(info: &ResourceInfo, data_key: &DataKey) -> Result<(), ComposeError> {
    let refused = |what, value: String, rule| {
        Err(ComposeError::Resource { key: info.data_key.clone(), what, value, rule })
    };
    let path = info.uri.split_once("://").map(|(scheme, rest)| (scheme, rest.find('/')));
    if !matches!(path, Some((scheme, Some(_))) if !scheme.is_empty()) {
        return refused("uri", info.uri.clone(), "must be like file://localhost/absolute/path");
    }
    if info.dataset.is_empty() {
        return refused("dataset", format!("{:?}", info.dataset), "must name a data set");
    }
    let (entries, rank) = (&info.chunk_shape, data_key.shape.len());
    let most = match info.join_method {
        JoinMethod::Stack => rank + 1,
        JoinMethod::Concat if data_key.shape.first().is_none_or(|&rows| rows == 0) => {
            let shape = format!("concat of shape {:?}", data_key.shape);
            return refused("join_method", shape, "must have rows: the first of the key's shape");
        }
        JoinMethod::Concat => rank,
    };
    if entries.is_empty() || entries.len() > most || entries.contains(&0) {
        let rule = "must be rows, then at most the shape of one, each at least 1";
        return refused("chunk_shape", format!("{entries:?}"), rule);
    }
    Ok(())
}

/// Exactly the columns that `keys` call for, all of one length, and finite.
pub(super) fn rows<'a>(
    stream: &str,
    keys: &(impl Iterator<Item = &'a str> + Clone),
    rows: &Rows,
) -> Result<(), ComposeError> {
    let stream = stream.to_owned();
    if let Some(column) = keys.clone().find(|&key| !rows.columns.contains_key(key)) {
        return Err(ComposeError::ColumnMissing { stream, column: column.to_owned() });
    }
    if let Some(column) = rows.columns.keys().find(|&column| !keys.clone().any(|key| key == column))
    {
        return Err(ComposeError::ColumnUnknown { stream, column: column.clone() });
    }
    let times = keys.clone().next().map(|_| ("time", &rows.timestamps_s));
    let columns = rows.columns.iter().map(|(column, values)| (column.as_str(), values));
    for (column, values) in columns.chain(times) {
        let column = column.to_owned();
        if values.len() as u64 != rows.count {
            let (found, expected) = (values.len(), rows.count);
            return Err(ComposeError::Length { stream, column, found, expected });
        }
        if let Some(row) = values.iter().position(|value| !value.is_finite()) {
            return Err(ComposeError::NotFinite { stream, column, row, value: values[row] });
        }
    }
    Ok(())
}

//! The documents as they are on the wire. What the schema refuses as `null` is left out if absent.
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A run begins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Start {
    pub uid: String,
    /// Unix time.
    #[serde(rename = "time")]
    pub time_s: f64,
    pub scan_id: u64,
    /// Lengths of the dimensions, slowest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shape: Vec<u64>,
    /// Their product.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub num_points: Option<u64>,
    #[serde(default, skip_serializing_if = "StartHints::is_empty")]
    pub hints: StartHints,
    /// Whatever else is to be said about the run.
    #[serde(flatten)]
    pub metadata: BTreeMap<String, Value>,
}

/// How to plot a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StartHints {
    /// Fields that span a dimension and the stream that has them, slowest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dimensions: Vec<(Vec<String>, String)>,
    /// `rectilinear` or `rectilinear_nonsequential`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gridding: Option<String>,
}

impl StartHints {
    fn is_empty(&self) -> bool {
        self.dimensions.is_empty() && self.gridding.is_none()
    }
}

/// A stream and the keys of its events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Descriptor {
    pub uid: String,
    #[serde(rename = "time")]
    pub time_s: f64,
    pub run_start: String,
    /// Name of the stream.
    pub name: String,
    pub data_keys: BTreeMap<String, DataKey>,
    /// The keys of each device.
    #[serde(default)]
    pub object_keys: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    pub configuration: BTreeMap<String, Configuration>,
    #[serde(default)]
    pub hints: BTreeMap<String, ObjectHints>,
}

/// What a key means.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DataKey {
    /// Where the value comes from, such as `ca://BL01:X.RBV`.
    pub source: String,
    pub dtype: Dtype,
    /// Shape of one row; empty for a scalar.
    pub shape: Vec<u64>,
    /// Exact type, such as `<f8` or `|u1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dtype_numpy: Option<String>,
    /// Where the values are, if not in the events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<External>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub units: Option<String>,
    /// Digits after the point that are worth showing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precision: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
    /// Names of the dimensions of one row.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dims: Vec<String>,
    /// The device that it belongs to.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub object_name: String,
}

impl DataKey {
    /// A scalar f64 that stands in the events.
    pub fn number(object_name: &str, source: &str) -> Self {
        Self {
            source: source.to_owned(),
            dtype: Dtype::Number,
            shape: Vec::new(),
            dtype_numpy: Some("<f8".to_owned()),
            external: None,
            units: None,
            precision: None,
            limits: None,
            choices: Vec::new(),
            dims: Vec::new(),
            object_name: object_name.to_owned(),
        }
    }

    /// Rows of `shape` in a data set of the exact type `dtype_numpy`.
    pub fn stream(object_name: &str, source: &str, dtype_numpy: &str, shape: &[u64]) -> Self {
        Self {
            dtype: if shape.is_empty() { Dtype::Number } else { Dtype::Array },
            shape: shape.to_vec(),
            dtype_numpy: Some(dtype_numpy.to_owned()),
            external: Some(External::Stream),
            ..Self::number(object_name, source)
        }
    }
}

/// The kind of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    String,
    Number,
    Array,
    Boolean,
    Integer,
}

/// Where values are that do not stand in the events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum External {
    /// Announced by stream resources and stream data.
    #[serde(rename = "STREAM:")]
    Stream,
}

/// Limits of a value; a side without a limit is `None`, or not finite.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Limits {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control: Option<LimitRange>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display: Option<LimitRange>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<LimitRange>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alarm: Option<LimitRange>,
}

/// Both sides of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LimitRange {
    pub low: Option<f64>,
    pub high: Option<f64>,
}

/// How to show a device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ObjectHints {
    /// The keys that matter most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
    #[serde(default, rename = "NX_class", skip_serializing_if = "Option::is_none")]
    pub nx_class: Option<String>,
}

/// Settings of a device while the stream is taken. The three have the same keys.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Configuration {
    #[schema(value_type = Object)]
    pub data: BTreeMap<String, Value>,
    pub timestamps: BTreeMap<String, f64>,
    pub data_keys: BTreeMap<String, DataKey>,
}

/// A data set that rows of a key are in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StreamResource {
    pub uid: String,
    pub run_start: String,
    pub data_key: String,
    pub mimetype: String,
    pub uri: String,
    pub parameters: Hdf5Parameters,
}

/// Where in an HDF5 file the rows are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Hdf5Parameters {
    /// Path of the data set in the file.
    pub dataset: String,
    pub chunk_shape: Vec<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub join_method: Option<JoinMethod>,
}

/// How the rows of a data set make up events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum JoinMethod {
    /// Each row is an event, of the key's shape.
    #[default]
    Stack,
    /// An event has as many rows as the key's shape says first; the others are the shape of a row.
    Concat,
}

/// Rows that can be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamDatum {
    pub uid: String,
    pub stream_resource: String,
    pub descriptor: String,
    /// Rows of the data set, from 0.
    pub indices: IndexRange,
    /// The events that they belong to, from 1.
    pub seq_nums: IndexRange,
}

/// From `start` up to but without `stop`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexRange {
    pub start: u64,
    pub stop: u64,
}

/// Events as columns of one length.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventPage {
    pub uid: Vec<String>,
    #[serde(rename = "time")]
    pub time_s: Vec<f64>,
    pub descriptor: String,
    pub seq_num: Vec<u64>,
    pub data: BTreeMap<String, Vec<f64>>,
    pub timestamps: BTreeMap<String, Vec<f64>>,
    /// Always empty: nothing is external in an event.
    #[serde(default)]
    pub filled: BTreeMap<String, Vec<bool>>,
}

/// A run has ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stop {
    pub uid: String,
    #[serde(rename = "time")]
    pub time_s: f64,
    pub run_start: String,
    pub exit_status: ExitStatus,
    /// Empty after a success only.
    #[serde(default)]
    pub reason: String,
    /// Events of each stream that was declared.
    #[serde(default)]
    pub num_events: BTreeMap<String, u64>,
}

/// How a run has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ExitStatus {
    Success,
    Abort,
    Fail,
}

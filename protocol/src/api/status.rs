//! [`Status`], and what a prepared scan and its data look like to a client.
use crate::{
    document::{Configuration, DataKey, ObjectHints, StreamResource},
    name::Name,
    run::RunProgress,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Where the process and its run stand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Status {
    /// Tells this process from the one before: revisions of two processes cannot be compared.
    pub instance: String,
    #[schema(value_type = String)]
    pub beamline: Name,
    /// Rises with every change of what follows.
    pub revision: u64,
    #[serde(flatten)]
    pub progress: RunProgress,
}

/// What the rows of the prepared scan consist of.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Description {
    /// The run that is open, if one is.
    pub run: Option<String>,
    /// The stream that has the rows.
    pub stream: String,
    pub num_frames: u64,
    /// Lengths of the dimensions, slowest first; empty if the scan has no shape.
    pub shape: Vec<u64>,
    /// Fields that span each dimension, and the stream that has them, slowest first.
    #[schema(value_type = Vec<Vec<serde_json::Value>>)]
    pub dimensions: Vec<(Vec<String>, String)>,
    /// Keys that are external are in files; the others stand in the columns of [`Assets`].
    pub data_keys: BTreeMap<String, DataKey>,
    pub hints: BTreeMap<String, ObjectHints>,
    pub configuration: BTreeMap<String, Configuration>,
}

/// Rows of a run: where in files they are, and the numbers that are in none.
///
/// The same rows are told in the same way whenever they are asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Assets {
    pub run: String,
    /// The first row that is told of.
    pub start: u64,
    /// The row after the last one that is told of.
    pub stop: u64,
    /// Rows that are on disk in every dataset, by now. Never falls within a run.
    pub rows: u64,
    pub resources: Vec<StreamResource>,
    pub events: Columns,
}

/// Numbers of consecutive rows, in columns of equal length.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Columns {
    /// Unix time of each row.
    pub time: Vec<f64>,
    pub data: BTreeMap<String, Vec<f64>>,
    /// Unix time of each value.
    pub timestamps: BTreeMap<String, Vec<f64>>,
}

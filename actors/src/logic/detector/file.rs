//! What the file of a detector has.
use super::Dtype;
use bluefly_protocol::{exposures::ExposuresPerFrame, name::Name};
use std::path::PathBuf;

/// Where a detector is to write the frames of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePlan {
    pub directory: PathBuf,
    /// Without directory, with extension.
    pub file_name: String,
    pub run_uid: String,
}

/// What a frame looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameShape {
    /// Slowest first: rows, then columns.
    pub shape: Vec<u64>,
    pub dtype: Dtype,
}

/// What a dataset of a file means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatasetKind {
    /// Pixels.
    Detector,
    /// A number that tells about the frame: unique id, timestamp, total.
    Monitor,
    /// Where an axis was at the middle of the exposure.
    Position,
}

/// One dataset of a file, with one row per exposure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    pub name: String,
    /// Where it is in the file.
    pub path: String,
    pub kind: DatasetKind,
    /// Shape of one row; empty for a number.
    pub shape: Vec<u64>,
    pub dtype: Dtype,
    pub rows_per_chunk: u64,
}

/// Rows per chunk of the numbers beside the frames.
pub const NUMBERS_PER_CHUNK: u64 = 1_024;

/// What the file of a detector has, whether or not one is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    pub datasets: Vec<Dataset>,
    /// How many rows belong to a frame.
    pub exposures_per_frame: ExposuresPerFrame,
}

/// A file that a detector has open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenFile {
    pub path: PathBuf,
    pub run_uid: String,
    pub datasets: Vec<Dataset>,
    /// How many rows belong to a frame.
    pub exposures_per_frame: ExposuresPerFrame,
    /// Frames on disk without a hole from index 0, when this was made.
    pub frames_on_disk: u64,
}

impl OpenFile {
    /// Whether it is the one that was planned, whoever opened it.
    pub fn is_of(&self, plan: &FilePlan) -> bool {
        self.path == plan.directory.join(&plan.file_name) && self.run_uid == plan.run_uid
    }
}

/// What is known of each exposure beside its pixels and the positions.
const MONITORS: [&str; 3] = ["NDArrayUniqueId", "NDArrayTimeStamp", "StatsTotal"];

/// What an exposure adds to the file of a detector: its pixels, and numbers about them and of the
/// positions of so many axes.
pub const fn row_bytes(pixel_bytes: u64, axes: u64) -> u64 {
    pixel_bytes + (MONITORS.len() as u64 + axes) * size_of::<f64>() as u64
}

/// What the file of a detector has beside its rows, at most: a chunk of each of the numbers that is
/// begun, and the file's own structure.
pub const fn overhead_bytes(axes: u64) -> u64 {
    row_bytes(0, axes) * NUMBERS_PER_CHUNK + 65_536
}

/// The datasets that the layout of the file writer makes.
pub(super) fn datasets(frame: &FrameShape, axes: &[Name]) -> Vec<Dataset> {
    let number = |name: String, kind: DatasetKind, dtype: Dtype| Dataset {
        path: format!("/entry/instrument/NDAttributes/{name}"),
        name,
        kind,
        shape: Vec::new(),
        dtype,
        rows_per_chunk: NUMBERS_PER_CHUNK,
    };
    let pixels = Dataset {
        name: "data".to_owned(),
        path: "/entry/data/data".to_owned(),
        kind: DatasetKind::Detector,
        shape: frame.shape.clone(),
        dtype: frame.dtype,
        rows_per_chunk: 1,
    };
    let monitor = |name: &str| number(name.to_owned(), DatasetKind::Monitor, Dtype::Float64);
    let mut datasets = vec![pixels];
    datasets.extend(MONITORS.map(monitor));
    let position = |axis: &Name| number(axis.to_string(), DatasetKind::Position, Dtype::Float64);
    datasets.extend(axes.iter().map(position));
    datasets
}

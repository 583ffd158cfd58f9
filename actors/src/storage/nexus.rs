//! The `NeXus` master of a run: written complete and closed before the run, finished after it.
use bluefly_protocol::exposures::ExposuresPerFrame;
use std::{fmt, path::PathBuf};

/// Setpoints in the order in which frames are taken: each item has one vector per axis, all equally
/// long. Drawn from the writer's thread, one item at a time.
pub type Setpoints = Box<dyn Iterator<Item = Vec<Vec<f64>>> + Send>;

/// What a `NeXus` master holds before the first frame.
pub struct MasterPlan {
    /// The file to create, beside the stream files. It must not exist.
    pub path: PathBuf,
    pub title: String,
    pub run_uid: String,
    /// ISO 8601.
    pub start_time: String,
    /// Slowest dimension first.
    pub scan_shape: Vec<u64>,
    pub axes: Vec<AxisPlan>,
    pub setpoints: Setpoints,
    /// The first becomes the default plot.
    pub detectors: Vec<DetectorLink>,
    pub columns: Vec<ColumnsLink>,
}

/// One scanned axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AxisPlan {
    /// Name of the dataset of its setpoints: `x` is kept as `x_set`.
    pub name: String,
    /// Engineering unit.
    pub units: String,
}

/// One dataset of a stream file, shown as a plot of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DetectorLink {
    /// Name of the `NXdata` group.
    pub name: String,
    /// Path of the stream file relative to the master, so that both can be moved together.
    pub file: String,
    /// Dataset within the stream file.
    pub dataset: String,
    /// Dimensions of one row: 0 for a number, 2 for an image.
    pub row_rank: usize,
    /// How many rows belong to a frame.
    pub exposures_per_frame: ExposuresPerFrame,
}

/// The columns of a stream file that has no images, each with a row per frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnsLink {
    /// Name of the `NXcollection` group.
    pub name: String,
    /// Path of the stream file relative to the master, so that both can be moved together.
    pub file: String,
    /// Datasets within the stream file, each linked by its last name.
    pub datasets: Vec<String>,
}

/// What is known only at the end of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MasterEnd {
    /// ISO 8601.
    pub end_time: String,
    /// As in the stop document: `success`, `abort`, `fail`.
    pub exit_status: String,
    /// Why it was not a success; empty if it was.
    pub reason: String,
    /// Frames which every detector has on disk.
    pub num_frames: u64,
}

impl fmt::Debug for MasterPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MasterPlan").field("path", &self.path).finish_non_exhaustive()
    }
}

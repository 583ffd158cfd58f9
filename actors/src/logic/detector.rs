//! [`DetectorLogic`]: what every detector can be told, whatever it is made of: that it opens a file, is
//! armed, takes triggers, and brings what it took to the disk.
use crate::signal::choices;
use bluefly_protocol::{exposures::ExposuresPerFrame, fault::Fault};
use futures_util::future::LocalBoxFuture;
use std::{ops::Range, path::PathBuf, rc::Rc, time::Duration};

/// What a detector does when it is told to, and whether it succeeded.
pub type Doing<'a, T> = LocalBoxFuture<'a, Result<T, Fault>>;

/// A detector with its file. Methods may be called in any order; each future may be dropped at any
/// await, and a later `make_safe` brings the detector to rest from whatever was left.
pub trait DetectorLogic {
    /// Stops acquiring, and tells of a file that is still open so that it can be adopted or closed.
    /// Resolves when no trigger would be taken and everything acquired is on disk.
    fn make_safe(&self) -> Doing<'_, Option<OpenFile>>;

    /// What its file will have, whether or not one is open.
    fn describe(&self) -> Doing<'_, Description>;

    /// Opens a file; all later frames go there, until it is closed.
    fn open<'a>(&'a self, plan: &'a FilePlan) -> Doing<'a, OpenFile>;

    /// Gets ready for the triggers of `arm.frames` frames; resolves once they would be taken.
    fn arm<'a>(&'a self, arm: &'a Arm) -> Doing<'a, ()>;

    /// Resolves when all frames that were armed are on disk. `progress` is told the number of frames on
    /// disk without a hole from index 0, as it changes.
    ///
    /// Fails as [`FaultClass::Lost`](bluefly_protocol::fault::FaultClass::Lost) as soon as it is known
    /// that a frame will never come.
    fn on_disk<'a>(&'a self, progress: &'a dyn Fn(u64)) -> Doing<'a, ()>;

    /// What takes its frames one by one, if it can be told to.
    fn stepper(self: Rc<Self>) -> Option<Rc<dyn Stepper>> {
        None
    }

    /// Stops acquiring; resolves when everything acquired is on disk, with the number of frames there
    /// without a hole from index 0. Legal at any time.
    fn disarm(&self) -> Doing<'_, u64>;

    /// Closes the file that is open, if there is one.
    fn close(&self) -> Doing<'_, ()>;

    /// From now on it comes to rest in a hurry: what does not matter for safety, such as frames that do
    /// not come to disk, is waited for a moment and then told as what did not come.
    fn hurry(&self) {}

    /// Takes one exposure, started by software, while no file is open; resolves with the sum of its
    /// pixels.
    fn take_one(&self, exposure: Duration) -> Doing<'_, f64>;

    /// Numbers of frames that are on disk, from memory: as many as it has without a gap.
    fn summary(&self, frames: Range<u64>) -> Doing<'_, Summary>;
}

/// A detector that takes a frame whenever it is told to.
pub trait Stepper {
    /// Takes the next of the frames that were armed; resolves when the last of its exposures is over.
    fn take_next(&self) -> Doing<'_, ()>;
}

/// What a detector is armed for. Frames are those of the scan, however often it exposes in each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arm {
    /// Index in the run of the first frame.
    pub first_index: u64,
    /// Number of frames that will come, at least one.
    pub frames: u64,
    /// Time from one frame to the next, at least.
    pub frame_duration: Duration,
    /// Of each exposure.
    pub exposure: Duration,
}

/// Numbers of consecutive frames, in columns of equal length.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    pub first_index: u64,
    /// Sum of the pixels, over all exposures of the frame.
    pub total: Vec<f64>,
    /// When the first exposure began, seconds since 1970-01-01T00:00:00Z.
    pub timestamp_s: Vec<f64>,
}

choices! {
    /// Type of a pixel, in the order of the record.
    pub enum Dtype {
        Int8 = "Int8",
        UInt8 = "UInt8",
        Int16 = "Int16",
        UInt16 = "UInt16",
        Int32 = "Int32",
        UInt32 = "UInt32",
        Int64 = "Int64",
        UInt64 = "UInt64",
        Float32 = "Float32",
        Float64 = "Float64",
    }
}

/// Where a detector is to write the frames of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePlan {
    pub directory: PathBuf,
    /// Without directory, with extension.
    pub file_name: String,
    /// How many of the last parts of the directory may be missing: they are made.
    pub new_directories: u32,
    /// Frames that are to come, as far as that is known; more may.
    pub frames: u64,
}

impl FilePlan {
    pub fn path(&self) -> PathBuf {
        self.directory.join(&self.file_name)
    }
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
    /// Of a number, as far as they are known before a file is open.
    pub units: Option<String>,
    pub rows_per_chunk: u64,
}

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
    pub datasets: Vec<Dataset>,
    /// How many rows belong to a frame.
    pub exposures_per_frame: ExposuresPerFrame,
    /// Frames on disk without a hole from index 0, when this was made.
    pub frames_on_disk: u64,
}

impl OpenFile {
    /// Whether it is the one that was planned, whoever opened it: no two runs have one name.
    pub fn is_of(&self, plan: &FilePlan) -> bool {
        self.path == plan.path()
    }
}

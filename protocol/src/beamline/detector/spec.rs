//! [`DetectorSpec`]: a detector as checked.
use crate::{
    beamline::{Address, Scheme},
    exposures::ExposuresPerFrame,
    name::Name,
};
use std::{path::Path, time::Duration};

/// Type of one element of a detector's frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dtype {
    U8,
    U16,
    U32,
    I8,
    I16,
    I32,
    F32,
    F64,
}

impl Dtype {
    /// Every type that a file may name.
    pub const ALL: [Self; 8] =
        [Self::U8, Self::U16, Self::U32, Self::I8, Self::I16, Self::I32, Self::F32, Self::F64];

    /// The type as written, in the words of numpy.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::U8 => "uint8",
            Self::U16 => "uint16",
            Self::U32 => "uint32",
            Self::I8 => "int8",
            Self::I16 => "int16",
            Self::I32 => "int32",
            Self::F32 => "float32",
            Self::F64 => "float64",
        }
    }

    /// Bytes of one element.
    pub const fn size_bytes(self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::F64 => 8,
        }
    }
}

/// What starts an exposure, and what ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// The detector itself, once it is started; its exposures have a length set beforehand.
    Internal,
    /// A rising edge starts an exposure of a length set beforehand.
    Edge,
    /// An exposure is as long as its pulse.
    Gate,
    /// A command starts the exposures of each frame.
    Software,
}

impl Trigger {
    /// Every trigger that a file may name.
    pub const ALL: [Self; 4] = [Self::Internal, Self::Edge, Self::Gate, Self::Software];

    /// The trigger as written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Internal => "internal",
            Self::Edge => "edge",
            Self::Gate => "gate",
            Self::Software => "software",
        }
    }
}

/// The driver of a detector: what it calls the things that it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CameraSpec {
    /// `ADSimDetector`.
    SimDetector,
    /// `ADAndor`.
    Andor,
    /// Any other, in its own words.
    Generic(TriggerWords),
}

impl CameraSpec {
    /// The camera as written.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::SimDetector => "sim_detector",
            Self::Andor => "andor",
            Self::Generic(_) => "generic",
        }
    }
}

/// The choices of `TriggerMode` of a driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TriggerWords {
    pub internal: String,
    pub edge: Option<String>,
    pub gate: Option<String>,
}

/// A directory that has two names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathsSpec {
    /// As this computer calls it.
    pub here: String,
    /// As the computer of the detector does.
    pub ioc: String,
}

/// A detector that writes a file of frames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DetectorSpec {
    pub name: Name,
    pub provider: Address,
    /// Rows and columns of a frame.
    pub shape: [usize; 2],
    pub dtype: Dtype,
    pub camera: CameraSpec,
    pub trigger: Trigger,
    /// Time after an exposure before the next may start.
    pub dead_time: Duration,
    /// Time for which it exposes; if absent, all of the time from one exposure to the next, less
    /// dead time.
    pub exposure: Option<Duration>,
    /// How often it exposes in each frame of a scan; each exposure is a row of its file.
    pub exposures_per_frame: ExposuresPerFrame,
    /// How long after its trigger a frame may arrive before it counts as lost.
    pub frame_timeout: Duration,
    /// Whether it sums up its frames, and its file has the sums.
    pub statistics: bool,
    /// Whether its file has the positions of the axes.
    pub positions: bool,
    /// Where it writes, if its computer calls that by another path.
    pub paths: Option<PathsSpec>,
}

impl DetectorSpec {
    /// Bytes of one frame.
    pub fn frame_bytes(&self) -> usize {
        self.shape[0] * self.shape[1] * self.dtype.size_bytes()
    }

    /// Whether its computer knows a directory of this one, which is absolute.
    pub fn reaches(&self, directory: &Path) -> bool {
        let is_here = self.provider.scheme == Scheme::Sim;
        is_here || self.paths.as_ref().is_none_or(|paths| directory.starts_with(&paths.here))
    }
}

//! [`BeamlineSpec`]: a beamline whose names are unique, references resolved and units parsed.
use super::{Address, DetectorSpec, PandaSpec, PathTemplate};
use crate::{
    name::Name,
    trajectory::{AxisLimits, PointMode, TriggerBits, TriggerSource},
};
use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

/// A checked beamline. Made from a [`super::BeamlineFile`] alone.
#[derive(Clone, Debug, PartialEq)]
pub struct BeamlineSpec {
    pub name: Name,
    pub data: DataSpec,
    pub publish: PublishSpec,
    pub supervision: SupervisionSpec,
    pub queue: QueueSpec,
    pub api: ApiSpec,
    pub ca: CaSpec,
    /// By name, so that every listing has one order.
    pub devices: BTreeMap<Name, DeviceSpec>,
    pub sim: SimSpec,
}

/// Where files go and when they are flushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataSpec {
    /// Directory of all files; relative to the working directory of the process.
    pub directory: String,
    pub path_template: PathTemplate,
    /// A run stops while at least this much is free on the disk.
    pub min_free_bytes: u64,
    /// Time between flushes of a file that has grown.
    pub flush_period: Duration,
    /// Most bytes that may wait for the disk.
    pub queue_bytes: u64,
    /// Longest time that data may wait for the disk.
    pub queue_duration: Duration,
}

/// How far documents stay behind the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lag {
    /// As soon as data is on disk.
    Eager,
    /// This many frames later, so that a rewind does not reach what was published.
    Frames(u64),
    /// This much later.
    Time(Duration),
}

/// When documents are published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishSpec {
    pub lag: Lag,
    /// Longest time between two collections while frames arrive.
    pub collect_period: Duration,
}

/// What to do with a run in which a device crashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnCrash {
    /// Pause, wait for the new incarnation, rewind to the last complete frame, resume.
    Resume,
    /// Stop cleanly and keep what was taken.
    Stop,
}

/// Limits within which the process mends itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SupervisionSpec {
    pub on_crash: OnCrash,
    /// Crashes of devices that one run survives.
    pub max_crashes_per_run: u32,
    /// How often lost frames are taken again before the run stops.
    pub retries_for_lost_frames: u32,
    /// Delay before the first restart; doubled for each that follows.
    pub restart_delay: Duration,
    /// Longest delay before a restart; never shorter than `restart_delay`.
    pub max_restart_delay: Duration,
    /// Restarts within `restart_window` that a supervisor tolerates before it gives up.
    pub max_restarts: u32,
    pub restart_window: Duration,
}

/// What becomes of runs that wait when one is aborted or fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterFailure {
    /// They are held until somebody releases them.
    Hold,
    /// The next one is begun.
    GoOn,
}

/// What becomes of runs that waited when the process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterRestart {
    /// They are held until somebody releases them.
    Hold,
    /// The next one is begun.
    GoOn,
}

/// What the queue of runs does by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueSpec {
    pub after_failure: AfterFailure,
    pub after_restart: AfterRestart,
    /// Runs that may wait.
    pub max_queued: usize,
}

/// Where the process listens, whom it answers, and how much of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiSpec {
    pub listen: SocketAddr,
    /// File that holds the bearer token; required unless `listen` is on loopback.
    pub token_file: Option<String>,
    /// None: HTTP, not HTTPS.
    pub tls: Option<TlsSpec>,
    /// Names of this machine by which requests may call it, beside `localhost` and addresses; lower
    /// case, without port.
    pub allowed_hosts: Vec<String>,
    /// Longest body of a request.
    pub max_body_bytes: usize,
    /// Most connections at a time.
    pub max_clients: usize,
    /// Most requests of one client in a second.
    pub max_requests_per_s: u32,
    /// Threads that read requests and write answers.
    pub workers: usize,
}

/// Files with which the process proves who it is, in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSpec {
    /// The certificate, then those that vouch for it.
    pub certificate: String,
    pub key: String,
}

/// How devices are found and watched over Channel Access. Variables of the environment named
/// `EPICS_CA_...` win over it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaSpec {
    /// Hosts that are asked for PVs, each with a port where it is not the usual one.
    pub address_list: Vec<String>,
    /// Whether every network of this machine is asked as well.
    pub auto_address_list: bool,
    /// How long a PV may take to be found at the start; after this long without a word a server is
    /// asked whether it is there.
    pub connection_timeout: Duration,
    /// The largest value that can be got or put.
    pub max_array_bytes: usize,
    /// A server of which something is awaited is asked after so much silence whether it is there.
    pub watchdog_period: Duration,
    /// How long it may then take to answer before it counts as lost.
    pub watchdog_timeout: Duration,
    /// Name of the PV behind each name in this file that is none.
    pub aliases: BTreeMap<String, String>,
}

/// What a device is, in the words of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeviceType {
    Motor,
    TrajectoryController,
    Detector,
    Generator,
    Panda,
}

impl DeviceType {
    /// Every type that a file may name.
    pub const ALL: [Self; 5] =
        [Self::Motor, Self::TrajectoryController, Self::Detector, Self::Generator, Self::Panda];

    /// The type as written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Motor => "motor",
            Self::TrajectoryController => "trajectory_controller",
            Self::Detector => "detector",
            Self::Generator => "generator",
            Self::Panda => "panda",
        }
    }
}

/// One device.
#[derive(Clone, Debug, PartialEq)]
pub enum DeviceSpec {
    Motor(MotorSpec),
    TrajectoryController(TrajectoryControllerSpec),
    Detector(DetectorSpec),
    Generator(GeneratorSpec),
    Panda(PandaSpec),
}

/// An axis that moves.
#[derive(Clone, Debug, PartialEq)]
pub struct MotorSpec {
    pub name: Name,
    pub provider: Address,
    /// Name of the engineering unit (EGU) of its positions.
    pub units: String,
    /// In that unit.
    pub limits: AxisLimits,
    /// Decimal places of a position that mean something.
    pub precision: u32,
    /// Whether it is a motor of a co-ordinate system, made of several others.
    pub is_compound: bool,
}

/// A motion controller that moves several axes along one trajectory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrajectoryControllerSpec {
    pub name: Name,
    pub provider: Address,
    /// Names of motors, each in exactly one controller.
    pub axes: Vec<Name>,
    /// Segments that one of its buffers holds.
    pub max_segments: usize,
    /// Shortest time that one segment may take; not longer than the longest.
    pub min_segment_duration: Duration,
    /// Longest time that one segment may take.
    pub max_segment_duration: Duration,
    /// Least time between two rows.
    pub min_turnaround: Duration,
    /// Which points of a scan it is given.
    pub points: PointMode,
    /// What it tells the trigger hardware.
    pub trigger_bits: TriggerBits,
    /// What triggers the detectors.
    pub trigger_source: TriggerSource,
    /// Port of the co-ordinate system that its axes are in, and where the signals of that live.
    pub cs: String,
    pub cs_provider: Address,
}

/// Works out the frames of a scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GeneratorSpec {
    pub name: Name,
    pub provider: Address,
}

/// What a simulation of the beamline does, and does wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SimSpec {
    /// Seed of every random number of a simulated process.
    pub seed: u64,
    pub devices: BTreeMap<Name, SimDeviceSpec>,
}

/// What one simulated device does wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SimDeviceSpec {
    /// Triggers that a detector misses, one for each exposure, counted from 0 since it came up;
    /// rising.
    pub lose_frames: Vec<u64>,
}

impl DeviceSpec {
    /// The name of the device.
    pub const fn name(&self) -> &Name {
        match self {
            Self::Motor(spec) => &spec.name,
            Self::TrajectoryController(spec) => &spec.name,
            Self::Detector(spec) => &spec.name,
            Self::Generator(spec) => &spec.name,
            Self::Panda(spec) => &spec.name,
        }
    }

    /// Where its signals live.
    pub const fn provider(&self) -> &Address {
        match self {
            Self::Motor(spec) => &spec.provider,
            Self::TrajectoryController(spec) => &spec.provider,
            Self::Detector(spec) => &spec.provider,
            Self::Generator(spec) => &spec.provider,
            Self::Panda(spec) => &spec.provider,
        }
    }

    /// What it is.
    pub const fn device_type(&self) -> DeviceType {
        match self {
            Self::Motor(_) => DeviceType::Motor,
            Self::TrajectoryController(_) => DeviceType::TrajectoryController,
            Self::Detector(_) => DeviceType::Detector,
            Self::Generator(_) => DeviceType::Generator,
            Self::Panda(_) => DeviceType::Panda,
        }
    }
}

impl BeamlineSpec {
    /// The motors, by name.
    pub fn motors(&self) -> impl Iterator<Item = &MotorSpec> {
        self.devices.values().filter_map(|device| match device {
            DeviceSpec::Motor(spec) => Some(spec),
            DeviceSpec::TrajectoryController(_)
            | DeviceSpec::Detector(_)
            | DeviceSpec::Generator(_)
            | DeviceSpec::Panda(_) => None,
        })
    }

    /// The trajectory controllers, by name.
    pub fn trajectory_controllers(&self) -> impl Iterator<Item = &TrajectoryControllerSpec> {
        self.devices.values().filter_map(|device| match device {
            DeviceSpec::TrajectoryController(spec) => Some(spec),
            DeviceSpec::Motor(_)
            | DeviceSpec::Detector(_)
            | DeviceSpec::Generator(_)
            | DeviceSpec::Panda(_) => None,
        })
    }

    /// The detectors, by name.
    pub fn detectors(&self) -> impl Iterator<Item = &DetectorSpec> {
        self.devices.values().filter_map(|device| match device {
            DeviceSpec::Detector(spec) => Some(spec),
            DeviceSpec::Motor(_)
            | DeviceSpec::TrajectoryController(_)
            | DeviceSpec::Generator(_)
            | DeviceSpec::Panda(_) => None,
        })
    }

    /// The scan-point generators, by name.
    pub fn generators(&self) -> impl Iterator<Item = &GeneratorSpec> {
        self.devices.values().filter_map(|device| match device {
            DeviceSpec::Generator(spec) => Some(spec),
            DeviceSpec::Motor(_)
            | DeviceSpec::TrajectoryController(_)
            | DeviceSpec::Detector(_)
            | DeviceSpec::Panda(_) => None,
        })
    }

    /// Each PandA, by name.
    pub fn pandas(&self) -> impl Iterator<Item = &PandaSpec> {
        self.devices.values().filter_map(|device| match device {
            DeviceSpec::Panda(spec) => Some(spec),
            DeviceSpec::Motor(_)
            | DeviceSpec::TrajectoryController(_)
            | DeviceSpec::Detector(_)
            | DeviceSpec::Generator(_) => None,
        })
    }

    /// The motor of that name.
    pub fn motor(&self, name: &str) -> Option<&MotorSpec> {
        match self.devices.get(name)? {
            DeviceSpec::Motor(spec) => Some(spec),
            DeviceSpec::TrajectoryController(_)
            | DeviceSpec::Detector(_)
            | DeviceSpec::Generator(_)
            | DeviceSpec::Panda(_) => None,
        }
    }
}

//! What stands at the simulated beamline.
use bluefly_actors::{logic::detector::Dtype, supervise::Schedule};
use bluefly_protocol::{
    beamline::Trigger,
    name::Name,
    trajectory::{AxisLimits, TriggerSource},
};
use std::{collections::BTreeSet, time::Duration};

/// Every device of a simulated beamline.
#[derive(Clone, Debug, Default)]
pub struct WorldConfig {
    pub motors: Vec<MotorConfig>,
    pub controllers: Vec<ControllerConfig>,
    pub detectors: Vec<DetectorConfig>,
    pub generators: Vec<GeneratorConfig>,
    pub pandas: Vec<PandaConfig>,
    pub latency: Latency,
    /// In which order its tasks run that are ready at the same moment.
    pub schedule: Schedule,
}

/// How long a request takes to a device, uniformly between both ends. Both zero: no time at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    pub least: Duration,
    pub most: Duration,
}

/// A motor record.
#[derive(Clone, Debug)]
pub struct MotorConfig {
    pub name: Name,
    /// Prefix of its signals: `sim://x`.
    pub address: String,
    pub unit: String,
    pub limits: AxisLimits,
    /// Where it stands at first.
    pub position: f64,
    /// Decimal places of a position that mean something.
    pub precision: u32,
    /// One step of the motor.
    pub resolution: f64,
    /// The lowest velocity that it takes.
    pub base_velocity: f64,
    /// Where its limit switches are, if it has any.
    pub switches: Option<[f64; 2]>,
    /// Whether it is made of several motors by its controller.
    pub is_compound: bool,
}

/// A controller that moves some of the motors along a trajectory and triggers every detector.
#[derive(Clone, Debug)]
pub struct ControllerConfig {
    pub name: Name,
    pub address: String,
    /// Names of motors, at most nine.
    pub axes: Vec<Name>,
    /// The port of its co-ordinate system, and the prefix of the signals of that.
    pub cs: String,
    pub cs_address: String,
    /// Points that one half of its buffer holds.
    pub buffer_length: usize,
    /// Most points that it keeps memory for.
    pub max_points: i64,
    /// The shortest time between two points that it follows.
    pub shortest: Duration,
    /// What it triggers detectors by.
    pub trigger_source: TriggerSource,
    /// How long after the world was made it is known which motor is which axis.
    pub warm_up: Duration,
    /// How long after the state, or after a put is complete, it tells what came of it: status,
    /// message, and how many points it takes.
    pub tells_late: Duration,
}

/// A detector with its file writer.
#[expect(clippy::struct_excessive_bools, reason = "each part is there or not, on its own")]
#[derive(Clone, Debug)]
pub struct DetectorConfig {
    pub name: Name,
    pub address: String,
    /// Rows and columns of a frame.
    pub shape: [usize; 2],
    pub dtype: Dtype,
    pub dead_time: Duration,
    /// What its `TriggerMode` has, and means; the first is set at first.
    pub triggers: Vec<(String, Trigger)>,
    /// Motors whose positions it sees.
    pub axes: Vec<Name>,
    /// Whether its file has those positions.
    pub positions: bool,
    /// Whether its file has the sums of its frames.
    pub statistics: bool,
    /// Whether its file writer was given a frame before.
    pub has_taken_a_frame: bool,
    /// Whether a pulse multiplier stands between the controller and it.
    pub has_multiplier: bool,
    /// Triggers that it misses, counted from zero since the world was made.
    pub missed_triggers: BTreeSet<u64>,
    /// Frames of which it remembers the statistics.
    pub ring: usize,
    /// How much later than the end of an acquisition it tells of its last frames.
    pub lateness: Duration,
}

/// A scan-point generator.
#[derive(Clone, Debug)]
pub struct GeneratorConfig {
    pub name: Name,
    pub address: String,
}

/// A PandA, and what it is wired to.
#[derive(Clone, Debug)]
pub struct PandaConfig {
    pub name: Name,
    pub encoders: Vec<EncoderConfig>,
    pub inputs: Vec<InputConfig>,
    /// Detectors that are named here get triggers from here only.
    pub outputs: Vec<OutputConfig>,
}

/// The encoder of a motor, at an input for encoders: position = counts * scale + offset.
#[derive(Clone, Debug)]
pub struct EncoderConfig {
    pub motor: Name,
    /// 1 for INENC1.
    pub number: u8,
    /// Units of the motor per count, not zero.
    pub scale: f64,
    pub offset: f64,
}

/// An output bit of a controller, at a TTL input. User programs set the three bits.
#[derive(Clone, Debug)]
pub struct InputConfig {
    pub controller: Name,
    /// 0 is high during the rows of a trajectory, if its trigger bits are the gate of rows.
    pub bit: u8,
    /// 1 for TTLIN1.
    pub number: u8,
}

/// A detector that listens to a TTL output.
#[derive(Clone, Debug)]
pub struct OutputConfig {
    /// 1 for TTLOUT1.
    pub number: u8,
    pub detector: Name,
}

impl PandaConfig {
    /// A PandA that nothing is wired to.
    pub const fn new(name: Name) -> Self {
        Self { name, encoders: Vec::new(), inputs: Vec::new(), outputs: Vec::new() }
    }
}

impl MotorConfig {
    /// A motor `name` at `sim://name`, which stands at zero.
    pub fn new(name: Name, limits: AxisLimits) -> Self {
        let address = format!("sim://{name}");
        Self {
            name,
            address,
            unit: "mm".to_owned(),
            limits,
            position: 0.0,
            precision: 4,
            resolution: 1e-6,
            base_velocity: 0.0,
            switches: None,
            is_compound: false,
        }
    }
}

impl ControllerConfig {
    /// A controller `name` at `sim://name` with room for 1,000 points in each half of its buffer.
    pub fn new(name: Name, axes: Vec<Name>) -> Self {
        let address = format!("sim://{name}");
        Self {
            name,
            cs: "CS1".to_owned(),
            cs_address: format!("{address}:CS1"),
            address,
            axes,
            buffer_length: 1_000,
            max_points: 2_000_000,
            shortest: Duration::from_micros(1),
            trigger_source: TriggerSource::Box,
            warm_up: Duration::ZERO,
            tells_late: Duration::ZERO,
        }
    }
}

impl DetectorConfig {
    /// A detector `name` at `sim://name` with 16-bit pixels.
    pub fn new(name: Name, shape: [usize; 2], dead_time: Duration) -> Self {
        Self {
            address: format!("sim://{name}"),
            name,
            shape,
            dtype: Dtype::UInt16,
            dead_time,
            triggers: vec![
                ("Internal".to_owned(), Trigger::Internal),
                ("External".to_owned(), Trigger::Edge),
            ],
            axes: Vec::new(),
            positions: true,
            statistics: true,
            has_taken_a_frame: true,
            has_multiplier: false,
            missed_triggers: BTreeSet::new(),
            ring: 1_024,
            lateness: Duration::ZERO,
        }
    }
}

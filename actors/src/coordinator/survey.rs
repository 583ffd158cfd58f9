//! [`Survey`]: what the devices of a beamline are, and how each is now.
use super::beamline::Beamline;
use crate::{
    device::{
        controller::{Controller, FramesDone},
        detector::{Describe, Detector},
        generator::Generator,
        motor::{Locate, Motor},
        panda::{Look, Panda},
    },
    supervise::{Ping, Ref, Snapshot, State},
};
use bluefly_protocol::{
    api::{Device, DeviceKind, Life, Range},
    beamline::{BeamlineSpec, DeviceSpec},
    name::Name,
};
use futures_util::future::join_all;
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::Mutex;

/// Name of the branch of the tree in which the devices are.
pub const DEVICES: &str = "devices";
/// Name of the tree in which the connections to each `PandA` are.
pub const CONNECTIONS: &str = "io";
/// How long one device may take to tell how it is. They are asked at the same time, so that one that
/// is dead delays nobody.
const READ_WITHIN: Duration = Duration::from_secs(1);

/// What is known of a device without asking it.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    pub name: Name,
    /// Where its signals come from.
    pub provider: String,
    pub nature: Nature,
}

/// What a device is.
#[derive(Clone, Debug, PartialEq)]
pub enum Nature {
    Motor {
        /// Of its positions and limits.
        units: String,
        limits: Range,
    },
    TrajectoryController {
        axes: Vec<Name>,
    },
    Detector {
        /// Rows and columns of a frame.
        shape: Vec<u64>,
        dtype: &'static str,
        /// For which it exposes, if that does not depend on the scan.
        exposure: Option<Duration>,
    },
    Generator,
    Panda,
}

/// Every device of a beamline.
pub type Inventory = BTreeMap<Name, Facts>;

/// What a beamline file says of its devices.
pub fn inventory(spec: &BeamlineSpec) -> Inventory {
    let facts = |device: &DeviceSpec| Facts {
        name: device.name().clone(),
        provider: device.provider().to_string(),
        nature: nature(device),
    };
    spec.devices.iter().map(|(name, device)| (name.clone(), facts(device))).collect()
}

fn nature(device: &DeviceSpec) -> Nature {
    match device {
        DeviceSpec::Motor(motor) => Nature::Motor {
            units: motor.units.clone(),
            limits: Range { low: motor.limits.low, high: motor.limits.high },
        },
        DeviceSpec::TrajectoryController(controller) => {
            Nature::TrajectoryController { axes: controller.axes.clone() }
        }
        DeviceSpec::Detector(detector) => Nature::Detector {
            shape: detector.shape.map(|size| size as u64).to_vec(),
            dtype: detector.dtype.as_str(),
            exposure: detector.exposure,
        },
        DeviceSpec::Generator(_) => Nature::Generator,
        DeviceSpec::Panda(_) => Nature::Panda,
    }
}

impl Nature {
    pub const fn kind(&self) -> DeviceKind {
        match self {
            Self::Motor { .. } => DeviceKind::Motor,
            Self::TrajectoryController { .. } => DeviceKind::TrajectoryController,
            Self::Detector { .. } => DeviceKind::Detector,
            Self::Generator => DeviceKind::Generator,
            Self::Panda => DeviceKind::Panda,
        }
    }
}

/// Asks devices how they are. Cheap to clone, usable from any thread.
#[derive(Clone)]
pub struct Survey(Arc<Asked>);

struct Asked {
    inventory: Arc<Inventory>,
    motors: BTreeMap<Name, Ref<Motor>>,
    controllers: BTreeMap<Name, Ref<Controller>>,
    detectors: BTreeMap<Name, Ref<Detector>>,
    generators: BTreeMap<Name, Ref<Generator>>,
    pandas: BTreeMap<Name, Ref<Panda>>,
    readings: BTreeMap<Name, Readings>,
}

/// How a device is, read once for all who asked before that was begun: however many they are, they
/// take one place in its mailbox.
struct Readings {
    begun: AtomicU64,
    /// With its number.
    latest: Mutex<(u64, Reading)>,
}

/// The position of a motor; nothing of others.
type Reading = Result<Option<f64>, String>;

impl Beamline {
    /// What asks its devices how they are.
    pub fn survey(&self) -> Survey {
        Survey(Arc::new(Asked {
            inventory: Arc::clone(&self.inventory),
            motors: self.motors.clone(),
            controllers: self.controllers.clone(),
            detectors: self.detectors.clone(),
            generators: BTreeMap::from([self.generator.clone()]),
            pandas: self.pandas.clone(),
            readings: self.inventory.keys().map(|name| (name.clone(), Readings::new())).collect(),
        }))
    }
}

impl Readings {
    fn new() -> Self {
        Self { begun: AtomicU64::new(0), latest: Mutex::new((0, Ok(None))) }
    }

    /// What is read from now on.
    async fn read(&self, read: impl Future<Output = Reading>) -> Reading {
        let before = self.begun.load(Ordering::SeqCst);
        let mut latest = self.latest.lock().await;
        if latest.0 <= before {
            let number = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
            *latest = (number, read.await);
        }
        latest.1.clone()
    }
}

impl Survey {
    /// Every device, by name; `tree` is what runs now. Resolves within two seconds or so.
    pub async fn devices(&self, tree: &Snapshot) -> Vec<Device> {
        join_all(self.0.inventory.values().map(|facts| self.read(facts, tree))).await
    }

    /// One device, if there is one of that name.
    pub async fn device(&self, name: &str, tree: &Snapshot) -> Option<Device> {
        Some(self.read(self.0.inventory.get(name)?, tree).await)
    }

    async fn read(&self, facts: &Facts, tree: &Snapshot) -> Device {
        let mut device = describe(facts);
        if let Some(actor) = actor(tree, facts) {
            device.state = life(actor.state);
            device.incarnation = actor.incarnation;
            device.restarts = actor.restarts;
        }
        let read = self.0.ask(facts);
        let read = match self.0.readings.get(&facts.name) {
            Some(readings) => readings.read(read).await,
            None => read.await,
        };
        match read {
            Ok(position) => device.position = position,
            Err(error) => device.error = Some(with_reason(error, facts, tree)),
        }
        device
    }
}

impl Asked {
    /// The position of a motor; nothing of others, whose answer shows that they can be reached.
    async fn ask(&self, facts: &Facts) -> Reading {
        let name = &facts.name;
        match facts.nature {
            Nature::Motor { .. } => match self.motors.get(name) {
                Some(motor) => told(motor.ask(Locate, READ_WITHIN).await).map(Some),
                None => Ok(None),
            },
            Nature::TrajectoryController { .. } => match self.controllers.get(name) {
                Some(controller) => told(controller.ask(FramesDone, READ_WITHIN).await).map(unread),
                None => Ok(None),
            },
            Nature::Detector { .. } => match self.detectors.get(name) {
                Some(detector) => told(detector.ask(Describe, READ_WITHIN).await).map(unread),
                None => Ok(None),
            },
            Nature::Generator => match self.generators.get(name) {
                Some(generator) => {
                    let answer = generator.ask(Ping, READ_WITHIN).await;
                    answer.map(unread).map_err(|error| error.to_string())
                }
                None => Ok(None),
            },
            Nature::Panda => match self.pandas.get(name) {
                Some(panda) => look(panda).await.map(unread),
                None => Ok(None),
            },
        }
    }
}

/// Of a PandA that is away also how its connection ended last.
fn with_reason(error: String, facts: &Facts, tree: &Snapshot) -> String {
    let is_panda = matches!(facts.nature, Nature::Panda);
    let actor = actor(tree, facts).filter(|actor| is_panda && actor.state != State::Up);
    match actor.and_then(|actor| actor.last_exit.as_ref()) {
        Some(exit) => format!("{error}: {exit}"),
        None => error,
    }
}

/// Fails unless the PandA is reached, and set up as it is to be.
async fn look(panda: &Ref<Panda>) -> Result<(), String> {
    let state = panda.ask(Look, READ_WITHIN).await.map_err(|error| error.to_string())?;
    match state.reached {
        None => Err("it is not reached yet".to_owned()),
        Some(reached) if reached.wiring.wrong.is_empty() => Ok(()),
        Some(reached) => {
            let wrong: Vec<String> = reached.wiring.wrong.iter().map(ToString::to_string).collect();
            Err(wrong.join("; "))
        }
    }
}

fn unread<T>(_: T) -> Option<f64> {
    None
}

/// An answer, or in words why there is none.
fn told<T>(
    answer: Result<Result<T, impl std::fmt::Display>, impl std::fmt::Display>,
) -> Result<T, String> {
    match answer {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(fault)) => Err(fault.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

fn describe(facts: &Facts) -> Device {
    let mut device = Device {
        name: facts.name.clone(),
        kind: facts.nature.kind(),
        provider: facts.provider.clone(),
        state: Life::Down,
        incarnation: 0,
        restarts: 0,
        units: None,
        limits: None,
        position: None,
        shape: None,
        dtype: None,
        error: None,
    };
    match &facts.nature {
        Nature::Motor { units, limits } => {
            device.units = Some(units.clone());
            let is_limited = limits.low.is_finite() && limits.high.is_finite();
            device.limits = is_limited.then_some(*limits);
        }
        Nature::Detector { shape, dtype, .. } => {
            device.shape = Some(shape.clone());
            device.dtype = Some((*dtype).to_owned());
        }
        Nature::TrajectoryController { .. } | Nature::Generator | Nature::Panda => {}
    }
    device
}

/// The actor of a device; of a PandA that of its connections, which all else of it needs.
fn actor<'a>(tree: &'a Snapshot, Facts { name, nature, .. }: &Facts) -> Option<&'a Snapshot> {
    let branch = |id: &str| tree.children.iter().find(|branch| branch.id == id);
    let is_it = |actor: &&Snapshot| actor.id == name.as_str();
    match nature {
        Nature::Panda => {
            let connections = branch(CONNECTIONS)?.children.iter();
            connections.flat_map(|panda| &panda.children).find(is_it)
        }
        Nature::Motor { .. }
        | Nature::TrajectoryController { .. }
        | Nature::Detector { .. }
        | Nature::Generator => branch(DEVICES)?.children.iter().find(is_it),
    }
}

const fn life(state: State) -> Life {
    match state {
        State::Down => Life::Down,
        State::Starting => Life::Starting,
        State::Up => Life::Up,
        State::Backoff => Life::Backoff,
        State::Stopping => Life::Stopping,
    }
}

//! [`Hardware`]: what stands behind the devices of a beamline, simulated or real.
use crate::{
    cli::CliError,
    epics,
    pandas::{PandaPlace, PandaPlaces},
    world::world_config,
};
use bluefly_actors::{
    backend::panda::{
        capture::{DataPort, TcpDataPort, WireDataPort},
        control::{Dial, TcpDial},
    },
    clock::Clock,
    device::panda::{PandaLink, PandaTiming},
    logic::panda::wiring::Wiring as FieldWiring,
    random::Seed,
    signal::{Router, SignalProvider, SoftSignals, panda::PandaSignals},
    supervise::Schedule,
};
use bluefly_protocol::{
    beamline::{Address, BeamlineError, BeamlineSpec, DetectorSpec, PandaSpec, Scheme},
    name::Name,
};
use bluefly_sim::{Latency, World, sink::FrameSink};
use std::{path::Path, rc::Rc, time::Duration};

/// What stands behind the devices of a beamline.
#[derive(Clone)]
pub enum Hardware {
    /// Every device is simulated, whatever its provider.
    Simulated,
    /// Each device is what its provider says. None: nothing carries `ca://`.
    AsWritten(Option<Rc<dyn SignalProvider>>),
}

/// How the devices of a beamline are to be reached; decided before anything is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wiring {
    /// Every device is simulated.
    Simulated,
    /// By the provider of each device.
    AsWritten,
}

/// The hardware of one beamline, within reach.
pub(crate) struct Site {
    pub(crate) provider: Rc<dyn SignalProvider>,
    /// Of the devices that are simulated, if there are any.
    pub(crate) world: World,
    pub(crate) pandas: PandaPlaces,
    /// How long a signal may take to be found.
    pub(crate) connect_within: Duration,
    is_simulated: bool,
}

/// How long it may take to find a signal of hardware that is simulated.
const SIMULATED_WITHIN: Duration = Duration::from_secs(10);

/// How hardware is simulated.
pub(crate) struct Simulation<'a> {
    pub(crate) clock: &'a Clock,
    pub(crate) seed: Seed,
    pub(crate) latency: Latency,
    pub(crate) schedule: Schedule,
    pub(crate) sink: &'a Rc<dyn FrameSink>,
}

impl Wiring {
    /// By the provider of each device of the beamline of `file`. What this program cannot reach is
    /// better said before anything is started.
    ///
    /// For a process that has no threads yet: libca is told of `[ca]`.
    pub(crate) fn as_written(spec: &BeamlineSpec, file: &Path) -> Result<Self, CliError> {
        can_be_reached(spec).map_err(|BeamlineError { key, reason }| {
            let reason = format!("{reason}; --sim simulates every device");
            CliError::input(format!("{}: {key}", file.display()), reason)
        })?;
        if has_ca(spec) {
            epics::export(&spec.ca)?;
        }
        Ok(Self::AsWritten)
    }

    /// Makes what carries the signals. Must run within an actix system.
    pub(crate) fn hardware(self, spec: &BeamlineSpec, clock: &Clock) -> Result<Hardware, CliError> {
        match self {
            Self::Simulated => Ok(Hardware::Simulated),
            Self::AsWritten if has_ca(spec) => {
                epics::provider(&spec.ca, clock.clone()).map(Some).map(Hardware::AsWritten)
            }
            Self::AsWritten => Ok(Hardware::AsWritten(None)),
        }
    }
}

fn has_ca(spec: &BeamlineSpec) -> bool {
    spec.devices.values().any(|device| device.provider().scheme == Scheme::Ca)
}

impl Hardware {
    pub(crate) fn site(&self, spec: &BeamlineSpec, simulation: &Simulation<'_>) -> Site {
        let Simulation { clock, seed, latency, schedule, sink } = simulation;
        let world = |spec: &BeamlineSpec| {
            World::new(&world_config(spec, *latency, *schedule), clock, *seed, sink)
        };
        match self {
            Self::Simulated => {
                let world = world(spec);
                let (provider, connect_within) = (world.provider(), SIMULATED_WITHIN);
                let pandas =
                    panda_places(spec, clock, (&world, &PandaSignals::new((*clock).clone())));
                Site { provider, world, pandas, connect_within, is_simulated: true }
            }
            Self::AsWritten(channel_access) => {
                let world = world(&simulated_part(spec));
                let signals = PandaSignals::new((*clock).clone());
                let pandas = panda_places(spec, clock, (&world, &signals));
                let router = Router::default()
                    .with(Scheme::Sim, world.provider())
                    .with(Scheme::Panda, Rc::new(signals))
                    .with(Scheme::Soft, Rc::new(SoftSignals::new((*clock).clone())));
                let router = match channel_access {
                    Some(provider) => router.with(Scheme::Ca, Rc::clone(provider)),
                    None => router,
                };
                let connect_within = spec.ca.connection_timeout;
                let provider = Rc::new(router);
                Site { provider, world, pandas, connect_within, is_simulated: false }
            }
        }
    }
}

impl Site {
    /// The motors whose positions a detector may have beside its frames: a simulated one knows those
    /// that are simulated with it, a real one those of its own kind.
    pub(crate) fn axes_beside(&self, spec: &BeamlineSpec, detector: &DetectorSpec) -> Vec<Name> {
        let scheme = detector.provider.scheme;
        let motors = spec.motors();
        let beside = motors.filter(|motor| self.is_simulated || motor.provider.scheme == scheme);
        beside.map(|motor| motor.name.clone()).collect()
    }
}

/// How each PandA is reached: within the process if it is simulated.
fn panda_places(
    spec: &BeamlineSpec,
    clock: &Clock,
    (world, signals): (&World, &PandaSignals),
) -> PandaPlaces {
    let link = |panda: &PandaSpec| {
        let PandaSpec { name, place, wiring, .. } = panda;
        let timing = PandaTiming::default();
        let (within, clock) = (timing.connect_within, clock.clone());
        let (dial, data): (Rc<dyn Dial>, Rc<dyn DataPort>) = match (world.panda(name), place) {
            (Some(simulated), _) => {
                let dial = Rc::new(simulated.data_port());
                (Rc::new(simulated), Rc::new(WireDataPort { dial, within, clock }))
            }
            (None, Some(address)) => {
                let (address, other) = (address.clone(), address.clone());
                let data = TcpDataPort { address: other, within, clock: clock.clone() };
                (Rc::new(TcpDial { address, within, clock }), Rc::new(data))
            }
            (None, None) => return None,
        };
        let (seat, wiring) = (signals.seat(name.as_str()), FieldWiring::new(wiring));
        let link = PandaLink { dial, seat, timing, wiring };
        Some((name.clone(), PandaPlace { link, data }))
    };
    spec.pandas().filter_map(link).collect()
}

/// The devices of `spec` that are simulated also if all others are real.
fn simulated_part(spec: &BeamlineSpec) -> BeamlineSpec {
    let mut part = spec.clone();
    part.devices.retain(|_, device| device.provider().scheme == Scheme::Sim);
    part
}

/// Refuses a beamline of which a device cannot be reached as it is written, by the key of the first.
fn can_be_reached(spec: &BeamlineSpec) -> Result<(), BeamlineError> {
    for device in spec.devices.values() {
        let address = device.provider();
        let reason = match address.scheme {
            Scheme::Sim | Scheme::Soft | Scheme::Panda => continue,
            Scheme::Ca if cfg!(feature = "ca") => continue,
            Scheme::Ca => "this program was built without Channel Access (feature \"ca\")",
            Scheme::Pva => "this version has no provider for pva://",
        };
        let key = format!("device.{}.provider", device.name());
        return Err(BeamlineError { key, reason: format!("\"{address}\": {reason}") });
    }
    stand_together(spec)
}

/// A simulated controller and a real motor cannot move each other, and a simulated PandA is plugged
/// into nothing real.
fn stand_together(spec: &BeamlineSpec) -> Result<(), BeamlineError> {
    for controller in spec.trajectory_controllers() {
        let scheme = controller.provider.scheme;
        let mut axes = controller.axes.iter().filter_map(|axis| spec.devices.get(axis));
        if let Some(motor) = axes.find(|motor| motor.provider().scheme != scheme) {
            let (motor, address) = (motor.name(), motor.provider());
            let key = format!("device.{}.axes", controller.name);
            let own = &controller.provider;
            let reason = format!("{motor:?} is \"{address}\", which \"{own}\" cannot move");
            return Err(BeamlineError { key, reason });
        }
    }
    for panda in spec.pandas() {
        let is_simulated = |device: &Address| device.scheme == Scheme::Sim;
        let outputs = panda.triggers.iter().flat_map(|triggers| triggers.outputs.keys());
        let outputs = outputs.map(|detector| ("triggers.outputs", detector));
        let mut plugged = panda.encoders.keys().map(|motor| ("encoders", motor)).chain(outputs);
        let own = &panda.provider;
        let is_apart = |(_, name): &(_, &Name)| {
            let device = spec.devices.get(*name);
            device.is_some_and(|device| is_simulated(device.provider()) != is_simulated(own))
        };
        if let Some((table, name)) = plugged.find(is_apart) {
            let key = format!("device.{}.{table}.{name}", panda.name);
            let reason = format!("\"{own}\" is not plugged into it: one of them is simulated");
            return Err(BeamlineError { key, reason });
        }
    }
    Ok(())
}

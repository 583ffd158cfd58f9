//! [`survey`]: connects to every signal of a beamline, and asks each device how it is.
pub(crate) mod mismatch;
mod panda;
#[cfg(test)]
mod tests;

use crate::{
    assembly::{cannot_capture, detector_setup, trajectory_setup},
    hardware::{Hardware, Simulation, Site},
    world,
};
use bluefly_actors::{
    clock::Clock,
    logic::{
        area_detector::{AreaDetector, DetectorRecord},
        detector::FrameShape,
        generator::GeneratorRecord,
        motor::{MotorLogic, MotorRecord},
        trajectory::{TrajectoryLogic, TrajectoryRecord},
    },
    random::Seed,
    signal::{Batch, Connector, Found, SignalError, Wanted},
    supervise::Schedule,
};
use bluefly_protocol::{
    beamline::{BeamlineSpec, DetectorSpec, DeviceSpec, MotorSpec},
    name::Name,
    panda::wiring::Loose,
    trajectory::AxisLimits,
};
use bluefly_sim::{
    Latency,
    sink::{FrameSink, MemorySink},
};
use futures_util::future::join_all;
use mismatch::{mismatch, remedy};
use std::{cell::RefCell, collections::BTreeMap, path::Path, rc::Rc, time::Duration};

/// What each device said.
pub(crate) type Answers = BTreeMap<Name, Answer>;

/// What one device said.
#[derive(Debug)]
pub(crate) struct Answer {
    /// How it is, or why it cannot be asked.
    pub(crate) said: Result<String, String>,
    /// Where it is not what the file says.
    pub(crate) mismatches: Vec<String>,
    /// In the order in which its record asks for them.
    pub(crate) signals: Vec<Signal>,
    /// Fields of a PandA that are set when it is reached for a scan.
    pub(crate) loose: Vec<Loose>,
}

impl Answer {
    /// Whether nothing was heard of it at all.
    pub(crate) fn is_silent(&self) -> bool {
        let is_silent =
            |signal: &Signal| matches!(signal.found, Err(SignalError::Disconnected { .. }));
        !self.signals.is_empty() && self.signals.iter().all(is_silent)
    }

    /// Where device and signals are not what the file and the record expect.
    pub(crate) fn mismatches(&self) -> impl Iterator<Item = &String> {
        self.mismatches.iter().chain(self.signals.iter().flat_map(|signal| &signal.mismatches))
    }
}

/// What one signal said.
#[derive(Debug)]
pub(crate) struct Signal {
    pub(crate) wanted: Wanted,
    pub(crate) found: Result<Found, SignalError>,
    /// Why the record could not work with it.
    pub(crate) mismatches: Vec<String>,
}

/// How long a device may take to answer.
const DEADLINE: Duration = Duration::from_secs(5);

/// Asks every device of `spec`, all at once. Nothing is moved, armed or opened.
pub(crate) async fn survey(spec: &BeamlineSpec, hardware: &Hardware, clock: &Clock) -> Answers {
    let sink: Rc<dyn FrameSink> = Rc::new(MemorySink::default());
    let (latency, schedule) = (Latency::default(), Schedule::Fifo);
    let simulation = Simulation { clock, seed: Seed(0), latency, schedule, sink: &sink };
    let site = hardware.site(spec, &simulation);
    let within = site.connect_within.min(DEADLINE);
    let connector = Connector::new(Rc::clone(&site.provider), clock.clone(), DEADLINE)
        .connecting_within(within);
    let answers = spec.devices.iter().map(|(name, device)| {
        let (connector, site) = (connector.clone(), &site);
        async move { (name.clone(), answer((spec, device), &connector, (site, clock)).await) }
    });
    join_all(answers).await.into_iter().collect()
}

async fn answer(
    (spec, device): (&BeamlineSpec, &DeviceSpec),
    connector: &Connector,
    (site, clock): (&Site, &Clock),
) -> Answer {
    let (connector, batch) = connector.batch();
    let num_segments = match device {
        DeviceSpec::TrajectoryController(controller) => controller.max_segments,
        DeviceSpec::Motor(_)
        | DeviceSpec::Detector(_)
        | DeviceSpec::Generator(_)
        | DeviceSpec::Panda(_) => 0,
    };
    let (signals, mismatches) = (RefCell::default(), RefCell::default());
    let loose = RefCell::default();
    let look = Look { site, clock, batch, num_segments, signals, mismatches, loose };
    let said = ask((spec, device), &connector, &look).await;
    if look.signals.borrow().is_empty()
        && let Err(error) = look.at_signals().await
    {
        tracing::debug!(%error, "some signals were not found");
    }
    let (mismatches, signals) = (look.mismatches.into_inner(), look.signals.into_inner());
    Answer { said, mismatches, signals, loose: look.loose.into_inner() }
}

/// What is found out of one device on the way.
struct Look<'a> {
    site: &'a Site,
    clock: &'a Clock,
    batch: Batch,
    /// Elements that a written array must have room for.
    num_segments: usize,
    signals: RefCell<Vec<Signal>>,
    mismatches: RefCell<Vec<String>>,
    loose: RefCell<Vec<Loose>>,
}

impl Look<'_> {
    /// Asks every signal of the record; fails if not all were found.
    async fn at_signals(&self) -> Result<(), String> {
        let found = self.batch.survey().await;
        let signals: Vec<Signal> = found
            .into_iter()
            .map(|(wanted, found)| {
                let mismatches =
                    found.as_ref().map(|found| mismatch(&wanted, found, self.num_segments));
                let mismatches = mismatches.unwrap_or_default();
                Signal { wanted, found, mismatches }
            })
            .collect();
        let silent = signals.iter().filter(|signal| signal.found.is_err());
        let missing: Vec<&str> = silent.map(|signal| signal.wanted.address.as_str()).collect();
        let (all, num_missing) = (signals.len(), missing.len());
        let remedy = remedy(&missing, all).map(|remedy| format!(": {remedy}"));
        self.signals.replace(signals);
        match num_missing {
            0 => Ok(()),
            _ if num_missing == all => Err(format!("none of its {all} signals answered")),
            _ => {
                let remedy = remedy.unwrap_or_default();
                Err(format!("{num_missing} of its {all} signals are not there{remedy}"))
            }
        }
    }

    fn expect(&self, what: &str, found: &str, expected: &str) {
        if found != expected {
            let mismatch = format!("its {what} is {found}, not {expected} as in the file");
            self.mismatches.borrow_mut().push(mismatch);
        }
    }
}

async fn ask(
    (spec, device): (&BeamlineSpec, &DeviceSpec),
    connector: &Connector,
    look: &Look<'_>,
) -> Result<String, String> {
    let (name, address) = (device.name().clone(), device.provider().to_string());
    match device {
        DeviceSpec::Motor(motor) => {
            let record = MotorRecord::connect(connector, &address).await.map_err(text)?;
            look.at_signals().await?;
            let logic = MotorLogic::new(name, record);
            let position = logic.position().await.map_err(text)?;
            let unit = logic.unit().await.map_err(text)?;
            look.expect("unit", &unit, &motor.units);
            if unit == motor.units {
                let limits = logic.limits().await.map_err(text)?;
                look.mismatches.borrow_mut().extend(wider(motor, &limits));
            }
            Ok(format!("at {position} {}", motor.units))
        }
        DeviceSpec::TrajectoryController(controller) => {
            let setup = trajectory_setup(spec, controller);
            let record = TrajectoryRecord::connect(connector, &setup).await;
            look.at_signals().await?;
            let logic = TrajectoryLogic::new(name, record.map_err(text)?, setup);
            let buffer = logic.buffer().await.map_err(text)?;
            Ok(format!("{} axes, room for {} segments", logic.axes().len(), buffer.free()))
        }
        DeviceSpec::Detector(detector) => {
            let axes = look.site.axes_beside(spec, detector);
            let setup = detector_setup(spec, detector, axes, Path::new(&spec.data.directory));
            let record = DetectorRecord::connect(connector, &address, &setup).await;
            look.at_signals().await?;
            let record = record.map_err(text)?;
            let logic = AreaDetector::new(name, record, setup);
            logic.describe().await.map_err(text)?;
            let frame = logic.frame_shape().await.map_err(text)?;
            let dead_time = logic.dead_time();
            let invalid = logic.invalid().await.map_err(text)?;
            look.mismatches.borrow_mut().extend(invalid);
            look.expect("frame", &shape(&frame), &expected_shape(detector));
            Ok(format!("{}, dead time {dead_time:?}", shape(&frame)))
        }
        DeviceSpec::Generator(_) => {
            let record = GeneratorRecord::connect(connector, &address).await.map_err(text)?;
            look.at_signals().await?;
            let points = record.points_total.get().await.map_err(text)?;
            Ok(format!("{points} points loaded"))
        }
        DeviceSpec::Panda(panda) => {
            let place = look.site.pandas.get(&name);
            let place = place.ok_or_else(|| format!("{address} is nowhere"))?;
            let within = panda.connection_timeout.min(DEADLINE);
            let (inventory, found) = panda::look(&place.link, (look.clock, within)).await?;
            let wrong = found.wrong.iter().map(ToString::to_string);
            let wrong = wrong.chain(cannot_capture(spec, panda, &inventory));
            look.mismatches.borrow_mut().extend(wrong);
            look.loose.replace(found.loose);
            if panda.is_detector() {
                panda::look_at_data(&*place.data).await?;
            }
            Ok(panda::named(&inventory))
        }
    }
}

/// What the file lets a motor do, and its record does not.
fn wider(motor: &MotorSpec, record: &AxisLimits) -> Vec<String> {
    let (file, units) = (&motor.limits, &motor.units);
    let mut wider = Vec::new();
    if file.low < record.low || file.high > record.high {
        wider.push(format!(
            "its soft limits (LLM, HLM) are {} to {} {units}, narrower than {} to {} {units} in the \
             file",
            record.low, record.high, file.low, file.high
        ));
    }
    if file.max_velocity > record.max_velocity {
        wider.push(format!(
            "its highest velocity (VMAX) is {} {units}/s, less than {} {units}/s in the file",
            record.max_velocity, file.max_velocity
        ));
    }
    wider
}

fn shape(frame: &FrameShape) -> String {
    let lengths: Vec<String> = frame.shape.iter().map(ToString::to_string).collect();
    format!("{} {}", lengths.join(" x "), frame.dtype.text())
}

fn expected_shape(detector: &DetectorSpec) -> String {
    let shape = detector.shape.map(|length| length as u64).to_vec();
    self::shape(&FrameShape { shape, dtype: world::dtype(detector.dtype) })
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

//! [`survey`]: connects to every device of a beamline and asks each how it is.
use crate::hardware::{Hardware, Simulation};
use bluefly_actors::{
    clock::Clock,
    logic::{
        detector::{DetectorLogic, DetectorRecord},
        generator::GeneratorRecord,
        motor::{MotorLogic, MotorRecord},
        trajectory::{TrajectoryLogic, TrajectoryRecord},
    },
    random::Seed,
    signal::Connector,
    supervise::Schedule,
};
use bluefly_protocol::{
    beamline::{BeamlineSpec, DeviceSpec},
    name::Name,
};
use bluefly_sim::{
    Latency,
    sink::{FrameSink, MemorySink},
};
use std::{collections::BTreeMap, rc::Rc, time::Duration};

/// What each device said, or why it said nothing.
pub(crate) type Answers = BTreeMap<Name, Result<String, String>>;

/// How long a device may take to connect and to answer.
const DEADLINE: Duration = Duration::from_secs(5);

/// Asks every device of `spec`. Nothing is moved, armed or opened.
pub(crate) async fn survey(spec: &BeamlineSpec, hardware: &Hardware) -> Answers {
    let clock = Clock::real();
    let sink: Rc<dyn FrameSink> = Rc::new(MemorySink::default());
    let (latency, schedule) = (Latency::default(), Schedule::Fifo);
    let simulation = Simulation { clock: &clock, seed: Seed(0), latency, schedule, sink: &sink };
    let site = hardware.site(spec, &simulation);
    let connector = Connector::new(site.provider, clock.clone(), DEADLINE);
    let mut answers = Answers::new();
    for (name, device) in &spec.devices {
        answers.insert(name.clone(), ask(device, &connector).await);
    }
    answers
}

async fn ask(device: &DeviceSpec, connector: &Connector) -> Result<String, String> {
    let (name, address) = (device.name().clone(), device.provider().to_string());
    match device {
        DeviceSpec::Motor(motor) => {
            let record = MotorRecord::connect(connector, &address).await.map_err(text)?;
            let logic = MotorLogic::new(name, record);
            let position = logic.position().await.map_err(text)?;
            Ok(format!("at {position} {}", motor.units))
        }
        DeviceSpec::TrajectoryController(controller) => {
            let record = TrajectoryRecord::connect(connector, &address, &controller.axes).await;
            let logic = TrajectoryLogic::new(name, record.map_err(text)?);
            let buffer = logic.buffer().await.map_err(text)?;
            Ok(format!("{} axes, room for {} segments", logic.axes().len(), buffer.free()))
        }
        DeviceSpec::Detector(detector) => {
            let exposures = detector.exposures_per_frame;
            let record = DetectorRecord::connect(connector, &address, exposures).await;
            let record = record.map_err(text)?;
            let logic = DetectorLogic::new(name, record, Vec::new());
            let frame = logic.frame_shape().await.map_err(text)?;
            let dead_time = logic.dead_time().await.map_err(text)?;
            let shape: Vec<String> = frame.shape.iter().map(ToString::to_string).collect();
            Ok(format!("{} {}, dead time {dead_time:?}", shape.join(" x "), frame.dtype.text()))
        }
        DeviceSpec::Generator(_) => {
            let record = GeneratorRecord::connect(connector, &address).await.map_err(text)?;
            let points = record.points_total.get().await.map_err(text)?;
            Ok(format!("{points} points loaded"))
        }
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

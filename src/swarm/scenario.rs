//! [`Scenario`]: what one seed does to a beamline.
use bluefly_actors::random::{Seed, Stream};
use bluefly_protocol::{
    beamline::{BeamlineFile, BeamlineSpec, DeviceSpec, TrajectoryControllerSpec},
    name::Name,
    scan::Spec,
    trajectory::{PointMode, TriggerBits},
};
use bluefly_sim::{
    Latency,
    faults::{self, Planned, Victims},
};
use serde_json::{Value, json};
use std::{fmt, time::Duration};

const BEAMLINE: &str = include_str!("beamline.toml");
pub(super) const DETECTORS: [&str; 2] = ["camera", "diode"];
const MOTORS: [&str; 2] = ["x", "y"];
const CONTROLLERS: [&str; 1] = ["motion"];
/// Everybody who may crash.
const ACTORS: [&str; 9] = [
    "camera",
    "diode",
    "generator",
    "motion",
    "publisher",
    "scan_coordinator",
    "storage_writer",
    "x",
    "y",
];
/// In which faults, requests and crashes happen; a scan takes one to five seconds.
pub(super) const SPAN: Duration = Duration::from_secs(4);

/// What a second client asks of the coordinator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request {
    Pause,
    Resume,
    Abort,
    Stop,
    Unstage,
}

/// What comes between while a run is flown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Ask(Request),
    /// The actor of this name panics.
    Crash(&'static str),
}

/// What one seed does to a beamline.
#[derive(Debug)]
pub(super) struct Scenario {
    pub(super) seed: Seed,
    pub(super) beamline: BeamlineSpec,
    pub(super) spec: Spec,
    /// Scans in the first run.
    pub(super) num_scans: u64,
    pub(super) latency: Latency,
    /// In the order of time, counted from the start.
    pub(super) acts: Vec<(Duration, Act)>,
    pub(super) faults: Vec<Planned>,
}

impl Scenario {
    pub(super) fn new(seed: u64) -> Self {
        let seed = Seed(seed);
        let random = &mut seed.stream("swarm", 0);
        let spec = Spec::from_value(&spec(random)).expect("it is made by its rules");
        let mut beamline = beamline(random);
        let num_scans = 1 + u64::from(random.chance(0.2));
        let latency = latency(random);
        let acts = acts(random);
        let num_faults = if random.chance(0.5) { 0 } else { 1 + random.below(4) as usize };
        let faults = faults::random(random, &victims(), num_faults, SPAN);
        expose(&mut beamline, &mut seed.stream("swarm exposures", 0));
        drive(&mut beamline, &mut seed.stream("swarm modes", 0));
        Self { seed, beamline, spec, num_scans, latency, acts, faults }
    }

    /// Whether anybody crashes.
    pub(super) fn has_crashes(&self) -> bool {
        self.acts.iter().any(|(_, act)| matches!(act, Act::Crash(_)))
    }

    /// Whether a second client ends the run.
    pub(super) fn is_ended(&self) -> bool {
        let ends = |request| match request {
            Request::Abort | Request::Stop | Request::Unstage => true,
            Request::Pause | Request::Resume => false,
        };
        self.acts.iter().any(|(_, act)| matches!(act, Act::Ask(request) if ends(*request)))
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let spec = serde_json::to_string(&self.spec).map_err(|_| fmt::Error)?;
        writeln!(f, "{} times {spec}", self.num_scans)?;
        writeln!(f, "lag {:?}", self.beamline.publish.lag)?;
        for controller in self.beamline.trajectory_controllers() {
            let TrajectoryControllerSpec { name, max_segments, points, trigger_bits, .. } =
                controller;
            writeln!(f, "{name}: {max_segments} segments, {points:?}, {trigger_bits:?}")?;
        }
        for detector in self.beamline.detectors() {
            writeln!(f, "{}: {} exposures per frame", detector.name, detector.exposures_per_frame)?;
        }
        writeln!(f, "latency {:?} to {:?}", self.latency.least, self.latency.most)?;
        for (after, act) in &self.acts {
            writeln!(f, "{after:?} {act:?}")?;
        }
        for Planned { after, fault } in &self.faults {
            writeln!(f, "{after:?} {fault:?}")?;
        }
        Ok(())
    }
}

fn pick<'a, T>(random: &mut Stream, among: &'a [T]) -> &'a T {
    &among[random.below(among.len() as u64) as usize]
}

fn beamline(random: &mut Stream) -> BeamlineSpec {
    let lag = pick(random, &["eager", "7 frames", "400 ms"]);
    let max_segments = pick(random, &["1000", "100"]);
    let text = BEAMLINE
        .replace("\"eager\"", &format!("{lag:?}"))
        .replace("max_segments = 1000", &format!("max_segments = {max_segments}"));
    let value: Value = toml::from_str(&text).expect("the file of the swarm is TOML");
    let file = BeamlineFile::from_value(value).expect("the file of the swarm is right");
    file.try_into().expect("the file of the swarm is right")
}

/// Half of the detectors expose several times in each frame.
fn expose(beamline: &mut BeamlineSpec, random: &mut Stream) {
    for device in beamline.devices.values_mut() {
        match device {
            DeviceSpec::Detector(detector) if random.chance(0.5) => {
                let number: u32 = *pick(random, &[2, 3, 7]);
                detector.exposures_per_frame = number.try_into().expect("it is in range");
            }
            DeviceSpec::Detector(_)
            | DeviceSpec::Motor(_)
            | DeviceSpec::TrajectoryController(_)
            | DeviceSpec::Generator(_)
            | DeviceSpec::Panda(_) => {}
        }
    }
}

/// Half of the controllers are driven in another way than usual.
fn drive(beamline: &mut BeamlineSpec, random: &mut Stream) {
    let modes = [
        (PointMode::EveryPoint, TriggerBits::None),
        (PointMode::Sparse, TriggerBits::RowGate),
        (PointMode::EveryPoint, TriggerBits::RowGate),
        (PointMode::EveryPoint, TriggerBits::EveryPoint),
    ];
    for device in beamline.devices.values_mut() {
        match device {
            DeviceSpec::TrajectoryController(controller) if random.chance(0.5) => {
                (controller.points, controller.trigger_bits) = *pick(random, &modes);
            }
            DeviceSpec::TrajectoryController(_)
            | DeviceSpec::Detector(_)
            | DeviceSpec::Motor(_)
            | DeviceSpec::Generator(_)
            | DeviceSpec::Panda(_) => {}
        }
    }
}

fn latency(random: &mut Stream) -> Latency {
    if random.chance(0.3) {
        return Latency::default();
    }
    let least = Duration::from_micros(random.below(1_000));
    Latency { least, most: least + Duration::from_micros(random.below(5_000)) }
}

fn acts(random: &mut Stream) -> Vec<(Duration, Act)> {
    let span = SPAN.as_micros() as u64;
    let mut acts = Vec::new();
    let mut at = 0;
    for _ in 0..random.below(5) {
        let pause = at + random.below(span / 2);
        at = pause + if random.chance(0.3) { random.below(3) } else { random.below(span / 2) };
        acts.push((pause, Act::Ask(Request::Pause)));
        acts.push((at, Act::Ask(Request::Resume)));
    }
    if random.chance(0.4) {
        let end = random.below(span);
        for _ in 0..=random.below(2) {
            let request = *pick(random, &[Request::Abort, Request::Stop, Request::Unstage]);
            acts.push((end + random.below(2_000), Act::Ask(request)));
        }
    }
    if random.chance(0.4) {
        for _ in 0..=random.below(2) {
            let actor: &&str = pick(random, &ACTORS);
            acts.push((random.below(span), Act::Crash(actor)));
        }
    }
    acts.sort_by_key(|(at, _)| *at);
    acts.into_iter().map(|(at, act)| (Duration::from_micros(at), act)).collect()
}

fn victims() -> Victims {
    let names = |names: &[&str]| -> Vec<Name> {
        names.iter().map(|name| name.parse().expect("a literal in snake case")).collect()
    };
    Victims {
        motors: names(&MOTORS),
        controllers: names(&CONTROLLERS),
        detectors: names(&DETECTORS),
    }
}

fn spec(random: &mut Stream) -> Value {
    let duration = [0.02, 0.035, 0.05, 4.2][random.below(4) as usize];
    let timed = |spec: Value| json!({"type": "ConstantDuration", "constant_duration": duration, "spec": spec});
    let fly = |spec: Value| json!({"type": "Fly", "spec": spec});
    match random.below(4) {
        0 => fly(timed(line(random, "x", 40))),
        1 => {
            let (inner, outer) = (line(random, "x", 10), line(random, "y", 5));
            let snaked = json!({"type": "Snake", "spec": inner.clone()});
            let inner = if random.chance(0.7) { snaked } else { inner };
            fly(timed(json!({"type": "Product", "outer": outer, "inner": inner})))
        }
        2 => timed(line(random, "x", 8)),
        _ => {
            let (left, right) = (line(random, "x", 10), line(random, "x", 10));
            fly(timed(json!({"type": "Concat", "left": left, "right": right})))
        }
    }
}

fn line(random: &mut Stream, axis: &str, most: u64) -> Value {
    let num = 1 + random.below(most);
    let start = random.below(8_000) as f64 / 1_000.0 - 1.0;
    let step = (random.below(400) as f64 - 200.0) / 1_000.0;
    let end = start + step * (num - 1) as f64;
    json!({"type": "Linspace", "axis": axis, "start": start, "stop": end, "num": num})
}

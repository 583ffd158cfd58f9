//! [`World`]: the simulated hardware; [`SimProvider`]: its signals.
use crate::{
    config::WorldConfig,
    controller::Controller,
    detector::Detector,
    faults::{Fault, Planned},
    line::{Host, Line, LineState},
    motor::Motor,
    panda::MemoryPanda,
    pv::{Pv, PvChannel},
    sink::FrameSink,
    wires::Wires,
};
use bluefly_actors::{
    clock::Clock,
    random::Seed,
    signal::{Channel, Kind, LocalFuture, Severity, SignalError, SignalProvider},
};
use bluefly_protocol::name::Name;
use std::{collections::BTreeMap, path::PathBuf, rc::Rc, time::Duration};

/// A simulated beamline. Cheap to clone; all clones are the same one.
#[derive(Clone)]
pub struct World(Rc<Inner>);

struct Inner {
    host: Host,
    lines: BTreeMap<Name, Rc<Line>>,
    signals: BTreeMap<String, (Rc<Line>, Rc<Pv>)>,
    motors: Vec<Rc<Motor>>,
    controllers: Vec<Rc<Controller>>,
    detectors: Vec<Rc<Detector>>,
    pandas: Vec<Rc<Wires>>,
}

/// Carries the signals of a [`World`].
#[derive(Clone)]
pub struct SimProvider(World);

impl World {
    /// Everything stands still and is connected. `sink` is the disk of the detectors.
    ///
    /// Must be used within a `LocalSet`: the hardware has tasks of its own.
    pub fn new(config: &WorldConfig, clock: &Clock, seed: Seed, sink: &Rc<dyn FrameSink>) -> Self {
        let host = Host::new(clock, seed, config.schedule);
        let mut lines = BTreeMap::new();
        let mut signals = BTreeMap::new();
        let mut line = |name: &Name| {
            let random = seed.stream(&format!("sim {name}"), 0);
            let line = Line::new(name.clone(), host.clone(), config.latency, random);
            lines.insert(name.clone(), line.clone());
            line
        };
        let mut add = |line: &Rc<Line>, pvs: &[Rc<Pv>]| {
            let named = |pv: &Rc<Pv>| (pv.address.clone(), (line.clone(), pv.clone()));
            signals.extend(pvs.iter().map(named));
        };
        let mut motors = Vec::new();
        for config in &config.motors {
            let line = line(&config.name);
            let motor = Motor::new(&line, config);
            add(&line, &motor.pvs());
            motors.push(motor);
        }
        let mut detectors = Vec::new();
        for config in &config.detectors {
            let line = line(&config.name);
            let detector = Detector::new(&line, config, &motors, sink.clone());
            add(&line, &detector.pvs(&config.address));
            detectors.push(detector);
        }
        let hangs_on_box = |detector: &&Rc<Detector>| {
            let mut outputs = config.pandas.iter().flat_map(|panda| &panda.outputs);
            outputs.any(|output| output.detector == detector.name)
        };
        let triggered: Vec<_> = detectors.iter().filter(|d| !hangs_on_box(d)).cloned().collect();
        let mut controllers = Vec::new();
        for config in &config.controllers {
            let line = line(&config.name);
            let controller = Controller::new(&line, config, &motors, &triggered);
            add(&line, &controller.pvs());
            for (line, pvs) in controller.motor_pvs() {
                add(line, pvs);
            }
            controllers.push(controller);
        }
        for config in &config.generators {
            let line = line(&config.name);
            let soft = |name: &str| Pv::setting(&line, format!("{}:{name}", config.address), 0_i64);
            add(&line, &[soft("TotalPoints"), soft("PointsSent")]);
        }
        let mut pandas = Vec::new();
        for config in &config.pandas {
            let line = line(&config.name);
            pandas.push(Wires::new(&line, config, &motors, &controllers, &detectors));
        }
        Self(Rc::new(Inner { host, lines, signals, motors, controllers, detectors, pandas }))
    }

    /// What carries its signals.
    pub fn provider(&self) -> Rc<dyn SignalProvider> {
        Rc::new(SimProvider(self.clone()))
    }

    /// The box of a PandA, to be dialled.
    pub fn panda(&self, name: &Name) -> Option<MemoryPanda> {
        let wires = self.0.pandas.iter().find(|known| known.name == *name)?;
        Some(wires.panda.clone())
    }

    /// Every address, in order.
    pub fn addresses(&self) -> impl Iterator<Item = &str> {
        self.0.signals.keys().map(String::as_str)
    }

    /// The type of the values at `address`, if there is such a signal.
    pub fn kind(&self, address: &str) -> Option<Kind> {
        self.0.signals.get(address).map(|(_, pv)| pv.value().kind())
    }

    /// Lets `fault` happen now. One that names a device which is not there does nothing.
    pub fn fault(&self, fault: &Fault) {
        tracing::debug!(?fault, "fault");
        let line = |device: &Name| self.0.lines.get(device);
        let strike = |detector: &Name, strike: &dyn Fn(&Detector)| {
            if let Some(detector) = self.detector(detector) {
                strike(detector);
            }
        };
        match fault {
            Fault::LoseFrame { detector, index } => strike(detector, &|detector| {
                detector.lost_frames.borrow_mut().insert(*index);
            }),
            Fault::FailArm { detector } => {
                strike(detector, &|detector| detector.fails_to_arm.set(true));
            }
            Fault::FailAcquisition { detector } => {
                strike(detector, &|detector| detector.break_off());
            }
            Fault::FailWrite { detector } => {
                strike(detector, &|detector| detector.writer.fails_to_write.set(true));
            }
            Fault::SlowWrite { detector, delay } => {
                strike(detector, &|detector| detector.writer.delay.set(*delay));
            }
            Fault::HangWriter { detector } => {
                strike(detector, &|detector| {
                    detector.writer.hangs.send_modify(|hangs| *hangs = true);
                });
            }
            Fault::Disconnect { device, time } => {
                if let Some(line) = line(device) {
                    line.upset(LineState::Down, *time);
                }
            }
            Fault::Freeze { device, time } => {
                if let Some(line) = line(device) {
                    line.upset(LineState::Frozen, *time);
                }
            }
            Fault::SlowPut { device, delay } => {
                if let Some(line) = line(device) {
                    line.delay_next_put(*delay);
                }
            }
            Fault::DropRequest { device, after, time } => {
                if let Some(line) = line(device) {
                    line.trip_after(*after, *time);
                }
            }
            Fault::PowerCycle { panda, time } => {
                let wires = self.0.pandas.iter().find(|known| known.name == *panda);
                if let (Some(wires), Some(line)) = (wires, line(panda)) {
                    line.upset(LineState::Down, *time);
                    wires.replace_box();
                }
            }
            Fault::FollowingError { motor } => {
                let motor = self.0.motors.iter().find(|known| known.name == *motor);
                if let Some(motor) = motor.filter(|motor| motor.is_moving()) {
                    motor.fail("following error");
                }
            }
            Fault::UnknownPosition { motor } => {
                if let Some(motor) = self.0.motors.iter().find(|known| known.name == *motor) {
                    motor.set_alarm(Severity::Invalid, "COMM");
                }
            }
        }
    }

    /// Lets each fault happen in its time.
    pub fn schedule(&self, plan: Vec<Planned>) {
        let world = self.clone();
        let start = self.0.host.clock.now();
        self.0.host.spawn(async move {
            for Planned { after, fault } in plan {
                world.0.host.clock.sleep_until(start + after).await;
                world.fault(&fault);
            }
        });
    }

    /// Ends every fault that lasts, and forgets those that have not struck yet.
    pub fn calm(&self) {
        self.0.lines.values().for_each(|line| line.calm());
        for detector in &self.0.detectors {
            detector.lost_frames.borrow_mut().clear();
            detector.fails_to_arm.set(false);
            detector.writer.fails_to_write.set(false);
            detector.writer.hangs.send_replace(false);
        }
    }

    /// Whether any axis moves or any controller is busy.
    pub fn is_anything_moving(&self) -> bool {
        self.0.motors.iter().any(|motor| motor.is_moving())
            || self.0.controllers.iter().any(|controller| controller.is_moving())
    }

    /// Whether any detector would take a trigger, or any PandA captures.
    pub fn is_anything_armed(&self) -> bool {
        let captures = |wires: &Rc<Wires>| wires.panda.with(|server| server.is_capturing());
        self.0.detectors.iter().any(|detector| detector.is_armed())
            || self.0.pandas.iter().any(captures)
    }

    /// The files that detectors have open.
    pub fn open_files(&self) -> Vec<PathBuf> {
        self.0.detectors.iter().filter_map(|detector| detector.writer.open_path()).collect()
    }

    /// How often each index of the detector's latest file was written.
    pub fn frames_written(&self, detector: &Name) -> Vec<u32> {
        self.detector(detector).map(|detector| detector.writer.writes()).unwrap_or_default()
    }

    /// Where a motor really is.
    pub fn position(&self, motor: &Name) -> Option<f64> {
        self.0.motors.iter().find(|known| known.name == *motor).map(|motor| motor.position())
    }

    /// Requests that were made to a device; of a PandA, the lines that came to its control port.
    pub fn requests(&self, device: &Name) -> u64 {
        self.0.lines.get(device).map_or(0, |line| line.num_requests())
    }

    fn detector(&self, name: &Name) -> Option<&Rc<Detector>> {
        self.0.detectors.iter().find(|detector| detector.name == *name)
    }
}

impl SignalProvider for SimProvider {
    fn connect(
        &self,
        address: &str,
        kind: Kind,
    ) -> LocalFuture<Result<Rc<dyn Channel>, SignalError>> {
        let found = self.0.0.signals.get(address).cloned();
        let signal = address.to_owned();
        Box::pin(async move {
            let (line, pv) =
                found.ok_or_else(|| SignalError::Unknown { signal: signal.clone() })?;
            let value = pv.value();
            if value.kind() != kind {
                return Err(SignalError::WrongType { signal, expected: kind, found: value });
            }
            line.up().await;
            line.reach(&signal, line.arrival(Duration::ZERO)).await?;
            Ok(Rc::new(PvChannel(pv)) as Rc<dyn Channel>)
        })
    }
}

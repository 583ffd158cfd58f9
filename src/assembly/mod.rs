//! The tree of actors of a beamline, planned from its specification.
mod panda;

pub(crate) use panda::cannot_capture;

use crate::{hardware::Site, links::Links, process::StartError};
use actix::{Actor, Context, Handler, dev::ToEnvelope};
use bluefly_actors::{
    clock::Clock,
    coordinator::{
        Absent, Beamline, Bulletin, ScanCoordinator, Settings,
        manual::ByHand,
        publish::{Ledger, Publisher},
        survey,
    },
    device::{
        controller::Controller, detector::Detector, generator::Generator, motor::Motor,
        panda::Panda, triggers::Triggers,
    },
    logic::{
        area_detector::{AreaDetector, DetectorRecord, DetectorSetup, overhead_bytes, row_bytes},
        detector::DetectorLogic,
        generator::{GeneratorLogic, GeneratorRecord},
        motor::{MotorLogic, MotorRecord},
        trajectory::{AxisAddress, TrajectoryLogic, TrajectoryRecord, TrajectorySetup},
        triggers::TriggerLogic,
    },
    queue::{QueueParts, Register, RunQueue},
    signal::Connector,
    storage::{Storage, StorageClient},
    supervise::{Backoff, ChildSpec, Lifeline, Ping, Ref, Seat, Strategy, Supervisor},
};
use bluefly_protocol::{
    beamline::{BeamlineSpec, DetectorSpec, Scheme, SupervisionSpec, TrajectoryControllerSpec},
    name::Name,
    plan::{AxisCapability, Capabilities, ControllerCapability, DetectorCapability},
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

/// Name under which the coordinator appears in the tree.
pub(crate) const COORDINATOR: &str = "scan_coordinator";
const PUBLISHER: &str = "publisher";
const QUEUE: &str = "run_queue";
/// What stands behind the name of a device in the tree, for the actor of its triggers.
const TRIGGERS: &str = ".triggers";
const STORAGE: &str = "storage_writer";
/// How long a signal may take to connect or answer.
const SIGNAL_DEADLINE: Duration = Duration::from_secs(10);
/// Messages that may wait in a mailbox.
const MAILBOX: usize = 64;
/// Restarts of whole branches, and the time in which they are counted, before the process gives up.
const ROOT_INTENSITY: (usize, Duration) = (3, Duration::from_mins(1));
/// How often an actor must answer, and how fast.
const PROBE: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(2));
/// How long an actor must have run for its next death to count as its first.
const RESET_AFTER: Duration = Duration::from_mins(1);
/// As long as the identifier of any run.
const LONGEST_RUN: &str = "00000000-0000-0000-0000-000000000000";
/// How long to wait for a crashed or disconnected device to come back.
const DEVICE_TIMEOUT: Duration = Duration::from_mins(1);

/// One device of a kind: its name and what knows its hardware.
pub(crate) type Logics<L> = Vec<(Name, Rc<L>)>;
/// What makes the actor of a device around what tells its hardware what to do.
type New<A, L> = fn(Name, Rc<L>, Clock) -> A;

/// Everything that has signals, connected. Cheap to clone; all clones are the same hardware.
#[derive(Clone)]
pub(crate) struct Devices {
    pub(crate) motors: Logics<MotorLogic>,
    pub(crate) controllers: Logics<TrajectoryLogic>,
    pub(crate) detectors: Logics<dyn DetectorLogic>,
    pub(crate) triggers: Logics<dyn TriggerLogic>,
    generators: Logics<GeneratorLogic>,
}

impl Devices {
    /// Connects every signal of every device, all at once.
    pub(crate) async fn connect(
        spec: &BeamlineSpec,
        clock: &Clock,
        (site, directory): (&Site, &Path),
        storage: &StorageClient,
    ) -> Result<Self, StartError> {
        let connector = Connector::new(Rc::clone(&site.provider), clock.clone(), SIGNAL_DEADLINE)
            .connecting_within(site.connect_within);
        let mut links = Links::new(&connector);
        let failed = |name: &Name| {
            let device = name.clone();
            move |source| StartError::Connect { device, source }
        };
        let mut devices = Self {
            motors: vec![],
            controllers: vec![],
            detectors: vec![],
            triggers: vec![],
            generators: vec![],
        };
        for motor in spec.motors() {
            let (name, address) = (motor.name.clone(), motor.provider.to_string());
            let record = MotorRecord::connect(&links.of(&name, 0), &address).await;
            let logic = MotorLogic::new(name.clone(), record.map_err(failed(&name))?);
            devices.motors.push((name, Rc::new(logic)));
        }
        for controller in spec.trajectory_controllers() {
            let (name, setup) = (controller.name.clone(), trajectory_setup(spec, controller));
            let links = links.of(&name, controller.max_segments);
            // Large futures: on the heap.
            let record = Box::pin(TrajectoryRecord::connect(&links, &setup)).await;
            let logic = TrajectoryLogic::new(name.clone(), record.map_err(failed(&name))?, setup);
            devices.controllers.push((name, Rc::new(logic)));
        }
        for detector in spec.detectors() {
            let (name, address) = (detector.name.clone(), detector.provider.to_string());
            let setup = detector_setup(spec, detector, site.axes_beside(spec, detector), directory);
            let links = links.of(&name, 0);
            let record = Box::pin(DetectorRecord::connect(&links, &address, &setup)).await;
            let record = record.map_err(failed(&name))?;
            let logic = AreaDetector::new(name.clone(), record, setup);
            devices.detectors.push((name, Rc::new(logic)));
        }
        for generator in spec.generators() {
            let (name, address) = (generator.name.clone(), generator.provider.to_string());
            let record = GeneratorRecord::connect(&links.of(&name, 0), &address).await;
            let logic = GeneratorLogic::new(name.clone(), record.map_err(failed(&name))?);
            devices.generators.push((name, Rc::new(logic)));
        }
        for panda in spec.pandas() {
            let name = &panda.name;
            let Some(place) = site.pandas.get(name) else { continue };
            let capture = panda::capture(spec, panda, place, storage);
            devices.detectors.extend(capture.map(|logic| (name.clone(), logic)));
            let wrong = |source| StartError::Sequencer { device: name.clone(), source };
            let triggers = panda::triggers(spec, panda, (place, clock)).map_err(wrong)?;
            devices.triggers.extend(triggers.map(|logic| (name.clone(), logic)));
        }
        links.connect().await?;
        Ok(devices)
    }
}

/// Where the signals of a controller and of its motors are.
pub(crate) fn trajectory_setup(
    spec: &BeamlineSpec,
    controller: &TrajectoryControllerSpec,
) -> TrajectorySetup {
    let motors = controller.axes.iter().filter_map(|axis| spec.motor(axis.as_str()));
    let axes = motors.map(|motor| AxisAddress {
        name: motor.name.clone(),
        address: motor.provider.to_string(),
        is_compound: motor.is_compound,
    });
    TrajectorySetup {
        address: controller.provider.to_string(),
        cs: controller.cs.clone(),
        cs_address: controller.cs_provider.to_string(),
        axes: axes.collect(),
        trigger_bits: controller.trigger_bits,
        trigger_source: controller.trigger_source,
    }
}

/// What is known of a detector before it is connected; of the axes beside it its file may tell
/// positions.
pub(crate) fn detector_setup(
    spec: &BeamlineSpec,
    detector: &DetectorSpec,
    axes_beside: Vec<Name>,
    directory: &Path,
) -> DetectorSetup {
    let axes = if detector.positions { axes_beside } else { Vec::new() };
    // A simulated detector writes to the disk of this process, which looks for itself.
    let is_elsewhere = detector.provider.scheme != Scheme::Sim;
    let mut triggers = spec.pandas().filter_map(|panda| panda.triggers.as_ref());
    DetectorSetup {
        camera: detector.camera.clone(),
        trigger: detector.trigger,
        exposures_per_frame: detector.exposures_per_frame,
        pulses_come_from_panda: triggers.any(|it| it.outputs.contains_key(&detector.name)),
        dead_time: detector.dead_time,
        axes,
        statistics: detector.statistics,
        flush_period: spec.data.flush_period,
        paths: detector.paths.clone().filter(|_| is_elsewhere),
        min_free_bytes: is_elsewhere.then_some(spec.data.min_free_bytes),
        longest_path: is_elsewhere.then(|| longest_path(spec, detector, directory)).flatten(),
    }
}

/// A path as long as that of any file of a detector; none if nobody knows where we are.
fn longest_path(spec: &BeamlineSpec, detector: &DetectorSpec, directory: &Path) -> Option<PathBuf> {
    let relative = spec.data.path_template.path(&spec.name, LONGEST_RUN, &detector.name);
    std::path::absolute(directory).map(|directory| directory.join(relative)).ok()
}

/// What a tree is planned from.
pub(crate) struct Assembly<'a> {
    pub(crate) spec: &'a BeamlineSpec,
    pub(crate) devices: Devices,
    pub(crate) storage: StorageClient,
    pub(crate) bulletin: Bulletin,
    /// Of a process that has a queue of runs.
    pub(crate) register: Option<Register>,
    /// The connections to each PandA.
    pub(crate) pandas: BTreeMap<Name, Ref<Panda>>,
}

/// A tree, and whom to talk to in it.
pub(crate) struct Planned {
    pub(crate) root: Supervisor,
    pub(crate) coordinator: Ref<ScanCoordinator>,
    pub(crate) beamline: Rc<Beamline>,
    pub(crate) queue: Option<Ref<RunQueue>>,
}

/// A child as a branch plans it, each time anew.
type Plan = Box<dyn Fn() -> ChildSpec>;

impl Assembly<'_> {
    /// Root is rest-for-one: storage, devices, scan. Whoever stands below uses what stands above.
    pub(crate) fn supervisor(
        self,
        clock: &Clock,
        directory: PathBuf,
        ledger: Ledger,
    ) -> Result<Planned, StartError> {
        let supervision = self.spec.supervision.clone();
        let mut plans: Vec<Plan> = Vec::new();
        let mut seats = Seats { plans: &mut plans, supervision: &supervision };
        let Devices { motors, controllers, detectors, triggers, generators } = self.devices;
        let motors = seats.take(motors, clock, Motor::new);
        let controllers = seats.take(controllers, clock, Controller::new);
        let detectors = seats.take(detectors, clock, Detector::new);
        let triggers = seats.take_as(TRIGGERS, (triggers, clock, Triggers::new));
        let generators = seats.take(generators, clock, Generator::new);
        let generator = generators.into_iter().next();
        let generator = generator.ok_or_else(|| StartError::NoGenerator(self.spec.name.clone()))?;
        let (publisher_seat, publisher) = Seat::new(PUBLISHER);
        let beamline = Rc::new(Beamline {
            name: self.spec.name.clone(),
            clock: clock.clone(),
            controllers,
            motors,
            detectors,
            triggers,
            generator,
            pandas: self.pandas,
            publisher: (actor_name(PUBLISHER), publisher),
            storage: self.storage.clone(),
            capabilities: Arc::new(capabilities(self.spec)),
            settings: settings(self.spec, directory),
            inventory: Arc::new(survey::inventory(self.spec)),
            by_hand: ByHand::default(),
            absent: Absent::default(),
        });
        let (coordinator_seat, coordinator) = Seat::new(COORDINATOR);
        let (known, bulletin) = (Rc::clone(&beamline), self.bulletin);
        let queue = self.register.map(|register| QueueParts {
            register,
            coordinator: coordinator.clone(),
            bulletin: bulletin.clone(),
            capabilities: Arc::clone(&beamline.capabilities),
            spec: self.spec.queue,
        });
        let new_coordinator = move |lifeline: Lifeline| {
            let name = actor_name(COORDINATOR);
            ScanCoordinator::new(name, Rc::clone(&known), bulletin.clone(), lifeline)
        };
        let new_publisher =
            move |lifeline| Publisher::new(actor_name(PUBLISHER), ledger.clone(), lifeline);
        let mut scan: Vec<Plan> = vec![
            child(coordinator_seat, coordinator.clone(), &supervision, new_coordinator),
            child(publisher_seat, beamline.publisher.1.clone(), &supervision, new_publisher),
        ];
        let queue = queue.map(|parts| add_queue(&mut scan, parts, &supervision));
        let limit = intensity(&supervision);
        let root = Supervisor::new(Strategy::RestForOne)
            .intensity(ROOT_INTENSITY.0, ROOT_INTENSITY.1)
            .child(storage_branch(self.storage, &supervision))
            .child(branch(survey::DEVICES, Strategy::OneForOne, plans, limit))
            .child(branch("scan", Strategy::RestForOne, scan, limit));
        Ok(Planned { root, coordinator, beamline, queue })
    }
}

/// Adds the queue to the branch that flies scans; whom to ask.
fn add_queue(
    scan: &mut Vec<Plan>,
    parts: QueueParts,
    supervision: &SupervisionSpec,
) -> Ref<RunQueue> {
    let (seat, queue) = Seat::new(QUEUE);
    let new = move |lifeline| RunQueue::new(parts.clone(), lifeline);
    scan.push(child(seat, queue.clone(), supervision, new));
    queue
}

/// Gives every device of a kind a seat in the branch of devices.
struct Seats<'a> {
    plans: &'a mut Vec<Plan>,
    supervision: &'a SupervisionSpec,
}

impl Seats<'_> {
    fn take<A, L>(
        &mut self,
        logics: Logics<L>,
        clock: &Clock,
        new: fn(Name, Rc<L>, Clock) -> A,
    ) -> BTreeMap<Name, Ref<A>>
    where
        A: Actor<Context = Context<A>> + Handler<Ping>,
        Context<A>: ToEnvelope<A, Ping>,
        L: ?Sized + 'static,
    {
        self.take_as("", (logics, clock, new))
    }

    /// As [`take`](Self::take), with `part` behind the name of each: one device may be of two kinds.
    fn take_as<A, L>(
        &mut self,
        part: &str,
        (logics, clock, new): (Logics<L>, &Clock, New<A, L>),
    ) -> BTreeMap<Name, Ref<A>>
    where
        A: Actor<Context = Context<A>> + Handler<Ping>,
        Context<A>: ToEnvelope<A, Ping>,
        L: ?Sized + 'static,
    {
        let mut references = BTreeMap::new();
        for (name, logic) in logics {
            let (seat, reference) = Seat::new(&format!("{name}{part}"));
            let (device, clock) = (name.clone(), clock.clone());
            let new = move |_| new(device.clone(), Rc::clone(&logic), clock.clone());
            self.plans.push(child(seat, reference.clone(), self.supervision, new));
            references.insert(name, reference);
        }
        references
    }
}

fn child<A, N>(seat: Seat<A>, reference: Ref<A>, supervision: &SupervisionSpec, new: N) -> Plan
where
    A: Actor<Context = Context<A>> + Handler<Ping>,
    Context<A>: ToEnvelope<A, Ping>,
    N: Fn(Lifeline) -> A + 'static,
{
    let (new, backoff) = (Rc::new(new), backoff(supervision));
    Box::new(move || {
        let new = Rc::clone(&new);
        ChildSpec::seated(&seat, move |_, lifeline| new(lifeline))
            .backoff(backoff)
            .mailbox(MAILBOX)
            .probe(&reference, PROBE.0, PROBE.1)
    })
}

fn storage_branch(storage: StorageClient, supervision: &SupervisionSpec) -> ChildSpec {
    let (backoff, limit) = (backoff(supervision), intensity(supervision));
    ChildSpec::supervisor("storage", move || {
        let client = storage.clone();
        let (writer, _) = ChildSpec::new(STORAGE, move |_, _| Storage::new(client.clone()));
        Supervisor::new(Strategy::OneForOne)
            .intensity(limit.0, limit.1)
            .child(writer.backoff(backoff))
    })
}

fn branch(
    id: &str,
    strategy: Strategy,
    plans: Vec<Plan>,
    (max_restarts, window): (usize, Duration),
) -> ChildSpec {
    ChildSpec::supervisor(id, move || {
        let supervisor = Supervisor::new(strategy).intensity(max_restarts, window);
        plans.iter().fold(supervisor, |supervisor, plan| supervisor.child(plan()))
    })
}

fn backoff(supervision: &SupervisionSpec) -> Backoff {
    Backoff {
        first: supervision.restart_delay,
        max: supervision.max_restart_delay,
        reset_after: RESET_AFTER,
    }
}

fn intensity(supervision: &SupervisionSpec) -> (usize, Duration) {
    (supervision.max_restarts as usize, supervision.restart_window)
}

fn actor_name(name: &str) -> Name {
    name.parse().expect("a literal in snake case")
}

pub(crate) fn capabilities(spec: &BeamlineSpec) -> Capabilities {
    let mut capabilities = Capabilities::default();
    for controller in spec.trajectory_controllers() {
        let limits = ControllerCapability {
            max_segments: controller.max_segments,
            min_segment: controller.min_segment_duration,
            max_segment: controller.max_segment_duration,
            min_turnaround: controller.min_turnaround,
            points: controller.points,
            trigger_bits: controller.trigger_bits,
        };
        capabilities.controllers.insert(controller.name.clone(), limits);
        for motor in controller.axes.iter().filter_map(|axis| spec.motor(axis.as_str())) {
            let axis = AxisCapability {
                controller: controller.name.clone(),
                limits: motor.limits,
                units: motor.units.clone(),
                precision: motor.precision,
            };
            capabilities.axes.insert(motor.name.clone(), axis);
        }
    }
    let motors = spec.motors().count() as u64;
    for detector in spec.detectors() {
        let timing = DetectorCapability {
            trigger: detector.trigger,
            dead_time: detector.dead_time,
            exposure: detector.exposure,
            exposures_per_frame: detector.exposures_per_frame,
            exposure_bytes: row_bytes(detector.frame_bytes() as u64, motors),
            file_bytes: overhead_bytes(motors),
        };
        capabilities.detectors.insert(detector.name.clone(), timing);
    }
    for panda in spec.pandas().filter(|panda| panda.is_detector()) {
        capabilities.detectors.insert(panda.name.clone(), panda::capability(panda));
    }
    let compared =
        spec.pandas().filter_map(|panda| Some((panda.name.clone(), panda::compared(panda)?)));
    capabilities.compared = compared.collect();
    capabilities
}

fn settings(spec: &BeamlineSpec, directory: PathBuf) -> Settings {
    let pandas = || spec.pandas().filter(|panda| panda.is_detector());
    let timeouts = spec.detectors().map(|detector| (detector.name.clone(), detector.frame_timeout));
    let timeouts = timeouts.chain(pandas().map(|panda| (panda.name.clone(), panda.frame_timeout)));
    let without_statistics = spec.detectors().filter(|detector| !detector.statistics);
    let without_statistics = without_statistics.map(|detector| &detector.name);
    let without_statistics = without_statistics.chain(pandas().map(|panda| &panda.name));
    Settings {
        directory,
        path_template: spec.data.path_template.clone(),
        lag: spec.publish.lag,
        collect_period: spec.publish.collect_period,
        on_crash: spec.supervision.on_crash,
        max_crashes: spec.supervision.max_crashes_per_run,
        max_rewinds: spec.supervision.retries_for_lost_frames,
        frame_timeouts: timeouts.collect(),
        device_timeout: DEVICE_TIMEOUT,
        without_statistics: without_statistics.cloned().collect(),
    }
}

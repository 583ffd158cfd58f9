//! [`Process`]: a beamline in operation, put together from its specification.
use crate::{
    assembly::{Assembly, COORDINATOR, Devices, Planned},
    claim::Claim,
    hardware::{Hardware, Simulation, Site},
    links::Unconnected,
    pandas::Pandas,
    safety::Patience,
    sim_disk::SimDisk,
};
use bluefly_actors::{
    archive::Archive,
    clock::{Clock, Elapsed},
    coordinator::{Abort, Beamline, Bulletin, ScanCoordinator, publish::Ledger},
    feed::Feed,
    front::{Desk, DeskParts},
    logic::triggers::TriggerLogic,
    queue::{Register, RegisterParts, RunQueue, Settle},
    random::Seed,
    signal::SignalError,
    status::OperationError,
    storage::{Disk, MemoryDisk, StorageClient, StorageConfig},
    supervise::{AskError, ChildSpec, Env, Exit, Ref, Schedule, Tree},
};
use bluefly_protocol::{
    beamline::BeamlineSpec,
    fault::{Fault, Refused},
    name::Name,
    sequencer::SequencerError,
};
use bluefly_sim::{Latency, World, sink::FrameSink};
use futures_util::FutureExt as _;
use std::{io, path::PathBuf, rc::Rc, time::Duration};

pub use crate::world::world_config;

/// Where rows go.
pub enum DiskChoice {
    /// HDF5 files, written by a thread of their own.
    Hdf5,
    /// Any disk on a thread of its own, such as one that fails on request.
    Threaded(Box<dyn Disk>),
    /// Memory, on the thread of the actors.
    Memory(MemoryDisk),
}

/// How a beamline is put into operation.
pub struct Options {
    pub clock: Clock,
    pub seed: Seed,
    pub schedule: Schedule,
    /// Directory of all files, absolute; made if missing.
    pub directory: PathBuf,
    pub disk: DiskChoice,
    pub hardware: Hardware,
    /// How long simulated devices take to answer.
    pub latency: Latency,
    /// Makes the branch of the tree that serves clients, if any are to be served.
    pub doors: Option<Doors>,
    /// Sources of triggers besides those of the beamline file.
    pub triggers: Vec<(Name, Rc<dyn TriggerLogic>)>,
}

/// Makes the branch of the tree that serves the clients of a desk.
pub type Doors = Box<dyn FnOnce(Desk) -> ChildSpec>;

impl Options {
    /// HDF5 files in `directory`; every device is simulated and answers at once.
    pub fn new(clock: Clock, seed: Seed, directory: PathBuf) -> Self {
        let (schedule, latency) = (Schedule::Fifo, Latency::default());
        let (disk, doors) = (DiskChoice::Hdf5, None);
        let hardware = Hardware::Simulated;
        let triggers = Vec::new();
        Self { clock, seed, schedule, directory, disk, hardware, latency, doors, triggers }
    }
}

/// Why a beamline could not be put into operation.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("{}: {source}", path.display())]
    Directory { path: PathBuf, source: io::Error },
    /// Two would spoil each other's documents.
    #[error("{}: {owner} writes there: choose another directory", path.display())]
    Taken { path: PathBuf, owner: String },
    #[error("the storage thread: {0}")]
    Storage(#[source] io::Error),
    #[error("device.{device}: {source}")]
    Connect { device: Name, source: SignalError },
    #[error("device.{device}: {peer} was not reached within {within:?}: {why}")]
    Away { device: Name, peer: String, within: Duration, why: String },
    #[error("device.{device}: {source}")]
    Sequencer { device: Name, source: SequencerError },
    #[error("device.{0}")]
    Wiring(#[source] Fault),
    /// With the keys that ask for it.
    #[error("{0}")]
    Capture(String),
    #[error(transparent)]
    Unconnected(#[from] Unconnected),
    #[error("beamline {0}: no device of type generator, which a scan needs")]
    NoGenerator(Name),
    #[error("{0}: did not come up")]
    NotUp(&'static str),
}

/// Why a run could not be ended in order.
#[derive(Debug, thiserror::Error)]
pub enum AbortError {
    #[error("every restart was used up: {0}")]
    TreeEnded(Exit),
    #[error("the end of the run {0}")]
    Elapsed(#[from] Elapsed),
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error(transparent)]
    Operation(#[from] OperationError),
}

/// A beamline in operation.
pub struct Process {
    pub clock: Clock,
    pub tree: Tree,
    pandas: Rc<Pandas>,
    pub coordinator: Ref<ScanCoordinator>,
    /// Of a process that serves clients.
    pub queue: Option<Ref<RunQueue>>,
    pub bulletin: Bulletin,
    /// Where requests of clients are done.
    pub desk: Desk,
    pub storage: StorageClient,
    pub beamline: Rc<Beamline>,
    /// The hardware that is simulated, if any is.
    pub world: World,
    /// Where the documents are.
    pub documents: PathBuf,
    /// Finds runs in them.
    pub archive: Archive,
    /// The hardware as the actors see it, for when they are gone.
    devices: Devices,
    /// Of a process that serves clients: outlives the actor of the queue.
    register: Option<Register>,
    /// The directory is ours for as long as anything may be written.
    _claim: Claim,
}

impl Process {
    /// Puts a beamline into operation; resolves once its coordinator can be asked.
    ///
    /// Must run within an actix system.
    pub async fn start(spec: &BeamlineSpec, options: Options) -> Result<Self, StartError> {
        let Options { clock, seed, schedule, directory, disk, hardware, latency, doors, triggers } =
            options;
        let claim = Claim::take(&directory)?;
        let storage = storage(spec, &clock, disk)?;
        let sink: Rc<dyn FrameSink> = Rc::new(SimDisk(storage.clone()));
        let simulation = Simulation { clock: &clock, seed, latency, schedule, sink: &sink };
        let site = hardware.site(spec, &simulation);
        let env = Env::new(clock.clone(), seed).schedule(schedule);
        let pandas = Rc::new(Pandas::connect(spec, &site.pandas, (&env, &clock)).await?);
        let connected = Rc::clone(&pandas);
        let ground =
            Ground { clock, seed, directory, doors, triggers, claim, storage, site, env, pandas };
        let process = ground.build(spec).await;
        if process.is_err() {
            connected.shutdown().await;
        }
        process
    }

    /// Ends the run that is under way, if there is one, for `reason`; resolves once everything is at
    /// rest and the documents have their end.
    ///
    /// A coordinator that is being restarted is waited for: its next incarnation ends what the last
    /// one left. Fails after a minute, and at once if there will be no coordinator any more. From now on
    /// devices come to rest in a hurry: nothing is flown any more.
    pub async fn abort(&self, reason: &str) -> Result<(), AbortError> {
        self.devices.hurry();
        let aborted = async {
            loop {
                match self.ask_to_abort(reason).await {
                    Err(
                        AbortError::Ask(AskError::Down(_) | AskError::Lost(_))
                        | AbortError::Operation(OperationError::Lost { .. }),
                    ) => {}
                    ended => return ended,
                }
            }
        };
        tokio::select! { biased;
            exit = self.tree.join() => Err(AbortError::TreeEnded(exit)),
            aborted = self.clock.timeout(ABORT_WITHIN, aborted) => aborted?,
        }
    }

    async fn ask_to_abort(&self, reason: &str) -> Result<(), AbortError> {
        let abort = Abort { reason: Some(reason.to_owned()) };
        self.coordinator.up().await?;
        let status = self.coordinator.insist(abort, ANSWER_WITHIN).await??;
        status.finished().await?;
        Ok(())
    }

    /// Begins no queued run any more, also if the queue crashes meanwhile, and ends the run that is
    /// under way as [`abort`](Self::abort) does. What waits stays as it is, for the next process.
    pub async fn close(&self, reason: &str) -> Result<(), AbortError> {
        if let Some(register) = &self.register {
            register.close();
        }
        let aborted = self.abort(reason).await;
        if let Some(queue) = &self.queue
            && let Err(error) = queue.ask(Settle, ANSWER_WITHIN).await
        {
            tracing::warn!(%error, "what became of a queued run is not on disk");
        }
        aborted
    }

    /// Ends the run that is under way, in order; then everything as [`halt`](Self::halt) does.
    pub async fn shutdown(self) -> Exit {
        if let Err(error) = self.close("the process was shut down").await {
            tracing::error!(%error, "the run was not ended in order");
        }
        self.halt().await
    }

    /// Stops every actor in order, makes the hardware safe whatever they left, closes every file and
    /// joins the storage thread. A run that is under way is cut off: its documents have no end.
    pub async fn halt(self) -> Exit {
        self.halt_unless(std::future::pending()).await.exit
    }

    /// As [`halt`](Self::halt), but once `hurry` resolves, devices that cannot be reached or do not
    /// come to rest are not waited for.
    pub async fn halt_unless(self, hurry: impl Future<Output = ()>) -> Halted {
        self.devices.hurry();
        let exit = self.tree.shutdown().await;
        let absent = &self.beamline.absent;
        let make_safe = |patience| self.devices.make_safe(&self.clock, (absent, patience));
        let hurry = hurry.shared();
        let may_not_be_safe = tokio::select! { biased;
            () = hurry.clone() => make_safe(Patience::LITTLE).await,
            left = make_safe(Patience::USUAL) => left,
        };
        tokio::select! { biased;
            () = hurry => self.storage.shutdown_within(HURRIED_WITHIN).await,
            () = self.storage.shutdown() => {}
        }
        self.pandas.shutdown().await;
        Halted { exit, may_not_be_safe }
    }
}

/// What became of a process that was halted.
#[must_use]
#[derive(Debug)]
pub struct Halted {
    pub exit: Exit,
    /// Devices that could not be brought to rest, or did not say so.
    pub may_not_be_safe: Vec<Name>,
}

/// What a process stands on.
struct Ground {
    clock: Clock,
    seed: Seed,
    directory: PathBuf,
    doors: Option<Doors>,
    triggers: Vec<(Name, Rc<dyn TriggerLogic>)>,
    claim: Claim,
    storage: StorageClient,
    site: Site,
    env: Env,
    pandas: Rc<Pandas>,
}

impl Ground {
    /// Connects the devices, and starts the actors.
    async fn build(self, spec: &BeamlineSpec) -> Result<Process, StartError> {
        let Self { clock, seed, directory, doors, triggers, .. } = self;
        let Self { claim, storage, site, env, pandas, .. } = self;
        let mut devices = Devices::connect(spec, &clock, (&site, &directory), &storage).await?;
        devices.triggers.extend(triggers);
        let documents = directory.join(DOCUMENTS);
        let feed = Feed::new(FEED_EVENTS, FEED_BYTES);
        let archive = archive(documents.clone())?;
        // The process before may have had the same seed.
        let uids = seed.stream("documents", archive.num_runs() as u64);
        let ledger = Ledger::new(archive.clone(), uids, feed.clone());
        end_unended(&ledger, &clock);
        let bulletin = Bulletin::default();
        let register = doors.as_ref().map(|_| {
            let path = directory.join(QUEUE);
            let now_s = clock.unix_s(clock.now());
            let (archive, feed, spec) = (archive.clone(), feed.clone(), spec.queue);
            register(RegisterParts { path, archive, feed, spec, now_s })
        });
        let register = register.transpose()?;
        let assembly = Assembly {
            spec,
            devices: devices.clone(),
            storage: storage.clone(),
            bulletin: bulletin.clone(),
            register: register.clone(),
            pandas: pandas.references.clone(),
        };
        let planned = assembly.supervisor(&clock, directory, ledger)?;
        let Planned { root, coordinator, beamline, queue } = planned;
        let desk = Desk::new(DeskParts {
            instance: instance(seed, &clock),
            beamline: spec.name.clone(),
            clock: clock.clone(),
            coordinator: coordinator.clone(),
            bulletin: bulletin.view(),
            archive: archive.clone(),
            survey: beamline.survey(),
            storage: storage.clone(),
            queue: queue.clone(),
            feed,
        });
        let supervisor = match doors {
            Some(doors) => root.child(doors(desk.clone())),
            None => root,
        };
        let tree = supervisor.spawn("root", &env);
        desk.attach(tree.clone(), pandas.tree.clone());
        coordinator.up().await.map_err(|_| StartError::NotUp(COORDINATOR))?;
        Ok(Process {
            clock,
            tree,
            pandas,
            coordinator,
            queue,
            bulletin,
            desk,
            storage,
            beamline,
            world: site.world,
            documents,
            archive,
            devices,
            register,
            _claim: claim,
        })
    }
}

/// How long the coordinator may take to answer a request.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// How long the disk may take to come to an end once somebody has asked twice.
const HURRIED_WITHIN: Duration = Duration::from_secs(2);
/// How long the end of a run may take.
const ABORT_WITHIN: Duration = Duration::from_mins(1);
/// Events that a listener may be behind: as many, and as much of their text.
const FEED_EVENTS: usize = 65_536;
const FEED_BYTES: usize = 16 << 20;
/// Name of the file of documents.
pub(crate) const DOCUMENTS: &str = "documents.jsonl";
/// Name of the file of the queue.
const QUEUE: &str = "queue.jsonl";

fn archive(path: PathBuf) -> Result<Archive, StartError> {
    Archive::open(path.clone()).map_err(|source| StartError::Directory { path, source })
}

/// What tells this process from all others: two may have the same seed, but not the same beginning.
fn instance(seed: Seed, clock: &Clock) -> String {
    seed.stream("instance", clock.unix_s(clock.now()).to_bits()).uuid()
}

/// The queue that an earlier process left.
fn register(parts: RegisterParts) -> Result<Register, StartError> {
    let path = parts.path.clone();
    Register::open(parts).map_err(|source| StartError::Directory { path, source })
}

/// Ends the run that a process left open which was killed.
fn end_unended(ledger: &Ledger, clock: &Clock) {
    match ledger.end_unended(clock.unix_s(clock.now())) {
        Ok(Some(unended)) => tracing::warn!(uid = unended.uid, "ended a run that had no end"),
        Ok(None) => {}
        Err(error) => tracing::warn!(%error, "a run that has no end could not be ended"),
    }
}

pub(crate) fn storage(
    spec: &BeamlineSpec,
    clock: &Clock,
    disk: DiskChoice,
) -> Result<StorageClient, StartError> {
    let config = StorageConfig {
        flush_period: spec.data.flush_period,
        queue_bytes: spec.data.queue_bytes,
        queue_commands: queue_commands(spec.data.queue_duration),
        min_free_bytes: spec.data.min_free_bytes,
        ..StorageConfig::default()
    };
    match disk {
        DiskChoice::Hdf5 => StorageClient::hdf5(config, clock.clone()),
        DiskChoice::Threaded(disk) => StorageClient::on_thread(config, clock.clone(), disk),
        DiskChoice::Memory(disk) => Ok(disk.client(config, clock.clone())),
    }
    .map_err(StartError::Storage)
}

/// Room for one command a millisecond: whoever produces rows puts together what comes faster.
fn queue_commands(duration: Duration) -> usize {
    usize::try_from(duration.as_millis()).unwrap_or(usize::MAX).clamp(64, 1 << 20)
}

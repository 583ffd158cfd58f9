//! A process on hardware that is not simulated by it: the devices are `ca://`, and what answers is a
//! world of its own, behind cables that can be cut.
mod access;
mod away;
mod cable;
mod check;
mod denied;
mod lacks;
mod limits;
mod outage;
mod pvi;
mod refused;
mod soft;
mod start;
mod sums;

use crate::run::rig::{self, Rig};
use bluefly::{
    hardware::Hardware,
    process::{DiskChoice, Options, Process, StartError, world_config},
    sim_disk::SimDisk,
};
use bluefly_actors::{
    clock::Clock, random::Seed, signal::LocalFuture, storage::MemoryDisk, supervise::Schedule,
    system::simulated_system,
};
use bluefly_protocol::beamline::BeamlineSpec;
use bluefly_sim::{
    Latency, World,
    sink::{FrameSink, SinkFile, SinkPlan},
};
use cable::{Cable, Cables};
use std::{cell::OnceCell, path::Path, rc::Rc};

/// The hardware of a beamline, and its two servers.
struct Plant {
    world: World,
    memory: MemoryDisk,
    /// Where its detectors write: what the process has, once it is there.
    disk: Rc<OnceCell<SimDisk>>,
    clock: Clock,
    /// Motors and their controller.
    motion: Cable,
    detectors: Cable,
}

struct LateDisk(Rc<OnceCell<SimDisk>>);

impl FrameSink for LateDisk {
    fn has_directory(&self, path: &Path, new_parts: u32) -> bool {
        self.0.get().expect("the process is there").has_directory(path, new_parts)
    }

    fn create(&self, plan: SinkPlan) -> LocalFuture<Result<Rc<dyn SinkFile>, String>> {
        self.0.get().expect("the process is there").create(plan)
    }
}

/// The beamline of the rig, with every device beyond a cable.
fn beamline(edits: &[(&str, &str)]) -> BeamlineSpec {
    let real = [("sim://generator", "soft://generator"), ("sim://", "ca://")];
    rig::beamline(&[&real, edits].concat())
}

impl Plant {
    fn new(spec: &BeamlineSpec) -> Self {
        let (clock, memory) = (Clock::simulated(), MemoryDisk::new());
        let disk = Rc::new(OnceCell::new());
        let sink: Rc<dyn FrameSink> = Rc::new(LateDisk(Rc::clone(&disk)));
        let config = world_config(spec, Latency::default(), Schedule::Fifo);
        let world = World::new(&config, &clock, Seed(1), &sink);
        let [motion, detectors] = [(); 2].map(|()| Cable::new(world.provider()));
        Self { world, memory, disk, clock, motion, detectors }
    }

    /// Puts `spec` into operation on this hardware.
    async fn start(&self, spec: &BeamlineSpec) -> Result<Rig, StartError> {
        let directory = tempfile::tempdir().unwrap();
        let mut options = Options::new(self.clock.clone(), Seed(1), directory.path().to_owned());
        options.disk = DiskChoice::Memory(self.memory.clone());
        let (motion, detectors) = (self.motion.clone(), self.detectors.clone());
        let prefixes = ["ca://x", "ca://y", "ca://motion", "ca://camera", "ca://diode"];
        let cables = [&motion, &motion, &motion, &detectors, &detectors].map(Cable::clone);
        let cables = Cables(prefixes.into_iter().zip(cables).collect());
        options.hardware = Hardware::AsWritten(Some(Rc::new(cables)));
        let mut process = Process::start(spec, options).await?;
        process.world = self.world.clone();
        assert!(self.disk.set(SimDisk(process.storage.clone())).is_ok(), "one process");
        Ok(Rig { process, memory: self.memory.clone(), directory })
    }
}

/// Runs `test` on a beamline in operation; afterwards everything is shut down.
fn with_plant<T>(edits: &[(&str, &str)], test: impl AsyncFnOnce(&Plant, &Rig) -> T) -> T {
    simulated_system().block_on(async {
        let spec = beamline(edits);
        let plant = Plant::new(&spec);
        let rig = plant.start(&spec).await.unwrap();
        let result = test(&plant, &rig).await;
        rig.process.shutdown().await;
        result
    })
}

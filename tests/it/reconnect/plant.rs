//! The hardware with its servers, and the program that flies it.
use crate::{
    cli::bluefly,
    run::rig::{BEAMLINE, beamline, name},
};
use bluefly::{process::world_config, sim_disk::SimDisk};
use bluefly_actors::{
    clock::Clock,
    random::Seed,
    signal::Connector,
    storage::{StorageClient, StorageConfig},
    supervise::Schedule,
};
use bluefly_sim::{
    Latency, World,
    ioc::{CaServer, Directory, Settings},
    sink::FrameSink,
};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    fmt, fs,
    io::{BufRead as _, BufReader, Read as _},
    net::{SocketAddr, UdpSocket},
    path::Path,
    process::Stdio,
    rc::Rc,
    thread,
    time::Duration,
};
use tempfile::TempDir;
use tokio::sync::{mpsc, oneshot};

const REAL: [(&str, &str); 2] = [("sim://generator", "soft://generator"), ("\"sim://", "\"ca://")];
const ANYWHERE: &str = "127.0.0.1:0";
const GLANCE: Duration = Duration::from_millis(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Server {
    Motion,
    Detectors,
}

/// What goes wrong with a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    Dies,
    Hangs,
}

struct Half {
    directory: Rc<Directory>,
    server: Option<CaServer>,
    address: SocketAddr,
}

pub(super) struct Plant {
    pub(super) clock: Clock,
    world: World,
    motion: Half,
    detectors: Half,
    /// Where servers tell that they are there.
    beacons_to: SocketAddr,
}

/// The program at work. Killed when dropped.
pub(super) struct Program {
    id: u32,
    directory: TempDir,
    /// What it says on standard error.
    lines: mpsc::UnboundedReceiver<String>,
    seen: Vec<String>,
    end: Option<oneshot::Receiver<(Option<i32>, String)>>,
}

impl Half {
    fn start(directory: Directory, clock: &Clock, beacons_to: SocketAddr) -> Self {
        let directory = Rc::new(directory);
        let server = serve(&directory, clock, (ANYWHERE.parse().unwrap(), beacons_to));
        let address = server.addresses().search;
        Self { directory, server: Some(server), address }
    }
}

fn serve(
    directory: &Rc<Directory>,
    clock: &Clock,
    (listen, beacons_to): (SocketAddr, SocketAddr),
) -> CaServer {
    let mut settings = Settings::new(listen);
    settings.beacons_to = Some(beacons_to);
    CaServer::start(directory, clock, &settings).unwrap()
}

impl Plant {
    /// Both servers answer.
    pub(super) async fn new() -> Self {
        let clock = Clock::real();
        let spec = beamline(&REAL);
        let flush_period = spec.data.flush_period;
        let config = StorageConfig { flush_period, ..StorageConfig::default() };
        let storage = StorageClient::hdf5(config, clock.clone()).unwrap();
        let sink: Rc<dyn FrameSink> = Rc::new(SimDisk(storage));
        let config = world_config(&spec, Latency::default(), Schedule::Fifo);
        let world = World::new(&config, &clock, Seed(1), &sink);
        let whole = Directory::of_world(&world).await.unwrap();
        let is_detector = |name: &str| name.starts_with("camera") || name.starts_with("diode");
        // Nobody else takes it before the program does: the system gives out others first.
        let beacons_to = UdpSocket::bind(ANYWHERE).unwrap().local_addr().unwrap();
        let motion = Half::start(whole.part(|name| !is_detector(name)), &clock, beacons_to);
        let detectors = Half::start(whole.part(is_detector), &clock, beacons_to);
        Self { clock, world, motion, detectors, beacons_to }
    }

    fn half(&mut self, server: Server) -> &mut Half {
        match server {
            Server::Motion => &mut self.motion,
            Server::Detectors => &mut self.detectors,
        }
    }

    /// The server dies; its hardware goes on.
    pub(super) async fn stop(&mut self, server: Server) {
        let half = self.half(server);
        half.server.take().unwrap().stop().await;
    }

    pub(super) async fn fail(&mut self, server: Server, failure: Failure) {
        match failure {
            Failure::Dies => self.stop(server).await,
            Failure::Hangs => self.half(server).server.as_ref().unwrap().hang(),
        }
    }

    pub(super) fn mend(&mut self, server: Server, failure: Failure) {
        match failure {
            Failure::Dies => self.start(server),
            Failure::Hangs => self.half(server).server.as_ref().unwrap().go_on(),
        }
    }

    /// The server is there again, where it was.
    pub(super) fn start(&mut self, server: Server) {
        let (clock, beacons_to) = (self.clock.clone(), self.beacons_to);
        let half = self.half(server);
        half.server = Some(serve(&half.directory, &clock, (half.address, beacons_to)));
    }

    /// Resolves once the camera has written so many frames.
    pub(super) async fn reach_frames(&self, frames: i64, within: Duration) {
        let connector = Connector::new(self.world.provider(), self.clock.clone(), within);
        let captured = connector.r::<i64>("ca://camera:HDF1:NumCaptured_RBV").await.unwrap();
        captured.wait_for(within, |captured| *captured >= frames).await.unwrap();
    }

    /// Resolves once nothing moves.
    pub(super) async fn rest(&self) {
        while self.world.is_anything_moving() {
            self.clock.sleep(GLANCE).await;
        }
    }

    /// How often each frame was written.
    pub(super) fn frames_written(&self, detector: &str) -> Vec<u32> {
        self.world.frames_written(&name(detector))
    }

    pub(super) fn is_safe(&self) -> bool {
        !self.world.is_anything_moving()
            && !self.world.is_anything_armed()
            && self.world.open_files().is_empty()
    }
}

impl Program {
    /// `bluefly scan` of a specification, on the plant.
    pub(super) fn scan(plant: &Plant, spec: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let [file, scan] = ["beamline.toml", "scan.json"].map(|name| directory.path().join(name));
        let text = REAL.iter().fold(BEAMLINE.to_owned(), |text, (from, to)| text.replace(from, to));
        fs::write(&file, text).unwrap();
        fs::write(&scan, spec).unwrap();
        let [file, scan, out] =
            [&*file, &*scan, directory.path()].map(|path| path.to_str().unwrap());
        let mut command =
            bluefly(&["scan", scan, "--beamline", file, "--out", out, "--log", "warn"]);
        let servers = format!("{} {}", plant.motion.address, plant.detectors.address);
        command.env("EPICS_CA_ADDR_LIST", servers).env("EPICS_CA_AUTO_ADDR_LIST", "NO");
        command.env("EPICS_CA_REPEATER_PORT", plant.beacons_to.port().to_string());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (said, lines) = mpsc::unbounded_channel();
        let errors = BufReader::new(child.stderr.take().unwrap());
        thread::spawn(move || {
            for line in errors.lines() {
                // Whoever listened may be gone.
                drop(line.map(|line| said.send(line)));
            }
        });
        let (over, end) = oneshot::channel();
        let id = child.id();
        thread::spawn(move || {
            let mut out = String::new();
            child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
            let status = child.wait().unwrap().code();
            drop(over.send((status, out)));
        });
        Self { id, directory, lines, seen: Vec::new(), end: Some(end) }
    }

    pub(super) fn terminate(&self) {
        let process = i32::try_from(self.id).ok().and_then(Pid::from_raw);
        kill_process(process.unwrap(), Signal::TERM).unwrap();
    }

    pub(super) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The next line with this text; an empty one if there is none before the program ends.
    pub(super) async fn says(&mut self, text: &str) -> String {
        while let Some(line) = self.lines.recv().await {
            self.seen.push(line.clone());
            if line.contains(text) {
                return line;
            }
        }
        String::new()
    }

    /// Its exit status and what it said on standard output.
    pub(super) async fn ended(&mut self) -> (Option<i32>, String) {
        let ended = self.end.as_mut().unwrap().await.unwrap();
        self.end = None;
        ended
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.seen.join("\n"))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if self.end.is_some()
            && let Some(process) = i32::try_from(self.id).ok().and_then(Pid::from_raw)
        {
            // It may have ended by itself meanwhile.
            kill_process(process, Signal::KILL).unwrap_or_default();
        }
    }
}

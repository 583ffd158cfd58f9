//! Whole runs: what one costs beside its frames, how soon it pauses and resumes, and one simulated
//! hour. `cargo bench --bench run -- [overhead] [pause] [hour]`
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run says so")]
mod measure;

use actix::{Context, Handler, Message, dev::ToEnvelope};
use bluefly::process::{DiskChoice, Options, Process};
use bluefly_actors::{
    clock::{Clock, Instant},
    coordinator::{Kickoff, Pause, Prepare, Resume, RunStatus, ScanCoordinator, Stage, Unstage},
    random::Seed,
    status::Outcome,
    storage::MemoryDisk,
    system::{real_system, simulated_system},
};
use bluefly_protocol::{
    beamline::{BeamlineFile, BeamlineSpec},
    fault::Refused,
    run::RunPhase,
};
use measure::{Meter, Samples};
use serde_json::Value;
use std::{env, fmt::Write as _, fs, time::Duration};
use tempfile::TempDir;

const SECOND: Duration = Duration::from_secs(1);
const WARM_UP: usize = 10;
const RUNS: usize = 300;
const PAUSES: u32 = 20;
const PAUSED_FRAMES: u32 = 1_000;

fn main() {
    let asked: Vec<String> = env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let wanted = |name: &str| asked.is_empty() || asked.iter().any(|word| word == name);
    if wanted("overhead") {
        overhead("memory", Disk::Memory);
        overhead("HDF5", Disk::Hdf5);
    }
    if wanted("pause") {
        pause("at rest", &still(PAUSED_FRAMES, 0.001));
        pause("at 10 mm/s, 1 m/s^2", &line(PAUSED_FRAMES, 0.001));
    }
    if wanted("hour") {
        hour("memory", Disk::Memory);
        hour("HDF5", Disk::Hdf5);
    }
}

#[derive(Clone, Copy)]
enum Disk {
    Memory,
    Hdf5,
}

impl Disk {
    fn choice(self) -> DiskChoice {
        match self {
            Self::Memory => DiskChoice::Memory(MemoryDisk::new()),
            Self::Hdf5 => DiskChoice::Hdf5,
        }
    }
}

/// Motors `x`, `y`, `m2`, ..., nine to a controller, detectors, a generator.
fn beamline(num_motors: usize, num_detectors: usize) -> BeamlineSpec {
    let mut text = "beamline = { name = 'bench' }\ndata = { directory = 'data' }\n".to_owned();
    let names: Vec<String> = (0..num_motors)
        .map(|i| match i {
            0 => "x".to_owned(),
            1 => "y".to_owned(),
            _ => format!("m{i}"),
        })
        .collect();
    for name in &names {
        writeln!(
            text,
            "[device.{name}]\ntype = 'motor'\nprovider = 'sim://{name}'\nunits = 'mm'\n\
             limits = ['-1000 mm', '1000 mm']\nvelocity = '1000 mm/s'\n\
             acceleration = '1000 mm/s^2'"
        )
        .unwrap();
    }
    for (i, axes) in names.chunks(9).enumerate() {
        writeln!(
            text,
            "[device.motion{i}]\ntype = 'trajectory_controller'\nprovider = 'sim://motion{i}'\n\
             axes = {axes:?}"
        )
        .unwrap();
    }
    text += "[device.generator]\ntype = 'generator'\nprovider = 'sim://generator'\n";
    for i in 0..num_detectors {
        writeln!(
            text,
            "[device.camera{i}]\ntype = 'detector'\nprovider = 'sim://camera{i}'\n\
             shape = [4, 6]\ndtype = 'uint16'\ndead_time = '1 us'"
        )
        .unwrap();
    }
    let value: Value = toml::from_str(&text).unwrap();
    BeamlineSpec::try_from(BeamlineFile::from_value(value).unwrap()).unwrap()
}

/// Frames without motion.
fn still(num: u32, duration_s: f64) -> String {
    fly(duration_s, &format!(r#"{{"type": "Static", "axis": "x", "value": 0, "num": {num}}}"#))
}

/// Frames of 10 um each.
fn line(num: u32, duration_s: f64) -> String {
    let stop = f64::from(num - 1) * 0.01;
    let line =
        format!(r#"{{"type": "Linspace", "axis": "x", "start": 0, "stop": {stop}, "num": {num}}}"#);
    fly(duration_s, &line)
}

fn fly(duration_s: f64, spec: &str) -> String {
    format!(
        r#"{{"type": "Fly", "spec": {{"type": "ConstantDuration", "constant_duration": {duration_s},
            "spec": {spec}}}}}"#
    )
}

/// A beamline in operation.
struct Bench {
    process: Process,
    directory: TempDir,
}

impl Bench {
    async fn new(beamline: &BeamlineSpec, disk: Disk, clock: Clock) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut options = Options::new(clock, Seed(1), directory.path().to_owned());
        options.disk = disk.choice();
        let process = Process::start(beamline, options).await.unwrap();
        Self { process, directory }
    }

    async fn ask<M>(&self, message: M) -> RunStatus
    where
        ScanCoordinator: Handler<M>,
        M: Message<Result = Result<RunStatus, Refused>> + Send + 'static,
        Context<ScanCoordinator>: ToEnvelope<ScanCoordinator, M>,
    {
        self.process.coordinator.ask(message, SECOND).await.unwrap().unwrap()
    }

    async fn prepare(&self, spec: &str) {
        assert_eq!(self.ask(Stage::default()).await.finished().await, Ok(Outcome::Done(0)));
        let prepared = self.ask(Prepare(spec.parse().unwrap())).await.finished().await;
        assert_eq!(prepared, Ok(Outcome::Done(0)));
    }

    async fn unstage(&self, frames: u64) {
        assert_eq!(self.ask(Unstage).await.finished().await, Ok(Outcome::Done(frames)));
    }

    /// Documents of the latest run: name and content.
    fn documents(&self) -> Vec<(String, Value)> {
        let text = fs::read_to_string(&self.process.documents).unwrap();
        let start = text.rfind("{\"name\":\"start\"").unwrap();
        let lines = text[start..].lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let named =
            lines.map(|line| (line["name"].as_str().unwrap().to_owned(), line["doc"].clone()));
        named.collect()
    }

    async fn shutdown(self) {
        self.process.shutdown().await;
        self.directory.close().unwrap();
    }
}

/// The whole of a run of one frame of 2 us, without motion, in real time.
fn overhead(disk_name: &str, disk: Disk) {
    let (mut whole, mut flown, mut span) = <(Samples, Samples, Samples)>::default();
    real_system().block_on(async {
        let clock = Clock::real();
        let bench = Bench::new(&beamline(2, 1), disk, clock.clone()).await;
        let spec = still(1, 0.000_002);
        for run in 0..WARM_UP + RUNS {
            let begin = clock.now();
            bench.prepare(&spec).await;
            let kickoff = clock.now();
            assert_eq!(bench.ask(Kickoff).await.finished().await, Ok(Outcome::Done(1)));
            let completed = clock.now();
            bench.unstage(1).await;
            let end = clock.now();
            let documents = bench.documents();
            if run >= WARM_UP {
                whole.push(end - begin);
                flown.push(completed - kickoff);
                span.push(document_span(&documents));
            }
        }
        bench.shutdown().await;
    });
    span.print(&format!("1 frame, {disk_name}: start to stop document"));
    flown.print(&format!("1 frame, {disk_name}: kickoff to completed"));
    whole.print(&format!("1 frame, {disk_name}: stage to unstaged"));
}

/// Between the times that the first and the last document carry.
fn document_span(documents: &[(String, Value)]) -> Duration {
    let time_s = |document: &(String, Value)| document.1["time"].as_f64().unwrap();
    let (first, last) = (documents.first().unwrap(), documents.last().unwrap());
    Duration::from_secs_f64(time_s(last) - time_s(first))
}

/// Pauses and resumes of a scan at 1 kHz in real time.
fn pause(name: &str, spec: &str) {
    let (mut paused, mut last, mut next) = <(Samples, Samples, Samples)>::default();
    real_system().block_on(async {
        let clock = Clock::real();
        let bench = Bench::new(&beamline(2, 1), Disk::Hdf5, clock.clone()).await;
        for i in 0..PAUSES {
            let times = pause_once(&bench, &clock, (spec, 200 + 13 * i)).await;
            paused.push(times.paused - times.requested);
            last.push(times.last_frame - times.requested);
            next.push(times.next_frame - times.resumed);
        }
        bench.shutdown().await;
    });
    last.print(&format!("{name}: pause request to end of last frame"));
    paused.print(&format!("{name}: pause request to paused"));
    next.print(&format!("{name}: resume request to end of next frame"));
}

struct Times {
    requested: Instant,
    paused: Instant,
    resumed: Instant,
    /// End of the last frame that counts before the pause, and of the first one after it.
    last_frame: Instant,
    next_frame: Instant,
}

async fn pause_once(bench: &Bench, clock: &Clock, (spec, after_ms): (&str, u32)) -> Times {
    bench.prepare(spec).await;
    let mut progress = bench.process.bulletin.progress();
    let status = bench.ask(Kickoff).await;
    progress.wait_for(|progress| progress.phase == RunPhase::Running).await.unwrap();
    clock.sleep(Duration::from_millis(after_ms.into())).await;
    let requested = clock.now();
    bench.ask(Pause).await;
    let done = {
        let progress = progress.wait_for(|progress| progress.phase == RunPhase::Paused).await;
        progress.unwrap().frames_done as usize
    };
    let paused = clock.now();
    clock.sleep(Duration::from_millis(50)).await;
    let resumed = clock.now();
    bench.ask(Resume::default()).await;
    assert_eq!(status.finished().await, Ok(Outcome::Done(PAUSED_FRAMES.into())));
    bench.unstage(PAUSED_FRAMES.into()).await;
    let starts = frame_starts(&bench.documents(), clock);
    let end = |frame: usize| starts[frame] + Duration::from_millis(1);
    Times { requested, paused, resumed, last_frame: end(done - 1), next_frame: end(done) }
}

/// When each frame of a run was triggered, as its documents tell.
fn frame_starts(documents: &[(String, Value)], clock: &Clock) -> Vec<Instant> {
    let zero_s = clock.unix_s(Instant::default());
    let pages = documents.iter().filter(|(name, _)| name == "event_page");
    let times = pages.flat_map(|(_, page)| page["time"].as_array().unwrap());
    let since = |time: &Value| Duration::from_secs_f64(time.as_f64().unwrap() - zero_s);
    times.map(|time| Instant::default() + since(time)).collect()
}

/// 36,000 frames at 10 Hz on 15 motors, 2 controllers, 2 detectors, 1 generator, on the simulated clock.
fn hour(disk_name: &str, disk: Disk) {
    let spec = fly(
        0.1,
        r#"{"type": "Product",
            "outer": {"type": "Linspace", "axis": "y", "start": 0, "stop": 35, "num": 36},
            "inner": {"type": "Snake", "spec":
                {"type": "Linspace", "axis": "x", "start": 0, "stop": 99.9, "num": 1000}}}"#,
    );
    let watch = real_system().block_on(async { Meter::start(Clock::real()) });
    let simulated = simulated_system().block_on(async {
        let clock = Clock::simulated();
        let bench = Bench::new(&beamline(15, 2), disk, clock.clone()).await;
        bench.prepare(&spec).await;
        assert_eq!(bench.ask(Kickoff).await.finished().await, Ok(Outcome::Done(36_000)));
        bench.unstage(36_000).await;
        let simulated = clock.now().since_start();
        bench.shutdown().await;
        simulated
    });
    let wall = watch.print(&format!("simulated hour, {disk_name}"));
    let speed = simulated.as_secs_f64() / wall.as_secs_f64();
    println!("{:<44} {:.1} s simulated, {speed:.0} times real time", "", simulated.as_secs_f64());
}

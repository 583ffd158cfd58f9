//! [`Rig`]: a small simulated beamline in operation, and what must hold of it after a run.
use actix::{Context, Handler, Message, dev::ToEnvelope};
use bluefly::process::{DiskChoice, Options, Process};
use bluefly_actors::{
    clock::Clock,
    coordinator::{Kickoff, Prepare, RunStatus, ScanCoordinator, Stage, Unstage},
    logic::triggers::TriggerLogic,
    random::Seed,
    status::{Ended, Outcome},
    storage::{ColumnData, MemoryDisk},
    supervise::Schedule,
    system::simulated_system,
};
use bluefly_protocol::{
    beamline::{BeamlineFile, BeamlineSpec},
    fault::Refused,
    name::Name,
    run::{RunPhase, RunProgress},
    scan::{Spec, Stack},
};
use serde_json::Value;
use std::{fs, path::Path, rc::Rc, time::Duration};
use tempfile::TempDir;

/// Two axes, one controller, two detectors, one generator.
pub(crate) const BEAMLINE: &str = r#"
beamline = { name = "rig" }
data = { directory = "data", min_free = "1 MiB" }
publish = { collect_period = "1 s" }
supervision = { max_crashes_per_run = 3, retries_for_lost_frames = 3 }
[device.x]
type = "motor"
provider = "sim://x"
units = "mm"
limits = ["-10 mm", "20 mm"]
velocity = "20 mm/s"
acceleration = "200 mm/s^2"
[device.y]
type = "motor"
provider = "sim://y"
units = "mm"
limits = ["-10 mm", "20 mm"]
velocity = "20 mm/s"
acceleration = "200 mm/s^2"
settle_time = "10 ms"
[device.motion]
type = "trajectory_controller"
provider = "sim://motion"
axes = ["x", "y"]
[device.camera]
type = "detector"
provider = "sim://camera"
shape = [4, 6]
dtype = "uint16"
dead_time = "1 ms"
exposure = "5 ms"
[device.diode]
type = "detector"
provider = "sim://diode"
shape = [1, 2]
dtype = "uint16"
dead_time = "500 us"
exposure = "5 ms"
[device.generator]
type = "generator"
provider = "sim://generator"
"#;

/// A snaked grid of 4 x 10 frames of 50 ms, flown.
pub(crate) const GRID: &str = r#"{"type": "Fly", "spec": {"type": "ConstantDuration",
    "constant_duration": 0.05, "spec": {"type": "Product",
        "outer": {"type": "Linspace", "axis": "y", "start": 0, "stop": 3, "num": 4},
        "inner": {"type": "Snake", "spec":
            {"type": "Linspace", "axis": "x", "start": 0, "stop": 9, "num": 10}}}}}"#;

pub(crate) const DETECTORS: [&str; 2] = ["camera", "diode"];

/// How a rig is set up.
pub(crate) struct Setup {
    pub(crate) seed: u64,
    pub(crate) schedule: Schedule,
    /// Lines that replace parts of [`BEAMLINE`]: what, by what.
    pub(crate) edits: Vec<(&'static str, &'static str)>,
    pub(crate) disk: Box<dyn Fn(&MemoryDisk) -> DiskChoice>,
    pub(crate) triggers: Vec<(Name, Rc<dyn TriggerLogic>)>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            seed: 1,
            schedule: Schedule::Fifo,
            edits: Vec::new(),
            disk: Box::new(|memory| DiskChoice::Memory(memory.clone())),
            triggers: Vec::new(),
        }
    }
}

/// A beamline in operation, on the simulated clock.
pub(crate) struct Rig {
    pub(crate) process: Process,
    pub(crate) memory: MemoryDisk,
    pub(crate) directory: TempDir,
}

pub(crate) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

pub(crate) fn spec(text: &str) -> Spec {
    text.parse().unwrap()
}

pub(crate) fn beamline(edits: &[(&str, &str)]) -> BeamlineSpec {
    let text = edits.iter().fold(BEAMLINE.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from} is not in the beamline");
        text.replace(from, to)
    });
    let value: Value = toml::from_str(&text).unwrap();
    BeamlineSpec::try_from(BeamlineFile::from_value(value).unwrap()).unwrap()
}

/// Runs `test` on a rig; afterwards everything is shut down.
pub(crate) fn with_rig<T>(setup: Setup, test: impl AsyncFnOnce(&Rig) -> T) -> T {
    simulated_system().block_on(async move {
        let rig = Rig::new(setup).await;
        let result = test(&rig).await;
        rig.process.shutdown().await;
        result
    })
}

impl Rig {
    pub(crate) async fn new(setup: Setup) -> Self {
        let (memory, directory) = (MemoryDisk::new(), tempfile::tempdir().unwrap());
        let out = directory.path().to_owned();
        let mut options = Options::new(Clock::simulated(), Seed(setup.seed), out);
        options.schedule = setup.schedule;
        options.disk = (setup.disk)(&memory);
        options.triggers = setup.triggers;
        let process = Process::start(&beamline(&setup.edits), options).await.unwrap();
        Self { process, memory, directory }
    }

    /// The answer of the coordinator to a request.
    pub(crate) async fn ask<M>(&self, message: M) -> Result<RunStatus, Refused>
    where
        ScanCoordinator: Handler<M>,
        M: Message<Result = Result<RunStatus, Refused>> + Send + 'static,
        Context<ScanCoordinator>: ToEnvelope<ScanCoordinator, M>,
    {
        self.process.coordinator.ask(message, Duration::from_secs(1)).await.unwrap()
    }

    /// How a step ends.
    pub(crate) async fn step<M>(&self, message: M) -> Ended<u64>
    where
        ScanCoordinator: Handler<M>,
        M: Message<Result = Result<RunStatus, Refused>> + Send + 'static,
        Context<ScanCoordinator>: ToEnvelope<ScanCoordinator, M>,
    {
        self.ask(message).await.unwrap().finished().await
    }

    /// Stages and prepares a scan, which must succeed.
    pub(crate) async fn ready(&self, text: &str) {
        assert_eq!(self.step(Stage::default()).await, Ok(Outcome::Done(0)));
        assert_eq!(self.step(Prepare(spec(text))).await, Ok(Outcome::Done(0)));
    }

    /// Kicks off what is prepared.
    pub(crate) async fn kickoff(&self) -> RunStatus {
        self.ask(Kickoff).await.unwrap()
    }

    pub(crate) async fn unstage(&self) -> Ended<u64> {
        self.step(Unstage).await
    }

    /// How a step ends, in words if it is not done.
    pub(crate) async fn try_step<M>(&self, message: M) -> Result<u64, String>
    where
        ScanCoordinator: Handler<M>,
        M: Message<Result = Result<RunStatus, Refused>> + Send + 'static,
        Context<ScanCoordinator>: ToEnvelope<ScanCoordinator, M>,
    {
        let asked = self.process.coordinator.ask(message, Duration::from_secs(1)).await;
        let status = asked.map_err(|error| error.to_string())?.map_err(|no| no.to_string())?;
        match self.process.clock.timeout(Duration::from_hours(1), status.finished()).await {
            Ok(Ok(Outcome::Done(frames))) => Ok(frames),
            Ok(Ok(Outcome::Aborted)) => Err("aborted".to_owned()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(late) => panic!("{late} within an hour; {:?}", self.progress()),
        }
    }

    /// A whole run, by a client that gives up at the first failure: its frames, or what failed.
    pub(crate) async fn run(&self, text: &str) -> Result<u64, String> {
        self.try_step(Stage::default()).await?;
        if let Err(error) = self.try_step(Prepare(spec(text))).await {
            // Whoever cannot prepare goes home; a device that is away is told of again.
            drop(self.try_step(Unstage).await);
            return Err(error);
        }
        self.try_step(Kickoff).await?;
        self.try_step(Unstage).await
    }

    /// After a failure: a run that was begun has a stop document that says `fail` and why, what was
    /// documented is there, nothing moves, is armed or is open. Resolves with the reason.
    pub(crate) async fn assert_failed(&self, text: &str) -> Option<String> {
        let within =
            self.process.clock.timeout(Duration::from_mins(10), self.reach(RunPhase::Idle));
        within.await.expect("the coordinator comes to idle");
        self.assert_safe();
        let documents = self.documents();
        let run = documents.rsplit(|(name, _)| name == "start").next().unwrap_or_default();
        if documents.is_empty() {
            return None;
        }
        let stop = self.stop_document();
        assert_eq!(stop["exit_status"], "fail", "{stop}");
        let frames = documented(run);
        assert_eq!(stop["num_events"]["primary"].as_u64().unwrap_or(0), frames, "{stop}");
        self.assert_on_disk(text, frames);
        Some(stop["reason"].as_str().unwrap().to_owned())
    }

    pub(crate) fn progress(&self) -> RunProgress {
        self.process.bulletin.progress().borrow().clone()
    }

    /// Resolves once the run has come to `phase`.
    pub(crate) async fn reach(&self, phase: RunPhase) {
        let mut progress = self.process.bulletin.progress();
        progress.wait_for(|progress| progress.phase == phase).await.unwrap();
    }

    pub(crate) async fn sleep(&self, duration: Duration) {
        self.process.clock.sleep(duration).await;
    }

    /// The documents so far: name and content.
    pub(crate) fn documents(&self) -> Vec<(String, Value)> {
        let text = fs::read_to_string(&self.process.documents).unwrap_or_default();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.map(|line| (line["name"].as_str().unwrap().to_owned(), line["doc"].clone())).collect()
    }

    /// The stop document of the latest run.
    pub(crate) fn stop_document(&self) -> Value {
        let (name, stop) = self.documents().pop().unwrap();
        assert_eq!(name, "stop");
        stop
    }

    /// Nothing moves or is armed.
    pub(crate) fn assert_still(&self) {
        let world = &self.process.world;
        assert!(!world.is_anything_moving(), "something moves");
        assert!(!world.is_anything_armed(), "something is armed");
    }

    /// Nothing moves, is armed or is open.
    pub(crate) fn assert_safe(&self) {
        self.assert_still();
        let world = &self.process.world;
        assert_eq!(world.open_files(), Vec::<std::path::PathBuf>::new(), "a file is open");
    }

    /// The latest run has exactly `frames` frames: documented once each, in order, and every
    /// detector has each of them at its own index, taken where the scan put it.
    pub(crate) fn assert_complete(&self, text: &str, frames: u64) {
        let documents = self.documents();
        let start = documents.iter().rposition(|(name, _)| name == "start").unwrap();
        assert_eq!(documented(&documents[start..]), frames, "documented frames");
        let stop = self.stop_document();
        assert_eq!(stop["num_events"]["primary"], frames);
        assert_eq!(stop["exit_status"], "success", "{stop}");
        self.assert_on_disk(text, frames);
    }

    /// The files of the latest run have `frames` frames, taken where the scan put them.
    fn assert_on_disk(&self, text: &str, frames: u64) {
        let documents = self.documents();
        let start = documents.iter().rev().find(|(name, _)| name == "start").unwrap();
        let uid = start.1["uid"].as_str().unwrap();
        for detector in DETECTORS {
            let path = self.directory.path().join(format!("{uid}-{detector}.h5"));
            if frames > 0 {
                self.assert_frames((detector, &path), &Stack::new(&spec(text)).unwrap(), frames);
            }
        }
    }

    /// The values of one key in the documents of the latest run.
    pub(crate) fn published(&self, key: &str) -> Vec<f64> {
        let documents = self.documents();
        let start = documents.iter().rposition(|(name, _)| name == "start").unwrap();
        let pages = documents[start..].iter().filter(|(name, _)| name == "event_page");
        let values = pages.flat_map(|(_, page)| page["data"][key].as_array().unwrap().clone());
        values.map(|value| value.as_f64().unwrap()).collect()
    }

    /// How much of a frame is over in the middle of each exposure: where a file has the axes.
    fn middles(&self, detector: &str, stack: &Stack) -> Vec<f64> {
        let timing = &self.process.beamline.capabilities.detectors[&name(detector)];
        let first = stack.frames(0..1);
        first.duration_s().map_or(vec![0.5], |durations| {
            let frame = Duration::from_secs_f64(durations[0]);
            let (per_frame, exposure) = (timing.exposures_per_frame, timing.exposure_within(frame));
            let middle = |i| per_frame.period(frame) * i + exposure / 2;
            (0..per_frame.get()).map(|i| middle(i).as_secs_f64() / durations[0]).collect()
        })
    }

    fn assert_frames(&self, (detector, path): (&str, &Path), stack: &Stack, frames: u64) {
        let middles = self.middles(detector, stack);
        let rows = frames * middles.len() as u64;
        let file = self.memory.file(path).unwrap();
        assert!(file.is_closed, "{}", path.display());
        assert!(file.committed >= rows, "{}: {} rows", path.display(), file.committed);
        let column = |suffix: &str| {
            let columns = &file.plan.columns;
            let found = columns.iter().position(|column| column.dataset.ends_with(suffix));
            found.map(|column| (&file.columns[column], columns[column].row_len() as usize)).unwrap()
        };
        let (ColumnData::U16(pixels), row) = column("/data") else { panic!("pixels are u16") };
        for index in 0..rows as usize {
            assert_eq!(usize::from(pixels[index * row]), index % 65_536, "{}", path.display());
        }
        let (ColumnData::F64(totals), _) = column("/StatsTotal") else { panic!("totals are f64") };
        let totals =
            totals[..rows as usize].chunks(middles.len()).map(|all| all.iter().sum::<f64>());
        assert_eq!(self.published(&format!("{detector}_total")), totals.collect::<Vec<_>>());
        let expected = stack.frames(0..frames);
        for (axis, name) in stack.axes().iter().enumerate() {
            let (ColumnData::F64(positions), _) = column(&format!("/{name}")) else {
                panic!("positions are f64")
            };
            let bounds = expected.lower()[axis].iter().zip(&expected.upper()[axis]);
            let exposures = bounds.zip(positions.chunks(middles.len()));
            for (index, ((lower, upper), exposures)) in exposures.enumerate() {
                for (middle, taken) in middles.iter().zip(exposures) {
                    // Exactly there: a frame that was taken while the motion slowed down is not.
                    let wanted = lower + (upper - lower) * middle;
                    let is_there = (wanted - taken).abs() < 1e-6;
                    assert!(is_there, "{detector}: frame {index}: {name} at {taken}, not {wanted}");
                }
            }
        }
    }
}

/// How many rows the documents of one run announce: the same, without a gap, for every key.
pub(crate) fn documented(run: &[(String, Value)]) -> u64 {
    let mut rows = std::collections::BTreeMap::<String, u64>::new();
    for (name, document) in run {
        match name.as_str() {
            "stream_datum" => {
                let resource = document["stream_resource"].as_str().unwrap().to_owned();
                let next = rows.entry(resource).or_default();
                assert_eq!(document["indices"]["start"].as_u64(), Some(*next));
                *next = document["indices"]["stop"].as_u64().unwrap();
            }
            "event_page" => {
                let next = rows.entry("events".to_owned()).or_default();
                for number in document["seq_num"].as_array().unwrap() {
                    *next += 1;
                    assert_eq!(number.as_u64(), Some(*next));
                }
            }
            _ => {}
        }
    }
    let counts: Vec<u64> = rows.values().copied().collect();
    assert!(counts.windows(2).all(|pair| pair[0] == pair[1]), "{rows:?}");
    counts.first().copied().unwrap_or(0)
}

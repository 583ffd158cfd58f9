//! One seed, one trace: in one process, in two, in every build.
use super::rig::{BEAMLINE, GRID, Rig, beamline, spec};
use crate::alone::is_alone;
use bluefly::process::{DiskChoice, Options, Process};
use bluefly_actors::{
    clock::Clock,
    coordinator::{Pause, Resume},
    random::Seed,
    status::Outcome,
    storage::MemoryDisk,
    supervise::Schedule,
    system::simulated_system,
};
use bluefly_protocol::run::RunPhase;
use bluefly_sim::{Latency, trace::TraceLayer};
use std::{
    fs,
    path::Path,
    process::{Command, Output},
    time::Duration,
};
use tempfile::TempDir;
use tracing_subscriber::layer::SubscriberExt as _;

/// What is left of a run: every byte counts.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Story {
    trace: String,
    documents: String,
}

impl Story {
    /// A hash of everything that is the same in every build (FNV-1a, 64 bits).
    fn hash(&self) -> u64 {
        let bytes = self.trace.bytes().chain(self.documents.bytes());
        bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        })
    }
}

/// How a story is told.
#[derive(Clone, Copy)]
struct Telling {
    seed: u64,
    schedule: Schedule,
    /// Longest time that a simulated device takes to answer.
    latency: Duration,
    disk: fn(&MemoryDisk) -> DiskChoice,
}

const PLAIN: Telling = Telling {
    seed: 1,
    schedule: Schedule::Fifo,
    latency: Duration::ZERO,
    disk: |memory| DiskChoice::Memory(memory.clone()),
};

const SHUFFLED: Telling =
    Telling { schedule: Schedule::Shuffled, latency: Duration::from_millis(2), ..PLAIN };

/// Flies a grid with a pause and a crash; what came of it. The directory stands in it as DIR.
fn tell(telling: Telling) -> Story {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_owned();
    let story = simulated_system().block_on(async {
        let clock = Clock::simulated();
        let (layer, trace) = TraceLayer::new(clock.clone());
        let _tracing = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
        let memory = MemoryDisk::new();
        let mut options = Options::new(clock, Seed(telling.seed), path.clone());
        options.schedule = telling.schedule;
        options.latency = Latency { least: Duration::ZERO, most: telling.latency };
        options.disk = (telling.disk)(&memory);
        let process = Process::start(&beamline(&[]), options).await.unwrap();
        let rig = Rig { process, memory, directory };
        fly(&rig).await;
        let documents = fs::read_to_string(&rig.process.documents).unwrap();
        rig.process.shutdown().await;
        Story { trace: trace.text(), documents }
    });
    let without_path = |text: &str| text.replace(path.to_str().unwrap(), "DIR");
    Story { trace: without_path(&story.trace), documents: without_path(&story.documents) }
}

async fn fly(rig: &Rig) {
    rig.ready(GRID).await;
    let status = rig.kickoff().await;
    rig.sleep(Duration::from_millis(733)).await;
    rig.ask(Pause).await.unwrap();
    rig.reach(RunPhase::Paused).await;
    rig.ask(Resume::default()).await.unwrap();
    rig.sleep(Duration::from_millis(900)).await;
    rig.process.tree.crash("camera", "a crash in every story").unwrap();
    assert_eq!(status.finished().await, Ok(Outcome::Done(40)));
    assert_eq!(rig.unstage().await, Ok(Outcome::Done(40)));
}

/// The same seed tells the same story, whoever else uses the processor.
fn check_repeats(telling: Telling) {
    let first = tell(telling);
    assert!(first.trace.lines().count() > 100, "{}", first.trace);
    assert!(first.documents.lines().count() > 5, "{}", first.documents);
    for _ in 0..3 {
        let again = tell(telling);
        let differs = first.trace.lines().zip(again.trace.lines()).find(|(one, two)| one != two);
        assert_eq!(differs, None);
        assert!(first == again, "one seed, two stories");
    }
}

#[test]
fn one_seed_tells_one_story_with_a_disk_in_memory() {
    if !is_alone("run::determinism::one_seed_tells_one_story_with_a_disk_in_memory") {
        return;
    }
    check_repeats(PLAIN);
    check_repeats(SHUFFLED);
}

#[test]
fn one_seed_tells_one_story_with_the_hdf5_thread() {
    if !is_alone("run::determinism::one_seed_tells_one_story_with_the_hdf5_thread") {
        return;
    }
    check_repeats(Telling { disk: |_| DiskChoice::Hdf5, ..PLAIN });
    check_repeats(Telling { disk: |_| DiskChoice::Hdf5, ..SHUFFLED });
}

#[test]
fn another_seed_tells_another_story() {
    let stories: Vec<String> =
        (0..5).map(|seed| tell(Telling { seed, ..SHUFFLED }).trace).collect();
    for (i, story) in stories.iter().enumerate() {
        assert!(!stories[..i].contains(story), "seed {i} tells the story of another");
    }
}

/// Debug and release builds, this machine and others: all tell the story with this hash. It changes
/// whenever what happens in a run does, down to the debug lines. To renew it, copy what this test
/// finds, once `cargo test` and `cargo test --release --test it one_story` agree on it.
const STORY: u64 = 0xb088_46f7_5a87_c915;

#[test]
fn every_build_tells_one_story() {
    if !is_alone("run::determinism::every_build_tells_one_story") {
        return;
    }
    let (plain, shuffled) = (tell(PLAIN).hash(), tell(SHUFFLED).hash());
    let found = plain ^ shuffled.rotate_left(1);
    assert_eq!(found, STORY, "the story is {found:#018x}");
}

/// Flies `text` with the program itself; its trace and documents.
fn scan(directory: &Path, seed: &str) -> Story {
    let out = directory.join("out");
    let (beamline, spec_file) = (directory.join("rig.toml"), directory.join("grid.json"));
    fs::write(&beamline, BEAMLINE).unwrap();
    fs::write(&spec_file, serde_json::to_string(&spec(GRID)).unwrap()).unwrap();
    let trace = directory.join("trace");
    let Output { status, stderr, .. } = Command::new(env!("CARGO_BIN_EXE_bluefly"))
        .args(["scan", spec_file.to_str().unwrap(), "--beamline", beamline.to_str().unwrap()])
        .args(["--sim", "--fast", "--seed", seed, "--out", out.to_str().unwrap()])
        .args(["--trace", trace.to_str().unwrap()])
        .output()
        .unwrap();
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    let read = |path: &Path| fs::read_to_string(path).unwrap();
    let story = Story { trace: read(&trace), documents: read(&out.join("documents.jsonl")) };
    fs::remove_dir_all(&out).unwrap();
    story
}

#[test]
fn two_processes_tell_one_story() {
    let directory: TempDir = tempfile::tempdir().unwrap();
    let first = scan(directory.path(), "7");
    assert!(first.trace.lines().count() > 100, "{}", first.trace);
    for _ in 0..3 {
        assert!(first == scan(directory.path(), "7"), "one seed, two stories");
    }
    assert_ne!(first.documents, scan(directory.path(), "8").documents);
}

//! The API over loopback, against the program itself: start-up, questions, a crowd of listeners,
//! how soon a run begins and pauses. `cargo bench --bench api -- [start] [status] [crowd] [begin] [pause]`
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run says so")]
#![expect(clippy::disallowed_methods, reason = "it has threads, and waits on them")]
mod http;
#[expect(dead_code, reason = "what else is measured is of the process itself")]
#[path = "../measure/mod.rs"]
mod measure;

use bluefly_actors::clock::{Clock, Instant};
use http::Client;
use measure::Samples;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::{
    env,
    fmt::Write as _,
    fs,
    io::{BufRead as _, BufReader, Read as _},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};
use tempfile::TempDir;

const STARTS: usize = 20;
const QUESTIONS: usize = 20_000;
const LISTENERS: usize = 200;
const RUNS: usize = 200;
const PAUSES: usize = 50;

fn main() {
    let asked: Vec<String> = env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let wanted = |name: &str| asked.is_empty() || asked.iter().any(|word| word == name);
    if wanted("start") {
        start();
    }
    if wanted("status") {
        status();
    }
    if wanted("crowd") {
        crowd(0);
        crowd(LISTENERS);
    }
    if wanted("begin") {
        begin();
    }
    if wanted("pause") {
        pause();
    }
}

fn timer() -> (Clock, Instant) {
    let clock = Clock::real();
    let now = clock.now();
    (clock, now)
}

/// A process that serves a simulated beamline.
struct Server {
    child: Child,
    address: SocketAddr,
    started_in: Duration,
    _directory: TempDir,
}

impl Server {
    fn new(beamline: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("beamline.toml");
        fs::write(&file, beamline).unwrap();
        let (clock, began) = timer();
        let mut child = Command::new(env!("CARGO_BIN_EXE_bluefly"))
            .args(["serve", "--sim", "--listen", "127.0.0.1:0", "--log", "error", "--out"])
            .args([&directory.path().join("data"), &file])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let started_in = clock.now() - began;
        let address = line.trim().strip_prefix("listening on http://").expect("it listens");
        let address = address.parse().unwrap();
        Self { child, address, started_in, _directory: directory }
    }

    fn client(&self) -> Client {
        Client::connect(self.address)
    }

    /// A figure of the process in MiB, such as `VmRSS`.
    fn memory_mib(&self, key: &str) -> f64 {
        let status = Path::new("/proc").join(self.child.id().to_string()).join("status");
        let status = fs::read_to_string(status).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        let kib: f64 = line.split_whitespace().next().unwrap().parse().unwrap();
        kib / 1024.0
    }

    /// CPU seconds of the process so far.
    fn cpu_s(&self) -> f64 {
        let stat = Path::new("/proc").join(self.child.id().to_string()).join("stat");
        let stat = fs::read_to_string(stat).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        let ticks = |field: usize| fields[field].parse::<f64>().unwrap();
        (ticks(11) + ticks(12)) / 100.0
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let pid = Pid::from_child(&self.child);
        if let Err(error) = kill_process(pid, Signal::TERM) {
            eprintln!("it is gone already: {error}");
        }
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}");
    }
}

/// Motors, each on a controller with the others, detectors and a generator.
fn beamline(motors: usize, detectors: usize) -> String {
    let mut text = String::from(
        "[beamline]\nname = \"bench\"\n[data]\nmin_free = \"1 MiB\"\nflush_period = \"20 ms\"\n\
         [publish]\ncollect_period = \"20 ms\"\n[api]\nmax_requests_per_s = 100000\n[device.generator]\ntype = \"generator\"\n\
         provider = \"sim://generator\"\n[device.motion]\ntype = \"trajectory_controller\"\n\
         provider = \"sim://motion\"\n",
    );
    let axes: Vec<String> = (0..motors).map(|motor| format!("m{motor}")).collect();
    writeln!(text, "axes = {axes:?}").unwrap();
    for axis in axes {
        write!(
            text,
            "[device.{axis}]\ntype = \"motor\"\nprovider = \"sim://{axis}\"\nunits = \"mm\"\n\
             limits = [\"-100 mm\", \"100 mm\"]\nvelocity = \"50 mm/s\"\n\
             acceleration = \"500 mm/s^2\"\n"
        )
        .unwrap();
    }
    for detector in 0..detectors {
        write!(
            text,
            "[device.d{detector}]\ntype = \"detector\"\nprovider = \"sim://d{detector}\"\n\
             shape = [4, 4]\ndtype = \"uint16\"\ndead_time = \"1 us\"\n"
        )
        .unwrap();
    }
    text
}

/// Frames of one millisecond or less, without motion.
fn still(frames: u64, duration_s: f64) -> Value {
    json!({"type": "Fly", "spec": {"type": "ConstantDuration", "constant_duration": duration_s,
        "spec": {"type": "Static", "axis": "m0", "value": 0.0, "num": frames}}})
}

fn start() {
    let mut samples = Samples::default();
    let (mut ready, mut most) = (0.0_f64, 0.0_f64);
    for _ in 0..STARTS {
        let server = Server::new(&beamline(15, 3));
        samples.push(server.started_in);
        let status = server.client().good("GET", "/api/v1/status", "");
        assert_eq!(status["phase"], "idle");
        ready = ready.max(server.memory_mib("VmRSS:"));
        most = most.max(server.memory_mib("VmHWM:"));
    }
    samples.print("start-up to ready, 20 devices");
    println!("memory once ready: {ready:.1} MiB, at most {most:.1} MiB");
}

fn status() {
    let server = Server::new(&beamline(15, 3));
    for path in ["/api/v1/status", "/healthz", "/api/v1/devices", "/metrics"] {
        let mut client = server.client();
        let mut samples = Samples::default();
        let questions = if path.ends_with("status") { QUESTIONS } else { QUESTIONS / 10 };
        for _ in 0..questions {
            let (clock, began) = timer();
            let (status, _) = client.ask("GET", path, "");
            samples.push(clock.now() - began);
            assert_eq!(status, 200);
        }
        samples.print(&format!("GET {path}"));
    }
}

/// A scan of 5 s at 1 kHz, with so many listeners to everything that happens; how late the process
/// is for what it has to do.
fn crowd(listeners: usize) {
    let server = Server::new(&beamline(2, 1));
    let (heard, is_over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let readers: Vec<_> =
        (0..listeners).map(|_| server.client().listen("/api/v1/events")).collect();
    let hearing = {
        let (heard, is_over) = (Arc::clone(&heard), Arc::clone(&is_over));
        thread::spawn(move || hear(readers, &heard, &is_over))
    };
    let mut client = server.client();
    client.good("POST", "/api/v1/stage?wait=10", "");
    client.good("POST", "/api/v1/prepare", &still(5_000, 0.001).to_string());
    let ((clock, began), cpu_s) = (timer(), server.cpu_s());
    client.good("POST", "/api/v1/kickoff", "");
    let mut gaps = Samples::default();
    let (mut revision, mut last) = (0, (0, began));
    loop {
        let status = client.good("GET", &format!("/api/v1/status?since={revision}"), "");
        revision = status["revision"].as_u64().unwrap();
        let frames = status["frames_done"].as_u64().unwrap();
        if frames > last.0 {
            if last.0 > 0 {
                gaps.push(clock.now() - last.1);
            }
            last = (frames, clock.now());
        }
        if status["phase"] == "completed" {
            break;
        }
        assert_ne!(status["phase"], "idle", "{status}");
    }
    let (took, cpu_s) = ((clock.now() - began), server.cpu_s() - cpu_s);
    client.good("POST", "/api/v1/unstage?wait=10", "");
    is_over.store(true, Relaxed);
    hearing.join().unwrap();
    let mib = heard.load(Relaxed) as f64 / f64::from(1 << 20);
    println!(
        "{listeners} listeners, 5,000 frames at 1 kHz: {took:.3?}, {cpu_s:.2} s of CPU, {mib:.1} MiB \
         heard, {:.1} MiB of memory",
        server.memory_mib("VmHWM:")
    );
    gaps.print("from one progress to the next");
}

/// Reads whatever comes, on one thread.
fn hear(mut readers: Vec<TcpStream>, heard: &AtomicU64, is_over: &AtomicBool) {
    for reader in &readers {
        reader.set_nonblocking(true).unwrap();
    }
    let mut buffer = vec![0; 1 << 16];
    while !is_over.load(Relaxed) {
        for reader in &mut readers {
            if let Ok(bytes) = reader.read(&mut buffer) {
                heard.fetch_add(bytes as u64, Relaxed);
            }
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// From the submission of a run of one short frame to its first frame on disk.
fn begin() {
    let server = Server::new(&beamline(2, 1));
    let mut client = server.client();
    let body = json!({"spec": still(1, 1e-5)}).to_string();
    let (mut first, mut idle) = (Samples::default(), Samples::default());
    for _ in 0..RUNS {
        let (clock, began) = timer();
        let run = client.good("POST", "/api/v1/runs", &body);
        let uid = run["uid"].as_str().unwrap().to_owned();
        let mut revision = 0;
        let mut seen = false;
        loop {
            let status = client.good("GET", &format!("/api/v1/status?since={revision}"), "");
            revision = status["revision"].as_u64().unwrap();
            if !seen && status["run"] == uid.as_str() && status["frames_done"] == 1 {
                first.push(clock.now() - began);
                seen = true;
            }
            if status["phase"] == "idle" && status["ended"]["run"] == uid.as_str() {
                assert_eq!(status["ended"]["exit_status"], "success", "{status}");
                idle.push(clock.now() - began);
                break;
            }
        }
    }
    first.print("submitted to first frame done");
    idle.print("submitted to idle again");
}

/// From a pause request to the end of the last frame that is kept, and to the answer.
fn pause() {
    let server = Server::new(&beamline(2, 1));
    let mut client = server.client();
    client.good("POST", "/api/v1/stage?wait=10", "");
    client.good("POST", "/api/v1/prepare", &still(20_000, 0.001).to_string());
    client.good("POST", "/api/v1/kickoff", "");
    let (mut last_frame, mut at_rest) = (Samples::default(), Samples::default());
    for pause in 0..PAUSES {
        thread::sleep(Duration::from_millis(100 + pause as u64));
        let (clock, began) = timer();
        let asked_s = clock.unix_s(began);
        let status = client.good("POST", "/api/v1/pause?wait=10", "");
        at_rest.push(clock.now() - began);
        assert_eq!(status["phase"], "paused", "{status}");
        let last = status["frames_published"].as_u64().unwrap() - 1;
        let assets = client.good("GET", &format!("/api/v1/assets?start={last}"), "");
        let end_s = assets["events"]["time"][0].as_f64().unwrap() + 0.001;
        last_frame.push(Duration::from_secs_f64((end_s - asked_s).max(0.0)));
        client.good("POST", "/api/v1/resume", "");
    }
    client.good("POST", "/api/v1/abort?wait=10", "");
    last_frame.print("pause asked to end of last frame");
    at_rest.print("pause asked to at rest, on disk, told");
}

//! A server as a process of its own, and a client that knows just enough of HTTP.
use crate::cli::bluefly;
use bluefly_actors::clock::Clock;
use serde_json::{Value, json};
use std::{
    fs,
    io::{BufRead as _, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};
use tempfile::TempDir;

/// Far longer than anything takes, also on a machine that is busy with other tests.
pub(super) const PATIENCE: Duration = Duration::from_mins(2);

/// 200 frames of 10 ms each: long enough to be met in flight.
pub(super) fn long_scan() -> Value {
    json!({
        "type": "Fly",
        "spec": {
            "type": "ConstantDuration", "constant_duration": 0.01,
            "spec": {
                "type": "Product",
                "outer": {"type": "Linspace", "axis": "y", "start": 0, "stop": 1, "num": 20},
                "inner": {"type": "Linspace", "axis": "x", "start": 0, "stop": 1, "num": 100},
            },
        },
    })
}

/// A server of etc/sim.toml that answers clients. Killed when dropped.
pub(super) struct Server {
    child: Child,
    pub(super) address: SocketAddr,
    /// What it has said that it listens on.
    pub(super) line: String,
    stdout: BufReader<ChildStdout>,
    log: Receiver<String>,
}

/// How a server ended: exit status, what else it said on standard output, its log.
pub(super) struct Left {
    pub(super) status: Option<i32>,
    pub(super) out: String,
    pub(super) log: Vec<String>,
}

/// `bluefly serve` of the simulated beamline on a free port, with its files in `out`.
pub(super) fn serve(out: &Path, arguments: &[&str]) -> Command {
    let out = out.to_str().unwrap();
    let mut command = bluefly(&["serve", "etc/sim.toml", "--sim", "--out", out]);
    command.args(arguments).env("BLUEFLY__API__LISTEN", "127.0.0.1:0");
    command.env_remove("NOTIFY_SOCKET").env("BLUEFLY__DATA__MIN_FREE", "1 MiB");
    command
}

impl Server {
    pub(super) fn start(out: &Path) -> Self {
        Self::of(&mut serve(out, &[]))
    }

    /// Resolves once clients are answered.
    pub(super) fn of(command: &mut Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (sender, log) = channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        thread::spawn(move || {
            // Nobody listens any more if the test is over.
            stderr.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)).is_ok()
        });
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let address = line.trim_end().rsplit_once("://").map(|(_, address)| address);
        let address = address.map(|address| address.trim_end_matches(['"', '}']));
        let Some(address) = address.and_then(|address| address.parse().ok()) else {
            child.wait().unwrap();
            panic!("{line:?}: {:?}", log.iter().collect::<Vec<_>>());
        };
        Self { child, address, line, stdout, log }
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(super) fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.id().to_string()]).status();
        assert!(sent.unwrap().success());
    }

    /// Reads the log up to a line that has `text` in it.
    pub(super) fn log_until(&self, text: &str) -> String {
        loop {
            let line = self.log.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|error| panic!("{error}: no {text:?} in the log"));
            if line.contains(text) {
                return line;
            }
        }
    }

    /// How it ended, once it has.
    pub(super) fn ended(mut self) -> Left {
        let mut out = String::new();
        self.stdout.read_to_string(&mut out).unwrap();
        let status = self.child.wait().unwrap().code();
        Left { status, out, log: self.log.iter().collect() }
    }

    pub(super) fn terminated(self) -> Left {
        self.signal("-TERM");
        self.ended()
    }

    pub(super) fn get(&self, path: &str) -> (u16, Value) {
        self.request("GET", path, "")
    }

    pub(super) fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.request("POST", path, &body.to_string())
    }

    fn request(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        exchange(&mut stream, &Ask { method, path, body, headers: "" })
    }

    /// Asks for a step, which must be accepted.
    pub(super) fn step(&self, step: &str, body: &Value) -> Value {
        let (status, body) = self.post(&format!("/api/v1/{step}?wait=60"), body);
        assert_eq!(status, 202, "{step}: {body}");
        body
    }

    /// The first status from now on which `is_reached`.
    pub(super) fn reach(&self, is_reached: impl Fn(&Value) -> bool) -> Value {
        let clock = Clock::real();
        let end = clock.now() + PATIENCE;
        let (_, mut status) = self.get("/api/v1/status");
        while !is_reached(&status) {
            assert!(clock.now() < end, "never reached: {status}");
            let since = &status["revision"];
            (_, status) = self.get(&format!("/api/v1/status?timeout=20&since={since}"));
        }
        status
    }

    pub(super) fn reach_phase(&self, phase: &str) -> Value {
        self.reach(|status| status["phase"] == phase)
    }

    /// Begins `spec`, and goes on until frames of it are documented.
    pub(super) fn fly_into(&self, spec: &Value) -> Value {
        self.step("stage", &json!({}));
        self.step("prepare", spec);
        let (status, body) = self.post("/api/v1/kickoff", &json!({}));
        assert_eq!(status, 202, "{body}");
        self.reach(|status| status["frames_published"].as_u64() > Some(0))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended long ago.
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            self.child.kill().unwrap();
            self.child.wait().unwrap();
        }
    }
}

/// One request.
pub(super) struct Ask<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) body: &'a str,
    /// Further ones, each with its line end.
    pub(super) headers: &'a str,
}

/// Asks over `stream`, which is not used again; status and body of the answer.
pub(super) fn exchange(stream: &mut (impl Read + Write), ask: &Ask<'_>) -> (u16, Value) {
    let Ask { method, path, body, headers } = ask;
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         {headers}Content-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}")))
}

/// The directory of a server, and what it has written there.
pub(super) struct Out(TempDir);

impl Out {
    pub(super) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Names and documents, in order.
    pub(super) fn documents(&self) -> Vec<(String, Value)> {
        let text = fs::read_to_string(self.path().join("documents.jsonl")).unwrap_or_default();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.map(|line| (line["name"].as_str().unwrap().to_owned(), line["doc"].clone())).collect()
    }

    /// The stop document of the only run.
    pub(super) fn stop(&self) -> Value {
        let documents = self.documents();
        let (name, stop) = documents.last().expect("a run began");
        assert_eq!(name, "stop");
        stop.clone()
    }

    /// Every file of data is closed for good, and has the rows that documents tell of.
    pub(super) fn assert_closed(&self) {
        let names = fs::read_dir(self.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let is_lock = |name: &str| name.ends_with(".h5.lock");
        let locks = names.filter(|name| name.to_str().is_some_and(is_lock)).collect::<Vec<_>>();
        assert_eq!(locks, [""; 0]);
        let documents = self.documents();
        let resources = documents.iter().filter(|(name, _)| name == "stream_resource");
        for (_, resource) in resources {
            let uid = &resource["run_start"];
            let stop = documents.iter().find(|(_, stop)| stop["run_start"] == *uid);
            let stop = &stop.unwrap_or_else(|| panic!("run {uid} has no end")).1;
            let path = resource["uri"].as_str().unwrap();
            let path = path.strip_prefix("file://localhost").unwrap();
            let file = hdf5::File::open(path).unwrap_or_else(|error| panic!("{path}: {error}"));
            let dataset = resource["parameters"]["dataset"].as_str().unwrap();
            let rows = file.dataset(dataset).unwrap().shape()[0] as u64;
            let told = stop["num_events"]["primary"].as_u64().unwrap_or(0);
            assert!(rows >= told, "{path}: {rows} rows in {dataset}: {stop}");
        }
    }
}

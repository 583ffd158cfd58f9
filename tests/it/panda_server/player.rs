//! [`Player`]: does with a simulated box what was done with a recorded one, at the same moments.
use bluefly_sim::panda::{
    ConnectionId, Server,
    fpga::{Config, Fpga},
};
use serde_json::Value;
use std::{collections::BTreeMap, fs, path::Path, time::Duration};

/// A recording, and how the box came to be as it was at its beginning.
#[derive(Clone, Copy)]
pub(super) struct Recording {
    pub(super) name: &'static str,
    pub(super) before: &'static [&'static str],
    /// From this millisecond of the recording on the simulated box has run so many longer.
    pub(super) late_ms: (f64, f64),
    pub(super) streams: Streams,
}

/// How streams of the data port are compared.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Streams {
    AsTheyAre,
    /// Frames are joined: the driver handed rows over at other moments.
    Joined,
    /// With the bits of `INENCn.CONN` set in BITS0, which is the first value of each row but for
    /// the samples of rows that are not scaled.
    Connected,
}

/// What differs: the request or the stream, what was recorded, and what came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Difference {
    pub(super) what: String,
    pub(super) recorded: String,
    pub(super) came: String,
}

pub(super) struct Player {
    pub(super) server: Server,
    recording: Recording,
    zero: u64,
    control: BTreeMap<String, ConnectionId>,
    data: BTreeMap<String, (ConnectionId, Vec<u8>)>,
    pub(super) differences: Vec<Difference>,
}

const TICKS_PER_MS: f64 = 125_000.0;
/// 2026-01-01T00:00:00Z.
pub(super) const START: Duration = Duration::from_hours(24 * 20_454);

pub(crate) fn directory() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings/panda")
}

pub(crate) fn new_server() -> Server {
    Server::new(Fpga::new(Config::default()), START)
}

/// The replies to lines that are sent at once.
pub(super) fn ask(server: &mut Server, id: ConnectionId, lines: &str) -> String {
    let bytes = format!("{lines}\n");
    assert_eq!(server.receive(id, bytes.as_bytes()), bytes.len(), "{lines}");
    String::from_utf8(server.take_output(id)).unwrap()
}

/// The steps of a recording.
pub(super) fn steps(name: &str) -> Vec<Value> {
    let text = fs::read_to_string(directory().join(format!("{name}.json"))).unwrap();
    let recorded: Value = serde_json::from_str(&text).unwrap();
    recorded["steps"].as_array().unwrap().clone()
}

/// What differs when a recording is played.
pub(super) fn play(recording: &Recording) -> Vec<Difference> {
    let mut player = Player::new(recording);
    for step in steps(recording.name) {
        player.step(&step);
    }
    player.differences
}

impl Player {
    pub(super) fn new(recording: &Recording) -> Self {
        let mut server = new_server();
        let id = server.connect_control("127.0.0.1:1");
        for line in recording.before {
            assert_eq!(ask(&mut server, id, line), "OK\n", "{line}");
        }
        server.disconnect(id);
        let zero = server.tick() + 1_000;
        let (control, data) = (BTreeMap::new(), BTreeMap::new());
        Self { server, recording: *recording, zero, control, data, differences: Vec::new() }
    }

    pub(super) fn step(&mut self, step: &Value) {
        if let Some(ms) = step["t_ms"].as_f64().or(step["t_s"].as_f64().map(|s| s * 1e3)) {
            let (from, late) = self.recording.late_ms;
            self.advance_to(if ms < from { ms } else { ms + late });
        }
        let text = |key: &str| step[key].as_str();
        if let Some(name) = text("data_open") {
            let id = self.server.connect_data("127.0.0.1:2");
            let options = format!("{}\n", text("send").unwrap());
            self.server.receive(id, options.as_bytes());
            self.data.insert(name.to_owned(), (id, Vec::new()));
        } else if let Some(name) = text("data_close") {
            self.close(name, step);
        } else if let Some(sent) = text("send_bytes") {
            self.raw(sent, step);
        } else if step["pipelined"] == true {
            for (sent, received) in
                step["send"].as_array().unwrap().iter().zip(step["recv"].as_array().unwrap())
            {
                self.exchange(step, &lines(sent), &lines(received));
            }
        } else if step["send"].is_array() {
            self.exchange(step, &lines(&step["send"]), &lines(&step["recv"]));
        }
        self.read_data();
    }

    pub(super) fn advance_to(&mut self, ms: f64) {
        self.server.advance_to(self.zero + (ms * TICKS_PER_MS) as u64);
        self.read_data();
    }

    fn read_data(&mut self) {
        for (id, received) in self.data.values_mut() {
            received.extend(self.server.take_output(*id));
        }
    }

    fn exchange(&mut self, step: &Value, sent: &str, recorded: &str) {
        let name = step["conn"].as_str().unwrap_or("a").to_owned();
        let server = &mut self.server;
        let id = *self.control.entry(name).or_insert_with(|| server.connect_control("127.0.0.1:3"));
        let came = ask(server, id, sent);
        self.compare(sent, &format!("{recorded}\n"), &came);
    }

    /// Bytes on a connection of their own; they are those of Latin-1.
    fn raw(&mut self, sent: &str, step: &Value) {
        let bytes: Vec<u8> = sent.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
        let id = self.server.connect_control("127.0.0.1:4");
        self.server.receive(id, &bytes);
        let came = String::from_utf8(self.server.take_output(id)).unwrap();
        let is_closed = self.server.is_over(id);
        self.server.disconnect(id);
        self.compare(sent, step["recv_bytes"].as_str().unwrap(), &came);
        let recorded = step["closed_by_server"].to_string();
        self.compare(&format!("end of {sent}"), &recorded, &is_closed.to_string());
    }

    fn close(&mut self, name: &str, step: &Value) {
        let (id, received) = self.data.remove(name).unwrap();
        let file = step["file"].as_str().unwrap();
        let recorded = fs::read(directory().join(file)).unwrap();
        let is_closed = self.server.is_over(id);
        self.server.disconnect(id);
        self.compare_streams(file, &recorded, &received);
        let recorded = step["closed_by_server"].to_string();
        self.compare(&format!("end of {file}"), &recorded, &is_closed.to_string());
    }

    fn compare_streams(&mut self, file: &str, recorded: &[u8], came: &[u8]) {
        let recorded = prepare(&without_times(recorded), self.recording.streams, file);
        let came = match self.recording.streams {
            Streams::Joined => joined(&without_times(came)),
            Streams::AsTheyAre | Streams::Connected => without_times(came),
        };
        if recorded != came {
            let at = recorded.iter().zip(&came).position(|(a, b)| a != b);
            let at = at.unwrap_or(recorded.len().min(came.len()));
            let near = |bytes: &[u8]| {
                let part = &bytes[at.saturating_sub(20)..bytes.len().min(at + 60)];
                format!("{} bytes, at {at}: {}", bytes.len(), part.escape_ascii())
            };
            let (recorded, came) = (near(&recorded), near(&came));
            self.differences.push(Difference { what: file.to_owned(), recorded, came });
        }
    }

    /// Line by line, if there are as many.
    fn compare(&mut self, what: &str, recorded: &str, came: &str) {
        let (recorded, came) = (comparable(what, recorded), comparable(what, came));
        if recorded.len() == came.len() {
            for (recorded, came) in recorded.into_iter().zip(came).filter(|(a, b)| a != b) {
                self.differences.push(Difference { what: what.to_owned(), recorded, came });
            }
        } else {
            let (recorded, came) = (recorded.join("\n"), came.join("\n"));
            self.differences.push(Difference { what: what.to_owned(), recorded, came });
        }
    }
}

/// The lines of a reply without what differs from box to box and from day to day: moments and addresses
/// of clients, and places in a source.
fn comparable(what: &str, reply: &str) -> Vec<String> {
    let line = |line: &str| {
        if what == "*WHO?" && line.starts_with('!') {
            line.split(' ').nth(1).unwrap().to_owned()
        } else if line.starts_with("ERR Unexpected error at ") {
            "ERR Unexpected error at".to_owned()
        } else {
            line.to_owned()
        }
    };
    reply.lines().map(line).collect()
}

/// A recorded stream as it is to be compared.
fn prepare(stream: &[u8], streams: Streams, file: &str) -> Vec<u8> {
    match streams {
        Streams::AsTheyAre => stream.to_vec(),
        Streams::Joined => joined(stream),
        Streams::Connected => connected(stream, file),
    }
}

/// The frames of a stream behind each other without their heads.
fn joined(stream: &[u8]) -> Vec<u8> {
    let Some(mut at) = find(stream, b"BIN ") else { return stream.to_vec() };
    let mut joined = stream[..at].to_vec();
    while stream[at..].starts_with(b"BIN ") {
        let length = u32::from_le_bytes(stream[at + 4..at + 8].try_into().unwrap());
        joined.extend(&stream[at + 8..at + length as usize]);
        at += length as usize;
    }
    joined.extend(&stream[at..]);
    joined
}

/// The stream of a box with encoders that are connected: bits 24 to 27 of BITS0.
fn connected(stream: &[u8], file: &str) -> Vec<u8> {
    let Some(begin) = find(stream, b"BIN ") else {
        let text = String::from_utf8(stream.to_vec()).unwrap();
        return text.replace("\n 0 ", &format!("\n {} ", 0xf << 24)).into_bytes();
    };
    let (row_bytes, first) = if file.ends_with("d1.bin") { (68, 3) } else { (72, 7) };
    let mut stream = stream.to_vec();
    let length = u32::from_le_bytes(stream[begin + 4..begin + 8].try_into().unwrap()) as usize;
    for row in stream[begin + 8..begin + length].chunks_exact_mut(row_bytes) {
        row[first] |= 0xf;
    }
    stream
}

fn lines(of: &Value) -> String {
    match of {
        Value::Array(lines) => {
            lines.iter().map(|line| line.as_str().unwrap()).collect::<Vec<_>>().join("\n")
        }
        line => line.as_str().unwrap().to_owned(),
    }
}

/// The bytes with all moments of headers replaced by the same one.
fn without_times(bytes: &[u8]) -> Vec<u8> {
    let mut rest = bytes.to_vec();
    for key in ["arm_time", "start_time"] {
        for (open, length) in [(format!("{key}=\""), 30), (format!("{key}: "), 30)] {
            let mut from = 0;
            while let Some(found) = find(&rest[from..], open.as_bytes()) {
                let begin = from + found + open.len();
                let end = rest.len().min(begin + length);
                rest[begin..end].fill(b'T');
                from = end;
            }
        }
    }
    rest
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

//! What was recorded, and what others recorded.
use rand::{Rng, RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;
use serde_json::Value;
use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

/// Lines as they are on the wire.
pub(crate) fn joined<T: AsRef<str>>(lines: impl IntoIterator<Item = T>) -> String {
    lines.into_iter().fold(String::new(), |text, line| text + line.as_ref() + "\n")
}

/// A step of a recording of the control port, as far as it is one command.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) sent: Vec<String>,
    pub(crate) received: Vec<String>,
}

#[derive(Deserialize)]
struct Recording {
    steps: Vec<Value>,
}

pub(crate) const TRANSCRIPTS: [&str; 13] = [
    "changes",
    "dataport_errors",
    "errors",
    "framing_error",
    "introspection",
    "scan_all_modes",
    "scan_fast",
    "scan_formats",
    "scan_mean_only",
    "scan_one_bits",
    "scan_repeat",
    "stuck_reader",
    "tables",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn recorded(name: &str) -> PathBuf {
    root().join("tests/recordings/panda").join(name)
}

/// The bytes of a data connection.
pub(crate) fn stream(name: &str) -> Vec<u8> {
    fs::read(recorded(&format!("{name}.bin"))).unwrap()
}

/// Every recorded data connection and the line that asked for it.
pub(crate) fn connections() -> Vec<(String, String)> {
    let closes = TRANSCRIPTS.iter().flat_map(|name| steps(name)).filter_map(|step| {
        let file = step.get("file")?.as_str()?.strip_suffix(".bin")?.to_owned();
        Some((file, step["options"].as_str()?.to_owned()))
    });
    closes.collect()
}

fn steps(name: &str) -> Vec<Value> {
    let text = fs::read_to_string(recorded(&format!("{name}.json"))).unwrap();
    serde_json::from_str::<Recording>(&text).unwrap().steps
}

/// All commands of a recording, one by one.
pub(crate) fn exchanges(name: &str) -> Vec<Exchange> {
    steps(name).iter().flat_map(commands).collect()
}

fn commands(step: &Value) -> Vec<Exchange> {
    let (Some(sent), Some(received)) = (step.get("send"), step.get("recv")) else { return vec![] };
    let strings = |value: &Value| match value {
        Value::String(line) => vec![line.clone()],
        lines => serde_json::from_value(lines.clone()).unwrap(),
    };
    if step.get("pipelined").is_none() {
        return vec![Exchange { sent: strings(sent), received: strings(received) }];
    }
    let pairs = sent.as_array().unwrap().iter().zip(received.as_array().unwrap());
    pairs
        .map(|(sent, received)| Exchange { sent: strings(sent), received: strings(received) })
        .collect()
}

/// What was sent and received as bare bytes.
pub(crate) fn byte_exchanges(name: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
    let latin1 = |value: &Value| value.as_str().unwrap().chars().map(|c| c as u8).collect();
    let steps = steps(name);
    let bytes = steps.iter().filter(|step| step.get("send_bytes").is_some());
    bytes.map(|step| (latin1(&step["send_bytes"]), latin1(&step["recv_bytes"]))).collect()
}

/// What is not ours to keep. `None`, and a word on it, if it is not there.
pub(crate) fn third_party(name: &str) -> Option<Vec<u8>> {
    let path = root().parent().unwrap().join("shared/panda").join(name);
    let read = fs::read(&path).ok();
    if read.is_none() {
        // Not by a macro: those of a test that succeeds are not heard.
        writeln!(io::stderr().lock(), "skipped: there is no {}", path.display()).unwrap();
    }
    read
}

/// Runs `check` with ways to cut bytes: whole, one by one, and at random by seeds that are printed.
/// The way gives the length of the next piece, from the bytes that are left.
pub(crate) fn every_cut(mut check: impl FnMut(&mut dyn FnMut(usize) -> usize)) {
    check(&mut |left| left);
    check(&mut |_| 1);
    for seed in 0..8_u64 {
        println!("seed {seed}");
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let most = 1 << random.random_range(1..17);
        check(&mut |left| piece(&mut random, most).min(left));
    }
}

fn piece(random: &mut impl Rng, most: usize) -> usize {
    random.random_range(1..=most)
}

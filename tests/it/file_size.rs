//! Files that may not grow as large as they would (`ulimit -f`): an error of the write, as a full disk.
use crate::cli::{ROOT, bluefly, ended};
use serde_json::Value;
use std::{fs, process::Command};

/// The same command where no file grows beyond `kibibytes`.
fn limited(command: &Command, kibibytes: u64) -> Command {
    let mut limited = Command::new("bash");
    limited.args(["-c", &format!("ulimit -f {kibibytes}; exec \"$@\""), "bash"]);
    limited.arg(command.get_program()).args(command.get_args()).current_dir(ROOT);
    limited
}

#[test]
fn a_file_that_grew_too_large_killed_a_scan_on_the_simulated_clock() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().to_str().unwrap();
    let arguments = ["scan", "etc/demo.json", "--beamline", "etc/sim.toml", "--sim", "--fast"];
    let mut scan = bluefly(&arguments);
    scan.args(["--seed", "1", "--out", out]);
    let ended = ended(&mut limited(&scan, 1_024));
    assert_eq!(ended.status, 4, "{}", ended.err);
    assert!(ended.err.contains("File too large"), "{}", ended.err);
    let documents = fs::read_to_string(directory.path().join("documents.jsonl")).unwrap();
    let stop: Value = serde_json::from_str(documents.lines().last().unwrap()).unwrap();
    assert_eq!((&stop["name"], &stop["doc"]["exit_status"]), (&"stop".into(), &"fail".into()));
    let frames = &stop["doc"]["num_events"]["primary"];
    assert!(frames.as_u64().is_some_and(|frames| (1..1_600).contains(&frames)), "{stop}");
}

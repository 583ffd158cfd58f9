//! The program flies: every golden specification, and a scan that is interrupted.
use crate::cli::{Ended, ROOT, bluefly, ended_with_input};
use serde_json::{Value, json};
use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
};

/// `bluefly scan` of `spec` in simulated time.
fn fly(spec: &Value) -> Ended {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().to_str().unwrap();
    let arguments = ["scan", "-", "--beamline", "etc/sim.toml", "--sim", "--fast", "--out", out];
    ended_with_input(&mut bluefly(&arguments), &spec.to_string())
}

/// Flies `spec`: all of its frames, or a refusal that names a node. Tells whether it was flown.
fn flies_or_is_refused(spec: &Value, name: &str, num_points: Option<u64>) -> bool {
    let ended = fly(spec);
    match ended.status {
        0 => {
            let num_points = num_points.unwrap_or_else(|| panic!("{name}: is no scan"));
            let frames = ended.out.lines().next().unwrap();
            assert_eq!(frames, format!("{num_points} frames"), "{name}");
            assert!(!ended.err.contains("error"), "{name}: {}", ended.err);
            true
        }
        2 => {
            assert_eq!(ended.out, "", "{name}");
            assert!(ended.err.starts_with("error: standard input: $"), "{name}: {}", ended.err);
            assert_eq!(ended.err.lines().count(), 1, "{name}: {}", ended.err);
            false
        }
        status => panic!("{name}: status {status}: {}", ended.err),
    }
}

/// A scan of so many frames takes too long where nothing is optimised.
const LARGE: u64 = 10_000;

/// The golden files of a folder, by name.
fn golden(folder: &str) -> Vec<(String, Value)> {
    let directory = Path::new(ROOT).join("protocol/tests/golden").join(folder);
    let mut files: Vec<_> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let named = |file: &std::path::PathBuf| {
        let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
        (name, serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap())
    };
    files.iter().map(named).collect()
}

#[test]
fn every_golden_compound_is_flown_whole_or_refused_by_its_field() {
    for (name, golden) in golden("spg") {
        // An axis that the beamline has.
        let spec = golden["generator"].to_string().replace(r#""rep""#, r#""t""#);
        let spec = serde_json::from_str(&spec).unwrap();
        let flown = flies_or_is_refused(&spec, &name, golden["size"].as_u64());
        assert_eq!(flown, golden["size"].is_number(), "{name}");
    }
}

#[test]
fn every_golden_specification_is_flown_whole_or_refused_by_its_node() {
    let mut count = 0;
    for (name, golden) in golden("scanspec") {
        let num_points = golden["num_points"].as_u64();
        if num_points.is_some_and(|num_points| num_points > LARGE) {
            continue;
        }
        let flown = flies_or_is_refused(&golden["spec"], &name, num_points);
        assert_eq!(flown, num_points.is_some(), "{name}");
        count += u64::from(flown);
    }
    assert!(count > 45, "only {count} were flown");
}

/// A scan in real time that is sent `signal` in mid-flight is aborted, and tells all the while what
/// it does.
fn is_aborted_by(signal: &str) {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().to_str().unwrap();
    let arguments = ["scan", "etc/demo.json", "--beamline", "etc/sim.toml", "--sim", "--out", out];
    let mut command = bluefly(&arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut lines = lines.map(|line| line.unwrap());
    assert!(lines.any(|line| line.starts_with("running: ") && !line.contains(": 0 of")));
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let told: Vec<String> = lines.collect();
    assert_eq!(child.wait().unwrap().code(), Some(3), "{told:?}");
    assert!(told.iter().any(|line| line.starts_with("undoing: ")), "{told:?}");
    let place = std::path::absolute(dir.path()).unwrap();
    let place = place.display();
    let error = format!("error: scan: interrupted by a signal; what was taken is in {place}");
    assert_eq!(told.last().unwrap(), &error);
    let documents = fs::read_to_string(dir.path().join("documents.jsonl")).unwrap();
    let last: Value = serde_json::from_str(documents.lines().last().unwrap()).unwrap();
    assert_eq!(last["name"], "stop");
    assert_eq!(last["doc"]["exit_status"], "abort");
    assert_eq!(last["doc"]["reason"], "interrupted by a signal");
}

#[test]
fn the_display_went_silent_when_a_signal_aborted_the_scan() {
    is_aborted_by("-TERM");
    is_aborted_by("-INT");
}

#[test]
fn standard_input_has_one_name_whatever_is_wrong_with_it() {
    // No specification, no axis of the beamline.
    for (axis, num) in [("q", 0), ("q", 2)] {
        let spec = json!({"type": "Linspace", "axis": axis, "start": 0, "stop": 1, "num": num});
        assert!(!flies_or_is_refused(&spec, axis, None), "{spec}");
    }
}

//! `bluefly ioc`: what it serves, against recordings of real IOCs, and how it begins and ends.
use crate::cli::{ROOT, bluefly, ended};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader},
    process::Stdio,
};

/// What is served, by name: type, elements, unit, decimal places, choices.
fn served() -> BTreeMap<String, [String; 5]> {
    let list = ["ioc", "etc/sim.toml", "--list", "--format", "json", "--log", "error"];
    // So many decimal places has the motor that was recorded.
    let ended = ended(bluefly(&list).env("BLUEFLY__DEVICE__X__PRECISION", "4"));
    assert_eq!((ended.status, ended.err.as_str()), (0, ""));
    let pvs = ended.out.lines().map(|line| {
        let pv: Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| pv[key].as_str().unwrap().to_owned();
        let (kind, precision) = (text("type"), pv["precision"].as_i64());
        let precision = precision.filter(|_| matches!(kind.as_str(), "DOUBLE" | "FLOAT"));
        let choices = pv["choices"].as_array().unwrap().iter();
        let choices: Vec<&str> = choices.map(|choice| choice.as_str().unwrap()).collect();
        let facts = [
            kind,
            pv["count"].to_string(),
            text("units"),
            precision.map(|places| places.to_string()).unwrap_or_default(),
            choices.join("|"),
        ];
        (text("name"), facts)
    });
    pvs.collect()
}

/// What is served of this device otherwise than recorded, and how many are as recorded.
fn differences(device: &str, prefix: &str) -> (Vec<String>, usize) {
    let served = served();
    let lines = include_str!("recorded.tsv").lines();
    let recorded = lines.filter_map(|line| line.strip_prefix(device)?.strip_prefix('\t'));
    let (mut differences, mut num_same) = (vec![], 0);
    for line in recorded {
        let cells: Vec<&str> = line.split('\t').collect();
        let [name, ref facts @ ..] = cells[..] else { panic!("{line}") };
        match served.get(&format!("{prefix}{name}")) {
            Some(own) if own[..] == *facts => num_same += 1,
            Some(own) => differences.push(format!("{name}: {own:?}, recorded {facts:?}")),
            None => {}
        }
    }
    (differences, num_same)
}

#[test]
fn motors_are_served_as_recorded() {
    assert_eq!(differences("motor", "x."), (vec![], 62));
}

#[test]
fn controllers_are_served_as_recorded() {
    assert_eq!(differences("controller", "motion:"), (vec![], 68));
}

#[test]
fn cameras_are_served_as_recorded() {
    assert_eq!(differences("camera", "camera:cam1:"), (vec![], 65));
    assert_eq!(differences("writer", "camera:HDF1:"), (vec![], 121));
}

#[test]
fn the_beamline_of_channel_access_is_the_simulated_one() {
    let read = |name: &str| -> toml::Table {
        fs::read_to_string(format!("{ROOT}/etc/{name}")).unwrap().parse().unwrap()
    };
    let mut simulated = read("sim.toml");
    for (name, device) in simulated["device"].as_table_mut().unwrap() {
        let place = if name == "generator" { "soft://" } else { "ca://SIM:" };
        device["provider"] = format!("{place}{name}").into();
    }
    let here: toml::Table =
        "address_list = [\"127.0.0.1\"]\nauto_address_list = false".parse().unwrap();
    simulated.insert("ca".to_owned(), here.into());
    assert_eq!(simulated, read("epics.toml"));
}

#[test]
fn it_says_where_it_serves_and_ends_when_asked() {
    let command = ["ioc", "etc/epics.toml", "--port", "0", "--log", "error"];
    let mut child =
        bluefly(&command).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = out.next().unwrap().unwrap();
    let words: Vec<&str> = line.split(' ').collect();
    let ["serving", pvs, "PVs", "on", address] = words[..] else { panic!("{line}") };
    assert!(pvs.parse::<usize>().unwrap() > 500, "{line}");
    let port = address.strip_prefix("127.0.0.1:").unwrap().to_owned();
    let taken = ended(&mut bluefly(&["ioc", "etc/epics.toml", "--port", &port, "--log", "off"]));
    let reason = "Address already in use (os error 98): choose another --port";
    assert_eq!(taken.err, format!("error: ioc: 127.0.0.1:{port}: {reason}\n"));
    assert_eq!((taken.status, taken.out.as_str()), (4, ""));
    let refused = ended(&mut bluefly(&["ioc", "etc/epics.toml", "--port", "300"]));
    let rule = "expected a port, 5001 to 65535, or 0";
    assert!(refused.err.contains("'300'") && refused.err.contains(rule), "{}", refused.err);
    assert_eq!(refused.status, 2);
    let pid = child.id().to_string();
    let killed = std::process::Command::new("kill").args(["-TERM", &pid]).status();
    assert!(killed.unwrap().success());
    let ended = child.wait_with_output().unwrap();
    assert_eq!((ended.status.code(), ended.stderr.as_slice()), (Some(0), &b""[..]));
    assert!(out.next().is_none());
}

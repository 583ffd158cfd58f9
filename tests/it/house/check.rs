//! `bluefly check --connect`: every signal of a beamline, and what is wrong with it.
use crate::cli::{bluefly, ended};
use serde_json::Value;

#[test]
fn every_signal_is_asked_when_connecting() {
    let ended = ended(&mut bluefly(&["check", "etc/example.toml", "--connect"]));
    assert_eq!((ended.status, ended.err.as_str()), (0, ""));
    let (devices, signals) = ended.out.split_once("\n\n").unwrap();
    let expected = "\
beamline example: 5 devices
NAME       TYPE                   PROVIDER         DETAILS
camera     detector               sim://camera     connected: 48 x 64 UInt16, dead time 1ms
generator  generator              sim://generator  connected: 0 points loaded
motion     trajectory_controller  sim://motion     connected: 1 axes, room for 4000 segments
panda      panda                  sim://panda      connected: server 4.1, application pandabox-no-fmc, 257 fields
x          motor                  sim://x          connected: at 0 mm";
    assert_eq!(devices, expected);
    let lines: Vec<Vec<&str>> =
        signals.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["DEVICE", "SIGNAL", "TYPE", "ACCESS", "UNITS", "VALUE", "REMARK"]);
    assert!(lines.contains(&vec!["x", "sim://x.VAL", "double", "rw", "mm", "0"]));
    assert!(lines.contains(&vec!["generator", "sim://generator:PointsSent", "long", "rw", "0"]));
    let state = "sim://camera:cam1:DetectorState_RBV";
    assert!(lines.contains(&vec!["camera", state, "enum", "r", "Idle"]));
    let wire = ["panda", "SEQ1.POSA", "ZERO", "INENC1.VAL", "device.panda.triggers.positions.x"];
    assert!(lines.contains(&wire.to_vec()));
}

#[test]
fn the_listing_of_signals_is_json_as_well() {
    let arguments = ["check", "etc/example.toml", "--connect", "--format", "json"];
    let ended = ended(&mut bluefly(&arguments));
    let listing: Value = serde_json::from_str(&ended.out).unwrap();
    let devices = listing["devices"].as_array().unwrap();
    let x = devices.iter().find(|device| device["name"] == "x").unwrap();
    assert_eq!(x["connected"], true);
    assert_eq!(x["mismatches"], serde_json::json!([]));
    let signals = x["signals"].as_array().unwrap();
    let val = signals.iter().find(|signal| signal["signal"] == "sim://x.VAL").unwrap();
    let expected = serde_json::json!({
        "signal": "sim://x.VAL", "connected": true, "mismatches": [], "type": "double",
        "expected": {"kind": "float", "usage": "read_write", "choices": []},
        "count": 1, "access": {"read": true, "write": true}, "units": "mm", "choices": [],
        "value": 0.0,
    });
    assert_eq!(*val, expected);
}

use super::*;
use crate::{
    beamline::{BeamlineFile, BeamlineSpec},
    sequencer::{BitInput, Bus},
};
use serde_json::{Value, json};

mod comparing;
mod rows;

/// A beamline with a PandA that has everything.
fn right() -> Value {
    let motor = |address: &str, units: &str| {
        let with = |number: u32, per: &str| format!("{number} {units}{per}");
        json!({
            "type": "motor", "provider": address, "units": units,
            "limits": [with(0, ""), with(20, "")], "velocity": with(10, "/s"),
            "acceleration": with(50, "/s^2"),
        })
    };
    let camera = |address: &str| {
        json!({
            "type": "detector", "provider": address, "shape": [48, 64], "dtype": "uint16",
            "dead_time": "500 us",
        })
    };
    json!({
        "beamline": {"name": "test"},
        "device": {
            "x": motor("sim://x", "mm"),
            "th": motor("sim://th", "deg"),
            "motion": {
                "type": "trajectory_controller", "provider": "sim://motion", "axes": ["x", "th"],
                "trigger_bits": "row_gate",
            },
            "camera": camera("sim://camera"),
            "diode": camera("sim://diode"),
            "panda": {
                "type": "panda", "provider": "panda://192.168.0.10",
                "wiring": {
                    "PCAP.GATE": "SEQ1.OUTA", "PCAP.TRIG": "SEQ1.OUTA", "PCAP.TRIG_EDGE": "Falling",
                    "SEQ1.BITA": "TTLIN1.VAL",
                },
                "encoders": {
                    "x": {"input": "INENC1", "scale": "-0.0001 mm", "offset": "1.5 mm"},
                    "th": {"input": "INENC2", "scale": "1e-7 deg", "offset": "0 deg"},
                },
                "triggers": {
                    "sequencer": "SEQ1", "start_on": "position", "gate": "BITA",
                    "positions": {"x": "POSA", "th": "POSC"},
                    "outputs": {
                        "camera": {"output": "TTLOUT1"},
                        "diode": {"output": "TTLOUT2", "pulse": "PULSE1"},
                    },
                },
                "capture": {"INENC1.VAL": ["Mean"], "PCAP.TS_TRIG": ["Value"]},
            },
        },
    })
}

/// The PandA of the file that is right, with each value at its key; without the key if it is null.
fn changed(changes: &[(&str, Value)]) -> Result<PandaSpec, String> {
    let mut file = right();
    for (path, value) in changes {
        let path = format!("/device/{path}");
        let (table, last) = path.rsplit_once('/').expect("a path");
        let table = file.pointer_mut(table).expect("a table");
        let table = table.as_object_mut().expect("a table");
        match value {
            Value::Null => drop(table.remove(last).expect("it was there")),
            value => drop(table.insert(last.to_owned(), value.clone())),
        }
    }
    let read = BeamlineFile::from_value(file).and_then(BeamlineSpec::try_from);
    let spec = read.map_err(|error| error.to_string())?;
    Ok(spec.pandas().next().expect("there is one").clone())
}

fn check(path: &str, value: Value, expected: &str) {
    check_all(&[(path, value)], expected);
}

fn check_all(changes: &[(&str, Value)], expected: &str) {
    assert_eq!(changed(changes).map(|_| ()), Err(expected.to_owned()));
}

fn wires(panda: &PandaSpec) -> Vec<String> {
    panda.wiring.iter().map(|wire| format!("{}={}", wire.field, wire.value)).collect()
}

#[test]
fn what_is_written_comes_out() {
    let panda = changed(&[]).unwrap();
    let place = panda.place.as_ref().map(ToString::to_string);
    assert_eq!(place.as_deref(), Some("192.168.0.10:8888:8889"));
    let times = (panda.connection_timeout, panda.frame_timeout);
    assert_eq!(times, (Duration::from_secs(2), Duration::from_secs(5)));
    let x = &panda.encoders["x"];
    assert_eq!((x.input.to_string(), x.scale, x.offset), ("INENC1".into(), -0.0001, 1.5));
    assert_eq!(panda.encoders["th"].units, "deg");
    let triggers = panda.triggers.as_ref().unwrap();
    let inputs = [("th", Bus::C), ("x", Bus::A)].map(|(axis, bus)| (axis.parse().unwrap(), bus));
    let sequencer = |start_on| PandaSource::Sequencer { block: "SEQ1".parse().unwrap(), start_on };
    assert_eq!(triggers.source, sequencer(PandaStart::Position(inputs.into())));
    let diode = &triggers.outputs["diode"];
    assert_eq!(diode.output.to_string(), "TTLOUT2");
    assert_eq!(diode.pulse.as_ref().unwrap().to_string(), "PULSE1");
    assert_eq!(triggers.outputs["camera"].pulse, None);
    let start = |word: &str| {
        let panda = changed(&[("panda/triggers/start_on", json!(word))]).unwrap();
        panda.triggers.unwrap().source
    };
    assert_eq!(start("gate"), sequencer(PandaStart::Gate(BitInput::A)));
    assert_eq!(start("time"), sequencer(PandaStart::Time));
    let simulated = changed(&[("panda/provider", json!("sim://panda"))]).unwrap();
    assert_eq!(simulated.place, None);
}

#[test]
fn what_follows_from_other_tables_is_wired_too() {
    let expected = [
        "INENC1.VAL.OFFSET=1.5",
        "INENC1.VAL.SCALE=-0.0001",
        "INENC1.VAL.UNITS=mm",
        "INENC2.VAL.OFFSET=0",
        "INENC2.VAL.SCALE=0.0000001",
        "INENC2.VAL.UNITS=deg",
        "PCAP.GATE=SEQ1.OUTA",
        "PCAP.TRIG=SEQ1.OUTA",
        "PCAP.TRIG_EDGE=Falling",
        "PULSE1.TRIG=SEQ1.OUTA",
        "SEQ1.BITA=TTLIN1.VAL",
        "SEQ1.POSA=INENC1.VAL",
        "SEQ1.POSC=INENC2.VAL",
        "TTLOUT1.VAL=SEQ1.OUTA",
        "TTLOUT2.VAL=PULSE1.OUT",
    ];
    assert_eq!(wires(&changed(&[]).unwrap()), expected);
    let keys: Vec<String> = changed(&[]).unwrap().wiring.into_iter().map(|wire| wire.key).collect();
    assert_eq!(keys[0], "device.panda.encoders.x");
    assert_eq!(keys[7], "device.panda.wiring.PCAP.TRIG");
    assert_eq!(keys[11], "device.panda.triggers.positions.x");
    assert_eq!(keys[14], "device.panda.triggers.outputs.diode");
    // What is written as well agrees.
    let twice = changed(&[("panda/wiring/SEQ1.POSA", json!("INENC1.VAL"))]).unwrap();
    assert_eq!(wires(&twice), expected);
    let bare = changed(&[
        ("panda/wiring", Value::Null),
        ("panda/triggers", Value::Null),
        ("panda/encoders", Value::Null),
        ("panda/capture", Value::Null),
    ]);
    let bare = bare.unwrap();
    assert_eq!((bare.wiring.len(), bare.is_detector(), bare.triggers), (0, false, None));
}

#[test]
fn a_row_takes_a_tick_for_each_of_its_words() {
    let check = |capture: Value, ns: u64, bytes: u64| {
        let panda = changed(&[("panda/capture", capture)]).unwrap();
        assert_eq!((panda.dead_time(), panda.row_bytes()), (Duration::from_nanos(ns), bytes));
    };
    check(json!({"INENC1.VAL": ["Value"]}), 8, 8);
    check(json!({"INENC1.VAL": ["Min", "Max", "Diff"]}), 24, 24);
    check(json!({"INENC1.VAL": ["Sum"], "INENC2.VAL": ["Value"]}), 24, 16);
    check(json!({"INENC1.VAL": ["Mean"]}), 24, 8);
    check(json!({"INENC1.VAL": ["Mean"], "INENC2.VAL": ["Mean"]}), 40, 16);
    check(json!({"INENC1.VAL": ["Mean", "StdDev"]}), 48, 16);
    check(json!({"INENC1.VAL": ["StdDev"]}), 48, 8);
    check(json!({"PCAP.TS_TRIG": ["Value"], "PCAP.BITS0": ["Value"]}), 24, 12);
}

#[test]
fn unknown_keys_are_refused() {
    check(
        "panda/wires",
        json!({}),
        "device.panda.wires: unknown key; expected one of provider, connection_timeout, \
         frame_timeout, wiring, encoders, triggers, capture",
    );
    check(
        "panda/encoders/x/egu",
        json!("mm"),
        "device.panda.encoders.x.egu: unknown key; expected one of input, scale, offset",
    );
    check(
        "panda/triggers/mode",
        json!(1),
        "device.panda.triggers.mode: unknown key; expected one of sequencer, start_on, positions, \
         gate, compare, axis, outputs",
    );
    check(
        "panda/triggers/outputs/camera/delay",
        json!("1 us"),
        "device.panda.triggers.outputs.camera.delay: unknown key; expected output or pulse",
    );
    check(
        "panda/triggers/sequencer",
        Value::Null,
        "device.panda.triggers: missing key \"sequencer\", or \"compare\" for scans of one line",
    );
    check(
        "panda/triggers/start_on",
        Value::Null,
        "device.panda.triggers: missing key \"start_on\"",
    );
}

#[test]
fn where_it_is_has_a_host_and_ports() {
    let provider = |text: &str, reason: &str| {
        check("panda/provider", json!(text), &format!("device.panda.provider: {reason}"));
    };
    provider("panda://h:0", "`h:0`: a port is 1 to 65535, and not `0`");
    provider("ca://P", "\"ca://P\" is no PandA: expected panda:// or sim://");
    let reason = "\"panda://h\" is for devices of type panda: expected sim:// or ca://";
    check("x/provider", json!("panda://h"), &format!("device.x.provider: {reason}"));
    let second = json!({"type": "panda", "provider": "panda://192.168.0.10:8888"});
    let reason = "device.second.provider: \"panda://192.168.0.10:8888\" already belongs to \
                  device.panda";
    check("second", second, reason);
    check(
        "panda/connection_timeout",
        json!("10 ms"),
        "device.panda.connection_timeout: \"10 ms\" is out of range: must be 1s to 3600s",
    );
}

#[test]
fn what_is_wired_is_a_field_and_a_value() {
    let wired = |field: &str, value: &str, reason: &str| {
        let key = format!("device.panda.wiring.{field}");
        check(&format!("panda/wiring/{field}"), json!(value), &format!("{key}: {reason}"));
    };
    wired("PCAP", "ONE", "`PCAP` is no field name: BLOCK.FIELD or BLOCK.FIELD.ATTRIBUTE");
    wired("SEQ1.A=B", "ONE", "`SEQ1.A=B` is no field name: BLOCK.FIELD or BLOCK.FIELD.ATTRIBUTE");
    wired("SEQ1.BITB", "", "\"\" is no value");
    wired("SEQ1.BITB", "A\nB", "`SEQ1.BITB` cannot be sent: '\\n' is not printable");
    wired("PCAP1.TRIG", "ZERO", "\"ZERO\": PCAP.TRIG is the same field");
    let capture = "\"Mean\": what is captured stands in the table capture";
    wired("INENC1.VAL.CAPTURE", "Mean", capture);
    check(
        "panda/wiring/PCAP.ENABLE",
        json!(1),
        "device.panda.wiring.PCAP.ENABLE: invalid type: integer 1, expected a string",
    );
}

#[test]
fn what_is_wired_agrees_with_the_other_tables() {
    let wired = |field: &str, value: &str, reason: &str| {
        let key = format!("device.panda.wiring.{field}");
        check(&format!("panda/wiring/{field}"), json!(value), &format!("{key}: {reason}"));
    };
    let positions = "device.panda.triggers.positions.x needs it to be \"INENC1.VAL\"";
    wired("SEQ1.POSA", "INENC2.VAL", &format!("\"INENC2.VAL\": {positions}"));
    let encoder = "device.panda.encoders.x needs it to be \"-0.0001\"";
    wired("INENC1.VAL.SCALE", "1", &format!("\"1\": {encoder}"));
    let output = "device.panda.triggers.outputs.diode needs it to be \"PULSE1.OUT\"";
    wired("TTLOUT2.VAL", "SEQ1.OUTA", &format!("\"SEQ1.OUTA\": {output}"));
    let scans = "scans set it, as device.panda.triggers says";
    wired("SEQ1.ENABLE", "ONE", &format!("\"ONE\": {scans}"));
    wired("SEQ1.PRESCALE.UNITS", "us", &format!("\"us\": {scans}"));
    let pulses = "scans set it, as device.panda.triggers.outputs.diode says";
    wired("PULSE1.WIDTH", "1", &format!("\"1\": {pulses}"));
    // Of a box with one of each.
    wired("SEQ.ENABLE", "ONE", &format!("\"ONE\": {scans}"));
    wired("PULSE.DELAY.RAW", "1", &format!("\"1\": {pulses}"));
    check_all(
        &[("panda/triggers/outputs/camera", json!({"output": "TTLOUT2"}))],
        "device.panda.triggers.outputs.camera: TTLOUT2.VAL = \"SEQ1.OUTA\": \
         device.panda.triggers.outputs.diode needs it to be \"PULSE1.OUT\"",
    );
}

#[test]
fn encoders_are_those_of_motors_in_their_units() {
    let encoder = |key: &str, value: Value, reason: &str| {
        let path = format!("panda/encoders/{key}");
        let key = key.replace('/', ".");
        check(&path, value, &format!("device.panda.encoders.{key}: {reason}"));
    };
    let camera = json!({"input": "INENC3", "scale": "1 mm", "offset": "0 mm"});
    encoder("camera", camera, "\"camera\" is no device of type motor");
    encoder("x/scale", json!("1 um"), "\"1 um\" has the wrong unit: expected mm");
    encoder("x/scale", json!("0 mm"), "\"0 mm\" is out of range: must be other than 0");
    encoder("x/offset", json!("1"), "\"1\" has no unit: expected mm");
    encoder("x/input", json!("INENC2"), "\"INENC2\" is already the encoder of th");
    let rule = "letters, digits and _, and a number from 1 at its end if there are several";
    encoder("x/input", json!("INENC1.VAL"), &format!("`INENC1.VAL` is no block name: {rule}"));
    encoder("x/input", json!("INENC0"), &format!("`INENC0` is no block name: {rule}"));
}

#[test]
fn a_window_begins_with_what_the_sequencer_sees() {
    let triggers = |key: &str, value: Value, reason: &str| {
        let path = format!("panda/triggers/{key}");
        let key = key.replace('/', ".");
        check(&path, value, &format!("device.panda.triggers.{key}: {reason}"));
    };
    let words = "expected \"position\" or \"gate\" or \"time\"";
    triggers("start_on", json!("never"), &format!("\"never\" is unknown; {words}"));
    let inputs = "expected \"POSA\" or \"POSB\" or \"POSC\"";
    triggers("positions/x", json!("BITA"), &format!("\"BITA\" is unknown; {inputs}"));
    triggers("positions/x", json!("POSC"), "\"POSC\" is already the input of th");
    let none = "\"y\" has no encoder: expected one in the table encoders";
    triggers("positions/y", json!("POSB"), none);
    let bits = "expected \"BITA\" or \"BITB\" or \"BITC\"";
    triggers("gate", json!("TTLIN1"), &format!("\"TTLIN1\" is unknown; {bits}"));
    check(
        "panda/triggers/positions",
        json!({}),
        "device.panda.triggers.start_on: \"position\" needs positions, such as positions = { x = \
         \"POSA\" }",
    );
    check_all(
        &[("panda/triggers/start_on", json!("gate")), ("panda/triggers/gate", Value::Null)],
        "device.panda.triggers.start_on: \"gate\" needs the input: gate = \"BITA\"",
    );
    check_all(
        &[("panda/triggers/start_on", json!("gate")), ("motion/trigger_bits", json!("none"))],
        "device.panda.triggers.start_on: \"gate\": no controller says when a row begins, as \
         device.motion.trigger_bits is \"none\": expected \"row_gate\" or \"every_point\" there",
    );
}

#[test]
fn detectors_have_the_pulses_that_they_need() {
    let motor = json!({"output": "TTLOUT3"});
    let reason = "device.panda.triggers.outputs.x: \"x\" is no device of type detector";
    check("panda/triggers/outputs/x", motor, reason);
    check(
        "camera/exposures_per_frame",
        json!(3),
        "device.panda.triggers.outputs.camera.pulse: missing: the detector exposes 3 times in each \
         frame, which needs a block such as pulse = \"PULSE1\"",
    );
    check(
        "camera/trigger",
        json!("internal"),
        "device.panda.triggers.outputs.camera: trigger = \"internal\": it waits for no pulse",
    );
    let gated = [
        ("camera/camera", json!("andor")),
        ("camera/trigger", json!("gate")),
        ("camera/exposure", json!("1 ms")),
    ];
    check_all(
        &gated,
        "device.panda.triggers.outputs.camera.pulse: missing: the detector exposes for 1ms of each \
         frame, which needs a block such as pulse = \"PULSE1\"",
    );
    let shared = json!({"output": "TTLOUT1", "pulse": "PULSE1"});
    check(
        "panda/triggers/outputs/camera",
        shared,
        "device.panda.triggers.outputs.diode.pulse: \"PULSE1\" already makes the pulses of camera",
    );
    let second = json!({
        "type": "panda", "provider": "panda://other",
        "triggers": {
            "sequencer": "SEQ2", "start_on": "time", "outputs": {"diode": {"output": "TTLOUT1"}},
        },
    });
    let reason = "device.second.triggers.outputs.diode: device.panda already triggers it";
    check("second", second, reason);
}

#[test]
fn what_is_captured_is_said_in_the_words_of_a_panda() {
    let capture = |field: &str, value: Value, at: &str, reason: &str| {
        let key = format!("device.panda.capture.{field}{at}");
        check(&format!("panda/capture/{field}"), value, &format!("{key}: {reason}"));
    };
    let words = "expected some of Value, Diff, Sum, Min, Max, Mean, StdDev";
    capture("INENC1.VAL", json!([]), "", &format!("[] captures nothing: {words}"));
    let mean = json!(["Min", "mean"]);
    capture("INENC1.VAL", mean, "[1]", &format!("\"mean\" is unknown: {words}"));
    capture("INENC1.VAL", json!(["Min", "Min"]), "[1]", "\"Min\" stands there twice");
    let attribute = "\"INENC1.VAL.SCALE\" is an attribute: expected BLOCK.FIELD";
    capture("INENC1.VAL.SCALE", json!(["Value"]), "", attribute);
    capture("PCAP1.TS_TRIG", json!(["Value"]), "", "\"PCAP1.TS_TRIG\" is captured twice");
    check(
        "panda/capture",
        json!({}),
        "device.panda.capture: {} captures nothing: expected a field, such as \"PCAP.TS_TRIG\" = \
         [\"Value\"]",
    );
    for word in ["Mean", "Min", "Max", "Sum", "Diff", "StdDev"] {
        check_all(
            &[
                ("panda/wiring/PCAP.GATE", Value::Null),
                ("panda/capture/INENC1.VAL", json!(["Value", word])),
            ],
            &format!(
                "device.panda.capture.INENC1.VAL: {word} is over the time that PCAP.GATE is high, \
                 which may be never: missing in the table wiring, such as \"PCAP.GATE\" = \
                 \"SEQ1.OUTA\""
            ),
        );
    }
    let values = json!({"INENC1.VAL": ["Value"], "PCAP.TS_TRIG": ["Value"]});
    changed(&[("panda/wiring/PCAP.GATE", Value::Null), ("panda/capture", values)]).unwrap();
}

#[test]
fn a_field_without_quotes_was_told_as_a_wrong_type() {
    check(
        "panda/wiring/SEQ1",
        json!({"BITB": "TTLIN2.VAL"}),
        "device.panda.wiring.SEQ1: a table: quote the key, \"SEQ1.BITB\" = \"TTLIN2.VAL\"",
    );
    check(
        "panda/wiring/PULSE2",
        json!({"WIDTH": {"UNITS": "us"}}),
        "device.panda.wiring.PULSE2: a table: quote the key, \"PULSE2.WIDTH.UNITS\" = \"us\"",
    );
    check(
        "panda/capture/INENC2",
        json!({"VAL": ["Mean"]}),
        "device.panda.capture.INENC2: a table: quote the key, \"INENC2.VAL\" = [\"Mean\"]",
    );
}

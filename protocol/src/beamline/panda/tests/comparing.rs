//! A PandA that compares the position of one axis.
use super::*;
use std::slice;

/// The triggers of the file that is right, with this for its table.
fn compared(table: Value, changes: &[(&str, Value)]) -> Result<PandaSpec, String> {
    let outputs = json!({
        "camera": {"output": "TTLOUT1"}, "diode": {"output": "TTLOUT2", "pulse": "PULSE1"},
    });
    let mut table = table;
    table["outputs"] = outputs;
    let frames = || json!("PCOMP1.OUT");
    let mut all = vec![
        ("panda/triggers", table),
        ("panda/wiring/PCAP.GATE", frames()),
        ("panda/wiring/PCAP.TRIG", frames()),
    ];
    all.extend(changes.iter().cloned());
    changed(&all)
}

fn right_one() -> Value {
    json!({"compare": "PCOMP1", "axis": "x"})
}

fn check_triggers(table: Value, expected: &str) {
    let found = compared(table, &[]).map(|_| ());
    assert_eq!(found, Err(format!("device.panda.triggers{expected}")));
}

#[test]
fn a_compare_of_one_position_comes_out_and_is_wired() {
    let panda = compared(right_one(), &[]).unwrap();
    let source =
        PandaSource::Comparison { block: "PCOMP1".parse().unwrap(), axis: "x".parse().unwrap() };
    assert_eq!(panda.triggers.as_ref().unwrap().source, source);
    let wires = wires(&panda);
    let expected = [
        "PCOMP1.INP=INENC1.VAL",
        "PULSE1.TRIG=PCOMP1.OUT",
        "TTLOUT1.VAL=PCOMP1.OUT",
        "TTLOUT2.VAL=PULSE1.OUT",
    ];
    for wire in expected {
        assert!(wires.iter().any(|found| found == wire), "{wire} is not in {wires:?}");
    }
    assert!(wires.iter().all(|wire| !wire.starts_with("SEQ1.POS")), "{wires:?}");
}

#[test]
fn keys_of_a_sequencer_and_of_a_compare_are_not_mixed() {
    let both = json!({"compare": "PCOMP1", "sequencer": "SEQ1", "axis": "x", "start_on": "time"});
    check_triggers(both, ".compare: of sequencer and compare, one makes the triggers");
    for (key, value) in
        [("start_on", json!("time")), ("positions", json!({})), ("gate", json!("BITA"))]
    {
        let mut table = right_one();
        table[key] = value;
        let reason = format!(".{key}: it goes with sequencer, which is not there");
        check_triggers(table, &reason);
    }
    let axis = json!({"sequencer": "SEQ1", "start_on": "time", "axis": "x"});
    check_triggers(axis, ".axis: it goes with compare, which is not there");
    check_triggers(json!({"compare": "PCOMP1"}), ": missing key \"axis\"");
    let none = ".axis: \"y\" has no encoder: expected one in the table encoders";
    check_triggers(json!({"compare": "PCOMP1", "axis": "y"}), none);
}

#[test]
fn what_a_compare_counts_is_left_to_scans() {
    let written = |field: &str, value: &str| {
        let path = format!("panda/wiring/{field}");
        compared(right_one(), &[(path.as_str(), json!(value))]).map(|_| ())
    };
    for field in ["ENABLE", "START", "STEP", "WIDTH", "PULSES", "DIR", "RELATIVE", "PRE_START"] {
        let key = format!("device.panda.wiring.PCOMP1.{field}");
        let reason = "\"1\": scans set it, as device.panda.triggers says";
        assert_eq!(written(&format!("PCOMP1.{field}"), "1"), Err(format!("{key}: {reason}")));
    }
    let other = "device.panda.wiring.PCOMP1.INP: \"INENC2.VAL\": device.panda.triggers.axis needs it \
                 to be \"INENC1.VAL\"";
    assert_eq!(written("PCOMP1.INP", "INENC2.VAL"), Err(other.to_owned()));
}

#[test]
fn a_capture_that_ended_with_the_compare_lost_the_last_row() {
    let delay = |ends_with: &str, delay: Option<&str>| {
        let mut changes = vec![("panda/wiring/PCAP.ENABLE", json!(ends_with))];
        changes.extend(delay.map(|delay| ("panda/wiring/PCAP.ENABLE.DELAY", json!(delay))));
        let wires = wires(&compared(right_one(), &changes)?);
        Ok(wires
            .into_iter()
            .find_map(|wire| Some(wire.strip_prefix("PCAP.ENABLE.DELAY=")?.to_owned())))
    };
    assert_eq!(delay("PCOMP1.ACTIVE", None), Ok(Some("10".to_owned())));
    assert_eq!(delay("PCOMP1.ACTIVE", Some("5")), Ok(Some("5".to_owned())));
    assert_eq!(delay("TTLIN1.VAL", None), Ok(None));
    assert_eq!(delay("TTLIN1.VAL", Some("1")), Ok(Some("1".to_owned())));
    let short: Result<_, String> = delay("PCOMP1.ACTIVE", Some("4"));
    let expected = "device.panda.wiring.PCAP.ENABLE.DELAY: \"4\": PCOMP1.ACTIVE falls with the last \
                    pulse, whose row takes 5 ticks more: expected 5 to 31";
    assert_eq!(short, Err(expected.to_owned()));
}

#[test]
fn the_advice_for_a_compare_named_the_output_of_a_sequencer() {
    let gate = ("panda/wiring/PCAP.GATE", Value::Null);
    let told = |output: &str| {
        let told = "device.panda.capture.INENC1.VAL: Mean is over the time that PCAP.GATE is high, \
                    which may be never: missing in the table wiring, such as \"PCAP.GATE\" = ";
        format!("{told}\"{output}\"")
    };
    let found = compared(right_one(), slice::from_ref(&gate)).map(|_| ());
    assert_eq!(found, Err(told("PCOMP1.OUT")));
    let mut second = right_one();
    second["compare"] = json!("PCOMP2");
    assert_eq!(compared(second, slice::from_ref(&gate)).map(|_| ()), Err(told("PCOMP2.OUT")));
    check_all(&[("panda/triggers", Value::Null), gate], &told("TTLIN1.VAL"));
}

#[test]
fn a_capture_over_a_block_that_nothing_runs_ended_well_with_wrong_rows() {
    let check = |field: &str, value: &str, expected: &str| {
        let path = format!("panda/wiring/PCAP.{field}");
        let found = compared(right_one(), &[(path.as_str(), json!(value))]).map(|_| ());
        let (block, _) = value.split_once('.').unwrap();
        let reason = format!(
            "device.panda.wiring.PCAP.{field}: \"{value}\": PCOMP1 makes the triggers, and nothing \
             in this file enables {block}: expected \"{expected}\""
        );
        assert_eq!(found, Err(reason));
    };
    check("GATE", "SEQ1.OUTA", "PCOMP1.OUT");
    check("TRIG", "SEQ2.OUTB", "PCOMP1.OUT");
    check("TRIG", "PCOMP2.OUT", "PCOMP1.OUT");
    check("ENABLE", "SEQ1.ACTIVE", "PCOMP1.ACTIVE");
    let other = ("panda/wiring/PCAP.GATE", json!("PCOMP1.OUT"));
    let expected = "device.panda.wiring.PCAP.GATE: \"PCOMP1.OUT\": SEQ1 makes the triggers, and \
                    nothing in this file enables PCOMP1: expected \"SEQ1.OUTA\"";
    check_all(&[other], expected);
}

#[test]
fn a_capture_behind_a_block_that_nothing_runs_passed() {
    let check = |field: &str, wires: &[(&str, &str)], value: &str, why: &str| {
        let mut changes: Vec<(String, Value)> = wires
            .iter()
            .map(|(field, value)| (format!("panda/wiring/{field}"), json!(value)))
            .collect();
        changes.push((format!("panda/wiring/PCAP.{field}"), json!(value)));
        let changes: Vec<(&str, Value)> =
            changes.iter().map(|(path, value)| (path.as_str(), value.clone())).collect();
        let expected = if field == "ENABLE" { "ACTIVE" } else { "OUT" };
        let reason = format!(
            "device.panda.wiring.PCAP.{field}: \"{value}\": {why}: expected \"PCOMP1.{expected}\""
        );
        assert_eq!(compared(right_one(), &changes).map(|_| ()), Err(reason), "{wires:?}");
    };
    let makes = |what: &str| format!("PCOMP1 makes the triggers, and {what}");
    check("GATE", &[], "ZERO", "it is never high");
    check("ENABLE", &[], "ZERO", "it is never high");
    let zero = [("SEQ2.ENABLE", "ZERO")];
    check("TRIG", &zero, "SEQ2.OUTA", &makes("SEQ2.ENABLE is \"ZERO\""));
    let behind = [("PULSE3.TRIG", "SEQ2.OUTA")];
    check("GATE", &behind, "PULSE3.OUT", &makes("nothing in this file enables SEQ2"));
    let after = [("SEQ2.ENABLE", "SEQ3.ACTIVE")];
    check("ENABLE", &after, "SEQ2.ACTIVE", &makes("nothing in this file enables SEQ3"));
    let untriggered = [("PULSE3.TRIG", "ZERO")];
    check("TRIG", &untriggered, "PULSE3.OUT", &makes("PULSE3.TRIG is \"ZERO\""));
}

#[test]
fn a_capture_may_be_over_what_is_neither_refused_nor_left_to_scans() {
    let gate = |value: &str| ("panda/wiring/PCAP.GATE", json!(value));
    for value in ["PCOMP1.ACTIVE", "PULSE3.OUT", "TTLIN1.VAL", "ONE"] {
        compared(right_one(), &[gate(value)]).unwrap();
    }
    let enabled = ("panda/wiring/SEQ2.ENABLE", json!("TTLIN1.VAL"));
    compared(right_one(), &[gate("SEQ2.OUTA"), enabled]).unwrap();
    let after = ("panda/wiring/SEQ2.ENABLE", json!("PCOMP1.ACTIVE"));
    compared(right_one(), &[gate("SEQ2.OUTA"), after]).unwrap();
    let divided = ("panda/wiring/DIV1.INP", json!("PULSE1.OUT"));
    compared(right_one(), &[gate("DIV1.OUTD"), divided]).unwrap();
    // What is so at the trigger is so whatever the gate is.
    let values = ("panda/capture", json!({"INENC1.VAL": ["Value"]}));
    compared(right_one(), &[gate("ZERO"), values]).unwrap();
    // Others may run it, where nothing here makes triggers.
    changed(&[("panda/triggers", Value::Null), gate("SEQ2.OUTA")]).unwrap();
}

#[test]
fn a_panda_that_triggers_itself_alone_had_to_say_that_it_triggers_no_other() {
    let panda = changed(&[("panda/triggers/outputs", Value::Null)]).unwrap();
    assert!(panda.triggers.unwrap().outputs.is_empty());
}

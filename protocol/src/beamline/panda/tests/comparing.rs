//! A PandA that compares the position of one axis.
use super::*;

/// The triggers of the file that is right, with this for its table.
fn compared(table: Value, changes: &[(&str, Value)]) -> Result<PandaSpec, String> {
    let outputs = json!({
        "camera": {"output": "TTLOUT1"}, "diode": {"output": "TTLOUT2", "pulse": "PULSE1"},
    });
    let mut table = table;
    table["outputs"] = outputs;
    let mut all = vec![("panda/triggers", table)];
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
fn a_panda_that_triggers_itself_alone_had_to_say_that_it_triggers_no_other() {
    let panda = changed(&[("panda/triggers/outputs", Value::Null)]).unwrap();
    assert!(panda.triggers.unwrap().outputs.is_empty());
}

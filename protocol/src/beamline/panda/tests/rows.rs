//! Rows that would not be those of their frames.
use super::*;

fn wired(value: Value) -> (&'static str, Value) {
    ("panda/wiring/PCAP.TRIG_EDGE", value)
}

#[test]
fn a_row_at_the_beginning_of_a_frame_had_the_means_of_the_frame_before() {
    let check = |capture: Value, field: &str| {
        let capture = ("panda/capture", capture);
        let rising = format!(
            "device.panda.wiring.PCAP.TRIG_EDGE: \"Rising\": {field} would be that of the frame \
             before: expected \"Falling\""
        );
        assert_eq!(changed(&[wired(json!("Rising")), capture.clone()]).map(|_| ()), Err(rising));
        let (name, what) = field.split_once(' ').unwrap();
        let none = format!(
            "device.panda.capture.{name}: {what} at the beginning of SEQ1.OUTA would be that of the \
             frame before: missing in the table wiring: \"PCAP.TRIG_EDGE\" = \"Falling\""
        );
        assert_eq!(changed(&[wired(Value::Null), capture]).map(|_| ()), Err(none));
    };
    for word in ["Mean", "Min", "Max", "Sum", "Diff", "StdDev"] {
        check(json!({"INENC1.VAL": ["Value", word]}), &format!("INENC1.VAL {word}"));
    }
    for field in ["PCAP.GATE_DURATION", "PCAP.TS_START", "PCAP.TS_END"] {
        check(json!({field: ["Value"]}), &format!("{field} Value"));
    }
}

#[test]
fn rows_of_what_is_so_at_their_trigger_may_be_taken_at_the_beginning_of_frames() {
    let values = || ("panda/capture", json!({"INENC1.VAL": ["Value"], "PCAP.TS_TRIG": ["Value"]}));
    changed(&[wired(json!("Rising")), values()]).unwrap();
    changed(&[wired(Value::Null), values()]).unwrap();
    // Nothing is known of a trigger that is not the frames.
    let other = ("panda/wiring/PCAP.TRIG", json!("PULSE2.OUT"));
    changed(&[wired(json!("Rising")), other]).unwrap();
    let both = "device.panda.wiring.PCAP.TRIG_EDGE: \"Either\": each pulse of SEQ1.OUTA would have two \
                rows";
    check_all(&[wired(json!("Either")), values()], both);
}

#[test]
fn what_is_counted_in_ticks_was_counted_in_whatever_others_had_set() {
    let shift = |capture: Value| {
        let panda = changed(&[("panda/capture", capture)]).unwrap();
        wires(&panda).into_iter().find(|wire| wire.starts_with("PCAP.SHIFT_SUM="))
    };
    let zero = Some("PCAP.SHIFT_SUM=0".to_owned());
    assert_eq!(shift(json!({"INENC1.VAL": ["Sum"]})), zero);
    assert_eq!(shift(json!({"PCAP.GATE_DURATION": ["Value"]})), zero);
    // The ticks of a mean are shifted as its sum is.
    assert_eq!(shift(json!({"INENC1.VAL": ["Mean", "StdDev", "Min"]})), None);
    let sum = ("panda/capture", json!({"INENC1.VAL": ["Sum"]}));
    let needs = "device.panda.wiring.PCAP.SHIFT_SUM: \"4\": device.panda.capture.INENC1.VAL needs it to \
                 be \"0\"";
    check_all(&[("panda/wiring/PCAP.SHIFT_SUM", json!("4")), sum], needs);
}

//! Co-ordinate systems and what triggers detectors.
use super::{changed, refused};
use crate::beamline::BeamlineError;
use serde_json::{Value, json};

/// Port and prefix of the co-ordinate system, and the source of triggers, with these keys.
fn said(keys: &Value) -> Result<(String, String, &'static str), BeamlineError> {
    let mut motion =
        json!({"type": "trajectory_controller", "provider": "sim://motion", "axes": ["x", "y"]});
    motion.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
    let spec = changed("device.motion", motion)?;
    let motion = spec.trajectory_controllers().next().unwrap();
    let source = motion.trigger_source.as_str();
    Ok((motion.cs.clone(), motion.cs_provider.to_string(), source))
}

#[test]
fn a_co_ordinate_system_is_where_it_is_said_or_below_its_controller() {
    let usual = ("CS1".to_owned(), "sim://motion:CS1".to_owned(), "box");
    assert_eq!(said(&json!({})).unwrap(), usual);
    let keys = json!({"cs": "BRICK1CS2", "cs_provider": "ca://CS2", "trigger_bits": "row_gate",
        "triggers": "user_programs"});
    let told = ("BRICK1CS2".to_owned(), "ca://CS2".to_owned(), "user_programs");
    assert_eq!(said(&keys).unwrap(), told);
    let spec = changed("device.x.compound", json!(true)).unwrap();
    let compound: Vec<_> = spec.motors().map(|motor| motor.is_compound).collect();
    assert_eq!(compound, [true, false]);
}

#[test]
fn what_cannot_be_is_refused() {
    refused(
        "device.motion.triggers",
        json!("bits"),
        "\"bits\" is unknown; expected \"box\" or \"user_programs\"",
    );
    refused(
        "device.motion.triggers",
        json!("user_programs"),
        "\"user_programs\" needs programs that are called: expected trigger_bits = \"row_gate\" or \
         \"every_point\"",
    );
    refused(
        "device.motion.cs",
        json!("CS 1"),
        "\"CS 1\" is no port: expected 1 to 39 letters and digits, such as \"CS1\"",
    );
    refused(
        "device.motion.max_segment_duration",
        json!("4.096 s"),
        "\"4.096 s\" is out of range: must be 1ms to 4.095s",
    );
}

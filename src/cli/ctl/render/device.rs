//! Devices, and what they were asked.
use super::table::{Align, dash, pairs, table};
use crate::cli::text::one_line;
use bluefly_protocol::{
    api::{Device, DeviceAction, DeviceKind, DeviceReport, Life},
    run::StepState,
};

/// All devices, one on a line.
pub(in super::super) fn devices(devices: &[Device]) -> String {
    let header = [
        ("NAME", Align::Left),
        ("TYPE", Align::Left),
        ("STATE", Align::Left),
        ("RESTARTS", Align::Right),
        ("PROVIDER", Align::Left),
        ("NOW", Align::Left),
    ];
    let row = |device: &Device| {
        [
            device.name.to_string(),
            kind(device.kind).to_owned(),
            state(device.state).to_owned(),
            device.restarts.to_string(),
            device.provider.clone(),
            now(device),
        ]
    };
    table(header, devices.iter().map(row))
}

/// One device, with all that is known of it.
pub(in super::super) fn device(device: &Device) -> String {
    let mut lines = vec![
        ("name", device.name.to_string()),
        ("type", kind(device.kind).to_owned()),
        ("provider", device.provider.clone()),
        ("state", state(device.state).to_owned()),
        ("incarnation", device.incarnation.to_string()),
        ("restarts", device.restarts.to_string()),
    ];
    let units = units(device);
    if device.kind == DeviceKind::Motor {
        let position = device.position.map(|position| format!("{position}{units}"));
        lines.push(("position", dash(position)));
    }
    let limits = device.limits.map(|limits| format!("{} to {}{units}", limits.low, limits.high));
    lines.extend(limits.map(|limits| ("limits", limits)));
    lines.extend(frame(device).map(|frame| ("frame", frame)));
    lines.extend(device.error.as_ref().map(|error| ("error", one_line(error))));
    pairs(lines)
}

/// What a device did with what it was asked.
pub(in super::super) fn report(report: &DeviceReport) -> String {
    let request = match report.request {
        DeviceAction::Set => "set",
        DeviceAction::Stop => "stop",
        DeviceAction::Trigger => "trigger",
    };
    let state = match report.state {
        StepState::Running | StepState::Pausing | StepState::Paused => "under way",
        StepState::Done => "done",
        StepState::Aborted => "aborted",
        StepState::Failed => "failed",
    };
    let value = report.value.map_or_else(String::new, |value| match report.request {
        DeviceAction::Set | DeviceAction::Stop => format!(", at {value}"),
        DeviceAction::Trigger => format!(", sum {value}"),
    });
    format!("{}: {request} {state}{value}\n", report.device)
}

/// What matters most of a device at the moment.
fn now(device: &Device) -> String {
    if let Some(error) = &device.error {
        return one_line(error);
    }
    let position = device.position.map(|position| format!("at {position}{}", units(device)));
    dash(position.or_else(|| frame(device)))
}

fn units(device: &Device) -> String {
    device.units.as_ref().map_or_else(String::new, |units| format!(" {units}"))
}

fn frame(device: &Device) -> Option<String> {
    let shape = device.shape.as_ref()?;
    let lengths: Vec<String> = shape.iter().map(u64::to_string).collect();
    let dtype = device.dtype.as_ref().map_or_else(String::new, |dtype| format!(" {dtype}"));
    Some(format!("{}{dtype}", lengths.join(" x ")))
}

const fn kind(kind: DeviceKind) -> &'static str {
    match kind {
        DeviceKind::Motor => "motor",
        DeviceKind::TrajectoryController => "trajectory_controller",
        DeviceKind::Detector => "detector",
        DeviceKind::Generator => "generator",
        DeviceKind::Panda => "panda",
    }
}

const fn state(state: Life) -> &'static str {
    match state {
        Life::Down => "down",
        Life::Starting => "starting",
        Life::Up => "up",
        Life::Backoff => "backoff",
        Life::Stopping => "stopping",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn parsed(value: Value) -> Device {
        serde_json::from_value(value).expect("a device")
    }

    fn examples() -> Vec<Device> {
        let camera = json!({
            "name": "camera", "type": "detector", "provider": "sim://camera", "state": "backoff",
            "incarnation": 3, "restarts": 12, "shape": [48, 64], "dtype": "uint16",
            "error": "is not running:\nwait",
        });
        let diode = json!({
            "name": "diode", "type": "detector", "provider": "sim://diode", "state": "up",
            "incarnation": 1, "restarts": 0, "shape": [1], "dtype": "float64", "error": null,
        });
        let motion = json!({
            "name": "motion", "type": "trajectory_controller", "provider": "sim://motion",
            "state": "up", "incarnation": 1, "restarts": 0, "error": null,
        });
        let x = json!({
            "name": "x", "type": "motor", "provider": "sim://x", "state": "up", "incarnation": 1,
            "restarts": 0, "units": "mm", "limits": {"low": -100.0, "high": 100.0},
            "position": 1.5, "error": null,
        });
        [camera, diode, motion, x].map(parsed).into()
    }

    #[test]
    fn devices_are_a_table() {
        let expected = "\
NAME    TYPE                   STATE    RESTARTS  PROVIDER      NOW
camera  detector               backoff        12  sim://camera  is not running: wait
diode   detector               up              0  sim://diode   1 float64
motion  trajectory_controller  up              0  sim://motion  -
x       motor                  up              0  sim://x       at 1.5 mm
";
        assert_eq!(devices(&examples()), expected);
        assert_eq!(devices(&[]), "NAME  TYPE  STATE  RESTARTS  PROVIDER  NOW\n");
    }

    #[test]
    fn a_device_is_shown_with_all_that_is_known() {
        let check = |index: usize, expected: &str| assert_eq!(device(&examples()[index]), expected);
        check(
            0,
            "\
name         camera
type         detector
provider     sim://camera
state        backoff
incarnation  3
restarts     12
frame        48 x 64 uint16
error        is not running: wait
",
        );
        check(
            3,
            "\
name         x
type         motor
provider     sim://x
state        up
incarnation  1
restarts     0
position     1.5 mm
limits       -100 to 100 mm
",
        );
    }

    #[test]
    fn a_report_is_a_line() {
        let check = |request: &str, state: &str, value: Value, expected: &str| {
            let report = json!({
                "device": "x", "request": request, "state": state, "value": value, "error": null,
            });
            let parsed = serde_json::from_value(report).expect("a report");
            assert_eq!(super::report(&parsed), expected);
        };
        check("set", "done", json!(1.5), "x: set done, at 1.5\n");
        check("set", "running", json!(null), "x: set under way\n");
        check("stop", "aborted", json!(null), "x: stop aborted\n");
        check("trigger", "done", json!(3000.0), "x: trigger done, sum 3000\n");
    }
}

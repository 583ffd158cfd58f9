//! One rule, one line: a change to a file that is right, and what is said of it.
mod co_ordinates;
mod paths;

use super::*;
use crate::{
    exposures::ExposuresPerFrame,
    trajectory::{PointMode, TriggerBits},
};
use serde_json::{Value, json};
use std::time::Duration;

fn right() -> Value {
    let motor = |address: &str| {
        json!({
            "type": "motor", "provider": address, "units": "mm", "limits": ["-20 mm", "20 mm"],
            "velocity": "10 mm/s", "acceleration": "50 mm/s^2", "settle_time": "1 ms",
        })
    };
    json!({
        "beamline": {"name": "test"},
        "data": {}, "publish": {}, "supervision": {}, "queue": {}, "api": {},
        "ca": {"address_list": ["ioc"], "aliases": {"X": "BL:X"}},
        "device": {
            "x": motor("sim://x"),
            "y": motor("sim://y"),
            "motion": {
                "type": "trajectory_controller", "provider": "sim://motion", "axes": ["x", "y"],
            },
            "camera": {
                "type": "detector", "provider": "sim://camera", "shape": [48, 64],
                "dtype": "uint16", "dead_time": "500 us",
            },
            "generator": {"type": "generator", "provider": "sim://generator"},
        },
        "sim": {"seed": 7, "device": {"camera": {"lose_frames": [3, 5]}}},
    })
}

/// The file that is right, with `value` at `key`; without `key` if `value` is null.
pub(super) fn changed(key: &str, value: Value) -> Result<BeamlineSpec, BeamlineError> {
    let mut file = right();
    let pointer = format!("/{}", key.replace('.', "/"));
    let (table, last) = pointer.rsplit_once('/').unwrap();
    let table = file.pointer_mut(table).unwrap().as_object_mut().unwrap();
    match value {
        Value::Null => drop(table.remove(last).unwrap()),
        value => drop(table.insert(last.to_owned(), value)),
    }
    BeamlineSpec::try_from(BeamlineFile::from_value(file)?)
}

/// With `value` at `key` the file is refused with `error`.
pub(super) fn check(key: &str, value: Value, error: &str) {
    assert_eq!(changed(key, value).map_err(|error| error.to_string()), Err(error.to_owned()));
}

/// As [`check`], for what is said of `key` itself.
pub(super) fn refused(key: &str, value: Value, reason: &str) {
    check(key, value, &format!("{key}: {reason}"));
}

#[test]
fn a_right_file_is_read() {
    let spec = changed("publish.lag", json!("100 frames")).unwrap();
    assert_eq!(spec.publish.lag, Lag::Frames(100));
    let x = spec.motor("x").unwrap();
    let limits = (x.limits.low, x.limits.high, x.limits.max_velocity, x.limits.max_acceleration);
    assert_eq!(limits, (-20.0, 20.0, 10.0, 50.0));
    assert_eq!(x.limits.settle_s, 0.001);
    assert_eq!(x.provider.to_string(), "sim://x");
    let camera = spec.detectors().next().unwrap();
    assert_eq!(camera.dead_time, Duration::from_micros(500));
    assert_eq!(camera.frame_bytes(), 48 * 64 * 2);
    assert_eq!(camera.exposures_per_frame, ExposuresPerFrame::ONE);
    let spec = changed("device.camera.exposures_per_frame", json!(3)).unwrap();
    assert_eq!(spec.detectors().next().unwrap().exposures_per_frame.get(), 3);
    let motion = spec.trajectory_controllers().next().unwrap();
    assert_eq!(motion.axes.len(), 2);
    let times = [motion.min_segment_duration, motion.max_segment_duration, motion.min_turnaround];
    assert_eq!(times, [Duration::from_micros(1), Duration::from_secs(4), Duration::ZERO]);
    assert_eq!(spec.generators().next().unwrap().name.as_str(), "generator");
    assert_eq!(spec.motors().count(), 2);
    assert!(spec.motor("camera").is_none());
    assert_eq!(spec.sim.seed, 7);
    assert_eq!(spec.sim.devices["camera"].lose_frames, [3, 5]);
    assert_eq!(spec.data.min_free_bytes, 1 << 30);
}

#[test]
fn unknown_and_missing_keys_are_named() {
    refused(
        "devices",
        json!({}),
        "unknown key; expected one of beamline, data, publish, supervision, queue, api, ca, \
         device, sim",
    );
    refused("beamline.nome", json!("b"), "unknown key; expected name");
    refused(
        "api.port",
        json!(1),
        "unknown key; expected one of listen, token_file, tls_certificate, tls_key, \
         allowed_hosts, max_body, max_clients, max_requests_per_s, workers",
    );
    refused("publish.delay", json!("1 s"), "unknown key; expected lag or collect_period");
    refused(
        "device.x.velocty",
        json!("1 mm/s"),
        "unknown key; expected one of provider, units, limits, velocity, acceleration, \
         settle_time, precision, compound",
    );
    refused("device.generator.axes", json!([]), "unknown key; expected provider");
    refused("sim.device.camera.lose", json!([]), "unknown key; expected lose_frames");
    check("beamline", Value::Null, "top of the file: missing key \"beamline\"");
    check("device.x.velocity", Value::Null, "device.x: missing key \"velocity\"");
    check(
        "device.x.type",
        Value::Null,
        "device.x: missing key \"type\"; expected one of motor, trajectory_controller, detector, \
         generator, panda",
    );
}

#[test]
fn wrong_types_are_named() {
    refused("beamline.name", json!(3), "invalid type: integer 3, expected a string");
    refused("beamline", json!(3), "invalid type: integer 3, expected a table");
    refused(
        "device.x.velocity",
        json!(10),
        "invalid type: integer 10, expected a text with number and unit, such as \"10 mm/s\" or \
         \"1 ms\"",
    );
    check(
        "device.camera.shape",
        json!([48, -1]),
        "device.camera.shape[1]: invalid value: integer -1, expected usize",
    );
    check(
        "device.camera.shape",
        json!([48]),
        "device.camera.shape: invalid length 1, expected an array of length 2",
    );
    refused("device.x", json!("motor"), "expected a table, found \"motor\"");
    refused(
        "device.x.type",
        json!("moter"),
        "\"moter\" is no type of device; expected one of motor, trajectory_controller, detector, \
         generator, panda",
    );
    refused("supervision.max_restarts", json!(-1), "invalid value: integer -1, expected u32");
    let exposures = |value, text| refused("device.camera.exposures_per_frame", value, text);
    exposures(json!(-1), "invalid value: integer -1, expected u32");
    exposures(json!(1e9), "invalid type: floating point 1000000000.0, expected u32");
    exposures(json!(1.5), "invalid type: floating point 1.5, expected u32");
    exposures(json!("three"), "invalid type: string \"three\", expected u32");
}

#[test]
fn units_are_those_of_the_axis() {
    refused("device.x.velocity", json!("10 mm"), "\"10 mm\" has the wrong unit: expected mm/s");
    refused("device.x.velocity", json!("10"), "\"10\" has no unit: expected mm/s");
    refused(
        "device.x.acceleration",
        json!("5 deg/s^2"),
        "\"5 deg/s^2\" has the wrong unit: expected mm/s^2",
    );
    refused(
        "device.x.settle_time",
        json!("1 h"),
        "\"1 h\" has the wrong unit: expected us, ms, s or min",
    );
    refused("device.x.settle_time", json!("1"), "\"1\" has no unit: expected us, ms, s or min");
    refused(
        "data.min_free",
        json!("1 GB"),
        "\"1 GB\" has the wrong unit: expected B, KiB, MiB or GiB",
    );
    check(
        "device.x.limits",
        json!(["-20 mm", "20 um"]),
        "device.x.limits[1]: \"20 um\" has the wrong unit: expected mm",
    );
    check(
        "device.x.units",
        json!("deg"),
        "device.x.limits[0]: \"-20 mm\" has the wrong unit: expected deg",
    );
    refused(
        "device.x.units",
        json!("mm/s"),
        "\"mm/s\" is no unit: expected 1 to 16 letters, such as \"mm\"",
    );
    refused(
        "device.x.velocity",
        json!("fast"),
        "\"fast\" has no number: expected a number and its unit, such as \"10 mm/s\"",
    );
}

#[test]
fn units_may_be_written_close_to_their_number() {
    let written = [("10mm/s^2", 10.0), ("1e1 mm/s²", 10.0), ("+10.0  mm/s^2", 10.0)];
    for (text, number) in written {
        assert_eq!(quantity::in_unit(text, "mm/s^2"), Ok(number), "{text}");
    }
    assert_eq!(quantity::in_unit("1eV", "eV"), Ok(1.0));
    assert_eq!(quantity::duration("1.5 ms"), Ok(Duration::from_micros(1_500)));
    assert_eq!(quantity::duration("2 min"), Ok(Duration::from_mins(2)));
    assert_eq!(quantity::bytes("1.5 KiB"), Ok(1_536));
}

#[test]
fn numbers_that_mean_nothing_are_refused() {
    refused("device.x.velocity", json!("NaN mm/s"), "\"NaN mm/s\" is not finite");
    refused("device.x.velocity", json!("inf mm/s"), "\"inf mm/s\" is not finite");
    refused("device.x.velocity", json!("1e999 mm/s"), "\"1e999 mm/s\" is not finite");
    refused(
        "device.x.velocity",
        json!("0 mm/s"),
        "\"0 mm/s\" is out of range: must be more than 0",
    );
    refused(
        "device.x.acceleration",
        json!("-5 mm/s^2"),
        "\"-5 mm/s^2\" is out of range: must be more than 0",
    );
    refused(
        "device.camera.dead_time",
        json!("-1 ms"),
        "\"-1 ms\" is out of range: must be 0 s to a year",
    );
    refused(
        "device.camera.exposure",
        json!("0 s"),
        "\"0 s\" is out of range: must be 1µs to 3600s",
    );
    refused("data.flush_period", json!("2 s"), "\"2 s\" is out of range: must be 20ms to 1s");
    refused("data.queue_size", json!("1 B"), "1 is out of range: must be 1048576 to 1099511627776");
    refused(
        "data.min_free",
        json!("-1 GiB"),
        "\"-1 GiB\" is out of range: must be 0 B to 8388608 GiB",
    );
    refused(
        "device.x.limits",
        json!(["20 mm", "-20 mm"]),
        "\"20 mm\" is not below \"-20 mm\": expected [lowest, highest]",
    );
    check(
        "device.camera.shape",
        json!([0, 64]),
        "device.camera.shape[0]: 0 is out of range: must be 1 to 65536",
    );
    for number in [0, 1_001, 1_000_000_000] {
        refused(
            "device.camera.exposures_per_frame",
            json!(number),
            &format!("{number} is out of range: must be 1 to 1000"),
        );
    }
    refused("device.x.precision", json!(16), "16 is out of range: must be 0 to 15");
    refused("device.motion.max_segments", json!(3), "3 is out of range: must be 100 to 1000000");
    refused(
        "supervision.max_restart_delay",
        json!("1 ms"),
        "\"1 ms\" is out of range: must be 100ms to 3600s",
    );
}

#[test]
fn a_controller_is_driven_as_it_is_said() {
    let driven = |keys: Value| {
        let mut motion = right()["device"]["motion"].clone();
        motion.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
        let spec = changed("device.motion", motion).map_err(|error| error.to_string())?;
        let motion = spec.trajectory_controllers().next().unwrap();
        let times = (motion.min_segment_duration, motion.min_turnaround);
        Ok::<_, String>((times, (motion.points, motion.trigger_bits)))
    };
    let modes = |keys: Value| driven(keys).map(|(_, modes)| modes);
    let (sparse, every) = (PointMode::Sparse, PointMode::EveryPoint);
    assert_eq!(modes(json!({})), Ok((sparse, TriggerBits::None)));
    assert_eq!(modes(json!({"points": "sparse"})), Ok((sparse, TriggerBits::None)));
    assert_eq!(modes(json!({"points": "every"})), Ok((every, TriggerBits::None)));
    assert_eq!(modes(json!({"trigger_bits": "row_gate"})), Ok((sparse, TriggerBits::RowGate)));
    let both = json!({"points": "every", "trigger_bits": "row_gate"});
    assert_eq!(modes(both), Ok((every, TriggerBits::RowGate)));
    let bits = json!({"trigger_bits": "every_point"});
    assert_eq!(modes(bits), Ok((every, TriggerBits::EveryPoint)));
    let both = json!({"points": "every", "trigger_bits": "every_point"});
    assert_eq!(modes(both), Ok((every, TriggerBits::EveryPoint)));
    let error = "device.motion.points: \"sparse\" leaves out points that trigger_bits = \
                 \"every_point\" are about: expected \"every\"";
    let contrary = json!({"points": "sparse", "trigger_bits": "every_point"});
    assert_eq!(modes(contrary), Err(error.to_owned()));

    let times = json!({"min_segment_duration": "2 ms", "min_turnaround": "0.1 s"});
    let (millis, micros) = (Duration::from_millis, Duration::from_micros);
    assert_eq!(driven(times).map(|(times, _)| times), Ok((millis(2), millis(100))));
    let longest = |text: &str| json!({"max_segment_duration": text, "min_segment_duration": text});
    assert_eq!(driven(longest("1 ms")).map(|(times, _)| times.0), Ok(millis(1)));
    // No whole number of microseconds lies between 1000.5 us and 1000.5 us.
    let error =
        "device.motion.min_segment_duration: \"1000.5 us\" is out of range: must be 1µs to 1ms";
    assert_eq!(driven(longest("1000.5 us")), Err(error.to_owned()));
    let fraction = json!({"max_segment_duration": "1.0005 ms", "min_segment_duration": "1000 us"});
    assert_eq!(driven(fraction).map(|(times, _)| times.0), Ok(micros(1_000)));
}

#[test]
fn a_controller_that_cannot_be_driven_is_refused() {
    let range = "is out of range: must be";
    for text in ["0 us", "0.9 us", "4.1 s"] {
        let error = format!("{text:?} {range} 1µs to 4s");
        refused("device.motion.min_segment_duration", json!(text), &error);
    }
    refused(
        "device.motion.max_segment_duration",
        json!("0.9 ms"),
        &format!("\"0.9 ms\" {range} 1ms to 4.095s"),
    );
    refused(
        "device.motion.max_segment_duration",
        json!("4.096 s"),
        &format!("\"4.096 s\" {range} 1ms to 4.095s"),
    );
    refused(
        "device.motion.min_turnaround",
        json!("61 min"),
        &format!("\"61 min\" {range} 0ns to 3600s"),
    );
    refused(
        "device.motion.min_turnaround",
        json!("1 mm"),
        "\"1 mm\" has the wrong unit: expected us, ms, s or min",
    );
    refused(
        "device.motion.points",
        json!("all"),
        "\"all\" is unknown; expected \"sparse\" or \"every\"",
    );
    refused(
        "device.motion.trigger_bits",
        json!("row-gate"),
        "\"row-gate\" is unknown; expected \"none\" or \"row_gate\" or \"every_point\"",
    );
}

#[test]
fn names_are_resolved() {
    let name_rule = "is no name: lower-case letters, digits and underscores, starting with a \
                     letter, at most 60";
    refused("beamline.name", json!("I22"), &format!("\"I22\" {name_rule}"));
    refused(
        "device.X",
        json!({"type": "generator", "provider": "sim://g"}),
        &format!("\"X\" {name_rule}"),
    );
    refused(
        "device.time",
        json!({"type": "generator", "provider": "sim://g"}),
        "\"time\" is reserved: documents have a column of that name",
    );
    check(
        "device.motion.axes",
        json!(["x", "y", "w"]),
        "device.motion.axes[2]: \"w\" is no device of type motor",
    );
    check(
        "device.motion.axes",
        json!(["x", "y", "camera"]),
        "device.motion.axes[2]: \"camera\" is no device of type motor",
    );
    check(
        "device.motion.axes",
        json!(["x", "y", "x"]),
        "device.motion.axes[2]: \"x\" is already an axis of device.motion",
    );
    refused("device.motion.axes", json!([]), "[] has no axis: expected at least one motor");
    check(
        "device.motion.axes",
        json!(["x"]),
        "device.y: the motor is an axis of no trajectory_controller: add it to the axes of one",
    );
    check(
        "device.y.provider",
        json!("sim://x"),
        "device.y.provider: \"sim://x\" already belongs to device.x",
    );
    refused(
        "device.x.provider",
        json!("x"),
        "\"x\" is no address: expected SCHEME://PATH, such as \"sim://x\", with sim, ca, pva, \
         panda or soft, and no blanks",
    );
    check("sim.device", json!({"x": {}}), "sim.device.x: \"x\" is no device of type detector");
    refused("sim.device.camera.lose_frames", json!([5, 5]), "5 after 5: must rise");
}

#[test]
fn keys_that_changed_nothing_are_refused() {
    refused("device.generator.chunk_frames", json!(1_000), "unknown key; expected provider");
}

#[test]
fn words_are_known() {
    let either = |key: &str, words: &str| {
        refused(key, json!("ignore"), &format!("\"ignore\" is unknown; expected {words}"));
    };
    either("supervision.on_crash", "\"resume\" or \"stop\"");
    either("queue.after_failure", "\"hold\" or \"go_on\"");
    either("queue.after_restart", "\"hold\" or \"go_on\"");
    refused("queue.max_queued", json!(0), "0 is out of range: must be 1 to 10000");
    let dtypes = "\"uint8\" or \"uint16\" or \"uint32\" or \"int8\" or \"int16\" or \"int32\" or \
                  \"float32\" or \"float64\"";
    refused("device.camera.dtype", json!("u16"), &format!("\"u16\" is unknown; expected {dtypes}"));
    let lag = "is no lag: expected \"eager\", a number of frames such as \"100 frames\", or a \
               time such as \"2 s\"";
    for text in ["late", "-1 frames", "1.5 frames", "2", "2 h"] {
        refused("publish.lag", json!(text), &format!("{text:?} {lag}"));
    }
    refused("publish.lag", json!("-2 s"), "\"-2 s\" is out of range: must be 0 s to a year");
}

#[test]
fn templates_keep_files_apart_and_below_their_directory() {
    let unknown = "has the unknown placeholder {scan}; expected {beamline}, {run} or {device}";
    let check = |value: &str, reason: &str| {
        refused("data.path_template", json!(value), &format!("{value:?} {reason}"));
    };
    check("{scan}-{device}.h5", unknown);
    check("{run}-{device.h5", "has a brace without its partner");
    check("{run}-device}.h5", "has a brace without its partner");
    check("}{run}-{device}.h5", "has a brace without its partner");
    check("{run}.h5", "lacks {device}: two files would have one name");
    check("{device}.h5", "lacks {run}: two files would have one name");
    for outside in ["/{run}-{device}.h5", "../{run}-{device}.h5", "{run}//{device}.h5"] {
        check(outside, "must be a relative path that stays below data.directory");
    }
    check("{run}-{device}.nxs", "must end in .h5");
    let template = PathTemplate::parse("{beamline}/{run}-{device}.h5").unwrap();
    assert_eq!(template.to_string(), "{beamline}/{run}-{device}.h5");
    let (beamline, device) = ("i22".parse().unwrap(), "saxs".parse().unwrap());
    assert_eq!(template.path(&beamline, "r7", &device), "i22/r7-saxs.h5");
}

/// The pointers to every value of `file`, tables and lists included.
fn pointers(file: &Value, at: &str) -> Vec<String> {
    let below: Vec<(String, &Value)> = match file {
        Value::Object(table) => table.iter().map(|(key, value)| (key.clone(), value)).collect(),
        Value::Array(list) => list.iter().enumerate().map(|(i, v)| (i.to_string(), v)).collect(),
        _ => vec![],
    };
    let below = below.iter().flat_map(|(key, value)| pointers(value, &format!("{at}/{key}")));
    std::iter::once(at.to_owned()).chain(below).collect()
}

#[test]
fn nonsense_in_any_place_is_read_or_refused_in_one_line() {
    let odd = [
        json!(null),
        json!(true),
        json!(-1),
        json!(u64::MAX),
        json!(1e300),
        json!(""),
        json!("\n"),
        json!("NaN s"),
        json!("1e308 min"),
        json!("-0 mm"),
        json!("µ µ"),
        json!("∞mm/s"),
        json!([]),
        json!([[]]),
        json!({}),
        json!({"": {}}),
    ];
    let mut refused = 0;
    for pointer in pointers(&right(), "") {
        for value in &odd {
            let mut file = right();
            *file.pointer_mut(&pointer).unwrap() = value.clone();
            if let Err(error) = BeamlineFile::from_value(file).and_then(BeamlineSpec::try_from) {
                let text = error.to_string();
                assert_eq!(text.lines().count(), 1, "{value} at {pointer}: {text}");
                refused += 1;
            }
        }
    }
    assert!(refused > 500, "{refused} only");
}

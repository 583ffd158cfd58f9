//! Detectors that expose several times in each frame: what a plan makes of them.
use bluefly_protocol::{
    beamline::Trigger,
    name::Name,
    plan::{AxisCapability, Capabilities, ControllerCapability, DetectorCapability, ScanPlan},
    scan::Spec,
    trajectory::AxisLimits,
};
use serde_json::json;
use std::{collections::BTreeMap, time::Duration};

fn name(text: &str) -> Name {
    text.parse().expect("tests use good names")
}

fn us(micros: u64) -> Duration {
    Duration::from_micros(micros)
}

/// A detector that needs so many microseconds for dead time and, if any, for an exposure.
fn detector(per_frame: u32, dead_time: u64, exposure: Option<u64>) -> DetectorCapability {
    DetectorCapability {
        trigger: Trigger::Edge,
        exposure_bytes: 0,
        file_bytes: 4_096,
        dead_time: us(dead_time),
        exposure: exposure.map(us),
        exposures_per_frame: per_frame.try_into().expect("a number in range"),
    }
}

/// One axis from -100 to 100 mm, and these detectors.
fn beamline(detectors: &[(&str, DetectorCapability)]) -> Capabilities {
    let limits = AxisLimits {
        low: -100.0,
        high: 100.0,
        max_velocity: 100.0,
        max_acceleration: 1_000.0,
        settle_s: 0.0,
    };
    let units = "mm".to_owned();
    let axis = AxisCapability { controller: name("motion"), limits, units, precision: 3 };
    let controller = ControllerCapability::new(1_000, us(4_000_000));
    Capabilities {
        axes: BTreeMap::from([(name("x"), axis)]),
        detectors: detectors.iter().map(|(text, timing)| (name(text), *timing)).collect(),
        controllers: BTreeMap::from([(name("motion"), controller)]),
        ..Capabilities::default()
    }
}

/// Ten frames of `duration_s`, if it is said.
fn line(duration_s: Option<f64>) -> Spec {
    let line = json!({"type": "Linspace", "axis": "x", "start": 0, "stop": 0.9, "num": 10});
    let timed = match duration_s {
        Some(duration_s) => {
            json!({"type": "ConstantDuration", "constant_duration": duration_s, "spec": line})
        }
        None => line,
    };
    Spec::from_value(&json!({"type": "Fly", "spec": timed})).expect("a specification")
}

/// The exposures, in order of names, of a flyable line; or why it is none.
fn plan(
    duration_s: Option<f64>,
    detectors: &[(&str, DetectorCapability)],
) -> Result<Vec<u128>, String> {
    let plan = ScanPlan::new(line(duration_s), &beamline(detectors));
    let plan = plan.map_err(|error| error.to_string())?;
    Ok(plan.exposures().values().map(Duration::as_nanos).collect())
}

#[test]
fn an_exposure_fits_into_its_part_of_the_frame() {
    let check = |duration_s, detector, expected| {
        assert_eq!(plan(Some(duration_s), &[("camera", detector)]), Ok(vec![expected]));
    };
    check(0.05, detector(1, 1_000, None), 49_000_000);
    check(0.05, detector(2, 1_000, None), 24_000_000);
    // 50 ms are not divisible by 3 in microseconds, nor in nanoseconds.
    check(0.05, detector(3, 1_000, None), 15_666_666);
    // 16,666 us: the controller's time is in whole microseconds.
    check(1.0 / 60.0, detector(3, 1_000, None), 4_555_333);
    check(0.05, detector(3, 1_000, Some(5_000)), 5_000_000);
    check(1.0, detector(1_000, 0, None), 1_000_000);
    let both = [("camera", detector(1, 1_000, None)), ("diode", detector(4, 500, None))];
    assert_eq!(plan(Some(0.01), &both), Ok(vec![9_000_000, 2_000_000]));
}

#[test]
fn a_frame_that_is_too_short_for_all_exposures_is_refused() {
    let check = |duration_s, detectors: &[(&str, DetectorCapability)], expected: &str| {
        assert_eq!(plan(Some(duration_s), detectors), Err(expected.to_owned()));
    };
    let camera = ("camera", detector(1, 1_000, Some(5_000)));
    let diode = |per_frame| ("diode", detector(per_frame, 500, Some(5_000)));
    check(
        0.0059,
        &[camera, diode(1)],
        "$.spec.constant_duration: frame 0: duration 0.0059 s is shorter than 0.006 s, exposure and \
         dead time of detector camera",
    );
    check(
        0.016,
        &[camera, diode(3)],
        "$.spec.constant_duration: frame 0: duration 0.016 s is shorter than 0.0165 s, 3 times \
         exposure and dead time of detector diode",
    );
    check(
        0.1,
        &[camera, diode(1_000)],
        "$.spec.constant_duration: frame 0: duration 0.1 s is shorter than 5.5 s, 1000 times \
         exposure and dead time of detector diode",
    );
    // The frame that the error tells of would do.
    assert_eq!(plan(Some(0.0165), &[camera, diode(3)]), Ok(vec![5_000_000; 2]));
    assert_eq!(plan(Some(5.5), &[camera, diode(1_000)]), Ok(vec![5_000_000; 2]));
    let fitted = detector(3, 333, None);
    check(
        0.001,
        &[("diode", fitted)],
        "$.spec.constant_duration: frame 0: duration 0.001 s is shorter than 0.001002 s, 3 times \
         exposure and dead time of detector diode",
    );
    assert_eq!(plan(Some(0.001_002), &[("diode", fitted)]), Ok(vec![1_000]));
}

#[test]
fn without_a_duration_there_is_time_for_all_exposures() {
    let check = |detectors: &[(&str, DetectorCapability)], expected: u64| {
        let plan = ScanPlan::new(line(None), &beamline(detectors)).expect("flyable");
        assert_eq!(plan.shortest_frame(), us(expected));
    };
    check(&[("camera", detector(1, 1_000, Some(5_000)))], 6_000);
    check(&[("camera", detector(3, 1_000, Some(5_000)))], 18_000);
    check(&[("camera", detector(4, 1_000, None))], 44_000);
    let both = [("camera", detector(1, 1_000, None)), ("diode", detector(3, 500, Some(5_000)))];
    check(&both, 16_500);
}

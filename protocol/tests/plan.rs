//! Scan plans: what a beamline makes of a specification.
use bluefly_protocol::{
    beamline::Trigger,
    name::Name,
    plan::{
        AxisCapability, Capabilities, ControllerCapability, DetectorCapability, ScanPlan, Unflyable,
    },
    sequencer::{Bus, PositionInput},
    trajectory::AxisLimits,
};
use std::time::Duration;

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

/// Axes x and y of one controller, and a camera of 1 ms dead time that exposes twice in a frame.
fn beamline() -> Capabilities {
    let limits = AxisLimits {
        low: -10.0,
        high: 10.0,
        max_velocity: 10.0,
        max_acceleration: 100.0,
        settle_s: 0.0,
    };
    let controller = name("stage");
    let axis = AxisCapability {
        controller: controller.clone(),
        limits,
        units: "mm".to_owned(),
        precision: 3,
    };
    let camera = DetectorCapability {
        trigger: Trigger::Edge,
        dead_time: Duration::from_millis(1),
        exposure: None,
        exposures_per_frame: 2.try_into().expect("a number of exposures"),
        exposure_bytes: 1_000,
        file_bytes: 4_096,
    };
    let stage = ControllerCapability::new(1_000, Duration::from_millis(4_095));
    Capabilities {
        axes: [(name("x"), axis.clone()), (name("y"), axis)].into(),
        detectors: [(name("camera"), camera)].into(),
        controllers: [(controller, stage)].into(),
        ..Capabilities::default()
    }
}

fn plan(spec: &str) -> Result<ScanPlan, Unflyable> {
    ScanPlan::new(spec.parse().expect(spec), &beamline())
}

fn refused(spec: &str, line: &str) {
    assert_eq!(plan(spec).expect_err(spec).to_string(), line, "{spec}");
}

const SPIRAL: &str = r#"{"type":"Spiral","x_axis":"x","x_centre":0,"x_diameter":8,"x_step":0.2,"y_axis":"y","y_centre":0}"#;

fn flown(duration_s: &str, spec: &str) -> String {
    format!(
        r#"{{"type":"Fly","spec":{{"type":"ConstantDuration","constant_duration":{duration_s},"spec":{spec}}}}}"#
    )
}

#[test]
fn a_curve_without_a_duration_is_as_fast_as_the_axes_can_follow() {
    let open = plan(&format!(r#"{{"type":"Fly","spec":{SPIRAL}}}"#)).expect("a scan");
    let frame = open.shortest_frame();
    // It begins where it turns hardest; frames are two times a whole number of microseconds.
    let faster = frame.saturating_sub(Duration::from_micros(2));
    let error = format!(
        "$.spec.spec.x_axis: frame 0, axis x: acceleration 100.002 mm/s^2 on the curve is above \
         the maximum 100 mm/s^2: frames of {} s would do",
        frame.as_secs_f64()
    );
    refused(&flown(&faster.as_secs_f64().to_string(), SPIRAL), &error);
    let said = plan(&flown(&frame.as_secs_f64().to_string(), SPIRAL)).expect("the same scan");
    assert_eq!(said.prediction(), open.prediction());
    assert_eq!(said.num_frames(), 1_257);
    for first in [0, 1, 511, 512, 513, 1_256] {
        let left = open.planner().check(open.pieces(first)).expect("the rest can be flown");
        assert_eq!(left.frames, 1_257 - first);
        assert!(
            open.pieces(first).all(|piece| piece.frame_duration_s == Some(frame.as_secs_f64()))
        );
    }
}

#[test]
fn what_a_scan_leaves_is_known_before() {
    let open = plan(&format!(r#"{{"type":"Fly","spec":{SPIRAL}}}"#)).expect("a scan");
    // A file, and for each frame two exposures, where two axes are to be, and eight numbers in
    // documents.
    let documents = 20 * (2 * 3 + 2);
    assert_eq!(open.file_bytes(), 4_096 + 1_257 * (2 * 1_000 + 2 * 8 + documents));
}

#[test]
fn micrometres_were_flown_as_millimetres() {
    let line = |units: &str| {
        format!(
            r#"{{"typeid":"scanpointgenerator:generator/CompoundGenerator:1.0","generators":[
            {{"typeid":"scanpointgenerator:generator/LineGenerator:1.0","axes":["x"],"units":["{units}"],
            "start":[0],"stop":[3],"size":4,"alternate":false}}],"excluders":[],"mutators":[],"duration":1}}"#
        )
    };
    assert_eq!(plan(&line("mm")).expect("a scan").num_frames(), 4);
    refused(
        &line("um"),
        "$.generators[0].axes[0]: axis x is in mm on this beamline, not in um: positions are not \
         converted",
    );
}

#[test]
fn a_scan_of_more_days_than_can_be_told_is_refused_in_a_short_line() {
    refused(
        &flown("1e300", SPIRAL),
        "$: 1257 frames take 5.9e297 days or more: a scan lasts at most 30 days",
    );
}

#[test]
fn a_curve_of_months_is_refused_before_it_is_looked_at() {
    let long = SPIRAL.replace("0.2", "0.000224");
    // 22 ms each: two exposures of 10 ms and dead times.
    let error = "$: 1001783372 frames take 255.1 days or more: a scan lasts at most 30 days";
    refused(&format!(r#"{{"type":"Fly","spec":{long}}}"#), error);
}

#[test]
fn frames_that_last_as_long_as_the_axis_needs_have_no_microsecond_more() {
    // 23 us and 100 us exactly, at 10 mm/s: as sums of decimals they are a rounding more.
    for (frames, width, expected_us) in [(10_u32, 0.0023, 23), (3, 0.00369, 123), (7, 0.0161, 230)]
    {
        let mut beamline = beamline();
        let camera = beamline.detectors.get_mut(&name("camera")).expect("a camera");
        (camera.dead_time, camera.exposure) = (Duration::ZERO, Some(Duration::from_micros(1)));
        let half = width / f64::from(frames) / 2.0;
        let line = format!(
            r#"{{"type":"Fly","spec":{{"type":"Linspace","axis":"x","start":{half},"stop":{},"num":{frames}}}}}"#,
            width - half
        );
        let plan = ScanPlan::new(line.parse().expect("a spec"), &beamline).expect("a scan");
        assert_eq!(plan.shortest_frame(), Duration::from_micros(expected_us), "{line}");
    }
    // The usual frame of a detector is as exact: 23 us of exposure and 100 us of dead time.
    let mut beamline = beamline();
    let camera = beamline.detectors.get_mut(&name("camera")).expect("a camera");
    camera.dead_time = Duration::from_micros(100);
    camera.exposure = Some(Duration::from_micros(23));
    camera.exposures_per_frame = 1.try_into().expect("a number of exposures");
    let point = r#"{"type":"Linspace","axis":"x","start":0,"stop":1,"num":2}"#;
    let plan = ScanPlan::new(point.parse().expect("a spec"), &beamline).expect("a scan");
    assert_eq!(plan.shortest_frame(), Duration::from_micros(123));
}

/// What becomes of a scan where the camera starts its exposures itself.
fn check_own_pace(spec: &str, expected: Result<u64, &str>) {
    check_trigger(Trigger::Internal, spec, expected.map(|frames| (frames, false)));
}

/// The frames of a scan with this trigger, and whether it steps.
fn check_trigger(trigger: Trigger, spec: &str, expected: Result<(u64, bool), &str>) {
    let mut beamline = beamline();
    beamline.detectors.get_mut(&name("camera")).expect("a camera").trigger = trigger;
    let plan = ScanPlan::new(spec.parse().expect(spec), &beamline);
    let found = plan.map(|plan| (plan.num_frames(), plan.is_stepped()));
    let found = found.map_err(|error| error.to_string());
    assert_eq!(found, expected.map_err(str::to_owned), "{spec}");
}

#[test]
fn a_detector_that_starts_its_exposures_itself_needs_a_scan_that_stays_as_it_begins() {
    let at = |value: f64, num: u32| {
        format!(r#"{{"type":"Static","axis":"x","value":{value},"num":{num}}}"#)
    };
    let lasting = |duration_s: f64, spec: &str| {
        format!(r#"{{"type":"ConstantDuration","constant_duration":{duration_s},"spec":{spec}}}"#)
    };
    let then =
        |left: &str, right: &str| format!(r#"{{"type":"Concat","left":{left},"right":{right}}}"#);
    check_own_pace(&lasting(0.1, &at(4.0, 50)), Ok(50));
    check_own_pace(&at(4.0, 50), Ok(50));
    check_own_pace(r#"{"type":"ConstantDuration","constant_duration":0.1}"#, Ok(1));
    let thrice = format!(r#"{{"type":"Product","outer":3,"inner":{}}}"#, lasting(0.1, &at(4.0, 5)));
    check_own_pace(&thrice, Ok(15));
    let own = "detector camera takes one frame after the other at its own pace (trigger = \"internal\"), \
               where nothing moves or changes";
    let line = r#"{"type":"Linspace","axis":"x","start":0,"stop":4,"num":5}"#;
    check_own_pace(line, Err(&format!("$.axis: frame 1: axis x moves: {own}")));
    let error = format!("$.spec.spec.axis: frame 0: axis x moves: {own}");
    check_own_pace(&flown("0.1", line), Err(&error));
    let error = format!("$.spec.y_axis: frame 0: axis y moves: {own}");
    check_own_pace(&format!(r#"{{"type":"Fly","spec":{SPIRAL}}}"#), Err(&error));
    let error = format!("$.left.axis: frame 5: axis x moves: {own}");
    check_own_pace(&then(&at(4.0, 5), &at(5.0, 5)), Err(&error));
    let slower = then(&lasting(0.1, &at(4.0, 5)), &lasting(0.2, &at(4.0, 5)));
    let error = format!(
        "$.left.constant_duration: frame 5: duration 0.2 s is not the 0.1 s of the frames before: {own}"
    );
    check_own_pace(&slower, Err(&error));
}

#[test]
fn frames_that_are_taken_at_commands_are_taken_at_rest() {
    let line = r#"{"type":"Linspace","axis":"x","start":0,"stop":4,"num":5}"#;
    check_trigger(Trigger::Software, line, Ok((5, true)));
    check_trigger(Trigger::Edge, line, Ok((5, false)));
    check_trigger(Trigger::Software, SPIRAL, Ok((1_257, true)));
    let still = r#"{"type":"Static","axis":"x","value":4,"num":3}"#;
    check_trigger(Trigger::Software, still, Ok((3, true)));
    let error = |path: &str, axis: &str| {
        format!(
            "{path}: frame 0: axis {axis} moves while the frame is taken: detector camera is told to take it \
             by a command (trigger = \"software\"), at rest: leave out Fly"
        )
    };
    let flown = flown("0.1", line);
    check_trigger(Trigger::Software, &flown, Err(&error("$.spec.spec.axis", "x")));
    let flown = format!(r#"{{"type":"Fly","spec":{SPIRAL}}}"#);
    check_trigger(Trigger::Software, &flown, Err(&error("$.spec.y_axis", "y")));
}

#[test]
fn detectors_that_wait_for_pulses_take_no_frames_at_commands() {
    let mut beamline = beamline();
    let camera = beamline.detectors[&name("camera")];
    let other = DetectorCapability { trigger: Trigger::Software, ..camera };
    beamline.detectors.insert(name("diode"), other);
    let line = r#"{"type":"Linspace","axis":"x","start":0,"stop":4,"num":5}"#;
    let error = ScanPlan::new(line.parse().expect(line), &beamline).expect_err("two paces");
    let expected = "$: detector diode takes a frame at a command (trigger = \"software\"), camera by \"edge\": \
                    all detectors of a beamline do, or none";
    assert_eq!(error.to_string(), expected);
}

/// What comes of a scan whose triggers are made by comparing x, of which a count is 0.001 mm.
fn check_compared(spec: &str, expected: Result<u64, &str>) {
    let mut beamline = beamline();
    let input = PositionInput::new(name("x"), Bus::A, 0.001, 0.0).expect("an input");
    beamline.compared.insert(name("panda"), input);
    let plan = ScanPlan::new(spec.parse().expect(spec), &beamline);
    let found = plan.map(|plan| plan.num_frames()).map_err(|error| error.to_string());
    assert_eq!(found, expected.map_err(str::to_owned), "{spec}");
}

#[test]
fn what_is_no_line_of_a_compared_axis_was_found_by_the_panda() {
    let told =
        |path: &str, why: &str| format!("{path}: panda triggers by comparing a position: {why}");
    let line = |axis: &str, start: f64, stop: f64, num: u32| {
        format!(
            r#"{{"type":"Linspace","axis":"{axis}","start":{start},"stop":{stop},"num":{num}}}"#
        )
    };
    let x = line("x", 0.0, 4.0, 5);
    check_compared(&flown("0.1", &x), Ok(5));
    check_compared(&flown("0.1", &line("x", 4.0, 0.0, 5)), Ok(5));
    let snake = format!(
        r#"{{"type":"Product","outer":{},"inner":{{"type":"Snake","spec":{x}}}}}"#,
        line("y", 0.0, 1.0, 2)
    );
    let window = |frame: u64| {
        format!(
            "frame {frame}, axis x: another line or step begins, and it makes the triggers of one line, \
             flown one way"
        )
    };
    check_compared(&flown("0.1", &snake), Err(&told("$.spec.spec.inner.spec.axis", &window(5))));
    let steps = format!(r#"{{"type":"ConstantDuration","constant_duration":0.1,"spec":{x}}}"#);
    check_compared(
        &steps,
        Err(&told("$.spec.axis", "frame 0, axis x: it moves 0 counts, and must move at least 2")),
    );
    let absent = "axis x, whose position is compared, is not in the scan";
    check_compared(&flown("0.1", &line("y", 0.0, 4.0, 5)), Err(&told("$", absent)));
    let still = r#"{"type":"ConstantDuration","constant_duration":0.1,"spec":{"type":"Static","axis":"y","value":1,"num":3}}"#;
    check_compared(still, Err(&told("$", absent)));
    let curve = "frame 0, axis x: a curve begins, and it makes the triggers of a line";
    check_compared(&flown("1", SPIRAL), Err(&told("$.spec.spec.x_axis", curve)));
    let uneven = "frame 4, axis x: it ends 5003 counts from where the first begins, and equal steps of \
                  whole counts come to 5005";
    check_compared(&flown("1", &line("x", 0.0, 4.0024, 5)), Err(&told("$.spec.spec.axis", uneven)));
}

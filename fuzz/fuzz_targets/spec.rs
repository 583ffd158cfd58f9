//! Any bytes as a scan specification: refused in one line, or a scan that can be entered anywhere,
//! written and read again, and planned if it is short. `cargo +nightly fuzz run spec`
#![no_main]
use bluefly_protocol::{
    beamline::Trigger,
    exposures::ExposuresPerFrame,
    name::Name,
    plan::{AxisCapability, Capabilities, ControllerCapability, DetectorCapability, ScanPlan},
    scan::{Spec, Stack},
    trajectory::AxisLimits,
};
use libfuzzer_sys::{Corpus, fuzz_target};
use std::time::Duration;

/// A plan looks at every row: of longer scans only parts are looked at here.
const MAX_PLANNED: u64 = 2_000;

fuzz_target!(|data: &[u8]| -> Corpus {
    let Ok(text) = std::str::from_utf8(data) else { return Corpus::Reject };
    let spec: Spec = match text.parse() {
        Ok(spec) => spec,
        Err(error) => {
            check_line(&error.to_string());
            return Corpus::Keep;
        }
    };
    let written = serde_json::to_string(&spec).expect("a specification can be written");
    assert_eq!(written.parse::<Spec>().as_ref(), Ok(&spec), "{written}");
    match Stack::new(&spec) {
        Ok(stack) => check_stack(&stack, spec),
        Err(error) => check_line(&error.to_string()),
    }
    Corpus::Keep
});

fn check_line(line: &str) {
    assert!(line.starts_with('$') && line.len() < 1_000 && !line.contains(['\n', '\r']), "{line}");
}

fn check_stack(stack: &Stack, spec: Spec) {
    let num = stack.num_points();
    for frame in [0, num / 3, num.saturating_sub(1), num] {
        let frames = stack.frames(frame..frame + 5);
        assert_eq!(frames.len() as u64, (num - frame).min(5));
        let (mut next, mut gap) = (frame, true);
        for piece in stack.pieces(frame).take(5) {
            assert!(piece.first_frame == next && piece.frames > 0);
            assert_eq!(piece.gap, gap || stack.frames(next..next + 1).gap()[0]);
            (next, gap) = (next + piece.frames, false);
        }
        for window in stack.windows(frame).take(3) {
            assert!(window.frames > 0 && window.first_frame + window.frames <= num);
        }
    }
    if num <= MAX_PLANNED {
        let planned = ScanPlan::new(spec, &capabilities(stack));
        if let Ok(plan) = planned {
            let mut trajectory = plan.planner().plan(plan.pieces(num / 2));
            while !trajectory.next_batch(100).last {}
        }
    }
}

/// A beamline that has every axis of the scan.
fn capabilities(stack: &Stack) -> Capabilities {
    let controller: Name = "stage".parse().expect("a name");
    let limits = AxisLimits {
        low: -1e6,
        high: 1e6,
        max_velocity: 1e3,
        max_acceleration: 1e4,
        settle_s: 0.01,
    };
    let axis = AxisCapability {
        controller: controller.clone(),
        limits,
        units: "mm".to_owned(),
        precision: 3,
    };
    let names = stack.axes().iter().filter_map(|axis| axis.parse().ok());
    let timing = DetectorCapability {
        trigger: Trigger::Edge,
        dead_time: Duration::from_micros(10),
        exposure: None,
        exposures_per_frame: ExposuresPerFrame::ONE,
        exposure_bytes: 1_000,
        file_bytes: 4_096,
    };
    Capabilities {
        axes: names.map(|name| (name, axis.clone())).collect(),
        detectors: [("camera".parse().expect("a name"), timing)].into(),
        controllers: [(
            controller,
            ControllerCapability::new(1_000, Duration::from_secs(4)),
        )]
        .into(),
        ..Capabilities::default()
    }
}

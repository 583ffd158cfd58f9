//! Detectors that take several pulses per frame.
use crate::rig::name;
use bluefly_protocol::{
    exposures::ExposuresPerFrame,
    sequencer::{PulseError, PulsePlace, PulseRequest, PulseTrain, pulse_train},
};
use std::time::Duration;

fn request(frame_s: f64, exposures: u32, exposure: Option<Duration>) -> PulseRequest {
    PulseRequest {
        detector: name("cam"),
        frame: Duration::from_secs_f64(frame_s),
        exposures: exposures.try_into().expect("a number in range"),
        exposure,
        dead_time: Duration::from_micros(2),
        place: PulsePlace::Middle,
    }
}

/// Delay, width and step in ticks.
fn check(request: &PulseRequest, expected: (u64, u64, u64)) {
    let PulseTrain { delay_ticks, width_ticks, step_ticks, pulses } =
        pulse_train(request).expect("a train");
    assert_eq!((delay_ticks, width_ticks, step_ticks, pulses), {
        let (delay, width, step) = expected;
        (delay, width, step, request.exposures)
    });
}

#[test]
fn a_frame_is_divided_evenly() {
    let us = |us| Some(Duration::from_micros(us));
    check(&request(1e-3, 1, us(800)), (12_500, 100_000, 125_000));
    check(&request(1e-3, 4, us(200)), (3_125, 25_000, 31_250));
    check(&request(1e-3, 3, us(100)), (14_583, 12_500, 41_666));
    // As long as it can, with its dead time or a microsecond.
    check(&request(1e-3, 4, None), (125, 31_000, 31_250));
    let fast = PulseRequest { dead_time: Duration::ZERO, ..request(1e-3, 4, None) };
    check(&fast, (62, 31_125, 31_250));
    // Nothing is left over.
    check(&request(1e-3, 4, us(248)), (125, 31_000, 31_250));
    let first = PulseRequest { place: PulsePlace::Beginning, ..request(1e-3, 4, us(200)) };
    check(&first, (0, 25_000, 31_250));
    // Pauses are five ticks at least, and so are delays.
    let short = Duration::from_nanos(8 * 120);
    let short = PulseRequest { dead_time: Duration::ZERO, ..request(1e-6, 1, Some(short)) };
    check(&short, (0, 120, 125));
}

#[test]
fn the_last_pulse_is_over_before_the_frame() {
    for pulses in 1..500 {
        let train = pulse_train(&request(1e-3 / 0.7, pulses, None)).expect("a train");
        let end = train.delay_ticks + train.step_ticks * u64::from(pulses - 1) + train.width_ticks;
        assert!(end as f64 <= 1e-3 / 0.7 * 125e6 - 125.0, "{pulses}");
    }
}

#[test]
fn a_detector_has_one_period_whoever_triggers_it() {
    for (frame_s, most) in [(1e-3, 300), (1e-3 / 0.7, 400), (0.05, 1_000), (1.0 / 60.0, 1_000)] {
        for number in 1..=most {
            let request = request(frame_s, number, None);
            let exposures: ExposuresPerFrame = number.try_into().expect("a number in range");
            let period = exposures.period(request.frame).as_nanos();
            let step = pulse_train(&request).expect("a train").step_ticks;
            // But for a tick, 8 ns.
            assert_eq!(u128::from(step), period / 8, "{number} in {frame_s} s");
        }
    }
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let us = |us| Some(Duration::from_micros(us));
    let refused = |request: &PulseRequest, line: &str| {
        let error: PulseError = pulse_train(request).expect_err(line);
        assert_eq!(error.to_string(), line);
    };
    refused(
        &request(1e7, 1, None),
        "detector cam: frame duration 10000000s is 2251799.813685248s or longer",
    );
    refused(
        &request(1e-3, 4, us(249)),
        "detector cam: exposure 249µs and a pause of 2µs do not fit into 250µs, the frame divided by 4",
    );
    refused(
        &request(1e-3, 1, Some(Duration::MAX)),
        &format!(
            "detector cam: exposure {:?} and a pause of 2µs do not fit into 1ms, the frame divided by 1",
            Duration::MAX
        ),
    );
    let pause = PulseRequest {
        dead_time: Duration::ZERO,
        ..request(1e-6, 1, Some(Duration::from_nanos(968)))
    };
    refused(
        &pause,
        "detector cam: exposure 968ns and a pause of 40ns do not fit into 1µs, the frame divided by 1",
    );
    refused(
        &request(1e-3, 1, Some(Duration::from_nanos(39))),
        "detector cam: exposure 39ns is shorter than 40ns, the shortest pulse",
    );
    refused(
        &request(8e-6, 4, None),
        "detector cam: a pause of 2µs leaves no pulse of 40ns in 2µs, the frame divided by 4",
    );
    refused(
        &PulseRequest { dead_time: Duration::MAX, ..request(1.0, 1, None) },
        &format!(
            "detector cam: a pause of {:?} leaves no pulse of 40ns in 1s, the frame divided by 1",
            Duration::MAX
        ),
    );
    refused(
        &request(1e-3, 1_000, None),
        "detector cam: a pause of 2µs leaves no pulse of 40ns in 1µs, the frame divided by 1000",
    );
    refused(
        &request(0.0, 1, None),
        "detector cam: a pause of 2µs leaves no pulse of 40ns in 0ns, the frame divided by 1",
    );
}

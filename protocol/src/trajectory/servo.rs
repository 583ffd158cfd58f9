//! Alignment of frames to the servo cycle of a controller.

/// The servo frequency of a controller that runs at its factory setting, Hz: its period is an exact
/// number of the controller's own ticks.
const USUAL_HZ: f64 = 3_200.0;

/// What is cut off the half frame at other frequencies, in servo cycles, so that it ends before
/// the cycle in which the next begins.
const MARGIN_CYCLES: f64 = 0.002;

/// `duration_s`, or the next longer duration of a frame whose half is a whole number of servo cycles:
/// otherwise the controller's half frames jitter by a cycle. Seconds, in even microseconds.
///
/// With a trigger at every point only: in a sparse trajectory frames are no points.
pub fn align_to_servo(duration_s: f64, servo_hz: f64) -> f64 {
    let whole = (servo_hz * duration_s / 2.0).ceil();
    // Relative 1e-5, as a controller's frequency is known no better.
    let is_usual = (servo_hz - USUAL_HZ).abs() <= 1e-8 + 1e-5 * USUAL_HZ;
    let cycles = if is_usual { whole } else { whole - MARGIN_CYCLES };
    2.0 * (cycles / servo_hz * 1e6).floor() / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    const GOLDEN: &str = include_str!("../../tests/golden/pmac/036_misc_servo_align.json");

    #[test]
    fn all_golden_durations_come_out() {
        let golden: Value = serde_json::from_str(GOLDEN).unwrap();
        let cases = golden["cases"].as_array().unwrap();
        assert_eq!(cases.len(), 40);
        for case in cases {
            let number = |key: &str| case[key].as_f64().unwrap();
            let aligned = align_to_servo(number("duration"), number("frequency"));
            assert_eq!(aligned, number("aligned"), "{case}");
        }
    }
}

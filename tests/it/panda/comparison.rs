//! Scans of one line that a PandA triggers by comparing one position.
use super::flight::{FRAMES, assert_means, ms, pause, pause_slowly, taken};
use crate::run::rig::{GRID, Rig, Setup, name, spec, with_rig};
use bluefly_actors::{
    coordinator::{Prepare, Stage},
    status::Outcome,
};
use bluefly_protocol::run::RunPhase;
use bluefly_sim::faults::Fault;
use std::time::Duration;

/// Beside the devices of the rig: the camera sees the block itself, the diode a PULSE block behind
/// it. The capture ends with the last pulse.
const PANDA: &str = r#"
[device.panda]
type = "panda"
provider = "sim://panda"
[device.panda.encoders]
x = { input = "INENC1", scale = "0.0000001 mm", offset = "0 mm" }
y = { input = "INENC2", scale = "-0.0000001 mm", offset = "2.5 mm" }
[device.panda.triggers]
compare = "PCOMP1"
axis = "x"
[device.panda.triggers.outputs]
camera = { output = "TTLOUT1" }
diode = { output = "TTLOUT2", pulse = "PULSE1" }
[device.panda.wiring]
"PCAP.ENABLE" = "PCOMP1.ACTIVE"
"PCAP.GATE" = "PCOMP1.OUT"
"PCAP.TRIG" = "PCOMP1.OUT"
"PCAP.TRIG_EDGE" = "Falling"
[device.panda.capture]
"INENC1.VAL" = ["Mean"]
"PCAP.GATE_DURATION" = ["Value"]
[device.generator]"#;

/// 40 frames of 50 ms, a whole number of counts apart.
const LINE: &str = r#"{"type": "Fly", "spec": {"type": "ConstantDuration",
    "constant_duration": 0.05, "spec":
    {"type": "Linspace", "axis": "x", "start": 0, "stop": 9.75, "num": 40}}}"#;
/// The same, downwards.
const DOWN: &str = r#"{"type": "Fly", "spec": {"type": "ConstantDuration",
    "constant_duration": 0.05, "spec":
    {"type": "Linspace", "axis": "x", "start": 9.75, "stop": 0, "num": 40}}}"#;

/// All of a frame but the millisecond that the camera needs; it is counts that end it, so that it
/// may be two ticks more or less.
const LIVE_TICKS: u64 = 6_125_000;

fn setup() -> Setup {
    Setup { edits: vec![("\n[device.generator]", PANDA)], ..Setup::default() }
}

/// Flies a line while `meanwhile` happens: every frame and every row is there. How often it had to
/// recover.
fn check(text: &'static str, meanwhile: impl AsyncFnOnce(&Rig)) -> u32 {
    flown(text, meanwhile).0
}

/// The same, and how often each frame came to the camera.
fn flown(text: &'static str, meanwhile: impl AsyncFnOnce(&Rig)) -> (u32, Vec<u32>) {
    with_rig(setup(), async |rig| {
        rig.ready(text).await;
        let status = rig.kickoff().await;
        meanwhile(rig).await;
        assert_eq!(status.finished().await, Ok(Outcome::Done(FRAMES)));
        assert_eq!(rig.unstage().await, Ok(Outcome::Done(FRAMES)));
        rig.assert_complete(text, FRAMES);
        for (index, live_s) in assert_means(rig, text).into_iter().enumerate() {
            let ticks = (live_s * 125e6).round() as u64;
            assert!(ticks.abs_diff(LIVE_TICKS) <= 2, "frame {index} was live for {ticks} ticks");
        }
        rig.assert_safe();
        (rig.progress().recoveries, rig.process.world.frames_written(&name("camera")))
    })
}

#[test]
fn a_line_is_flown_by_equal_steps_of_a_position_in_both_directions() {
    assert_eq!(check(LINE, async |_| {}), 0);
    assert_eq!(check(DOWN, async |_| {}), 0);
}

#[test]
fn pauses_of_a_line_lose_and_double_no_row() {
    let recoveries = check(LINE, async |rig| {
        for frames in [3, 11, 12, 30] {
            pause(rig, frames).await;
        }
    });
    assert_eq!(recoveries, 0);
}

#[test]
fn a_frame_that_a_pause_cut_counted_when_the_motion_went_on_through_it() {
    for moment in (0..17).map(|i| Duration::from_micros(3_100 * i)) {
        let (recoveries, times) = flown(LINE, async |rig| pause_slowly(rig, (3, moment)).await);
        let again: Vec<&u32> = times.iter().filter(|times| **times != 1).collect();
        assert!(matches!(again[..], [] | [2]), "{moment:?}: {times:?}");
        assert_eq!(recoveries, 0, "{moment:?}");
    }
}

#[test]
fn a_line_goes_on_when_its_panda_is_back() {
    check(DOWN, async |rig| {
        taken(rig, 7).await;
        rig.process.world.panda(&name("panda")).unwrap().cut();
        taken(rig, 20).await;
        rig.process.world.fault(&Fault::PowerCycle { panda: name("panda"), time: ms(1_500) });
    });
}

#[test]
fn a_line_goes_on_when_an_actor_of_its_panda_crashes() {
    check(LINE, async |rig| {
        taken(rig, 7).await;
        rig.process.tree.crash("panda", "a test").unwrap();
        taken(rig, 20).await;
        rig.process.tree.crash("panda.triggers", "a test").unwrap();
    });
}

#[test]
fn what_is_no_line_is_refused_when_it_is_prepared() {
    with_rig(setup(), async |rig| {
        rig.step(Stage::default()).await.unwrap();
        let refused = |text: &'static str| async move {
            rig.try_step(Prepare(spec(text))).await.unwrap_err()
        };
        let told = |path: &str, why: &str| {
            format!(
                "generator: cannot plan the scan: {path}: panda triggers by comparing a position: {why}"
            )
        };
        let windows = "frame 10, axis x: another line or step begins, and it makes the triggers of one \
                       line, flown one way";
        assert_eq!(refused(GRID).await, told("$.spec.spec.inner.spec.axis", windows));
        let still = r#"{"type": "ConstantDuration", "constant_duration": 0.05, "spec":
            {"type": "Static", "axis": "x", "value": 2, "num": 20}}"#;
        let unmoved = "frame 0, axis x: it moves 0 counts, and must move at least 2";
        assert_eq!(refused(still).await, told("$.spec.axis", unmoved));
        assert_eq!(rig.progress().phase, RunPhase::Staged);
        assert_eq!(rig.documents(), []);
    });
}

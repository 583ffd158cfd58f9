//! A PCOMP block that triggers a line.
use super::{
    edges::{GRID, LINE},
    rig::{
        GATE, OFFSET, Rig, SCALES, SECOND, TICKS_PER_US, by_position, from_frame, name, plan,
        setup, with_panda,
    },
};
use bluefly_actors::logic::{
    panda::triggers::{PandaTriggers, TriggerOutput, TriggerSetup},
    triggers::TriggerLogic as _,
};
use bluefly_protocol::{
    exposures::ExposuresPerFrame,
    fault::FaultClass,
    sequencer::{Bus, PositionInput, PulsePlace, StartOn},
};
use bluefly_sim::panda::fpga::Output;
use std::{cell::Cell, sync::Arc, time::Duration};

/// Ticks from a count to the edge at an output.
const OF_COUNT: u64 = 4;

/// The encoder of x.
fn of_x() -> StartOn {
    StartOn::Position(vec![PositionInput::new(name("x"), Bus::A, SCALES[0], OFFSET).unwrap()])
}

async fn comparing(rig: &Rig, start: StartOn) -> PandaTriggers {
    comparing_for(rig, start, Vec::new()).await
}

async fn comparing_for(rig: &Rig, start: StartOn, outputs: Vec<TriggerOutput>) -> PandaTriggers {
    let wires = [("PCOMP1.INP", "INENC1.VAL"), ("TTLOUT1.VAL", "PCOMP1.OUT")];
    for (field, value) in wires {
        rig.set(field, value).await;
    }
    let wires = wires.map(|(field, value)| (field.parse().unwrap(), value.to_owned())).to_vec();
    let sequencer = "PCOMP1".parse().unwrap();
    let setup = TriggerSetup { sequencer, wires, outputs, ..setup(start) };
    PandaTriggers::comparing(name("panda"), rig.seat.clone(), rig.clock.clone(), setup)
}

/// Downwards as well as upwards, from the beginning and from within.
#[test]
fn a_line_is_triggered_at_equal_steps() {
    let down = LINE.replace("\"start\": 0, \"stop\": 0.4", "\"start\": 0.4, \"stop\": 0");
    for (text, frame, lower) in [(LINE, 0, -0.05), (LINE, 2, 0.15), (&down, 0, 0.45)] {
        with_panda(async |rig| {
            let triggers = comparing(rig, of_x()).await;
            let plan = Arc::new(plan(text));
            triggers.make_safe().await.unwrap();
            rig.park(&plan, frame);
            triggers.load(&from_frame(&plan, frame)).await.unwrap();
            triggers.enable().await.unwrap();
            let rows = rig.fly(&plan, frame);
            let last = Cell::new(frame);
            let progress = |frames| last.set(frames);
            let followed = rig.clock.timeout(60 * SECOND, triggers.follow(&progress)).await;
            followed.expect("it ends").unwrap();
            assert_eq!(last.get(), 5);
            let begin = rows[0].at_count(0, ((lower - OFFSET) / SCALES[0]).round() as i64);
            let rises = rig.rises(Output::Ttl(0));
            assert_eq!(rises.len() as u64, 5 - frame);
            assert_eq!(rises[0], begin + OF_COUNT);
            // Each begins half a count before its bound; the first while the speed is reached.
            for pair in rises[1..].windows(2) {
                assert_eq!(pair[1] - pair[0], 10_000 * TICKS_PER_US);
            }
        });
    }
}

/// Frames of 10 ms each.
#[test]
fn how_many_frames_of_a_line_were_whole_when_it_was_stopped_was_not_known() {
    with_panda(async |rig| {
        let triggers = comparing(rig, of_x()).await;
        let plan = Arc::new(plan(LINE));
        triggers.make_safe().await.unwrap();
        assert_eq!(triggers.triggered(), None);
        for (frame, moment_ms, whole) in [(0, 24, 2), (2, 4, 2), (2, 15, 3), (3, 40, 5)] {
            rig.park(&plan, frame);
            triggers.load(&from_frame(&plan, frame)).await.unwrap();
            triggers.enable().await.unwrap();
            let begin = rig.fly(&plan, frame)[0].tick;
            let now = rig.panda.with(|server| server.fpga_mut().now());
            let ticks = begin + moment_ms * 1_000 * TICKS_PER_US - now;
            rig.clock.sleep(Duration::from_nanos(8 * ticks)).await;
            triggers.make_safe().await.unwrap();
            assert_eq!(triggers.triggered(), Some(whole), "{moment_ms} ms from frame {frame}");
            rig.clock.sleep(SECOND).await;
        }
        // It shows the pulses of the line before until it begins.
        triggers.load(&from_frame(&plan, 1)).await.unwrap();
        triggers.make_safe().await.unwrap();
        assert_eq!(triggers.triggered(), None);
    });
}

/// The pulse of the compare is over long before the frame is, and PULSE1 goes on.
#[test]
fn the_pulses_of_the_last_frame_were_cut_off_when_the_compare_had_ended() {
    with_panda(async |rig| {
        rig.set("PULSE1.TRIG", "PCOMP1.OUT").await;
        let output =
            |detector: &str, pulse: Option<&str>, exposures: u32, dead_ms: u64| TriggerOutput {
                detector: name(detector),
                pulse: pulse.map(|block| block.parse().unwrap()),
                exposures_per_frame: ExposuresPerFrame::try_from(exposures).unwrap(),
                dead_time: Duration::from_millis(dead_ms),
                place: PulsePlace::Beginning,
            };
        let outputs = vec![output("camera", None, 1, 8), output("camera", Some("PULSE1"), 4, 1)];
        let triggers = comparing_for(rig, of_x(), outputs).await;
        let plan = Arc::new(plan(LINE));
        triggers.make_safe().await.unwrap();
        rig.park(&plan, 0);
        triggers.load(&from_frame(&plan, 0)).await.unwrap();
        triggers.enable().await.unwrap();
        let begin = rig.fly(&plan, 0)[0].tick;
        // It is looked at 4 ms after the beginning of the last frame.
        let ticks =
            begin + 44_000 * TICKS_PER_US - rig.panda.with(|server| server.fpga_mut().now());
        rig.clock.sleep(Duration::from_nanos(8 * ticks)).await;
        assert_eq!(rig.get("PCOMP1.ACTIVE").await, "0");
        triggers.follow(&|_| {}).await.unwrap();
        triggers.make_safe().await.unwrap();
        assert_eq!(rig.rises(Output::Ttl(1)).len(), 5 * 4);
    });
}

#[test]
fn what_a_comparison_cannot_trigger_is_refused_by_name() {
    let check = |start: fn() -> StartOn, text: &str, expected: &str| {
        with_panda(async |rig| {
            let triggers = comparing(rig, start()).await;
            let fault = triggers.check(&from_frame(&Arc::new(plan(text)), 0)).await.unwrap_err();
            assert_eq!(fault.class, FaultClass::Rejected);
            assert_eq!(fault.to_string(), format!("panda: cannot trigger the scan: {expected}"));
            let fault = triggers.load(&from_frame(&Arc::new(plan(text)), 0)).await.unwrap_err();
            assert_eq!(fault.class, FaultClass::Rejected);
            assert_eq!(fault.to_string(), format!("panda: cannot load triggers: {expected}"));
        });
    };
    check(|| GATE, LINE, "PCOMP1 compares one position, and 0 are named");
    check(by_position, LINE, "PCOMP1 compares one position, and 2 are named");
    let window = "frame 10, axis x: another line or step begins, and it makes the triggers of one line, \
                  flown one way";
    check(of_x, GRID, window);
    let of_y = LINE.replace("\"x\"", "\"y\"");
    check(of_x, &of_y, "axis x, whose position is compared, is not in the scan");
    let uneven = LINE.replace("0.4", "0.4016");
    check(
        of_x,
        &uneven,
        "frame 4, axis x: it ends -502 counts from where the first begins, and equal steps of whole \
         counts come to -500",
    );
    let close = LINE.replace("0.4", "0.004");
    check(of_x, &close, "frame 0, axis x: it moves -1 counts, and must move at least 2");
}

/// It stood on its first count already, and waited for one before.
#[test]
fn a_line_whose_run_up_was_within_a_count_was_never_triggered() {
    // 100 counts in a second; speed is reached in no less than 2 ms, a segment of the controller.
    let slow = LINE.replace("0.01", "1");
    with_panda(async |rig| {
        let triggers = comparing(rig, of_x()).await;
        for frame in [0, 2] {
            let from = from_frame(&Arc::new(plan(&slow)), frame);
            let fault = triggers.check(&from).await.unwrap_err();
            assert_eq!(fault.class, FaultClass::Rejected);
            let expected = format!(
                "panda: cannot trigger the scan: frame {frame}, axis x: its run-up is 0.1 counts, and \
                 must be at least 1, or the compare sees no count before the first: a longer \
                 settle_time of x lengthens it, a higher velocity, or an encoder of more counts"
            );
            assert_eq!(fault.to_string(), expected);
        }
    });
}

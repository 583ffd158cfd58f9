//! Settings that others change while triggers leave: found at the next look, also when they were put back.
use super::{
    edges::{GRID, LINE, MANY},
    faults::pulsed,
    rig::{GATE, Rig, from_frame, plan, setup, with_panda},
};
use bluefly_actors::logic::{
    panda::{
        triggers::{PandaTriggers, TriggerSetup},
        wired::Wired,
    },
    triggers::TriggerLogic as _,
};
use bluefly_protocol::{
    fault::{Fault, FaultClass},
    plan::ScanPlan,
    sequencer::TableLimits,
};
use bluefly_sim::panda::fpga::Output;
use std::{cell::Cell, future::poll_fn, pin::pin, sync::Arc, time::Duration};

const fn ms(duration: u64) -> Duration {
    Duration::from_millis(duration)
}

/// Flown from a frame on up to where it is followed.
async fn flying(
    rig: &Rig,
    triggers: &Wired<PandaTriggers>,
    (plan, first_frame): (&Arc<ScanPlan>, u64),
) {
    triggers.make_safe().await.unwrap();
    rig.park(plan, first_frame);
    triggers.load(&from_frame(plan, first_frame)).await.unwrap();
    triggers.enable().await.unwrap();
    rig.fly(plan, first_frame);
}

/// What comes of following while others set this from 230 ms on, and of how many frames the triggers
/// are vouched for.
async fn followed(
    rig: &Rig,
    triggers: &Wired<PandaTriggers>,
    meanwhile: &[(&str, &str)],
) -> (Result<(), Fault>, u64) {
    let left = Cell::new(0);
    let progress = |frames| left.set(frames);
    let others = async {
        rig.clock.sleep(ms(230)).await;
        for (field, value) in meanwhile {
            rig.set(field, value).await;
            rig.clock.sleep(ms(3)).await;
        }
    };
    let (followed, ()) = tokio::join!(triggers.follow(&progress), others);
    (followed, left.get())
}

#[track_caller]
fn check(result: Result<(), Fault>, class: FaultClass, text: &str) {
    let fault = result.unwrap_err();
    assert_eq!((fault.class, fault.to_string().as_str()), (class, text));
}

/// What others set ends the triggers with this reason; the rest can be triggered, with what they set as it
/// was.
fn check_found(setup: &TriggerSetup, meanwhile: &[(&str, &str)], reason: &str) {
    // The first row; the second begins later.
    check_found_in((GRID, 10), setup, meanwhile, reason);
}

/// The same of another scan; so many frames are over before others set it.
fn check_found_in(
    (text, over): (&str, u64),
    setup: &TriggerSetup,
    meanwhile: &[(&str, &str)],
    reason: &str,
) {
    with_panda(async |rig| {
        let (triggers, plan) = (rig.wired(setup.clone()), Arc::new(plan(text)));
        flying(rig, &triggers, (&plan, 0)).await;
        let mut before = Vec::new();
        for (field, _) in meanwhile {
            before.push(rig.get(field).await);
        }
        let (ended, good) = followed(rig, &triggers, meanwhile).await;
        let text = format!("panda: cannot trigger the frames: {reason}");
        check(ended, FaultClass::Lost, &text);
        assert_eq!(good, over);
        // It is told once.
        triggers.make_safe().await.unwrap();
        assert_eq!(rig.get("SEQ1.ENABLE").await, "ZERO");
        rig.clock.sleep(ms(2_000)).await;
        rig.rises(Output::Ttl(0));
        flying(rig, &triggers, (&plan, good)).await;
        for ((field, _), before) in meanwhile.iter().zip(before) {
            assert_eq!(rig.get(field).await, before, "{field}");
        }
        let (ended, left) = followed(rig, &triggers, &[]).await;
        ended.unwrap();
        let total = plan.num_frames();
        assert_eq!((left, rig.rises(Output::Ttl(0)).len() as u64), (total, total - good));
    });
}

#[test]
fn a_frame_that_was_live_when_others_set_something_was_vouched_for() {
    // The second is seen to have begun 30 ms before.
    let slow = LINE.replace("0.01", "0.16");
    let reason = "SEQ1.PRESCALE was set to 4e-08 while the scan ran; it was 0";
    check_found_in((&slow, 1), &setup(GATE), &[("SEQ1.PRESCALE.RAW", "5")], reason);
}

#[test]
fn a_prescale_that_was_changed_moved_frames() {
    let five = ("SEQ1.PRESCALE.RAW", "5");
    let set = "SEQ1.PRESCALE was set to 4e-08 while the scan ran; it was 0";
    check_found(&setup(GATE), &[five], set);
    let back = "SEQ1.PRESCALE was set while the scan ran, and is 0 as before";
    check_found(&setup(GATE), &[five, ("SEQ1.PRESCALE.RAW", "0")], back);
}

#[test]
fn a_wire_that_was_changed_and_put_back_moved_frames() {
    let changed = [("SEQ1.BITA", "ZERO"), ("SEQ1.BITA", "TTLIN1.VAL")];
    let reason = "SEQ1.BITA was set while the scan ran, and is TTLIN1.VAL as before";
    check_found(&setup(GATE), &changed, reason);
    let reason = "TTLOUT1.VAL was set to ZERO while the scan ran; it was SEQ1.OUTA";
    check_found(&setup(GATE), &[("TTLOUT1.VAL", "ZERO")], reason);
}

#[test]
fn a_pulse_that_was_changed_moved_exposures() {
    let reason = "PULSE1.DELAY was set to 8e-06 while the scan ran; it was 0";
    check_found(&pulsed(1, Some("PULSE1")), &[("PULSE1.DELAY.RAW", "1000")], reason);
}

#[test]
fn repeats_that_were_changed_repeated_frames() {
    let reason = "SEQ1.REPEATS was set to 3 while the scan ran; it was 1";
    check_found(&setup(GATE), &[("SEQ1.REPEATS", "3")], reason);
}

#[test]
fn tables_that_we_append_and_blocks_of_others_are_no_reason() {
    with_panda(async |rig| {
        let tables = TableLimits::new(8, Duration::from_secs(1_000)).unwrap();
        let triggers = rig.wired(TriggerSetup { tables, ..setup(GATE) });
        let plan = Arc::new(plan(MANY));
        flying(rig, &triggers, (&plan, 0)).await;
        let others = [("SEQ2.PRESCALE.RAW", "5"), ("PULSE2.DELAY.RAW", "9"), ("BITS.B", "1")];
        let (ended, left) = followed(rig, &triggers, &others).await;
        ended.unwrap();
        assert_eq!(rig.get("SEQ1.TABLE.MODE").await, "STREAMING_LAST");
        assert_eq!(left, plan.num_frames());
    });
}

#[test]
fn a_pause_hid_what_was_changed_before_it() {
    with_panda(async |rig| {
        let (triggers, plan) = (rig.wired(setup(GATE)), Arc::new(plan(GRID)));
        flying(rig, &triggers, (&plan, 0)).await;
        let pause = rig.clock.sleep(ms(230));
        tokio::select! { biased;
            ended = triggers.follow(&|_| ()) => panic!("{ended:?} before it is paused"),
            () = pause => {}
        }
        rig.set("SEQ1.BITA", "ZERO").await;
        rig.set("SEQ1.BITA", "TTLIN1.VAL").await;
        let text = "panda: cannot trigger the frames: SEQ1.BITA was set while the scan ran, and is \
                    TTLIN1.VAL as before";
        check(triggers.make_safe().await, FaultClass::Lost, text);
        assert_eq!(rig.get("SEQ1.ENABLE").await, "ZERO");
        triggers.make_safe().await.unwrap();
    });
}

#[test]
fn a_connection_that_was_lost_before_a_pause_hid_what_others_had_set() {
    with_panda(async |rig| {
        let (triggers, plan) = (rig.wired(setup(GATE)), Arc::new(plan(GRID)));
        flying(rig, &triggers, (&plan, 0)).await;
        let pause = rig.clock.sleep(ms(230));
        tokio::select! { biased;
            ended = triggers.follow(&|_| ()) => panic!("{ended:?} before it is paused"),
            () = pause => {}
        }
        rig.panda.cut();
        rig.clock.sleep(ms(5_000)).await;
        let fault = triggers.make_safe().await.unwrap_err();
        assert_eq!(fault.class, FaultClass::Disconnected);
        let text = "panda: cannot trigger the frames: what others set is not known: ";
        assert!(fault.to_string().starts_with(text), "{fault}");
        assert_eq!(rig.get("SEQ1.ENABLE").await, "ZERO");
        // It is told once.
        triggers.make_safe().await.unwrap();
    });
}

#[test]
fn pulses_that_are_not_what_was_written_were_made() {
    with_panda(async |rig| {
        let triggers = rig.triggers(pulsed(1, Some("PULSE1")));
        let plan = Arc::new(plan(LINE));
        let line = from_frame(&plan, 0);
        let mut load = pin!(triggers.load(&line));
        // Somebody else sets it whenever we do anything.
        let loaded = poll_fn(|context| {
            rig.others("PULSE1.WIDTH.RAW=77");
            load.as_mut().poll(context)
        });
        let loaded = loaded.await;
        let text =
            "panda: cannot load triggers: PULSE1.WIDTH.RAW is 77 although 125000 was written";
        check(loaded, FaultClass::Failed, text);
        assert_eq!(rig.get("SEQ1.ENABLE").await, "ZERO");
    });
}

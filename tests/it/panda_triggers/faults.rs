//! What goes wrong with a sequencer is told by name.
use super::{
    edges::{GRID, LINE, MANY},
    rig::{GATE, Rig, by_position, from_frame, name, plan, setup, with_panda},
};
use bluefly_actors::logic::{
    panda::triggers::{PandaTriggers, TriggerOutput, TriggerSetup},
    triggers::TriggerLogic as _,
};
use bluefly_protocol::{
    exposures::ExposuresPerFrame,
    fault::{Fault, FaultClass},
    panda::{
        control::Command,
        table::{TableMode, TableText},
    },
    sequencer::{PulsePlace, StartOn, TableLimits},
};
use bluefly_sim::panda::{Server, fpga::Output};
use std::{cell::Cell, sync::Arc, time::Duration};

fn ms(duration: u64) -> Duration {
    Duration::from_millis(duration)
}

/// The class of a fault, and what it says.
fn told(result: Result<(), Fault>) -> (FaultClass, String) {
    let fault = result.unwrap_err();
    (fault.class, fault.to_string())
}

/// Nothing could be loaded, with this fault, and nothing was enabled.
async fn check_load(
    (rig, setup): (&Rig, TriggerSetup),
    text: &str,
    (class, expected): (FaultClass, &str),
) {
    let triggers = rig.triggers(setup);
    let plan = Arc::new(plan(text));
    let checked = triggers.check(&from_frame(&plan, 0)).await;
    match class {
        // Of what is wired nothing is asked before it is loaded.
        FaultClass::Failed | FaultClass::Disconnected | FaultClass::Lost => checked.unwrap(),
        FaultClass::Rejected => {
            let expected = expected.replace("load triggers", "trigger the scan");
            assert_eq!(told(checked), (class, expected));
        }
    }
    let found = told(triggers.load(&from_frame(&plan, 0)).await);
    assert_eq!(found, (class, expected.to_owned()));
    assert_eq!(rig.get("SEQ1.ENABLE").await, "ZERO");
    let followed = told(triggers.follow(&|_| {}).await);
    let nothing = "panda: cannot trigger the frames: nothing is loaded".to_owned();
    assert_eq!(followed, (FaultClass::Failed, nothing));
}

pub(super) fn pulsed(exposures: u32, pulse: Option<&str>) -> TriggerSetup {
    let camera = TriggerOutput {
        detector: name("camera"),
        pulse: pulse.map(|block| block.parse().unwrap()),
        exposures_per_frame: ExposuresPerFrame::try_from(exposures).unwrap(),
        dead_time: Duration::from_micros(10),
        place: PulsePlace::Beginning,
    };
    TriggerSetup { outputs: vec![camera], ..setup(GATE) }
}

#[test]
fn what_cannot_be_triggered_is_refused_by_name() {
    with_panda(async |rig| {
        fn rejected(text: &str) -> (FaultClass, &str) {
            (FaultClass::Rejected, text)
        }
        let load = "panda: cannot load triggers:";
        let slow = TriggerSetup { dead_time: ms(10), ..setup(GATE) };
        let short = format!(
            "{load} frame 0: duration 0.01 s is shorter than 0.010000008 s, dead time and one tick \
             of live time"
        );
        check_load((rig, slow), LINE, rejected(&short)).await;
        let several = format!("{load} detector camera: 2 exposures per frame need a PULSE block");
        check_load((rig, pulsed(2, None)), LINE, rejected(&several)).await;
        let unmoved = format!(
            "{load} frame 0: no axis moves by a count between lower bound and midpoint, of those with \
             a position input (none): a position compare needs one"
        );
        let StartOn::Position(inputs) = by_position() else { panic!("by position") };
        let of_y = StartOn::Position(inputs[1..].to_vec());
        check_load((rig, setup(of_y)), LINE, rejected(&unmoved)).await;
        rig.set("SEQ1.POSA", "COUNTER1.OUT").await;
        let wire =
            format!("{load} SEQ1.POSA is COUNTER1.OUT, and the beamline file makes it INENC1.VAL");
        check_load((rig, setup(GATE)), LINE, (FaultClass::Failed, &wire)).await;
    });
}

#[test]
fn a_capture_that_nothing_led_triggers_to_was_flown() {
    with_panda(async |rig| {
        let inputs = ["PCAP.ENABLE", "PCAP1.TRIG", "PCAP.GATE"];
        let rows = inputs.map(|field| field.parse().unwrap()).to_vec();
        let triggers = rig.triggers(TriggerSetup { rows, ..pulsed(1, Some("PULSE1")) });
        let line = from_frame(&Arc::new(plan(LINE)), 0);
        for field in ["ENABLE", "TRIG", "GATE"] {
            rig.set(&format!("PCAP.{field}"), "TTLIN2.VAL").await;
        }
        // What a scan enables itself need not be enabled.
        for value in ["TTLIN2.VAL", "ONE", "SEQ1.OUTA", "PULSE1.OUT", "BITS.OUTA"] {
            rig.set("PCAP.TRIG", value).await;
            triggers.check(&line).await.unwrap();
        }
        rig.set("PULSE3.ENABLE", "ONE").await;
        rig.set("PULSE3.TRIG", "SEQ2.OUTA").await;
        for (field, value, why) in [
            ("PCAP.TRIG", "ZERO", ""),
            ("PCAP1.TRIG", "SEQ2.OUTA", ", which never goes high as SEQ2.ENABLE is ZERO"),
            ("PCAP.GATE", "PULSE3.OUT", ", which never goes high as SEQ2.ENABLE is ZERO"),
            ("PCAP.GATE", "PULSE2.OUT", ", which never goes high as PULSE2.ENABLE is ZERO"),
            ("PCAP.ENABLE", "ZERO", ""),
        ] {
            rig.set(field, value).await;
            let named = if field == "PCAP.TRIG" { "PCAP1.TRIG" } else { field };
            let text = format!(
                "panda: cannot trigger the scan: it would capture nothing: {named} is {value}{why}"
            );
            assert_eq!(told(triggers.check(&line).await), (FaultClass::Failed, text));
            rig.set(field, "TTLIN2.VAL").await;
        }
        triggers.check(&line).await.unwrap();
        // A switch may be switched, and a sequencer of others is theirs while it is enabled.
        rig.set("PCAP.TRIG", "SEQ2.OUTA").await;
        rig.set("SEQ2.ENABLE", "BITS.OUTA").await;
        triggers.check(&line).await.unwrap();
    });
}

/// Loaded, enabled and flown.
async fn flying(rig: &Rig, triggers: &PandaTriggers, text: &str) {
    let plan = Arc::new(plan(text));
    triggers.make_safe().await.unwrap();
    rig.park(&plan, 0);
    triggers.load(&from_frame(&plan, 0)).await.unwrap();
    triggers.enable().await.unwrap();
    rig.fly(&plan, 0);
}

#[test]
fn a_scan_is_checked_though_the_panda_is_away() {
    with_panda(async |rig| {
        rig.panda.switch_off();
        rig.clock.sleep(ms(1_000)).await;
        let (line, slow) = (from_frame(&Arc::new(plan(LINE)), 0), ms(10));
        rig.triggers(setup(GATE)).check(&line).await.unwrap();
        let triggers = rig.triggers(TriggerSetup { dead_time: slow, ..setup(GATE) });
        let short = "panda: cannot trigger the scan: frame 0: duration 0.01 s is shorter than \
                     0.010000008 s, dead time and one tick of live time";
        assert_eq!(told(triggers.check(&line).await), (FaultClass::Rejected, short.to_owned()));
    });
}

#[test]
fn a_sequencer_that_is_disabled_in_mid_scan_is_told_at_once() {
    with_panda(async |rig| {
        let triggers = rig.triggers(setup(GATE));
        flying(rig, &triggers, GRID).await;
        let frames = Cell::new(0);
        let disable = async {
            rig.clock.sleep(ms(130)).await;
            rig.set("SEQ1.ENABLE", "ZERO").await;
        };
        let progress = |count| frames.set(count);
        let (ended, ()) = tokio::join!(triggers.follow(&progress), disable);
        let (class, text) = told(ended);
        assert_eq!(class, FaultClass::Lost);
        let rises = rig.rises(Output::Ttl(0)).len() as u64;
        assert!(rises > 0 && rises < 40 && frames.get() <= rises && frames.get() + 1 >= rises);
        let (count, expected) =
            (frames.get(), "panda: cannot trigger the frames: SEQ1 ended in row ");
        assert!(text.starts_with(expected), "{text}");
        let end = format!("after the triggers of {count} frames: somebody else disabled it");
        assert!(text.ends_with(&end), "{text}");
    });
}

#[test]
fn a_table_that_somebody_else_wrote_was_told_as_a_row_of_a_huge_number() {
    with_panda(async |rig| {
        let triggers = rig.triggers(setup(GATE));
        flying(rig, &triggers, GRID).await;
        let write = async {
            rig.clock.sleep(ms(130)).await;
            rig.set("SEQ1.ENABLE", "ZERO").await;
            // One row that takes half a minute.
            let words = [1, 0, u32::MAX, 1];
            let table = Command::table("SEQ1.TABLE", TableMode::Fixed, TableText::Base64, &words);
            rig.done(table.unwrap()).await;
            rig.set("SEQ1.ENABLE", "ONE").await;
        };
        let (ended, ()) = tokio::join!(triggers.follow(&|_| {}), write);
        let told_so = "panda: cannot trigger the frames: SEQ1.TABLE_LINE is 1, which is none of the 13 \
                       rows that it was given and has not run: somebody else has written its table";
        assert_eq!(told(ended), (FaultClass::Failed, told_so.to_owned()));
    });
}

#[test]
fn rows_that_do_not_come_in_time_are_told_as_an_underrun() {
    with_panda(async |rig| {
        // Tables of a window and a half, and nobody who appends to them.
        let tables = TableLimits::new(4, Duration::from_secs(1_000)).unwrap();
        let triggers = rig.triggers(TriggerSetup { tables, ..setup(StartOn::Time) });
        flying(rig, &triggers, MANY).await;
        rig.clock.sleep(ms(2_000)).await;
        let frames = Cell::new(0);
        let (class, text) = told(triggers.follow(&|count| frames.set(count)).await);
        assert_eq!(class, FaultClass::Lost);
        let expected = format!(
            "panda: cannot trigger the frames: SEQ1.HEALTH is \"DMA underrun\" after the triggers of {} \
             frames",
            frames.get()
        );
        assert_eq!(text, expected);
        assert_eq!(frames.get(), rig.rises(Output::Ttl(0)).len() as u64);
        triggers.make_safe().await.unwrap();
    });
}

#[test]
fn a_panda_that_is_lost_is_told_as_away() {
    with_panda(async |rig| {
        let triggers = rig.triggers(setup(GATE));
        flying(rig, &triggers, GRID).await;
        let cut = async {
            rig.clock.sleep(ms(130)).await;
            rig.panda.switch_off();
        };
        let (ended, ()) = tokio::join!(triggers.follow(&|_| {}), cut);
        assert_eq!(told(ended).0, FaultClass::Disconnected);
        let (class, text) = told(triggers.make_safe().await);
        assert_eq!(class, FaultClass::Disconnected, "{text}");
        rig.panda.switch_on(None);
        rig.clock.sleep(Duration::from_secs(10)).await;
        assert_eq!(rig.get("SEQ1.ACTIVE").await, "0");
        triggers.make_safe().await.unwrap();
        assert_eq!(rig.get("SEQ1.ENABLE").await, "ZERO");
    });
}

#[test]
fn a_detector_of_several_exposures_gets_its_pulses() {
    with_panda(async |rig| {
        let triggers = rig.triggers(pulsed(4, Some("PULSE1")));
        flying(rig, &triggers, LINE).await;
        triggers.follow(&|_| {}).await.unwrap();
        rig.clock.sleep(ms(20)).await;
        let edges = rig.panda.with(Server::take_edges);
        let rises = |output| {
            let rises = edges.iter().filter(|edge| edge.is_high && edge.output == output);
            rises.map(|edge| edge.tick).collect::<Vec<u64>>()
        };
        let frames = rises(Output::Ttl(0));
        assert_eq!(frames.len(), 5);
        let pulses = rises(Output::Ttl(1));
        let delay = pulses[0] - frames[0];
        let expected =
            frames.iter().flat_map(|frame| (0..4).map(move |i| frame + delay + i * 312_500));
        assert_eq!(pulses, expected.collect::<Vec<_>>());
        triggers.make_safe().await.unwrap();
        assert_eq!(rig.get("PULSE1.ENABLE").await, "ZERO");
    });
}

#[test]
fn a_scan_that_was_stopped_is_triggered_from_any_frame() {
    with_panda(async |rig| {
        let triggers = rig.triggers(setup(GATE));
        flying(rig, &triggers, GRID).await;
        rig.clock.sleep(ms(200)).await;
        triggers.make_safe().await.unwrap();
        let before = rig.rises(Output::Ttl(0)).len() as u64;
        assert!(before > 0 && before < 40, "{before}");
        rig.clock.sleep(Duration::from_secs(2)).await;
        assert_eq!(rig.rises(Output::Ttl(0)), [0; 0]);
        let plan = Arc::new(plan(GRID));
        rig.park(&plan, before - 1);
        triggers.load(&from_frame(&plan, before - 1)).await.unwrap();
        triggers.enable().await.unwrap();
        rig.fly(&plan, before - 1);
        let last = Cell::new(0);
        triggers.follow(&|frames| last.set(frames)).await.unwrap();
        assert_eq!(last.get(), 40);
        assert_eq!(rig.rises(Output::Ttl(0)).len() as u64, 41 - before);
    });
}

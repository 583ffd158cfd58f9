//! Scans in which others set what they rely on: every frame is what it was planned to be, or the run fails.
use super::flight::{FRAMES, land, ms, setup, taken};
use crate::run::rig::{GRID, Rig, name, with_rig};
use bluefly_actors::{
    coordinator::{Pause, Resume},
    status::Outcome,
};
use bluefly_protocol::run::RunPhase;

/// Somebody else says this at the control port.
fn others(rig: &Rig, lines: &[&str]) {
    rig.process.world.panda(&name("panda")).unwrap().with(|server| {
        let id = server.connect_control("127.0.0.1:9");
        for line in lines {
            server.receive(id, format!("{line}\n").as_bytes());
            assert_eq!(server.take_output(id), b"OK\n", "{line}");
        }
        server.disconnect(id);
    });
}

fn ask(rig: &Rig, field: &str) -> String {
    rig.process.world.panda(&name("panda")).unwrap().with(|server| {
        let id = server.connect_control("127.0.0.1:9");
        server.receive(id, format!("{field}?\n").as_bytes());
        let reply = String::from_utf8(server.take_output(id)).unwrap();
        server.disconnect(id);
        reply
    })
}

/// What others set costs a rewind, and is set again as it was.
fn check(lines: &[&str], (field, value): (&str, &str)) {
    with_rig(setup(&[]), async |rig| {
        rig.ready(GRID).await;
        let status = rig.kickoff().await;
        taken(rig, 12).await;
        others(rig, lines);
        assert_eq!(status.finished().await, Ok(Outcome::Done(FRAMES)), "{lines:?}");
        assert_eq!(rig.progress().recoveries, 1, "{lines:?}");
        assert_eq!(ask(rig, field), format!("OK ={value}\n"));
        land(rig).await;
    });
}

#[test]
fn settings_that_somebody_changed_in_mid_scan_ended_well() {
    let gate = ("PCAP.GATE", "SEQ1.OUTA");
    check(&["PCAP.GATE=ZERO"], gate);
    check(&["PCAP.GATE=ZERO", "PCAP.GATE=SEQ1.OUTA"], gate);
    check(&["SEQ1.PRESCALE.RAW=5"], ("SEQ1.PRESCALE.RAW", "0"));
    check(&["SEQ1.PRESCALE.RAW=5", "SEQ1.PRESCALE.RAW=0"], ("SEQ1.PRESCALE.RAW", "0"));
    check(&["PCAP.SHIFT_SUM=3"], ("PCAP.SHIFT_SUM", "0"));
    check(&["INENC2.VAL.SCALE=7"], ("INENC2.VAL.SCALE", "-1e-07"));
    check(&["PCAP.TRIG_EDGE=Rising"], ("PCAP.TRIG_EDGE", "Falling"));
}

#[test]
fn what_others_set_of_other_blocks_costs_nothing() {
    with_rig(setup(&[]), async |rig| {
        rig.ready(GRID).await;
        let status = rig.kickoff().await;
        taken(rig, 12).await;
        others(rig, &["SEQ2.PRESCALE.RAW=5", "PULSE3.DELAY.RAW=9", "TTLOUT7.VAL=ONE", "BITS.A=1"]);
        assert_eq!(status.finished().await, Ok(Outcome::Done(FRAMES)));
        assert_eq!(rig.progress().recoveries, 0);
        land(rig).await;
    });
}

/// A PandA that only triggers.
const NO_CAPTURE: (&str, &str) = (
    "[device.panda.capture]\n\"INENC1.VAL\" = [\"Mean\"]\n\"INENC2.VAL\" = [\"Mean\"]\n\
     \"PCAP.GATE_DURATION\" = [\"Value\"]\n",
    "",
);

#[test]
fn frames_of_triggers_that_somebody_moved_in_mid_scan_were_kept() {
    for lines in [&["SEQ1.PRESCALE.RAW=5"][..], &["SEQ1.POSA=ZERO", "SEQ1.POSA=INENC1.VAL"]] {
        with_rig(setup(&[NO_CAPTURE]), async |rig| {
            rig.ready(GRID).await;
            let status = rig.kickoff().await;
            let mut progress = rig.process.bulletin.progress();
            let camera = name("camera");
            let reached = progress.wait_for(|progress| {
                progress.detectors.get(&camera).is_some_and(|taken| *taken >= 12)
            });
            drop(reached.await.unwrap());
            others(rig, lines);
            assert_eq!(status.finished().await, Ok(Outcome::Done(FRAMES)), "{lines:?}");
            assert_eq!(rig.progress().recoveries, 1, "{lines:?}");
            assert_eq!(rig.unstage().await, Ok(Outcome::Done(FRAMES)));
            rig.assert_complete(GRID, FRAMES);
            rig.assert_safe();
        });
    }
}

#[test]
fn somebody_who_sets_it_again_and_again_ends_the_run() {
    with_rig(setup(&[]), async |rig| {
        rig.ready(GRID).await;
        let status = rig.kickoff().await;
        taken(rig, 12).await;
        let meddles = async {
            loop {
                others(rig, &["PCAP.SHIFT_SUM=3"]);
                rig.sleep(ms(100)).await;
            }
        };
        let error = tokio::select! { biased;
            ended = status.finished() => ended.unwrap_err().to_string(),
            () = meddles => unreachable!("it goes on for ever"),
        };
        let told = "PCAP.SHIFT_SUM was set to 3 while the scan ran; it was 0";
        assert!(error.contains(told), "{error}");
        rig.assert_safe();
    });
}

#[test]
fn a_pause_hid_what_somebody_had_changed() {
    with_rig(setup(&[]), async |rig| {
        rig.ready(GRID).await;
        let status = rig.kickoff().await;
        taken(rig, 12).await;
        others(rig, &["PCAP.GATE=ZERO", "PCAP.GATE=SEQ1.OUTA"]);
        rig.ask(Pause).await.unwrap();
        rig.reach(RunPhase::Paused).await;
        rig.sleep(ms(1_234)).await;
        rig.ask(Resume::default()).await.unwrap();
        assert_eq!(status.finished().await, Ok(Outcome::Done(FRAMES)));
        assert_eq!(rig.progress().recoveries, 1);
        land(rig).await;
    });
}

/// Others set one thing after the other, each once the scan goes on after the one before.
fn check_in_turn(edits: &[(&'static str, &'static str)], turns: &[&[&str]]) {
    with_rig(setup(edits), async |rig| {
        rig.ready(GRID).await;
        let status = rig.kickoff().await;
        for (turn, lines) in turns.iter().enumerate() {
            taken(rig, 8 * (turn as u64 + 1)).await;
            others(rig, lines);
        }
        assert_eq!(status.finished().await, Ok(Outcome::Done(FRAMES)), "{turns:?}");
        assert_eq!(rig.progress().recoveries, u32::try_from(turns.len()).unwrap(), "{turns:?}");
        land(rig).await;
    });
}

#[test]
fn what_is_behind_a_wire_that_was_set_back_was_not_looked_at_any_more() {
    let behind = ("\"PCAP.TRIG\"", "\"SEQ1.BITB\" = \"LUT1.OUT\"\n\"PCAP.TRIG\"");
    check_in_turn(&[behind], &[&["SEQ1.BITB=ZERO"], &["LUT1.INPA=CLOCK2.OUT"]]);
}

#[test]
fn frames_that_nobody_vouches_for_were_published_where_it_cannot_be_set_back() {
    let table = ("\"SEQ1.BITA\"", "\"SEQ1.POSC\" = \"PGEN1.OUT\"\n\"SEQ1.BITA\"");
    with_rig(setup(&[NO_CAPTURE, table]), async |rig| {
        rig.ready(GRID).await;
        let status = rig.kickoff().await;
        let mut progress = rig.process.bulletin.progress();
        let camera = name("camera");
        let reached = progress
            .wait_for(|progress| progress.detectors.get(&camera).is_some_and(|taken| *taken >= 12));
        drop(reached.await.unwrap());
        others(rig, &["PGEN1.TABLE<\n5\n"]);
        let error = status.finished().await.unwrap_err().to_string();
        let told = "PGEN1.TABLE was written while the scan ran";
        assert!(error.contains(told), "{error}");
        assert_eq!(rig.unstage().await, Ok(Outcome::Done(10)));
        rig.assert_safe();
    });
}

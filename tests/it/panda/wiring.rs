//! What a PandA is to be: set where it is not, found out if it cannot be, noticed if others change it.
use super::{
    inventory::simulated,
    rig::{Rig, wires, with_panda, with_wired},
};
use crate::panda_server::new_server;
use bluefly_actors::logic::panda::wiring::{Found, Wiring};
use bluefly_protocol::{fault::Fault, panda::control::Command};

const RIGHT: [(&str, &str); 6] = [
    ("PCAP1.TRIG", "SEQ1.OUTA"),
    ("PULSE1.DELAY", "1.5"),
    ("PULSE1.DELAY.UNITS", "ms"),
    ("COUNTER1.OUT.SCALE", "0.00010"),
    ("SEQ1.ENABLE", "BITS.OUTA"),
    ("SEQ1.POSA", "COUNTER1.OUT"),
];

async fn reached(rig: &Rig) -> Found {
    rig.signals.seat("p").until_reached().await;
    rig.look().await.reached.unwrap().wiring
}

async fn ask(rig: &Rig, name: &str) -> String {
    let session = rig.signals.seat("p").session().unwrap();
    session.control.value(Command::query(name).unwrap()).await.unwrap()
}

async fn set(rig: &Rig, name: &str, value: &str) {
    let session = rig.signals.seat("p").session().unwrap();
    session.control.done(Command::assign(name, value).unwrap()).await.unwrap();
}

fn loose(found: &Found) -> Vec<String> {
    found.loose.iter().map(ToString::to_string).collect()
}

fn wrong(found: &Found) -> Vec<String> {
    found.wrong.iter().map(ToString::to_string).collect()
}

async fn verify(rig: &Rig, wired: &[(&str, &str)]) -> Result<(), Fault> {
    let name = "panda".parse().unwrap();
    Wiring::new(&wires(wired)).verify(&name, &rig.signals.seat("p")).await
}

#[test]
fn what_is_not_as_it_is_to_be_is_set_before_anybody_can_talk_to_it() {
    with_wired(&RIGHT, async |rig| {
        let found = reached(&rig).await;
        let expected = [
            "PCAP1.TRIG is ZERO, not SEQ1.OUTA as wiring.PCAP1.TRIG says",
            "PULSE1.DELAY is 0, not 1.5 as wiring.PULSE1.DELAY says",
            "PULSE1.DELAY.UNITS is s, not ms as wiring.PULSE1.DELAY.UNITS says",
            "COUNTER1.OUT.SCALE is 1, not 0.00010 as wiring.COUNTER1.OUT.SCALE says",
            "SEQ1.ENABLE is ZERO, not BITS.OUTA as wiring.SEQ1.ENABLE says",
            "SEQ1.POSA is ZERO, not COUNTER1.OUT as wiring.SEQ1.POSA says",
        ];
        assert_eq!((loose(&found), wrong(&found)), (expected.map(str::to_owned).into(), vec![]));
        // Units came first: 1.5 ms and not 1.5 s.
        assert_eq!(ask(&rig, "PULSE1.DELAY.RAW").await, "187500");
        assert_eq!(verify(&rig, &RIGHT).await, Ok(()));
    });
}

#[test]
fn a_box_that_was_switched_off_is_wired_again_and_one_that_was_cut_off_is_let_be() {
    with_wired(&RIGHT, async |rig| {
        reached(&rig).await;
        rig.panda.cut();
        tokio::task::yield_now().await;
        // It is as it was: nothing is written.
        assert_eq!(reached(&rig).await, Found::default());
        assert_eq!(rig.look().await.incarnation, 2);
        rig.panda.switch_off();
        rig.panda.switch_on(Some(new_server()));
        tokio::task::yield_now().await;
        assert_eq!(reached(&rig).await.loose.len(), RIGHT.len());
        assert_eq!(ask(&rig, "PCAP.TRIG").await, "SEQ1.OUTA");
    });
}

#[test]
fn what_cannot_be_made_so_is_said_in_the_words_of_the_box() {
    let impossible = [
        ("SEQ9.POSA", "ZERO"),
        ("SEQ1.POSB", "INENC9.VAL"),
        ("SEQ1.POSC", "COUNTER1.OUT"),
        ("SEQ1.STATE", "1"),
        ("PULSE2.DELAY", "1"),
        ("COUNTER1.OUT.WIDTH", "1"),
        ("COUNTER1.STEP", "-1x"),
    ];
    with_wired(&impossible, async |rig| {
        let expected = [
            "wiring.SEQ9.POSA: SEQ9.POSA = \"ZERO\": the PandA has no such field",
            "wiring.SEQ1.POSB: SEQ1.POSB = \"INENC9.VAL\": the PandA has no such value: it may be \
             INENC1.VAL, INENC2.VAL, INENC3.VAL, INENC4.VAL",
            "wiring.SEQ1.STATE: SEQ1.STATE = \"1\": it is a read enum, and no setting",
            "wiring.PULSE2.DELAY: PULSE2.DELAY = \"1\": it is a time, which is wired with its unit: \
             PULSE2.DELAY.UNITS is missing",
            "wiring.COUNTER1.OUT.WIDTH: COUNTER1.OUT.WIDTH = \"1\": the PandA has no such field",
            "wiring.COUNTER1.STEP: COUNTER1.STEP = \"-1x\": the PandA refuses it: Unexpected \
             character after input",
        ];
        assert_eq!(wrong(&reached(&rig).await), expected);
        // The rest is done nevertheless.
        assert_eq!(ask(&rig, "SEQ1.POSC").await, "COUNTER1.OUT");
        let fault = verify(&rig, &impossible[..2]).await.unwrap_err().to_string();
        let expected = "panda: cannot verify its wiring: wiring.SEQ9.POSA: SEQ9.POSA = \"ZERO\": the \
                        PandA has no such field; wiring.SEQ1.POSB: SEQ1.POSB = \"INENC9.VAL\": the PandA \
                        has no such value: it may be INENC1.VAL, INENC2.VAL, INENC3.VAL, INENC4.VAL";
        assert_eq!(fault, expected);
    });
}

/// They were found when they were written, after what came before them.
#[test]
fn values_that_a_box_has_not_were_written_to_it() {
    let impossible = [
        ("PCAP.TRIG_EDGE", "falling"),
        ("PCAP.GATE", "PCAP1.ACTIVE"),
        ("PULSE1.DELAY.UNITS", "ns"),
        ("PCAP.ENABLE.DELAY", "32"),
        ("PCAP.TRIG", "SEQUENCER"),
    ];
    let inventory = simulated();
    let all = wires(&impossible);
    let told: Vec<String> =
        all.iter().map(|wire| wire.check(&inventory, &all).unwrap_err().to_string()).collect();
    let has = "the PandA has no such value: it may be";
    let choices = &inventory.field(&"PCAP.TRIG".parse().unwrap()).unwrap().choices;
    let expected = [
        format!("{has} Rising, Falling, Either"),
        format!("{has} PCAP.ACTIVE"),
        format!("{has} min, s, ms, us"),
        "it is beyond 31, the longest delay".to_owned(),
        format!("{has} {} and {} more", choices[..12].join(", "), choices.len() - 12),
    ];
    assert_eq!(told, expected);
}

#[test]
fn numbers_are_the_same_however_they_are_written() {
    let wired = [
        ("COUNTER1.START", "-5"),
        ("COUNTER1.STEP", "0x10"),
        ("COUNTER1.OUT.SCALE", "1e-4"),
        ("COUNTER1.OUT.OFFSET", "-0"),
        ("COUNTER1.TRIG.DELAY", "31"),
        ("COUNTER1.TRIG_EDGE", "Either"),
    ];
    with_wired(&wired, async |rig| {
        assert_eq!(wrong(&reached(&rig).await), Vec::<String>::new());
        assert_eq!(ask(&rig, "COUNTER1.STEP").await, "16");
        assert_eq!(ask(&rig, "COUNTER1.OUT.SCALE").await, "0.0001");
        assert_eq!(verify(&rig, &wired).await, Ok(()));
    });
}

#[test]
fn wires_that_others_change_are_found_before_a_scan() {
    with_wired(&RIGHT, async |rig| {
        reached(&rig).await;
        set(&rig, "SEQ1.POSA", "ZERO").await;
        let fault = verify(&rig, &RIGHT).await.unwrap_err();
        let expected = "panda: cannot verify its wiring: SEQ1.POSA is ZERO, not COUNTER1.OUT as \
                        wiring.SEQ1.POSA says";
        assert_eq!(fault.to_string(), expected);
        // It is for people to say who is right.
        assert_eq!(ask(&rig, "SEQ1.POSA").await, "ZERO");
    });
}

#[test]
fn wires_of_a_box_that_is_away_are_not_known() {
    with_panda(async |rig| {
        reached(&rig).await;
        rig.panda.switch_off();
        tokio::task::yield_now().await;
        let fault = verify(&rig, &RIGHT).await.unwrap_err().to_string();
        let expected = "panda: cannot verify its wiring: panda://p is disconnected; its server p \
                        closed the connection (it died, or was stopped)";
        assert_eq!(fault, expected);
    });
}

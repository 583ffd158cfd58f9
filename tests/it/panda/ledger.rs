//! What others set is told apart from what we set, whoever asks and whoever is gone.
use super::rig::{Rig, wires, with_wired};
use bluefly_actors::signal::panda::{Session, Watch};
use bluefly_protocol::panda::{control::Command, reliance::Reliance};
use futures_util::FutureExt as _;

const WIRED: [(&str, &str); 6] = [
    ("PCAP.TRIG", "SEQ1.OUTA"),
    ("SEQ1.BITA", "LUT1.OUT"),
    ("SEQ1.ENABLE", "BITS.OUTA"),
    ("LUT1.INPA", "CLOCK2.OUT"),
    ("TTLOUT3.VAL", "PULSE2.OUT"),
    ("BITS.D", "1"),
];

async fn reliance(rig: &Rig, used: &[&str]) -> (Session, Reliance) {
    let session = rig.signals.seat("p").until_reached().await;
    session.ledger.look().await.unwrap();
    let used = used.iter().map(|block| block.parse().unwrap());
    let found = session
        .ledger
        .values(|values| Reliance::new(used, &wires(&WIRED[4..]), (&session.inventory, values)));
    (session, found)
}

async fn watch(rig: &Rig) -> (Session, Watch) {
    let (session, reliance) = reliance(rig, &["PCAP1"]).await;
    let watch = session.ledger.watch(reliance);
    (session, watch)
}

/// Somebody else says this.
fn others(rig: &Rig, line: &str) {
    rig.panda.with(|server| {
        let id = server.connect_control("127.0.0.1:9");
        server.receive(id, format!("{line}\n").as_bytes());
        assert_eq!(server.take_output(id), b"OK\n", "{line}");
        server.disconnect(id);
    });
}

async fn set(session: &Session, name: &str, value: &str) {
    session.control.done(Command::assign(name, value).unwrap()).await.unwrap();
}

async fn strange(watch: &Watch) -> Vec<String> {
    watch.look().await.unwrap().iter().map(ToString::to_string).collect()
}

#[test]
fn a_scan_relies_on_the_blocks_that_it_uses_and_those_that_they_look_at() {
    with_wired(&WIRED, async |rig| {
        let (_, reliance) = reliance(&rig, &["PCAP1", "INENC2"]).await;
        let relied = [
            "PCAP.TRIG",
            "PCAP.SHIFT_SUM",
            "PCAP.TRIG.DELAY",
            "INENC2.VAL.SCALE",
            "INENC2.PROTOCOL",
            "SEQ1.PRESCALE",
            "SEQ1.TABLE",
            "LUT1.FUNC",
            "CLOCK2.PERIOD",
            "TTLOUT3.VAL",
            "PULSE2.DELAY",
            "BITS.D",
        ];
        for name in relied {
            assert!(reliance.has(name), "{name}");
        }
        let others = [
            "SEQ2.PRESCALE",
            "INENC1.VAL.SCALE",
            "CLOCK1.PERIOD",
            "TTLOUT4.VAL",
            "PULSE1.DELAY",
            "BITS.A",
            "SEQ1.TABLE.QUEUED_LINES",
            "*METADATA.APPNAME",
        ];
        for name in others {
            assert!(!reliance.has(name), "{name}");
        }
    });
}

#[test]
fn what_we_set_is_ours_and_what_others_set_of_the_same_is_theirs() {
    with_wired(&WIRED, async |rig| {
        let (session, watch) = watch(&rig).await;
        session.ledger.own("SEQ1.PRESCALE.RAW");
        set(&session, "SEQ1.PRESCALE.RAW", "5").await;
        session.ledger.own("PCAP1.SHIFT_SUM");
        set(&session, "PCAP1.SHIFT_SUM", "2").await;
        assert_eq!(strange(&watch).await, [""; 0]);
        others(&rig, "SEQ1.PRESCALE.RAW=5");
        others(&rig, "PCAP.SHIFT_SUM=3");
        others(&rig, "SEQ1.TABLE<\n1 0 0 1\n");
        let expected = [
            "PCAP.SHIFT_SUM was set to 3 while the scan ran; it was 2",
            "SEQ1.PRESCALE was set while the scan ran, and is 4e-08 as before",
            "SEQ1.TABLE was written while the scan ran",
        ];
        let mut found = strange(&watch).await;
        found.sort();
        assert_eq!(found, expected);
    });
}

#[test]
fn what_was_announced_and_not_taken_hides_nothing_later() {
    with_wired(&WIRED, async |rig| {
        let (session, watch) = watch(&rig).await;
        session.ledger.own("PCAP.SHIFT_SUM");
        let refused = Command::assign("PCAP.SHIFT_SUM", "99").unwrap();
        session.control.done(refused).await.unwrap_err();
        assert_eq!(strange(&watch).await, [""; 0]);
        others(&rig, "PCAP.SHIFT_SUM=3");
        assert_eq!(strange(&watch).await.len(), 1);
    });
}

#[test]
fn a_look_that_was_given_up_lost_what_it_was_told() {
    with_wired(&WIRED, async |rig| {
        let (session, watch) = watch(&rig).await;
        others(&rig, "PCAP.GATE=ONE");
        // Asked, and nobody waits for what comes.
        assert!(session.ledger.look().now_or_never().is_none());
        for _ in 0..16 {
            tokio::task::yield_now().await;
        }
        others(&rig, "PCAP.GATE=ZERO");
        let expected = ["PCAP.GATE was set to ONE while the scan ran; it was ZERO"];
        assert_eq!(strange(&watch).await, expected);
    });
}

#[test]
fn looks_of_two_at_once_tell_both() {
    with_wired(&WIRED, async |rig| {
        let ((session, one), (_, other)) = (watch(&rig).await, watch(&rig).await);
        others(&rig, "PCAP.GATE=ONE");
        let (one, other) = futures_util::join!(strange(&one), strange(&other));
        let expected = ["PCAP.GATE was set to ONE while the scan ran; it was ZERO"];
        assert_eq!(
            (one, other),
            (expected.map(str::to_owned).into(), expected.map(str::to_owned).into())
        );
        drop(session);
    });
}

#[test]
fn a_connection_that_was_lost_leaves_unknown_what_was_set() {
    with_wired(&WIRED, async |rig| {
        let (_, watch) = watch(&rig).await;
        rig.panda.cut();
        tokio::task::yield_now().await;
        rig.signals.seat("p").until_reached().await;
        let fault = watch.look().await.unwrap_err().to_string();
        assert_eq!(fault, "control port: *CHANGES.CONFIG? was not sent: the connection was closed");
    });
}

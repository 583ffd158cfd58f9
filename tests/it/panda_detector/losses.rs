//! Rows that do not come, and connections that end: told at once, and gone on from.
use super::{
    arms::journal,
    faults::check,
    rig::{Rig, arm, plan, position, with_rig},
};
use crate::beam::ms;
use bluefly_actors::logic::detector::DetectorLogic as _;
use bluefly_protocol::fault::FaultClass;
use std::time::Duration;

const TAKING: &str = "panda: cannot bring its rows to disk";

/// So many rows are on disk, those that follow can be taken again, and all are where they belong.
async fn goes_on(rig: &Rig, on_disk: u64) {
    assert_eq!(rig.capture.disarm().await.unwrap(), on_disk);
    rig.assert_at_rest();
    rig.tell(&format!("COUNTER1.START={on_disk}"));
    let left = 20 - on_disk;
    if left > 0 {
        rig.take(arm(on_disk, left), u32::try_from(left).unwrap()).await.unwrap();
    }
    assert_eq!(rig.capture.disarm().await.unwrap(), 20);
    rig.capture.close().await.unwrap();
    assert_eq!(rig.positions(), (0..20).map(position).collect::<Vec<_>>());
    assert_eq!(rig.capture.make_safe().await.unwrap(), None);
}

#[test]
fn an_end_that_comes_early_is_a_loss() {
    with_rig(async |rig: Rig| {
        rig.open().await;
        let text = format!("{TAKING}: 12 rows are there, and 20 were due");
        check(rig.take(arm(0, 20), 12).await, FaultClass::Lost, &text);
        goes_on(&rig, 12).await;
    });
}

#[test]
fn a_capture_that_others_disarm_is_a_loss() {
    with_rig(async |rig: Rig| {
        rig.open().await;
        let disarms = async {
            rig.clock.sleep(Duration::from_micros(6_600)).await;
            rig.tell("*PCAP.DISARM=");
        };
        let (taken, ()) = futures_util::join!(rig.take(arm(0, 20), 20), disarms);
        let text = format!("{TAKING}: 6 rows are there, and 20 were due");
        check(taken, FaultClass::Lost, &text);
        goes_on(&rig, 6).await;
    });
}

/// Rows of which the last come closer together than they can be captured.
const CLOSE: &[u8] = b"SEQ1.TABLE<\n1 0 0 125000 1048580 0 62500 62500 1048592 0 1 1\n\n";

#[test]
fn triggers_that_come_too_close_together_are_a_loss() {
    with_rig(async |rig: Rig| {
        rig.open().await;
        rig.sequence(20);
        rig.panda.with(|server| {
            let id = server.connect_control("127.0.0.1:9");
            server.receive(id, CLOSE);
            assert_eq!(server.take_output(id), b"OK\n");
            server.disconnect(id);
        });
        rig.capture.arm(&arm(0, 20)).await.unwrap();
        rig.fire();
        let text = format!(
            "{TAKING}: it ended with `Framing error`; 4 rows are there, and 20 were due; the health \
             of PCAP is `Capture events too close together`"
        );
        check(rig.capture.on_disk(|_| ()).await, FaultClass::Lost, &text);
        goes_on(&rig, 4).await;
    });
}

#[test]
fn rows_beyond_those_that_were_due_are_no_frames() {
    with_rig(async |rig: Rig| {
        rig.open().await;
        let text =
            format!("{TAKING}: 7 rows came, and 5 were due: which of them are frames is not known");
        check(rig.take(arm(0, 5), 7).await, FaultClass::Failed, &text);
        assert_eq!(rig.capture.disarm().await.unwrap(), 5);
        assert_eq!(rig.positions().len(), 5);
    });
}

#[test]
fn an_overrun_is_a_loss_from_the_first_row_that_may_be_spoilt() {
    with_rig(async |rig: Rig| {
        rig.open().await;
        rig.tap.edit("END 150 Ok", "END 150 Data overrun");
        let text = format!(
            "{TAKING}: it ended with `Data overrun`; 51 rows at the end may be spoilt and are left \
             out; 99 rows are there, and 150 were due"
        );
        check(rig.take(arm(0, 150), 150).await, FaultClass::Lost, &text);
        assert_eq!(rig.capture.disarm().await.unwrap(), 99);
        assert_eq!(rig.positions(), (0..99).map(position).collect::<Vec<_>>());
    });
}

#[test]
fn rows_that_were_missed_are_a_loss_and_those_that_came_are_where_they_belong() {
    with_rig(async |rig: Rig| {
        rig.open().await;
        rig.take(arm(0, 5), 5).await.unwrap();
        rig.tap.edit("missed=\"0\"", "missed=\"3\"");
        let text = format!("{TAKING}: 3 rows were lost before its data port was read");
        check(rig.take(arm(5, 10), 10).await, FaultClass::Lost, &text);
        assert_eq!(rig.capture.disarm().await.unwrap(), 5);
        let rows = rig.positions();
        assert!(rows[5..8].iter().all(|row| row.is_nan()), "{rows:?}");
        // There was no room for the last two of them.
        assert_eq!(rows[8..], (0..7).map(position).collect::<Vec<_>>());
        assert_eq!(journal(&rig.file())[1].0, [8, 7, 9, 9, 9, 10]);
    });
}

#[test]
fn a_data_port_that_closes_is_waited_for_and_connected_anew() {
    with_rig(async |rig: Rig| {
        rig.open().await;
        let cuts = async {
            rig.clock.sleep(ms(150)).await;
            rig.tap.cut();
            std::future::pending::<()>().await;
        };
        let taken = tokio::select! { biased;
            taken = rig.take(arm(0, 200), 200) => taken,
            () = cuts => unreachable!("it waits"),
        };
        let text = format!(
            "{TAKING}: data port: the connection was closed after 99 rows, before the end of the \
             experiment was told"
        );
        check(taken, FaultClass::Disconnected, &text);
        // What the box handed over before is there.
        assert_eq!(rig.capture.disarm().await.unwrap(), 99);
        rig.assert_at_rest();
        rig.tell("COUNTER1.START=99");
        rig.take(arm(99, 50), 50).await.unwrap();
        assert_eq!(rig.positions(), (0..149).map(position).collect::<Vec<_>>());
        let told = journal(&rig.file());
        let cut = "the end was not told; 99 rows are there, and 200 were due".to_owned();
        assert_eq!(told[0], (vec![0, 99, 99, -1, -1, 200], String::new(), cut));
    });
}

#[test]
fn rows_that_cannot_be_read_were_told_as_a_connection_that_was_closed() {
    with_rig(async |rig: Rig| {
        rig.open().await;
        rig.tap.edit("BIN ", "BAD ");
        let fault = rig.take(arm(0, 20), 20).await.unwrap_err();
        let text = "is 0x42 where rows or an ending are to begin";
        assert!(fault.reason.ends_with(text), "{fault}");
        assert_eq!(fault.class, FaultClass::Failed);
        assert_eq!(rig.capture.disarm().await.unwrap(), 0);
    });
}

/// Something that no server says comes in the second arm: it is told with its place, what came before
/// is kept, and the port is dialled anew for the next arm.
fn check_malformed(was: &str, now: &str, text: &str) {
    with_rig(async |rig: Rig| {
        rig.open().await;
        rig.take(arm(0, 5), 5).await.unwrap();
        rig.tap.edit(was, now);
        rig.tell("COUNTER1.START=5");
        let fault = rig.take(arm(5, 10), 10).await.unwrap_err();
        assert!(fault.to_string().starts_with(TAKING), "{fault}");
        assert!(fault.reason.ends_with(text), "{fault}");
        assert_eq!(fault.class, FaultClass::Failed, "{fault}");
        assert_eq!(rig.capture.disarm().await.unwrap(), 5);
        rig.assert_at_rest();
        rig.tap.edit(now, was);
        goes_on(&rig, 5).await;
    });
}

#[test]
fn malformed_rows_and_headers_end_an_arm_and_not_the_file() {
    check_malformed("BIN ", "BAD ", " is 0x42 where rows or an ending are to begin");
    check_malformed("<fields>", "<field>", ": <fields> is expected");
    let kind = ": COUNTER1.OUT is of type `int128`, which is not known";
    check_malformed("type=\"int32\"", "type=\"int128\"", kind);
    check_malformed("sample_bytes=", "simple_bytes=", ": data has no sample_bytes");
    let ending = " does not say how many rows it ends: `END ten Ok`";
    check_malformed("END 10 Ok", "END ten Ok", ending);
}

#[test]
fn a_data_port_that_says_nothing_is_given_up_when_it_is_disarmed() {
    with_rig(async |rig: Rig| {
        rig.open().await;
        rig.sequence(20);
        rig.capture.arm(&arm(0, 20)).await.unwrap();
        rig.tap.hold();
        rig.fire();
        rig.clock.sleep(ms(50)).await;
        let began = rig.clock.now();
        assert_eq!(rig.capture.disarm().await.unwrap(), 0);
        assert_eq!(rig.clock.now() - began, Duration::from_secs(10));
        rig.assert_at_rest();
        assert_eq!(rig.capture.make_safe().await.unwrap().unwrap().frames_on_disk, 0);
    });
}

#[test]
fn a_process_that_was_to_end_waited_for_a_data_port_that_says_nothing() {
    with_rig(async |rig: Rig| {
        let capture = rig.wired(&[]);
        capture.open(&plan()).await.unwrap();
        rig.sequence(20);
        capture.arm(&arm(0, 20)).await.unwrap();
        rig.tap.hold();
        rig.fire();
        rig.clock.sleep(ms(50)).await;
        let began = rig.clock.now();
        let hurry = async {
            rig.clock.sleep(ms(1_000)).await;
            capture.hurry();
        };
        let (disarmed, ()) = futures_util::join!(capture.disarm(), hurry);
        assert_eq!(disarmed.unwrap(), 0);
        assert_eq!((rig.clock.now() - began).as_millis(), 3_000);
        rig.assert_at_rest();
    });
}

/// The box is cut off in the middle of a capture: told at once, and afterwards it is disarmed, what
/// came before is there, and it goes on.
fn check_away(trouble: impl Fn(&Rig), comes_back: impl Fn(&Rig), text: &str) {
    with_rig(async |rig: Rig| {
        rig.open().await;
        rig.take(arm(0, 5), 5).await.unwrap();
        rig.tell("COUNTER1.START=5");
        rig.sequence(15);
        rig.capture.arm(&arm(5, 15)).await.unwrap();
        rig.fire();
        let makes_trouble = async {
            rig.clock.sleep(Duration::from_micros(3_600)).await;
            trouble(&rig);
            std::future::pending::<()>().await;
        };
        let taken = tokio::select! { biased;
            taken = rig.capture.on_disk(|_| ()) => taken,
            () = makes_trouble => unreachable!("it waits"),
        };
        check(taken, FaultClass::Disconnected, &format!("{TAKING}: {text}"));
        let fault = rig.capture.disarm().await.unwrap_err();
        assert_eq!(fault.class, FaultClass::Disconnected, "{fault}");
        comes_back(&rig);
        rig.reached().await;
        let on_disk = rig.capture.disarm().await.unwrap();
        assert!((5..=20).contains(&on_disk), "{on_disk}");
        goes_on(&rig, on_disk).await;
    });
}

#[test]
fn a_box_that_is_cut_off_comes_back_to_the_same_file() {
    let closed = "panda://p is disconnected; its server p closed the connection (it died, or was \
                  stopped)";
    check_away(|rig| rig.panda.cut(), |_| (), closed);
    check_away(|rig| rig.panda.switch_off(), |rig| rig.panda.switch_on(None), closed);
    let silent = "panda://p is disconnected; its server p was silent for 60 ms (it hangs, or is cut \
                  off)";
    check_away(|rig| rig.panda.hang(), |rig| rig.panda.go_on(), silent);
}

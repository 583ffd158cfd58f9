//! Settings that others change while rows are captured: found at the next look, also when they were put
//! back, and nothing counts that came since the look before.
use super::{
    faults::check,
    rig::{Rig, arm, plan, position, with_rig},
};
use bluefly_actors::logic::{
    detector::DetectorLogic as _,
    panda::{capture::PandaCapture, wired::Wired},
};
use bluefly_protocol::fault::{Fault, FaultClass};
use std::{cell::Cell, time::Duration};

const ROWS: u32 = 600;
const WIRES: [(&str, &str); 2] = [("PCAP.TRIG", "SEQ1.OUTA"), ("PCAP1.GATE", "SEQ1.OUTA")];

/// Takes rows, one each millisecond, while somebody else says this at 250.6 and at 270.6 ms; how many
/// of them are vouched for.
async fn take(
    rig: &Rig,
    capture: &Wired<PandaCapture>,
    meanwhile: &[&str],
) -> (Result<(), Fault>, u64) {
    rig.sequence(ROWS);
    capture.arm(&arm(0, ROWS.into())).await.unwrap();
    rig.fire();
    let told = Cell::new(0);
    let others = async {
        rig.clock.sleep(Duration::from_micros(250_600)).await;
        for line in meanwhile {
            rig.tell(line);
            rig.clock.sleep(Duration::from_millis(20)).await;
        }
    };
    let progress = |frames| told.set(frames);
    let (taken, ()) = futures_util::join!(capture.on_disk(&progress), others);
    (taken, told.get())
}

/// What others say ends the arm with this reason; what came before is there, and the rest can be
/// taken again.
fn check_found(meanwhile: &[&str], reason: &str) {
    with_rig(async |rig: Rig| {
        let capture = rig.wired(&WIRES);
        capture.open(&plan()).await.unwrap();
        let (taken, good) = take(&rig, &capture, meanwhile).await;
        let text = format!("panda: cannot bring its rows to disk: {reason}");
        check(taken, FaultClass::Lost, &text);
        // The box hands rows over every 100 ms; they are on disk 100 ms later, and then it is looked.
        assert_eq!(good, 99);
        // It is told once.
        assert_eq!(capture.disarm().await.unwrap(), good);
        assert_eq!(capture.make_safe().await.unwrap().unwrap().frames_on_disk, good);
        assert_eq!(rig.file().committed, good);
        let left = 100;
        rig.sequence(left);
        capture.arm(&arm(good, left.into())).await.unwrap();
        rig.fire();
        capture.on_disk(&|_| ()).await.unwrap();
        assert_eq!(capture.disarm().await.unwrap(), good + u64::from(left));
        capture.close().await.unwrap();
        let before = (0..u32::try_from(good).unwrap()).map(position);
        let expected: Vec<f64> = before.chain((0..left).map(position)).collect();
        // What was taken out is beyond the end, and nothing that counts.
        assert_eq!((rig.file().committed, &rig.positions()[..199]), (199, &expected[..]));
        let now = ["PCAP.GATE?", "PCAP.SHIFT_SUM?", "SEQ1.PRESCALE.RAW?", "COUNTER1.OUT.SCALE?"];
        let as_before = ["SEQ1.OUTA", "0", "0", "0.5"].map(|value| format!("OK ={value}\n"));
        assert_eq!(now.map(|field| rig.ask(field)), as_before);
    });
}

#[test]
fn a_wire_that_was_changed_and_put_back_spoilt_rows() {
    let reason = "PCAP.GATE was set while the scan ran, and is SEQ1.OUTA as before";
    check_found(&["PCAP.GATE=ZERO", "PCAP.GATE=SEQ1.OUTA"], reason);
}

#[test]
fn a_wire_that_was_changed_was_found_after_the_last_row() {
    let reason = "PCAP.GATE was set to ZERO while the scan ran; it was SEQ1.OUTA";
    check_found(&["PCAP.GATE=ZERO"], reason);
}

#[test]
fn a_shift_of_sums_that_was_changed_spoilt_rows() {
    check_found(&["PCAP.SHIFT_SUM=3"], "PCAP.SHIFT_SUM was set to 3 while the scan ran; it was 0");
    let reason = "PCAP.SHIFT_SUM was set while the scan ran, and is 0 as before";
    check_found(&["PCAP.SHIFT_SUM=3", "PCAP.SHIFT_SUM=0"], reason);
}

#[test]
fn a_scale_that_was_changed_spoilt_rows() {
    let reason = "COUNTER1.OUT.SCALE was set to 7 while the scan ran; it was 0.5";
    check_found(&["COUNTER1.OUT.SCALE=7"], reason);
}

#[test]
fn what_is_captured_was_changed_in_mid_scan() {
    let reason = "COUNTER1.OUT.CAPTURE was set to No while the scan ran; it was Value Diff";
    check_found(&["COUNTER1.OUT.CAPTURE=No"], reason);
}

#[test]
fn a_block_that_is_looked_at_was_changed_in_mid_scan() {
    let reason = "SEQ1.PRESCALE was set while the scan ran, and is 0 as before";
    check_found(&["SEQ1.PRESCALE.RAW=5", "SEQ1.PRESCALE.RAW=0"], reason);
}

#[test]
fn what_others_set_of_other_blocks_is_theirs() {
    with_rig(async |rig: Rig| {
        let capture = rig.wired(&WIRES);
        capture.open(&plan()).await.unwrap();
        let others = [
            "SEQ2.PRESCALE.RAW=7",
            "COUNTER8.STEP=3",
            "COUNTER2.OUT.SCALE=9",
            "PULSE1.DELAY.RAW=1000",
            "BITS.C=1",
            "TTLOUT5.VAL=PULSE4.OUT",
        ];
        let (taken, good) = take(&rig, &capture, &others).await;
        taken.unwrap();
        assert_eq!(good, u64::from(ROWS));
        assert_eq!(capture.disarm().await.unwrap(), u64::from(ROWS));
        assert_eq!(rig.positions(), (0..ROWS).map(position).collect::<Vec<_>>());
    });
}

#[test]
fn a_pause_hid_what_was_changed_before_it() {
    with_rig(async |rig: Rig| {
        let capture = rig.wired(&WIRES);
        capture.open(&plan()).await.unwrap();
        rig.sequence(ROWS);
        capture.arm(&arm(0, ROWS.into())).await.unwrap();
        rig.fire();
        let good = Cell::new(0);
        let progress = |frames| good.set(frames);
        let pause = rig.clock.sleep(Duration::from_micros(250_600));
        tokio::select! { biased;
            taken = capture.on_disk(&progress) => panic!("{taken:?} before it is paused"),
            () = pause => {}
        }
        rig.tell("PCAP.SHIFT_SUM=3");
        rig.tell("PCAP.SHIFT_SUM=0");
        let text = "panda: cannot disarm: PCAP.SHIFT_SUM was set while the scan ran, and is 0 as \
                    before";
        check(capture.disarm().await, FaultClass::Lost, text);
        rig.assert_at_rest();
        assert_eq!((good.get(), capture.disarm().await.unwrap()), (99, 99));
        assert_eq!(rig.file().committed, 99);
    });
}

#[test]
fn rows_that_came_after_what_another_told_stayed_in_the_file() {
    with_rig(async |rig: Rig| {
        let (capture, other) = (rig.wired(&WIRES), rig.wired(&WIRES));
        capture.open(&plan()).await.unwrap();
        rig.sequence(ROWS);
        // It has no file; what is set is watched from here on all the same.
        other.arm(&arm(0, ROWS.into())).await.unwrap_err();
        capture.arm(&arm(0, ROWS.into())).await.unwrap();
        rig.fire();
        tokio::select! { biased;
            taken = capture.on_disk(&|_| ()) => panic!("{taken:?} before it is paused"),
            () = rig.clock.sleep(Duration::from_micros(250_600)) => {}
        }
        rig.tell("PCAP.SHIFT_SUM=3");
        assert_eq!(other.disarm().await.unwrap_err().class, FaultClass::Lost);
        assert_eq!(capture.disarm().await.unwrap(), 99);
        assert_eq!(rig.file().committed, 99);
    });
}

#[test]
fn what_was_set_before_a_connection_was_lost_is_not_known() {
    with_rig(async |rig: Rig| {
        let capture = rig.wired(&WIRES);
        capture.open(&plan()).await.unwrap();
        rig.sequence(ROWS);
        capture.arm(&arm(0, ROWS.into())).await.unwrap();
        rig.fire();
        let cut = async {
            rig.clock.sleep(Duration::from_micros(250_600)).await;
            rig.panda.cut();
            std::future::pending::<()>().await;
        };
        let taken = tokio::select! { biased;
            taken = capture.on_disk(&|_| ()) => taken,
            () = cut => unreachable!("it waits"),
        };
        assert_eq!(taken.unwrap_err().class, FaultClass::Disconnected);
        rig.reached().await;
        // Those of the last look, though more were handed over.
        assert_eq!(capture.disarm().await.unwrap(), 99);
    });
}

#[test]
fn a_table_of_others_that_was_written_in_mid_scan_cannot_be_undone() {
    with_rig(async |rig: Rig| {
        let capture = rig.wired(&WIRES);
        capture.open(&plan()).await.unwrap();
        let (taken, _) = take(&rig, &capture, &["SEQ1.TABLE<\n1 0 0 1\n"]).await;
        let text =
            "panda: cannot bring its rows to disk: SEQ1.TABLE was written while the scan ran";
        check(taken, FaultClass::Failed, text);
        capture.disarm().await.unwrap();
        rig.assert_at_rest();
    });
}

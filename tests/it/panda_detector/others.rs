//! Captures of somebody else, over the same data port: their rows are no frames, however late they come.
use super::{
    arms::journal,
    faults::check,
    rig::{Rig, arm, position, with_rig},
};
use crate::beam::ms;
use bluefly_protocol::fault::FaultClass;
use std::time::Duration;

#[test]
fn rows_that_others_captured_in_a_pause_came_late_and_were_frames() {
    with_rig(async |rig: Rig| {
        rig.open().await;
        rig.take(arm(0, 5), 5).await.unwrap();
        rig.tap.lag(ms(300));
        rig.tell("COUNTER1.START=1000");
        rig.sequence(500);
        rig.tell("*PCAP.ARM=");
        rig.fire();
        // Their header and 99 rows are on their way.
        rig.clock.sleep(ms(150)).await;
        rig.sequence(5);
        rig.tell("COUNTER1.START=5");
        rig.take(arm(5, 5), 5).await.unwrap();
        assert_eq!(rig.capture.disarm().await.unwrap(), 10);
        rig.capture.close().await.unwrap();
        assert_eq!(rig.positions(), (0..10).map(position).collect::<Vec<_>>());
    });
}

#[test]
fn rows_that_others_captured_in_a_pause_were_frames_behind_ours() {
    with_rig(async |rig: Rig| {
        rig.open().await;
        rig.take(arm(0, 5), 5).await.unwrap();
        rig.sequence(8);
        rig.tell("*PCAP.ARM=");
        rig.fire();
        rig.clock.sleep(ms(500)).await;
        assert_eq!(rig.capture.disarm().await.unwrap(), 5);
        assert_eq!(rig.positions(), (0..5).map(position).collect::<Vec<_>>());
        // Its reader has ended with them, and there is another one.
        rig.tell("COUNTER1.START=5");
        rig.take(arm(5, 5), 5).await.unwrap();
        assert_eq!(rig.capture.disarm().await.unwrap(), 10);
        rig.capture.close().await.unwrap();
        assert_eq!(rig.positions(), (0..10).map(position).collect::<Vec<_>>());
        assert_eq!(journal(&rig.file()).len(), 2);
    });
}

#[test]
fn an_arm_of_others_in_the_middle_of_ours_is_a_loss() {
    with_rig(async |rig: Rig| {
        rig.open().await;
        let others = async {
            rig.clock.sleep(Duration::from_micros(6_600)).await;
            rig.tell("*PCAP.DISARM=");
            // Our reader takes the end first.
            for _ in 0..16 {
                tokio::task::yield_now().await;
            }
            rig.tell("*PCAP.ARM=");
        };
        let (taken, ()) = futures_util::join!(rig.take(arm(0, 20), 20), others);
        let text = "panda: cannot bring its rows to disk: 6 rows are there, and 20 were due";
        check(taken, FaultClass::Lost, text);
        assert_eq!(rig.capture.disarm().await.unwrap(), 6);
        rig.tell("COUNTER1.START=6");
        rig.take(arm(6, 14), 14).await.unwrap();
        assert_eq!(rig.positions(), (0..20).map(position).collect::<Vec<_>>());
    });
}

#[test]
fn a_pause_judged_nothing_of_the_rows_before_it() {
    let told = |was: &str, now: &str, class: FaultClass, reason: &str| {
        with_rig(async |rig: Rig| {
            rig.open().await;
            rig.sequence(20);
            rig.tap.edit(was, now);
            rig.capture.arm(&arm(0, 20)).await.unwrap();
            rig.fire();
            rig.clock.sleep(Duration::from_micros(8_600)).await;
            let text = format!("panda: cannot disarm: {reason}");
            check(rig.capture.disarm().await, class, &text);
            rig.assert_at_rest();
            // It is told once.
            rig.capture.disarm().await.unwrap();
        });
    };
    let received = "8 rows came, and 9 are said to have been sent";
    told("END 8 Disarmed", "END 9 Disarmed", FaultClass::Lost, received);
    let missed = "3 rows at the beginning were lost before the data port was read; 8 rows were \
                  captured, and 11 came or were lost before";
    told("missed=\"0\"", "missed=\"3\"", FaultClass::Lost, missed);
    let spoilt = "it ended with `Framing error`";
    told("END 8 Disarmed", "END 8 Framing error", FaultClass::Lost, spoilt);
}

//! What cannot be done is refused, and what fails is told with the PandA, the cause and the rule.
use super::rig::{Rig, arm, column, plan, position, with_columns, with_rig};
use crate::beam::ms;
use bluefly_actors::storage::{DiskCall, DiskFault, FaultAfter, FaultEffect};
use bluefly_protocol::{
    fault::{Fault, FaultClass},
    panda::Capture,
};
use std::time::Duration;

#[track_caller]
pub(super) fn check<T: std::fmt::Debug>(result: Result<T, Fault>, class: FaultClass, text: &str) {
    let fault = result.unwrap_err();
    assert_eq!((fault.class, fault.to_string().as_str()), (class, text));
}

#[test]
fn fields_that_cannot_be_captured_are_named() {
    let told = |field: &str, capture: Capture, reason: &str| {
        with_columns(vec![column(field, &[capture])], async |rig: Rig| {
            let text = format!("panda: cannot describe its file: {reason}");
            check(rig.capture.describe(), FaultClass::Rejected, &text);
            let text = format!("panda: cannot open /data/run/panda.h5: {reason}");
            check(rig.capture.open(&plan()).await, FaultClass::Rejected, &text);
            assert_eq!(rig.disk.paths(), [""; 0].map(std::path::PathBuf::from));
        });
    };
    told("COUNTER9.OUT", Capture::Value, "it has no COUNTER9.OUT");
    told("COUNTER1.NONE", Capture::Value, "it has no COUNTER1.NONE");
    told("COUNTER1.ENABLE", Capture::Value, "COUNTER1.ENABLE is bit_mux, which cannot be captured");
    let times = "PCAP.TS_TRIG is ext_out timestamp, of which there is no Mean: only Value";
    told("PCAP.TS_TRIG", Capture::Mean, times);
}

#[test]
fn what_a_detector_of_rows_cannot_do_is_refused_by_name() {
    use bluefly_actors::logic::detector::DetectorLogic as _;
    with_rig(async |rig: Rig| {
        let reason = "it captures rows of numbers, of which there is no sum";
        let text = format!("panda: cannot take a single frame: {reason}");
        check(rig.capture.take_one(ms(1)).await, FaultClass::Rejected, &text);
        let text = format!("panda: cannot summarise frames 3..5: {reason}");
        check(rig.capture.summary(3..5).await, FaultClass::Rejected, &text);
    });
}

#[test]
fn what_is_asked_out_of_order_is_refused() {
    with_rig(async |rig: Rig| {
        let arming = "panda: cannot arm for frames 0 to 4: no file is open";
        check(rig.capture.arm(&arm(0, 5)).await, FaultClass::Failed, arming);
        let taking = "panda: cannot bring its rows to disk: it is not armed";
        check(rig.capture.on_disk(|_| ()).await, FaultClass::Failed, taking);
        rig.open().await;
        check(rig.capture.on_disk(|_| ()).await, FaultClass::Failed, taking);
        let none = "panda: cannot arm for frames 3 to 3: there are no frames";
        check(rig.capture.arm(&arm(3, 0)).await, FaultClass::Rejected, none);
        let open = "panda: cannot open /data/run/panda.h5: /data/run/panda.h5 is still open";
        check(rig.capture.open(&plan()).await, FaultClass::Failed, open);
        rig.capture.close().await.unwrap();
        let exists = "panda: cannot open /data/run/panda.h5: cannot create /data/run/panda.h5: \
                      there is a file of that name";
        check(rig.capture.open(&plan()).await, FaultClass::Failed, exists);
        assert_eq!(rig.capture.make_safe().await.unwrap(), None);
    });
}

#[test]
fn an_arm_waits_for_others_that_read_the_last_capture() {
    with_rig(async |rig: Rig| {
        rig.open().await;
        let other = rig.panda.with(|server| {
            let other = server.connect_data("127.0.0.1:7");
            server.receive(other, b"XML FRAMED RAW\n");
            server.take_output(other);
            other
        });
        rig.take(arm(0, 5), 5).await.unwrap();
        rig.sequence(5);
        let began = rig.clock.now();
        let reads = async {
            rig.clock.sleep(ms(400)).await;
            drop(rig.panda.with(|server| server.take_output(other)));
        };
        let next = arm(5, 5);
        let (armed, ()) = futures_util::join!(rig.capture.arm(&next), reads);
        armed.unwrap();
        // It is tried after 50, 150, 350 and 750 ms.
        assert_eq!(rig.clock.now() - began, ms(750));
        rig.capture.disarm().await.unwrap();
    });
}

#[test]
fn an_arm_does_not_wait_for_others_for_ever() {
    with_rig(async |rig: Rig| {
        rig.open().await;
        rig.panda.with(|server| {
            let other = server.connect_data("127.0.0.1:7");
            server.receive(other, b"XML FRAMED RAW\n");
            server.take_output(other);
        });
        rig.take(arm(0, 5), 5).await.unwrap();
        let began = rig.clock.now();
        let text = "panda: cannot arm for frames 5 to 9: cannot arm for 15 s, as others have not \
                    taken the last capture to its end: Unexpected error at server/data_server.c:254";
        check(rig.capture.arm(&arm(5, 5)).await, FaultClass::Failed, text);
        assert_eq!(rig.clock.now() - began, Duration::from_secs(15));
        assert_eq!(rig.capture.disarm().await.unwrap(), 5);
        rig.assert_at_rest();
    });
}

#[test]
fn a_capture_of_others_is_ended_before_ours() {
    with_rig(async |rig: Rig| {
        rig.open().await;
        rig.tell("*PCAP.ARM=");
        rig.take(arm(0, 5), 5).await.unwrap();
        assert_eq!(rig.positions(), (0..5).map(position).collect::<Vec<_>>());
    });
}

#[test]
fn a_disk_that_fails_ends_the_capture_and_closes_with_its_fault() {
    let told = |call: DiskCall, error: &str| {
        with_rig(async |rig: Rig| {
            rig.open().await;
            rig.take(arm(0, 5), 5).await.unwrap();
            let (after, effect) = (FaultAfter::Calls(0), FaultEffect::Error);
            rig.faults.add(DiskFault { path: None, call, after, effect });
            let text = format!("panda: cannot bring its rows to disk: {error}");
            check(rig.take(arm(5, 5), 5).await, FaultClass::Failed, &text);
            let text = format!("panda: cannot disarm: {error}");
            check(rig.capture.disarm().await, FaultClass::Failed, &text);
            rig.assert_at_rest();
            let file = rig.capture.make_safe().await.unwrap().unwrap();
            assert_eq!(file.frames_on_disk, 5);
            let text = format!("panda: cannot arm for frames 5 to 9: {error}");
            check(rig.capture.arm(&arm(5, 5)).await, FaultClass::Failed, &text);
            let text = format!("panda: cannot close its file: {error}");
            check(rig.capture.close().await, FaultClass::Failed, &text);
            assert_eq!(rig.capture.make_safe().await.unwrap(), None);
            rig.capture.close().await.unwrap();
        });
    };
    told(DiskCall::Write, "cannot write /data/run/panda.h5: injected fault");
    told(DiskCall::Flush, "cannot flush /data/run/panda.h5: injected fault");
    told(DiskCall::Commit, "cannot commit rows of /data/run/panda.h5: injected fault");
}

#[test]
fn a_file_that_cannot_be_made_is_told_and_nothing_is_open() {
    let told = |call: DiskCall, error: &str| {
        with_rig(async |rig: Rig| {
            let (after, effect) = (FaultAfter::Calls(0), FaultEffect::Error);
            rig.faults.add(DiskFault { path: None, call, after, effect });
            let text = format!("panda: cannot open /data/run/panda.h5: {error}: injected fault");
            check(rig.capture.open(&plan()).await, FaultClass::Failed, &text);
            assert_eq!(rig.capture.make_safe().await.unwrap(), None);
            rig.faults.clear();
            rig.open().await;
        });
    };
    told(DiskCall::MakeDirectory, "cannot make the directory /data/run");
    told(DiskCall::Create, "cannot create /data/run/panda.h5");
    told(DiskCall::FreeBytes, "cannot find the free space of /data/run/panda.h5");
}

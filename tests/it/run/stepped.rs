//! Scans that step by command: the axes come to rest, every detector is told to take the frame, and
//! they go on.
use super::{
    rates::numbers,
    rig::{GRID, Rig, Setup, name, with_rig},
};
use bluefly_actors::{
    coordinator::{Abort, Pause, Resume, Stop},
    status::Outcome,
};
use bluefly_protocol::run::RunPhase;
use bluefly_sim::faults::{Fault, Planned};
use std::time::Duration;

/// 3 x 4 frames of 60 ms, at rest.
const STEPS: &str = r#"{"type": "ConstantDuration", "constant_duration": 0.06, "spec":
    {"type": "Product",
        "outer": {"type": "Linspace", "axis": "y", "start": 0, "stop": 2, "num": 3},
        "inner": {"type": "Linspace", "axis": "x", "start": 0, "stop": 9, "num": 4}}}"#;

fn ms(duration: u64) -> Duration {
    Duration::from_millis(duration)
}

/// Both detectors take a frame at a command; the diode exposes three times in each.
fn stepped() -> Setup {
    let edits = vec![
        ("dead_time = \"1 ms\"", "dead_time = \"1 ms\"\ntrigger = \"software\""),
        (
            "dead_time = \"500 us\"",
            "dead_time = \"500 us\"\ntrigger = \"software\"\nexposures_per_frame = 3",
        ),
    ];
    Setup { edits, ..Setup::default() }
}

/// Steps through all frames while `trouble` happens; the frames that the camera wrote more than once.
fn check(recoveries: u32, trouble: &impl AsyncFn(&Rig)) -> usize {
    with_rig(stepped(), async |rig| {
        rig.ready(STEPS).await;
        let status = rig.kickoff().await;
        rig.reach(RunPhase::Running).await;
        trouble(rig).await;
        assert_eq!(status.finished().await, Ok(Outcome::Done(12)));
        assert_eq!(rig.unstage().await, Ok(Outcome::Done(12)));
        assert_eq!(rig.progress().recoveries, recoveries);
        rig.assert_complete(STEPS, 12);
        rig.assert_safe();
        let written = rig.process.world.frames_written(&name("camera"));
        assert_eq!(written.len(), 12);
        written.iter().filter(|times| **times > 1).count()
    })
}

#[test]
fn every_frame_is_taken_at_rest_where_the_scan_puts_it() {
    assert_eq!(check(0, &async |_| ()), 0);
    with_rig(stepped(), async |rig| {
        assert_eq!(rig.run(STEPS).await, Ok(12));
        let times = numbers(rig, "diode", "NDArrayTimeStamp");
        let spacing = |exposures: &[f64]| {
            let us = |i: usize| ((exposures[i] - exposures[0]) * 1e6).round() as i64;
            [us(1), us(2)]
        };
        let spacings: Vec<_> = times.chunks(3).map(spacing).collect();
        assert_eq!(spacings, [[20_000, 40_000]; 12]);
    });
}

#[test]
fn a_scan_that_steps_is_paused_and_gone_on_with() {
    let again = check(0, &async |rig| {
        rig.sleep(ms(1_500)).await;
        rig.ask(Pause).await.unwrap();
        rig.reach(RunPhase::Paused).await;
        let done = rig.progress().frames_done;
        assert!((1..12).contains(&done), "{done}");
        rig.sleep(ms(100)).await;
        assert!(!rig.process.world.is_anything_armed() && !rig.process.world.is_anything_moving());
        rig.ask(Resume::default()).await.unwrap();
    });
    assert!(again <= 1, "{again}");
}

#[test]
fn what_breaks_costs_only_what_was_not_on_disk() {
    let [camera, motion] = [name("camera"), name("motion")];
    for fault in [
        Fault::LoseFrame { detector: camera.clone(), index: 3 },
        Fault::Disconnect { device: camera, time: ms(3_000) },
        Fault::Disconnect { device: motion, time: ms(3_000) },
    ] {
        let told = format!("{fault:?}");
        let again = check(1, &async |rig| {
            rig.process.world.schedule(vec![Planned { after: ms(300), fault: fault.clone() }]);
        });
        assert!(again <= 1, "{told}: {again}");
    }
}

#[test]
fn a_crash_of_a_device_costs_only_what_was_not_on_disk() {
    for device in ["camera", "motion", "generator"] {
        check(u32::from(device != "generator"), &async |rig| {
            rig.sleep(ms(700)).await;
            rig.process.tree.crash(device, "a crash in mid-step").unwrap();
        });
    }
}

#[test]
fn a_scan_that_steps_is_ended_at_any_time() {
    for after in [0, 130, 333, 777, 1_500] {
        with_rig(stepped(), async |rig| {
            rig.ready(STEPS).await;
            let status = rig.kickoff().await;
            rig.sleep(ms(after)).await;
            rig.ask(Abort { reason: None }).await.unwrap();
            assert_eq!(status.finished().await, Ok(Outcome::Aborted), "{after}");
            rig.assert_safe();
        });
        with_rig(stepped(), async |rig| {
            rig.ready(STEPS).await;
            let status = rig.kickoff().await;
            rig.sleep(ms(after)).await;
            rig.ask(Stop).await.unwrap();
            let Ok(Outcome::Done(frames)) = status.finished().await else { panic!("{after}") };
            assert!(frames < 12, "{frames}");
            rig.assert_safe();
        });
    }
}

#[test]
fn a_scan_that_flies_is_refused_before_it_begins() {
    with_rig(stepped(), async |rig| {
        let error = rig.run(GRID).await.unwrap_err();
        let told = "axis x moves while the frame is taken: detector camera is told to take it by a \
                    command (trigger = \"software\"), at rest: leave out Fly";
        assert!(error.ends_with(told), "{error}");
        assert_eq!(rig.documents(), []);
    });
}

//! A run fails at every step in turn: every request to every device fails once.
use super::rig::{GRID, Rig, Setup, name, with_rig};
use bluefly_sim::faults::{Fault, Planned};
use std::time::Duration;

const DEVICES: [&str; 6] = ["x", "y", "motion", "camera", "diode", "generator"];

fn ms(duration: u64) -> Duration {
    Duration::from_millis(duration)
}

/// Runs with `faults`: the run is complete, or has failed cleanly. Afterwards, once every device
/// can be reached, a run is complete. Tells what failed.
async fn check(rig: &Rig, faults: Vec<Planned>, outage: Duration) -> Result<u64, String> {
    let what = format!("{faults:?}");
    eprintln!("{what}");
    rig.process.world.schedule(faults);
    let ended = rig.run(GRID).await;
    // A run that failed has undone what it could; what could not be reached is safe once it can.
    rig.sleep(outage + Duration::from_mins(2)).await;
    match &ended {
        Ok(frames) => {
            assert_eq!(*frames, 40, "{what}");
            rig.assert_complete(GRID, 40);
        }
        Err(error) => {
            let reason = rig.assert_failed(GRID).await;
            assert!(DEVICES.iter().any(|device| error.contains(device)), "{what}: {error}");
            assert_ne!(reason.as_deref(), Some(""), "{what}");
        }
    }
    rig.assert_safe();
    let next = rig.run(GRID).await;
    // A fault that waits for the next arming or write may strike only now.
    let waits = what.contains("FailArm") || what.contains("FailWrite");
    if next.is_err() && waits {
        rig.assert_failed(GRID).await;
        assert_eq!(rig.run(GRID).await, Ok(40), "after {what}");
    } else {
        assert_eq!(next, Ok(40), "after {what}");
    }
    rig.assert_complete(GRID, 40);
    ended
}

fn at_once(fault: Fault) -> Vec<Planned> {
    vec![Planned { after: Duration::ZERO, fault }]
}

/// How many requests to `device` a run takes.
fn requests(device: &str) -> u64 {
    with_rig(Setup::default(), async |rig| {
        let before = rig.process.world.requests(&name(device));
        rig.run(GRID).await.unwrap();
        rig.process.world.requests(&name(device)) - before
    })
}

/// Every so-manieth request to `device` of a whole run fails once, for `outage`.
fn each_request_fails(device: &str, outage: Duration, every: usize) {
    let requests = requests(device);
    for after in (0..requests).step_by(every) {
        with_rig(Setup::default(), async |rig| {
            let device = name(device);
            let fault = Fault::DropRequest { device, after, time: outage };
            drop(check(rig, at_once(fault), outage).await);
        });
    }
}

#[test]
fn each_request_fails_for_a_short_time() {
    for device in DEVICES {
        each_request_fails(device, ms(300), 3);
    }
}

#[test]
fn each_request_fails_for_a_long_time() {
    for device in DEVICES {
        each_request_fails(device, Duration::from_secs(100), 23);
    }
}

#[test]
fn faults_of_every_kind_at_many_times() {
    for after in (0..3_200).step_by(640).map(ms) {
        for device in DEVICES {
            let (device, time) = (name(device), ms(700));
            let faults = [
                Fault::Freeze { device: device.clone(), time },
                Fault::Disconnect { device: device.clone(), time },
                Fault::SlowPut { device: device.clone(), delay: time },
                Fault::FailArm { detector: device.clone() },
                Fault::FailWrite { detector: device.clone() },
                Fault::FollowingError { motor: device },
            ];
            for fault in faults {
                with_rig(Setup::default(), async |rig| {
                    drop(check(rig, vec![Planned { after, fault }], time).await);
                });
            }
        }
    }
}

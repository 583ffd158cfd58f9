//! Devices that are stopped, whatever they do.
use super::{FRAMES, ask, at, done, flies, goes, ms, shuffled, stop, to, us};
use crate::run::rig::{GRID, Rig, Setup, name, with_rig};
use bluefly_actors::{
    coordinator::{Abort, Pause, Resume, RunStatus, Stage},
    random::Seed,
    status::{OperationPhase, Outcome},
};
use bluefly_protocol::run::RunPhase;
use bluefly_sim::faults::Fault;
use std::time::Duration;

const DEVICES: [&str; 6] = ["x", "y", "motion", "camera", "diode", "generator"];

const STOPPED: bluefly_actors::status::Ended<Option<f64>> = Ok(Outcome::Done(None));

/// A motor that another controller moves.
fn with_slit() -> Setup {
    let slit = r#"[device.slit]
type = "motor"
provider = "sim://slit"
units = "um"
limits = ["-100 um", "100 um"]
velocity = "20 um/s"
acceleration = "200 um/s^2"
[device.slits]
type = "trajectory_controller"
provider = "sim://slits"
axes = ["slit"]
[device.motion]"#;
    Setup { edits: vec![("[device.motion]", slit)], ..Setup::default() }
}

#[test]
fn what_is_at_rest_is_stopped_twice() {
    with_rig(Setup::default(), async |rig| {
        for device in DEVICES {
            assert_eq!(done(rig, stop(device)).await, STOPPED, "{device}");
            assert_eq!(done(rig, stop(device)).await, STOPPED, "{device}");
        }
        rig.step(Stage::default()).await.unwrap();
        for device in DEVICES {
            assert_eq!(done(rig, stop(device)).await, STOPPED, "{device}");
        }
        assert_eq!(rig.progress().phase, RunPhase::Staged);
        assert_eq!(rig.unstage().await, Ok(Outcome::Done(0)));
        flies(rig).await;
    });
}

#[test]
fn a_motor_that_moves_is_stopped_by_its_own_name_or_that_of_its_controller() {
    for device in ["x", "motion"] {
        for seed in 0..10 {
            shuffled(seed, async |rig| {
                rig.sleep(ms(100)).await;
                let moving = ask(rig, to("x", 20.0)).await.unwrap();
                rig.sleep(ms(seed * 60)).await;
                let (one, two) = tokio::join!(done(rig, stop(device)), done(rig, stop(device)));
                assert_eq!((one, two), (STOPPED, STOPPED));
                assert!(!rig.process.world.is_anything_moving());
                assert_eq!(moving.finished().await, Ok(Outcome::Aborted), "{device}");
                assert!(at(rig, "x") < 20.0);
                rig.sleep(ms(10)).await;
                goes(rig, "x", 3.0).await;
                flies(rig).await;
            });
        }
    }
}

#[test]
fn a_motion_that_somebody_else_began_is_stopped_too() {
    with_rig(Setup::default(), async |rig| {
        let connector = bluefly_actors::signal::Connector::new(
            rig.process.world.provider(),
            rig.process.clock.clone(),
            ms(5_000),
        );
        let setpoint = connector.w::<f64>("sim://x.VAL").await.unwrap();
        setpoint.send(20.0).await.unwrap();
        rig.sleep(ms(200)).await;
        assert_eq!(done(rig, stop("x")).await, STOPPED);
        assert!(!rig.process.world.is_anything_moving());
        let acquire = connector.rw::<bool>("sim://camera:cam1:Acquire").await.unwrap();
        acquire.send(true).await.unwrap();
        assert!(rig.process.world.is_anything_armed());
        assert_eq!(done(rig, stop("camera")).await, STOPPED);
        assert!(!rig.process.world.is_anything_armed());
    });
}

/// Nothing goes on by itself, and the run shows why; resumed, it is complete.
async fn is_paused(rig: &Rig, status: &RunStatus, device: &str) {
    let world = &rig.process.world;
    let check = |when: &str| {
        let progress = rig.progress();
        assert_eq!(progress.phase, RunPhase::Paused, "{device} {when}");
        assert_eq!(status.report().phase, OperationPhase::Paused, "{device} {when}");
        let trouble = format!("paused: {device} was stopped by request");
        assert_eq!(progress.trouble, Some(trouble), "{when}");
        assert!(!world.is_anything_moving() && !world.is_anything_armed(), "{device} {when}");
        progress.frames_done
    };
    let frames = check("at once");
    rig.sleep(Duration::from_mins(2)).await;
    assert_eq!(check("later"), frames);
}

async fn land(rig: &Rig, status: &RunStatus) {
    assert_eq!(status.finished().await, Ok(Outcome::Done(FRAMES)));
    assert_eq!(rig.unstage().await, Ok(Outcome::Done(FRAMES)));
    rig.assert_complete(GRID, FRAMES);
    rig.assert_safe();
}

#[test]
fn a_scan_is_paused_when_a_device_that_it_uses_is_stopped() {
    let random = &mut Seed(5).stream("stops", 0);
    let mut paused = 0;
    for seed in 0..72 {
        let device = DEVICES[seed as usize % DEVICES.len()];
        let after = us(random.below(2_900_000));
        paused += u64::from(shuffled(seed, async |rig| {
            rig.ready(GRID).await;
            let status = rig.kickoff().await;
            rig.sleep(after).await;
            assert_eq!(done(rig, stop(device)).await, STOPPED, "{device} after {after:?}");
            let is_over = status.ended().is_some();
            if !is_over {
                is_paused(rig, &status, device).await;
                rig.ask(Resume::default()).await.unwrap();
            }
            land(rig, &status).await;
            assert_eq!(rig.progress().recoveries, 0);
            !is_over
        }));
    }
    assert!(paused > 60, "{paused} of 72 were paused at all");
}

#[test]
fn a_scan_is_paused_when_a_detector_is_stopped_that_opens_its_file() {
    for after in [0, 1, 50, 400, 900] {
        for end in [Outcome::Done(FRAMES), Outcome::Aborted] {
            with_rig(Setup::default(), async |rig| {
                rig.ready(GRID).await;
                let camera = name("camera");
                rig.process.world.fault(&Fault::SlowPut { device: camera, delay: ms(1_000) });
                let status = rig.kickoff().await;
                rig.sleep(ms(after)).await;
                assert_eq!(rig.progress().phase, RunPhase::Starting);
                assert_eq!(done(rig, stop("camera")).await, STOPPED);
                is_paused(rig, &status, "camera").await;
                if end == Outcome::Aborted {
                    rig.step(Abort::default()).await.unwrap();
                    assert_eq!(status.finished().await, Ok(end));
                    rig.assert_safe();
                    assert_eq!(rig.stop_document()["exit_status"], "abort");
                } else {
                    rig.ask(Resume::default()).await.unwrap();
                    land(rig, &status).await;
                }
            });
        }
    }
}

#[test]
fn a_scan_that_is_paused_by_a_stop_can_be_aborted() {
    for device in DEVICES {
        with_rig(Setup::default(), async |rig| {
            rig.ready(GRID).await;
            let status = rig.kickoff().await;
            rig.sleep(ms(900)).await;
            done(rig, stop(device)).await.unwrap();
            rig.step(Abort::default()).await.unwrap();
            assert_eq!(status.finished().await, Ok(Outcome::Aborted));
            rig.assert_safe();
            assert_eq!(rig.stop_document()["exit_status"], "abort");
            flies(rig).await;
        });
    }
}

#[test]
fn a_resume_at_the_same_moment_does_not_undo_a_stop() {
    for seed in 0..40 {
        let device = DEVICES[seed as usize % DEVICES.len()];
        shuffled(seed, async |rig| {
            rig.ready(GRID).await;
            let status = rig.kickoff().await;
            rig.sleep(ms(40 + seed * 61)).await;
            let stopping = ask(rig, stop(device)).await.unwrap();
            let mut refusals = 0;
            while let Err(error) = rig.ask(Resume::default()).await {
                if status.ended().is_some() {
                    break;
                }
                assert!(error.phase.ends_with(&format!("with {device} being stopped")), "{error}");
                refusals += 1;
                rig.sleep(us(100)).await;
            }
            assert!(refusals > 0);
            assert_eq!(stopping.finished().await, STOPPED, "{device}");
            land(rig, &status).await;
        });
    }
}

#[test]
fn a_scan_goes_on_when_a_motor_is_stopped_that_it_does_not_use() {
    with_rig(with_slit(), async |rig| {
        goes(rig, "slit", 50.0).await;
        rig.ready(GRID).await;
        let status = rig.kickoff().await;
        rig.sleep(ms(900)).await;
        assert_eq!(done(rig, stop("slit")).await, STOPPED);
        assert_eq!(done(rig, stop("slits")).await, STOPPED);
        rig.sleep(ms(100)).await;
        assert_eq!(rig.progress().phase, RunPhase::Running);
        assert_eq!(rig.progress().trouble, None);
        assert_eq!(status.finished().await, Ok(Outcome::Done(FRAMES)));
        rig.unstage().await.unwrap();
    });
}

#[test]
fn a_stop_while_it_pauses_is_paused_or_ends_changes_nothing() {
    let random = &mut Seed(6).stream("stops", 0);
    for seed in 0..24 {
        let device = DEVICES[seed as usize % DEVICES.len()];
        let wait = us(random.below(150_000));
        shuffled(seed, async |rig| {
            rig.ready(GRID).await;
            let status = rig.kickoff().await;
            rig.sleep(ms(900)).await;
            rig.ask(Pause).await.unwrap();
            rig.sleep(wait).await;
            assert_eq!(done(rig, stop(device)).await, STOPPED);
            rig.reach(RunPhase::Paused).await;
            assert_eq!(rig.progress().trouble, None, "it was paused already");
            let aborted = rig.ask(Abort::default()).await.unwrap();
            rig.sleep(wait / 100).await;
            assert_eq!(done(rig, stop(device)).await, STOPPED);
            assert_eq!(aborted.finished().await, Ok(Outcome::Aborted));
            assert_eq!(status.finished().await, Ok(Outcome::Aborted));
            rig.assert_safe();
            flies(rig).await;
        });
    }
}

#[test]
fn a_stop_of_a_device_that_is_away_pauses_or_fails_the_scan_but_never_lets_it_go_on() {
    for (seed, device) in (0..).zip(["x", "motion", "camera", "diode"]) {
        shuffled(seed, async |rig| {
            rig.ready(GRID).await;
            let status = rig.kickoff().await;
            rig.sleep(ms(900)).await;
            let fault = Fault::Disconnect { device: name(device), time: Duration::from_secs(4) };
            rig.process.world.fault(&fault);
            let stopped = done(rig, stop(device)).await;
            assert_eq!(stopped, STOPPED, "{device}: it is back in time");
            assert!(!rig.process.world.is_anything_moving(), "{device}");
            rig.sleep(Duration::from_mins(2)).await;
            assert_eq!(rig.progress().phase, RunPhase::Paused, "{device}");
            rig.ask(Resume::default()).await.unwrap();
            land(rig, &status).await;
        });
    }
}

#[test]
fn a_crash_of_a_device_that_is_being_stopped_lets_nothing_go_on() {
    for (seed, device) in (0..).zip(["x", "motion", "camera", "diode", "generator"]) {
        shuffled(seed, async |rig| {
            rig.ready(GRID).await;
            let status = rig.kickoff().await;
            rig.sleep(ms(900)).await;
            let stopping = ask(rig, stop(device)).await.unwrap();
            rig.process.tree.crash(device, "a test").unwrap();
            assert_eq!(stopping.finished().await, STOPPED, "{device}");
            rig.sleep(Duration::from_mins(2)).await;
            assert_eq!(rig.progress().phase, RunPhase::Paused, "{device}");
            rig.ask(Resume::default()).await.unwrap();
            land(rig, &status).await;
        });
    }
}

/// Drops the link of a device at a request after it was told to stop in the middle of a scan; true
/// if there was no such request.
fn stop_with_drop(device: &str, request: u64) -> bool {
    with_rig(Setup::default(), async |rig| {
        let world = &rig.process.world;
        rig.ready(GRID).await;
        let status = rig.kickoff().await;
        rig.sleep(ms(900)).await;
        let before = world.requests(&name(device));
        let (victim, time) = (name(device), ms(30));
        world.fault(&Fault::DropRequest { device: victim, after: request, time });
        assert_eq!(done(rig, stop(device)).await, STOPPED, "{device} at request {request}");
        let is_through = world.requests(&name(device)) - before <= request;
        world.calm();
        assert!(!world.is_anything_moving() && !world.is_anything_armed());
        rig.sleep(Duration::from_mins(2)).await;
        assert_eq!(rig.progress().phase, RunPhase::Paused, "{device} at request {request}");
        rig.ask(Resume::default()).await.unwrap();
        land(rig, &status).await;
        is_through
    })
}

#[test]
fn a_link_that_drops_at_any_request_of_a_stop_lets_nothing_go_on() {
    for device in ["x", "motion", "camera"] {
        let requests = (0..500).find(|request| stop_with_drop(device, *request)).unwrap();
        assert!(requests > 1, "a stop of {device} needs more than {requests} requests");
    }
}

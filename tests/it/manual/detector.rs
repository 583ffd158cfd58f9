//! Single frames, taken by hand.
use super::{FRAMES, ask, done, flies, ms, refused, shuffled, stop, trigger};
use crate::{
    beam::{Beam, plan, simulate},
    run::rig::{GRID, Rig, Setup, name, spec, with_rig},
};
use bluefly_actors::{
    coordinator::{Abort, Kickoff, Pause, Prepare, Stage},
    logic::area_detector::{DetectorRecord, DetectorSetup, DriverRecord, ImageMode},
    signal::Connector,
    status::{OperationError, Outcome},
};
use bluefly_protocol::{fault::FaultClass, run::RunPhase};
use bluefly_sim::faults::Fault;
use std::time::Duration;

/// What a driver is set to.
#[derive(Debug, PartialEq)]
struct Settings(ImageMode, String, i64, f64, f64);

/// What somebody set the camera to who looks at it.
fn watched() -> Settings {
    Settings(ImageMode::Continuous, "Internal".to_owned(), 7, 0.25, 0.5)
}

async fn driver(rig: &Rig) -> DriverRecord {
    let connector =
        Connector::new(rig.process.world.provider(), rig.process.clock.clone(), ms(5_000));
    let setup = DetectorSetup::new(ms(1));
    DetectorRecord::connect(&connector, "sim://camera", &setup).await.unwrap().driver
}

async fn settings(driver: &DriverRecord) -> Settings {
    Settings(
        driver.image_mode.get().await.unwrap(),
        driver.trigger_mode.get().await.unwrap(),
        driver.num_images.get().await.unwrap(),
        driver.acquire_time_s.get().await.unwrap(),
        driver.acquire_period_s.get().await.unwrap(),
    )
}

async fn set(driver: &DriverRecord, Settings(image, trigger, images, time, period): &Settings) {
    driver.image_mode.put(*image).await.unwrap();
    driver.trigger_mode.put(trigger.clone()).await.unwrap();
    driver.num_images.put(*images).await.unwrap();
    driver.acquire_time_s.put(*time).await.unwrap();
    driver.acquire_period_s.put(*period).await.unwrap();
}

async fn total(rig: &Rig, detector: &str) -> f64 {
    match done(rig, trigger(detector)).await {
        Ok(Outcome::Done(Some(total))) => total,
        ended => panic!("{ended:?}"),
    }
}

#[test]
fn a_frame_is_the_sum_of_its_pixels() {
    simulate(async {
        let beam = Beam::new();
        let camera = beam.camera().await.unwrap();
        // 2 x 2 pixels, the first of which is the index: all axes are at zero.
        assert_eq!(camera.take_one(ms(20)).await, Ok(3.0 * 21_845.0));
        assert_eq!(beam.now(), ms(21), "an exposure and a dead time");
        beam.motor().await.unwrap().move_to(4.0, |_| ()).await.unwrap();
        assert_eq!(camera.take_one(ms(20)).await, Ok(3.0 * 10_922.0));
        beam.assert_safe();
        camera.open(&plan("a.h5")).await.unwrap();
        let fault = camera.take_one(ms(20)).await.unwrap_err().to_string();
        let text = "camera: cannot take a frame of 20ms: /data/a.h5 is open, and the frame would go into it";
        assert_eq!(fault, text);
    });
}

#[test]
fn a_frame_that_does_not_come_is_told() {
    simulate(async {
        let beam = Beam::new();
        let camera = beam.camera().await.unwrap();
        beam.world.fault(&Fault::LoseFrame { detector: name("camera"), index: 0 });
        let fault = camera.take_one(ms(20)).await.unwrap_err();
        assert_eq!(fault.class, FaultClass::Failed);
        beam.world.fault(&Fault::FailArm { detector: name("camera") });
        let fault = camera.take_one(ms(20)).await.unwrap_err();
        assert_eq!(
            fault.reason,
            "the detector failed to arm (sim://camera:cam1:StatusMessage_RBV)"
        );
        camera.make_safe().await.unwrap();
        assert_eq!(camera.take_one(ms(20)).await, Ok(3.0 * 21_845.0));
    });
}

#[test]
fn a_frame_goes_into_no_file_and_leaves_the_detector_as_it_was() {
    with_rig(Setup::default(), async |rig| {
        let driver = driver(rig).await;
        set(&driver, &watched()).await;
        let before = rig.process.clock.now();
        let first = total(rig, "camera").await;
        assert!(first > 0.0);
        assert_eq!(
            rig.process.clock.now() - before,
            ms(6),
            "5 ms of exposure and 1 ms of dead time"
        );
        assert_eq!(settings(&driver).await, watched());
        assert_eq!(total(rig, "camera").await, first);
        assert!(total(rig, "diode").await > 0.0);
        rig.step(Stage::default()).await.unwrap();
        assert_eq!(total(rig, "camera").await, first);
        let preparing = rig.ask(Prepare(spec(GRID))).await.unwrap();
        assert_eq!(total(rig, "camera").await, first);
        preparing.finished().await.unwrap();
        assert_eq!(total(rig, "camera").await, first);
        rig.assert_safe();
        assert_eq!(rig.documents().len(), 0);
        assert_eq!(rig.kickoff().await.finished().await, Ok(Outcome::Done(FRAMES)));
        rig.unstage().await.unwrap();
        rig.assert_complete(GRID, FRAMES);
    });
}

#[test]
fn no_frame_is_taken_by_hand_while_a_file_is_open() {
    with_rig(Setup::default(), async |rig| {
        rig.ready(GRID).await;
        let status = rig.kickoff().await;
        let starting = r#"{"code":"refused","where":"camera","message":"cannot take a frame while starting","phase":"starting"}"#;
        assert_eq!(refused(rig, trigger("camera")).await, starting);
        rig.sleep(ms(900)).await;
        assert!(refused(rig, trigger("camera")).await.contains(r#""phase":"running""#));
        rig.ask(Pause).await.unwrap();
        rig.reach(RunPhase::Paused).await;
        let text = r#""phase":"paused, with its file open""#;
        assert!(refused(rig, trigger("camera")).await.contains(text));
        rig.ask(bluefly_actors::coordinator::Resume::default()).await.unwrap();
        status.finished().await.unwrap();
        let text = r#""phase":"completed, with its file open""#;
        assert!(refused(rig, trigger("diode")).await.contains(text));
        rig.unstage().await.unwrap();
        rig.assert_complete(GRID, FRAMES);
        total(rig, "diode").await;
    });
}

#[test]
fn a_scan_waits_for_nobody_but_tells_who_takes_a_frame() {
    let exposure = vec![(
        r#"exposure = "5 ms"
[device.diode]"#,
        r#"exposure = "5 ms"
[device.diode]"#,
    )];
    with_rig(Setup { edits: exposure, ..Setup::default() }, async |rig| {
        rig.ready(GRID).await;
        let taking = ask(rig, trigger("camera")).await.unwrap();
        let busy = r#"{"code":"refused","where":"camera","message":"cannot take a frame while taking a frame","phase":"taking a frame"}"#;
        assert_eq!(refused(rig, trigger("camera")).await, busy);
        let error = rig.ask(Kickoff).await.unwrap_err().to_string();
        assert_eq!(
            error,
            "scan_coordinator: cannot kick off while ready, with camera taking a frame"
        );
        taking.finished().await.unwrap();
        assert_eq!(rig.kickoff().await.finished().await, Ok(Outcome::Done(FRAMES)));
        rig.unstage().await.unwrap();
        rig.assert_complete(GRID, FRAMES);
    });
}

#[test]
fn a_frame_that_is_stopped_or_made_safe_leaves_the_detector_as_it_was() {
    for wait in 0..6 {
        for is_abort in [false, true] {
            with_rig(Setup::default(), async |rig| {
                let driver = driver(rig).await;
                set(&driver, &watched()).await;
                let taking = ask(rig, trigger("camera")).await.unwrap();
                rig.sleep(ms(wait)).await;
                if is_abort {
                    rig.step(Abort::default()).await.unwrap();
                } else {
                    done(rig, stop("camera")).await.unwrap();
                }
                assert_eq!(taking.finished().await, Ok(Outcome::Aborted), "after {wait} ms");
                rig.assert_safe();
                assert_eq!(settings(&driver).await, watched(), "after {wait} ms");
                flies(rig).await;
            });
        }
    }
}

/// What a failure of the camera leaves: nothing that is armed, moves or differs.
async fn is_well(rig: &Rig, driver: &DriverRecord) {
    rig.sleep(Duration::from_secs(3)).await;
    rig.assert_safe();
    assert_eq!(settings(driver).await, watched());
    total(rig, "camera").await;
    assert_eq!(settings(driver).await, watched());
    flies(rig).await;
}

#[test]
fn a_link_that_drops_at_any_request_fails_the_frame_and_nothing_else() {
    for request in 0.. {
        let is_through = with_rig(Setup::default(), async |rig| {
            let driver = driver(rig).await;
            set(&driver, &watched()).await;
            let world = &rig.process.world;
            let before = world.requests(&name("camera"));
            let (device, time) = (name("camera"), ms(30));
            world.fault(&Fault::DropRequest { device, after: request, time });
            let ended = done(rig, trigger("camera")).await;
            if world.requests(&name("camera")) - before <= request {
                assert!(ended.is_ok(), "{ended:?}");
                return true;
            }
            let Err(OperationError::Fault(fault)) = ended else { panic!("{request}: {ended:?}") };
            assert_eq!(fault.class, FaultClass::Disconnected, "{request}: {fault}");
            is_well(rig, &driver).await;
            false
        });
        if is_through {
            assert!(request > 18, "a frame needs more than {request} requests");
            break;
        }
    }
}

#[test]
fn a_crash_of_the_detector_or_the_coordinator_leaves_it_as_it_was() {
    for seed in 0..24 {
        let (device, wait) = (["camera", "scan_coordinator"][seed as usize % 2], ms(seed / 2));
        shuffled(seed, async |rig| {
            let driver = driver(rig).await;
            set(&driver, &watched()).await;
            let taking = ask(rig, trigger("camera")).await.unwrap();
            rig.sleep(wait).await;
            if taking.ended().is_some() {
                return;
            }
            rig.process.tree.crash(device, "a test").unwrap();
            assert!(taking.finished().await.is_err(), "{device}");
            rig.sleep(ms(1)).await;
            rig.process.coordinator.up().await.unwrap();
            is_well(rig, &driver).await;
        });
    }
}

#[test]
fn a_detector_that_is_frozen_fails_in_time_and_recovers() {
    with_rig(Setup::default(), async |rig| {
        let driver = driver(rig).await;
        set(&driver, &watched()).await;
        let taking = ask(rig, trigger("camera")).await.unwrap();
        rig.sleep(ms(3)).await;
        let freeze = Fault::Freeze { device: name("camera"), time: Duration::from_mins(2) };
        rig.process.world.fault(&freeze);
        let error = taking.finished().await.unwrap_err().to_string();
        assert!(error.starts_with("camera: cannot take a frame of 5ms: "), "{error}");
        rig.sleep(Duration::from_mins(3)).await;
        is_well(rig, &driver).await;
    });
}

//! A camera whose picture is looked at while no scan has it.
use crate::beam::{Beam, ROW_START, arm, ms, name, plan, simulate, snake};
use bluefly_actors::{
    logic::area_detector::{AreaDetector, ImageMode},
    signal::SignalValue,
};

async fn put<T: SignalValue>(beam: &Beam, pv: &str, value: T) {
    let signal = beam.connector.w::<T>(&format!("sim://camera:cam1:{pv}")).await.unwrap();
    signal.send(value).await.unwrap();
}

async fn get<T: SignalValue>(beam: &Beam, pv: &str) -> T {
    let signal = beam.connector.r::<T>(&format!("sim://camera:cam1:{pv}")).await.unwrap();
    signal.get().await.unwrap()
}

/// Somebody sets the camera to this mode, and starts it.
async fn start(beam: &Beam, mode: ImageMode) {
    put(beam, "ImageMode", mode).await;
    put(beam, "TriggerMode", "Internal".to_owned()).await;
    put(beam, "NumImages", 7_i64).await;
    put(beam, "AcquireTime", 0.02).await;
    put(beam, "AcquirePeriod", 0.04).await;
    put(beam, "Acquire", true).await;
}

/// It runs as it was started, and takes frames.
async fn assert_live(beam: &Beam) {
    assert!(beam.world.is_anything_armed());
    assert_eq!(get::<ImageMode>(beam, "ImageMode").await, ImageMode::Continuous);
    assert_eq!(get::<String>(beam, "TriggerMode").await, "Internal");
    assert_eq!(get::<i64>(beam, "NumImages").await, 7);
    assert_eq!(get::<f64>(beam, "AcquireTime").await, 0.02);
    assert_eq!(get::<f64>(beam, "AcquirePeriod").await, 0.04);
    let before: i64 = get(beam, "NumImagesCounter_RBV").await;
    beam.clock.sleep(ms(1_000)).await;
    assert!(get::<i64>(beam, "NumImagesCounter_RBV").await > before);
}

/// Flies 20 frames into a file, and closes it.
async fn fly(beam: &Beam, camera: &AreaDetector, file: &str) {
    let stage = beam.stage().await.unwrap();
    camera.open(&plan(file)).await.unwrap();
    assert!(!beam.world.is_anything_armed());
    stage.move_to(&ROW_START).await.unwrap();
    stage.build(&snake()).await.unwrap();
    camera.arm(&arm(0, 20)).await.unwrap();
    let (executed, taken) = futures_util::join!(stage.execute(|_| ()), camera.on_disk(|_| ()));
    executed.and(taken).unwrap();
    assert_eq!(camera.disarm().await, Ok(20));
    camera.close().await.unwrap();
    assert_eq!(beam.world.frames_written(&name("camera")), [1; 20]);
}

#[test]
fn a_camera_that_was_looked_at_stood_still_after_a_scan() {
    simulate(async {
        let beam = Beam::new();
        let camera = beam.camera().await.unwrap();
        start(&beam, ImageMode::Continuous).await;
        for file in ["a.h5", "b.h5"] {
            fly(&beam, &camera, file).await;
            assert_live(&beam).await;
        }
        camera.disarm().await.unwrap();
        beam.assert_safe();
        // Who stopped it finds it so.
        fly(&beam, &camera, "c.h5").await;
        beam.assert_safe();
    });
}

#[test]
fn a_camera_that_was_looked_at_was_stopped_to_make_it_safe() {
    simulate(async {
        let beam = Beam::new();
        start(&beam, ImageMode::Continuous).await;
        let camera = beam.camera().await.unwrap();
        assert_eq!(camera.make_safe().await, Ok(None));
        assert_live(&beam).await;
        // What goes into a file is nothing to look at.
        camera.open(&plan("a.h5")).await.unwrap();
        put(&beam, "Acquire", true).await;
        beam.clock.sleep(ms(1_000)).await;
        assert!(camera.make_safe().await.unwrap().is_some());
        assert!(!beam.world.is_anything_armed());
    });
}

#[test]
fn a_frame_by_hand_of_a_camera_that_is_looked_at_never_came() {
    simulate(async {
        let beam = Beam::new();
        let camera = beam.camera().await.unwrap();
        start(&beam, ImageMode::Continuous).await;
        camera.take_one(ms(10)).await.unwrap();
        assert_live(&beam).await;
        // Nobody waits for it, but it is given back by whoever makes it safe.
        tokio::select! { biased;
            _ = camera.take_one(ms(10)) => unreachable!("it takes 11 ms"),
            () = beam.clock.sleep(ms(5)) => {}
        }
        assert_eq!(get::<ImageMode>(&beam, "ImageMode").await, ImageMode::Single);
        assert_eq!(camera.make_safe().await, Ok(None));
        assert_live(&beam).await;
    });
}

#[test]
fn frames_that_somebody_was_taking_went_into_the_file_of_a_scan() {
    simulate(async {
        let beam = Beam::new();
        let camera = beam.camera().await.unwrap();
        start(&beam, ImageMode::Multiple).await;
        fly(&beam, &camera, "a.h5").await;
        // They were to come to an end, and are not begun anew.
        beam.assert_safe();
    });
}

#[test]
fn a_run_that_could_not_open_its_file_left_a_camera_standing() {
    simulate(async {
        let beam = Beam::new();
        beam.sink.lacks(std::path::Path::new("/data"));
        let camera = beam.camera().await.unwrap();
        start(&beam, ImageMode::Continuous).await;
        camera.open(&plan("a.h5")).await.unwrap_err();
        assert!(!beam.world.is_anything_armed());
        camera.make_safe().await.unwrap();
        assert_live(&beam).await;
    });
}

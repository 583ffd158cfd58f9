//! A detector of which something may not be written any more that brings it to rest.
use super::{Plant, with_plant};
use crate::run::rig::{GRID, Rig, spec};
use bluefly_actors::coordinator::{Kickoff, Prepare, Stage, Stop, Unstage};
use bluefly_protocol::run::RunPhase;
use std::time::Duration;

const ACQUIRE: &str = "ca://camera:cam1:Acquire";
const CAPTURE: &str = "ca://camera:HDF1:Capture";

/// The step that `fails` does so with this text; once the signal may be written again, all is
/// at rest before long, and the next run is complete.
fn check(signal: &str, error: &str, fails: impl AsyncFnOnce(&Plant, &Rig) -> Result<u64, String>) {
    with_plant(&[], async |plant, rig| {
        let ended = fails(plant, rig).await;
        let ended = ended.unwrap_err();
        assert!(ended.starts_with("camera: cannot ") && ended.ends_with(error), "{ended}");
        assert_eq!(rig.progress().phase, RunPhase::Idle, "{signal}");
        if let Some((_, stop)) = rig.documents().pop() {
            assert_eq!(stop["exit_status"], "fail");
            assert!(ended.starts_with(stop["reason"].as_str().unwrap()), "{stop}");
        }
        rig.sleep(Duration::from_mins(5)).await;
        plant.detectors.unlock(signal);
        // It is tried each second.
        rig.sleep(Duration::from_secs(2)).await;
        assert!(!plant.world.is_anything_armed(), "{signal}");
        assert_eq!(rig.run(GRID).await, Ok(40), "{signal}");
        rig.assert_complete(GRID, 40);
        rig.assert_safe();
    });
}

/// How a step ends, which must take exactly so long.
async fn within(
    millis: u128,
    rig: &Rig,
    step: impl Future<Output = Result<u64, String>>,
) -> Result<u64, String> {
    let begun = rig.process.clock.now();
    let ended = step.await;
    assert_eq!((rig.process.clock.now() - begun).as_millis(), millis, "{ended:?}");
    ended
}

#[test]
fn a_detector_that_may_not_be_stopped_any_more_is_named_by_the_end_of_the_run() {
    let disarm = format!("camera: cannot make safe: {ACQUIRE} may not be written by us");
    let close = format!("camera: cannot close its file: {CAPTURE} may not be written by us");
    for (signal, error) in [(ACQUIRE, disarm), (CAPTURE, close)] {
        // All frames are there, and only the end of the run has to write it.
        check(signal, &error, async |plant, rig| {
            rig.ready(GRID).await;
            let locking = async {
                rig.reach(RunPhase::Running).await;
                plant.detectors.lock(signal);
            };
            let (flown, ()) = tokio::join!(rig.try_step(Kickoff), locking);
            assert_eq!(flown, Ok(40));
            within(0, rig, rig.try_step(Unstage)).await
        });
        check(signal, &error, async |plant, rig| {
            rig.ready(GRID).await;
            rig.kickoff().await;
            rig.sleep(Duration::from_secs(1)).await;
            plant.detectors.lock(signal);
            // The motion comes to rest.
            within(100, rig, rig.try_step(Stop)).await
        });
    }
}

#[test]
fn a_detector_that_may_not_be_begun_with_is_named_by_whoever_wants_to() {
    let no_acquire = format!("{ACQUIRE} may not be written by us");
    let arm = format!(
        "camera: cannot arm for frames 0 to 39: {no_acquire}; moreover, when undoing: camera: cannot \
         make safe: {no_acquire}"
    );
    let open = format!("-camera.h5: {CAPTURE} may not be written by us");
    for (signal, error) in [(ACQUIRE, arm), (CAPTURE, open)] {
        check(signal, &error, async |plant, rig| {
            rig.try_step(Stage::default()).await.unwrap();
            rig.try_step(Prepare(spec(GRID))).await.unwrap();
            plant.detectors.lock(signal);
            rig.try_step(Kickoff).await
        });
    }
}

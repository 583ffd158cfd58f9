//! A server that is gone for good: it is waited for once, then the run ends at once, with everything
//! at rest that can be reached.
use super::{Plant, beamline, with_plant};
use crate::{
    beam::ms,
    run::rig::{GRID, Rig, spec},
};
use bluefly_actors::{
    clock::Instant,
    coordinator::{Abort, Kickoff, Pause, Prepare, Resume, Stage, Unstage},
    system::simulated_system,
};
use bluefly_protocol::run::RunPhase;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Server {
    Motion,
    Detectors,
}

use Server::{Detectors, Motion};

impl Server {
    /// Cuts it off now.
    fn cut(self, plant: &Plant) -> Instant {
        match self {
            Self::Motion => plant.motion.cut(),
            Self::Detectors => plant.detectors.cut(),
        }
        plant.clock.now()
    }

    /// The other server, which can be reached, has left nothing moving or armed.
    fn assert_other_safe(self, plant: &Plant) {
        match self {
            Self::Motion => assert!(!plant.world.is_anything_armed()),
            Self::Detectors => assert!(!plant.world.is_anything_moving()),
        }
    }
}

/// A flight of which `server` goes away in `work`: it ends so long after that, and says `text`.
fn check(
    server: Server,
    work: &impl AsyncFn(&Plant, &Rig) -> Instant,
    (after_ms, text): (u128, &str),
) {
    with_plant(&[], async |plant, rig| {
        rig.ready(GRID).await;
        let flown = async { (rig.try_step(Kickoff).await.unwrap_err(), plant.clock.now()) };
        let ((error, ended), cut) = tokio::join!(flown, work(plant, rig));
        assert_eq!((ended - cut).as_millis(), after_ms, "{server:?}: {error}");
        assert!(error.contains(text), "{error}");
        server.assert_other_safe(plant);
        // Each device is named once.
        for device in ["motion: cannot", "camera: cannot", "diode: cannot"] {
            assert!(error.matches(device).count() <= 1, "{error}");
        }
        plant.motion.mend();
        plant.detectors.mend();
        rig.sleep(ms(2_000)).await;
        rig.assert_safe();
    });
}

const LOOK: &str = "; nobody knows whether it is at rest: look";

#[test]
fn each_stage_of_the_undo_waited_for_a_server_that_was_given_up() {
    for server in [Motion, Detectors] {
        let begins = async |plant: &Plant, _: &Rig| server.cut(plant);
        check(server, &begins, (60_000, "its IOC went away (ca://"));
        let flies = async |plant: &Plant, rig: &Rig| {
            rig.sleep(ms(1_000)).await;
            server.cut(plant)
        };
        check(server, &flies, (60_000, LOOK));
        let resumed = async |plant: &Plant, rig: &Rig| {
            rig.sleep(ms(1_000)).await;
            rig.ask(Pause).await.unwrap();
            rig.reach(RunPhase::Paused).await;
            let cut = server.cut(plant);
            rig.ask(Resume::default()).await.unwrap();
            cut
        };
        // A detector is missed when it is to be armed.
        let ended_ms = if server == Motion { 60_000 } else { 60_226 };
        check(server, &resumed, (ended_ms, "for 60s"));
    }
}

#[test]
fn an_abort_waited_for_a_server_that_was_gone() {
    for server in [Motion, Detectors] {
        for (after_ms, ended_ms) in [(3_000, 5_000), (20_000, 20_000)] {
            let aborted = async |plant: &Plant, rig: &Rig| {
                rig.sleep(ms(1_000)).await;
                let cut = server.cut(plant);
                // It is answered at once, and overtaken.
                rig.ask(Pause).await.unwrap();
                rig.sleep(ms(after_ms)).await;
                rig.ask(Abort::default()).await.unwrap();
                cut
            };
            check(server, &aborted, (ended_ms, LOOK));
        }
    }
}

#[test]
fn a_step_waits_once_for_a_server_that_is_gone() {
    with_plant(&[], async |plant, rig| {
        rig.step(Stage::default()).await.unwrap();
        let begun = Detectors.cut(plant);
        let error = rig.try_step(Prepare(spec(GRID))).await.unwrap_err();
        let text = "camera: cannot describe its frames: its IOC went away (ca://camera:";
        assert!(error.starts_with(text), "{error}");
        assert_eq!((plant.clock.now() - begun).as_millis(), 60_000);
        assert_eq!(rig.try_step(Unstage).await, Ok(0));
        assert_eq!((plant.clock.now() - begun).as_millis(), 60_000);
    });
    with_plant(&[], async |plant, rig| {
        rig.ready(GRID).await;
        rig.step(Kickoff).await.unwrap();
        let begun = Detectors.cut(plant);
        let error = rig.try_step(Unstage).await.unwrap_err();
        assert_eq!(error.matches(LOOK).count(), 2, "{error}");
        assert_eq!((plant.clock.now() - begun).as_millis(), 5_000);
        assert_eq!(rig.stop_document()["exit_status"], "fail");
    });
}

/// How long a process takes to end when `server` is gone for so long: in order, or at once if it is told
/// a second time `hurry` later.
fn shut_down(server: Server, after: Duration, hurry: Option<Duration>) -> u128 {
    simulated_system().block_on(async {
        let spec = beamline(&[]);
        let plant = Plant::new(&spec);
        let rig = plant.start(&spec).await.unwrap();
        rig.ready(GRID).await;
        let flight = rig.kickoff().await;
        rig.sleep(ms(1_000)).await;
        server.cut(&plant);
        rig.sleep(after).await;
        let begun = plant.clock.now();
        let Rig { process, directory, memory: _ } = rig;
        match hurry {
            None => process.shutdown().await,
            Some(hurry) => process.halt_unless(plant.clock.sleep(hurry)).await.exit,
        };
        drop((directory, flight));
        server.assert_other_safe(&plant);
        (plant.clock.now() - begun).as_millis()
    })
}

#[test]
fn the_end_of_a_process_waited_for_a_server_that_was_gone() {
    for server in [Motion, Detectors] {
        assert_eq!(shut_down(server, ms(1_000), None), 4_000, "{server:?}");
        assert_eq!(shut_down(server, ms(30_000), None), 0, "{server:?}");
        assert_eq!(shut_down(server, ms(200_000), None), 5_000, "{server:?}");
    }
}

#[test]
fn a_second_signal_was_not_heard_while_hardware_was_waited_for() {
    for server in [Motion, Detectors] {
        assert_eq!(shut_down(server, ms(200_000), Some(ms(90_000))), 5_000, "{server:?}");
        assert_eq!(shut_down(server, ms(200_000), Some(ms(1_000))), 1_000, "{server:?}");
    }
}

#[test]
fn a_process_was_ready_though_its_devices_were_gone() {
    with_plant(&[], async |plant, rig| {
        let desk = &rig.process.desk;
        assert_eq!(desk.readiness().await, Ok(()));
        Detectors.cut(plant);
        let unready = desk.readiness().await.unwrap_err();
        let why = |camera: &str| unready.reason.contains(&format!("{camera}: cannot"));
        assert!(why("camera") && why("diode"), "{}", unready.reason);
        assert_eq!(unready.devices, ["camera", "diode"]);
        plant.detectors.mend();
        assert_eq!(desk.readiness().await, Ok(()));
    });
}

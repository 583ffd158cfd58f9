//! A server that dies in mid-scan, and comes back: its hardware went on meanwhile.
use super::{Plant, with_plant};
use crate::{
    beam::{ms, name},
    run::rig::{GRID, Rig},
};
use bluefly_actors::{
    coordinator::{Kickoff, Unstage},
    signal::Connector,
};
use bluefly_protocol::run::RunPhase;
use std::time::Duration;

/// Which of the two servers dies.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Server {
    Motion,
    Detectors,
    Both,
}

const SERVERS: [Server; 3] = [Server::Motion, Server::Detectors, Server::Both];

impl Server {
    fn cut(self, plant: &Plant) {
        if self != Self::Detectors {
            plant.motion.cut();
        }
        if self != Self::Motion {
            plant.detectors.cut();
        }
    }
}

fn mend(plant: &Plant) {
    plant.motion.mend();
    plant.detectors.mend();
}

/// A run in which `server` dies `after` the kickoff for `time`: its frames, or what failed.
async fn run_with_outage(
    (plant, rig): (&Plant, &Rig),
    server: Server,
    [after, time]: [Duration; 2],
) -> Result<u64, String> {
    rig.ready(GRID).await;
    let outage = async {
        rig.sleep(after).await;
        server.cut(plant);
        rig.sleep(time).await;
        mend(plant);
    };
    let (flown, ()) = tokio::join!(rig.try_step(Kickoff), outage);
    flown?;
    rig.try_step(Unstage).await
}

/// The run is whole, whenever the server dies; returns how often it recovered.
fn check_whole(server: Server, [after, time]: [Duration; 2]) -> u32 {
    with_plant(&[], async |plant, rig| {
        let flown = run_with_outage((plant, rig), server, [after, time]).await;
        let at = format!("{server:?} after {after:?} for {time:?}: {:?}", rig.progress());
        assert_eq!(flown, Ok(40), "{at}");
        rig.assert_complete(GRID, 40);
        rig.assert_safe();
        let recoveries = rig.progress().recoveries;
        assert_eq!(rig.run(GRID).await, Ok(40), "after {at}");
        rig.assert_complete(GRID, 40);
        recoveries
    })
}

#[test]
fn a_run_is_whole_though_a_server_dies_at_any_moment() {
    for server in SERVERS {
        let moments = (0..20).map(|i| ms(i * 157 + 1));
        let recoveries: u32 = moments.map(|after| check_whole(server, [after, ms(1_000)])).sum();
        assert!(recoveries >= 13, "{server:?}: {recoveries}");
    }
}

#[test]
fn a_run_is_whole_though_a_server_is_away_for_long() {
    for server in SERVERS {
        for after in [1, 700, 1_777] {
            assert_eq!(check_whole(server, [ms(after), ms(40_000)]), 1, "{server:?} {after}");
        }
    }
}

#[test]
fn a_dead_server_is_noticed_at_once() {
    for server in SERVERS {
        with_plant(&[], async |plant, rig| {
            rig.ready(GRID).await;
            let running = rig.kickoff().await;
            rig.sleep(ms(1_000)).await;
            assert_eq!(rig.progress().recoveries, 0);
            server.cut(plant);
            rig.sleep(ms(1)).await;
            let progress = rig.progress();
            assert_eq!(progress.recoveries, 1, "{server:?}");
            let trouble = progress.trouble.unwrap();
            assert!(trouble.contains("its IOC went away (ca://"), "{trouble}");
            mend(plant);
            running.finished().await.unwrap();
            rig.unstage().await.unwrap();
            rig.assert_complete(GRID, 40);
        });
    }
}

/// Those whose server lives are at rest long before the other is back.
#[test]
fn what_can_be_reached_is_made_safe_at_once() {
    with_plant(&[], async |plant, rig| {
        rig.ready(GRID).await;
        let running = rig.kickoff().await;
        rig.sleep(ms(1_000)).await;
        assert!(plant.world.is_anything_armed() && plant.world.is_anything_moving());
        plant.detectors.cut();
        rig.sleep(ms(1_000)).await;
        assert!(!plant.world.is_anything_moving());
        mend(plant);
        running.finished().await.unwrap();
        rig.unstage().await.unwrap();
        rig.assert_complete(GRID, 40);
    });
}

#[test]
fn a_run_that_may_not_go_on_stops_with_its_reason() {
    let edits = [("max_crashes_per_run = 3", "on_crash = \"stop\"")];
    for server in SERVERS {
        with_plant(&edits, async |plant, rig| {
            let flown = run_with_outage((plant, rig), server, [ms(1_000), ms(3_000)]).await;
            let error = flown.unwrap_err();
            assert!(error.contains("its IOC went away (ca://"), "{error}");
            let reason = rig.assert_failed(GRID).await.unwrap();
            assert!(reason.contains("its IOC went away (ca://"), "{reason}");
            rig.assert_safe();
            assert_eq!(rig.run(GRID).await, Ok(40));
            rig.assert_complete(GRID, 40);
        });
    }
}

/// A server that is away for longer than devices are waited for ends the run. Its devices are made
/// safe when it is back.
#[test]
fn a_server_that_stays_away_ends_the_run() {
    for server in SERVERS {
        with_plant(&[], async |plant, rig| {
            let flown = run_with_outage((plant, rig), server, [ms(1_000), ms(300_000)]).await;
            assert!(flown.unwrap_err().contains("its IOC went away (ca://"));
            rig.reach(RunPhase::Idle).await;
            let stop = rig.stop_document();
            assert_eq!(stop["exit_status"], "fail");
            assert!(
                stop["reason"].as_str().unwrap().contains("its IOC went away (ca://"),
                "{stop}"
            );
            rig.sleep(ms(2_000)).await;
            rig.assert_safe();
            assert_eq!(rig.run(GRID).await, Ok(40), "{server:?}");
            rig.assert_complete(GRID, 40);
        });
    }
}

/// The way to the hardware that no cable is part of, as an operator at another screen has it.
fn by_the_side(plant: &Plant) -> Connector {
    Connector::new(plant.world.provider(), plant.clock.clone(), ms(5_000))
}

#[test]
fn a_file_that_was_closed_meanwhile_ends_the_run() {
    with_plant(&[], async |plant, rig| {
        rig.ready(GRID).await;
        let running = rig.kickoff().await;
        rig.sleep(ms(1_500)).await;
        let done = rig.progress().frames_done;
        assert!(done > 0);
        plant.detectors.cut();
        let capture = by_the_side(plant).w::<bool>("ca://camera:HDF1:Capture").await.unwrap();
        capture.send(false).await.unwrap();
        rig.sleep(ms(500)).await;
        mend(plant);
        assert!(running.finished().await.is_err());
        let reason = rig.assert_failed(GRID).await.unwrap();
        let run = rig.documents()[0].1["uid"].as_str().unwrap().to_owned();
        let file = rig.directory.path().join(format!("{run}-camera.h5"));
        let back = format!(") and came back without its file {}: ", file.display());
        let (why, rest) = reason.split_once(&back).unwrap_or_else(|| panic!("{reason}"));
        assert!(why.starts_with("camera: cannot arm: its IOC went away (ca://camera:"), "{why}");
        let frames: u64 = rest.strip_suffix(" of its frames are on disk").unwrap().parse().unwrap();
        assert!((done..40).contains(&frames), "{reason}");
        let stop = rig.stop_document();
        assert!(stop["num_events"]["primary"].as_u64().unwrap() <= frames, "{stop}");
    });
}

/// The controller went on through the scan, and begins nothing anew before it has been stopped.
#[test]
fn a_controller_that_moves_still_is_stopped_first() {
    with_plant(&[], async |plant, rig| {
        rig.ready(GRID).await;
        let running = rig.kickoff().await;
        rig.sleep(ms(700)).await;
        plant.motion.cut();
        rig.sleep(ms(200)).await;
        assert!(plant.world.is_anything_moving());
        let before = plant.world.position(&name("x")).unwrap();
        mend(plant);
        rig.reach(RunPhase::Running).await;
        rig.sleep(ms(1_000)).await;
        assert_ne!(plant.world.position(&name("x")).unwrap(), before);
        running.finished().await.unwrap();
        rig.unstage().await.unwrap();
        assert_eq!(rig.progress().recoveries, 1);
        rig.assert_complete(GRID, 40);
    });
}

//! `bluefly scan` over real sockets, with a server that dies in mid-scan: this process has the
//! hardware and two servers of it, one for motion and one for the detectors.
mod plant;

use crate::{
    beam::ms,
    run::rig::{GRID, documented},
};
use bluefly_actors::system::real_system;
use plant::{Failure, Plant, Program, Server};
use std::{fs, path::Path, time::Duration};

const FRAMES: u64 = 40;
/// A machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_mins(2);

/// Documents of one whole run, every frame once.
fn assert_whole(directory: &Path) {
    let text = fs::read_to_string(directory.join("documents.jsonl")).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let documents: Vec<(String, serde_json::Value)> = lines
        .map(|line| (line["name"].as_str().unwrap().to_owned(), line["doc"].clone()))
        .collect();
    assert_eq!(documented(&documents), FRAMES);
    let (name, stop) = documents.last().unwrap();
    assert_eq!((name.as_str(), &stop["exit_status"]), ("stop", &"success".into()), "{stop}");
}

/// A scan in which `server` fails when some frames are taken, and is back `outage` later.
fn check_outage(server: Server, failure: Failure, outage: Duration) {
    real_system().block_on(async {
        let mut plant = Plant::new().await;
        let mut program = Program::scan(&plant, GRID);
        plant.reach_frames(5, PATIENCE).await;
        let back = plant.clock.now() + outage;
        plant.fail(server, failure).await;
        let noticed = plant.clock.timeout(ms(1_000), program.says("recovering")).await;
        let line = noticed.unwrap_or_else(|_| panic!("{server:?}: not noticed: {program:?}"));
        assert!(line.contains("its IOC went away (ca://"), "{line}");
        if server == Server::Detectors {
            check_rest(&plant).await;
        }
        plant.clock.sleep_until(back).await;
        plant.mend(server, failure);
        let ended = plant.clock.timeout(PATIENCE, program.ended()).await;
        let (status, out) = ended.unwrap_or_else(|_| panic!("{server:?}: never ended"));
        assert_eq!(status, Some(0), "{server:?}: {out} {program:?}");
        assert!(out.starts_with(&format!("{FRAMES} frames\n")), "{out}");
        assert_whole(program.directory());
        for detector in ["camera", "diode"] {
            let written = plant.frames_written(detector);
            assert_eq!(written.len() as u64, FRAMES, "{detector}");
            assert!(written.iter().all(|times| *times >= 1), "{detector}: {written:?}");
        }
        assert!(plant.is_safe());
    });
}

/// What can still be reached is brought to rest at once: long before the trajectory would end.
async fn check_rest(plant: &Plant) {
    let rests = plant.clock.timeout(ms(5_000), plant.rest()).await;
    rests.expect("the motors come to rest");
    // Nobody could disarm the camera: it has a frame of each trigger.
    let taken = plant.frames_written("camera").len() as u64;
    assert!(taken < FRAMES, "the motors flew on");
}

#[test]
fn a_scan_flies_over_channel_access() {
    real_system().block_on(async {
        let plant = Plant::new().await;
        let mut program = Program::scan(&plant, GRID);
        let ended = plant.clock.timeout(PATIENCE, program.ended()).await;
        let (status, out) = ended.expect("it ends");
        assert_eq!(status, Some(0), "{out} {program:?}");
        assert_whole(program.directory());
        assert_eq!(plant.frames_written("camera"), [1; FRAMES as usize]);
        assert!(plant.is_safe());
    });
}

#[test]
fn a_scan_is_whole_though_the_server_of_motion_dies() {
    check_outage(Server::Motion, Failure::Dies, ms(1_000));
}

#[test]
fn a_scan_is_whole_though_the_server_of_detectors_dies() {
    check_outage(Server::Detectors, Failure::Dies, ms(1_000));
}

#[test]
fn a_scan_is_whole_though_the_server_of_detectors_hangs() {
    check_outage(Server::Detectors, Failure::Hangs, ms(3_000));
}

#[test]
fn a_scan_is_whole_though_the_server_of_motion_hangs() {
    check_outage(Server::Motion, Failure::Hangs, ms(3_000));
}

#[test]
fn a_scan_is_whole_though_a_server_is_away_for_long() {
    check_outage(Server::Motion, Failure::Dies, ms(40_000));
}

#[test]
fn servers_that_are_down_at_the_start_are_told_at_once() {
    real_system().block_on(async {
        let mut plant = Plant::new().await;
        plant.stop(Server::Detectors).await;
        let mut program = Program::scan(&plant, GRID);
        let ended = plant.clock.timeout(PATIENCE, program.ended()).await;
        let (status, out) = ended.expect("it ends");
        assert_eq!((status, out.as_str()), (Some(4), ""), "{program:?}");
        let error = program.says("error: ").await;
        for device in ["camera", "diode"] {
            let silent = format!("device.{device}: none of its signals answers: ca://{device}:");
            assert!(error.contains(&silent), "{error}");
        }
        assert!(!error.contains("device.x"), "{error}");
    });
}

/// Whoever wants the program to end waits for the server no longer than 5 s since it was missed.
#[test]
fn a_signal_waited_minutes_for_a_server_that_was_gone() {
    real_system().block_on(async {
        let mut plant = Plant::new().await;
        let mut program = Program::scan(&plant, GRID);
        plant.reach_frames(5, PATIENCE).await;
        plant.fail(Server::Detectors, Failure::Dies).await;
        program.says("recovering").await;
        program.terminate();
        let ended = plant.clock.timeout(ms(20_000), program.ended()).await;
        let (status, out) = ended.unwrap_or_else(|_| panic!("never ended: {program:?}"));
        assert_eq!((status, out.as_str()), (Some(4), ""), "{program:?}");
        let error = program.says("it may not be safe: look").await;
        assert!(error.contains("its IOC went away (ca://"), "{error}");
        plant.rest().await;
    });
}

//! Ending the process in the middle of a run leaves nothing moving, armed or open.
use super::rig::{GRID, Rig, Setup, documented, name};
use bluefly_actors::{coordinator::Pause, system::simulated_system};
use bluefly_protocol::run::RunPhase;
use bluefly_sim::faults::Fault;
use serde_json::Value;
use std::{path::PathBuf, time::Duration};

fn ms(duration: u64) -> Duration {
    Duration::from_millis(duration)
}

/// What a rig is like once its process has ended.
struct Left {
    is_moving: bool,
    is_armed: bool,
    open_files: Vec<PathBuf>,
    documents: Vec<(String, Value)>,
}

impl Left {
    fn assert_safe(&self) {
        assert!(!self.is_moving, "something moves");
        assert!(!self.is_armed, "something is armed");
        assert_eq!(self.open_files, Vec::<PathBuf>::new(), "a file is open");
    }

    /// The documents end with a stop document of this status, which counts what was documented.
    fn assert_ended(&self, exit_status: &str, reason: &str) {
        let (name, stop) = self.documents.last().unwrap();
        assert_eq!(name, "stop");
        assert_eq!(stop["exit_status"], exit_status, "{stop}");
        assert_eq!(stop["reason"], reason);
        let frames = documented(&self.documents);
        assert_eq!(stop["num_events"]["primary"].as_u64().unwrap_or(0), frames, "{stop}");
    }
}

#[derive(Clone, Copy, Debug)]
enum End {
    Shutdown,
    Halt,
}

/// Kicks a scan off, does `work`, and ends the process.
fn left_after(setup: Setup, end: End, work: impl AsyncFnOnce(&Rig)) -> Left {
    simulated_system().block_on(async move {
        let rig = Rig::new(setup).await;
        rig.ready(GRID).await;
        rig.kickoff().await;
        work(&rig).await;
        let Rig { process, directory, memory: _ } = rig;
        let (world, path) = (process.world.clone(), process.documents.clone());
        match end {
            End::Shutdown => process.shutdown().await,
            End::Halt => process.halt().await,
        };
        let text = std::fs::read_to_string(path).unwrap();
        drop(directory);
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let documents =
            lines.map(|line| (line["name"].as_str().unwrap().to_owned(), line["doc"].clone()));
        Left {
            is_moving: world.is_anything_moving(),
            is_armed: world.is_anything_armed(),
            open_files: world.open_files(),
            documents: documents.collect(),
        }
    })
}

fn assert_in_flight(rig: &Rig) {
    let world = &rig.process.world;
    assert!(world.is_anything_moving(), "it moves no more");
    assert!(world.is_anything_armed(), "nothing is armed any more");
    assert!(!world.open_files().is_empty(), "no file is open any more");
}

const SHUT_DOWN: &str = "the process was shut down";

#[test]
fn a_shutdown_in_flight_left_the_hardware_as_it_was() {
    for at in [0, 1, 60, 500, 901, 1_777, 2_900] {
        let left = left_after(Setup::default(), End::Shutdown, async |rig| {
            eprintln!("shut down after {at} ms");
            rig.sleep(ms(at)).await;
        });
        left.assert_safe();
        left.assert_ended("abort", SHUT_DOWN);
    }
}

#[test]
fn a_shutdown_while_paused_left_files_open() {
    let left = left_after(Setup::default(), End::Shutdown, async |rig| {
        rig.sleep(ms(700)).await;
        rig.ask(Pause).await.unwrap();
        rig.reach(RunPhase::Paused).await;
        assert!(!rig.process.world.open_files().is_empty());
    });
    left.assert_safe();
    left.assert_ended("abort", SHUT_DOWN);
}

/// Nobody but the next incarnation can end the run: it is waited for.
#[test]
fn a_shutdown_while_the_coordinator_was_down_left_motion_and_arms() {
    let left = left_after(Setup::default(), End::Shutdown, async |rig| {
        rig.sleep(ms(500)).await;
        rig.process.tree.crash("scan_coordinator", "a test").unwrap();
        tokio::task::yield_now().await;
        assert!(!rig.process.coordinator.is_up());
        assert_in_flight(rig);
    });
    left.assert_safe();
    left.assert_ended("fail", "the scan coordinator crashed");
}

/// Whoever has no patience has no end of the documents, but safe hardware.
#[test]
fn a_process_that_was_halted_in_flight_is_safe() {
    let left = left_after(Setup::default(), End::Halt, async |rig| {
        rig.sleep(ms(500)).await;
        assert_in_flight(rig);
    });
    left.assert_safe();
}

/// Crashes an actor as soon as it is up, until the root gives up.
async fn crash_beyond_every_limit(rig: &Rig, actor: &str) {
    let tree = rig.process.tree.clone();
    let crashes = async {
        loop {
            // It may be down at the moment.
            if tree.crash(actor, "a test").is_err() {
                tracing::debug!(actor, "is down");
            }
            rig.sleep(ms(1)).await;
        }
    };
    tokio::select! { biased;
        exit = tree.join() => eprintln!("the tree ended: {exit:?}"),
        () = crashes => unreachable!("it never ends"),
    }
}

#[test]
fn a_root_that_gave_up_left_the_hardware_as_it_was() {
    let edits = || vec![("max_crashes_per_run = 3", "restart_delay = \"1 ms\", max_restarts = 0")];
    for actor in ["scan_coordinator", "publisher"] {
        for end in [End::Shutdown, End::Halt] {
            let setup = Setup { edits: edits(), ..Setup::default() };
            let left = left_after(setup, end, async |rig| {
                rig.sleep(ms(500)).await;
                // No incarnation on the way to the end can make them safe.
                for device in ["motion", "x", "y", "camera", "diode"] {
                    let fault = Fault::Disconnect { device: name(device), time: ms(1_500) };
                    rig.process.world.fault(&fault);
                }
                crash_beyond_every_limit(rig, actor).await;
                assert_in_flight(rig);
                // Nobody is waited for who cannot come.
                let asked = rig.process.clock.now();
                rig.process.abort("a test").await.unwrap_err();
                assert_eq!(rig.process.clock.now(), asked);
            });
            left.assert_safe();
        }
    }
}

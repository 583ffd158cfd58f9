//! Ending the process in the middle of a run leaves nothing moving, armed or open.
use super::rig::{GRID, Rig, Setup, documented, name};
use bluefly_actors::{
    coordinator::{Pause, manual::MoveMotor},
    system::simulated_system,
};
use bluefly_protocol::{name::Name, run::RunPhase};
use bluefly_sim::faults::Fault;
use serde_json::Value;
use std::{future::pending, path::PathBuf, time::Duration};

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

/// A file writer hangs in flight: what the end of the process says, how long it takes in all, how many
/// files are open then, and what may not be safe. Nothing moves or is armed a second after it was asked for.
fn end_with_a_writer_that(fault: &Fault) -> (String, u128, usize, Vec<Name>) {
    simulated_system().block_on(async {
        let rig = Rig::new(Setup::default()).await;
        rig.ready(GRID).await;
        rig.kickoff().await;
        rig.sleep(ms(500)).await;
        rig.process.world.fault(fault);
        // A flush is under way that is never answered.
        rig.sleep(ms(200)).await;
        assert_in_flight(&rig);
        let Rig { process, directory, memory: _ } = rig;
        let (world, clock) = (process.world.clone(), process.clock.clone());
        let begun = clock.now();
        let rests = async {
            clock.sleep(ms(1_000)).await;
            assert!(!world.is_anything_moving() && !world.is_anything_armed());
        };
        let ends = async {
            let told = process.close(SHUT_DOWN).await.unwrap_err().to_string();
            (told, process.halt_unless(pending()).await.may_not_be_safe)
        };
        let ((told, left), ()) = tokio::join!(ends, rests);
        drop(directory);
        (told, (clock.now() - begun).as_millis(), world.open_files().len(), left)
    })
}

#[test]
fn a_writer_that_hangs_held_up_the_end_of_the_process() {
    let detector = name("camera");
    let flushes = Fault::SlowWrite { detector: detector.clone(), delay: Duration::from_hours(9) };
    let hangs = Fault::HangWriter { detector };
    let ends = [flushes, hangs].map(|fault| end_with_a_writer_that(&fault));
    let flush =
        |waited_s: &str| format!("sim://camera:HDF1:FlushNow did not answer within {waited_s} s");
    let [first, second] = [flush("2.25"), flush("2.75")];
    let undoing = "moreover, when undoing: camera: cannot make safe";
    let told = format!("camera: cannot make safe: {first}; {undoing}: {second}; camera: cannot");
    let expected = [
        (format!("{told} disarm: {}", flush("3")), 3_000, 0, vec![]),
        // Its file cannot be closed.
        (format!("{told} make safe: {}", flush("5.25")), 7_500, 1, vec![name("camera")]),
    ];
    assert_eq!(ends, expected);
}

#[test]
fn a_motor_that_somebody_moved_went_on_while_a_writer_hung() {
    simulated_system().block_on(async {
        let rig = Rig::new(Setup::default()).await;
        rig.ready(GRID).await;
        rig.kickoff().await;
        rig.sleep(ms(700)).await;
        rig.ask(Pause).await.unwrap();
        rig.reach(RunPhase::Paused).await;
        let Rig { process, directory, memory: _ } = rig;
        let (world, clock) = (process.world.clone(), process.clock.clone());
        world.fault(&Fault::HangWriter { detector: name("camera") });
        let to = MoveMotor { name: name("y"), position: 19.0 };
        let moving = process.coordinator.ask(to, ms(1_000)).await.unwrap().unwrap();
        clock.sleep(ms(200)).await;
        assert!(world.is_anything_moving());
        let rests = async {
            clock.sleep(ms(300)).await;
            assert!(!world.is_anything_moving());
        };
        let ends = async {
            process.close(SHUT_DOWN).await.unwrap_err();
            process.halt().await
        };
        tokio::join!(ends, rests);
        drop((directory, moving));
    });
}

//! Every actor crashes in turn, at every moment of a run.
use super::rig::{GRID, Rig, Setup, spec, with_rig};
use bluefly_actors::coordinator::{Kickoff, Pause, Prepare, Resume, Stage, Unstage};
use bluefly_protocol::run::RunPhase;
use std::time::Duration;

/// Those without which a scan cannot go on.
const PARTNERS: [&str; 6] =
    ["motion", "camera", "diode", "generator", "publisher", "storage_writer"];
/// Those who take no part in a scan by themselves.
const BYSTANDERS: [&str; 2] = ["x", "y"];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    Stage,
    Prepare,
    Kickoff,
    Unstage,
}

const STEPS: [Step; 4] = [Step::Stage, Step::Prepare, Step::Kickoff, Step::Unstage];

/// When a crash happens.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Moment {
    Before(Step),
    /// When everybody else has been polled so many times since the step was asked for.
    During(Step, u32),
    /// So many milliseconds after the kickoff.
    After(u64),
    Paused,
}

fn moments() -> Vec<Moment> {
    let times = [1, 60, 501, 1_777, 2_400, 2_900];
    let polls = [0, 2, 5];
    let mut moments: Vec<Moment> = times.into_iter().map(Moment::After).collect();
    moments.push(Moment::Paused);
    for step in STEPS {
        moments.push(Moment::Before(step));
        moments.extend(polls.map(|polls| Moment::During(step, polls)));
    }
    moments
}

async fn step(rig: &Rig, step: Step) -> Result<u64, String> {
    match step {
        Step::Stage => rig.try_step(Stage::default()).await,
        Step::Prepare => rig.try_step(Prepare(spec(GRID))).await,
        Step::Kickoff => rig.try_step(Kickoff).await,
        Step::Unstage => rig.try_step(Unstage).await,
    }
}

/// Crashes `actor` if its moment comes in `step`, which has been asked for.
async fn crash_in(rig: &Rig, actor: &str, moment: Moment, step: Step) {
    match moment {
        Moment::During(at, polls) if at == step => {
            for _ in 0..polls {
                tokio::task::yield_now().await;
            }
            rig.process.tree.crash(actor, "a test").unwrap();
        }
        Moment::After(time) if step == Step::Kickoff => {
            rig.sleep(Duration::from_millis(time)).await;
            rig.process.tree.crash(actor, "a test").unwrap();
        }
        Moment::Paused if step == Step::Kickoff => {
            rig.sleep(Duration::from_millis(700)).await;
            rig.ask(Pause).await.unwrap();
            rig.reach(RunPhase::Paused).await;
            rig.process.tree.crash(actor, "a test").unwrap();
            rig.sleep(Duration::from_millis(10)).await;
            // Refused if there is nothing to resume any more.
            drop(rig.process.coordinator.ask(Resume::default(), Duration::from_secs(1)).await);
        }
        _ => {}
    }
}

/// A run in which `actor` crashes at `moment`: its frames, or what failed.
async fn run_with_crash(rig: &Rig, actor: &str, moment: Moment) -> Result<u64, String> {
    let mut frames = 0;
    for each in STEPS {
        if moment == Moment::Before(each) {
            rig.process.tree.crash(actor, "a test").unwrap();
        }
        let crash = crash_in(rig, actor, moment, each);
        frames = tokio::join!(step(rig, each), crash).0?;
    }
    Ok(frames)
}

fn settings(on_crash: &'static str) -> Setup {
    let edits = vec![("max_crashes_per_run = 3", on_crash)];
    Setup { edits, ..Setup::default() }
}

const RESUME: &str = "on_crash = \"resume\", max_crashes_per_run = 3";
const STOP: &str = "on_crash = \"stop\"";

/// The run is complete in spite of the crash, and so is the next one.
fn check_complete(actor: &str, on_crash: &'static str) {
    for moment in moments() {
        with_rig(settings(on_crash), async |rig| {
            eprintln!("{actor} crashes {moment:?}");
            assert_eq!(run_with_crash(rig, actor, moment).await, Ok(40), "{actor} {moment:?}");
            rig.assert_complete(GRID, 40);
            rig.assert_safe();
            assert_eq!(rig.run(GRID).await, Ok(40), "after {actor} {moment:?}");
            rig.assert_complete(GRID, 40);
        });
    }
}

#[test]
fn a_run_is_complete_though_a_device_crashes() {
    for actor in ["motion", "camera", "diode", "generator"] {
        check_complete(actor, RESUME);
    }
}

#[test]
fn a_run_is_complete_though_publisher_or_storage_crashes() {
    for actor in ["publisher", "storage_writer"] {
        check_complete(actor, RESUME);
    }
}

#[test]
fn a_crash_of_a_motor_that_a_controller_drives_disturbs_nothing() {
    for actor in BYSTANDERS {
        check_complete(actor, STOP);
    }
}

/// The run ends complete, or has failed cleanly with a reason that has `reason`; the next one is
/// complete. Tells whether it failed.
async fn complete_or_failed(rig: &Rig, ended: Result<u64, String>, reason: &str) -> bool {
    rig.process.coordinator.up().await.unwrap();
    let failed = match ended {
        Ok(frames) => {
            assert_eq!(frames, 40);
            rig.assert_complete(GRID, 40);
            false
        }
        // It crashed when all was done and documented, before it could tell.
        Err(_)
            if rig.documents().last().is_some_and(|(_, end)| end["exit_status"] == "success") =>
        {
            rig.assert_complete(GRID, 40);
            false
        }
        Err(error) => {
            let told = rig.assert_failed(GRID).await;
            assert!(told.as_ref().is_none_or(|told| told.contains(reason)), "{error}; {told:?}");
            true
        }
    };
    rig.assert_safe();
    // Whoever crashed at the very end is back by then.
    rig.sleep(Duration::from_secs(1)).await;
    assert_eq!(rig.run(GRID).await, Ok(40));
    rig.assert_complete(GRID, 40);
    failed
}

#[test]
fn a_run_that_is_to_stop_at_a_crash_fails_cleanly_with_the_reason() {
    for actor in PARTNERS {
        for moment in moments() {
            with_rig(settings(STOP), async |rig| {
                eprintln!("{actor} crashes {moment:?}");
                let ended = run_with_crash(rig, actor, moment).await;
                let failed = complete_or_failed(rig, ended, actor).await;
                let is_in_the_air = matches!(moment, Moment::After(500..2_500));
                let is_device = ["motion", "camera", "diode"].contains(&actor);
                assert!(failed || !(is_in_the_air && is_device), "{actor} {moment:?}");
            });
        }
    }
}

#[test]
fn a_crash_of_the_coordinator_stops_the_run_cleanly() {
    for moment in moments() {
        with_rig(settings(RESUME), async |rig| {
            eprintln!("the coordinator crashes {moment:?}");
            let ended = run_with_crash(rig, "scan_coordinator", moment).await;
            let is_in_the_air = matches!(moment, Moment::After(_) | Moment::Paused);
            assert!(ended.is_err() || !is_in_the_air, "{moment:?}");
            complete_or_failed(rig, ended, "the scan coordinator crashed").await;
        });
    }
}

#[test]
fn more_crashes_than_allowed_fail_the_run() {
    for actor in ["motion", "camera", "diode"] {
        with_rig(settings("max_crashes_per_run = 2, max_restarts = 10"), async |rig| {
            let crashes = async {
                for _ in 0..3 {
                    rig.reach(RunPhase::Running).await;
                    rig.sleep(Duration::from_millis(200)).await;
                    rig.process.tree.crash(actor, "a test").unwrap();
                    rig.sleep(Duration::from_millis(1)).await;
                }
            };
            let (ended, ()) = tokio::join!(rig.run(GRID), crashes);
            assert!(ended.as_ref().is_err_and(|error| error.starts_with(actor)), "{ended:?}");
            assert_eq!(rig.progress().recoveries, 2);
            assert!(complete_or_failed(rig, ended, actor).await);
        });
    }
}

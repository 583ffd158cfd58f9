//! Motors that are moved by hand.
use super::{FRAMES, ask, at, done, flies, goes, ms, refused, shuffled, stop, to, trigger, us};
use crate::{
    beam::{Beam, simulate},
    run::rig::{GRID, Rig, Setup, name, spec, with_rig},
};
use bluefly_actors::{
    coordinator::{Abort, Kickoff, Pause, Prepare, Resume, Stage, manual::device_report},
    random::Seed,
    status::{OperationError, Outcome},
};
use bluefly_protocol::{
    api::DeviceAction,
    run::{RunPhase, StepState},
};
use bluefly_sim::faults::Fault;
use std::time::Duration;

#[test]
fn a_motor_tells_where_it_is_and_where_it_stands() {
    with_rig(Setup::default(), async |rig| {
        let mut status = ask(rig, to("x", 9.0)).await.unwrap();
        let report = device_report(&name("x"), DeviceAction::Set, &status);
        assert_eq!((report.state, report.error), (StepState::Running, None));
        let mut readbacks = Vec::new();
        while status.changed().await {
            readbacks.extend(status.report().progress);
        }
        assert!(readbacks.len() > 4, "{readbacks:?}");
        assert!(readbacks.is_sorted() && readbacks.iter().all(|at| (0.0..=9.0).contains(at)));
        assert_eq!(status.finished().await, Ok(Outcome::Done(Some(9.0))));
        let report = device_report(&name("x"), DeviceAction::Set, &status);
        assert_eq!((report.state, report.value), (StepState::Done, Some(9.0)));
        assert_eq!(at(rig, "x"), 9.0);
        flies(rig).await;
    });
}

#[test]
fn a_motor_is_moved_whenever_no_scan_is_in_the_air() {
    with_rig(Setup::default(), async |rig| {
        goes(rig, "x", 1.0).await;
        rig.step(Stage::default()).await.unwrap();
        goes(rig, "x", 2.0).await;
        let preparing = rig.ask(Prepare(spec(GRID))).await.unwrap();
        goes(rig, "x", 3.0).await;
        preparing.finished().await.unwrap();
        goes(rig, "y", 4.0).await;
        rig.kickoff().await.finished().await.unwrap();
        assert_eq!(rig.progress().phase, RunPhase::Completed);
        goes(rig, "x", -5.0).await;
        assert_eq!(rig.step(Prepare(spec(GRID))).await, Ok(Outcome::Done(0)));
        goes(rig, "y", -6.0).await;
        rig.kickoff().await.finished().await.unwrap();
        assert_eq!(rig.unstage().await, Ok(Outcome::Done(2 * FRAMES)));
        goes(rig, "x", 7.0).await;
    });
}

#[test]
fn a_motor_is_refused_from_the_kickoff_until_all_is_at_rest() {
    with_rig(Setup::default(), async |rig| {
        rig.ready(GRID).await;
        let status = rig.kickoff().await;
        let starting = r#"{"code":"refused","where":"y","message":"cannot move to 5 mm while starting","phase":"starting"}"#;
        assert_eq!(refused(rig, to("y", 5.0)).await, starting);
        let mut phases = Vec::new();
        while status.ended().is_none() {
            let phase = rig.progress().phase;
            let text = refused(rig, to("y", 5.0)).await;
            assert!(text.contains(&format!(r#""phase":"{phase}""#)), "{text}");
            phases.push(phase);
            rig.sleep(us(17_013)).await;
        }
        phases.dedup();
        assert_eq!(phases, [RunPhase::Starting, RunPhase::Running]);
        assert_eq!(status.finished().await, Ok(Outcome::Done(FRAMES)));
        rig.unstage().await.unwrap();
        rig.assert_complete(GRID, FRAMES);
    });
}

#[test]
fn a_motor_is_refused_while_everything_is_made_safe() {
    shuffled(4, async |rig| {
        let staging = rig.ask(Stage::default()).await.unwrap();
        assert!(refused(rig, to("x", 1.0)).await.contains(r#""phase":"staging""#));
        staging.finished().await.unwrap();
        rig.step(Prepare(spec(GRID))).await.unwrap();
        rig.kickoff().await;
        rig.sleep(ms(700)).await;
        let aborting = rig.ask(Abort::default()).await.unwrap();
        for _ in 0..3 {
            assert!(refused(rig, to("x", 1.0)).await.contains("refused"));
            rig.sleep(ms(1)).await;
        }
        aborting.finished().await.unwrap();
        goes(rig, "x", 1.0).await;
    });
}

#[test]
fn a_position_that_is_none_is_told_before_anything_moves() {
    with_rig(Setup::default(), async |rig| {
        let before = rig.process.world.requests(&name("x"));
        let check = async |position: f64, text: &str| {
            let message =
                format!("cannot move to {text} mm: {text} is not within its limits, -10 to 20 mm");
            let expected =
                format!(r#"{{"code":"invalid","where":"x","message":"{message}","device":"x"}}"#);
            assert_eq!(refused(rig, to("x", position)).await, expected);
        };
        check(f64::NAN, "NaN").await;
        check(f64::INFINITY, "inf").await;
        check(f64::NEG_INFINITY, "-inf").await;
        check(20.000_001, "20.000001").await;
        check(-10.5, "-10.5").await;
        assert_eq!(rig.process.world.requests(&name("x")), before);
        // Told also while a scan is in the air, since it will not be right later.
        goes(rig, "x", 20.0).await;
        goes(rig, "x", -10.0).await;
    });
}

#[test]
fn a_device_that_cannot_do_what_is_asked_is_told() {
    with_rig(Setup::default(), async |rig| {
        let none =
            r#"{"code":"not_found","where":"z","message":"the beamline has no such device"}"#;
        assert_eq!(refused(rig, to("z", 1.0)).await, none);
        assert_eq!(refused(rig, stop("z")).await, none);
        assert_eq!(refused(rig, trigger("z")).await, none);
        let unfit = |device: &str, text: &str| {
            format!(
                r#"{{"code":"invalid","where":"{device}","message":"{text}","device":"{device}"}}"#
            )
        };
        assert_eq!(
            refused(rig, to("camera", 1.0)).await,
            unfit("camera", "cannot move: it is no motor")
        );
        let text = "cannot take a frame: it is no detector";
        assert_eq!(refused(rig, trigger("x")).await, unfit("x", text));
    });
}

#[test]
fn a_motor_whose_record_has_another_unit_is_not_moved() {
    simulate(async {
        let beam = Beam::new();
        let motor = beam.motor().await.unwrap();
        assert_eq!(motor.expect_unit("mm").await, Ok(()));
        let fault = motor.expect_unit("deg").await.unwrap_err();
        assert_eq!(fault.to_string(), "x: cannot move: its record is in \"mm\", not in \"deg\"");
    });
}

#[test]
fn one_who_comes_second_is_told_what_is_in_the_way() {
    with_rig(Setup::default(), async |rig| {
        rig.ready(GRID).await;
        let moving = ask(rig, to("x", 15.0)).await.unwrap();
        let busy = r#"{"code":"refused","where":"x","message":"cannot move to 3 mm while moving to 15 mm","phase":"moving to 15 mm"}"#;
        assert_eq!(refused(rig, to("x", 3.0)).await, busy);
        let other = ask(rig, to("y", 2.0)).await.unwrap();
        let error = rig.ask(Kickoff).await.unwrap_err().to_string();
        assert_eq!(error, "scan_coordinator: cannot kick off while ready, with x moving to 15 mm");
        assert_eq!(rig.progress().phase, RunPhase::Ready);
        assert_eq!(other.finished().await, Ok(Outcome::Done(Some(2.0))));
        assert_eq!(moving.finished().await, Ok(Outcome::Done(Some(15.0))));
        assert_eq!(rig.kickoff().await.finished().await, Ok(Outcome::Done(FRAMES)));
        rig.unstage().await.unwrap();
        rig.assert_complete(GRID, FRAMES);
    });
}

/// Kicks off and moves at once. Whoever comes first, is not disturbed. True if that is the scan.
async fn at_once(rig: &Rig, wait: Duration) -> bool {
    rig.ready(GRID).await;
    let kickoff = async {
        rig.sleep(wait).await;
        rig.ask(Kickoff).await
    };
    let moving = async {
        rig.sleep(ms(1).saturating_sub(wait)).await;
        ask(rig, to("y", 7.5)).await
    };
    let is_first = match tokio::join!(kickoff, moving) {
        (Ok(flight), Err(error)) => {
            assert!(error.to_string().starts_with("y: cannot move to 7.5 mm while"), "{error}");
            assert_eq!(flight.finished().await, Ok(Outcome::Done(FRAMES)));
            true
        }
        (Err(refused), Ok(moving)) => {
            assert!(refused.phase.contains("y moving to 7.5 mm"), "{refused}");
            assert_eq!(moving.finished().await, Ok(Outcome::Done(Some(7.5))));
            assert_eq!(rig.kickoff().await.finished().await, Ok(Outcome::Done(FRAMES)));
            false
        }
        (flight, moving) => panic!("{flight:?} and {moving:?}"),
    };
    rig.unstage().await.unwrap();
    rig.assert_complete(GRID, FRAMES);
    rig.assert_safe();
    is_first
}

#[test]
fn a_kickoff_and_a_move_at_once_disturb_neither() {
    let first: Vec<bool> = (0..60)
        .map(|seed| shuffled(seed, async |rig| at_once(rig, us(500 + seed % 3 - 1)).await))
        .collect();
    assert!(first.contains(&true) && first.contains(&false), "{first:?}");
}

/// Moves both axes far away while a scan is paused, and resumes: nothing shows in the data.
async fn wander(rig: &Rig, after: Duration, (x, y): (f64, f64)) -> bool {
    rig.ready(GRID).await;
    let status = rig.kickoff().await;
    rig.sleep(after).await;
    drop(rig.process.coordinator.ask(Pause, ms(1_000)).await);
    let mut progress = rig.process.bulletin.progress();
    let stopped = [RunPhase::Paused, RunPhase::Completed];
    let phase = progress.wait_for(|now| stopped.contains(&now.phase)).await.unwrap().phase;
    if phase == RunPhase::Paused {
        let moving = [ask(rig, to("x", x)).await.unwrap(), ask(rig, to("y", y)).await.unwrap()];
        let error = rig.ask(Resume::default()).await.unwrap_err();
        assert!(error.phase.starts_with("paused, with "), "{error}");
        for status in moving {
            assert!(status.finished().await.is_ok());
        }
        assert_eq!((at(rig, "x"), at(rig, "y")), (x, y));
        rig.ask(Resume::default()).await.unwrap();
    }
    assert_eq!(status.finished().await, Ok(Outcome::Done(FRAMES)));
    rig.unstage().await.unwrap();
    rig.assert_complete(GRID, FRAMES);
    rig.assert_safe();
    phase == RunPhase::Paused
}

#[test]
fn a_paused_scan_goes_on_from_the_right_place_wherever_the_axes_were_moved() {
    let random = &mut Seed(9).stream("wander", 0);
    let mut paused = 0;
    for seed in 0..60 {
        let after = us(random.below(2_900_000));
        let place =
            |random: &mut bluefly_actors::random::Stream| random.below(300) as f64 / 10.0 - 10.0;
        let places = (place(random), place(random));
        paused += u64::from(shuffled(seed, async |rig| wander(rig, after, places).await));
    }
    assert!(paused > 40, "{paused} of 60 were paused at all");
}

#[test]
fn a_move_in_a_pause_that_is_stopped_half_way_is_forgotten() {
    with_rig(Setup::default(), async |rig| {
        rig.ready(GRID).await;
        let status = rig.kickoff().await;
        rig.sleep(ms(900)).await;
        rig.ask(Pause).await.unwrap();
        rig.reach(RunPhase::Paused).await;
        let moving = ask(rig, to("x", -10.0)).await.unwrap();
        rig.sleep(ms(200)).await;
        assert_eq!(done(rig, stop("x")).await, Ok(Outcome::Done(None)));
        assert_eq!(moving.finished().await, Ok(Outcome::Aborted));
        assert!(!rig.process.world.is_anything_moving());
        assert_eq!(rig.progress().phase, RunPhase::Paused);
        assert_eq!(rig.progress().trouble, None, "nobody stopped the scan");
        rig.ask(Resume::default()).await.unwrap();
        assert_eq!(status.finished().await, Ok(Outcome::Done(FRAMES)));
        rig.unstage().await.unwrap();
        rig.assert_complete(GRID, FRAMES);
    });
}

#[test]
fn a_move_was_called_aborted_while_its_motor_moved_on() {
    with_rig(Setup::default(), async |rig| {
        let moving = ask(rig, to("x", 20.0)).await.unwrap();
        rig.sleep(ms(100)).await;
        let frozen = Fault::Freeze { device: name("x"), time: ms(150) };
        rig.process.world.fault(&frozen);
        let stopping = ask(rig, stop("x")).await.unwrap();
        assert_eq!(moving.finished().await, Ok(Outcome::Aborted));
        assert!(!rig.process.world.is_anything_moving());
        assert_eq!(stopping.finished().await, Ok(Outcome::Done(None)));
    });
}

#[test]
fn an_abort_ends_what_is_moved_by_hand() {
    for phase in [RunPhase::Idle, RunPhase::Ready, RunPhase::Paused, RunPhase::Preparing] {
        with_rig(Setup::default(), async |rig| {
            if phase != RunPhase::Idle {
                rig.step(Stage::default()).await.unwrap();
            }
            if phase == RunPhase::Ready || phase == RunPhase::Paused {
                rig.step(Prepare(spec(GRID))).await.unwrap();
            }
            if phase == RunPhase::Paused {
                rig.kickoff().await;
                rig.sleep(ms(900)).await;
                rig.ask(Pause).await.unwrap();
                rig.reach(RunPhase::Paused).await;
            }
            let moving = ask(rig, to("x", 20.0)).await.unwrap();
            rig.sleep(ms(300)).await;
            if phase == RunPhase::Preparing {
                rig.ask(Prepare(spec(GRID))).await.unwrap();
            }
            rig.step(Abort::default()).await.unwrap();
            rig.assert_safe();
            assert_eq!(moving.finished().await, Ok(Outcome::Aborted), "{phase}");
            assert_eq!(rig.progress().phase, RunPhase::Idle);
            flies(rig).await;
        });
    }
}

#[test]
fn a_crash_of_the_coordinator_ends_what_is_moved_by_hand() {
    for wait in [0, 1, 50, 300, 700] {
        with_rig(Setup::default(), async |rig| {
            let moving = ask(rig, to("x", 20.0)).await.unwrap();
            rig.sleep(ms(wait)).await;
            rig.process.tree.crash("scan_coordinator", "a test").unwrap();
            let ended = moving.finished().await;
            assert!(matches!(ended, Err(OperationError::Lost { .. })), "{ended:?}");
            rig.sleep(ms(1)).await;
            rig.process.coordinator.up().await.unwrap();
            rig.reach(RunPhase::Idle).await;
            rig.assert_safe();
            flies(rig).await;
        });
    }
}

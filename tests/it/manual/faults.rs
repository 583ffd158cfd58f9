//! Motors that fail while they are moved by hand: at every request, crashed, and out of reach.
use super::{FRAMES, ask, at, done, flies, goes, ms, shuffled, stop, to};
use crate::run::rig::{GRID, Rig, Setup, name, with_rig};
use bluefly_actors::{
    coordinator::Kickoff,
    status::{OperationError, Outcome},
};
use bluefly_protocol::{fault::FaultClass, run::RunPhase};
use bluefly_sim::faults::Fault;
use std::time::Duration;

fn disconnect(device: &str, time: Duration) -> Fault {
    Fault::Disconnect { device: name(device), time }
}

/// The class of the fault with which a move ended.
async fn class(rig: &Rig, position: f64) -> FaultClass {
    match done(rig, to("x", position)).await {
        Err(OperationError::Fault(fault)) => {
            assert_eq!(fault.device, name("x"), "{fault}");
            assert!(fault.operation.starts_with("move"), "{fault}");
            fault.class
        }
        ended => panic!("{ended:?}"),
    }
}

#[test]
fn a_link_that_drops_at_any_request_of_a_move_fails_it_and_nothing_else() {
    for request in 0.. {
        let is_through = with_rig(Setup::default(), async |rig| {
            let world = &rig.process.world;
            let before = world.requests(&name("x"));
            let (device, time) = (name("x"), ms(30));
            world.fault(&Fault::DropRequest { device, after: request, time });
            let ended = done(rig, to("x", 5.0)).await;
            if world.requests(&name("x")) - before <= request {
                assert_eq!(ended, Ok(Outcome::Done(Some(5.0))));
                return true;
            }
            let Err(OperationError::Fault(fault)) = ended else { panic!("{request}: {ended:?}") };
            assert_eq!(fault.class, FaultClass::Disconnected, "{request}: {fault}");
            // It is stopped as soon as it can be reached, and can be moved again then.
            rig.sleep(ms(2_000)).await;
            rig.assert_safe();
            goes(rig, "x", 6.0).await;
            flies(rig).await;
            false
        });
        if is_through {
            assert!(request > 8, "a move needs more than {request} requests");
            break;
        }
    }
}

#[test]
fn a_scan_that_is_kicked_off_after_a_failed_move_waits_for_the_motor_to_rest() {
    for wait in [0, 1, 10, 49, 50, 51, 500, 1_999, 2_001, 5_000] {
        with_rig(Setup::default(), async |rig| {
            rig.ready(GRID).await;
            let moving = ask(rig, to("y", 20.0)).await.unwrap();
            rig.sleep(ms(100)).await;
            rig.process.world.fault(&disconnect("y", ms(2_000)));
            assert!(moving.finished().await.is_err());
            rig.sleep(ms(wait)).await;
            let status = loop {
                match rig.ask(Kickoff).await {
                    Ok(status) => break status,
                    Err(refused) => {
                        assert_eq!(refused.phase, "ready, with y coming to rest");
                        rig.sleep(ms(1)).await;
                    }
                }
            };
            assert_eq!(status.finished().await, Ok(Outcome::Done(FRAMES)));
            rig.unstage().await.unwrap();
            rig.assert_complete(GRID, FRAMES);
        });
    }
}

#[test]
fn a_scan_is_not_begun_while_a_motor_that_may_move_cannot_be_reached() {
    with_rig(Setup::default(), async |rig| {
        rig.ready(GRID).await;
        let moving = ask(rig, to("y", 20.0)).await.unwrap();
        rig.sleep(ms(100)).await;
        rig.process.world.fault(&disconnect("y", Duration::from_mins(5)));
        assert!(moving.finished().await.is_err());
        rig.sleep(Duration::from_secs(90)).await;
        let error = rig.kickoff().await.finished().await.unwrap_err().to_string();
        assert!(error.starts_with("y: cannot stop"), "{error}");
        assert_eq!(rig.progress().phase, RunPhase::Ready, "nothing was begun");
        assert_eq!(rig.documents().len(), 0);
        rig.sleep(Duration::from_mins(5)).await;
        assert_eq!(rig.kickoff().await.finished().await, Ok(Outcome::Done(FRAMES)));
        rig.unstage().await.unwrap();
        rig.assert_complete(GRID, FRAMES);
    });
}

#[test]
fn a_crash_of_a_motor_that_is_moved_by_hand_stops_it() {
    for seed in 0..20 {
        shuffled(seed, async |rig| {
            rig.ready(GRID).await;
            let moving = ask(rig, to("x", 20.0)).await.unwrap();
            rig.sleep(ms(seed * 40)).await;
            rig.process.tree.crash("x", "a test").unwrap();
            let error = moving.finished().await.unwrap_err();
            let OperationError::Fault(fault) = error else { panic!("{error}") };
            assert_eq!(fault.class, FaultClass::Disconnected, "{fault}");
            rig.sleep(ms(2_000)).await;
            rig.assert_safe();
            assert!(at(rig, "x") < 20.0);
            assert_eq!(rig.kickoff().await.finished().await, Ok(Outcome::Done(FRAMES)));
            rig.unstage().await.unwrap();
            rig.assert_complete(GRID, FRAMES);
            goes(rig, "x", 20.0).await;
        });
    }
}

#[test]
fn a_motor_that_loses_its_way_says_where_it_stopped() {
    with_rig(Setup::default(), async |rig| {
        let moving = ask(rig, to("x", 20.0)).await.unwrap();
        rig.sleep(ms(300)).await;
        rig.process.world.fault(&Fault::FollowingError { motor: name("x") });
        let error = moving.finished().await.unwrap_err().to_string();
        assert!(error.starts_with("x: cannot move to 20: following error at "), "{error}");
        rig.sleep(ms(10)).await;
        rig.assert_safe();
        goes(rig, "x", 5.0).await;
        flies(rig).await;
    });
}

#[test]
fn a_motor_that_is_frozen_or_away_fails_in_time_and_recovers() {
    let faults = [
        (disconnect("x", Duration::from_secs(3)), FaultClass::Disconnected),
        (Fault::Freeze { device: name("x"), time: Duration::from_secs(30) }, FaultClass::Failed),
    ];
    for (fault, expected) in faults {
        with_rig(Setup::default(), async |rig| {
            rig.process.world.fault(&fault);
            assert_eq!(class(rig, 5.0).await, expected);
            rig.sleep(Duration::from_mins(1)).await;
            goes(rig, "x", 5.0).await;
            flies(rig).await;
        });
    }
}

#[test]
fn a_stop_that_does_not_get_through_is_told_and_done_as_soon_as_it_can_be() {
    with_rig(Setup::default(), async |rig| {
        let moving = ask(rig, to("x", 20.0)).await.unwrap();
        rig.sleep(ms(100)).await;
        rig.process.world.fault(&disconnect("x", Duration::from_mins(1)));
        let before = rig.process.clock.now();
        let error = done(rig, stop("x")).await.unwrap_err().to_string();
        assert!(error.starts_with("x: cannot stop: sim://x."), "{error}");
        assert!(rig.process.clock.now() - before <= Duration::from_secs(11));
        assert!(moving.finished().await.is_err());
        rig.sleep(Duration::from_mins(2)).await;
        rig.assert_safe();
        goes(rig, "x", 1.0).await;
        flies(rig).await;
    });
}

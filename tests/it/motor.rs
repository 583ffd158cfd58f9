//! A motor record that refuses, stops, is told something else or flies, as real ones do.
use crate::beam::{Beam, ms, name, simulate};
use bluefly_actors::{
    logic::motor::{Fly, Spmg},
    signal::SignalValue,
};
use bluefly_protocol::fault::{Fault, FaultClass};
use bluefly_sim::{Latency, faults};
use std::{cell::RefCell, time::Duration};

fn check_fault(result: Result<(), Fault>, class: FaultClass, text: &str) {
    let fault = result.unwrap_err();
    assert_eq!((fault.class, fault.to_string().as_str()), (class, text));
}

/// Puts to a field of motor x, as somebody else might.
async fn put<T: SignalValue>(beam: &Beam, field: &str, value: T) {
    beam.connector.w::<T>(&format!("sim://x.{field}")).await.unwrap().send(value).await.unwrap();
}

async fn velocity(beam: &Beam) -> f64 {
    beam.connector.r::<f64>("sim://x.VELO").await.unwrap().get().await.unwrap()
}

#[test]
fn a_record_that_does_not_move_is_told_before_anything_is_put() {
    let check = |mode: Spmg, speed: f64, text: &str| {
        simulate(async {
            let beam = Beam::new();
            put(&beam, "SPMG", mode).await;
            put(&beam, "VELO", speed).await;
            let motor = beam.motor().await.unwrap();
            check_fault(motor.move_to(5.0, |_| ()).await, FaultClass::Rejected, text);
            assert_eq!(beam.connector.r("sim://x.VAL").await.unwrap().get().await, Ok(0.0));
            beam.clock.sleep(ms(1_000)).await;
            assert_eq!(beam.world.position(&name("x")), Some(0.0));
        });
    };
    check(Spmg::Pause, 5.0, "x: cannot move to 5: sim://x.SPMG is Pause: it moves when that is Go");
    check(Spmg::Stop, 5.0, "x: cannot move to 5: sim://x.SPMG is Stop: it moves when that is Go");
    check(
        Spmg::Go,
        10.5,
        "x: cannot move to 5: its velocity (VELO) of 10.5 is not within its base velocity (VBAS) of \
         0 and its maximum (VMAX) of 10",
    );
    check(
        Spmg::Go,
        0.0,
        "x: cannot move to 5: its velocity (VELO) of 0 is not within its base velocity (VBAS) of 0 \
         and its maximum (VMAX) of 10",
    );
}

#[test]
fn a_limit_switch_is_named() {
    let check = |target: f64, text: &str| {
        simulate(async {
            let beam = Beam::with(|config| config.motors[0].switches = Some([-4.0, 4.0]));
            let motor = beam.motor().await.unwrap();
            let moved = motor.move_to(target, |_| ()).await;
            check_fault(moved, FaultClass::Failed, text);
            beam.assert_safe();
            assert_eq!(motor.move_to(0.0, |_| ()).await, Ok(()));
        });
    };
    // 2.5 mm after 500 ms; looked at every 100 ms.
    check(
        9.0,
        "x: cannot move to 9: it stopped at 4.5 with its setpoint at 4.5, on its high limit switch \
         (HLS)",
    );
    check(
        -9.0,
        "x: cannot move to -9: it stopped at -4.5 with its setpoint at -4.5, on its low limit switch \
         (LLS)",
    );
}

#[test]
fn a_motion_that_its_record_was_told_to_end_did_not_say_so() {
    let check = |mode: Spmg, text: &str| {
        simulate(async {
            let beam = Beam::new();
            let motor = beam.motor().await.unwrap();
            let told = async {
                beam.clock.sleep(ms(1_000)).await;
                put(&beam, "SPMG", mode).await;
            };
            let (moved, ()) = futures_util::join!(motor.move_to(20.0, |_| ()), told);
            check_fault(moved, FaultClass::Failed, text);
            // As soon as it stands still.
            assert_eq!(beam.now(), ms(1_500));
            beam.assert_safe();
            put(&beam, "SPMG", Spmg::Go).await;
            assert_eq!(motor.move_to(20.0, |_| ()).await, Ok(()));
        });
    };
    let paused =
        "x: cannot move to 20: it stopped at 10 with its setpoint at 20, and SPMG is Pause";
    check(Spmg::Pause, paused);
    let stopped =
        "x: cannot move to 20: it stopped at 10 with its setpoint at 10, and SPMG is Stop";
    check(Spmg::Stop, stopped);
}

#[test]
fn a_position_that_nobody_knows_is_a_fault() {
    simulate(async {
        let beam = Beam::new();
        let motor = beam.motor().await.unwrap();
        let fault = faults::Fault::UnknownPosition { motor: name("x") };
        beam.world.schedule(vec![faults::Planned { after: ms(100), fault: fault.clone() }]);
        let moved = motor.move_to(5.0, |_| ()).await;
        check_fault(moved, FaultClass::Failed, "x: cannot move to 5: COMM at 5");
        let text = "x: cannot move to 6: its position is not known: alarm COMM";
        check_fault(motor.move_to(6.0, |_| ()).await, FaultClass::Failed, text);
        beam.assert_safe();
    });
}

#[test]
fn a_motion_is_sent_elsewhere_on_its_way() {
    simulate(async {
        let beam = Beam::new();
        let motor = beam.motor().await.unwrap();
        let changed = async {
            beam.clock.sleep(ms(1_000)).await;
            motor.retarget(-3.0).await.unwrap();
            let text = "x: cannot go to 300 instead: 300 is not within the soft limits -100 to 100";
            check_fault(motor.retarget(300.0).await, FaultClass::Rejected, text);
        };
        let (moved, ()) = futures_util::join!(motor.move_to(20.0, |_| ()), changed);
        assert_eq!((moved, motor.position().await), (Ok(()), Ok(-3.0)));
        let text = "x: cannot go to 1 instead: it is not moving";
        check_fault(motor.retarget(1.0).await, FaultClass::Rejected, text);
    });
    simulate(async {
        // Longer than the first motion may take.
        let beam = Beam::new();
        let motor = beam.motor().await.unwrap();
        put(&beam, "VELO", 1.0).await;
        let changed = async {
            beam.clock.sleep(ms(500)).await;
            motor.retarget(60.0).await.unwrap();
        };
        let (moved, ()) = futures_util::join!(motor.move_to(1.0, |_| ()), changed);
        assert_eq!((moved, motor.position().await), (Ok(()), Ok(60.0)));
    });
}

#[test]
fn a_link_that_drops_in_mid_move_leaves_the_outcome_to_be_read() {
    simulate(async {
        let beam = Beam::new();
        let motor = beam.motor().await.unwrap();
        let fault = faults::Fault::Disconnect { device: name("x"), time: ms(200) };
        beam.world.schedule(vec![faults::Planned { after: ms(500), fault }]);
        let moved = motor.move_to(20.0, |_| ()).await;
        let text = "x: cannot move to 20: sim://x.VAL is disconnected";
        check_fault(moved, FaultClass::Disconnected, text);
        beam.clock.sleep(ms(201)).await;
        let text = "x: cannot move to 1: it is moving already (DMOV is 0)";
        check_fault(motor.move_to(1.0, |_| ()).await, FaultClass::Rejected, text);
        motor.make_safe().await.unwrap();
        beam.assert_safe();
        assert_eq!(motor.move_to(1.0, |_| ()).await, Ok(()));
    });
}

const FLY: Fly = Fly { from: 1.0, to: 5.0, duration: Duration::from_secs(2) };

#[test]
fn a_flight_goes_through_at_one_velocity_and_leaves_the_usual_one() {
    simulate(async {
        let beam = Beam::new();
        let motor = beam.motor().await.unwrap();
        let heard = RefCell::new(Vec::new());
        let flown = motor.fly(FLY, |position| heard.borrow_mut().push(position)).await;
        assert_eq!(flown, Ok(()));
        // 2 mm/s, reached in 0.5 s at most (ACCL).
        assert_eq!(motor.position().await, Ok(5.5));
        let heard = heard.into_inner();
        assert_eq!((heard.first(), heard.last()), (Some(&0.5), Some(&5.5)));
        // 0.2 mm in each update at the velocity of the flight.
        let at_speed = heard.windows(2).filter(|pair| (pair[1] - pair[0] - 0.2).abs() < 1e-9);
        assert_eq!(at_speed.count(), 24);
        assert_eq!(velocity(&beam).await, 10.0);
        assert_eq!(motor.unit().await, Ok("mm".to_owned()));
        assert_eq!(motor.precision().await, Ok(4));
    });
}

#[test]
fn a_flight_that_cannot_be_is_refused() {
    let check = |fly: Fly, text: &str| {
        simulate(async {
            let beam = Beam::new();
            let motor = beam.motor().await.unwrap();
            let fault = motor.fly(fly, |_| ()).await.unwrap_err();
            assert_eq!((fault.class, fault.reason.as_str()), (FaultClass::Rejected, text));
            assert_eq!((beam.now(), velocity(&beam).await), (ms(0), 10.0));
        });
    };
    check(Fly { to: f64::NAN, ..FLY }, "the position NaN is not a finite number");
    check(
        Fly { duration: ms(100), ..FLY },
        "its velocity (VELO) of 40 is not within its base velocity (VBAS) of 0 and its maximum \
         (VMAX) of 10",
    );
    check(Fly { duration: Duration::ZERO, ..FLY }, "the velocity inf is not a finite number");
    check(Fly { to: 99.9, from: 95.9, ..FLY }, "100.4 is not within the soft limits -100 to 100");
}

#[test]
fn a_flight_that_is_stopped_or_given_up_leaves_the_usual_velocity() {
    simulate(async {
        let beam = Beam::new();
        let motor = beam.motor().await.unwrap();
        let stopped = async {
            beam.clock.sleep(ms(1_500)).await;
            assert_eq!(velocity(&beam).await, 2.0);
            motor.stop().await.unwrap();
        };
        let (flown, ()) = futures_util::join!(motor.fly(FLY, |_| ()), stopped);
        assert_eq!(flown.unwrap_err().class, FaultClass::Failed);
        assert_eq!(velocity(&beam).await, 10.0);
        beam.assert_safe();
        let given_up = beam.clock.timeout(ms(1_500), motor.fly(FLY, |_| ())).await;
        assert!(given_up.is_err());
        assert_eq!(velocity(&beam).await, 2.0);
        motor.make_safe().await.unwrap();
        assert_eq!(velocity(&beam).await, 10.0);
        beam.assert_safe();
    });
}

#[test]
fn a_motor_was_asked_one_thing_after_the_other_before_a_scan() {
    simulate(async {
        let beam = Beam::with(|config| config.latency = Latency { least: ms(7), most: ms(7) });
        let motor = beam.motor().await.unwrap();
        let begun = beam.clock.now();
        motor.position().await.unwrap();
        let one = beam.clock.now() - begun;
        motor.may_fly().await.unwrap();
        // What is asked at once arrives a microsecond apart.
        assert_eq!(beam.clock.now() - begun, 2 * one + Duration::from_micros(8));
    });
}

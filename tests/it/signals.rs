//! Signals over the simulated provider: a value, a deadline, or an error that names the signal.
use crate::beam::{Beam, ms, name, simulate};
use bluefly_actors::signal::{Alarm, Backlog, Kind, Reading, SignalError, Value};
use bluefly_protocol::fault::FaultClass;
use bluefly_sim::{Latency, faults::Fault};
use std::time::Duration;

fn down(time: Duration) -> Fault {
    Fault::Disconnect { device: name("x"), time }
}

fn disconnected(signal: &str) -> SignalError {
    SignalError::disconnected(signal)
}

#[test]
fn a_reading_has_value_time_and_alarm() {
    simulate(async {
        let beam = Beam::new();
        let position = beam.connector.rw::<f64>("sim://x.VAL").await.unwrap();
        beam.clock.sleep(ms(250)).await;
        let reading = position.r().read().await.unwrap();
        let alarm = Alarm::default();
        assert_eq!(reading, Reading { value: 0.0, timestamp_s: 1_767_225_600.0, alarm });
    });
}

#[test]
fn what_cannot_be_connected_is_named() {
    simulate(async {
        let beam = Beam::new();
        let unknown = beam.connector.r::<f64>("sim://nobody.VAL").await.err();
        assert_eq!(unknown, Some(SignalError::Unknown { signal: "sim://nobody.VAL".into() }));
        let signal = "sim://x.EGU".to_owned();
        let (expected, found) = (Kind::Float, Value::Text("mm".into()));
        let wrong = beam.connector.r::<f64>("sim://x.EGU").await.err();
        assert_eq!(wrong, Some(SignalError::WrongType { signal, expected, found }));
        beam.world.fault(&down(ms(6_000)));
        let error = beam.connector.r::<f64>("sim://x.VAL").await.err();
        assert_eq!(error, Some(disconnected("sim://x.VAL")));
        assert_eq!(beam.now(), ms(5_000));
    });
}

#[test]
fn signals_of_a_batch_are_connected_at_the_same_time() {
    simulate(async {
        let latency = Latency { least: ms(5), most: ms(5) };
        let beam = Beam::with(|config| config.latency = latency);
        let (connector, batch) = beam.connector.batch();
        let mut signals = Vec::new();
        for field in ["VAL", "RBV", "VELO", "ACCL"] {
            signals.push(connector.r::<f64>(&format!("sim://x.{field}")).await.unwrap());
        }
        assert_eq!((batch.len(), beam.now()), (4, Duration::ZERO));
        let early = signals[0].observe(Backlog::Latest).next().await;
        assert_eq!(early, Err(disconnected("sim://x.VAL")));
        assert_eq!(batch.connect().await, []);
        assert_eq!(beam.now(), ms(5) + Duration::from_micros(3));
        assert_eq!(signals[2].get().await, Ok(10.0));
    });
}

#[test]
fn a_batch_names_every_signal_that_is_missing() {
    simulate(async {
        let beam = Beam::new();
        let (connector, batch) = beam.connector.batch();
        let unknown = |signal: &str| SignalError::Unknown { signal: signal.to_owned() };
        for field in ["A", "VAL", "B"] {
            connector.rw::<f64>(&format!("sim://x.{field}")).await.unwrap();
        }
        let missing = [unknown("sim://x.A"), unknown("sim://x.B")];
        assert_eq!(batch.connect().await, missing);
        let surveyed = batch.survey().await;
        let found: Vec<bool> = surveyed.iter().map(|(_, found)| found.is_ok()).collect();
        assert_eq!(found, [false, true, false]);
    });
}

#[test]
fn a_signal_of_a_batch_that_is_used_early_is_connected_alone() {
    simulate(async {
        let beam = Beam::new();
        let (connector, batch) = beam.connector.batch();
        let unit = connector.r::<String>("sim://x.EGU").await.unwrap();
        connector.r::<f64>("sim://x.VAL").await.unwrap();
        assert_eq!(unit.get().await, Ok("mm".to_owned()));
        assert_eq!(batch.connect().await, []);
    });
}

#[test]
fn a_connection_waits_for_the_link() {
    simulate(async {
        let beam = Beam::new();
        beam.world.fault(&down(ms(3_000)));
        beam.connector.r::<f64>("sim://x.VAL").await.unwrap();
        assert_eq!(beam.now(), ms(3_000));
    });
}

#[test]
fn a_lost_link_is_an_error_and_never_a_stale_number() {
    simulate(async {
        let beam = Beam::new();
        let velocity = beam.connector.rw::<f64>("sim://x.VELO").await.unwrap();
        velocity.put(3.0).await.unwrap();
        beam.world.fault(&down(ms(100)));
        assert_eq!(velocity.get().await, Err(disconnected("sim://x.VELO")));
        assert_eq!(velocity.put(4.0).await, Err(disconnected("sim://x.VELO")));
        assert_eq!(beam.now(), ms(0));
        beam.clock.sleep(ms(101)).await;
        assert_eq!(velocity.get().await, Ok(3.0));
    });
}

#[test]
fn an_observer_gets_the_loss_at_once_and_values_again() {
    simulate(async {
        let beam = Beam::new();
        let velocity = beam.connector.rw::<f64>("sim://x.VELO").await.unwrap();
        let mut observer = velocity.r().observe(Backlog::Latest);
        assert_eq!(observer.next().await.unwrap().value, 10.0);
        beam.world.fault(&down(ms(100)));
        assert_eq!(observer.next().await, Err(disconnected("sim://x.VELO")));
        assert_eq!(beam.now(), ms(0));
        assert_eq!(observer.next().await.unwrap().value, 10.0);
        assert_eq!(beam.now(), ms(100));
    });
}

#[test]
fn the_latest_hides_values_but_no_loss() {
    simulate(async {
        let beam = Beam::new();
        let velocity = beam.connector.rw::<f64>("sim://x.VELO").await.unwrap();
        let mut observer = velocity.r().observe(Backlog::Latest);
        for value in [1.0, 2.0, 3.0] {
            velocity.put(value).await.unwrap();
        }
        beam.world.fault(&down(ms(100)));
        beam.clock.sleep(ms(101)).await;
        velocity.put(4.0).await.unwrap();
        assert_eq!(observer.next().await, Err(disconnected("sim://x.VELO")));
        assert_eq!(observer.next().await.unwrap().value, 4.0);
    });
}

#[test]
fn a_queue_tells_how_much_it_dropped() {
    simulate(async {
        let beam = Beam::new();
        let velocity = beam.connector.rw::<f64>("sim://x.VELO").await.unwrap();
        let mut observer = velocity.r().observe(Backlog::Queue(2));
        for value in [1.0, 2.0, 3.0] {
            velocity.put(value).await.unwrap();
        }
        let signal = "sim://x.VELO".to_owned();
        assert_eq!(observer.next().await, Err(SignalError::Overrun { signal, lost: 2 }));
        assert_eq!(observer.next().await.unwrap().value, 2.0);
        assert_eq!(observer.next().await.unwrap().value, 3.0);
    });
}

#[test]
fn a_put_resolves_on_completion_or_on_acceptance() {
    simulate(async {
        let beam = Beam::new();
        let position = beam.connector.rw::<f64>("sim://x.VAL").await.unwrap();
        position.send(20.0).await.unwrap();
        assert_eq!(beam.now(), ms(0));
        let done = beam.connector.r::<bool>("sim://x.DMOV").await.unwrap();
        done.wait_for(ms(9_000), |done| *done).await.unwrap();
        assert_eq!(beam.now(), ms(2_500));
        position.put(0.0).await.unwrap();
        assert_eq!(beam.now(), ms(5_000));
    });
}

#[test]
fn every_wait_has_a_deadline() {
    simulate(async {
        let beam = Beam::new();
        let velocity = beam.connector.rw::<f64>("sim://x.VELO").await.unwrap();
        let (signal, after) = ("sim://x.VELO".to_owned(), ms(70));
        let never = velocity.r().wait_for(ms(70), |velocity| *velocity > 10.0).await;
        let last = Value::Float(10.0);
        assert_eq!(never, Err(SignalError::NotReached { signal: signal.clone(), last, after }));
        assert_eq!(beam.now(), ms(70));
        beam.world.fault(&Fault::Freeze { device: name("x"), time: ms(60_000) });
        let timeout = SignalError::Timeout { signal, after: ms(5_000) };
        assert_eq!(velocity.get().await, Err(timeout.clone()));
        assert_eq!(velocity.put(1.0).await, Err(timeout));
        assert_eq!(beam.now(), ms(10_070));
    });
}

#[test]
fn a_read_only_signal_refuses() {
    simulate(async {
        let beam = Beam::new();
        let readback = beam.connector.w::<f64>("sim://x.RBV").await.unwrap();
        let error = readback.put(1.0).await.unwrap_err();
        let fault = error.into_fault(&name("x"), "test");
        assert_eq!(fault.class, FaultClass::Rejected);
        assert_eq!(fault.to_string(), "x: cannot test: sim://x.RBV refused 1: it is read-only");
    });
}

#[test]
fn requests_arrive_in_order_whatever_their_latency() {
    simulate(async {
        let beam = Beam::with(|config| config.latency = Latency { least: ms(1), most: ms(20) });
        let velocity = beam.connector.rw::<f64>("sim://x.VELO").await.unwrap();
        for round in 0..100 {
            let value = f64::from(round);
            let puts = (velocity.put(value + 0.25), velocity.put(value + 0.5));
            let (first, second) = futures_util::join!(puts.0, puts.1);
            first.and(second).unwrap();
            assert_eq!(velocity.get().await, Ok(value + 0.5));
        }
    });
}

//! Signals that live in the process.
use crate::beam::{ms, simulate};
use bluefly_actors::{
    clock::Clock,
    signal::{Backlog, Connector, Kind, Router, SignalError, SignalProvider, SoftSignals, Value},
};
use bluefly_protocol::beamline::Scheme;
use std::{rc::Rc, sync::Arc};

fn connector() -> (Clock, Connector) {
    let clock = Clock::simulated();
    let soft: Rc<dyn SignalProvider> = Rc::new(SoftSignals::new(clock.clone()));
    let router = Router::default().with(Scheme::Soft, soft);
    (clock.clone(), Connector::new(Rc::new(router), clock, ms(5_000)))
}

#[test]
fn a_soft_signal_keeps_what_is_put() {
    simulate(async {
        let (clock, connector) = connector();
        let points = connector.rw::<i64>("soft://generator:TotalPoints").await.unwrap();
        assert_eq!(points.get().await, Ok(0));
        let other = connector.r::<i64>("soft://generator:TotalPoints").await.unwrap();
        let mut observer = other.observe(Backlog::Queue(4));
        clock.sleep(ms(250)).await;
        for value in [7, 7, 8] {
            points.put(value).await.unwrap();
        }
        for expected in [0, 7, 8] {
            assert_eq!(observer.next().await.unwrap().value, expected);
        }
        assert_eq!(other.read().await.unwrap().timestamp_s, 1_767_225_600.25);
        let array = connector.rw::<Arc<[f64]>>("soft://array").await.unwrap();
        assert_eq!(array.get().await.unwrap().len(), 0);
    });
}

#[test]
fn a_soft_signal_keeps_its_kind() {
    simulate(async {
        let (_, connector) = connector();
        let signal = "soft://generator:TotalPoints".to_owned();
        connector.rw::<i64>(&signal).await.unwrap();
        let error = connector.rw::<f64>(&signal).await.err();
        let (expected, found) = (Kind::Float, Value::Int(0));
        assert_eq!(error, Some(SignalError::WrongType { signal, expected, found }));
    });
}

#[test]
fn an_address_without_a_provider_is_told() {
    simulate(async {
        let (_, connector) = connector();
        for signal in ["ca://X", "X", "soft:X"] {
            let error = connector.r::<f64>(signal).await.err();
            assert_eq!(error, Some(SignalError::NoProvider { signal: signal.to_owned() }));
        }
    });
}

//! Servers that die, hang, come back, and come back as something else.
use crate::{
    alone::{DEADLINE, World, alone},
    ioc::Ioc,
};
use bluefly_actors::{
    clock::Elapsed,
    signal::{Backlog, Observer, SignalError, SignalRW, Value},
};
use std::time::Duration;

/// By when a server that died or hangs must have been noticed.
const NOTICE: Duration = Duration::from_secs(1);

#[test]
fn a_server_dies_and_is_back_after_a_second() {
    alone("faults::a_server_dies_and_is_back_after_a_second", |world| async move {
        dies(&world, Duration::from_secs(1), Duration::from_secs(10)).await;
    });
}

#[test]
#[ignore = "takes a minute"]
fn a_server_dies_and_is_back_after_forty_seconds() {
    alone("faults::a_server_dies_and_is_back_after_forty_seconds", |world| async move {
        dies(&world, Duration::from_secs(40), Duration::from_secs(15)).await;
    });
}

#[test]
fn a_server_hangs() {
    alone("faults::a_server_hangs", |world| async move {
        let ioc = Ioc::softioc(&["REF:"]);
        let Watched { double, mut value, mut counter, .. } = Watched::new(&world).await;
        ioc.hang();
        let began = world.clock.now();
        let put = async {
            let put = double.w().put_within(DEADLINE, 2.5).await;
            assert_eq!(put, Err(lost("ca://REF:double", Value::Float(2.5))));
        };
        let get = async {
            assert_eq!(double.get().await, Err(disconnected("ca://REF:double")));
        };
        let seen = async { while counter.next().await.is_ok() {} };
        futures_util::join!(put, get, seen);
        assert!(world.clock.now() - began < NOTICE, "{:?}", world.clock.now() - began);
        assert_eq!(value.next().await, Err(disconnected("ca://REF:double")));
        // At once, for as long as it lasts.
        let at_once = async { double.w().put_within(DEADLINE, 3.5).await };
        assert_eq!(at_once.await, Err(disconnected("ca://REF:double")));
        let silence = world.clock.timeout(NOTICE, counter.next()).await;
        assert_eq!(silence, Err(Elapsed));

        ioc.resume();
        counter.next_within(DEADLINE).await.unwrap();
        // What was put while it hung was taken when it woke: that is why it was lost.
        assert_eq!(value.next_within(DEADLINE).await.unwrap().value, 2.5);
        assert_eq!(double.get().await, Ok(2.5));
        drop(ioc);
    });
}

#[test]
fn nobody_is_asked_when_nobody_observes() {
    alone("faults::nobody_is_asked_when_nobody_observes", |world| async move {
        let ioc = Ioc::softioc(&["REF:"]);
        let double = world.connector.rw::<f64>("ca://REF:double").await.unwrap();
        double.get().await.unwrap();
        // The answer to a question that was under way still comes.
        world.clock.sleep(NOTICE).await;
        ioc.hang();
        world.clock.sleep(2 * NOTICE).await;
        ioc.resume();
        assert_eq!(double.get().await, Ok(1.5));
        drop(ioc);
    });
}

#[test]
fn a_record_is_gone_after_a_restart() {
    alone("faults::a_record_is_gone_after_a_restart", |world| async move {
        let ioc = Ioc::softioc(&["REF:", "0", "1"]);
        let double = world.connector.rw::<f64>("ca://REF:double").await.unwrap();
        let removed = world.connector.rw::<f64>("ca://REF:p:00000").await.unwrap();
        let mut observer = removed.r().observe(Backlog::Latest);
        assert_eq!(observer.next().await.unwrap().value, 0.0);
        drop(ioc);
        let ioc = Ioc::softioc(&["REF:", "0", "0"]);
        let mut back = double.r().observe(Backlog::Latest);
        while back.next_within(DEADLINE).await.is_err() {}
        assert_eq!(removed.get().await, Err(disconnected("ca://REF:p:00000")));
        assert_eq!(observer.next().await, Err(disconnected("ca://REF:p:00000")));
        let silence = world.clock.timeout(NOTICE, observer.next()).await;
        assert_eq!(silence, Err(Elapsed));
        drop(ioc);
    });
}

#[test]
fn a_record_is_another_after_a_restart() {
    alone("faults::a_record_is_another_after_a_restart", |world| async move {
        let ioc = Ioc::softioc(&["REF:"]);
        let double = world.connector.rw::<f64>("ca://REF:double").await.unwrap();
        let mut observer = double.r().observe(Backlog::Queue(10));
        assert_eq!(observer.next().await.unwrap().value, 1.5);
        drop(ioc);
        let ioc = Ioc::softioc(&["REF:", "0", "0", "double=string"]);
        assert_eq!(observer.next().await, Err(disconnected("ca://REF:double")));
        let error = observer.next_within(DEADLINE).await.unwrap_err();
        assert!(matches!(error, SignalError::WrongRecord { .. }), "{error}");
        assert!(matches!(double.get().await, Err(SignalError::WrongRecord { .. })));
        assert!(matches!(double.put(1.0).await, Err(SignalError::WrongRecord { .. })));
        drop(ioc);
    });
}

/// Signals of a server that something happens to.
struct Watched {
    double: SignalRW<f64>,
    slow: SignalRW<i64>,
    value: Observer<f64>,
    counter: Observer<f64>,
}

impl Watched {
    async fn new(world: &World) -> Self {
        let double = world.connector.rw::<f64>("ca://REF:double").await.unwrap();
        let slow = world.connector.rw::<i64>("ca://REF:endless.PROC").await.unwrap();
        let counter = world.connector.r::<f64>("ca://REF:fast").await.unwrap();
        let mut value = double.r().observe(Backlog::Queue(10));
        let mut counter = counter.observe(Backlog::Latest);
        assert_eq!(value.next().await.unwrap().value, 1.5);
        counter.next().await.unwrap();
        Self { double, slow, value, counter }
    }
}

async fn dies(world: &World, outage: Duration, back: Duration) {
    let ioc = Ioc::softioc(&["REF:"]);
    let Watched { double, slow, mut value, mut counter } = Watched::new(world).await;
    let put = async {
        let put = slow.w().put_within(DEADLINE, 1).await;
        assert_eq!(put, Err(lost("ca://REF:endless.PROC", Value::Int(1))));
        world.clock.now()
    };
    let kill = async {
        // The put is on its way before the server dies: what is asked later is answered.
        double.get().await.unwrap();
        drop(ioc);
        world.clock.now()
    };
    let seen = async { while counter.next().await.is_ok() {} };
    let (lost, killed, ()) = futures_util::join!(put, kill, seen);
    assert!(lost - killed < NOTICE && world.clock.now() - killed < NOTICE);
    assert_eq!(value.next().await, Err(disconnected("ca://REF:double")));
    assert_eq!(double.get().await, Err(disconnected("ca://REF:double")));
    let put = double.w().put_within(DEADLINE, 3.5).await;
    assert_eq!(put, Err(disconnected("ca://REF:double")));
    assert!(double.r().metadata().await.is_err());

    world.clock.sleep(outage).await;
    let ioc = Ioc::softioc(&["REF:"]);
    let restarted = world.clock.now();
    counter.next_within(back).await.unwrap();
    assert_eq!(value.next_within(back).await.unwrap().value, 1.5);
    println!("back after {:?}", world.clock.now() - restarted);
    // It is watched as before.
    ioc.hang();
    let seen = async { while counter.next().await.is_ok() {} };
    world.clock.timeout(NOTICE, seen).await.unwrap();
    assert_eq!(value.next().await, Err(disconnected("ca://REF:double")));
    ioc.resume();
    assert_eq!(value.next_within(DEADLINE).await.unwrap().value, 1.5);
    // Nothing was put anew.
    assert_eq!(double.get().await, Ok(1.5));
    double.put(2.5).await.unwrap();
    assert_eq!(value.next().await.unwrap().value, 2.5);
    drop(ioc);
}

fn disconnected(signal: &str) -> SignalError {
    SignalError::Disconnected { signal: signal.to_owned() }
}

fn lost(signal: &str, value: Value) -> SignalError {
    SignalError::Lost { signal: signal.to_owned(), value }
}

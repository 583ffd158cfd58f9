//! Servers that die, hang, come back, and come back as something else.
use crate::{
    alone::{DEADLINE, World, alone},
    ioc::Ioc,
};
use bluefly_actors::{
    clock::Elapsed,
    signal::{Absence, Backlog, Connector, Observer, SignalError, SignalRW, Value},
};
use std::{
    env,
    net::{Ipv4Addr, UdpSocket},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

/// By when a server that died or hangs must have been noticed.
const NOTICE: Duration = Duration::from_secs(1);

#[test]
fn a_server_dies_and_is_back_after_a_second() {
    alone("faults::a_server_dies_and_is_back_after_a_second", |world| async move {
        dies(&world, Duration::from_secs(1), Duration::from_secs(10)).await;
    });
}

#[test]
fn a_server_dies_and_is_back_after_forty_seconds() {
    alone("faults::a_server_dies_and_is_back_after_forty_seconds", |world| async move {
        dies(&world, Duration::from_secs(40), Duration::from_secs(15)).await;
    });
}

/// Without a repeater on its host, a client hears of no server that has come back.
#[test]
fn a_client_whose_host_has_no_repeater_is_the_repeater() {
    alone("faults::a_client_whose_host_has_no_repeater_is_the_repeater", |_world| async move {
        const REGISTER: u16 = 24;
        const CONFIRM: u16 = 17;
        const BEACON: u16 = 13;
        let port: u16 = env::var("EPICS_CA_REPEATER_PORT").unwrap().parse().unwrap();
        let repeater = (Ipv4Addr::LOCALHOST, port);
        let message = |command: u16| {
            let mut message = [0; 16];
            message[..2].copy_from_slice(&command.to_be_bytes());
            message[12..].copy_from_slice(&Ipv4Addr::LOCALHOST.octets());
            message
        };
        let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        client.set_read_timeout(Some(DEADLINE)).unwrap();
        client.send_to(&message(REGISTER), repeater).unwrap();
        let mut heard = [0; 16];
        client.recv(&mut heard).unwrap();
        assert_eq!(heard[..2], CONFIRM.to_be_bytes());
        // What any server says to the repeater is said to its clients.
        let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        server.send_to(&message(BEACON), repeater).unwrap();
        while heard[..2] != BEACON.to_be_bytes() {
            client.recv(&mut heard).unwrap();
        }
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
            let error = double.w().put_within(DEADLINE, 2.5).await.unwrap_err();
            assert!(matches!(error, SignalError::Lost { .. }), "{error}");
            assert!(is_silent(&error, "ca://REF:double"), "{error}");
        };
        let get = async {
            let error = double.get().await.unwrap_err();
            assert!(is_silent(&error, "ca://REF:double"), "{error}");
        };
        let seen = async { while counter.next().await.is_ok() {} };
        futures_util::join!(put, get, seen);
        assert!(world.clock.now() - began < NOTICE, "{:?}", world.clock.now() - began);
        let error = value.next().await.unwrap_err();
        assert!(is_silent(&error, "ca://REF:double"), "{error}");
        // At once, for as long as it lasts.
        let error = double.w().put_within(DEADLINE, 3.5).await.unwrap_err();
        assert!(is_silent(&error, "ca://REF:double"), "{error}");
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
        assert_eq!(removed.get().await.map_err(checked), Err(closed("ca://REF:p:00000")));
        assert_eq!(observer.next().await.map_err(checked), Err(closed("ca://REF:p:00000")));
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
        assert_eq!(observer.next().await.map_err(checked), Err(closed("ca://REF:double")));
        let error = observer.next_within(DEADLINE).await.unwrap_err();
        assert!(matches!(error, SignalError::WrongRecord { .. }), "{error}");
        assert!(matches!(double.get().await, Err(SignalError::WrongRecord { .. })));
        assert!(matches!(double.put(1.0).await, Err(SignalError::WrongRecord { .. })));
        drop(ioc);
    });
}

#[test]
fn a_server_that_takes_nothing_was_once_held_against_others() {
    alone("faults::a_server_that_takes_nothing_was_once_held_against_others", |world| async move {
        let (ioc, other) = (Ioc::softioc(&["REF:"]), Ioc::softioc_beside(&["OTHER:"]));
        let big = world.connector.rw::<Arc<[f64]>>("ca://REF:big").await.unwrap();
        let healthy = world.connector.rw::<f64>("ca://OTHER:double").await.unwrap();
        let mut observer = healthy.r().observe(Backlog::Queue(10));
        assert_eq!(observer.next().await.unwrap().value, 1.5);
        ioc.hang();
        // More than the circuit has room for: the thread that sends waits in libca.
        let put = big.w().put_within(DEADLINE, vec![1.0; 1_000_000].into());
        let error = put.await.unwrap_err();
        let SignalError::Lost { absence, .. } = &error else { panic!("{error}") };
        let Absence::Silent { server, .. } = absence.as_ref() else { panic!("{error}") };
        assert!(is_ours(server), "{server}");
        let silence = world.clock.timeout(2 * NOTICE, observer.next()).await;
        assert_eq!(silence, Err(Elapsed));
        ioc.resume();
        assert_eq!(healthy.get().await, Ok(1.5));
        drop((ioc, other));
    });
}

#[test]
fn a_record_that_is_nowhere_tells_where_it_was_looked_for() {
    alone("faults::a_record_that_is_nowhere_tells_where_it_was_looked_for", |world| async move {
        let provider = Rc::new(world.provider.clone());
        let connector = Connector::new(provider, world.clock.clone(), NOTICE);
        let error = connector.r::<f64>("ca://REF:double").await.err().unwrap();
        let SignalError::Disconnected { signal, absence } = error else { panic!("{error}") };
        assert_eq!(signal, "ca://REF:double");
        let Absence::NeverFound { searched_for, searched_at } = *absence else {
            panic!("{signal} was found")
        };
        assert!(searched_for >= NOTICE, "{searched_for:?}");
        let variable = |name| env::var(name).unwrap();
        let (list, port) = (variable("EPICS_CA_ADDR_LIST"), variable("EPICS_CA_SERVER_PORT"));
        let places = list.split(' ').map(|place| match place.split_once(':') {
            Some(_) => place.to_owned(),
            None => format!("{place}:{port}"),
        });
        assert_eq!(searched_at, places.collect::<Vec<_>>().join(" and "));
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
        assert_eq!(put.map_err(checked), Err(lost("ca://REF:endless.PROC", Value::Int(1))));
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
    assert_eq!(value.next().await.map_err(checked), Err(closed("ca://REF:double")));
    assert_eq!(double.get().await.map_err(checked), Err(closed("ca://REF:double")));
    let put = double.w().put_within(DEADLINE, 3.5).await;
    assert_eq!(put.map_err(checked), Err(closed("ca://REF:double")));
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
    let error = value.next().await.unwrap_err();
    assert!(is_silent(&error, "ca://REF:double"), "{error}");
    ioc.resume();
    assert_eq!(value.next_within(DEADLINE).await.unwrap().value, 1.5);
    // Nothing was put anew.
    assert_eq!(double.get().await, Ok(1.5));
    double.put(2.5).await.unwrap();
    assert_eq!(value.next().await.unwrap().value, 2.5);
    drop(ioc);
}

/// The loss of a PV whose server died, as [`checked`] gives it.
fn closed(signal: &str) -> SignalError {
    let absence = Box::new(Absence::Closed { server: String::new() });
    SignalError::Disconnected { signal: signal.to_owned(), absence }
}

fn lost(signal: &str, value: Value) -> SignalError {
    let absence = Box::new(Absence::Closed { server: String::new() });
    SignalError::Lost { signal: signal.to_owned(), value, absence }
}

/// The same, without the name of the server, which is looked at.
fn checked(mut error: SignalError) -> SignalError {
    if let SignalError::Disconnected { absence, .. } | SignalError::Lost { absence, .. } =
        &mut error
        && let Absence::Closed { server } = &mut **absence
    {
        assert!(is_ours(server), "{server}");
        server.clear();
    }
    error
}

/// Whether this is the loss of a PV whose server hangs, told as soon as it should.
fn is_silent(error: &SignalError, of: &str) -> bool {
    let (SignalError::Disconnected { signal, absence } | SignalError::Lost { signal, absence, .. }) =
        error
    else {
        return false;
    };
    matches!(&**absence, Absence::Silent { server, after } if is_ours(server) && *after < NOTICE)
        && signal == of
}

/// libca tells the address of a server until it has looked up its name.
fn is_ours(server: &str) -> bool {
    let port = env::var("EPICS_CA_SERVER_PORT").unwrap();
    [format!("localhost:{port}"), format!("127.0.0.1:{port}")].contains(&server.to_owned())
}

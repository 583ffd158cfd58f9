//! A server of signals that do what a test says.
use super::client::Client;
use bluefly_actors::{
    clock::Clock,
    signal::{
        Alarm, Backlog, Channel, Feed, Kind, LocalFuture, Metadata, Monitor, NativeType, Reading,
        Settle, SignalError, Value, monitor,
    },
    system::real_system,
};
use bluefly_sim::ioc::{Addresses, CaServer, Directory, Settings};
use std::{cell::RefCell, collections::VecDeque, rc::Rc, time::Duration};
use tokio::sync::oneshot;

/// 2026-01-01T00:00:00.25Z
pub(super) const TIMESTAMP_S: f64 = 1_767_225_600.25;

/// A signal in the hands of the test.
pub(super) struct Gate {
    name: &'static str,
    state: RefCell<State>,
}

struct State {
    reading: Reading<Value>,
    metadata: Metadata,
    feeds: Vec<Feed>,
    puts: Vec<Value>,
    holds_puts: bool,
    held: VecDeque<oneshot::Sender<Result<(), SignalError>>>,
    is_silent: bool,
    is_down: bool,
}

impl Gate {
    pub(super) fn new(name: &'static str, value: Value, metadata: Metadata) -> Rc<Self> {
        let reading = Reading { value, timestamp_s: TIMESTAMP_S, alarm: Alarm::default() };
        let state = RefCell::new(State {
            reading,
            metadata,
            feeds: vec![],
            puts: vec![],
            holds_puts: false,
            held: VecDeque::new(),
            is_silent: false,
            is_down: false,
        });
        Rc::new(Self { name, state })
    }

    pub(super) fn number(name: &'static str, value: f64) -> Rc<Self> {
        let metadata = Metadata::scalar(NativeType::Double).in_unit("mm", 3);
        Self::new(name, Value::Float(value), metadata)
    }

    fn disconnected(&self) -> SignalError {
        SignalError::disconnected(self.name)
    }

    pub(super) fn post(&self, value: Value) {
        let mut state = self.state.borrow_mut();
        state.reading.value = value;
        state.tell();
    }

    pub(super) fn post_alarm(&self, alarm: Alarm) {
        let mut state = self.state.borrow_mut();
        state.reading.alarm = alarm;
        state.tell();
    }

    /// The link goes down.
    pub(super) fn lose(&self) {
        let error = self.disconnected();
        let mut state = self.state.borrow_mut();
        state.is_down = true;
        state.feeds.retain(|feed| feed.push(Err(error.clone())));
    }

    pub(super) fn be_silent(&self) {
        self.state.borrow_mut().is_silent = true;
    }

    pub(super) fn hold_puts(&self) {
        self.state.borrow_mut().holds_puts = true;
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Metadata)) {
        change(&mut self.state.borrow_mut().metadata);
    }

    /// Ends the oldest put that is held.
    pub(super) fn complete(&self, done: Result<(), SignalError>) {
        let held = self.state.borrow_mut().held.pop_front().expect("a put is held");
        held.send(done).expect("somebody waits for the put");
    }

    /// What was put so far.
    pub(super) fn puts(&self) -> Vec<Value> {
        self.state.borrow().puts.clone()
    }

    pub(super) fn num_observers(&self) -> usize {
        let mut state = self.state.borrow_mut();
        state.feeds.retain(Feed::is_observed);
        state.feeds.len()
    }
}

impl State {
    fn tell(&mut self) {
        let reading = self.reading.clone();
        self.feeds.retain(|feed| feed.push(Ok(reading.clone())));
    }
}

/// A channel of a gate.
pub(super) struct Hinge(pub(super) Rc<Gate>);

impl Channel for Hinge {
    fn get(&self) -> LocalFuture<Result<Reading<Value>, SignalError>> {
        let gate = self.0.clone();
        Box::pin(async move {
            if gate.state.borrow().is_silent {
                return std::future::pending().await;
            }
            let state = gate.state.borrow();
            if state.is_down { Err(gate.disconnected()) } else { Ok(state.reading.clone()) }
        })
    }

    fn put(&self, value: Value, settle: Settle) -> LocalFuture<Result<(), SignalError>> {
        let gate = self.0.clone();
        Box::pin(async move {
            if value == Value::Float(666.0) {
                let reason = "it is a bad number".to_owned();
                return Err(SignalError::Refused { signal: gate.name.into(), value, reason });
            }
            let held = {
                let mut state = gate.state.borrow_mut();
                state.puts.push(value.clone());
                state.reading.value = value;
                state.tell();
                (settle == Settle::Completed && state.holds_puts).then(|| {
                    let (done, held) = oneshot::channel();
                    state.held.push_back(done);
                    held
                })
            };
            match held {
                Some(held) => held.await.unwrap_or(Ok(())),
                None => Ok(()),
            }
        })
    }

    fn observe(&self, backlog: Backlog) -> Monitor {
        let (feed, monitor) = monitor(self.0.name, backlog);
        let mut state = self.0.state.borrow_mut();
        let down = state.is_down.then(|| self.0.disconnected());
        feed.push(down.map_or_else(|| Ok(state.reading.clone()), Err));
        state.feeds.push(feed);
        monitor
    }

    fn metadata(&self) -> LocalFuture<Result<Metadata, SignalError>> {
        let metadata = self.0.state.borrow().metadata.clone();
        Box::pin(async move { Ok(metadata) })
    }
}

/// A server with three numbers, an enum, two texts, an array and a read-only number.
pub(super) struct Rig {
    pub(super) clock: Clock,
    pub(super) directory: Rc<Directory>,
    pub(super) x: Rc<Gate>,
    pub(super) y: Rc<Gate>,
    pub(super) mode: Rc<Gate>,
    pub(super) path: Rc<Gate>,
    pub(super) label: Rc<Gate>,
    pub(super) trace: Rc<Gate>,
    server: RefCell<Option<CaServer>>,
    addresses: Addresses,
}

/// Runs `test` with a server on any port.
pub(super) fn serve<F: Future<Output = ()>>(test: impl FnOnce(Rc<Rig>) -> F) {
    serve_with(|_| (), test);
}

pub(super) fn serve_with<F: Future<Output = ()>>(
    change: impl FnOnce(&mut Settings),
    test: impl FnOnce(Rc<Rig>) -> F,
) {
    real_system().block_on(async {
        let rig = Rc::new(Rig::new(change).await);
        test(rig.clone()).await;
        rig.stop().await;
    });
}

impl Rig {
    async fn new(change: impl FnOnce(&mut Settings)) -> Self {
        let directory = Rc::new(Directory::default());
        let clock = Clock::real();
        let x = Gate::number("x.VAL", 1.5);
        let y = Gate::number("y", -2.0);
        let words = Metadata::choices(&["Internal", "External", "Gate"]);
        let mode = Gate::new("cam:Mode", Value::Text("External".into()), words);
        let path = Gate::new("cam:Path", Value::Text("/data".into()), Metadata::text(64));
        let string = Metadata::scalar(NativeType::String);
        let label = Gate::new("cam:Label", Value::Text("blue".into()), string);
        let array = Metadata::array(NativeType::Double, 1_000_000);
        let trace = Gate::new("cam:Trace", Value::Floats([1.0, 2.0].into()), array);
        let readback = Gate::number("x.RBV", 1.5);
        readback.change(|metadata| metadata.access.write = false);
        let stop = Gate::new("x.STOP", Value::Int(0), Metadata::scalar(NativeType::Short));
        let all = [
            (&x, Kind::Float),
            (&y, Kind::Float),
            (&mode, Kind::Text),
            (&path, Kind::Text),
            (&label, Kind::Text),
            (&trace, Kind::Floats),
            (&readback, Kind::Float),
            (&stop, Kind::Int),
        ];
        for (gate, kind) in all {
            directory.add(gate.name, kind, Rc::new(Hinge(gate.clone()))).await.unwrap();
        }
        let mut settings = settings();
        change(&mut settings);
        let server = CaServer::start(&directory, &clock, &settings).unwrap();
        let addresses = server.addresses();
        let server = RefCell::new(Some(server));
        Self { clock, directory, x, y, mode, path, label, trace, server, addresses }
    }

    pub(super) fn addresses(&self) -> Addresses {
        self.addresses
    }

    pub(super) async fn client(&self) -> Client {
        Client::connect(&self.clock, self.addresses.circuits).await
    }

    pub(super) fn num_dropped(&self) -> u64 {
        self.server.borrow().as_ref().map_or(0, CaServer::num_dropped)
    }

    /// Resolves once as many circuits are open.
    pub(super) async fn until_circuits(&self, expected: usize) {
        let reached = async {
            while self.server.borrow().as_ref().map_or(0, CaServer::num_circuits) != expected {
                tokio::task::yield_now().await;
            }
        };
        let within = Duration::from_secs(20);
        self.clock.timeout(within, reached).await.expect("circuits come and go");
    }

    pub(super) async fn stop(&self) {
        let server = self.server.borrow_mut().take();
        if let Some(server) = server {
            server.stop().await;
        }
    }

    /// Starts it again where it was.
    pub(super) fn start(&self) {
        let settings = Settings { listen: self.addresses.search, ..settings() };
        let server = CaServer::start(&self.directory, &self.clock, &settings).unwrap();
        assert_eq!(server.addresses(), self.addresses);
        self.server.replace(Some(server));
    }
}

/// Any port, and nobody is told of it.
pub(super) fn settings() -> Settings {
    Settings { beacons_to: None, ..Settings::new("127.0.0.1:0".parse().unwrap()) }
}

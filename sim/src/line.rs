//! [`Line`]: the link to one device, with its delays and the faults of its requests.
use crate::{config::Latency, serving::Task};
use bluefly_actors::{
    clock::{Clock, Instant},
    random::{Seed, Stream},
    signal::{LocalFuture, SignalError},
    supervise::{Schedule, shuffled},
    watch,
};
use bluefly_protocol::name::Name;
use std::{
    cell::{Cell, RefCell},
    rc::{Rc, Weak},
    time::Duration,
};
use tokio::{sync::oneshot, task::JoinHandle};

use crate::pv::Pv;

/// Whether a device can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LineState {
    Up,
    Down,
    /// Connected, but nothing is answered.
    Frozen,
}

/// Is told each state of a line as it begins.
pub(crate) type Listener = Rc<dyn Fn(LineState)>;

/// What is common to all simulated devices.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    pub clock: Clock,
    shuffler: Option<Rc<Shuffler>>,
}

/// Gives every task a coin of its own.
#[derive(Debug)]
struct Shuffler {
    seed: Seed,
    num_tasks: Cell<u64>,
}

impl Host {
    pub(crate) fn new(clock: &Clock, seed: Seed, schedule: Schedule) -> Self {
        let shuffler = match schedule {
            Schedule::Fifo => None,
            Schedule::Shuffled => Some(Rc::new(Shuffler { seed, num_tasks: Cell::new(0) })),
        };
        Self { clock: clock.clone(), shuffler }
    }

    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        drop(self.start(task));
    }

    /// Runs `task` for as long as its owner is there.
    pub(crate) fn task(&self, task: impl Future<Output = ()> + 'static) -> Task {
        Task::new(self.start(task))
    }

    /// The one place where tasks of simulated hardware are spawned.
    fn start(&self, task: impl Future<Output = ()> + 'static) -> JoinHandle<()> {
        match &self.shuffler {
            None => tokio::task::spawn_local(task),
            Some(shuffler) => tokio::task::spawn_local(shuffled(task, shuffler.coin())),
        }
    }

    /// Runs `task` whether or not anybody waits for it; resolves when it is done.
    pub(crate) fn run(&self, task: impl Future<Output = ()> + 'static) -> LocalFuture<()> {
        let (done, finished) = oneshot::channel();
        self.spawn(async move {
            task.await;
            if done.send(()).is_err() {
                tracing::trace!("nobody waited");
            }
        });
        Box::pin(async move { drop(finished.await) })
    }
}

impl Shuffler {
    fn coin(&self) -> Stream {
        let task = self.num_tasks.get();
        self.num_tasks.set(task + 1);
        self.seed.stream("sim schedule", task)
    }
}

/// A request, counted from now, at which the line drops.
#[derive(Clone, Copy, Debug)]
struct Trip {
    requests_left: u64,
    outage: Duration,
}

pub(crate) struct Line {
    pub device: Name,
    pub host: Host,
    latency: Latency,
    random: RefCell<Stream>,
    state: watch::Sender<LineState>,
    pvs: RefCell<Vec<Weak<Pv>>>,
    listeners: RefCell<Vec<Listener>>,
    /// Requests arrive in the order in which they were made.
    last_arrival: Cell<Instant>,
    num_requests: Cell<u64>,
    trip: Cell<Option<Trip>>,
    next_put_delay: Cell<Duration>,
    /// Puts made so far, and those of them that have come to the device or been lost.
    num_puts: Cell<u64>,
    puts_over: watch::Sender<u64>,
    /// Which change of state is the latest, so that an outage does not end a later one.
    epoch: Cell<u64>,
}

impl Line {
    pub(crate) fn new(device: Name, host: Host, latency: Latency, random: Stream) -> Rc<Self> {
        Rc::new(Self {
            device,
            host,
            latency,
            random: RefCell::new(random),
            state: watch::Sender::new(LineState::Up),
            pvs: RefCell::default(),
            listeners: RefCell::default(),
            last_arrival: Cell::default(),
            num_requests: Cell::new(0),
            trip: Cell::new(None),
            next_put_delay: Cell::new(Duration::ZERO),
            num_puts: Cell::new(0),
            puts_over: watch::Sender::new(0),
            epoch: Cell::new(0),
        })
    }

    pub(crate) fn add(&self, pv: &Rc<Pv>) {
        self.pvs.borrow_mut().push(Rc::downgrade(pv));
    }

    pub(crate) fn on_state(&self, listener: Listener) {
        self.listeners.borrow_mut().push(listener);
    }

    pub(crate) fn is_up(&self) -> bool {
        *self.state.borrow() != LineState::Down
    }

    /// Requests made so far.
    pub(crate) fn num_requests(&self) -> u64 {
        self.num_requests.get()
    }

    /// Changes the state for `time`; afterwards the line is up.
    pub(crate) fn upset(self: &Rc<Self>, state: LineState, time: Duration) {
        self.set(state);
        let epoch = self.epoch.get();
        let line = self.clone();
        let until = self.host.clock.now() + time;
        self.host.spawn(async move {
            line.host.clock.sleep_until(until).await;
            if line.epoch.get() == epoch {
                line.set(LineState::Up);
            }
        });
    }

    fn set(&self, state: LineState) {
        self.epoch.set(self.epoch.get() + 1);
        let was = self.state.send_replace(state);
        let pvs: Vec<Rc<Pv>> = self.pvs.borrow().iter().filter_map(Weak::upgrade).collect();
        tracing::debug!(device = %self.device, ?state, "line");
        self.listeners.borrow().iter().for_each(|listener| listener(state));
        match (was, state) {
            (LineState::Down, LineState::Up | LineState::Frozen) => {
                for pv in &pvs {
                    pv.tell_present();
                }
            }
            (LineState::Up | LineState::Frozen, LineState::Down) => {
                for pv in &pvs {
                    pv.tell_loss();
                }
            }
            _ => {}
        }
    }

    /// Drops the line at the request after `requests` more, for `outage`.
    pub(crate) fn trip_after(&self, requests: u64, outage: Duration) {
        self.trip.set(Some(Trip { requests_left: requests, outage }));
    }

    /// Is up from now on, and drops no more.
    pub(crate) fn calm(&self) {
        self.trip.set(None);
        self.next_put_delay.set(Duration::ZERO);
        self.set(LineState::Up);
    }

    /// Makes the next put take `delay` longer to arrive.
    pub(crate) fn delay_next_put(&self, delay: Duration) {
        self.next_put_delay.set(delay);
    }

    /// The place of a put that is made now among all others.
    pub(crate) fn take_place(&self) -> u64 {
        let place = self.num_puts.get();
        self.num_puts.set(place + 1);
        place
    }

    /// Resolves when every put before this place is over: a circuit keeps their order.
    pub(crate) async fn in_place(&self, place: u64) {
        // The sender lives in self.
        drop(self.puts_over.subscribe().wait_for(|over| *over >= place).await);
    }

    /// The put at this place is over.
    pub(crate) fn leave_place(&self, place: u64) {
        self.puts_over.send_replace(place + 1);
    }

    pub(crate) fn take_put_delay(&self) -> Duration {
        self.next_put_delay.take()
    }

    /// Counts a request; fails if the line is down or drops at it.
    pub(crate) fn admit(self: &Rc<Self>, signal: &str) -> Result<(), SignalError> {
        self.num_requests.set(self.num_requests.get() + 1);
        match self.trip.take() {
            Some(Trip { requests_left: 0, outage }) => self.upset(LineState::Down, outage),
            Some(Trip { requests_left, outage }) => {
                self.trip.set(Some(Trip { requests_left: requests_left - 1, outage }));
            }
            None => {}
        }
        if self.is_up() { Ok(()) } else { Err(disconnected(signal)) }
    }

    /// When a request made now arrives at the device; `None`: at once.
    pub(crate) fn arrival(&self, extra: Duration) -> Option<Instant> {
        let Latency { least, most } = self.latency;
        let spread = u64::try_from((most.saturating_sub(least)).as_micros()).unwrap_or(0);
        let random = Duration::from_micros(self.random.borrow_mut().below(spread + 1));
        let delay = least + random + extra;
        let now = self.host.clock.now();
        let earliest = self.last_arrival.get();
        if delay.is_zero() && earliest < now {
            return None;
        }
        let in_order = earliest + Duration::from_micros(1);
        let arrival = if delay.is_zero() { earliest } else { (now + delay).max(in_order) };
        self.last_arrival.set(arrival);
        Some(arrival)
    }

    /// Resolves when a request that arrives at `arrival` has been taken by the device; fails as soon
    /// as the line drops.
    pub(crate) async fn reach(
        &self,
        signal: &str,
        arrival: Option<Instant>,
    ) -> Result<(), SignalError> {
        let travel = async {
            if let Some(arrival) = arrival {
                self.host.clock.sleep_until(arrival).await;
            }
            self.up().await;
        };
        self.unless_down(signal, travel).await
    }

    /// Resolves while the device is connected.
    pub(crate) async fn up(&self) {
        // The sender lives in self.
        drop(self.state.subscribe().wait_for(|state| *state == LineState::Up).await);
    }

    /// The output of `future`, unless the line drops first.
    pub(crate) async fn unless_down<T>(
        &self,
        signal: &str,
        future: impl Future<Output = T>,
    ) -> Result<T, SignalError> {
        let mut state = self.state.subscribe();
        tokio::select! { biased;
            _ = state.wait_for(|state| *state == LineState::Down) => Err(disconnected(signal)),
            output = future => Ok(output),
        }
    }
}

pub(crate) fn disconnected(signal: &str) -> SignalError {
    SignalError::disconnected(signal)
}

//! [`MemoryPanda`]: the ports of a box within the process, on any clock.
use super::{Server, TICKS_PER_SECOND, fpga::OutputEdge, server::ConnectionId};
use crate::{
    line::Host,
    serving::{Hold, Task},
};
use bluefly_actors::{
    backend::panda::control::{Dial, Dialed, Wire},
    clock::{Clock, Instant},
    random::Seed,
    supervise::Schedule,
};
use std::{
    cell::{Cell, OnceCell, RefCell},
    io::{self, ErrorKind},
    rc::{Rc, Weak},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream},
    sync::Notify,
};

/// A box that is dialled within the process. Cheap to clone; all clones are one box.
///
/// Its time is that of the clock. It passes when the box is talked to, and whenever something happens
/// in it that could be noticed from outside.
#[derive(Clone)]
pub struct MemoryPanda(Rc<Shared>);

/// The data port of a [`MemoryPanda`].
#[derive(Clone)]
pub struct MemoryDataPort(Rc<Shared>);

struct Shared {
    server: RefCell<Server>,
    host: Host,
    /// The moment of tick zero.
    zero: Instant,
    connections: RefCell<Vec<Task>>,
    /// Brings the box to each moment at which something happens.
    driver: OnceCell<Task>,
    /// Told whenever there may be more for a client.
    news: Notify,
    /// Told when something may happen at another moment than before.
    poke: Rc<Notify>,
    hold: Rc<Hold>,
    is_on: Cell<bool>,
    num_dialled: Cell<u64>,
    /// How many boxes there were before this one.
    generation: Cell<u64>,
    surroundings: RefCell<Option<Weak<dyn Surroundings>>>,
}

/// What is at the other ends of the wires of a box.
pub(crate) trait Surroundings {
    /// Tells the box all that happened around it before `now`, to which it is about to be brought.
    fn catch_up(&self, now: Instant);

    /// Wires a box that was just put there, which is at the present moment.
    fn wire(&self, server: &mut Server);

    /// What outputs did that are followed.
    fn take(&self, edges: Vec<OutputEdge>);

    /// So many more lines came to the control port; whether the client hears what came of them.
    fn hears(&self, num_lines: usize) -> bool;
}

/// What may be on its way in each direction.
const PIPE_BYTES: usize = 16 << 10;
/// Of rows.
const DATA_PIPE_BYTES: usize = 256 << 10;

impl MemoryPanda {
    /// The box `server`, which is at tick zero now. Must be used within a `LocalSet`.
    pub fn new(server: Server, clock: &Clock) -> Self {
        Self::within(&Host::new(clock, Seed(0), Schedule::Fifo), server)
    }

    /// The same, as a part of a simulated beamline.
    pub(crate) fn within(host: &Host, server: Server) -> Self {
        let shared = Rc::new(Shared {
            server: RefCell::new(server),
            host: host.clone(),
            zero: host.clock.now(),
            connections: RefCell::default(),
            driver: OnceCell::new(),
            news: Notify::new(),
            poke: Rc::default(),
            hold: Rc::default(),
            is_on: Cell::new(true),
            num_dialled: Cell::new(0),
            generation: Cell::new(0),
            surroundings: RefCell::default(),
        });
        let driver = drive(Rc::downgrade(&shared), shared.poke.clone(), host.clock.clone());
        shared.driver.get_or_init(|| host.task(driver));
        Self(shared)
    }

    /// Says what it is wired to, now and whenever there is another box.
    pub(crate) fn surround(&self, surroundings: &Rc<dyn Surroundings>) {
        *self.0.surroundings.borrow_mut() = Some(Rc::downgrade(surroundings));
        self.with(|server| surroundings.wire(server));
    }

    /// Lets everything happen in it that is due, and tells what it is wired to.
    pub(crate) fn catch_up(&self) {
        self.0.with(|_| ());
    }

    /// The first tick that does not begin before `moment`.
    pub(crate) fn tick_at(&self, moment: Instant) -> u64 {
        let ticks = (moment - self.0.zero).as_nanos().div_ceil(TICK_NS.into());
        u64::try_from(ticks).unwrap_or(u64::MAX)
    }

    /// When a tick begins.
    pub(crate) fn moment(&self, tick: u64) -> Instant {
        self.0.moment(tick)
    }

    /// Does something to the box as it is now, as somebody who stands before it.
    pub fn with<T>(&self, act: impl FnOnce(&mut Server) -> T) -> T {
        let done = self.0.with(act);
        self.0.tell();
        done
    }

    /// Does something to the box where it stands, which may be behind the present: to tell it what happens
    /// from a moment on to which it was not brought yet.
    pub(crate) fn with_unmoved<T>(&self, act: impl FnOnce(&mut Server) -> T) -> T {
        let done = act(&mut self.0.server.borrow_mut());
        self.0.tell();
        done
    }

    /// Where its rows are dialled.
    pub fn data_port(&self) -> MemoryDataPort {
        MemoryDataPort(Rc::clone(&self.0))
    }

    /// Closes every connection; new ones are taken.
    pub fn cut(&self) {
        self.0.connections.take();
    }

    /// Closes every connection, and refuses new ones until it is switched on.
    pub fn switch_off(&self) {
        self.0.is_on.set(false);
        self.cut();
    }

    /// Takes connections again; it is another box if `server` is given.
    pub fn switch_on(&self, server: Option<Server>) {
        if let Some(server) = server {
            self.replace(server);
        }
        self.0.is_on.set(true);
    }

    /// Puts another box in its place, which knows no connections.
    pub(crate) fn replace(&self, server: Server) {
        self.cut();
        self.catch_up();
        *self.0.server.borrow_mut() = server;
        self.0.generation.set(self.0.generation.get() + 1);
        if let Some(surroundings) = self.0.surroundings() {
            self.with(|server| surroundings.wire(server));
        }
        self.0.tell();
    }

    /// Says and does nothing, with its connections open, until it goes on.
    pub fn hang(&self) {
        self.0.hold.begin();
    }

    /// Goes on where it hung.
    pub fn go_on(&self) {
        self.0.hold.end();
    }

    /// How often its control port was dialled, also in vain.
    pub fn num_dialled(&self) -> u64 {
        self.0.num_dialled.get()
    }
}

impl Dial for MemoryPanda {
    fn dial(&self) -> Dialed {
        let shared = Rc::clone(&self.0);
        Box::pin(async move {
            shared.num_dialled.set(shared.num_dialled.get() + 1);
            let peer = format!("127.0.0.1:{}", shared.num_dialled.get());
            let connected = shared.come(|server| server.connect_control(&peer))?;
            let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
            shared.serve(async move { connected.converse(theirs).await });
            Ok(Box::new(ours) as Box<dyn Wire>)
        })
    }

    fn peer(&self) -> String {
        "a box within the process".to_owned()
    }
}

impl Dial for MemoryDataPort {
    fn dial(&self) -> Dialed {
        let shared = Rc::clone(&self.0);
        Box::pin(async move {
            let connected = shared.come(|server| server.connect_data("127.0.0.1:0"))?;
            let (ours, theirs) = tokio::io::duplex(DATA_PIPE_BYTES);
            shared.serve(async move { connected.give(theirs).await });
            Ok(Box::new(ours) as Box<dyn Wire>)
        })
    }

    fn peer(&self) -> String {
        "the data port of a box within the process".to_owned()
    }
}

impl Shared {
    /// A client comes, unless the box is off.
    fn come(
        self: &Rc<Self>,
        connect: impl FnOnce(&mut Server) -> ConnectionId,
    ) -> io::Result<Connected> {
        if !self.is_on.get() {
            return Err(ErrorKind::ConnectionRefused.into());
        }
        let id = self.with(connect);
        Ok(Connected { shared: Rc::clone(self), generation: self.generation.get(), id })
    }

    /// Serves a client until the connection ends, or is cut.
    fn serve(&self, connection: impl Future<Output = io::Result<()>> + 'static) {
        let mut connections = self.connections.borrow_mut();
        connections.retain(|connection| !connection.is_finished());
        let hold = Rc::clone(&self.hold);
        connections.push(self.host.task(async move {
            let end = hold.unless_on(connection).await;
            tracing::debug!(end = ?end.err(), "connection ended");
        }));
    }

    fn moment(&self, tick: u64) -> Instant {
        self.zero + Duration::from_nanos(tick.saturating_mul(TICK_NS))
    }

    /// Brings the box to the present, tells of it, and says when something happens next.
    fn turn(&self) -> Option<Instant> {
        self.with(|_| ());
        self.news.notify_waiters();
        let next = self.server.borrow().next_event()?;
        Some(self.moment(next))
    }

    /// Does something to the box as it is now, and hands on what its outputs did.
    fn with<T>(&self, act: impl FnOnce(&mut Server) -> T) -> T {
        let now = self.host.clock.now();
        let surroundings = self.surroundings();
        if let Some(surroundings) = &surroundings {
            surroundings.catch_up(now);
        }
        let since = (now - self.zero).as_nanos() / u128::from(TICK_NS);
        let (outcome, edges) = {
            let mut server = self.server.borrow_mut();
            server.advance_to(u64::try_from(since).unwrap_or(u64::MAX));
            let outcome = act(&mut server);
            // Where nothing is plugged in they stay, for whoever looks at the box.
            (outcome, surroundings.as_ref().map(|_| server.take_edges()).unwrap_or_default())
        };
        if let Some(surroundings) = surroundings.filter(|_| !edges.is_empty()) {
            surroundings.take(edges);
        }
        outcome
    }

    fn surroundings(&self) -> Option<Rc<dyn Surroundings>> {
        self.surroundings.borrow().as_ref()?.upgrade()
    }

    /// Something was done to the box, which may be news for anybody.
    fn tell(&self) {
        self.news.notify_waiters();
        self.poke.notify_one();
    }
}

/// Brings a box to the present at each of its events, for as long as there is one.
async fn drive(shared: Weak<Shared>, poke: Rc<Notify>, clock: Clock) {
    while let Some(next) = shared.upgrade().map(|shared| shared.turn()) {
        let poked = poke.notified();
        match next {
            None => poked.await,
            Some(next) => tokio::select! { biased;
                () = poked => {}
                () = clock.sleep_until(next) => {}
            },
        }
    }
}

const TICK_NS: u64 = 1_000_000_000 / TICKS_PER_SECOND;

/// A client that the box knows for as long as this lives.
struct Connected {
    shared: Rc<Shared>,
    generation: u64,
    id: ConnectionId,
}

impl Connected {
    /// Until one side closes.
    async fn converse(&self, mut pipe: DuplexStream) -> io::Result<()> {
        let mut received = vec![0; PIPE_BYTES];
        loop {
            let length = pipe.read(&mut received).await?;
            if length == 0 {
                return Ok(());
            }
            let mut taken = 0;
            while taken < length {
                let (now, output) = self.answer(&received[taken..length])?;
                taken += now;
                pipe.write_all(&output).await?;
                if self.shared.server.borrow().is_over(self.id) {
                    return Ok(());
                }
            }
        }
    }

    /// How much of it was taken, and what is said to it.
    fn answer(&self, bytes: &[u8]) -> io::Result<(usize, Vec<u8>)> {
        let (taken, output) = self.shared.with(|server| {
            let taken = server.receive(self.id, bytes);
            (taken, server.take_output(self.id))
        });
        self.shared.tell();
        let num_lines = bytes[..taken].split(|byte| *byte == b'\n').count() - 1;
        match self.shared.surroundings() {
            Some(surroundings) if !surroundings.hears(num_lines) => {
                Err(ErrorKind::ConnectionReset.into())
            }
            _ => Ok((taken, output)),
        }
    }

    /// Gives rows as they are taken, until one side closes.
    async fn give(&self, pipe: DuplexStream) -> io::Result<()> {
        let (mut input, mut output) = tokio::io::split(pipe);
        let mut received = vec![0; PIPE_BYTES];
        loop {
            let news = self.shared.news.notified();
            let waiting = self.waiting();
            if waiting.is_empty() && self.shared.server.borrow().is_over(self.id) {
                return Ok(());
            }
            tokio::select! { biased;
                sent = output.write(&waiting), if !waiting.is_empty() => {
                    self.shared.server.borrow_mut().sent(self.id, sent?);
                    self.shared.poke.notify_one();
                }
                length = input.read(&mut received) => {
                    let length = length?;
                    if length == 0 {
                        return Ok(());
                    }
                    self.shared.with(|server| server.receive(self.id, &received[..length]));
                    self.shared.poke.notify_one();
                }
                () = news => {}
            }
        }
    }

    /// Some of what is to be sent.
    fn waiting(&self) -> Vec<u8> {
        let server = self.shared.server.borrow();
        let output = server.output(self.id);
        output[..output.len().min(DATA_PIPE_BYTES)].to_vec()
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        // Another box has other connections by the same numbers.
        if self.shared.generation.get() == self.generation {
            self.shared.server.borrow_mut().disconnect(self.id);
            self.shared.tell();
        }
    }
}

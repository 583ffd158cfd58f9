//! [`MemoryPanda`]: the ports of a box within the process, on any clock.
use super::{Server, TICKS_PER_SECOND, server::ConnectionId};
use crate::serving::{Hold, Task};
use bluefly_actors::{
    backend::panda::control::{Dial, Dialed, Wire},
    clock::{Clock, Instant},
};
use std::{
    cell::{Cell, RefCell},
    io::{self, ErrorKind},
    rc::Rc,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream},
    sync::Notify,
};

/// A box that is dialled within the process. Cheap to clone; all clones are one box.
///
/// Its time is that of the clock. It passes when the box is talked to, and, from the first connection
/// on, whenever something happens in it.
#[derive(Clone)]
pub struct MemoryPanda(Rc<Shared>);

/// The data port of a [`MemoryPanda`].
#[derive(Clone)]
pub struct MemoryDataPort(Rc<Shared>);

struct Shared {
    server: RefCell<Server>,
    clock: Clock,
    /// The moment of tick zero.
    zero: Instant,
    connections: RefCell<Vec<Task>>,
    /// Brings the box to each moment at which something happens.
    driver: RefCell<Option<Task>>,
    /// Told whenever there may be more for a client.
    news: Notify,
    /// Told when something may happen at another moment than before.
    poke: Rc<Notify>,
    hold: Rc<Hold>,
    is_on: Cell<bool>,
    num_dialled: Cell<u64>,
}

/// What may be on its way in each direction.
const PIPE_BYTES: usize = 16 << 10;
/// Of rows.
const DATA_PIPE_BYTES: usize = 256 << 10;

impl MemoryPanda {
    /// The box `server`, which is at tick zero now.
    pub fn new(server: Server, clock: &Clock) -> Self {
        Self(Rc::new(Shared {
            server: RefCell::new(server),
            clock: clock.clone(),
            zero: clock.now(),
            connections: RefCell::default(),
            driver: RefCell::default(),
            news: Notify::new(),
            poke: Rc::default(),
            hold: Rc::default(),
            is_on: Cell::new(true),
            num_dialled: Cell::new(0),
        }))
    }

    /// Does something to the box as it is now, as somebody who stands before it.
    pub fn with<T>(&self, act: impl FnOnce(&mut Server) -> T) -> T {
        self.0.advance();
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
            *self.0.server.borrow_mut() = server;
        }
        self.0.is_on.set(true);
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
        self.drive();
        self.advance();
        let id = connect(&mut self.server.borrow_mut());
        Ok(Connected { shared: Rc::clone(self), id })
    }

    /// Serves a client until the connection ends, or is cut.
    fn serve(&self, connection: impl Future<Output = io::Result<()>> + 'static) {
        let mut connections = self.connections.borrow_mut();
        connections.retain(|connection| !connection.is_finished());
        let hold = Rc::clone(&self.hold);
        connections.push(Task::spawn(async move {
            let end = hold.unless_on(connection).await;
            tracing::debug!(end = ?end.err(), "connection ended");
        }));
    }

    /// Lets the box run from here on.
    fn drive(self: &Rc<Self>) {
        let mut driver = self.driver.borrow_mut();
        if driver.is_some() {
            return;
        }
        // It keeps nobody alive: it ends with the box.
        let (weak, poke, hold) = (Rc::downgrade(self), self.poke.clone(), self.hold.clone());
        let clock = self.clock.clone();
        *driver = Some(Task::spawn(async move {
            let run = async {
                while let Some(next) = weak.upgrade().map(|shared| shared.turn()) {
                    tokio::select! { biased;
                        () = poke.notified() => {}
                        () = async { clock.sleep_until(next.unwrap_or_default()).await },
                            if next.is_some() => {}
                    }
                }
            };
            hold.unless_on(run).await;
        }));
    }

    /// Brings the box to the present and tells of it; the next moment at which something happens.
    fn turn(&self) -> Option<Instant> {
        self.advance();
        self.news.notify_waiters();
        let next = self.server.borrow().next_event()?;
        Some(self.zero + Duration::from_nanos(next.saturating_mul(TICK_NS)))
    }

    fn advance(&self) {
        let since = (self.clock.now() - self.zero).as_nanos();
        let tick = u64::try_from(since / u128::from(TICK_NS)).unwrap_or(u64::MAX);
        self.server.borrow_mut().advance_to(tick);
    }

    /// Something was done to the box, which may be news for anybody.
    fn tell(&self) {
        self.news.notify_waiters();
        self.poke.notify_one();
    }
}

const TICK_NS: u64 = 1_000_000_000 / TICKS_PER_SECOND;

/// A client that the box knows for as long as this lives.
struct Connected {
    shared: Rc<Shared>,
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
                let (now, output) = self.answer(&received[taken..length]);
                taken += now;
                pipe.write_all(&output).await?;
                if self.shared.server.borrow().is_over(self.id) {
                    return Ok(());
                }
            }
        }
    }

    /// How much of it was taken, and what is said to it.
    fn answer(&self, bytes: &[u8]) -> (usize, Vec<u8>) {
        self.shared.advance();
        let mut server = self.shared.server.borrow_mut();
        let taken = server.receive(self.id, bytes);
        let output = server.take_output(self.id);
        self.shared.tell();
        (taken, output)
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
                    self.shared.advance();
                    self.shared.server.borrow_mut().receive(self.id, &received[..length]);
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
        self.shared.server.borrow_mut().disconnect(self.id);
        self.shared.tell();
    }
}

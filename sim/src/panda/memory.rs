//! [`MemoryPanda`]: the control port of a box within the process, on any clock.
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
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

/// A box that is dialled within the process. Cheap to clone; all clones are one box.
///
/// Its time is that of the clock, and passes when it is talked to.
#[derive(Clone)]
pub struct MemoryPanda(Rc<Shared>);

struct Shared {
    server: RefCell<Server>,
    clock: Clock,
    /// The moment of tick zero.
    zero: Instant,
    connections: RefCell<Vec<Task>>,
    hold: Rc<Hold>,
    is_on: Cell<bool>,
    num_dialled: Cell<u64>,
}

/// What may be on its way in each direction.
const PIPE_BYTES: usize = 16 << 10;

impl MemoryPanda {
    /// The box `server`, which is at tick zero now.
    pub fn new(server: Server, clock: &Clock) -> Self {
        Self(Rc::new(Shared {
            server: RefCell::new(server),
            clock: clock.clone(),
            zero: clock.now(),
            connections: RefCell::default(),
            hold: Rc::default(),
            is_on: Cell::new(true),
            num_dialled: Cell::new(0),
        }))
    }

    /// Does something to the box, as somebody who stands before it.
    pub fn with<T>(&self, act: impl FnOnce(&mut Server) -> T) -> T {
        act(&mut self.0.server.borrow_mut())
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

    /// How often it was dialled, also in vain.
    pub fn num_dialled(&self) -> u64 {
        self.0.num_dialled.get()
    }
}

impl Dial for MemoryPanda {
    fn dial(&self) -> Dialed {
        let shared = Rc::clone(&self.0);
        Box::pin(async move {
            shared.num_dialled.set(shared.num_dialled.get() + 1);
            if !shared.is_on.get() {
                return Err(ErrorKind::ConnectionRefused.into());
            }
            let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
            let peer = format!("127.0.0.1:{}", shared.num_dialled.get());
            let id = shared.server.borrow_mut().connect_control(&peer);
            let connection = Connected { shared: Rc::clone(&shared), id };
            let mut connections = shared.connections.borrow_mut();
            connections.retain(|connection| !connection.is_finished());
            let hold = Rc::clone(&shared.hold);
            connections.push(Task::spawn(async move {
                let end = hold.unless_on(connection.converse(theirs)).await;
                tracing::debug!(end = ?end.err(), "connection ended");
            }));
            drop(connections);
            Ok(Box::new(ours) as Box<dyn Wire>)
        })
    }

    fn peer(&self) -> String {
        "a box within the process".to_owned()
    }
}

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
        let since = (self.shared.clock.now() - self.shared.zero).as_nanos();
        let tick = u64::try_from(since * u128::from(TICKS_PER_SECOND) / 1_000_000_000);
        let mut server = self.shared.server.borrow_mut();
        server.advance_to(tick.unwrap_or(u64::MAX));
        let taken = server.receive(self.id, bytes);
        (taken, server.take_output(self.id))
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.shared.server.borrow_mut().disconnect(self.id);
    }
}

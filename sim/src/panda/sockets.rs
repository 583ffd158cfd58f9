//! [`PandaServer`]: a box behind real sockets, on real time.
use super::{Fpga, Server, TICKS_PER_SECOND, fpga::Config, server::ConnectionId, waves::Waves};
use crate::serving::{Hold, Task, accept};
use bluefly_actors::clock::{Clock, Instant};
use std::{
    cell::{Cell, RefCell},
    io,
    net::SocketAddr,
    rc::Rc,
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::Notify,
};

/// Where a box can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    pub control: SocketAddr,
    pub data: SocketAddr,
}

/// A running box; its sockets are closed when it is stopped or dropped, as those of one that lost its
/// power.
pub struct PandaServer {
    addresses: Addresses,
    hold: Rc<Hold>,
    connections: Rc<RefCell<Vec<Task>>>,
    tasks: Vec<Task>,
}

#[derive(Clone)]
struct Service {
    server: Rc<RefCell<Server>>,
    clock: Clock,
    hold: Rc<Hold>,
    /// Told whenever there may be more for a client.
    news: Rc<Notify>,
    /// The moment of tick zero.
    zero: Instant,
    /// The moment up to which the box has run, as it is behind if this machine is too slow for it.
    behind: Rc<Cell<Duration>>,
}

#[derive(Clone, Copy, Debug)]
enum Port {
    Control,
    Data,
}

/// Clients that may wait to be accepted, and be connected.
const MAX_CALLERS: u32 = 256;
/// The box runs at least so often, and at most so far before clients get their turn.
const TURN: Duration = Duration::from_millis(5);
const MAX_TURN_TICKS: u64 = TICKS_PER_SECOND / 20;
const RECEIVE_BYTES: usize = 16 << 10;
/// A box that is so far behind real time says so.
const LATE: Duration = Duration::from_secs(1);

impl PandaServer {
    /// Serves a box with encoders that follow `waves`. Fails if an address cannot be had.
    ///
    /// Must be called within a `LocalSet`: every connection is a task.
    pub fn start(
        clock: &Clock,
        control: SocketAddr,
        data: SocketAddr,
        waves: Waves,
    ) -> io::Result<Self> {
        let (control, data) = (listen(control)?, listen(data)?);
        let addresses = Addresses { control: control.local_addr()?, data: data.local_addr()? };
        let zero = clock.now();
        let started = Duration::from_secs_f64(clock.unix_s(zero).max(0.0));
        let hold = Rc::new(Hold::default());
        let service = Service {
            server: Rc::new(RefCell::new(Server::new(Fpga::new(Config::default()), started))),
            clock: clock.clone(),
            hold: hold.clone(),
            news: Rc::new(Notify::new()),
            zero,
            behind: Rc::default(),
        };
        let connections = Rc::new(RefCell::new(Vec::new()));
        let accepting = |listener, port| {
            let own = service.clone();
            let serve = move |stream, client| own.spawn(serve(stream, client, port, own.clone()));
            service.spawn(accept(listener, service.clock.clone(), connections.clone(), serve))
        };
        let tasks = vec![
            service.spawn(run(service.clone(), waves)),
            accepting(control, Port::Control),
            accepting(data, Port::Data),
        ];
        Ok(Self { addresses, hold, connections, tasks })
    }

    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Says and does nothing, with its sockets open, until it goes on.
    pub fn hang(&self) {
        self.hold.begin();
    }

    /// Goes on where it hung, and makes up for the time.
    pub fn go_on(&self) {
        self.hold.end();
    }

    /// Closes every socket; resolves once they are closed, so that the ports are free.
    pub async fn stop(mut self) {
        for task in self.tasks.drain(..).chain(self.connections.take()) {
            task.end().await;
        }
    }
}

impl Drop for PandaServer {
    fn drop(&mut self) {
        self.connections.take();
    }
}

impl Service {
    fn spawn(&self, work: impl Future<Output = ()> + 'static) -> Task {
        let hold = self.hold.clone();
        Task::spawn(async move { hold.unless_on(work).await })
    }

    /// The tick of the present moment.
    fn present(&self) -> u64 {
        let since = (self.clock.now() - self.zero).as_nanos() / 8;
        u64::try_from(since).unwrap_or(u64::MAX)
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(MAX_CALLERS)
}

/// Lets the box run with real time.
async fn run(service: Service, mut waves: Waves) {
    loop {
        let present = service.present();
        let behind = {
            let mut server = service.server.borrow_mut();
            let to = present.min(server.tick() + MAX_TURN_TICKS);
            waves.advance_to(to, server.fpga_mut());
            server.advance_to(to);
            Duration::from_nanos(present.saturating_sub(server.tick()) * 8)
        };
        service.news.notify_waiters();
        let was_late = service.behind.replace(behind) >= LATE;
        if behind >= LATE && !was_late {
            tracing::warn!(?behind, "this machine is too slow for the simulated box");
        }
        if behind.is_zero() {
            service.clock.sleep(TURN).await;
        } else {
            tokio::task::yield_now().await;
        }
    }
}

async fn serve(stream: TcpStream, client: SocketAddr, port: Port, service: Service) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%client, %error, "small messages may be slow");
    }
    let connection = Connected::new(service, client, port);
    let end = connection.converse(&stream).await;
    tracing::debug!(%client, end = ?end.err(), "connection ended");
}

/// A client that the box knows for as long as this lives.
struct Connected {
    service: Service,
    id: ConnectionId,
}

impl Connected {
    fn new(service: Service, client: SocketAddr, port: Port) -> Self {
        let mut server = service.server.borrow_mut();
        let id = match port {
            Port::Control => server.connect_control(&client.to_string()),
            Port::Data => server.connect_data(&client.to_string()),
        };
        drop(server);
        Self { service, id }
    }

    /// Until one side closes.
    async fn converse(&self, stream: &TcpStream) -> io::Result<()> {
        let mut received = vec![0; RECEIVE_BYTES];
        // What is not taken yet of what was received.
        let mut rest = 0..0;
        loop {
            rest.start += self.take(&received[rest.clone()]);
            if self.send(stream)? {
                return Ok(());
            }
            let has_output = !self.service.server.borrow().output(self.id).is_empty();
            tokio::select! {
                biased;
                ready = stream.writable(), if has_output => ready?,
                ready = stream.readable(), if rest.is_empty() => {
                    ready?;
                    match stream.try_read(&mut received) {
                        Ok(0) => return Ok(()),
                        Ok(length) => rest = 0..length,
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                        Err(error) => return Err(error),
                    }
                }
                () = self.service.news.notified() => {}
            }
        }
    }

    /// Offers what was received; how much of it was taken.
    fn take(&self, bytes: &[u8]) -> usize {
        if bytes.is_empty() {
            return 0;
        }
        let taken = self.service.server.borrow_mut().receive(self.id, bytes);
        // What one client asks for may be news for others.
        self.service.news.notify_waiters();
        taken
    }

    /// Sends what the socket takes; whether the box has closed the connection.
    fn send(&self, stream: &TcpStream) -> io::Result<bool> {
        let mut server = self.service.server.borrow_mut();
        while !server.output(self.id).is_empty() {
            match stream.try_write(server.output(self.id)) {
                Ok(length) => server.sent(self.id, length),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(server.is_over(self.id))
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.service.server.borrow_mut().disconnect(self.id);
    }
}

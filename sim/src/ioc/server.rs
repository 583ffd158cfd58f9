//! [`CaServer`]: the sockets of a server.
use super::{circuit::Circuit, directory::Directory, search};
use crate::serving::{Hold, Task, accept};
use bluefly_actors::clock::Clock;
use bluefly_protocol::channel_access::{REPEATER_PORT, Reply};
use std::{
    cell::{Cell, RefCell},
    io,
    net::{self, Ipv4Addr, SocketAddr},
    rc::Rc,
    time::Duration,
};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UdpSocket};

/// Where and how a server serves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where clients look for channels, by UDP; circuits are accepted on the same TCP port if that is
    /// free, else on any. Port zero: any that is free.
    pub listen: SocketAddr,
    /// Who is told by beacons that the server is there; usually the repeater of this machine.
    pub beacons_to: Option<SocketAddr>,
    /// After so long a put-callback is given up that holds up its circuit.
    pub give_up_after: Duration,
    /// How long a device may take to answer. The circuit waits for it, as it does in an IOC.
    pub answer_within: Duration,
    /// A client that leaves no room for what waits to be sent is dropped after this time.
    pub drop_after: Duration,
}

/// Where a server can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// For `EPICS_CA_ADDR_LIST`.
    pub search: SocketAddr,
    pub circuits: SocketAddr,
}

/// What a server counts.
#[derive(Debug, Default)]
pub(super) struct Figures {
    port: Cell<u16>,
    dropped: Cell<u64>,
    num_circuits: Cell<usize>,
}

/// A running server; its sockets and circuits are gone when it is stopped or dropped, as those of a
/// killed IOC. What it served goes on.
pub struct CaServer {
    addresses: Addresses,
    figures: Rc<Figures>,
    hold: Rc<Hold>,
    circuits: Rc<RefCell<Vec<Task>>>,
    tasks: Vec<Task>,
}

/// What is served, and how.
#[derive(Clone)]
struct Service {
    directory: Rc<Directory>,
    clock: Clock,
    figures: Rc<Figures>,
    settings: Settings,
    max_payload: usize,
    hold: Rc<Hold>,
}

/// That of the server of EPICS.
const GIVE_UP_AFTER: Duration = Duration::from_mins(1);
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
const DROP_AFTER: Duration = Duration::from_mins(1);
/// Clients that may wait to be accepted.
const MAX_CALLERS: u32 = 1_024;
/// Room for the longest request that is no value.
const MIN_MAX_PAYLOAD: usize = 16 << 10;
/// A beacon comes after this time, then after twice as long, up to the longest.
const FIRST_BEACON: Duration = Duration::from_millis(20);
const SLOWEST_BEACON: Duration = Duration::from_secs(15);

impl Settings {
    /// Beacons go to the repeater of this machine.
    pub fn new(listen: SocketAddr) -> Self {
        let beacons_to = Some(SocketAddr::from((Ipv4Addr::LOCALHOST, REPEATER_PORT)));
        Self {
            listen,
            beacons_to,
            give_up_after: GIVE_UP_AFTER,
            answer_within: ANSWER_WITHIN,
            drop_after: DROP_AFTER,
        }
    }
}

impl Figures {
    pub(super) fn port(&self) -> u16 {
        self.port.get()
    }

    pub(super) fn count_dropped(&self, events: u64) {
        self.dropped.set(self.dropped.get() + events);
    }
}

impl CaServer {
    /// Serves `directory`. Fails if the address cannot be had.
    ///
    /// Must be called within a `LocalSet`: every circuit is a task.
    pub fn start(
        directory: &Rc<Directory>,
        clock: &Clock,
        settings: &Settings,
    ) -> io::Result<Self> {
        let search = net::UdpSocket::bind(settings.listen)?;
        search.set_nonblocking(true)?;
        let own = search.local_addr()?;
        let listener = match listen(own) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                listen(SocketAddr::new(own.ip(), 0))?
            }
            bound => bound?,
        };
        let addresses = Addresses { search: own, circuits: listener.local_addr()? };
        let search = UdpSocket::from_std(search)?;
        let figures = Rc::new(Figures::default());
        figures.port.set(addresses.circuits.port());
        let hold = Rc::new(Hold::default());
        let service = Service {
            directory: directory.clone(),
            clock: clock.clone(),
            figures: figures.clone(),
            settings: settings.clone(),
            // As long as the longest text or array, with the padding of a message.
            max_payload: (directory.max_count() * 40 + 8).next_multiple_of(8).max(MIN_MAX_PAYLOAD),
            hold: hold.clone(),
        };
        let circuits = Rc::new(RefCell::new(Vec::new()));
        let own = service.clone();
        let serve_circuit = move |stream, client| own.spawn(serve(stream, client, own.clone()));
        let mut tasks = vec![
            service.spawn(answer_searches(search, service.clone())),
            service.spawn(accept(listener, clock.clone(), circuits.clone(), serve_circuit)),
        ];
        if let Some(to) = settings.beacons_to {
            let socket = beacon_socket(to)?;
            tasks.push(service.spawn(send_beacons(socket, to, service.clone())));
        }
        Ok(Self { addresses, figures, hold, circuits, tasks })
    }

    /// Does nothing more, with its sockets open, until it goes on: as an IOC that hangs. What it serves
    /// is not held.
    pub fn hang(&self) {
        self.hold.begin();
    }

    /// Goes on where it hung, with all that came meanwhile.
    pub fn go_on(&self) {
        self.hold.end();
    }

    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Events that clients were not told because they were too slow.
    pub fn num_dropped(&self) -> u64 {
        self.figures.dropped.get()
    }

    /// Circuits that are open.
    pub fn num_circuits(&self) -> usize {
        self.figures.num_circuits.get()
    }

    /// Drops every circuit and socket; resolves once they are closed, so that the ports are free.
    pub async fn stop(mut self) {
        for task in self.tasks.drain(..).chain(self.circuits.take()) {
            task.end().await;
        }
    }
}

impl Service {
    /// Work that stands still while the server hangs.
    fn spawn(&self, work: impl Future<Output = ()> + 'static) -> Task {
        let hold = self.hold.clone();
        Task::spawn(async move { hold.unless_on(work).await })
    }
}

impl Drop for CaServer {
    fn drop(&mut self) {
        self.circuits.take();
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    // Its circuits are as it is: those of a client whose machine is gone come to an end.
    socket.set_keepalive(true)?;
    socket.bind(address)?;
    socket.listen(MAX_CALLERS)
}

async fn answer_searches(socket: UdpSocket, service: Service) {
    let mut datagram = vec![0; 1 << 16];
    let mut out = Vec::new();
    loop {
        let (length, client) = match socket.recv_from(&mut datagram).await {
            Ok(received) => received,
            Err(error) => {
                // On loopback the answer to a client that is gone comes back as an error.
                tracing::trace!(%error, "search");
                tokio::task::yield_now().await;
                continue;
            }
        };
        let port = service.figures.port();
        search::answer(&datagram[..length], &service.directory, port, &mut out, |answer| {
            // A client searches again if no answer comes.
            if let Err(error) = socket.try_send_to(answer, client) {
                tracing::debug!(%client, %error, "an answer was not sent");
            }
        });
    }
}

async fn serve(stream: TcpStream, client: SocketAddr, service: Service) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%client, %error, "small messages may be slow");
    }
    let count = Counted::new(service.figures.clone());
    let circuit = Circuit::new(service.directory, service.clock, service.figures, service.settings);
    let end = circuit.serve(&stream, service.max_payload).await;
    tracing::debug!(%client, %end, "circuit ended");
    drop(count);
}

/// Counts a circuit for as long as it lives.
struct Counted(Rc<Figures>);

impl Counted {
    fn new(figures: Rc<Figures>) -> Self {
        figures.num_circuits.set(figures.num_circuits.get() + 1);
        Self(figures)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.num_circuits.set(self.0.num_circuits.get().saturating_sub(1));
    }
}

fn beacon_socket(to: SocketAddr) -> io::Result<UdpSocket> {
    let any: SocketAddr = if to.ip().is_loopback() {
        (Ipv4Addr::LOCALHOST, 0).into()
    } else {
        (Ipv4Addr::UNSPECIFIED, 0).into()
    };
    let socket = net::UdpSocket::bind(any)?;
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket)
}

async fn send_beacons(socket: UdpSocket, to: SocketAddr, service: Service) {
    let mut period = FIRST_BEACON;
    let mut message = Vec::new();
    for number in 0.. {
        message.clear();
        Reply::Beacon { port: service.figures.port(), number }.encode(&mut message);
        if let Err(error) = socket.send_to(&message, to).await {
            tracing::trace!(%error, "nobody listens to beacons");
        }
        service.clock.sleep(period).await;
        period = (period * 2).min(SLOWEST_BEACON);
    }
}

//! [`DataPort`]: where rows of a PandA are captured from, over a socket or within the process.
use super::{CaptureError, CaptureHandle, Settings};
use crate::{
    backend::panda::{
        connect_data,
        control::{Dial, Wire},
        socket::connect,
    },
    clock::Clock,
    storage::StorageClient,
};
use bluefly_protocol::panda::{
    Address,
    data::{DataRequest, Process},
};
use futures_util::future::LocalBoxFuture;
use std::{
    io::{self, ErrorKind},
    rc::Rc,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// A capture on its way.
pub type Starting = LocalBoxFuture<'static, Result<CaptureHandle, CaptureError>>;

/// Whether a data port is there, as far as it is known.
pub type Trying = LocalBoxFuture<'static, io::Result<()>>;

/// Makes connections to one data port.
pub trait DataPort {
    /// Connects and sends the request, within a time of its own.
    fn start(&self, settings: Settings, storage: StorageClient) -> Starting;

    /// Resolves once it has taken the request of a reader, who leaves then; fails within a time of its
    /// own if it does not.
    fn try_out(&self) -> Trying;

    /// Whom it connects to, for people.
    fn peer(&self) -> String;
}

/// Connects by TCP, and reads on a thread of its own.
#[derive(Clone, Debug)]
pub struct TcpDataPort {
    pub address: Address,
    pub within: Duration,
    pub clock: Clock,
}

/// Dials, and reads by a task.
#[derive(Clone)]
pub struct WireDataPort {
    pub dial: Rc<dyn Dial>,
    pub within: Duration,
    pub clock: Clock,
}

impl DataPort for TcpDataPort {
    fn start(&self, settings: Settings, storage: StorageClient) -> Starting {
        let Self { address, within, clock } = self.clone();
        Box::pin(async move {
            let peer = peer(&address);
            let request = settings.request;
            let connect = move || connect_data(&address, request, within);
            // A name may be looked up for longer than a connection takes.
            let socket = match clock.timeout(within, clock.foreign(connect)).await {
                Ok(connected) => connected.map_err(|fault| fault.source),
                Err(_) => Err(ErrorKind::TimedOut.into()),
            };
            let socket = socket.map_err(|source| CaptureError::Connect { peer, source })?;
            CaptureHandle::on_thread(socket, settings, storage)
        })
    }

    fn try_out(&self) -> Trying {
        let Self { address, within, clock } = self.clone();
        Box::pin(async move {
            let connect = move || -> io::Result<_> {
                let socket = connect(&address.host, address.data_port, within)?;
                socket.set_nonblocking(true)?;
                Ok(socket)
            };
            let asked = async {
                let socket = TcpStream::from_std(clock.foreign(connect).await?)?;
                taken(socket).await
            };
            clock.timeout(within, asked).await.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()))
        })
    }

    fn peer(&self) -> String {
        peer(&self.address)
    }
}

impl DataPort for WireDataPort {
    fn start(&self, settings: Settings, storage: StorageClient) -> Starting {
        let Self { dial, within, clock } = self.clone();
        Box::pin(async move {
            let request = format!("{}\n", settings.request);
            let connect = async {
                let mut wire = dial.dial().await?;
                wire.write_all(request.as_bytes()).await?;
                Ok::<_, io::Error>(wire)
            };
            let connected = clock.timeout(within, connect).await;
            let wire = connected.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()));
            let wire =
                wire.map_err(|source| CaptureError::Connect { peer: dial.peer(), source })?;
            Ok(CaptureHandle::on_wire(wire, settings, storage))
        })
    }

    fn try_out(&self) -> Trying {
        let Self { dial, within, clock } = self.clone();
        Box::pin(async move {
            let asked = async { taken(dial.dial().await?).await };
            clock.timeout(within, asked).await.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()))
        })
    }

    fn peer(&self) -> String {
        self.dial.peer()
    }
}

fn peer(address: &Address) -> String {
    let Address { host, data_port, .. } = address;
    if host.contains(':') { format!("[{host}]:{data_port}") } else { format!("{host}:{data_port}") }
}

/// Fails unless the other end takes the usual request.
async fn taken(mut wire: impl Wire) -> io::Result<()> {
    let request = format!("{}\n", DataRequest::framed(Process::Raw));
    wire.write_all(request.as_bytes()).await?;
    let mut reply = [0; TAKEN.len()];
    wire.read_exact(&mut reply).await?;
    if reply == *TAKEN {
        return Ok(());
    }
    let (sent, told) = (request.trim_end(), String::from_utf8_lossy(&reply));
    Err(io::Error::other(format!("it does not take {sent}: its reply begins with {told:?}")))
}

/// The reply to a request that is taken.
const TAKEN: &[u8; 3] = b"OK\n";

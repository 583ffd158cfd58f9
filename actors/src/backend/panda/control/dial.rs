//! [`Dial`]: how a control connection is made, over a socket or within the process.
use super::super::socket::connect;
use crate::clock::Clock;
use bluefly_protocol::panda::Address;
use std::{
    io::{self, ErrorKind},
    pin::Pin,
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

/// Bytes to and from the other end.
pub trait Wire: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Wire for T {}

/// A connection on its way.
pub type Dialed = Pin<Box<dyn Future<Output = io::Result<Box<dyn Wire>>>>>;

/// Makes connections to one control port.
pub trait Dial {
    /// Resolves with a new connection within a time of its own.
    fn dial(&self) -> Dialed;

    /// Whom it connects to, for people.
    fn peer(&self) -> String;
}

/// Connects by TCP.
#[derive(Clone, Debug)]
pub struct TcpDial {
    pub address: Address,
    pub within: Duration,
    pub clock: Clock,
}

impl Dial for TcpDial {
    fn dial(&self) -> Dialed {
        let Self { address, within, clock } = self.clone();
        Box::pin(async move {
            let connect = move || -> io::Result<_> {
                let socket = connect(&address.host, address.control_port, within)?;
                socket.set_nonblocking(true)?;
                Ok(socket)
            };
            // A name may be looked up for longer than a connection takes.
            let connected = clock.timeout(within, clock.foreign(connect)).await;
            let socket = connected.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()))?;
            Ok(Box::new(TcpStream::from_std(socket)?) as Box<dyn Wire>)
        })
    }

    fn peer(&self) -> String {
        let Address { host, control_port, .. } = &self.address;
        if host.contains(':') {
            format!("[{host}]:{control_port}")
        } else {
            format!("{host}:{control_port}")
        }
    }
}

//! Connecting to a PandA, with deadlines.
use super::capture::Source;
use bluefly_protocol::panda::{Address, data::DataRequest};
use rustix::net::sockopt;
use std::{
    io::{self, Write as _},
    net::{TcpStream, ToSocketAddrs as _},
    time::Duration,
};

/// A PandA cannot be reached.
#[derive(Debug, thiserror::Error)]
#[error("{host}:{port}: cannot connect: {source}")]
pub struct SocketFault {
    pub host: String,
    pub port: u16,
    #[source]
    pub source: io::Error,
}

/// A box that has lost its power says nothing: after so long without a word it is asked.
const KEEP_ALIVE_AFTER: Duration = Duration::from_secs(5);
const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(2);
const KEEP_ALIVE_TIMES: u32 = 3;

/// Connects to the data port and asks for rows. It blocks: not for the thread of an actor.
pub fn connect_data(
    address: &Address,
    request: DataRequest,
    within: Duration,
) -> Result<TcpStream, SocketFault> {
    let asked = || -> io::Result<TcpStream> {
        let mut socket = connect(&address.host, address.data_port, within)?;
        socket.set_write_timeout(Some(within))?;
        socket.write_all(format!("{request}\n").as_bytes())?;
        socket.set_read_timeout(Some(TcpStream::TICK))?;
        Ok(socket)
    };
    asked().map_err(|source| SocketFault::of(address, address.data_port, source))
}

impl SocketFault {
    pub(super) fn of(address: &Address, port: u16, source: io::Error) -> Self {
        Self { host: address.host.clone(), port, source }
    }
}

/// To the first address of the host that answers.
pub(super) fn connect(host: &str, port: u16, within: Duration) -> io::Result<TcpStream> {
    let none = || io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    let mut result = Err(none());
    for address in (host, port).to_socket_addrs()? {
        result = TcpStream::connect_timeout(&address, within);
        if result.is_ok() {
            break;
        }
    }
    let socket = result?;
    socket.set_nodelay(true)?;
    sockopt::set_socket_keepalive(&socket, true)?;
    sockopt::set_tcp_keepidle(&socket, KEEP_ALIVE_AFTER)?;
    sockopt::set_tcp_keepintvl(&socket, KEEP_ALIVE_EVERY)?;
    sockopt::set_tcp_keepcnt(&socket, KEEP_ALIVE_TIMES)?;
    Ok(socket)
}

//! Connecting to a PandA, with deadlines.
use super::capture::Source;
use bluefly_protocol::panda::{CONTROL_PORT, DATA_PORT, data::DataRequest};
use rustix::net::sockopt;
use std::{
    fmt,
    io::{self, Write as _},
    net::{TcpStream, ToSocketAddrs as _},
    str::FromStr,
    time::Duration,
};

/// Where a PandA is: `HOST[:CTRL[:DATA]]`, an IPv6 address in brackets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    pub host: String,
    pub control_port: u16,
    pub data_port: u16,
}

/// A PandA cannot be reached.
#[derive(Debug, thiserror::Error)]
#[error("{host}:{port}: cannot connect: {source}")]
pub struct SocketFault {
    pub host: String,
    pub port: u16,
    #[source]
    pub source: io::Error,
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (host, ports) = match text.strip_prefix('[').map(|rest| rest.split_once(']')) {
            Some(Some((host, ports))) => (host, ports),
            Some(None) => return Err(format!("`{text}`: the bracket is not closed")),
            None => text.split_at(text.find(':').unwrap_or(text.len())),
        };
        if host.is_empty() {
            return Err(format!("`{text}` names no host"));
        }
        let mut after_colons = ports.split(':');
        if after_colons.next() != Some("") {
            return Err(format!("`{text}`: ports follow a colon"));
        }
        let mut port = |default| match after_colons.next() {
            None => Ok(default),
            Some(port) => {
                let number = port.parse().ok().filter(|port| *port > 0);
                number.ok_or_else(|| format!("`{text}`: a port is 1 to 65535, and not `{port}`"))
            }
        };
        let (control_port, data_port) = (port(CONTROL_PORT)?, port(DATA_PORT)?);
        if after_colons.next().is_some() {
            return Err(format!("`{text}` has more than two ports"));
        }
        Ok(Self { host: host.to_owned(), control_port, data_port })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, control_port, data_port } = self;
        if host.contains(':') {
            write!(f, "[{host}]:{control_port}:{data_port}")
        } else {
            write!(f, "{host}:{control_port}:{data_port}")
        }
    }
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
    asked().map_err(|source| address.fault(address.data_port, source))
}

impl Address {
    pub(super) fn fault(&self, port: u16, source: io::Error) -> SocketFault {
        SocketFault { host: self.host.clone(), port, source }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_up_to_two_ports() {
        let check = |text: &str, expected: &str| {
            let shown =
                text.parse::<Address>().map_or_else(|error| error, |found| found.to_string());
            assert_eq!(shown, expected);
        };
        check("panda", "panda:8888:8889");
        check("panda:1", "panda:1:8889");
        check("10.0.0.1:1:2", "10.0.0.1:1:2");
        check("[::1]", "[::1]:8888:8889");
        check("[::1]:1:2", "[::1]:1:2");
        check("", "`` names no host");
        check(":1", "`:1` names no host");
        check("panda:", "`panda:`: a port is 1 to 65535, and not ``");
        check("panda:0", "`panda:0`: a port is 1 to 65535, and not `0`");
        check("panda:1:70000", "`panda:1:70000`: a port is 1 to 65535, and not `70000`");
        check("panda:1:2:3", "`panda:1:2:3` has more than two ports");
        check("[::1", "`[::1`: the bracket is not closed");
        check("[::1]1", "`[::1]1`: ports follow a colon");
    }
}

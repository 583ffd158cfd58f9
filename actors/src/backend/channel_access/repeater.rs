//! Beacons tell that a server is back. A repeater hands them to all clients of a host, and libca runs
//! the program `caRepeater` for that, which most hosts lack: if there is none, this process is it.
use super::raw;
use std::{
    env, io,
    net::{Ipv4Addr, UdpSocket},
    thread,
    time::Duration,
};

const USUAL_PORT: u16 = 5_065;
const REGISTER: u16 = 24;
const CONFIRM: u16 = 17;
const HEADER_BYTES: usize = 16;
/// How often the repeater is asked, and how long it may take each time.
const ATTEMPTS: usize = 20;
const PATIENCE: Duration = Duration::from_millis(50);

/// Sees to it that there is a repeater; libca itself looks for one when it makes its first channel.
pub(super) fn ensure() -> io::Result<()> {
    let port = env::var("EPICS_CA_REPEATER_PORT").ok().and_then(|port| port.trim().parse().ok());
    let port = port.unwrap_or(USUAL_PORT);
    if answers(port)? {
        return Ok(());
    }
    thread::Builder::new().name("ca-repeater".to_owned()).spawn(raw::repeat)?;
    for _ in 0..ATTEMPTS {
        if answers(port)? {
            return Ok(());
        }
    }
    Err(io::Error::other(format!("the repeater at port {port} does not answer")))
}

/// Whether a repeater confirms a registration, which ends with the socket.
fn answers(port: u16) -> io::Result<bool> {
    // Not connected: a repeater answers each client from another port than the one that is asked.
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let mut message = [0; HEADER_BYTES];
    message[..2].copy_from_slice(&REGISTER.to_be_bytes());
    message[12..].copy_from_slice(&Ipv4Addr::LOCALHOST.octets());
    let asked = socket.send_to(&message, (Ipv4Addr::LOCALHOST, port));
    let answered = asked.and_then(|_| socket.recv(&mut message));
    Ok(answered.is_ok_and(|bytes| bytes >= 2 && message[..2] == CONFIRM.to_be_bytes()))
}

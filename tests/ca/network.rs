//! A network of one test.
use std::net::{Ipv4Addr, TcpListener, UdpSocket};

/// Names the port of a second server.
pub(crate) const SECOND_PORT: &str = "BLUEFLY_CA_SECOND_PORT";

/// What keeps clients and servers to this machine, and to ports that nobody else has.
pub(crate) fn network() -> [(&'static str, String); 10] {
    let [server, second, repeater] = free_ports();
    let here = || Ipv4Addr::LOCALHOST.to_string();
    [
        ("EPICS_CA_ADDR_LIST", format!("{} {}:{second}", here(), here())),
        (SECOND_PORT, second.to_string()),
        ("EPICS_CA_AUTO_ADDR_LIST", "NO".to_owned()),
        ("EPICS_CA_CONN_TMO", "5".to_owned()),
        ("EPICS_CA_SERVER_PORT", server.to_string()),
        ("EPICS_CA_REPEATER_PORT", repeater.to_string()),
        ("EPICS_CAS_INTF_ADDR_LIST", here()),
        ("EPICS_CAS_BEACON_ADDR_LIST", here()),
        ("EPICS_CAS_AUTO_BEACON_ADDR_LIST", "NO".to_owned()),
        ("EPICS_IOC_LOG_INET", here()),
    ]
}

/// Ports that nobody has now, by both protocols.
fn free_ports() -> [u16; 3] {
    let mut found = Vec::new();
    while found.len() < 3 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        if let Ok(socket) = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)) {
            found.push((port, listener, socket));
        }
    }
    [found[0].0, found[1].0, found[2].0]
}

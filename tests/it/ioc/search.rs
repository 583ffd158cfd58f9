//! Who has which channel, and who is there.
use super::{
    client::search,
    rig::{serve, settings},
};
use bluefly_protocol::channel_access::{Decoder, Reply, Request};
use bluefly_sim::ioc::{CaServer, Settings};
use std::{net::SocketAddr, rc::Rc};
use tokio::net::UdpSocket;

fn datagram(sequence: Option<u32>, names: &[&str]) -> Vec<u8> {
    let mut bytes = vec![];
    Request::Version { minor: 13, priority: 0, sequence }.encode(&mut bytes);
    for (id, name) in (0..).zip(names) {
        Request::Search { id, name: name.as_bytes(), must_reply: false }.encode(&mut bytes);
    }
    bytes
}

#[test]
fn what_is_here_is_found_and_the_rest_left_to_others() {
    serve(async |rig| {
        let names = ["nobody", "x", "x.RBV", "y.DESC", "cam:Label$", "cam:Mode$", "x.NOPE"];
        let server = rig.addresses().search;
        let answer = search(&rig.clock, server, &datagram(Some(77), &names)).await;
        let port = rig.addresses().circuits.port();
        let replies: Vec<_> = answer.iter().map(|message| message.reply()).collect();
        let found = |id| Reply::Found { id, port };
        let version = Reply::Version { minor: 13, sequence: Some(77) };
        assert_eq!(replies, [version, found(1), found(2), found(3), found(4)]);
    });
}

#[test]
fn a_mad_datagram_is_ignored() {
    serve(async |rig| {
        let server = rig.addresses().search;
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let mut cut = datagram(None, &["x"]);
        cut.truncate(39);
        let unnamed = datagram(None, &[""]);
        let many: &[&[u8]] = &[b"", b"GET / HTTP/1.1\r\n\r\n", &[0xff; 2_000], &cut, &unnamed];
        for bytes in many {
            socket.send_to(bytes, server).await.unwrap();
        }
        let answer = search(&rig.clock, server, &datagram(None, &["x"])).await;
        assert_eq!(answer.len(), 2);
        assert!(socket.try_recv(&mut [0; 16]).is_err());
    });
}

#[test]
fn many_names_are_found_in_several_datagrams() {
    serve(async |rig| {
        let names = vec!["x"; 200];
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.send_to(&datagram(None, &names), rig.addresses().search).await.unwrap();
        let (mut found, mut buffer) = (vec![], vec![0; 1 << 16]);
        while found.len() < 200 {
            let length = socket.recv(&mut buffer).await.unwrap();
            assert!(length <= 1_472, "a datagram of {length} bytes");
            let mut decoder = Decoder::new(100);
            decoder.feed(&buffer[..length]);
            while let Some((header, payload)) = decoder.next_message().unwrap() {
                if let Reply::Found { id, .. } = Reply::decode(&header, payload) {
                    found.push(id);
                }
            }
        }
        assert_eq!(found, (0..200).collect::<Vec<_>>());
    });
}

#[test]
fn signals_may_be_split_over_two_servers() {
    serve(async |rig| {
        let only = |keep: fn(&str) -> bool| Rc::new(rig.directory.part(keep));
        let start = |directory| CaServer::start(&directory, &rig.clock, &settings()).unwrap();
        let cameras = start(only(|name| name.starts_with("cam:")));
        let motors = start(only(|name| !name.starts_with("cam:")));
        let names = datagram(None, &["x", "cam:Mode"]);
        let check = async |server: &CaServer, expected| {
            let answer = search(&rig.clock, server.addresses().search, &names).await;
            let port = server.addresses().circuits.port();
            assert_eq!(answer[1].reply(), Reply::Found { id: expected, port });
            assert_eq!(answer.len(), 2);
        };
        check(&motors, 0).await;
        check(&cameras, 1).await;
        assert_ne!(motors.addresses(), cameras.addresses());
        motors.stop().await;
        check(&cameras, 1).await;
        cameras.stop().await;
    });
}

#[test]
fn beacons_come_at_growing_intervals() {
    serve(async |rig| {
        let repeater = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let beacons_to = Some(repeater.local_addr().unwrap());
        let settings = Settings { beacons_to, ..settings() };
        let server = CaServer::start(&rig.directory, &rig.clock, &settings).unwrap();
        let port = server.addresses().circuits.port();
        let mut buffer = [0; 64];
        let start = rig.clock.now();
        for number in 0..4 {
            let (length, from) = repeater.recv_from(&mut buffer).await.unwrap();
            assert_eq!(from.ip(), server.addresses().search.ip());
            let mut decoder = Decoder::new(0);
            decoder.feed(&buffer[..length]);
            let (header, payload) = decoder.next_message().unwrap().unwrap();
            assert_eq!(Reply::decode(&header, payload), Reply::Beacon { port, number });
        }
        // 20, 40 and 80 ms lie between the four.
        assert!(rig.clock.now() - start >= std::time::Duration::from_millis(140));
        server.stop().await;
    });
}

#[test]
fn a_port_that_is_taken_is_an_error_for_searches_and_none_for_circuits() {
    serve(async |rig| {
        let taken = Settings { listen: rig.addresses().search, ..settings() };
        let error = CaServer::start(&rig.directory, &rig.clock, &taken).err().unwrap();
        assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let listen: SocketAddr = listener.local_addr().unwrap();
        let settings = Settings { listen, ..settings() };
        let server = CaServer::start(&rig.directory, &rig.clock, &settings).unwrap();
        assert_eq!(server.addresses().search, listen);
        assert_ne!(server.addresses().circuits, listen);
        server.stop().await;
    });
}

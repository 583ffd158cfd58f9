//! What clients see of the end: no new work is taken, and who listens is told.
use super::{
    notify::Managed,
    rig::{Out, PATIENCE, Server, long_scan},
};
use serde_json::{Value, json};
use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
};

/// One frame of a WebSocket, as a server sends it: opcode and payload.
fn frame(stream: &mut BufReader<TcpStream>) -> (u8, Vec<u8>) {
    let mut head = [0; 2];
    stream.read_exact(&mut head).unwrap();
    assert_eq!(head[0] & 0xF0, 0x80, "the only frame of its message");
    let mut wide = [0; 8];
    let length = match head[1] {
        126 => {
            stream.read_exact(&mut wide[6..]).unwrap();
            u64::from_be_bytes(wide)
        }
        127 => {
            stream.read_exact(&mut wide).unwrap();
            u64::from_be_bytes(wide)
        }
        short => u64::from(short),
    };
    let mut payload = vec![0; usize::try_from(length).unwrap()];
    stream.read_exact(&mut payload).unwrap();
    (head[0] & 0x0F, payload)
}

/// A client that hears of everything that happens.
fn listen(server: &Server) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = "GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
                   Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line).unwrap();
    assert!(line.starts_with("HTTP/1.1 101 "), "{line}");
    while line != "\r\n" {
        line.clear();
        stream.read_line(&mut line).unwrap();
    }
    stream
}

/// The end of the run comes before the end of the connection.
#[test]
fn who_listens_hears_of_the_end_of_the_run_and_then_of_that_of_the_server() {
    const TEXT: u8 = 1;
    const CLOSE: u8 = 8;
    const GOING_AWAY: [u8; 2] = 1_001_u16.to_be_bytes();
    let out = Out::new();
    let server = Server::start(out.path());
    let mut stream = listen(&server);
    server.fly_into(&long_scan());
    server.signal("-TERM");
    let mut stop = None;
    let payload = loop {
        match frame(&mut stream) {
            (TEXT, text) => {
                let event: Value = serde_json::from_slice(&text).unwrap();
                if event["event"] == "document" && event["name"] == "stop" {
                    stop = Some(event["doc"].clone());
                }
            }
            (CLOSE, payload) => break payload,
            _ => {}
        }
    };
    assert!(payload.starts_with(&GOING_AWAY), "{payload:?}");
    assert_eq!(server.ended().status, Some(0));
    assert_eq!(stop, Some(out.stop()));
}

/// The axis takes two seconds to come to rest.
#[test]
fn a_server_that_was_ending_took_new_work() {
    let slow = [
        ("BLUEFLY__DEVICE__X__VELOCITY", "2 mm/s"),
        ("BLUEFLY__DEVICE__X__ACCELERATION", "0.5 mm/s^2"),
    ];
    let mut managed = Managed::start(&slow);
    managed.server.fly_into(&long_scan());
    // Its socket takes a few messages only that nobody reads.
    managed.hear("STATUS=running");
    managed.server.signal("-TERM");
    managed.hear("STOPPING=1");
    let server = &managed.server;
    let reason = "the process is shutting down";
    let ready = json!({"status": "not ready", "reason": reason});
    assert_eq!(server.get("/readyz"), (503, ready));
    assert_eq!(server.get("/healthz").0, 200);
    for step in ["stage", "prepare", "kickoff", "resume"] {
        let body = if step == "prepare" { long_scan() } else { json!({}) };
        let (status, body) = server.post(&format!("/api/v1/{step}"), &body);
        assert_eq!((status, &body["error"]["code"]), (503, &json!("unavailable")), "{step}");
    }
    let Managed { server, out, .. } = managed;
    assert_eq!(server.ended().status, Some(0));
    assert_eq!(out.stop()["exit_status"], "abort");
}

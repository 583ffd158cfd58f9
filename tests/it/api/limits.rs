//! Requests that are too large, too slow, or never whole.
use super::{
    client::Client,
    house::{House, LINE},
};
use bluefly_actors::front::http::{HttpConfig, Limits};
use std::time::Duration;

/// As the house is, but impatient.
fn impatient(limits: Limits) -> House {
    House::with(HttpConfig { limits, ..HttpConfig::default() })
}

fn begin(client: &mut Client, house: &House, headers: &str) {
    let host = house.address;
    let head = "POST /api/v1/prepare HTTP/1.1\r\ncontent-type: application/json";
    client.send(format!("{head}\r\nhost: {host}\r\n{headers}\r\n\r\n"));
}

fn too_large(client: &mut Client) {
    let expected = (413, "too_large".into(), "body".into(), "is larger than 4194304 bytes".into());
    assert_eq!(client.answer("POST").error(), expected);
}

#[test]
fn a_body_that_is_too_large_is_refused_before_it_is_there() {
    let house = House::open();
    let mut client = house.client();
    begin(&mut client, &house, "content-length: 104857600");
    too_large(&mut client);
    // Who sends it nevertheless is not listened to for long.
    let part = vec![b' '; 1 << 20];
    (0..100).all(|_| client.try_send(&part));
    assert_eq!(house.client().get("/healthz").status, 200);

    let mut client = house.client();
    begin(&mut client, &house, "content-length: 18446744073709551615");
    too_large(&mut client);
}

#[test]
fn a_body_in_chunks_is_refused_once_it_is_too_large() {
    let house = House::open();
    let mut client = house.client();
    begin(&mut client, &house, "transfer-encoding: chunked");
    let chunk = [&b"100000\r\n"[..], &vec![b' '; 1 << 20], b"\r\n"].concat();
    (0..5).all(|_| client.try_send(&chunk));
    too_large(&mut client);
}

#[test]
fn a_body_as_large_as_allowed_is_read() {
    let house = House::open();
    let mut client = house.client();
    client.step("stage", None);
    let body = LINE.replace("\"stop\": 1", "\"stop\": 99");
    let body = format!("{body}{}", " ".repeat((4 << 20) - body.len()));
    assert_eq!(client.post("/api/v1/prepare", Some(&body)).status, 422);
}

#[test]
fn a_body_that_comes_too_slowly_is_refused() {
    let house = impatient(Limits { body_timeout: Duration::from_millis(200), ..Limits::default() });
    let mut client = house.client();
    begin(&mut client, &house, "content-length: 1000");
    client.send("{");
    let message = "did not arrive within 200ms".into();
    assert_eq!(client.answer("POST").error(), (408, "timeout".into(), "body".into(), message));
    assert_eq!(client.rest(), b"");
}

#[test]
fn a_head_that_comes_too_slowly_is_refused() {
    let house = impatient(Limits { head_timeout: Duration::from_millis(200), ..Limits::default() });
    let mut client = house.client();
    client.send("GET /api/v1/status HTTP/1.1\r\nhost: loc");
    assert_eq!(client.answer("GET").status, 408);
    assert_eq!(client.rest(), b"");
}

#[test]
fn a_connection_on_which_nothing_is_asked_is_closed() {
    let house = impatient(Limits { keep_alive: Duration::from_secs(1), ..Limits::default() });
    let mut client = house.client();
    assert_eq!(client.get("/healthz").status, 200);
    assert_eq!(client.rest(), b"");
}

#[test]
fn a_client_that_reads_nothing_is_dropped() {
    let house = impatient(Limits { idle_timeout: Duration::from_secs(1), ..Limits::default() });
    let mut client = house.client();
    let host = house.address;
    let request = format!("GET /openapi.json HTTP/1.1\r\nhost: {host}\r\n\r\n");
    // More than fits between here and there.
    while client.try_send(request.as_bytes()) {}
    assert_eq!(house.client().get("/healthz").status, 200);
}

#[test]
fn what_is_no_http_harms_nobody() {
    let house = House::open();
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /api/v1/abort HTTP/1.1\r\nhost: localhost\r\ncontent-length: -1\r\n\r\n",
        b"POST /api/v1/abort HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        b"GET /api/v1/status HTTP/1.1\r\nhost: \xff\xfe\r\n\r\n",
        b"\0\0\0\0\r\n\r\n",
    ] {
        let mut client = house.client();
        client.send(bytes);
        let status = client.answer("GET").status;
        assert_eq!(status, 400, "{bytes:?}");
    }
    assert_eq!(house.client().get("/healthz").status, 200);
}

/// A scan is flown while sockets are dropped in every part of a request.
#[test]
fn sockets_that_are_dropped_harm_no_scan() {
    let house = House::open();
    let mut client = house.client();
    client.step("stage", None);
    client.step("prepare", Some(&LINE.replace("\"num\": 10", "\"num\": 200")));
    assert_eq!(client.post("/api/v1/kickoff", None).status, 202);
    let host = house.address;
    let body =
        format!("content-type: application/json\r\ncontent-length: {}\r\n\r\n{LINE}", LINE.len());
    let wholes = [
        format!("GET /api/v1/status?since=1&timeout=60 HTTP/1.1\r\nhost: {host}\r\n\r\n"),
        format!("POST /api/v1/prepare?wait=60 HTTP/1.1\r\nhost: {host}\r\n{body}"),
        format!("POST /api/v1/kickoff?wait=60 HTTP/1.1\r\nhost: {host}\r\n\r\n"),
    ];
    for whole in &wholes {
        for length in (1..=whole.len()).step_by(3) {
            house.client().send(&whole.as_bytes()[..length]);
        }
    }
    let flown = client.step("kickoff", None);
    assert_eq!(
        (&flown["operation"]["state"], flown["frames_done"].as_u64()),
        (&"done".into(), Some(200))
    );
    let ended = client.step("unstage", None);
    assert_eq!(ended["ended"]["num_frames"], 200);
    assert_eq!(ended["recoveries"], 0);
}

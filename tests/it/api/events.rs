//! What happens, over a WebSocket.
use super::{
    client::{Client, Frame},
    house::{House, LINE},
};
use bluefly_actors::front::http::{HttpConfig, Limits};
use bluefly_protocol::api::EventKind;
use serde_json::Value;
use std::time::Duration;

fn fly(client: &mut Client) -> Value {
    client.step("stage", None);
    client.step("prepare", Some(LINE));
    client.step("kickoff", None);
    client.step("unstage", None)
}

#[test]
fn the_documents_of_a_run_are_told_in_order() {
    let house = House::open();
    let mut listener = house.client();
    assert_eq!(listener.listen("/api/v1/events")["phase"], "idle");
    let end = fly(&mut house.client());

    let (mut names, mut seq, mut phases) = (vec![], 0, vec![]);
    while names.last().is_none_or(|name| name != "stop") {
        let event = listener.event();
        match event["event"].as_str().unwrap() {
            "progress" => phases.push(event["status"]["phase"].as_str().unwrap().to_owned()),
            "document" => {
                assert!(event["seq"].as_u64() > Some(seq), "{event} after {seq}");
                seq = event["seq"].as_u64().unwrap();
                assert_eq!(event["run"], end["ended"]["run"]);
                names.push(event["name"].as_str().unwrap().to_owned());
            }
            other => assert!(["tree", "queue"].contains(&other), "{event}"),
        }
    }
    assert_eq!((names[0].as_str(), names[1].as_str()), ("start", "descriptor"));
    assert!(phases.len() > 2, "{phases:?}");

    // Who comes later hears the same, as far as he wants to.
    let mut late = house.client();
    late.listen("/api/v1/events?since=0&kinds=document");
    let again: Vec<String> =
        names.iter().map(|_| late.event()["name"].as_str().unwrap().to_owned()).collect();
    assert_eq!(again, names);
    let mut last = house.client();
    last.listen(&format!("/api/v1/events?since={}&kinds=document", seq - 1));
    assert_eq!(last.event()["seq"], seq);
}

#[test]
fn a_burst_comes_whole_and_in_order() {
    let house = House::open();
    let mut listener = house.client();
    listener.listen("/api/v1/events?kinds=document");
    let feed = house.desk.feed();
    let first = feed.latest() + 1;
    let tail = format!(", \"text\": \"{}\"}}", "x".repeat(1_000));
    (0..5_000).for_each(|_| feed.push(EventKind::Document, ["{\"seq\": ", &tail]));
    for seq in first..first + 5_000 {
        assert_eq!(listener.event()["seq"], seq);
    }
}

#[test]
fn who_is_too_slow_is_told_so_and_goes_on() {
    let house = House::open();
    let mut listener = house.client();
    listener.listen("/api/v1/events?kinds=document");
    let feed = house.desk.feed();
    // More than the feed keeps, and than fits between here and there.
    let text = format!(", \"text\": \"{}\"}}", "x".repeat(1 << 20));
    for _ in 0..64 {
        feed.push(EventKind::Document, ["{\"seq\": ", &text]);
    }
    let last = feed.latest();
    let (mut missed, mut heard) = (0, 0);
    loop {
        let event = listener.event();
        if let Some(count) = event["count"].as_u64() {
            assert_eq!(event["event"], "missed");
            missed += count;
            continue;
        }
        heard += 1;
        if event["seq"] == last {
            break;
        }
    }
    assert!(missed > 0, "{heard} heard");
    assert!(heard + missed >= 64, "{heard} heard, {missed} missed");
}

#[test]
fn who_reads_nothing_is_dropped() {
    let limits = Limits { idle_timeout: Duration::from_secs(1), ..Limits::default() };
    let house = House::with(HttpConfig { limits, ..HttpConfig::default() });
    let mut listener = house.client();
    listener.listen("/api/v1/events?kinds=document");
    let text = format!(", \"text\": \"{}\"}}", "x".repeat(1 << 20));
    let feed = house.desk.feed();
    for _ in 0..16 {
        feed.push(EventKind::Document, ["{\"seq\": ", &text]);
    }
    until_nobody_listens(&house);
}

#[test]
fn who_does_not_answer_a_ping_is_dropped() {
    let limits = Limits { idle_timeout: Duration::from_millis(200), ..Limits::default() };
    let house = House::with(HttpConfig { limits, ..HttpConfig::default() });
    let mut listener = house.client();
    listener.listen("/api/v1/events?kinds=document");
    assert_eq!(listener.frame(), Frame::Ping(vec![]));
    listener.send_frame(0xA, b"");
    assert_eq!(listener.frame(), Frame::Ping(vec![]));
    assert_eq!(listener.rest(), b"");
}

#[test]
fn what_a_listener_says_is_read_and_forgotten() {
    let house = House::open();
    let mut listener = house.client();
    listener.listen("/api/v1/events?kinds=document");
    listener.send_frame(0x1, b"hello");
    listener.send_frame(0x2, &[0xFF; 4_000]);
    listener.send_frame(0x9, b"are you there");
    assert_eq!(listener.frame(), Frame::Pong(b"are you there".to_vec()));
    listener.send_frame(0x8, &[3, 232]);
    assert_eq!(listener.frame(), Frame::Close(Some(1000)));
    assert_eq!(listener.rest(), b"");

    let mut rude = house.client();
    rude.listen("/api/v1/events");
    rude.send_frame(0x1, &vec![b'x'; 60_000]);
    rude.rest();
    until_nobody_listens(&house);
}

#[test]
fn a_request_that_is_no_websocket_is_refused() {
    let house = House::open();
    let answer = house.client().get("/api/v1/events");
    let (status, code, place, _) = answer.error();
    assert_eq!((status, &*code, &*place), (400, "bad_request", "upgrade"));
}

#[test]
fn who_wants_progress_alone_has_missed_nothing_else() {
    let house = House::open();
    let mut listener = house.client();
    listener.listen("/api/v1/events?kinds=progress");
    // More than the feed keeps.
    let feed = house.desk.feed();
    (0..70_000).for_each(|_| feed.push(EventKind::Tree, ["{\"seq\": ", "}"]));
    let metrics = house.client().get("/metrics");
    assert!(metrics.text().contains("event_lag 0.0\n"), "{}", metrics.text());
    house.client().step("stage", None);
    assert_eq!(listener.event()["event"], "progress");
}

fn until_nobody_listens(house: &House) {
    let mut client = house.client();
    while !client.get("/metrics").text().contains("\nbluefly_event_listeners 0") {
        client.pause();
    }
}

//! The server as a part of the process.
use super::{
    client::{Client, Frame},
    house::{House, LINE},
};
use bluefly_actors::supervise::{Exit, Snapshot, State};
use std::fs;

fn find<'t>(tree: &'t Snapshot, id: &str) -> Option<&'t Snapshot> {
    if tree.id == id { Some(tree) } else { tree.children.iter().find_map(|child| find(child, id)) }
}

#[test]
fn a_server_that_crashed_is_back_on_the_same_port() {
    let house = House::open();
    for restarts in 1..=3 {
        house.tree.crash("http_server", "a test").unwrap();
        // Who is connected when it crashes may be dropped, who comes later is not.
        loop {
            let Some(tree) = Client::try_json(house.address, "/api/v1/tree") else { continue };
            let tree: Snapshot = serde_json::from_value(tree).unwrap();
            let server = find(&tree, "http_server").unwrap();
            if (server.restarts, server.state) == (restarts, State::Up) {
                break;
            }
        }
    }
}

#[test]
fn a_crash_of_the_server_harms_no_scan() {
    let house = House::open();
    let mut client = house.client();
    client.step("stage", None);
    client.step("prepare", Some(&LINE.replace("\"num\": 10", "\"num\": 100")));
    assert_eq!(client.post("/api/v1/kickoff", None).status, 202);
    house.tree.crash("http_server", "a test").unwrap();
    let path = "/api/v1/status?timeout=1&since=";
    let mut revision = 0;
    let end = loop {
        let status = Client::try_json(house.address, &format!("{path}{revision}"));
        let Some(status) = status else { continue };
        if status["phase"] == "completed" {
            break status;
        }
        revision = status["revision"].as_u64().unwrap();
    };
    assert_eq!((&end["frames_done"], &end["recoveries"]), (&100.into(), &0.into()));
}

#[test]
fn who_waits_is_answered_when_the_process_ends() {
    let house = House::open();
    let (mut waiting, mut listening) = (house.client(), house.client());
    listening.listen("/api/v1/events?kinds=document");
    let host = house.address;
    let now = waiting.json("/api/v1/status");
    let path = format!("/api/v1/status?timeout=60&since={}", now["revision"]);
    waiting.send(format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n"));
    let mut client = house.client();
    while !client.get("/metrics").text().contains("\nbluefly_http_requests_in_flight 2") {
        client.pause();
    }
    drop(client);
    assert_eq!(house.close(), Exit::Shutdown);
    assert_eq!(waiting.answer("GET").status, 200);
    assert_eq!(listening.frame(), Frame::Close(Some(1001)));
    assert_eq!(listening.rest(), b"");
}

#[test]
fn figures_of_everything_are_there() {
    let house = House::open();
    let mut client = house.client();
    client.step("stage", None);
    client.step("prepare", Some(LINE));
    client.step("kickoff", None);
    let answer = client.get("/metrics");
    assert!(answer.headers["content-type"].starts_with("application/openmetrics-text"));
    let text = answer.text();
    let value = |name: &str| -> f64 {
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("bluefly_{name} ")));
        line.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
    };
    assert_eq!(value("actor_up{actor=\"camera\"}"), 1.0);
    assert_eq!(value("actor_restarts_total{actor=\"scan_coordinator\"}"), 0.0);
    assert_eq!(value("actor_requests_unanswered{actor=\"camera\"}"), 0.0);
    assert!(value("actor_polls_total{actor=\"http_server\"}") > 0.0);
    assert!(value("actor_busy_seconds_total{actor=\"scan_coordinator\"}") > 0.0);
    assert_eq!(value("scan_phase{phase=\"completed\"}"), 1.0);
    assert_eq!((value("scan_frames"), value("scan_frames_done")), (10.0, 10.0));
    assert_eq!(value("detector_frames{detector=\"camera\"}"), 10.0);
    assert!(value("scan_elapsed_seconds") > 0.1);
    assert!(value("scan_predicted_seconds") > 0.1);
    assert!(value("scan_frames_per_second") > 0.0);
    assert!(value("scan_dead_seconds") >= 0.0);
    assert_eq!(value("http_requests_total{status=\"202\"}"), 3.0);
    assert_eq!(value("http_requests_in_flight"), 1.0);
    assert_eq!((value("storage_queued_commands"), value("storage_streams")), (0.0, 2.0));
    assert_eq!((value("event_listeners"), value("event_lag")), (0.0, 0.0));
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn probes_tell_how_the_process_is() {
    let house = House::open();
    let mut client = house.client();
    assert_eq!(client.get("/healthz").text(), r#"{"status":"ok"}"#);
    assert_eq!(client.get("/readyz").text(), r#"{"status":"ready"}"#);
    house.desk.begin_shutdown();
    let answer = client.get("/readyz");
    let expected = r#"{"status":"not ready","reason":"the process is shutting down"}"#;
    assert_eq!((answer.status, answer.text()), (503, expected));
    assert_eq!(client.get("/healthz").status, 200);
    let (status, code, ..) = client.post("/api/v1/stage", None).error();
    assert_eq!((status, &*code), (503, "unavailable"));
}

/// The threads that serve matter less to the scheduler than the one that devices are on.
#[test]
fn the_server_gives_way_to_the_devices() {
    let house = House::open();
    assert_eq!(house.client().get("/healthz").status, 200);
    let mut niceness = vec![];
    for task in fs::read_dir("/proc/self/task").unwrap() {
        let task = task.unwrap().path();
        // A thread may end meanwhile.
        let Ok(stat) = fs::read_to_string(task.join("stat")) else { continue };
        let (name, rest) = stat.rsplit_once(") ").unwrap();
        let nice: i32 = rest.split(' ').nth(16).unwrap().parse().unwrap();
        if name.contains("(http") || name.contains("actix-server") {
            niceness.push((name.to_owned(), nice));
        }
    }
    assert!(niceness.len() >= 3, "{niceness:?}");
    assert!(niceness.iter().all(|(_, nice)| *nice == 10), "{niceness:?}");
}

//! A scan, step by step.
use super::house::{House, LINE};
use serde_json::{Value, json};

#[test]
fn a_scan_is_flown_step_by_step() {
    let house = House::open();
    let mut client = house.client();
    let before = client.json("/api/v1/status");
    assert_eq!((&before["phase"], &before["operation"]), (&json!("idle"), &Value::Null));

    let staged = client.step("stage", Some(r#"{"metadata": {"sample": "chalk"}}"#));
    assert_eq!(staged["phase"], "staged");
    assert!(staged["revision"].as_u64() > before["revision"].as_u64());
    assert_eq!(client.step("prepare", Some(LINE))["phase"], "ready");
    let described = client.json("/api/v1/describe");
    assert_eq!((&described["num_frames"], &described["shape"]), (&json!(10), &json!([10])));

    let flown = client.step("kickoff", None);
    assert_eq!(flown["operation"]["state"], "done");
    assert_eq!((&flown["frames_done"], &flown["phase"]), (&json!(10), &json!("completed")));
    let assets = client.json("/api/v1/assets?start=2&stop=7");
    assert_eq!(
        (&assets["start"], &assets["stop"], &assets["rows"]),
        (&json!(2), &json!(7), &json!(10))
    );
    assert_eq!(assets["run"], flown["run"]);

    let ended = client.step("unstage", Some("{}"));
    assert_eq!(ended["phase"], "idle");
    let end =
        json!({"run": flown["run"], "exit_status": "success", "reason": "", "num_frames": 10});
    assert_eq!(ended["ended"], end);
    assert_eq!(ended["instance"], before["instance"]);
    house.close();
}

#[test]
fn a_change_is_waited_for() {
    let house = House::open();
    let (mut waiting, mut acting) = (house.client(), house.client());
    let revision = waiting.json("/api/v1/status")["revision"].as_u64().unwrap();
    let host = house.address;
    let path = format!("/api/v1/status?since={revision}&timeout=60");
    waiting.send(format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n"));
    acting.step("stage", None);
    let answer = waiting.answer("GET");
    assert!(answer.json()["revision"].as_u64() > Some(revision));
    // A revision of another instance, or one that is long gone, is not waited with.
    waiting.json("/api/v1/status?since=1000000&timeout=60");
    waiting.json("/api/v1/status?since=0&timeout=60");
    // One that stands is.
    let last = waiting.json("/api/v1/status");
    let same = format!("/api/v1/status?since={}&timeout=0.01", last["revision"]);
    assert_eq!(waiting.json(&same), last);
}

#[test]
fn a_specification_that_cannot_be_flown_is_refused_with_its_place() {
    let house = House::open();
    let mut client = house.client();
    client.step("stage", None);
    let spec = LINE.replace("\"stop\": 1", "\"stop\": 99");
    let (status, code, place, message) = client.post("/api/v1/prepare", Some(&spec)).error();
    assert_eq!((status, &*code), (422, "invalid"), "{place}: {message}");
    assert!(place.starts_with('$'), "{place}: {message}");
    // It changes nothing.
    assert_eq!(client.json("/api/v1/status")["phase"], "staged");
}

#[test]
fn a_request_in_the_wrong_phase_is_refused_with_the_phase() {
    let house = House::open();
    let mut client = house.client();
    for step in ["kickoff", "pause", "resume"] {
        let answer = client.post(&format!("/api/v1/{step}"), None);
        assert_eq!(
            (answer.status, &answer.json()["error"]["phase"]),
            (409, &json!("idle")),
            "{step}"
        );
    }
    let answer = client.post("/api/v1/prepare", Some(LINE));
    assert_eq!((answer.status, &answer.json()["error"]["phase"]), (409, &json!("idle")));
    let answer = client.get("/api/v1/describe");
    assert_eq!((answer.status, &answer.json()["error"]["phase"]), (409, &json!("idle")));
    assert_eq!(client.get("/api/v1/assets").status, 409);
    // What ends something is legal at any time.
    for step in ["abort", "stop", "unstage"] {
        assert_eq!(client.step(step, None)["phase"], "idle", "{step}");
    }
}

#[test]
fn a_step_is_refused_to_who_does_not_know_the_last_one() {
    let house = House::open();
    let mut client = house.client();
    let mut ask = |step: &str, operation: u64| {
        let answer = client.post(&format!("/api/v1/{step}?wait=60&operation={operation}"), None);
        let message = answer.json()["error"]["message"].as_str().map(str::to_owned);
        (answer.status, message)
    };
    assert_eq!(ask("stage", 0), (202, None));
    // The answer was lost.
    assert_eq!(ask("stage", 0), (202, None));
    for step in ["kickoff", "pause", "resume", "abort", "stop", "unstage"] {
        let (status, message) = ask(step, 7);
        assert_eq!(status, 409);
        let message = message.unwrap();
        assert!(message.ends_with("the last step is another one: stage, number 1, not 7"));
    }
    assert_eq!(ask("abort", 1), (202, None));
    let (status, message) = ask("stage", 1);
    assert_eq!(status, 409);
    let rule = "cannot stage: another step was begun meanwhile: unstage, number 2, not 1";
    assert_eq!(message.unwrap(), rule);
    let before = client.json("/api/v1/status");
    assert_eq!((&before["phase"], &before["operation"]["number"]), (&json!("idle"), &json!(2)));
    assert_eq!(client.post("/api/v1/stage?operation=-1", None).status, 400);
    // The number after it crashed the coordinator.
    let largest = format!("/api/v1/stage?operation={}", u64::MAX);
    assert_eq!(client.post(&largest, None).status, 409);
}

//! Runs that are submitted as a whole.
use super::{
    client::Client,
    house::{House, LINE},
};
use serde_json::{Value, json};

fn submit(client: &mut Client, sample: &str) -> String {
    let body = format!(r#"{{"spec": {LINE}, "metadata": {{"sample": "{sample}"}}}}"#);
    let answer = client.post("/api/v1/runs", Some(&body));
    let run = answer.json();
    let uid = run["uid"].as_str().unwrap().to_owned();
    assert_eq!((answer.status, &answer.headers["location"]), (202, &format!("/api/v1/runs/{uid}")));
    assert_eq!((&run["state"], &run["metadata"]["sample"]), (&json!("queued"), &json!(sample)));
    uid
}

fn waiting(client: &mut Client) -> Vec<Value> {
    let list = client.json("/api/v1/runs?state=queued");
    list["runs"].as_array().unwrap().iter().map(|run| run["uid"].clone()).collect()
}

#[test]
fn runs_wait_for_their_turn_and_are_flown() {
    let house = House::open();
    let (mut client, mut listener) = (house.client(), house.client());
    listener.listen("/api/v1/events?kinds=queue");
    let held = client.post("/api/v1/queue/hold", Some(r#"{"reason": "no beam"}"#));
    assert_eq!((held.status, held.json()), (200, json!({"state": "held", "reason": "no beam"})));
    let [first, second, third] = ["a", "b", "c"].map(|sample| submit(&mut client, sample));
    assert_eq!(waiting(&mut client), [&*first, &second, &third]);
    let text = client.get("/metrics").text().to_owned();
    assert!(text.contains("\nbluefly_runs_waiting 3"), "{text}");

    let moved = client.post(&format!("/api/v1/runs/{third}/move"), Some(r#"{"place": 0}"#));
    assert_eq!((moved.status, &moved.json()["place"]), (200, &json!(0)));
    let cancelled = client.request("DELETE", &format!("/api/v1/runs/{first}"), None);
    assert_eq!((cancelled.status, &cancelled.json()["state"]), (200, &json!("cancelled")));
    assert_eq!(waiting(&mut client), [&*third, &second]);
    // A run that has not begun has no documents.
    assert_eq!(client.json(&format!("/api/v1/runs/{third}/documents")), json!([]));

    assert_eq!(client.post("/api/v1/queue/release", None).json()["state"], "open");
    let mut done = vec![];
    while done.len() < 2 {
        let run = listener.event()["run"].clone();
        if run["state"] == "done" {
            assert_eq!(run["num_frames"], 10);
            done.push(run["uid"].clone());
        }
    }
    assert_eq!(done, [&*third, &second]);
    let documents = client.json(&format!("/api/v1/runs/{third}/documents?limit=1"));
    assert_eq!(documents[0]["doc"]["sample"], "c");
    assert_eq!(client.json(&format!("/api/v1/runs/{second}"))["state"], "done");
}

#[test]
fn a_run_that_cannot_be_flown_is_refused_at_once() {
    let house = House::open();
    let mut client = house.client();
    let far = LINE.replace("\"stop\": 1", "\"stop\": 99");
    assert_eq!(client.post("/api/v1/runs", Some(&far)).error().0, 422);
    let body = format!(r#"{{"spec": {LINE}, "md": {{}}}}"#);
    let (status, _, place, _) = client.post("/api/v1/runs", Some(&body)).error();
    assert_eq!((status, &*place), (422, "md"));
    for path in ["runs/nobody", "runs/%2e%2e%2fetc", "runs/nobody/documents"] {
        assert_eq!(client.get(&format!("/api/v1/{path}")).error().0, 404, "{path}");
    }
    assert_eq!(client.request("DELETE", "/api/v1/runs/nobody", None).error().0, 404);
    assert_eq!(client.post("/api/v1/runs/nobody/move", Some(r#"{"place": 0}"#)).error().0, 404);
}

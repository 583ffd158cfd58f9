//! Documents of a run, from the file.
use super::{
    client::{Answer, Client},
    house::{House, LINE},
};
use bluefly_actors::archive::Archive;
use serde_json::Value;
use std::fs;

/// A run of `num` frames: its uid.
fn fly(client: &mut Client, num: usize) -> String {
    client.step("stage", Some(r#"{"metadata": {"sample": "chalk"}}"#));
    client.step("prepare", Some(&LINE.replace("\"num\": 10", &format!("\"num\": {num}"))));
    client.step("kickoff", None);
    client.step("unstage", None)["ended"]["run"].as_str().unwrap().to_owned()
}

fn array(client: &mut Client, uid: &str, query: &str) -> Vec<Value> {
    match client.json(&format!("/api/v1/runs/{uid}/documents{query}")) {
        Value::Array(documents) => documents,
        other => panic!("{other}"),
    }
}

fn lines(client: &mut Client, uid: &str, query: &str) -> Answer {
    client.headers.push_str("accept: application/x-ndjson\r\n");
    let answer = client.get(&format!("/api/v1/runs/{uid}/documents{query}"));
    client.headers.clear();
    answer
}

#[test]
fn the_documents_of_a_run_are_an_array_or_lines() {
    let house = House::open();
    let mut client = house.client();
    let first = fly(&mut client, 10);
    let second = fly(&mut client, 10);
    for uid in [&first, &second] {
        let all = array(&mut client, uid, "");
        let names: Vec<&str> = all.iter().map(|item| item["name"].as_str().unwrap()).collect();
        assert_eq!((names[0], names[names.len() - 1]), ("start", "stop"));
        assert_eq!(names.iter().filter(|name| **name == "start").count(), 1);
        assert_eq!(
            (&all[0]["doc"]["uid"], &all[0]["doc"]["sample"]),
            (&(**uid).into(), &"chalk".into())
        );

        let answer = lines(&mut client, uid, "");
        assert_eq!(
            (answer.status, &*answer.headers["content-type"]),
            (200, "application/x-ndjson")
        );
        let of_lines: Vec<Value> =
            answer.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(of_lines, all);

        assert_eq!(array(&mut client, uid, "?start=1&limit=2"), all[1..3]);
        assert_eq!(array(&mut client, uid, "?start=1000"), [Value::Null; 0]);
        assert_eq!(array(&mut client, uid, "?limit=0"), [Value::Null; 0]);
        assert_eq!(lines(&mut client, uid, "?limit=0").text(), "");
    }
}

#[test]
fn many_documents_come_in_parts() {
    let house = House::open();
    let mut client = house.client();
    let uid = fly(&mut client, 300);
    let metadata = format!(r#"{{"metadata": {{"notes": "{}"}}}}"#, "x".repeat(1 << 20));
    client.step("stage", Some(&metadata));
    client.step("prepare", Some(LINE));
    client.step("kickoff", None);
    let open = client.json("/api/v1/status")["run"].as_str().unwrap().to_owned();
    assert_eq!(
        array(&mut client, &open, "?limit=1")[0]["doc"]["notes"].as_str().unwrap().len(),
        1 << 20
    );
    assert!(array(&mut client, &uid, "").len() > 3);
}

#[test]
fn a_run_that_never_was_has_no_documents() {
    let house = House::open();
    let (status, code, ..) = house.client().get("/api/v1/runs/nobody/documents").error();
    assert_eq!((status, &*code), (404, "not_found"));
}

#[test]
fn documents_that_were_read_before_are_not_read_again_to_go_on() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("documents.jsonl");
    let start = r#"{"name":"start","doc":{"uid":"a","time":1.0}}"#.to_owned() + "\n";
    let page = |i: usize| {
        format!(r#"{{"name":"event_page","doc":{{"descriptor":"d","seq_num":[{i}]}}}}"#) + "\n"
    };
    let pages: String = (1..500).map(page).collect();
    fs::write(&path, start.clone() + &pages).unwrap();
    let archive = Archive::open(path.clone()).unwrap();
    let from = |number: usize| {
        let mut documents = archive.documents("a").unwrap().unwrap();
        documents.skip_to(number).unwrap();
        documents.map(Result::unwrap)
    };
    let all: Vec<String> = from(0).collect();
    assert_eq!(all.len(), 500);
    for number in [0, 1, 63, 64, 65, 127, 128, 499, 500, 1_000] {
        let expected = all.get(number..).unwrap_or_default();
        assert_eq!(from(number).collect::<Vec<_>>(), expected, "from {number}");
    }
    // Whoever walked through this would count fewer.
    let junk = |i: usize| "x".repeat(page(i).len() - 1) + "\n";
    let junked: String = (1..500).map(|i| if i < 384 { junk(i) } else { page(i) }).collect();
    fs::write(&path, start + &junked).unwrap();
    assert_eq!(from(400).next().as_ref(), Some(&all[400]));
}

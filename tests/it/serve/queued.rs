//! The end of a process that has runs queued: what had not begun is flown by the next one, once.
use super::rig::{Out, Server, long_scan, serve};
use crate::cli::{bluefly, ended};
use serde_json::{Value, json};

/// Ten frames, which begin far away from where the axes are.
fn far_scan() -> Value {
    json!({"type": "Fly", "spec": {
        "type": "ConstantDuration", "constant_duration": 0.01,
        "spec": {"type": "Linspace", "axis": "x", "start": 8, "stop": 8.1, "num": 10},
    }})
}

/// An axis that is slow enough to be met on its way.
const SLOW: [(&str, &str); 1] = [("BLUEFLY__DEVICE__X__VELOCITY", "8 mm/s")];
const AFTER_RESTART: &str = "BLUEFLY__QUEUE__AFTER_RESTART";
const AFTER_FAILURE: &str = "BLUEFLY__QUEUE__AFTER_FAILURE";

fn start(out: &Out, variables: &[(&str, &str)]) -> Server {
    Server::of(serve(out.path(), &[]).envs(variables.iter().copied()))
}

fn submit(server: &Server, spec: &Value) -> String {
    let (status, run) = server.post("/api/v1/runs", &json!({"spec": spec}));
    assert_eq!(status, 202, "{run}");
    run["uid"].as_str().unwrap().to_owned()
}

/// Waits for the end of a run.
fn end_of(server: &Server, uid: &str) -> Value {
    let url = format!("http://{}", server.address);
    // Which of them is watched depends on the moment.
    for _ in 0..100 {
        let (_, run) = server.get(&format!("/api/v1/runs/{uid}"));
        if run["ended_s"].is_number() {
            return run;
        }
        ended(bluefly(&["ctl", "--timeout", "60", "watch"]).env("BLUEFLY_URL", &url));
    }
    panic!("run {uid} has no end: {}", server.get("/api/v1/runs").1);
}

/// When the signal comes, from the submission on.
type Moment = fn(&Server);

/// Phases may pass unseen, the end of the first run stays.
fn phase(server: &Server, phase: &str) {
    server.reach(|status| status["phase"] == phase || status["ended"].is_object());
}

const MOMENTS: [(&str, Moment); 6] = [
    ("at once", |_| {}),
    ("its first step", |server| drop(server.reach(|status| status["operation"].is_object()))),
    ("prepared", |server| phase(server, "preparing")),
    ("on its way", |server| phase(server, "starting")),
    ("in flight", |server| phase(server, "running")),
    ("between two", |server| drop(server.reach(|status| status["ended"].is_object()))),
];

/// Three runs are queued when the process is told to end at `moment`; what became of them when the
/// next one is done with all: those that the first process began have the end that it told of.
fn check(out: &Out, (name, moment): (&str, Moment), variables: &[(&str, &str)]) {
    let slow: Vec<_> = SLOW.iter().chain(variables).copied().collect();
    let server = start(out, &slow);
    let runs: Vec<String> = (0..3).map(|_| submit(&server, &far_scan())).collect();
    moment(&server);
    let left = server.terminated();
    assert_eq!(left.status, Some(0), "{name}: {:?}", left.log);
    assert!(!left.log.iter().any(|line| line.contains("ERROR")), "{name}: {:?}", left.log);
    let told = out.documents();
    let stop = |uid: &str| {
        told.iter().find(|(_, doc)| doc["run_start"] == uid && doc["reason"].is_string())
    };
    let begun: Vec<_> = told.iter().filter(|(name, _)| name == "start").collect();
    let aborted = told.iter().filter(|(_, doc)| doc["exit_status"] == "abort").count();
    assert!(aborted <= 1, "{name}: {aborted} runs were ended");

    let server = start(out, variables);
    let (_, list) = server.get("/api/v1/runs");
    if variables.contains(&(AFTER_RESTART, "go_on")) {
        assert_eq!(list["queue"]["state"], "open", "{name}: {list}");
    } else {
        let held = json!({"state": "held", "reason": "the process was restarted"});
        let held = if begun.len() < 3 { held } else { json!({"state": "open", "reason": ""}) };
        assert_eq!(list["queue"], held, "{name}: {list}");
        assert_eq!(server.post("/api/v1/queue/release", &json!({})).0, 200);
    }
    for uid in &runs {
        let run = end_of(&server, uid);
        let expected = match stop(uid) {
            Some((_, stop)) if stop["exit_status"] == "abort" => "aborted",
            Some(_) | None => "done",
        };
        assert_eq!(run["state"], expected, "{name}: {run}");
    }
    assert_eq!(server.terminated().status, Some(0));
    let starts = out.documents().iter().filter(|(name, _)| name == "start").count();
    assert_eq!(starts, 3, "{name}: each was begun once");
}

#[test]
fn a_queued_run_that_had_not_begun_was_recorded_as_aborted() {
    for moment in MOMENTS {
        check(&Out::new(), moment, &[]);
    }
}

#[test]
fn a_queue_that_was_to_go_on_was_held_by_the_end_of_its_process() {
    for moment in MOMENTS {
        check(&Out::new(), moment, &[(AFTER_RESTART, "go_on")]);
    }
}

#[test]
fn the_next_run_was_begun_by_a_process_that_was_ending() {
    let variables = [(AFTER_RESTART, "go_on"), (AFTER_FAILURE, "go_on")];
    for moment in MOMENTS {
        check(&Out::new(), moment, &variables);
    }
}

/// The run in the air ends in order, and is the only one that the first process began.
#[test]
fn the_end_of_a_process_ends_the_run_in_the_air_and_no_other() {
    let out = Out::new();
    let server = start(&out, &[(AFTER_FAILURE, "go_on")]);
    let first = submit(&server, &long_scan());
    let second = submit(&server, &far_scan());
    server.reach(|status| status["frames_published"].as_u64() > Some(0));
    assert_eq!(server.terminated().status, Some(0));
    let stop = out.stop();
    assert_eq!((&stop["run_start"], &stop["exit_status"]), (&json!(first), &json!("abort")));
    out.assert_closed();
    let server = start(&out, &[]);
    let (_, run) = server.get(&format!("/api/v1/runs/{second}"));
    assert_eq!((&run["state"], &run["place"]), (&json!("queued"), &json!(0)));
    let (_, run) = server.get(&format!("/api/v1/runs/{first}"));
    assert_eq!(run["state"], "aborted", "{run}");
    assert_eq!(server.terminated().status, Some(0));
}

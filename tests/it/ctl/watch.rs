//! Watching a run: until its end, across broken connections, and no longer than asked.
use super::{
    Ended, ctl, ended, operation, run,
    server::{Asked, Say, Server},
    status,
};
use serde_json::{Value, json};
use std::{
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
};

fn progress(changes: &Value) -> String {
    json!({"event": "progress", "status": status(changes)}).to_string()
}

fn queue(seq: u64, changes: &Value) -> String {
    json!({"event": "queue", "seq": seq, "run": run(changes)}).to_string()
}

fn flying(frames: u64) -> Value {
    json!({
        "phase": "running", "run": "r1", "frames_total": 100, "frames_done": frames,
        "detectors": {"camera": frames},
    })
}

fn landed(exit_status: &str, reason: &str) -> Value {
    json!({"phase": "idle", "ended": {
        "run": "r1", "exit_status": exit_status, "reason": reason, "num_frames": 100,
    }})
}

fn runs(runs: &[Value], gate: &str) -> Say {
    let queue = json!({"state": gate, "reason": "why"});
    Say::Json(200, json!({"queue": queue, "runs": runs}).to_string())
}

/// A server with run r1, which is `state`, and at which `events` happen.
fn server(state: &'static str, mut events: impl FnMut(&Asked) -> Say + Send + 'static) -> Server {
    Server::new(move |asked| match asked.line.as_str() {
        "POST /api/v1/runs" => Say::Json(202, run(&json!({})).to_string()),
        "GET /api/v1/status" => Say::Json(200, status(&flying(0)).to_string()),
        "GET /api/v1/runs/r1" => Say::Json(200, run(&json!({"state": state})).to_string()),
        "GET /api/v1/runs?limit=0" => runs(&[run(&json!({"state": state}))], "open"),
        _ => events(asked),
    })
}

#[test]
fn a_run_is_watched_to_its_end() {
    let events = || {
        let up = json!({"event": "up", "id": "camera", "incarnation": 2});
        let tree = json!({"event": "tree", "seq": 1, "tree": up}).to_string();
        vec![
            progress(&flying(0)),
            progress(&flying(9)),
            tree,
            progress(&json!({"phase": "recovering", "frames_total": 100, "frames_done": 9,
                "trouble": "camera: gone"})),
            progress(&landed("success", "")),
        ]
    };
    let server = server("running", move |_| Say::Events(events()));
    let Ended { status, out, err } = ended(&mut ctl(&server.url, &["watch"]));
    let expected = "\
run r1
running: 0 of 100 frames (camera 0)
camera: up, incarnation 2
recovering: 9 of 100 frames
trouble: camera: gone
idle
run r1 done, 100 frames
";
    assert_eq!((status, out.as_str(), err.as_str()), (0, expected, ""));
    let json = ended(&mut ctl(&server.url, &["watch", "--format", "json"]));
    let expected = events().join("\n") + "\n";
    assert_eq!((json.status, json.out, json.err.as_str()), (0, expected, ""));
}

#[test]
fn a_run_that_is_waited_for_ends_as_it_did() {
    let check = |events: Vec<String>, expected: (i32, &str, &str)| {
        let server = server("queued", move |_| Say::Events(events.clone()));
        let arguments = ["run", "etc/demo.json", "--wait"];
        let Ended { status, out, err } = ended(&mut ctl(&server.url, &arguments));
        assert_eq!((status, out.as_str(), err.as_str()), expected);
    };
    let submitted = "run r1 queued, next\n";
    let done = format!("{submitted}run r1 done, 100 frames\n");
    check(vec![progress(&landed("success", ""))], (0, &done, ""));
    let ended = |state: &str, reason: &str| {
        queue(1, &json!({"state": state, "reason": reason, "num_frames": 3, "place": null}))
    };
    let done = format!("{submitted}run r1 done, 3 frames\n");
    check(vec![queue(1, &json!({"state": "running"})), ended("done", "")], (0, &done, ""));
    let error = "error: run: run r1 aborted, 3 frames: by hand\n";
    check(vec![ended("aborted", "by hand")], (3, submitted, error));
    let error = "error: run: run r1 failed, 3 frames: camera: gone\n";
    check(vec![ended("failed", "camera: gone")], (4, submitted, error));
    let error = "error: run: run r1 cancelled, 3 frames\n";
    check(vec![ended("cancelled", "")], (3, submitted, error));
    let error = "error: run: run r1 failed, 100 frames: camera: gone\n";
    check(vec![progress(&landed("fail", "camera: gone"))], (4, submitted, error));
    // The end of another run is none of ours.
    let other = queue(1, &json!({"uid": "r0", "state": "done"}));
    check(vec![other, progress(&landed("success", ""))], (0, &done.replace('3', "100"), ""));
}

#[test]
fn the_end_of_a_run_is_told_to_programs_too() {
    let server = server("done", |_| Say::Events(vec![]));
    let arguments = ["run", "etc/demo.json", "--wait", "--format", "json"];
    let Ended { status, out, err } = ended(&mut ctl(&server.url, &arguments));
    // It had ended before it was watched: no event tells of it.
    assert_eq!((status, err.as_str()), (0, ""), "{out}");
    let states: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&states[0]["state"], &states[1]["state"]), (&json!("queued"), &json!("done")));
}

#[test]
fn a_run_in_a_queue_that_is_held_says_so() {
    let mut looked = 0;
    let server = Server::new(move |asked| match asked.line.as_str() {
        "POST /api/v1/runs" => Say::Json(202, run(&json!({})).to_string()),
        "GET /api/v1/status" => Say::Json(200, status(&json!({})).to_string()),
        "GET /api/v1/runs/r1" => Say::Json(200, run(&json!({})).to_string()),
        "GET /api/v1/runs?limit=0" => {
            looked += 1;
            runs(&[], if looked == 1 { "open" } else { "held" })
        }
        _ => Say::Events(vec![
            queue(1, &json!({"uid": "r0", "state": "failed", "place": null, "reason": "gone"})),
            queue(2, &json!({"state": "cancelled", "place": null})),
        ]),
    });
    let arguments = ["run", "etc/demo.json", "--watch"];
    let Ended { status, out, err } = ended(&mut ctl(&server.url, &arguments));
    assert_eq!((status, out.as_str()), (3, "run r1 queued, next\nidle\nrun r0 failed: gone\n"));
    let expected = "\
queue held: why: bluefly ctl queue release opens it
error: run: run r1 cancelled
";
    assert_eq!(err, expected);
}

#[test]
fn a_broken_connection_is_opened_again_where_it_broke() {
    let mut opened = 0;
    let server = server("running", move |asked| {
        opened += 1;
        match opened {
            1 => Say::Broken(vec![progress(&flying(10)), queue(41, &json!({"uid": "r7"}))]),
            2 => Say::Raw(String::new()),
            _ => {
                assert!(asked.line.ends_with("?kinds=progress,queue,tree&since=41"));
                Say::Events(vec![progress(&landed("success", ""))])
            }
        }
    });
    let Ended { status, out, err } = ended(&mut ctl(&server.url, &["watch"]));
    let url = &server.url;
    let expected = format!(
        "{url}: the answer to GET events was cut off: the connection was closed; trying to reach it again\n\
         {url}: reached again\n"
    );
    assert_eq!((status, err), (0, expected), "{out}");
    assert!(out.ends_with("idle\nrun r1 done, 100 frames\n"), "{out}");
}

#[test]
fn a_server_that_was_restarted_is_asked_what_became_of_the_run() {
    let mut asked_for_status = 0;
    let server = Server::new(move |asked| match asked.line.as_str() {
        "GET /api/v1/status" => {
            asked_for_status += 1;
            let instance = if asked_for_status == 1 { "i1" } else { "i2" };
            Say::Json(200, status(&json!({"instance": instance, "revision": 3})).to_string())
        }
        "GET /api/v1/runs/r1" if asked_for_status == 1 => {
            Say::Json(200, run(&json!({"state": "running"})).to_string())
        }
        "GET /api/v1/runs/r1" => {
            let changes = json!({"state": "failed", "reason": "the process was killed"});
            Say::Json(200, run(&changes).to_string())
        }
        "GET /api/v1/runs?limit=0" => runs(&[run(&json!({"state": "running"}))], "open"),
        line => {
            assert!(!line.contains("since"), "another instance numbers anew: {line}");
            Say::Broken(vec![queue(41, &json!({"uid": "r7", "state": "done"}))])
        }
    });
    let Ended { status, err, .. } = ended(&mut ctl(&server.url, &["watch"]));
    let last = err.lines().last().unwrap();
    assert_eq!((status, last), (4, "error: run: run r1 failed: the process was killed"), "{err}");
    assert!(err.contains(": reached again, the server was restarted\n"), "{err}");
}

#[test]
fn a_server_that_stays_away_is_given_up() {
    let mut opened = 0;
    let server = server("running", move |_| {
        opened += 1;
        if opened == 1 { Say::Broken(vec![]) } else { Say::Raw(String::new()) }
    });
    let arguments = ["watch", "--timeout", "0.2"];
    let Ended { status, err, .. } = ended(&mut ctl(&server.url, &arguments));
    let last = err.lines().last().unwrap();
    let cut = "the answer to GET events was cut off: the connection was closed";
    assert_eq!((status, last), (4, format!("error: {}: {cut}", server.url).as_str()), "{err}");
}

/// It takes the connection each time, and closes it.
#[test]
fn a_feed_that_was_closed_at_once_was_opened_again_for_ever() {
    let server = server("running", move |_| Say::Broken(vec![]));
    let arguments = ["watch", "--timeout", "0.2"];
    let Ended { status, err, .. } = ended(&mut ctl(&server.url, &arguments));
    let last = err.lines().last().unwrap();
    let cut = "the answer to GET events was cut off: the connection was closed";
    assert_eq!((status, last), (4, format!("error: {}: {cut}", server.url).as_str()), "{err}");
    assert!(err.lines().count() <= 6, "it waits before each attempt: {err}");
}

#[test]
fn a_feed_that_has_no_room_now_ended_the_watching() {
    let mut opened = 0;
    let server = server("running", move |_| {
        opened += 1;
        match opened {
            1 => Say::Broken(vec![progress(&flying(10))]),
            2 => Say::Json(429, String::new()),
            3 => Say::Json(503, String::new()),
            _ => Say::Events(vec![progress(&landed("success", ""))]),
        }
    });
    let Ended { status, out, err } = ended(&mut ctl(&server.url, &["watch"]));
    assert_eq!(status, 0, "{err}");
    assert!(out.ends_with("run r1 done, 100 frames\n"), "{out}");
}

#[test]
fn a_server_that_says_nothing_is_asked_for_a_sign_of_life() {
    let mut opened = 0;
    let server = server("running", move |_| {
        opened += 1;
        let end = vec![progress(&landed("success", ""))];
        Say::Events(if opened == 1 { vec![] } else { end })
    });
    let arguments = ["watch", "--timeout", "0.3"];
    let Ended { status, err, .. } = ended(&mut ctl(&server.url, &arguments));
    let url = &server.url;
    let expected = format!(
        "{url}: no answer to GET events within 0.3 s; trying to reach it again\n{url}: reached again\n"
    );
    assert_eq!((status, err), (0, expected));
}

#[test]
fn without_a_run_there_is_nothing_to_watch() {
    let server = Server::new(|asked| match asked.line.as_str() {
        "GET /api/v1/runs?limit=0" => runs(&[run(&json!({}))], "held"),
        _ => Say::Json(200, status(&json!({})).to_string()),
    });
    let Ended { status, out, err } = ended(&mut ctl(&server.url, &["watch"]));
    let expected = "no run is in the air or about to begin: --follow waits for one\n";
    assert_eq!((status, out.as_str(), err.as_str()), (0, expected, ""));
}

#[test]
fn steps_of_a_client_are_watched_too() {
    let failed = json!({"number": 1, "request": "stage", "state": "failed", "error": {
        "code": "failed", "where": "camera", "message": "gone", "device": "camera",
    }});
    let server = Server::new(move |asked| match asked.line.as_str() {
        "GET /api/v1/runs?limit=0" => runs(&[], "open"),
        "GET /api/v1/status" => {
            let staging = json!({"phase": "staging", "operation": operation("stage", "running")});
            Say::Json(200, status(&staging).to_string())
        }
        _ => Say::Events(vec![progress(&json!({"operation": failed}))]),
    });
    let Ended { status, out, err } = ended(&mut ctl(&server.url, &["watch"]));
    let error = "error: run: run without a name failed: camera: gone\n";
    assert_eq!((status, out.as_str(), err.as_str()), (4, "staging\nidle\n", error));
}

/// Ctrl-C once the command listens to events.
fn interrupted(server: &Server, arguments: &[&str]) -> Ended {
    let mut command = ctl(&server.url, arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    while !server.asked().line.starts_with("GET /api/v1/events") {}
    let interrupt = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(interrupt.unwrap().success());
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended {
        status: output.status.code().expect("it was not killed by the signal"),
        out: text(output.stdout),
        err: text(output.stderr),
    }
}

#[test]
fn an_interrupt_ends_the_watching_and_not_the_run() {
    let flown = || server("running", |_| Say::Events(vec![progress(&flying(10))]));
    let error = "watching: ended by Ctrl-C; run r1 goes on: bluefly ctl abort ends a run\n";
    for arguments in
        [&["watch"][..], &["run", "etc/demo.json", "--watch"], &["run", "etc/demo.json", "--wait"]]
    {
        let server = flown();
        let Ended { status, err, .. } = interrupted(&server, arguments);
        assert_eq!((status, err), (3, format!("error: {error}")), "{arguments:?}");
    }
    let Ended { status, err, .. } = interrupted(&flown(), &["watch", "--follow"]);
    let error = error.replace("run r1", "the server");
    assert_eq!((status, err), (0, error));
}

#[test]
fn all_runs_may_be_followed() {
    let server = server("running", |_| {
        Say::Events(vec![
            progress(&landed("success", "")),
            progress(&json!({"phase": "running", "run": "r2", "frames_total": 100})),
        ])
    });
    let mut command = ctl(&server.url, &["watch", "--follow"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let lines: Vec<String> = lines.take(5).collect();
    let expected = [
        "run r1",
        "running: 0 of 100 frames (camera 0)",
        "idle",
        "run r2",
        "running: 0 of 100 frames",
    ];
    assert_eq!(lines, expected);
    child.kill().unwrap();
    child.wait().unwrap();
}

/// What a terminal shows, without what moves the cursor.
#[test]
fn a_terminal_shows_a_bar_for_each_detector() {
    let mut last = flying(80);
    last["detectors"] = json!({"camera": 82, "diode": 80});
    last["trouble"] = json!("diode: slow");
    let end = landed("success", "");
    let server = server("running", move |_| Say::Events(vec![progress(&last), progress(&end)]));
    let command = format!("{} ctl --url {} watch", env!("CARGO_BIN_EXE_bluefly"), server.url);
    let mut script = Command::new("script");
    script.args(["-qec", &command, "/dev/null"]).env("TERM", "xterm").env("COLUMNS", "80");
    let Ended { status, out, .. } = ended(&mut script);
    assert_eq!(status, 0, "{out}");
    for part in [
        "camera [",
        "] 82/100",
        "diode [",
        "] 80/100",
        "trouble: diode: slow",
        "run r1 done, 100 frames",
    ] {
        assert!(out.contains(part), "{part:?} is not in {out:?}");
    }
}

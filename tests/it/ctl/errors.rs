//! Whatever goes wrong is one line that says what and where, and an exit status.
use super::{
    Ended, ctl, ended, ended_with_input, operation,
    server::{Say, Server},
    status,
};
use serde_json::{Value, json};
use std::{fs, net::TcpListener};

/// Ends with `status`, nothing on standard output, and one line of error.
fn check(url: &str, arguments: &[&str], status: i32, error: &str) {
    let Ended { status: found, out, err } = ended(&mut ctl(url, arguments));
    assert_eq!(err, format!("error: {error}\n"), "{arguments:?}");
    assert_eq!((found, out.as_str()), (status, ""), "{arguments:?}");
}

/// A URL at which nobody listens.
fn nowhere() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let url = nowhere();
    let error = format!("{url}: no server answers there: Connection refused (os error 111)");
    for arguments in [
        &["status"][..],
        &["tree"],
        &["devices", "camera"],
        &["pause"],
        &["abort", "--reason", "why"],
        &["run", "etc/demo.json", "--wait"],
        &["watch"],
        &["watch", "--follow"],
        &["queue", "list"],
        &["documents", "r1"],
    ] {
        check(&url, arguments, 4, &error);
    }
    let Ended { status, err, .. } = ended(&mut ctl(&url, &["status", "--format", "json"]));
    let error: Value = serde_json::from_str(&err).unwrap();
    let expected = json!({"error": {
        "code": "failed", "where": url,
        "message": "no server answers there: Connection refused (os error 111)",
    }});
    assert_eq!((status, error), (4, expected));
}

#[test]
fn a_server_that_hangs_is_a_time_out() {
    let server = Server::new(|_| Say::Hang);
    let url = &server.url;
    for (arguments, request) in [
        (&["--timeout", "0.2", "status"][..], "GET status"),
        (&["--timeout", "0.2", "pause", "--wait", "0"], "POST pause"),
        (&["--timeout", "0.2", "documents", "r1"], "GET runs/r1/documents"),
        (&["--timeout", "0.2", "queue", "cancel", "r1"], "DELETE runs/r1"),
    ] {
        check(url, arguments, 4, &format!("{url}: no answer to {request} within 0.2 s"));
    }
    // The rest of an answer may be missing too.
    let half =
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{\"";
    let server = Server::new(move |_| Say::RawThenHang(half.to_owned()));
    let url = &server.url;
    let error = format!("{url}: no answer to GET status within 0.2 s");
    check(url, &["--timeout", "0.2", "status"], 4, &error);
}

#[test]
fn an_answer_that_makes_no_sense_is_shown() {
    let check = |say: &str, error: &str| {
        let say = say.to_owned();
        let server = Server::new(move |_| Say::Raw(say.clone()));
        check(&server.url, &["status"], 4, &format!("{}: {error}", server.url));
    };
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n";
    let body = |body: &str| format!("{head}content-length: {}\r\n\r\n{body}", body.len());
    check("", "the answer to GET status was cut off: the connection was closed");
    check(
        "HTTP/1.1 200",
        "the answer to GET status was cut off: I/O error: bytes remaining on stream",
    );
    check(
        &format!("{head}content-length: 9\r\n\r\n{{"),
        "the answer to GET status was cut off: 1 of 9 bytes came",
    );
    check(
        "SSH-2.0-OpenSSH_9.2\r\n\r\n",
        "the answer to GET status cannot be read: invalid HTTP version specified",
    );
    check(
        &body("{\"phase\": "),
        "the answer to GET status cannot be read: \"{\\\"phase\\\":\" is no JSON: EOF while parsing a \
         value at line 1 column 10",
    );
    check(
        &body("{}"),
        "the answer to GET status cannot be read: missing field `instance` at line 1 column 2",
    );
    let odd = status(&json!({"phase": "flying"})).to_string();
    let phases = "`idle`, `staging`, `staged`, `preparing`, `ready`, `starting`, `running`, `pausing`, \
                  `paused`, `recovering`, `completed`, `unstaging`, `undoing`";
    let error = format!(
        "unknown variant `flying`, expected one of {phases} at line 1 column {}",
        odd.len()
    );
    check(&body(&odd), &format!("the answer to GET status cannot be read: {error}"));
    check(
        "HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 20\r\n\r\n<html> <body></html>",
        "the answer to GET status cannot be read: 404 Not Found, \"<html> <body></html>\"",
    );
    check(
        "HTTP/1.1 302 Found\r\nlocation: /login\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
        "the answer to GET status cannot be read: 302 Found, \"\"",
    );
}

/// An error of the server, and what is printed of it.
fn check_error(arguments: &[&str], code: u16, error: &Value, expected: (i32, &str)) {
    let server = Server::json(code, json!({"error": error}).to_string());
    check(&server.url, arguments, expected.0, expected.1);
    let mut json = ctl(&server.url, arguments);
    let Ended { status, err, .. } = ended(json.args(["--format", "json"]));
    let found: Value = serde_json::from_str(&err).unwrap();
    assert_eq!((status, found), (expected.0, json!({"error": error})), "{arguments:?}");
}

#[test]
fn an_error_of_the_server_keeps_its_place_phase_and_device() {
    check_error(
        &["pause"],
        409,
        &json!({"code": "refused", "where": "scan_coordinator", "message": "cannot pause while idle",
            "phase": "idle"}),
        (2, "scan_coordinator: cannot pause while idle"),
    );
    check_error(
        &["queue", "move", "r1", "3"],
        409,
        &json!({"code": "refused", "where": "queue", "message": "r1 has begun", "phase": "running"}),
        (2, "queue: r1 has begun (phase running)"),
    );
    check_error(
        &["trigger", "camera"],
        503,
        &json!({"code": "unavailable", "where": "camera", "message": "cannot trigger: is not running",
            "device": "camera"}),
        (4, "camera: cannot trigger: is not running"),
    );
    check_error(
        &["kickoff"],
        500,
        &json!({"code": "failed", "where": "kickoff", "message": "cannot arm: gone", "device": "camera"}),
        (4, "kickoff: cannot arm: gone (device camera)"),
    );
    check_error(
        &["devices", "nobody"],
        404,
        &json!({"code": "not_found", "where": "devices/nobody", "message": "there is no such device"}),
        (2, "devices/nobody: there is no such device"),
    );
    check_error(
        &["status"],
        401,
        &json!({"code": "unauthorized", "where": "authorization", "message": "the token is missing"}),
        (2, "authorization: the token is missing"),
    );
    check_error(
        &["watch"],
        429,
        &json!({"code": "too_many_requests", "where": "server", "message": "try again in 1 s"}),
        (4, "server: try again in 1 s"),
    );
}

#[test]
fn an_error_of_a_specification_names_its_file_and_place() {
    let error = json!({"code": "invalid", "where": "$.spec.axis", "message": "no axis \"q\""});
    let server = Server::json(422, json!({"error": error}).to_string());
    for arguments in [&["run", "etc/demo.json"][..], &["prepare", "etc/demo.json"]] {
        check(&server.url, arguments, 2, "etc/demo.json: $.spec.axis: no axis \"q\"");
    }
    let piped = ended_with_input(&mut ctl(&server.url, &["run", "-"]), "{}");
    assert_eq!(piped.err, "error: standard input: $.spec.axis: no axis \"q\"\n");
    // The place is that of the server for programs, which know the file.
    let json = ended(&mut ctl(&server.url, &["run", "etc/demo.json", "--format", "json"]));
    assert_eq!(serde_json::from_str::<Value>(&json.err).unwrap()["error"], error);
}

#[test]
fn what_is_wrong_here_is_not_asked_there() {
    let url = &nowhere();
    let see = "; see bluefly --help";
    let none = "cannot read the file: No such file or directory (os error 2)";
    check(url, &["run", "none.json"], 2, &format!("none.json: {none}"));
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let bad = path("bad.json", "{");
    let error =
        format!("{bad}: the text is not JSON: EOF while parsing an object at line 1 column 1");
    check(url, &["run", &bad], 2, &error);
    let arguments = ["run", "etc/demo.json", "--metadata", "sample"];
    check(url, &arguments, 2, "--metadata: \"sample\" is not KEY=VALUE");
    for (uid, shown) in [("../status", "\"../status\""), ("", "\"\""), ("a b", "\"a b\"")] {
        let rule = "letters, digits and dashes, at most 60";
        let error = format!("UID: {shown} is none of a run: {rule}");
        check(url, &["documents", uid], 2, &error);
        check(url, &["runs", uid], 2, &error);
    }
    check(url, &["set", "x", "nan"], 2, "VALUE: NaN is no position");
    check(
        url,
        &["halt", "X"],
        2,
        &format!(
            "command line: invalid value 'X' for '<NAME>': \"X\" is no name: lower-case letters, digits \
             and underscores, starting with a letter, at most 60{see}"
        ),
    );
    let error = "--wait: 61 s is too long: at most 60";
    check(url, &["halt", "x", "--wait", "61"], 2, error);
    for timeout in ["0", "-1", "inf", "3601"] {
        let argument = format!("--timeout={timeout}");
        let error = format!("--timeout: {timeout} s is no time-out: must be above 0 to 3600");
        check(url, &[&argument, "status"], 2, &error);
    }
    let (empty, long) = (path("empty", "\n"), path("long", "a b\n"));
    for file in [&empty, &long] {
        let rule = "has no token: expected one line of visible characters";
        let error = format!("--token-file: {file}: {rule}");
        check(url, &["--token-file", file, "status"], 2, &error);
    }
    let error = "--token-file: none: No such file or directory (os error 2)";
    check(url, &["--token-file", "none", "status"], 2, error);
    let rule = "is no URL: expected one such as http://127.0.0.1:8470";
    check("beamline:8470", &["status"], 2, &format!("--url: \"beamline:8470\" {rule}"));
    check(
        url,
        &["queue", "list", "now"],
        2,
        &format!("command line: unexpected argument 'now' found{see}"),
    );
}

#[test]
fn a_step_that_leads_elsewhere_is_no_success() {
    let check = |arguments: &[&str], operation: Value, expected: (i32, &str, &str)| {
        let changes = json!({"phase": "paused", "operation": operation});
        let server = Server::json(202, status(&changes).to_string());
        let Ended { status, out, err } = ended(&mut ctl(&server.url, arguments));
        assert_eq!((status, out.as_str(), err.as_str()), expected, "{arguments:?}");
    };
    check(&["pause"], operation("kickoff", "paused"), (0, "paused\n", ""));
    check(&["pause"], operation("kickoff", "done"), (0, "paused\n", ""));
    check(&["abort"], operation("kickoff", "aborted"), (0, "paused\n", ""));
    check(&["stop"], operation("kickoff", "aborted"), (0, "paused\n", ""));
    check(&["kickoff"], operation("kickoff", "running"), (0, "paused\n", ""));
    let aborted = (3, "paused\n", "error: kickoff: aborted\n");
    check(&["kickoff", "--wait", "5"], operation("kickoff", "aborted"), aborted);
    let failed = json!({"number": 1, "request": "kickoff", "state": "failed", "error": {
        "code": "failed", "where": "camera", "message": "cannot arm: gone", "device": "camera",
    }});
    check(&["pause"], failed, (4, "paused\n", "error: camera: cannot arm: gone\n"));
}

#[test]
fn a_step_that_takes_too_long_goes_on() {
    let changes = json!({"phase": "pausing", "operation": operation("kickoff", "pausing")});
    let server = Server::json(202, status(&changes).to_string());
    let Ended { status, out, err } = ended(&mut ctl(&server.url, &["pause", "--wait", "0.2"]));
    let error = format!("error: pause: {} is still pausing after 0.2 s: it goes on\n", server.url);
    assert_eq!((status, out, err), (4, "pausing\n".to_owned(), error));
    assert_eq!(server.asked().line, "POST /api/v1/pause?wait=0.2");
}

/// A server at which `steps` are begun, one with each answer.
fn stepping(steps: &'static [(u64, &'static str, &'static str)]) -> Server {
    let mut steps = steps.iter();
    Server::new(move |_| {
        let (number, request, state) = steps.next().unwrap();
        let operation =
            json!({"number": number, "request": request, "state": state, "error": null});
        Say::Json(200, status(&json!({"phase": "idle", "operation": operation})).to_string())
    })
}

#[test]
fn the_step_of_somebody_else_was_taken_for_ours() {
    let check = |arguments: &[&str], steps, (expected, error): (i32, &str)| {
        let server = stepping(steps);
        let Ended { status, err, .. } = ended(&mut ctl(&server.url, arguments));
        assert_eq!((status, err.as_str()), (expected, error), "{arguments:?}");
    };
    check(
        &["stage"],
        &[(4, "unstage", "done"), (5, "stage", "running"), (5, "stage", "done")],
        (0, ""),
    );
    let see = "see bluefly ctl runs\n";
    let error = format!("error: stage: another step was begun meanwhile: unstage, number 6: {see}");
    let other = (4, error.as_str());
    check(
        &["stage"],
        &[(4, "unstage", "done"), (5, "stage", "running"), (6, "unstage", "running")],
        other,
    );
    check(&["stage"], &[(4, "unstage", "done"), (6, "unstage", "running")], other);
    let error = format!("error: pause: another step was begun meanwhile: prepare, number 6: {see}");
    check(&["pause"], &[(4, "kickoff", "pausing"), (6, "prepare", "running")], (4, &error));
}

#[test]
fn the_text_of_a_stranger_moved_the_cursor() {
    let reason = "gone\u{1b}[2J\u{9b}1m";
    let changes = json!({"phase": "idle", "ended": {
        "run": "r1", "exit_status": "abort", "reason": reason, "num_frames": 1,
    }});
    let server = Server::json(200, status(&changes).to_string());
    let Ended { out, .. } = ended(&mut ctl(&server.url, &["status"]));
    assert!(out.ends_with("r1 aborted, 1 frame: gone\\u{1b}[2J\\u{9b}1m\n"), "{out:?}");
    let error = json!({"code": "refused", "where": reason, "message": reason});
    let server = Server::json(409, json!({"error": error}).to_string());
    let shown = "gone\\u{1b}[2J\\u{9b}1m";
    check(&server.url, &["status"], 2, &format!("{shown}: {shown}"));
    let server = Server::json(200, format!("\"{reason}\""));
    let Ended { err, .. } = ended(&mut ctl(&server.url, &["status"]));
    assert!(!err.trim_end().contains(char::is_control), "{err:?}");
}

#[test]
fn a_step_is_waited_for_until_it_is_done() {
    let mut asked = 0;
    let server = Server::new(move |_| {
        asked += 1;
        let (phase, state) = if asked < 3 { ("pausing", "pausing") } else { ("paused", "paused") };
        let changes = json!({"phase": phase, "operation": operation("kickoff", state)});
        Say::Json(200, status(&changes).to_string())
    });
    let Ended { status, out, err } = ended(&mut ctl(&server.url, &["pause", "--wait", "600"]));
    assert_eq!((status, out.as_str(), err.as_str()), (0, "paused\n", ""));
    assert_eq!(server.asked().line, "POST /api/v1/pause?wait=60");
    for _ in 0..2 {
        assert_eq!(server.asked().line, "GET /api/v1/status?since=17&timeout=60");
    }
}

#[test]
fn a_device_that_did_not_is_no_success() {
    let check = |report: Value, expected: (i32, &str, &str)| {
        let mut whole = json!({"device": "x", "request": "set", "value": null, "error": null});
        whole.as_object_mut().unwrap().extend(report.as_object().unwrap().clone());
        let server = Server::json(202, whole.to_string());
        let Ended { status, out, err } = ended(&mut ctl(&server.url, &["set", "x", "-1.5"]));
        assert_eq!((status, out.as_str(), err.as_str()), expected);
        let asked = server.asked();
        assert_eq!(asked.line, "POST /api/v1/devices/x/set?wait=60");
        assert_eq!(asked.body, "{\"value\":-1.5}");
    };
    check(json!({"state": "done", "value": -1.5}), (0, "x: set done, at -1.5\n", ""));
    check(json!({"state": "aborted"}), (3, "x: set aborted\n", "error: x: aborted\n"));
    let error = json!({"code": "failed", "where": "x", "message": "stalled", "device": "x"});
    check(
        json!({"state": "failed", "error": error}),
        (4, "x: set failed\n", "error: x: stalled\n"),
    );
    let late = "error: x: waited 60 s for the move to -1.5: it goes on\n";
    check(json!({"state": "running"}), (4, "x: set under way\n", late));
}

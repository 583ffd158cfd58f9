//! What is asked of a server, and what is printed of right answers.
use super::{
    Ended, bluefly, ctl, ended, operation, run,
    server::{Say, Server},
    status,
};
use crate::cli::ROOT;
use serde_json::{Value, json};
use std::{fs, path::Path};

/// `arguments` ask for `line` with `body`, and print `text`; with `--format json` they print what
/// the server said.
fn check(arguments: &[&str], said: &Value, asked: (&str, &str), text: &str) {
    let server = Server::json(200, said.to_string());
    let check = |more: &[&str], expected: &str| {
        let Ended { status, out, err } = ended(ctl(&server.url, arguments).args(more));
        assert_eq!((status, err.as_str()), (0, ""), "{arguments:?}");
        assert_eq!(out, expected, "{arguments:?}");
        let mut last = server.asked();
        // Some look first where the server stands.
        if last.line != asked.0 {
            assert_eq!(last.line, "GET /api/v1/status", "{arguments:?}");
            last = server.asked();
        }
        assert_eq!((last.line.as_str(), last.body.as_str()), asked, "{arguments:?}");
    };
    check(&[], text);
    check(&["--format", "json"], &format!("{said}\n"));
}

#[test]
fn the_status_is_told() {
    let running = status(&json!({
        "phase": "running", "run": "r1", "frames_total": 1600, "frames_done": 160,
        "frames_published": 158, "detectors": {"camera": 162, "diode": 160}, "predicted_s": 6.6,
        "predicted_bytes": 9_830_400, "operation": operation("kickoff", "running"),
    }));
    let text = "\
beamline   sim
phase      running
run        r1
frames     160 of 1600 done, 158 documented
detectors  camera 162, diode 160
predicted  7 s, 9.83 MB
step       kickoff under way
";
    check(&["status"], &running, ("GET /api/v1/status", ""), text);
}

#[test]
fn the_steps_are_asked_for() {
    let at = |phase: &str| {
        let done = operation("stage", "done");
        status(&json!({"phase": phase, "operation": done, "frames_total": 16, "frames_done": 4}))
    };
    let spec: Value = read("etc/demo.json");
    let line = |line: &str| format!("POST /api/v1/{line}");
    let check = |arguments: &[&str], phase: &str, asked: &str, body: &str| {
        let text = format!("{phase}: 4 of 16 frames\n");
        check(arguments, &at(phase), (&line(asked), body), &text);
    };
    check(&["stage"], "staged", "stage?wait=60&operation=1", r#"{"metadata":{}}"#);
    let body = r#"{"metadata":{"sample":"gold","visit":1}}"#;
    let arguments = ["stage", "--metadata", "sample=gold", "--metadata", "visit=1"];
    check(&arguments, "staged", "stage?wait=60&operation=1", body);
    let body = json!({"spec": spec}).to_string();
    check(
        &["prepare", "etc/demo.json", "--wait", "1.5"],
        "ready",
        "prepare?wait=1.5&operation=1",
        &body,
    );
    check(&["kickoff"], "starting", "kickoff?wait=0&operation=1", "{}");
    check(&["pause", "--wait", "600"], "paused", "pause?wait=60", "{}");
    check(&["resume"], "running", "resume?wait=0&operation=1", r#"{"retake":0}"#);
    check(&["resume", "--retake", "3"], "running", "resume?wait=0&operation=1", r#"{"retake":3}"#);
    check(&["abort"], "undoing", "abort?wait=60", "{}");
    check(&["abort", "--reason", "by hand"], "idle", "abort?wait=60", r#"{"reason":"by hand"}"#);
    check(&["stop"], "idle", "stop?wait=60", "{}");
    check(&["unstage"], "idle", "unstage?wait=60&operation=1", "{}");
}

fn read(file: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(Path::new(ROOT).join(file)).unwrap()).unwrap()
}

#[test]
fn runs_are_submitted_and_ordered() {
    let body = json!({"metadata": {"sample": "gold"}, "spec": read("etc/demo.json")}).to_string();
    check(
        &["run", "etc/demo.json", "--metadata", "sample=gold"],
        &run(&json!({"place": 2})),
        ("POST /api/v1/runs", &body),
        "run r1 queued, 2 before it\n",
    );
    let cancelled = run(&json!({"state": "cancelled", "place": null}));
    let asked = ("DELETE /api/v1/runs/r1", "");
    check(&["queue", "cancel", "r1"], &cancelled, asked, "run r1 cancelled\n");
    let moved = run(&json!({}));
    let asked = ("POST /api/v1/runs/r1/move", r#"{"place":0}"#);
    check(&["queue", "move", "r1", "0"], &moved, asked, "run r1 queued, next\n");
    let held = json!({"state": "held", "reason": "sample change"});
    let asked = ("POST /api/v1/queue/hold", r#"{"reason":"sample change"}"#);
    let arguments = ["queue", "hold", "--reason", "sample change"];
    check(&arguments, &held, asked, "queue held: sample change\n");
    let asked = ("POST /api/v1/queue/release", "{}");
    check(&["queue", "release"], &json!({"state": "open", "reason": ""}), asked, "queue open\n");
}

#[test]
fn a_run_that_has_ended_is_not_cancelled() {
    let done = run(&json!({"state": "done", "place": null, "num_frames": 16}));
    let server = Server::json(200, done.to_string());
    let Ended { status, out, err } = ended(&mut ctl(&server.url, &["queue", "cancel", "r1"]));
    let error = "error: r1: cannot be cancelled: run r1 done, 16 frames\n";
    assert_eq!((status, out.as_str(), err.as_str()), (2, "run r1 done\n", error));
}

#[test]
fn runs_are_listed() {
    let list = json!({"queue": {"state": "open", "reason": ""}, "runs": [
        run(&json!({"uid": "r2", "state": "running", "place": null})),
        run(&json!({"uid": "r3"})),
    ]});
    let listed = |arguments: &[&str], line: &str, said: &Value| {
        let server = Server::json(200, said.to_string());
        let Ended { status, out, err } = ended(&mut ctl(&server.url, arguments));
        assert_eq!((status, err.as_str()), (0, ""));
        assert_eq!(server.asked().line, line);
        out
    };
    let check = |text: &str, expected: &[&str]| {
        // How long ago it was depends on the day of the test.
        let found = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
        let found = found.collect::<Vec<_>>();
        let (found, ago): (Vec<_>, Vec<_>) = found
            .iter()
            .map(|line| {
                line.split_once(" 2").map_or((line.as_str(), ""), |(line, ago)| (line, ago))
            })
            .unzip();
        assert_eq!(found, expected);
        assert!(ago.iter().all(|ago| ago.is_empty() || ago.ends_with(" h ago")), "{text}");
    };
    let table =
        ["queue open", "RUN STATE FRAMES SUBMITTED REASON", "r2 running -", "r3 queued, next -"];
    check(&listed(&["queue", "list"], "GET /api/v1/runs?limit=0", &list), &table);
    check(&listed(&["runs"], "GET /api/v1/runs?limit=20", &list), &table);
    let arguments = ["runs", "--state", "failed", "--limit", "3"];
    check(&listed(&arguments, "GET /api/v1/runs?limit=3&state=failed", &list), &table);
    let one = ["run r1", "state queued, next", "source submitted as a whole", "submitted"];
    check(&listed(&["runs", "r1"], "GET /api/v1/runs/r1", &run(&json!({}))), &one);
}

#[test]
fn devices_are_listed_and_moved() {
    let x = json!({
        "name": "x", "type": "motor", "provider": "sim://x", "state": "up", "incarnation": 1,
        "restarts": 0, "units": "mm", "limits": {"low": -100.0, "high": 100.0}, "position": 1.5,
        "error": null,
    });
    let table = "\
NAME  TYPE   STATE  RESTARTS  PROVIDER  NOW
x     motor  up            0  sim://x   at 1.5 mm
";
    check(&["devices"], &json!({"devices": [x]}), ("GET /api/v1/devices", ""), table);
    let text = "\
name         x
type         motor
provider     sim://x
state        up
incarnation  1
restarts     0
position     1.5 mm
limits       -100 to 100 mm
";
    check(&["devices", "x"], &x, ("GET /api/v1/devices/x", ""), text);
    let did = |request: &str, value: Value| json!({"device": "x", "request": request, "state": "done", "value": value, "error": null});
    check(
        &["set", "x", "1.5"],
        &did("set", json!(1.5)),
        ("POST /api/v1/devices/x/set?wait=60", r#"{"value":1.5}"#),
        "x: set done, at 1.5\n",
    );
    let asked = ("POST /api/v1/devices/x/stop?wait=0", "{}");
    check(&["halt", "x", "--wait", "0"], &did("stop", json!(null)), asked, "x: stop done\n");
    let asked = ("POST /api/v1/devices/camera/trigger?wait=60", "{}");
    let said = did("trigger", json!(3000.0));
    check(&["trigger", "camera"], &said, asked, "x: trigger done, sum 3000\n");
}

#[test]
fn the_tree_is_drawn() {
    let node = |id: &str, last_exit: Value, children: Value| {
        json!({
            "id": id, "state": "up", "incarnation": 1, "restarts": 0, "last_exit": last_exit,
            "polls": 3, "busy_us": 70, "children": children,
        })
    };
    let camera = node("camera", json!({"failed": "gone"}), json!([]));
    let root = node("root", json!(null), json!([node("devices", json!(null), json!([camera]))]));
    let text = "\
ACTOR           STATE  INCARNATION  RESTARTS  LAST EXIT
root            up               1         0  -
└── devices     up               1         0  -
    └── camera  up               1         0  failed: gone
";
    check(&["tree"], &root, ("GET /api/v1/tree", ""), text);
}

#[test]
fn documents_are_printed_as_they_come() {
    let start = r#"{"name":"start","doc":{"uid":"r1","time":1.0,"scan_id":3}}"#;
    let stop = r#"{"name":"stop","doc":{"uid":"e","time":2.0,"run_start":"r1","exit_status":"success","num_events":{"primary":16}}}"#;
    // No line ends where a chunk does.
    let (first, second) = (format!("{start}\n{}", &stop[..9]), format!("{}\n", &stop[9..]));
    let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len());
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\
         connection: close\r\n\r\n{}{}0\r\n\r\n",
        chunk(&first),
        chunk(&second)
    );
    let server = Server::new(move |_| Say::Raw(answer.clone()));
    let text = ended(&mut ctl(&server.url, &["documents", "r1"]));
    let expected = "start            r1, scan 3\nstop             success, events of primary 16\n";
    assert_eq!((text.status, text.out.as_str(), text.err.as_str()), (0, expected, ""));
    let asked = server.asked();
    assert_eq!(asked.line, "GET /api/v1/runs/r1/documents");
    assert!(asked.headers.contains("accept: application/x-ndjson\n"), "{}", asked.headers);
    let json = ended(&mut ctl(&server.url, &["documents", "r1", "--format", "json"]));
    assert_eq!((json.status, json.out), (0, format!("{start}\n{stop}\n")));
}

#[test]
fn documents_that_were_cut_off_are_no_success() {
    let check = |state: &'static str, expected: (i32, String)| {
        let start = r#"{"name":"start","doc":{"uid":"r1","time":1.0,"scan_id":3}}"#;
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n";
        let answer = format!("{head}{:x}\r\n{start}\n\r\n", start.len() + 1);
        let server = Server::new(move |asked| match asked.line.as_str() {
            "GET /api/v1/runs/r1" => Say::Json(200, run(&json!({"state": state})).to_string()),
            _ => Say::Raw(answer.clone()),
        });
        let Ended { status, out, err } = ended(&mut ctl(&server.url, &["documents", "r1"]));
        let expected = (expected.0, expected.1.replace("URL", &server.url));
        assert_eq!((status, err), expected);
        assert_eq!(out, "start            r1, scan 3\n");
    };
    let cut = "the answer to GET documents was cut off: the stop document is missing";
    check("done", (4, format!("error: URL: {cut}\n")));
    check("running", (0, String::new()));
}

#[test]
fn url_and_token_come_from_the_environment_too() {
    let server = Server::json(200, status(&json!({})).to_string());
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    fs::write(&file, "s3cret\n").unwrap();
    let mut command = bluefly(&["ctl", "status"]);
    command.env("BLUEFLY_URL", format!("{}/", server.url)).env("BLUEFLY_TOKEN_FILE", &file);
    assert_eq!(ended(&mut command).status, 0);
    let headers = server.asked().headers;
    assert!(headers.contains("authorization: Bearer s3cret\n"), "{headers}");
    // What is given wins.
    let mut command = ctl(&server.url, &["status"]);
    assert_eq!(ended(command.env("BLUEFLY_URL", "http://127.0.0.1:1")).status, 0);
    assert!(!server.asked().headers.contains("authorization"));
}

#[test]
fn every_command_of_a_client_has_help_with_an_example() {
    let commands = |of: &[&str]| {
        let help = ended(bluefly(&["ctl"]).args(of).arg("--help"));
        assert_eq!((help.status, help.err.as_str()), (0, ""));
        let list = help.out.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
        let names = list.lines().filter_map(|line| line.split_whitespace().next());
        let names = names.filter(|name| *name != "help").map(str::to_owned).collect::<Vec<_>>();
        assert!(names.len() > 4, "{names:?}");
        names
    };
    let check = |words: &[&str]| {
        let help = ended(bluefly(&["ctl"]).args(words).arg("--help"));
        let example = format!("Example: bluefly ctl {}", words.join(" "));
        assert!(help.status == 0 && help.out.contains(&example), "{words:?}: {}", help.out);
    };
    for name in commands(&[]).iter().filter(|name| *name != "queue") {
        check(&[name]);
    }
    for name in &commands(&["queue"]) {
        check(&["queue", name]);
    }
}

#[test]
fn shells_learn_the_commands() {
    for (shell, word) in [
        ("bash", "complete -F _bluefly"),
        ("zsh", "#compdef bluefly"),
        ("fish", "complete -c bluefly"),
    ] {
        let script = ended(&mut bluefly(&["ctl", "completions", shell]));
        assert_eq!((script.status, script.err.as_str()), (0, ""));
        assert!(script.out.contains(word) && script.out.contains("kickoff"), "{shell}");
    }
    let script = ended(&mut bluefly(&["ctl", "completions", "bash"])).out;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("bluefly");
    fs::write(&file, script).unwrap();
    let asked = format!(
        "source {}; COMP_WORDS=(bluefly ctl unst); COMP_CWORD=2; _bluefly bluefly unst ctl; \
         echo \"${{COMPREPLY[@]}}\"",
        file.display()
    );
    let completed = ended(std::process::Command::new("bash").args(["-c", &asked]));
    assert_eq!((completed.out.as_str(), completed.err.as_str()), ("unstage\n", ""));
}

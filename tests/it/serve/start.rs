//! Starting: one line once clients are answered, or one line of error.
use super::rig::{Out, Server, serve};
use crate::cli::{bluefly, ended};
use serde_json::{Value, json};
use std::{fs, net::TcpListener, path::Path};

/// `bluefly serve` with `arguments` ends with `status` and one line of error, and has written nothing.
fn refused(arguments: &[&str], status: i32, error: &str) {
    let out = Out::new();
    let ended = ended(&mut serve(out.path(), arguments));
    assert_eq!(ended.err.lines().last(), Some(format!("error: {error}").as_str()), "{arguments:?}");
    assert_eq!((ended.status, ended.out.as_str()), (status, ""), "{arguments:?}");
    assert_eq!(out.documents(), []);
}

#[test]
fn a_server_tells_where_it_listens_and_answers() {
    let out = Out::new();
    let server = Server::start(out.path());
    assert_eq!(server.line, format!("listening on http://{}\n", server.address));
    assert_eq!(server.get("/healthz"), (200, json!({"status": "ok"})));
    assert_eq!(server.get("/readyz"), (200, json!({"status": "ready"})));
    let (status, body) = server.get("/api/v1/status");
    assert_eq!((status, &body["beamline"], &body["phase"]), (200, &json!("sim"), &json!("idle")));
    let left = server.terminated();
    assert_eq!((left.status, left.out.as_str()), (Some(0), ""), "{:?}", left.log);
}

#[test]
fn the_line_is_json_on_request() {
    let out = Out::new();
    let server = Server::of(&mut serve(out.path(), &["--format", "json"]));
    let line: Value = serde_json::from_str(&server.line).unwrap();
    assert_eq!(line, json!({"listening": format!("http://{}", server.address)}));
}

#[test]
fn a_log_tells_of_start_and_end_but_no_more_than_wanted() {
    let out = Out::new();
    let server = Server::start(out.path());
    let serving = server.log_until("serving");
    assert!(serving.contains("INFO"), "{serving}");
    let left = server.terminated();
    assert!(left.log.iter().any(|line| line.contains("a signal: shutting down")));
    assert!(left.log.last().unwrap().contains("stopped"), "{:?}", left.log);
    let out = Out::new();
    let left = Server::of(&mut serve(out.path(), &["--log", "error"])).terminated();
    assert_eq!(left.log, [""; 0]);
}

/// The one who listens is found out before a device is touched.
#[test]
fn a_port_in_use_is_named_with_its_cause() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let cause = "Address already in use (os error 98)";
    let error = format!("{address}: cannot listen there: {cause}");
    refused(&["--listen", &address], 4, &error);
}

#[test]
fn an_address_that_is_not_ours_is_named_with_its_cause() {
    // Of a network for documentation.
    let address = "192.0.2.1:0";
    let out = Out::new();
    let token = out.path().join("token");
    write_secret(&token, "0123456789abcdef");
    let mut command = serve(out.path(), &["--listen", address]);
    let ended = ended(command.env("BLUEFLY__API__TOKEN_FILE", &token));
    let cause = "Cannot assign requested address (os error 99)";
    assert_eq!(ended.err, format!("error: {address}: cannot listen there: {cause}\n"));
    assert_eq!((ended.status, ended.out.as_str()), (4, ""));
}

#[test]
fn bad_usage_is_refused_in_one_line() {
    let see = "; see bluefly --help";
    let check = |arguments: &[&str], status: i32, error: &str| {
        let ended = ended(&mut bluefly(arguments));
        assert_eq!(ended.err, format!("error: {error}\n"), "{arguments:?}");
        assert_eq!((ended.status, ended.out.as_str()), (status, ""), "{arguments:?}");
    };
    let sim = ["serve", "etc/sim.toml", "--sim", "--listen"];
    check(
        &[&sim[..], &["localhost"]].concat(),
        2,
        &format!(
            "command line: invalid value 'localhost' for '--listen <ADDR>': \"localhost\" is no \
             address: expected IP:PORT, such as \"127.0.0.1:8470\"{see}"
        ),
    );
    check(
        &[&sim[..], &["0.0.0.0:0"]].concat(),
        2,
        "--listen: 0.0.0.0:0 is not on loopback, so clients need a token: set api.token_file of \
         the beamline file",
    );
    check(
        &["serve", "none.toml", "--sim"],
        2,
        "none.toml: cannot read the file: No such file or directory (os error 2)",
    );
    check(
        &["serve", "etc/sim.toml", "--sim", "--out", "etc/sim.toml"],
        2,
        &format!("--out: {}/etc/sim.toml: File exists (os error 17)", crate::cli::ROOT),
    );
}

#[test]
fn what_cannot_be_reached_is_refused_unless_simulated() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("real.toml");
    let text = fs::read_to_string(Path::new(crate::cli::ROOT).join("etc/sim.toml")).unwrap();
    fs::write(&file, text.replace("sim://camera", "pva://camera")).unwrap();
    let file = file.to_str().unwrap();
    let ended = ended(&mut bluefly(&["serve", file, "--listen", "127.0.0.1:0"]));
    let rule = "this version has no provider for pva://; --sim simulates every device";
    let error = format!("error: {file}: device.camera.provider: \"pva://camera\": {rule}\n");
    assert_eq!(ended.err, error);
    assert_eq!(ended.status, 2);
}

#[test]
fn a_seed_is_refused_where_runs_are_already() {
    let out = Out::new();
    fs::write(out.path().join("documents.jsonl"), "").unwrap();
    let ended = ended(&mut serve(out.path(), &["--seed", "1"]));
    let place = out.path().display();
    let reason = format!("{place} has runs already, and a seed gives the same names again");
    assert_eq!(ended.err, format!("error: --seed: {reason}: choose another --out\n"));
    assert_eq!(ended.status, 2);
}

#[test]
fn two_processes_wrote_to_one_directory() {
    let out = Out::new();
    let first = Server::start(out.path());
    let second = ended(&mut serve(out.path(), &[]));
    let error = format!(
        "start: {}: process {} writes there: choose another directory",
        out.path().display(),
        first.id()
    );
    assert_eq!(second.err.lines().last(), Some(format!("error: {error}").as_str()));
    assert_eq!((second.status, second.out.as_str()), (4, ""));
    // A scan would take the run that is open for one whose process is gone.
    let place = out.path().to_str().unwrap();
    let arguments =
        ["scan", "etc/demo.json", "--beamline", "etc/sim.toml", "--sim", "--out", place];
    let scan = ended(&mut bluefly(&arguments));
    assert_eq!((scan.status, scan.err), (4, format!("error: {error}\n")));
    assert_eq!(first.get("/healthz").0, 200);
    assert_eq!(first.terminated().status, Some(0));
    assert_eq!(Server::start(out.path()).terminated().status, Some(0));
}

/// Only its owner may read it.
pub(super) fn write_secret(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

//! After the worst: a process that was killed, a full disk, a tree that gave up.
use super::rig::{Out, Server, long_scan, serve};
use serde_json::{Value, json};
use std::process::Command;

#[test]
fn a_server_that_was_killed_left_a_run_without_end() {
    let out = Out::new();
    let mut server = Server::start(out.path());
    let run = server.fly_into(&long_scan())["run"].as_str().unwrap().to_owned();
    server.kill();
    let documents = out.documents();
    assert!(documents.iter().all(|(name, _)| name != "stop"));
    let rows = documents.iter().filter_map(|(_, doc)| doc["indices"]["stop"].as_u64()).max();

    let server = Server::start(out.path());
    let documents = out.documents();
    let (name, stop) = documents.last().unwrap();
    assert_eq!((name.as_str(), stop["run_start"].as_str()), ("stop", Some(run.as_str())));
    assert_eq!((&stop["exit_status"], &stop["reason"]), (&json!("fail"), &json!(KILLED)));
    assert_eq!(stop["num_events"]["primary"].as_u64(), rows);
    // The next one is not in its way.
    server.fly_into(&long_scan());
    assert_eq!(server.terminated().status, Some(0));
    assert_eq!(out.stop()["exit_status"], "abort");
}

const KILLED: &str = "the process that flew it was killed";

/// No file grows beyond half a mebibyte, as on a disk that is full.
#[test]
fn a_full_disk_ends_the_run_and_not_the_server() {
    let out = Out::new();
    let serve = serve(out.path(), &[]);
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -f 1024; exec \"$@\"", "sh"]);
    limited.arg(serve.get_program()).args(serve.get_args()).current_dir(crate::cli::ROOT);
    for (key, value) in serve.get_envs() {
        match value {
            Some(value) => limited.env(key, value),
            None => limited.env_remove(key),
        };
    }
    let server = Server::of(&mut limited);
    server.fly_into(&long_scan());
    let status = server.reach(|status| status["ended"].is_object());
    assert_eq!(status["ended"]["exit_status"], "fail", "{status}");
    assert_eq!(server.get("/healthz").0, 200);
    let left = server.terminated();
    assert_eq!(left.status, Some(0), "{:?}", left.log);
    assert_eq!(out.stop()["exit_status"], "fail");
}

/// The next process takes up the queue and the runs of the last; tokens of the old one are worth
/// nothing.
#[test]
fn a_restart_is_another_instance() {
    let out = Out::new();
    let instance = |arguments: &[&str]| {
        let server = Server::of(&mut serve(out.path(), arguments));
        let status: Value = server.get("/api/v1/status").1;
        assert_eq!(server.terminated().status, Some(0));
        status["instance"].as_str().unwrap().to_owned()
    };
    assert_ne!(instance(&[]), instance(&[]));
    assert_ne!(instance(&["--seed", "1"]), instance(&["--seed", "1"]), "of the same seed");
}

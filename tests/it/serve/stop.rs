//! Ending: whatever goes on, its documents end, its files are closed, and clients are told.
use super::rig::{Out, Server, long_scan, serve};
use serde_json::{Value, json};
use std::process::Command;

const REASON: &str = "the process was shut down";

/// A server that is sent `signal` after `work` ends in order, with a run that was aborted.
fn aborted_by(signal: &str, work: impl FnOnce(&Server)) {
    let out = Out::new();
    let server = Server::start(out.path());
    work(&server);
    server.signal(signal);
    let left = server.ended();
    assert_eq!((left.status, left.out.as_str()), (Some(0), ""), "{:?}", left.log);
    assert!(!left.log.iter().any(|line| line.contains("ERROR")), "{:?}", left.log);
    let stop = out.stop();
    assert_eq!((&stop["exit_status"], &stop["reason"]), (&json!("abort"), &json!(REASON)));
    out.assert_closed();
}

#[test]
fn each_signal_ends_a_run_in_flight_in_order() {
    for signal in ["-TERM", "-INT", "-HUP"] {
        // Tests that were started by nohup start servers that outlive their terminal.
        if signal == "-HUP" && is_hangup_ignored() {
            eprintln!("left out: this process ignores SIGHUP, and so would the server");
            continue;
        }
        aborted_by(signal, |server| drop(server.fly_into(&long_scan())));
    }
}

fn is_hangup_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    u64::from_str_radix(ignored.trim(), 16).unwrap() & 1 == 1
}

#[test]
fn a_run_that_is_paused_is_ended_in_order() {
    aborted_by("-TERM", |server| {
        server.fly_into(&long_scan());
        server.step("pause", &json!({}));
        server.reach_phase("paused");
    });
}

#[test]
fn a_run_that_begins_or_goes_on_is_ended_in_order() {
    aborted_by("-TERM", |server| {
        server.fly_into(&long_scan());
        server.step("pause", &json!({}));
        server.reach_phase("paused");
        assert_eq!(server.post("/api/v1/resume", &json!({})).0, 202);
    });
}

/// Nothing was begun, so that nothing is told of.
#[test]
fn what_is_staged_or_prepared_is_undone() {
    let check = |work: fn(&Server)| {
        let out = Out::new();
        let server = Server::start(out.path());
        work(&server);
        let left = server.terminated();
        assert_eq!(left.status, Some(0), "{:?}", left.log);
        assert!(!left.log.iter().any(|line| line.contains("ERROR")), "{:?}", left.log);
        assert_eq!(out.documents(), []);
    };
    check(|_| {});
    check(|server| drop(server.post("/api/v1/stage", &json!({}))));
    check(|server| drop(server.step("stage", &json!({}))));
    check(|server| {
        server.step("stage", &json!({}));
        let (status, body) = server.post("/api/v1/prepare?wait=0", &long_scan());
        assert_eq!(status, 202, "{body}");
    });
    check(|server| {
        server.step("stage", &json!({}));
        server.step("prepare", &long_scan());
    });
}

/// Whichever step the signal falls into: a run that began has an end.
#[test]
fn a_run_that_is_about_to_begin_or_to_end_has_an_end() {
    let check = |work: &dyn Fn(&Server)| {
        let out = Out::new();
        let server = Server::start(out.path());
        work(&server);
        let left = server.terminated();
        assert_eq!(left.status, Some(0), "{:?}", left.log);
        if !out.documents().is_empty() {
            out.assert_closed();
            out.stop();
        }
    };
    let short = || {
        json!({"type": "Fly", "spec": {
            "type": "ConstantDuration", "constant_duration": 0.01,
            "spec": {"type": "Linspace", "axis": "x", "start": 0, "stop": 1, "num": 5},
        }})
    };
    let ready = |server: &Server, spec: &Value| {
        server.step("stage", &json!({}));
        server.step("prepare", spec);
    };
    check(&|server| {
        ready(server, &long_scan());
        assert_eq!(server.post("/api/v1/kickoff", &json!({})).0, 202);
    });
    check(&|server| {
        ready(server, &short());
        server.step("kickoff", &json!({}));
    });
    check(&|server| {
        ready(server, &short());
        server.step("kickoff", &json!({}));
        assert_eq!(server.post("/api/v1/unstage", &json!({})).0, 202);
    });
    check(&|server| {
        server.fly_into(&long_scan());
        assert_eq!(server.post("/api/v1/abort", &json!({"reason": "enough"})).0, 202);
    });
}

/// Who has no patience has no end of the documents, but is told so.
#[test]
fn a_second_signal_waits_for_nothing_but_the_hardware() {
    let out = Out::new();
    let server = Server::start(out.path());
    server.fly_into(&long_scan());
    // Both wait for the process when it is woken.
    server.signal("-STOP");
    server.signal("-TERM");
    server.signal("-INT");
    server.signal("-CONT");
    let left = server.ended();
    assert_eq!(left.status, Some(4), "{:?}", left.log);
    let error = "error: serve: a second signal: the end of the run was not waited for";
    assert_eq!(left.log.last().unwrap(), error);
    assert!(!left.log.iter().any(|line| line.contains("may not be safe")), "{:?}", left.log);
}

#[test]
fn a_closed_terminal_ended_a_server_that_was_to_outlive_it() {
    let out = Out::new();
    let serve = serve(out.path(), &[]);
    let mut nohup = Command::new("nohup");
    nohup.arg(serve.get_program()).args(serve.get_args()).current_dir(crate::cli::ROOT);
    nohup.env_remove("NOTIFY_SOCKET").env_remove("BLUEFLY_LOG");
    let server = Server::of(&mut nohup);
    server.signal("-HUP");
    assert_eq!(server.get("/healthz").0, 200);
    assert_eq!(server.terminated().status, Some(0));
}

/// An actor that blocks is no reason to hang: the process has ended all the same.
#[test]
fn an_idle_server_ends_at_once() {
    let out = Out::new();
    let server = Server::start(out.path());
    // Kept open, and silent.
    let idle = std::net::TcpStream::connect(server.address).unwrap();
    assert_eq!(server.terminated().status, Some(0));
    drop(idle);
}

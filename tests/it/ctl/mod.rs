//! `bluefly ctl`: what it asks a server, what it says of the answers, and how it ends.
mod answers;
mod errors;
mod server;
mod watch;

use crate::cli::{Ended, bluefly, ended, ended_with_input};
use serde_json::{Value, json};
use std::process::Command;

/// `bluefly ctl` with `arguments` at `url`, and nothing of the environment of the tests.
fn ctl(url: &str, arguments: &[&str]) -> Command {
    let mut command = bluefly(&["ctl", "--url", url]);
    for variable in ["BLUEFLY_URL", "BLUEFLY_TOKEN_FILE", "BLUEFLY_CA_FILE"] {
        command.env_remove(variable);
    }
    command.args(arguments);
    command
}

/// A status with `changes`.
fn status(changes: &Value) -> Value {
    let mut value = json!({
        "instance": "i1", "beamline": "sim", "revision": 17, "phase": "idle", "run": null,
        "frames_before": 0, "frames_total": 0, "frames_done": 0, "frames_published": 0,
        "detectors": {}, "recoveries": 0, "predicted_s": 0.0, "predicted_bytes": 0,
        "trouble": null, "operation": null, "ended": null,
    });
    value.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    value
}

/// Run `r1` with `changes`.
fn run(changes: &Value) -> Value {
    let mut value = json!({
        "uid": "r1", "state": "queued", "place": 0, "submitted_s": 1.0, "started_s": null,
        "ended_s": null, "num_frames": null, "reason": "", "spec": null, "metadata": {},
        "source": "queue",
    });
    value.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    value
}

/// What step `request` has come to.
fn operation(request: &str, state: &str) -> Value {
    json!({"number": 1, "request": request, "state": state, "error": null})
}

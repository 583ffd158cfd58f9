//! What a service manager is told.
use super::rig::{Out, PATIENCE, Server, long_scan, serve};
use serde_json::json;
use std::os::unix::net::UnixDatagram;

/// The end of the socket that systemd has, and a server that was started with it.
pub(super) struct Managed {
    socket: UnixDatagram,
    pub(super) server: Server,
    pub(super) out: Out,
    /// Said already, line by line.
    lines: Vec<String>,
}

impl Managed {
    pub(super) fn start(variables: &[(&str, &str)]) -> Self {
        let out = Out::new();
        let path = out.path().join("notify.sock");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut command = serve(out.path(), &[]);
        command.env("NOTIFY_SOCKET", &path).envs(variables.iter().copied());
        let server = Server::of(&mut command);
        Self { socket, server, out, lines: vec![] }
    }

    /// Reads on to a line that starts with `start`; the whole message that has it.
    pub(super) fn hear(&mut self, start: &str) -> Vec<String> {
        let mut buffer = [0; 4_096];
        loop {
            let length = self.socket.recv(&mut buffer);
            let length = length.unwrap_or_else(|error| {
                panic!("{error}: {start:?} was never said, but {:?}", self.lines)
            });
            let text = std::str::from_utf8(&buffer[..length]).unwrap();
            let lines: Vec<String> = text.lines().map(str::to_owned).collect();
            self.lines.extend(lines.clone());
            if lines.iter().any(|line| line.starts_with(start)) {
                return lines;
            }
        }
    }

    fn has_said(&self, line: &str) -> bool {
        self.lines.iter().any(|said| said == line)
    }
}

#[test]
fn a_service_manager_is_told_of_each_phase() {
    let mut managed = Managed::start(&[("WATCHDOG_USEC", "3000000")]);
    assert_eq!(managed.hear("STATUS="), ["STATUS=starting"]);
    assert_eq!(managed.hear("READY=1"), ["READY=1", "STATUS=idle"]);
    assert!(managed.has_said("EXTEND_TIMEOUT_USEC=20000000"), "{:?}", managed.lines);
    let status = managed.server.fly_into(&long_scan());
    let run = status["run"].as_str().unwrap();
    managed.hear(&format!("STATUS=running: run {run}, 2000 frames"));
    managed.server.step("pause", &json!({}));
    managed.hear("STATUS=paused: run ");
    managed.server.signal("-TERM");
    managed.hear("STOPPING=1");
    let extended = managed.hear("EXTEND_TIMEOUT_USEC=");
    assert_eq!(extended, ["WATCHDOG=1", "EXTEND_TIMEOUT_USEC=20000000"]);
    let Managed { server, out, .. } = managed;
    assert_eq!(server.ended().status, Some(0));
    assert_eq!(out.stop()["exit_status"], "abort");
}

#[test]
fn signs_of_life_go_on_for_as_long_as_the_actors_do() {
    let mut managed = Managed::start(&[("WATCHDOG_USEC", "30000")]);
    managed.hear("READY=1");
    for _ in 0..5 {
        assert_eq!(managed.hear("WATCHDOG=1"), ["WATCHDOG=1"]);
    }
    // A main thread that hangs is silent, which is what systemd waits for.
    managed.server.signal("-STOP");
    managed.socket.set_nonblocking(true).unwrap();
    let mut buffer = [0; 4_096];
    while managed.socket.recv(&mut buffer).is_ok() {}
    managed.socket.set_nonblocking(false).unwrap();
    managed.server.signal("-CONT");
    managed.hear("WATCHDOG=1");
    assert_eq!(managed.server.terminated().status, Some(0));
}

/// A socket holds a few messages only.
#[test]
fn a_service_manager_that_reads_nothing_hung_the_actors() {
    let mut managed = Managed::start(&[("WATCHDOG_USEC", "3000")]);
    managed.server.fly_into(&long_scan());
    managed.server.step("abort", &json!({}));
    // What could not be said is said as soon as it can be.
    managed.hear("READY=1");
    assert_eq!(managed.server.terminated().status, Some(0));
}

/// The socket is that of systemd, and whoever reads it may be gone.
#[test]
fn a_service_manager_that_does_not_listen_was_the_end() {
    let out = Out::new();
    let path = out.path().join("nobody.sock");
    let server = Server::of(serve(out.path(), &[]).env("NOTIFY_SOCKET", path));
    server.log_until("the service manager was not told");
    assert_eq!(server.get("/healthz").0, 200);
    assert_eq!(server.terminated().status, Some(0));
}

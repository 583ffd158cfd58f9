//! [`Ioc`]: an IOC of Python, as a process.
use crate::network::SECOND_PORT;
use rustix::process::{Pid, Signal, kill_process};
use std::{
    env,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

pub(crate) struct Ioc(Child);

/// The Python that `./setup` makes, unless another is named.
pub(crate) fn python() -> PathBuf {
    let ours = || Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/bin/python");
    env::var_os("BLUEFLY_PYTHON").map_or_else(ours, Into::into)
}

impl Ioc {
    /// An IOC of the package softioc, once it runs; what it is to have is in its script.
    pub(crate) fn softioc(arguments: &[&str]) -> Self {
        Self::start("softioc_ioc.py", arguments, "EPICS_CA_SERVER_PORT")
    }

    /// The same, beside another server.
    pub(crate) fn softioc_beside(arguments: &[&str]) -> Self {
        Self::start("softioc_ioc.py", arguments, SECOND_PORT)
    }

    /// A server of the package caproto, once it runs.
    pub(crate) fn caproto(arguments: &[&str]) -> Self {
        Self::start("caproto_ioc.py", arguments, "EPICS_CA_SERVER_PORT")
    }

    fn start(script: &str, arguments: &[&str], port: &str) -> Self {
        let (root, python) = (Path::new(env!("CARGO_MANIFEST_DIR")), python());
        let mut child = Command::new(&python)
            .arg(root.join("tests/ca/iocs").join(script))
            .args(arguments)
            .env("EPICS_CA_SERVER_PORT", env::var(port).unwrap())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", python.display()));
        // It ends by itself when it cannot start, and its output with it.
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let is_ready = lines.any(|line| line.unwrap() == "ready");
        assert!(is_ready, "{script} does not start: has `./setup` been run?");
        Self(child)
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).unwrap();
    }

    /// It hangs, with all its connections open.
    pub(crate) fn hang(&self) {
        self.signal(Signal::STOP);
    }

    pub(crate) fn resume(&self) {
        self.signal(Signal::CONT);
    }
}

impl Drop for Ioc {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        self.0.wait().unwrap();
    }
}

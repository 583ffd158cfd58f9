//! The IOC: the C code of EPICS base, in a process that ends with its standard input.
use super::{
    environment::{Environment, peers},
    peer::Ended,
};
use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{ChildStdin, ChildStdout, Stdio},
};

pub(crate) struct Ioc {
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
    _process: Ended,
}

impl Ioc {
    pub(crate) fn start(environment: &Environment) -> Self {
        let mut command = environment.python();
        command.arg(peers().join("ioc.py")).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        let commands = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        let mut ioc = Self { commands, answers, _process: Ended(child) };
        ioc.hear("ready");
        ioc
    }

    /// Has the IOC do something; returns once it does.
    pub(crate) fn tell(&mut self, command: &str) {
        writeln!(self.commands, "{command}").unwrap();
        self.hear("done");
    }

    fn hear(&mut self, expected: &str) {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        assert_eq!(line.trim(), expected, "run benches/peers/ca/ioc.py by hand to see why");
    }
}

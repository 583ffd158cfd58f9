//! The clients, each a process of its own, which prints its figures as lines of JSON.
use super::{
    Phase,
    environment::{Environment, peers},
};
use bluefly_actors::clock::Clock;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    env, io,
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Peer {
    Bluefly,
    DebianLibca,
    PipLibca,
    Aioca,
    Pyepics,
}

impl Peer {
    pub(crate) const ALL: [Self; 5] =
        [Self::Bluefly, Self::DebianLibca, Self::PipLibca, Self::Aioca, Self::Pyepics];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Bluefly => "bluefly",
            Self::DebianLibca => "C, Debian",
            Self::PipLibca => "C, pip",
            Self::Aioca => "aioca",
            Self::Pyepics => "pyepics",
        }
    }
}

/// Figures by what they are of and what they say, such as `get` and `median_us`.
pub(crate) type Figures = BTreeMap<(String, String), f64>;

const MOST_SECONDS: u64 = 120;

/// The same C program with two libraries: Debian's is the one that bluefly uses.
pub(crate) struct Programs {
    with_debian: PathBuf,
    with_pip: PathBuf,
}

impl Programs {
    pub(crate) fn build(environment: &Environment) -> Self {
        let mut python = environment.python();
        let ask = "import epicscorelibs.path as p; print(p.include_path); print(p.lib_path)";
        let paths = python.args(["-c", ask]).output().unwrap();
        assert!(paths.status.success(), "no epicscorelibs in .venv: run ./setup");
        let paths = String::from_utf8(paths.stdout).unwrap();
        let (headers, library) = paths.trim().split_once('\n').unwrap();
        let compile = |name: &str, link: &[String]| {
            let program = environment.directory.path().join(name);
            let mut cc = environment.command("cc");
            cc.args(["-O2", "-std=gnu11", "-Wall", "-Wextra", "-pthread", "-I", headers, "-o"]);
            cc.arg(&program).arg(peers().join("libca.c")).args(link).arg("-lca");
            assert!(cc.status().unwrap().success(), "{cc:?}");
            program
        };
        let at_pip = [format!("-L{library}"), format!("-Wl,-rpath,{library}")];
        Self { with_debian: compile("debian", &[]), with_pip: compile("pip", &at_pip) }
    }

    /// What one process measures.
    pub(crate) fn run(&self, peer: Peer, phase: Phase, environment: &Environment) -> Figures {
        let mut command = match peer {
            Peer::Bluefly => {
                let mut command = environment.command(env::current_exe().unwrap());
                command.arg("client");
                command
            }
            Peer::DebianLibca => environment.command(&self.with_debian),
            Peer::PipLibca => environment.command(&self.with_pip),
            Peer::Aioca => python(environment, "aioca"),
            Peer::Pyepics => python(environment, "pyepics"),
        };
        command.arg(phase.name).arg(phase.number.to_string());
        command.args(phase.seconds.map(|seconds| seconds.to_string()));
        let figures = figures_of(&mut command);
        println!("{:<10} {:<9} {:>6}: {figures:.3?}", peer.name(), phase.name, phase.number);
        figures
    }
}

fn python(environment: &Environment, client: &str) -> Command {
    let mut command = environment.python();
    command.arg(peers().join("python_clients.py")).arg(client);
    command
}

fn figures_of(command: &mut Command) -> Figures {
    let mut process = Ended(command.stdout(Stdio::piped()).stdin(Stdio::null()).spawn().unwrap());
    let (clock, patience) = (Clock::real(), Duration::from_secs(MOST_SECONDS));
    // The few lines have room in the pipe until it ends.
    let status = loop {
        if let Some(status) = process.0.try_wait().unwrap() {
            break status;
        }
        assert!(clock.now().since_start() < patience, "takes too long: {command:?}");
        thread::sleep(Duration::from_millis(20));
    };
    assert!(status.success(), "{status}: {command:?}");
    let lines = io::read_to_string(process.0.stdout.take().unwrap()).unwrap();
    let mut figures = Figures::new();
    for line in lines.lines() {
        let Value::Object(mut line) = serde_json::from_str(line).unwrap() else {
            panic!("not a figure: {line}")
        };
        let figure = line.remove("figure").unwrap();
        for (name, value) in line {
            figures.insert((figure.as_str().unwrap().to_owned(), name), value.as_f64().unwrap());
        }
    }
    figures
}

/// A process that does not outlive its owner.
pub(crate) struct Ended(pub(crate) Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // It may have ended by itself; then this does nothing.
        if let Err(error) = self.0.kill().and_then(|()| self.0.wait()) {
            eprintln!("process {}: {error}", self.0.id());
        }
    }
}

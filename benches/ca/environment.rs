//! What all processes of a run are told: ports of this run on 127.0.0.1, and nothing of other IOCs.
use std::{
    env,
    net::{Ipv4Addr, TcpListener, UdpSocket},
    path::PathBuf,
    process::Command,
};
use tempfile::TempDir;

pub(crate) struct Environment {
    variables: Vec<(&'static str, String)>,
    pub(crate) directory: TempDir,
}

const MAX_ARRAY_BYTES: &str = "16777216";

impl Environment {
    pub(crate) fn new() -> Self {
        let (server, repeater) = (free_port(), free_port());
        let loopback = Ipv4Addr::LOCALHOST.to_string();
        let variables = vec![
            ("EPICS_CA_ADDR_LIST", loopback.clone()),
            ("EPICS_CA_AUTO_ADDR_LIST", "NO".to_owned()),
            ("EPICS_CA_SERVER_PORT", server.clone()),
            ("EPICS_CA_REPEATER_PORT", repeater),
            ("EPICS_CA_MAX_ARRAY_BYTES", MAX_ARRAY_BYTES.to_owned()),
            ("EPICS_CAS_INTF_ADDR_LIST", loopback.clone()),
            ("EPICS_CAS_BEACON_ADDR_LIST", loopback),
            ("EPICS_CAS_AUTO_BEACON_ADDR_LIST", "NO".to_owned()),
            ("EPICS_CAS_SERVER_PORT", server),
        ];
        Self { variables, directory: tempfile::tempdir().unwrap() }
    }

    /// A command that is told of this run's IOC only.
    pub(crate) fn command(&self, program: impl Into<PathBuf>) -> Command {
        let mut command = Command::new(program.into());
        for (name, _) in env::vars_os().filter(|(name, _)| is_of_epics(&name.to_string_lossy())) {
            command.env_remove(name);
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// A command of the Python that `./setup` made.
    pub(crate) fn python(&self) -> Command {
        self.command(root().join(".venv/bin/python"))
    }
}

pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Where the peers are.
pub(crate) fn peers() -> PathBuf {
    root().join("benches/peers/ca")
}

fn is_of_epics(name: &str) -> bool {
    name.starts_with("EPICS_") || name.starts_with("PYEPICS_")
}

/// A port that neither protocol uses now.
fn free_port() -> String {
    loop {
        let stream = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = stream.local_addr().unwrap().port();
        if UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port.to_string();
        }
    }
}

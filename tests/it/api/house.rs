//! [`House`]: a beamline in operation that is served on a port of its own.
use super::client::Client;
use crate::run::rig::beamline;
use bluefly::process::{DiskChoice, Options, Process};
use bluefly_actors::{
    clock::Clock,
    front::{
        Desk,
        http::{HttpConfig, HttpServer},
    },
    random::Seed,
    storage::MemoryDisk,
    supervise::{Exit, Tree},
    system::real_system,
};
use std::{
    net::{SocketAddr, TcpListener},
    sync::mpsc,
    thread::JoinHandle,
};
use tokio::sync::oneshot;

/// Ten frames of 10 ms, flown.
pub(crate) const LINE: &str = r#"{"type": "Fly", "spec": {"type": "ConstantDuration",
    "constant_duration": 0.01, "spec":
        {"type": "Linspace", "axis": "x", "start": 0, "stop": 1, "num": 10}}}"#;

/// A beamline in operation, on threads of its own, in real time.
pub(crate) struct House {
    pub(crate) address: SocketAddr,
    pub(crate) tree: Tree,
    pub(crate) desk: Desk,
    close: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Exit>>,
}

impl House {
    pub(crate) fn open() -> Self {
        Self::with(HttpConfig::default())
    }

    pub(crate) fn with(config: HttpConfig) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (close, closed) = oneshot::channel();
        let (opened, is_open) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            real_system().block_on(async move {
                let directory = tempfile::tempdir().unwrap();
                let out = directory.path().to_owned();
                let mut options = Options::new(Clock::real(), Seed(1), out);
                options.disk = DiskChoice::Memory(MemoryDisk::new());
                options.doors =
                    Some(Box::new(move |desk| HttpServer::branch(desk, listener, config)));
                let process = Process::start(&beamline(&[]), options).await.unwrap();
                opened.send((process.tree.clone(), process.desk.clone())).unwrap();
                closed.await.unwrap();
                process.shutdown().await
            })
        });
        let (tree, desk) = is_open.recv().unwrap();
        Self { address, tree, desk, close: Some(close), thread: Some(thread) }
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.address)
    }

    /// Shuts everything down in order.
    pub(crate) fn close(mut self) -> Exit {
        self.close.take().unwrap().send(()).unwrap();
        self.thread.take().unwrap().join().unwrap()
    }
}

/// A test that failed leaves no threads behind.
impl Drop for House {
    fn drop(&mut self) {
        if let (Some(close), Some(thread)) = (self.close.take(), self.thread.take()) {
            let is_told = close.send(()).is_ok();
            let ended = thread.join();
            assert!(std::thread::panicking() || (is_told && ended.is_ok()), "it did not end well");
        }
    }
}

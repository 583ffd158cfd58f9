//! Rows of a PandA on their way from a data port into a file: what is kept is sound, what is not is
//! told, and nothing hangs.
use bluefly_actors::{
    backend::panda::capture::{
        ArmEnd, CaptureError, CaptureHandle, Progress, Settings, Source, Target,
    },
    clock::Clock,
    storage::{FileSummary, MemoryDisk, MemoryFile, StorageClient, StorageConfig, StorageError},
};
use bluefly_protocol::panda::data::{DataRequest, Process};
use std::{
    collections::VecDeque,
    io::{self, ErrorKind, Read},
    path::{Path, PathBuf},
    sync::mpsc,
};

mod arms;
mod control;
mod cuts;
mod faults;
mod program;
mod stream;

const PATH: &str = "a.h5";

/// No guard of the free space.
fn config() -> StorageConfig {
    StorageConfig { min_free_bytes: 0, ..StorageConfig::default() }
}

/// The bytes of a data port as they were recorded.
fn recording(name: &str) -> Vec<u8> {
    let path = format!("{}/tests/recordings/panda/{name}.bin", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(path).unwrap()
}

fn settings(process: Process) -> Settings {
    let target = Target::New { path: PathBuf::from(PATH), run_uid: None };
    Settings::new(DataRequest::framed(process), target)
}

/// What a socket does, one after the other; the connection is closed behind it.
enum Piece {
    Bytes(Vec<u8>),
    /// Nothing comes for one tick.
    Silence,
    /// Nothing happens until the other end sends.
    Gate(mpsc::Receiver<()>),
    /// Nothing comes any more.
    SilenceForEver,
}

struct Script(VecDeque<Piece>);

impl Source for Script {}

impl Read for Script {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        assert!(!space.is_empty(), "there is always space");
        let Some(piece) = self.0.pop_front() else { return Ok(0) };
        match piece {
            Piece::Bytes(mut bytes) => {
                let taken = bytes.len().min(space.len());
                space[..taken].copy_from_slice(&bytes[..taken]);
                if taken < bytes.len() {
                    self.0.push_front(Piece::Bytes(bytes.split_off(taken)));
                }
                Ok(taken)
            }
            Piece::Silence => Err(ErrorKind::WouldBlock.into()),
            Piece::Gate(gate) => {
                gate.recv().unwrap();
                Err(ErrorKind::Interrupted.into())
            }
            Piece::SilenceForEver => {
                self.0.push_front(Piece::SilenceForEver);
                Err(ErrorKind::TimedOut.into())
            }
        }
    }
}

fn real<F: Future>(test: impl FnOnce() -> F) -> F::Output {
    actix_rt::System::new().block_on(async { test().await })
}

fn start(pieces: Vec<Piece>, settings: Settings, storage: &StorageClient) -> CaptureHandle {
    CaptureHandle::on_thread(Script(pieces.into()), settings, storage.clone()).unwrap()
}

/// What a capture came to.
struct Captured {
    ends: Vec<ArmEnd>,
    result: Result<(), String>,
    progress: Progress,
    closed: Option<Result<FileSummary, StorageError>>,
    file: Option<MemoryFile>,
}

async fn finish(mut capture: CaptureHandle, disk: &MemoryDisk) -> Captured {
    let result = capture.finished().await.map_err(|error: CaptureError| error.to_string());
    let mut ends = vec![];
    while let Some(end) = capture.ended().await {
        ends.push(end);
    }
    let progress = capture.progress().borrow().clone();
    let closed = match &progress.stream {
        Some(stream) => Some(stream.close().await),
        None => None,
    };
    Captured { ends, result, progress, closed, file: disk.file(Path::new(PATH)) }
}

/// Captures what `pieces` bring, into memory.
fn captured(pieces: Vec<Piece>, settings: Settings) -> Captured {
    real(async || {
        let disk = MemoryDisk::new();
        let storage = disk.client(config(), Clock::real());
        let capture = start(pieces, settings, &storage);
        finish(capture, &disk).await
    })
}

/// The columns of a file by name, as doubles.
fn columns(file: &MemoryFile) -> Vec<(String, Vec<f64>)> {
    use bluefly_actors::storage::ColumnData::{F64, U32};
    let values = file.columns.iter().map(|column| match column {
        F64(values) => values.clone(),
        U32(values) => values.iter().copied().map(f64::from).collect(),
        other => panic!("{other:?} is no column of a PandA"),
    });
    let names = file.plan.columns.iter().map(|column| column.dataset.clone());
    names.zip(values).collect()
}

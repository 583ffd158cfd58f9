//! A writer that is killed at a random moment leaves every row readable that it called committed.
use super::{
    config,
    files::{as_on_disk, committed, read},
    plan, rows,
};
use bluefly_actors::{
    clock::Clock,
    random::Seed,
    storage::{Storage, StorageClient, StorageConfig, StorageError},
};
use std::{
    env,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};
use tempfile::TempDir;

/// Where the writer process puts its file.
const PATH: &str = "BLUEFLY_TEST_STREAM";

/// The writer process: writes as fast as it can until it is killed or its disk is full, and tells
/// on stdout how many rows are committed.
#[test]
#[ignore = "a process of its own, started by other tests"]
fn writer() {
    let path = PathBuf::from(env::var_os(PATH).unwrap());
    actix_rt::System::new().block_on(async {
        let clock = Clock::real();
        let config = StorageConfig { flush_period: Duration::from_millis(5), ..config() };
        let client = StorageClient::hdf5(config, clock.clone()).unwrap();
        let _actor = actix::Actor::start(Storage::new(client.clone()));
        let stream = client.create(plan(path)).await.unwrap();
        let mut watch = stream.watch();
        let watcher = actix_rt::spawn(async move {
            while watch.changed().await.is_ok() {
                let state = watch.borrow_and_update().clone();
                writeln!(std::io::stdout(), "committed {}", state.committed).unwrap();
                if let Some(error) = state.error {
                    return error;
                }
            }
            unreachable!("the stream is never closed")
        });
        let mut next = 0;
        while !watcher.is_finished() {
            match stream.append(rows(next, 50, 0)) {
                Ok(()) => next += 50,
                Err(StorageError::Backpressure { .. }) => {}
                Err(error) => writeln!(std::io::stdout(), "refused: {error}").unwrap(),
            }
            clock.sleep(Duration::from_micros(100)).await;
        }
        writeln!(std::io::stdout(), "stopped: {}", watcher.await.unwrap()).unwrap();
    });
}

/// Kills the writer after `num_flushes`; the number of rows that it had called committed by then.
fn kill_writer(path: &Path, num_flushes: u64) -> u64 {
    let mut writer = Command::new(env::current_exe().unwrap())
        .args(["--exact", "--ignored", "--nocapture", "storage::kill::writer"])
        .env(PATH, path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(writer.stdout.take().unwrap()).lines();
    let told = lines
        .filter_map(|line| line.unwrap().strip_prefix("committed ")?.parse().ok())
        .nth(num_flushes as usize)
        .unwrap();
    writer.kill().unwrap();
    writer.wait().unwrap();
    told
}

#[test]
fn a_killed_writer_leaves_every_committed_row_readable() {
    for seed in 0..8 {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("a.h5");
        let num_flushes = Seed(seed).stream("kill", 0).below(20);
        let told = kill_writer(&path, num_flushes);
        assert!(hdf5::File::open(&path).is_err(), "still marked as being written");
        let file = as_on_disk(&path);
        let committed = committed(&file);
        assert!(committed >= told, "seed {seed}: {committed} of {told} rows");
        let expected = rows(0, committed, 0).columns;
        for (read, expected) in read(&file).iter().zip(&expected) {
            assert!(starts_with(read, expected), "seed {seed}, {committed} rows");
        }
    }
}

fn starts_with(
    read: &bluefly_actors::storage::ColumnData,
    expected: &bluefly_actors::storage::ColumnData,
) -> bool {
    use bluefly_actors::storage::ColumnData::{F64, U16, U64};
    match (read, expected) {
        (F64(read), F64(expected)) => read.starts_with(expected),
        (U64(read), U64(expected)) => read.starts_with(expected),
        (U16(read), U16(expected)) => read.starts_with(expected),
        _ => false,
    }
}

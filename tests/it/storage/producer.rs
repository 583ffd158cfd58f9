//! A producer on a thread of its own waits for room, gets its buffers back, and the journal beside
//! its rows says what became of them.
use super::{
    check_state, config,
    files::as_on_disk,
    plan,
    queue::{Slowed, gated},
    rows, simulated,
};
use bluefly_actors::{
    clock::Clock,
    storage::{
        Bound, Cell, DiskCall, DiskFault, DiskFaults, Entry, FaultAfter, FaultEffect, FaultyDisk,
        Hdf5Disk, JournalPlan, Kind, MemoryDisk, Producer, StorageClient, StorageConfig,
        StorageError, StreamPlan,
    },
};
use hdf5::types::FixedUnicode;
use std::{path::Path, time::Duration};
use tempfile::TempDir;

const LONG: Duration = Duration::from_mins(1);

fn real<F: Future>(test: impl FnOnce() -> F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async { test().await })
}

/// With room for `config`, a third batch waits until one is written, and then its buffer is back.
#[track_caller]
fn check_waits(config: StorageConfig, bound: Bound) {
    real(async || {
        let (disk, has_entered, let_through) = gated();
        let client = StorageClient::on_thread(config, Clock::real(), Box::new(disk)).unwrap();
        let stream = client.create(plan("a.h5")).await.unwrap();
        let producer = Producer::new(stream.clone());
        producer.append(rows(0, 1, 0), LONG).unwrap();
        has_entered.recv().unwrap();
        producer.append(rows(1, 2, 0), LONG).unwrap();
        let refused = producer.append(rows(3, 1, 0), Duration::ZERO).unwrap_err();
        let path = "a.h5".into();
        assert_eq!(refused.error, StorageError::Backpressure { path, bound });
        assert_eq!(refused.rows, rows(3, 1, 0));
        assert_eq!(stream.lag().rows, 3);
        assert_eq!(producer.spare(), None);
        let waiting = std::thread::spawn(move || {
            producer.append(rows(3, 1, 0), LONG).unwrap();
            producer
        });
        let_through.send(()).unwrap();
        let producer = waiting.join().unwrap();
        assert_eq!(producer.spare(), Some(rows(0, 1, 0)));
        for _ in 0..2 {
            let_through.send(()).unwrap();
        }
        assert_eq!(stream.close().await.unwrap().committed, 4);
        assert_eq!(stream.lag().rows, 0);
        let error = producer.append(rows(4, 1, 0), LONG).unwrap_err().error;
        assert_eq!(error, StorageError::Closed { path: "a.h5".into() });
        client.shutdown().await;
    });
}

#[test]
fn a_producer_waits_for_room() {
    let bytes = 3 * rows(0, 1, 0).bytes();
    check_waits(StorageConfig { queue_bytes: bytes, ..config() }, Bound::Bytes(bytes));
    check_waits(StorageConfig { queue_commands: 1, ..config() }, Bound::Commands(1));
}

#[test]
fn a_producer_in_a_simulation_leaves_no_mark() {
    simulated(async |clock: Clock| {
        let config = StorageConfig { queue_bytes: 1, ..config() };
        let disk = Box::new(Slowed::new(std::thread::yield_now));
        let client = StorageClient::on_thread(config, clock.clone(), disk).unwrap();
        let producer = Producer::new(client.create(plan("a.h5")).await.unwrap());
        let before = clock.now();
        for index in 0..100 {
            producer.append(rows(index, 1, 0), Duration::ZERO).unwrap();
        }
        assert_eq!(clock.now(), before);
        client.flush().await.unwrap();
        check_state(producer.stream(), 100, 100);
        client.shutdown().await;
    });
}

fn with_journal(path: &Path) -> StreamPlan {
    let fields = [("rows", Kind::Integer), ("reason", Kind::Text { max_bytes: 8 })];
    let fields = fields.map(|(name, kind)| (name.to_owned(), kind)).to_vec();
    let journal = Some(JournalPlan { group: "/entry/arms".to_owned(), fields });
    StreamPlan { journal, ..plan(path) }
}

fn entry(rows: i64, reason: &str) -> Entry {
    vec![Cell::Integer(rows), Cell::Text(reason.to_owned())]
}

#[test]
fn entries_of_a_journal_are_on_disk_after_a_flush() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("a.h5");
    simulated(async |clock| {
        let memory = MemoryDisk::new();
        let clients =
            [StorageClient::hdf5(config(), clock.clone()).unwrap(), memory.client(config(), clock)];
        for client in &clients {
            let stream = client.create(with_journal(&path)).await.unwrap();
            stream.append(rows(0, 2, 0)).unwrap();
            stream.record(entry(2, "größer")).unwrap();
            stream.record(entry(-1, "")).unwrap();
            let long = stream.record(entry(0, "too long a text")).unwrap_err();
            assert!(matches!(long, StorageError::Mismatch { .. }), "{long}");
            client.flush().await.unwrap();
        }
        let file = as_on_disk(&path);
        let rows: Vec<i64> = file.dataset("/entry/arms/rows").unwrap().read_raw().unwrap();
        let reasons = file.dataset("/entry/arms/reason").unwrap();
        let reasons: Vec<FixedUnicode<8>> = reasons.read_raw().unwrap();
        assert_eq!(rows, [2, -1]);
        assert_eq!(reasons.iter().map(FixedUnicode::as_str).collect::<Vec<_>>(), ["größer", ""]);
        let journal = memory.file(&path).unwrap().journal;
        assert_eq!(journal, [entry(2, "größer"), entry(-1, "")]);
        let plain = clients[1].create(plan("b.h5")).await.unwrap();
        let path = "b.h5".into();
        let reason = "there is no journal".to_owned();
        assert_eq!(plain.record(entry(0, "")), Err(StorageError::Mismatch { path, reason }));
        clients[0].shutdown().await;
    });
}

#[test]
fn a_journal_that_cannot_be_written_fails_the_stream() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("a.h5");
    simulated(async |clock| {
        let faults = DiskFaults::default();
        let disk = Box::new(FaultyDisk::new(Hdf5Disk, faults.clone()));
        let client = StorageClient::on_thread(config(), clock, disk).unwrap();
        let stream = client.create(with_journal(&path)).await.unwrap();
        stream.append(rows(0, 2, 0)).unwrap();
        client.flush().await.unwrap();
        let (call, after, effect) = (DiskCall::Record, FaultAfter::Calls(0), FaultEffect::Error);
        faults.add(DiskFault { path: None, call, after, effect });
        stream.record(entry(2, "")).unwrap();
        client.flush().await.unwrap();
        let state = stream.watch().borrow().clone();
        let error = state.error.unwrap().to_string();
        let expected = format!("cannot write the journal of {}: injected fault", path.display());
        assert_eq!((state.committed, error), (2, expected));
        client.shutdown().await;
    });
}

//! The queue to the writer is bounded, and the speed of the writer leaves no mark on a simulation.
use super::{check_state, config, plan, rows, simulated};
use bluefly_actors::{
    clock::Clock,
    storage::{
        Bound, Disk, DiskError, Entry, MasterEnd, MasterPlan, MemoryDisk, Rows, Storage,
        StorageClient, StorageConfig, StorageError, StreamFile, StreamPlan,
    },
};
use crossbeam_channel::{Receiver, Sender};
use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// Memory with something to do before every write, and a free space of its own.
pub(crate) struct Slowed {
    disk: MemoryDisk,
    before_write: Arc<dyn Fn() + Send + Sync>,
    free_bytes: Arc<AtomicU64>,
}

struct SlowedFile {
    file: Box<dyn StreamFile>,
    before_write: Arc<dyn Fn() + Send + Sync>,
}

impl Slowed {
    pub(super) fn new(before_write: impl Fn() + Send + Sync + 'static) -> Self {
        let free_bytes = Arc::new(AtomicU64::new(u64::MAX));
        Self { disk: MemoryDisk::new(), before_write: Arc::new(before_write), free_bytes }
    }
}

impl Disk for Slowed {
    fn make_directory(&mut self, directory: &Path, new_parts: u32) -> Result<(), DiskError> {
        self.disk.make_directory(directory, new_parts)
    }

    fn create(&mut self, plan: &StreamPlan) -> Result<Box<dyn StreamFile>, DiskError> {
        let file = self.disk.create(plan)?;
        Ok(Box::new(SlowedFile { file, before_write: self.before_write.clone() }))
    }

    fn free_bytes(&mut self, _path: &Path) -> Result<u64, DiskError> {
        Ok(self.free_bytes.load(Ordering::Relaxed))
    }

    fn create_master(&mut self, plan: MasterPlan) -> Result<(), DiskError> {
        self.disk.create_master(plan)
    }

    fn finish_master(&mut self, path: &Path, end: &MasterEnd) -> Result<(), DiskError> {
        self.disk.finish_master(path, end)
    }
}

impl StreamFile for SlowedFile {
    fn write(&mut self, rows: &Rows) -> Result<(), DiskError> {
        (self.before_write)();
        self.file.write(rows)
    }

    fn record(&mut self, entry: &Entry) -> Result<(), DiskError> {
        self.file.record(entry)
    }

    fn flush(&mut self) -> Result<(), DiskError> {
        self.file.flush()
    }

    fn commit(&mut self, rows: u64) -> Result<(), DiskError> {
        self.file.commit(rows)
    }

    fn close(self: Box<Self>) -> Result<u64, DiskError> {
        self.file.close()
    }
}

/// A disk whose writes wait to be let through, one by one.
pub(crate) fn gated() -> (Slowed, Receiver<()>, Sender<()>) {
    let (entered, has_entered) = crossbeam_channel::unbounded();
    let (let_through, gate) = crossbeam_channel::unbounded();
    let disk = Slowed::new(move || {
        entered.send(()).unwrap();
        gate.recv().unwrap();
    });
    (disk, has_entered, let_through)
}

/// While the writer is busy with one batch, two more fit; the next is refused for `expected`.
#[track_caller]
fn check_full(config: &StorageConfig, expected: Bound) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let (disk, has_entered, let_through) = gated();
        let client =
            StorageClient::on_thread(config.clone(), Clock::real(), Box::new(disk)).unwrap();
        let stream = client.create(plan("a.h5")).await.unwrap();
        stream.append(rows(0, 1, 0)).unwrap();
        has_entered.recv().unwrap();
        stream.append(rows(1, 1, 0)).unwrap();
        stream.append(rows(2, 1, 0)).unwrap();
        let path = PathBuf::from("a.h5");
        let full = StorageError::Backpressure { path, bound: expected };
        assert_eq!(stream.append(rows(3, 1, 0)), Err(full));
        let report = client.report();
        assert_eq!((report.queued_commands, report.queued_bytes), (2, 3 * rows(0, 1, 0).bytes()));
        for _ in 0..3 {
            let_through.send(()).unwrap();
        }
        assert_eq!(stream.close().await.unwrap().committed, 3, "all that was taken");
        assert_eq!(client.report().queued_bytes, 0);
        client.shutdown().await;
        assert_eq!(client.create(plan("b.h5")).await.err(), Some(StorageError::Down));
    });
}

#[test]
fn a_full_queue_is_told_by_its_commands() {
    let config = StorageConfig { queue_commands: 2, ..config() };
    check_full(&config, Bound::Commands(2));
}

#[test]
fn a_full_queue_is_told_by_its_bytes() {
    let bytes = 3 * rows(0, 1, 0).bytes();
    let config = StorageConfig { queue_bytes: bytes, ..config() };
    check_full(&config, Bound::Bytes(bytes));
}

#[test]
fn a_full_queue_in_a_simulation_waits() {
    let small = [
        StorageConfig { queue_commands: 1, ..config() },
        StorageConfig { queue_bytes: 1, ..config() },
    ];
    for config in small {
        simulated(async |clock: Clock| {
            let disk = Box::new(Slowed::new(std::thread::yield_now));
            let client = StorageClient::on_thread(config, clock.clone(), disk).unwrap();
            let stream = client.create(plan("a.h5")).await.unwrap();
            let before = clock.now();
            for index in 0..500 {
                stream.append(rows(index, 1, 0)).unwrap();
            }
            assert_eq!(clock.now(), before);
            client.flush().await.unwrap();
            check_state(&stream, 500, 500);
            client.shutdown().await;
        });
    }
}

#[test]
fn a_filling_disk_stops_the_stream_and_the_file_is_sound() {
    simulated(async |clock| {
        let disk = Slowed::new(|| ());
        let (free_bytes, memory) = (disk.free_bytes.clone(), disk.disk.clone());
        let config = StorageConfig { min_free_bytes: 1_000, ..config() };
        let client = StorageClient::inline(config, clock, Box::new(disk));
        let stream = client.create(plan("a.h5")).await.unwrap();
        stream.append(rows(0, 2, 0)).unwrap();
        client.flush().await.unwrap();
        check_state(&stream, 2, 2);
        free_bytes.store(999, Ordering::Relaxed);
        stream.append(rows(2, 2, 0)).unwrap();
        client.flush().await.unwrap();
        let path = PathBuf::from("a.h5");
        let full = StorageError::DiskFull { path, free_bytes: 999, limit_bytes: 1_000 };
        let state = stream.watch().borrow().clone();
        assert_eq!((state.committed, state.error), (4, Some(full.clone())));
        assert_eq!(stream.append(rows(4, 1, 0)), Err(full.clone()));
        assert_eq!(stream.close().await, Err(full));
        let file = memory.file(Path::new("a.h5")).unwrap();
        assert!(file.is_closed);
        assert_eq!((file.committed, file.columns), (4, rows(0, 4, 0).columns));
    });
}

/// Times in simulated microseconds at which the state of a stream changed, with a writer that
/// spends `spins` on every write.
fn trace(spins: u64) -> Vec<(u128, u64, u64)> {
    simulated(async |clock: Clock| {
        let disk = Slowed::new(move || {
            for spin in 0..spins {
                std::hint::black_box(spin);
            }
        });
        let client = StorageClient::on_thread(config(), clock.clone(), Box::new(disk)).unwrap();
        let _actor = actix::Actor::start(Storage::new(client.clone()));
        let stream = client.create(plan("a.h5")).await.unwrap();
        let mut watch = stream.watch();
        let times = clock.clone();
        let watcher = actix_rt::spawn(async move {
            let mut trace = Vec::new();
            while watch.changed().await.is_ok() {
                let state = watch.borrow_and_update().clone();
                trace.push((times.now().since_start().as_micros(), state.written, state.committed));
                if state.committed == 300 {
                    break;
                }
            }
            trace
        });
        for index in 0..300 {
            clock.sleep(Duration::from_micros(1_700)).await;
            stream.append(rows(index, 1, 0)).unwrap();
            if index == 150 {
                stream.rewind(100).unwrap();
                stream.append(rows(100, 51, 1)).unwrap();
            }
        }
        stream.close().await.unwrap();
        let trace = watcher.await.unwrap();
        client.shutdown().await;
        trace
    })
}

#[test]
fn the_speed_of_the_writer_leaves_no_mark() {
    let expected = trace(0);
    assert_eq!(expected.len(), 7, "five flushes, a rewind and the close: {expected:?}");
    for spins in [1, 1_000, 100_000, 7] {
        assert_eq!(trace(spins), expected);
    }
}

#[test]
fn a_flush_under_way_says_nothing_after_a_rewind() {
    simulated(async |clock: Clock| {
        let disk = Box::new(MemoryDisk::new());
        let client = StorageClient::on_thread(config(), clock, disk).unwrap();
        let stream = client.create(plan("a.h5")).await.unwrap();
        stream.append(rows(0, 5, 0)).unwrap();
        let mut flush = std::pin::pin!(client.flush());
        assert!(futures_util::poll!(flush.as_mut()).is_pending());
        stream.rewind(2).unwrap();
        flush.await.unwrap();
        check_state(&stream, 0, 0);
        client.flush().await.unwrap();
        check_state(&stream, 2, 2);
        client.shutdown().await;
    });
}

#[test]
fn a_flush_whose_caller_dies_is_done_again() {
    simulated(async |clock: Clock| {
        let disk = Box::new(MemoryDisk::new());
        let client = StorageClient::on_thread(config(), clock, disk).unwrap();
        let stream = client.create(plan("a.h5")).await.unwrap();
        stream.append(rows(0, 5, 0)).unwrap();
        {
            let mut flush = std::pin::pin!(client.flush());
            assert!(futures_util::poll!(flush.as_mut()).is_pending());
        }
        check_state(&stream, 0, 0);
        client.flush_if_dirty().await.unwrap();
        check_state(&stream, 5, 5);
        client.shutdown().await;
    });
}

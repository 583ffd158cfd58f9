//! Memory and HDF5 behave alike on random sequences of appends, rewinds and flushes.
use super::{
    chunked, config,
    files::{as_on_disk, committed, read},
    rows, simulated,
};
use bluefly_actors::{
    clock::Clock,
    random::Seed,
    storage::{MemoryDisk, StorageClient, StreamHandle},
};
use std::path::Path;
use tempfile::TempDir;

struct Pair<'a> {
    path: &'a Path,
    disk: MemoryDisk,
    clients: [StorageClient; 2],
    streams: [StreamHandle; 2],
}

impl Pair<'_> {
    /// Flushes both: states, counters and contents are equal.
    async fn check(&self, context: &str) {
        for client in &self.clients {
            client.flush().await.unwrap();
        }
        let [hdf5, memory] = &self.streams;
        assert_eq!(*hdf5.watch().borrow(), *memory.watch().borrow(), "{context}");
        let (file, expected) = (as_on_disk(self.path), self.disk.file(self.path).unwrap());
        assert_eq!(committed(&file), expected.committed, "{context}");
        assert_eq!(read(&file), expected.columns, "{context}");
    }
}

/// With chunks of `rows_per_chunk`, of which batches fill up to three.
async fn run(seed: u64, rows_per_chunk: u64, clock: Clock) {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("a.h5");
    let disk = MemoryDisk::new();
    let hdf5 = StorageClient::hdf5(config(), clock.clone()).unwrap();
    let clients = [hdf5, disk.client(config(), clock)];
    let streams = [
        clients[0].create(chunked(&path, rows_per_chunk)).await.unwrap(),
        clients[1].create(chunked(&path, rows_per_chunk)).await.unwrap(),
    ];
    let pair = Pair { path: &path, disk, clients, streams };
    let mut random = Seed(seed).stream("differential", 0);
    let mut next = 0;
    for step in 0..150 {
        match random.below(10) {
            // In order, out of order or over what is there; sometimes nothing at all.
            0..6 => {
                let first = if random.chance(0.7) { next } else { random.below(next + 6) };
                let num = random.below(3 * rows_per_chunk + 1);
                for stream in &pair.streams {
                    stream.append(rows(first, num, step)).unwrap();
                }
                next = first + num;
            }
            6 => {
                let to = random.below(next + 3);
                for stream in &pair.streams {
                    stream.rewind(to).unwrap();
                }
                next = to;
            }
            _ => pair.check(&format!("seed {seed}, step {step}")).await,
        }
    }
    let mut summaries = Vec::new();
    for stream in &pair.streams {
        let summary = stream.close().await.unwrap();
        summaries.push((summary.committed, summary.extent));
    }
    assert_eq!(summaries[0], summaries[1], "seed {seed}");
    let file = hdf5::File::open(&path).unwrap();
    let expected = pair.disk.file(&path).unwrap();
    assert_eq!(read(&file), expected.columns, "seed {seed}");
    assert_eq!(committed(&file), expected.committed, "seed {seed}");
    pair.clients[0].shutdown().await;
}

#[test]
fn memory_and_hdf5_behave_alike() {
    for seed in 0..20 {
        for rows_per_chunk in [1, 4] {
            simulated(async |clock| run(seed, rows_per_chunk, clock).await);
        }
    }
}

//! Rows and frames to disk: from the producer through the queue to a closed file, with flushes.
#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]
use bluefly_actors::{
    clock::Clock,
    storage::{
        ColumnData, ColumnPlan, Element, Rows, StorageClient, StorageConfig, StorageError,
        StreamHandle, StreamPlan,
    },
};
use divan::{
    Bencher,
    counter::{BytesCount, ItemsCount},
};
use tempfile::TempDir;

const NUM_ROWS: u64 = 1_000_000;
const NUM_COLUMNS: usize = 10;
/// A flush every 100 ms at 1 MHz.
const ROWS_PER_FLUSH: u64 = 100_000;
const NUM_FRAMES: u64 = 1_000;
const FRAMES_PER_FLUSH: u64 = 100;

fn main() {
    divan::main();
}

/// Hands over rows; waits for the writer if it is behind.
async fn append(client: &StorageClient, stream: &StreamHandle, rows: &Rows) {
    loop {
        match stream.append(rows.clone()) {
            Ok(()) => return,
            Err(StorageError::Backpressure { .. }) => client.flush().await.unwrap(),
            Err(error) => panic!("{error}"),
        }
    }
}

/// Writes `batches` of `rows` one after the other, with a flush after every `batches_per_flush`.
fn run(columns: Vec<ColumnPlan>, mut rows: Rows, batches: u64, batches_per_flush: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let directory = TempDir::new().unwrap();
        let config = StorageConfig::default();
        let client = StorageClient::hdf5(config, Clock::real()).unwrap();
        let path = directory.path().join("a.h5");
        let plan = StreamPlan { path, run_uid: Some("run".to_owned()), columns, journal: None };
        let rows_per_batch = rows.columns[0].len() as u64 / plan.columns[0].row_len();
        let stream = client.create(plan).await.unwrap();
        for batch in 0..batches {
            rows.first_index = batch * rows_per_batch;
            append(&client, &stream, &rows).await;
            if (batch + 1).is_multiple_of(batches_per_flush) {
                client.flush().await.unwrap();
            }
        }
        assert_eq!(stream.close().await.unwrap().committed, batches * rows_per_batch);
        client.shutdown().await;
    });
}

#[divan::bench(args = [1_000, 10_000], sample_count = 9, sample_size = 1)]
fn ten_columns(bencher: Bencher, rows_per_batch: u64) {
    let column = |i| ColumnPlan {
        rows_per_chunk: 16_384,
        ..ColumnPlan::number(format!("/entry/data/c{i}"))
    };
    let values: Vec<f64> = (0..rows_per_batch).map(|row| row as f64).collect();
    let data = vec![ColumnData::F64(values); NUM_COLUMNS];
    let rows = Rows { first_index: 0, columns: data };
    let batches = NUM_ROWS / rows_per_batch;
    bencher.counter(ItemsCount::new(NUM_ROWS)).bench(|| {
        let columns = (0..NUM_COLUMNS).map(column).collect();
        run(columns, rows.clone(), batches, ROWS_PER_FLUSH / rows_per_batch);
    });
}

#[divan::bench(args = [512, 2_048], sample_count = 9, sample_size = 1)]
fn frames(bencher: Bencher, size: u64) {
    let num_frames = NUM_FRAMES * 512 * 512 / (size * size);
    let pixels: Vec<u16> = (0..size * size).map(|pixel| pixel as u16).collect();
    let rows = Rows { first_index: 0, columns: vec![ColumnData::U16(pixels)] };
    let bytes = BytesCount::new(rows.bytes() * num_frames);
    bencher.counter(ItemsCount::new(num_frames)).counter(bytes).bench(|| {
        let column = ColumnPlan::image("/entry/data/data", Element::U16, [size, size]);
        run(vec![column], rows.clone(), num_frames, FRAMES_PER_FLUSH);
    });
}

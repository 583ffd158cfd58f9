//! The storage: what was appended is on disk, and what was not is never said to be.
use bluefly_actors::{
    clock::Clock,
    storage::{
        ColumnData, ColumnPlan, Element, Rows, StorageConfig, StreamHandle, StreamPlan, StreamState,
    },
};
use std::path::Path;

mod actor;
mod differential;
mod faults;
mod files;
mod kill;
mod memory;
mod producer;
mod queue;

pub(crate) use queue::gated;

/// No guard of the free space, which is the machine's.
fn config() -> StorageConfig {
    StorageConfig { min_free_bytes: 0, ..StorageConfig::default() }
}

/// Runs `test` on the paused clock.
fn simulated<F: Future>(test: impl FnOnce(Clock) -> F) -> F::Output {
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_time().start_paused(true).build().unwrap()
    };
    actix_rt::System::with_tokio_rt(runtime).block_on(async { test(Clock::simulated()).await })
}

/// Two numbers and an image of 2 x 3 pixels per frame.
fn plan(path: impl AsRef<Path>) -> StreamPlan {
    StreamPlan {
        path: path.as_ref().to_owned(),
        run_uid: Some("run".to_owned()),
        columns: vec![
            ColumnPlan::number("/entry/data/x").with_units("mm"),
            ColumnPlan { element: Element::U64, ..ColumnPlan::number("/entry/data/count") },
            ColumnPlan::image("/entry/detector/data", Element::U16, [2, 3]),
        ],
        journal: None,
    }
}

/// The same with `rows_per_chunk` of the numbers.
fn chunked(path: impl AsRef<Path>, rows_per_chunk: u64) -> StreamPlan {
    let mut plan = plan(path);
    plan.columns[..2].iter_mut().for_each(|column| column.rows_per_chunk = rows_per_chunk);
    plan
}

/// Rows `first..first + num` whose values tell frame and `version`.
fn rows(first: u64, num: u64, version: u64) -> Rows {
    let frames = first..first + num;
    let value = |frame: u64| frame * 10 + version;
    Rows {
        first_index: first,
        columns: vec![
            ColumnData::F64(frames.clone().map(|frame| value(frame) as f64).collect()),
            ColumnData::U64(frames.clone().map(value).collect()),
            ColumnData::U16(frames.flat_map(|frame| [value(frame) as u16; 6]).collect()),
        ],
    }
}

#[track_caller]
fn check_state(stream: &StreamHandle, written: u64, committed: u64) {
    let expected = StreamState { written, committed, error: None };
    assert_eq!(*stream.watch().borrow(), expected);
}

//! Every call to the disk fails in turn: what was committed stays, the stream says why it stopped,
//! and the next stream works.
use super::{
    check_state, config,
    files::{as_on_disk, committed, read},
    plan, rows, simulated,
};
use bluefly_actors::{
    clock::Clock,
    storage::{
        Cause, DiskCall, DiskError, DiskFault, DiskFaults, FaultAfter, FaultEffect, FaultyDisk,
        Hdf5Disk, MemoryDisk, StorageClient, StorageConfig, StorageError, StreamHandle,
    },
};
use rustix::fs::{FlockOperation, flock};
use std::{fs, path::Path};
use tempfile::TempDir;

fn fault(call: DiskCall, after: FaultAfter) -> DiskFault {
    DiskFault { path: None, call, after, effect: FaultEffect::Error }
}

fn injected(path: &Path, call: DiskCall) -> StorageError {
    let (path, cause) = (path.to_owned(), Cause::Other("injected fault".to_owned()));
    StorageError::Disk(DiskError { path, call, cause })
}

/// Writes 2 rows and flushes, 3 times; then closes. The first error ends it.
async fn write(client: &StorageClient, stream: &StreamHandle) -> Result<(), StorageError> {
    for part in 0..3 {
        stream.append(rows(part * 2, 2, 0))?;
        client.flush().await?;
    }
    stream.close().await.map(|_| ())
}

/// The call fails after `num_calls`; then `expected` rows are committed, or no stream is there.
#[track_caller]
fn check(call: DiskCall, num_calls: u64, expected: Option<u64>) {
    let directory = TempDir::new().unwrap();
    let (path, other) = (directory.path().join("a.h5"), directory.path().join("b.h5"));
    simulated(async |clock: Clock| {
        let faults = DiskFaults::default();
        let disk = Box::new(FaultyDisk::new(Hdf5Disk, faults.clone()));
        let client = StorageClient::on_thread(config(), clock, disk).unwrap();
        faults.add(fault(call, FaultAfter::Calls(num_calls)));
        let error = match client.create(plan(&path)).await {
            Err(error) => {
                assert_eq!(expected, None);
                error
            }
            Ok(stream) => {
                let error = write(&client, &stream).await.unwrap_err();
                let state = stream.watch().borrow().clone();
                assert_eq!(Some(state.committed), expected);
                assert_eq!(state.error.as_ref(), Some(&error));
                let file = as_on_disk(&path);
                assert_eq!(committed(&file), state.committed);
                let extent = file.dataset("/entry/data/x").unwrap().shape()[0] as u64;
                assert_eq!(read(&file), rows(0, extent, 0).columns, "no row is half there");
                assert_eq!(stream.append(rows(6, 1, 0)), Err(error.clone()));
                assert_eq!(stream.close().await, Err(error.clone()));
                error
            }
        };
        assert_eq!(error, injected(&path, call));
        assert_eq!(client.streams().len(), 0);
        faults.clear();
        let stream = client.create(plan(&other)).await.unwrap();
        write(&client, &stream).await.unwrap();
        client.shutdown().await;
    });
    if expected.is_some() {
        // Closed only if no call on the file itself had failed.
        let copy = directory.path().join("copy.h5");
        fs::copy(&path, &copy).unwrap();
        assert_eq!(hdf5::File::open(&copy).is_ok(), call == DiskCall::FreeBytes);
        let lock = fs::File::create(directory.path().join("a.h5.lock")).unwrap();
        assert_eq!(flock(lock, FlockOperation::NonBlockingLockExclusive), Ok(()), "let go of");
    }
}

#[test]
fn a_failed_create_leaves_no_stream() {
    check(DiskCall::Create, 0, None);
}

#[test]
fn a_failed_write_keeps_what_was_committed() {
    check(DiskCall::Write, 0, Some(0));
    check(DiskCall::Write, 1, Some(2));
    check(DiskCall::Write, 2, Some(4));
}

#[test]
fn a_failed_flush_keeps_what_was_committed() {
    check(DiskCall::Flush, 0, Some(0));
    check(DiskCall::Flush, 1, Some(2));
    check(DiskCall::Flush, 2, Some(4));
}

#[test]
fn a_failed_commit_keeps_what_was_committed() {
    check(DiskCall::Commit, 0, Some(0));
    check(DiskCall::Commit, 1, Some(2));
    check(DiskCall::Commit, 2, Some(4));
}

#[test]
fn a_failed_close_keeps_what_was_committed() {
    check(DiskCall::Close, 0, Some(6));
}

#[test]
fn an_unknown_free_space_stops_the_stream_after_the_flush() {
    check(DiskCall::FreeBytes, 0, None);
    check(DiskCall::FreeBytes, 1, Some(2));
    check(DiskCall::FreeBytes, 3, Some(6));
}

#[test]
fn a_fault_after_some_bytes_spares_other_streams() {
    simulated(async |clock| {
        let faults = DiskFaults::default();
        let disk = Box::new(FaultyDisk::new(MemoryDisk::new(), faults.clone()));
        let client = StorageClient::inline(config(), clock, disk);
        let first = client.create(plan("a.h5")).await.unwrap();
        let second = client.create(plan("b.h5")).await.unwrap();
        let after = FaultAfter::Bytes(rows(0, 3, 0).bytes());
        let path = Some("b.h5".into());
        faults.add(DiskFault { path, ..fault(DiskCall::Write, after) });
        for index in 0..5 {
            first.append(rows(index, 1, 0)).unwrap();
            second.append(rows(index, 1, 0)).unwrap();
        }
        client.flush().await.unwrap();
        check_state(&first, 5, 5);
        let state = second.watch().borrow().clone();
        assert_eq!((state.written, state.committed), (3, 0), "no flush after the failure");
        assert_eq!(state.error, Some(injected(Path::new("b.h5"), DiskCall::Write)));
    });
}

#[track_caller]
fn check_panic(call: DiskCall) {
    simulated(async |clock| {
        let faults = DiskFaults::default();
        let disk = Box::new(FaultyDisk::new(MemoryDisk::new(), faults.clone()));
        let client = StorageClient::on_thread(config(), clock, disk).unwrap();
        let first = client.create(plan("a.h5")).await.unwrap();
        let second = client.create(plan("b.h5")).await.unwrap();
        second.append(rows(0, 2, 0)).unwrap();
        client.flush().await.unwrap();
        let after = FaultAfter::Calls(0);
        let effect = FaultEffect::Panic;
        faults.add(DiskFault { effect, ..fault(call, after) });
        first.append(rows(0, 1, 0)).unwrap();
        match client.flush().await {
            Ok(()) => {}
            Err(StorageError::Panicked { .. }) => client.flush().await.unwrap(),
            Err(error) => panic!("{error}"),
        }
        let error = StorageError::Panicked { message: "injected panic".to_owned() };
        assert_eq!(first.watch().borrow().error, Some(error.clone()));
        let state = second.watch().borrow().clone();
        assert_eq!((state.committed, state.error), (2, Some(error)));
        faults.clear();
        let third = client.create(plan("c.h5")).await.unwrap();
        write(&client, &third).await.unwrap();
        let effect = FaultEffect::Panic;
        faults.add(DiskFault { effect, ..fault(DiskCall::Create, after) });
        let error = client.create(plan("d.h5")).await.err().unwrap();
        let message = "during this request".to_owned();
        assert_eq!(error, StorageError::Panicked { message });
        faults.clear();
        let last = client.create(plan("e.h5")).await.unwrap();
        faults.add(DiskFault { effect, ..fault(DiskCall::Close, after) });
        client.shutdown().await;
        assert_eq!(last.append(rows(0, 1, 0)), Err(StorageError::Down));
    });
}

#[test]
fn a_panic_of_the_writer_costs_the_open_streams_only() {
    check_panic(DiskCall::Write);
    check_panic(DiskCall::Flush);
    check_panic(DiskCall::Commit);
    check_panic(DiskCall::FreeBytes);
}

#[test]
fn too_little_space_refuses_a_new_stream() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("a.h5");
    simulated(async |clock| {
        let config = StorageConfig { min_free_bytes: u64::MAX, ..StorageConfig::default() };
        let client = StorageClient::hdf5(config, clock).unwrap();
        let error = client.create(plan(&path)).await.err().unwrap();
        let StorageError::DiskFull { path: full, free_bytes, limit_bytes } = error else {
            panic!("{error}");
        };
        assert_eq!((full, limit_bytes), (path.clone(), u64::MAX));
        assert_ne!(free_bytes, 0);
        assert!(!path.exists());
        client.shutdown().await;
    });
}

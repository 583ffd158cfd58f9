//! Streams in memory: the same books as on disk.
use super::{check_state, config, plan, rows, simulated};
use bluefly_actors::storage::{ColumnData, MemoryDisk};
use std::path::Path;

#[test]
fn rows_count_as_committed_only_after_a_flush() {
    simulated(async |clock| {
        let disk = MemoryDisk::new();
        let client = disk.client(config(), clock);
        let stream = client.create(plan("a.h5")).await.unwrap();
        stream.append(rows(0, 3, 0)).unwrap();
        check_state(&stream, 0, 0);
        client.flush().await.unwrap();
        check_state(&stream, 3, 3);
        let file = disk.file(Path::new("a.h5")).unwrap();
        assert_eq!(file.columns, rows(0, 3, 0).columns);
        assert_eq!(file.committed, 3);
    });
}

#[test]
fn a_hole_keeps_committed_down_until_it_is_filled() {
    simulated(async |clock| {
        let disk = MemoryDisk::new();
        let client = disk.client(config(), clock);
        let stream = client.create(plan("a.h5")).await.unwrap();
        stream.append(rows(0, 1, 0)).unwrap();
        stream.append(rows(2, 1, 0)).unwrap();
        client.flush().await.unwrap();
        check_state(&stream, 1, 1);
        let file = disk.file(Path::new("a.h5")).unwrap();
        assert_eq!(file.columns[0], ColumnData::F64(vec![0.0, f64::NAN, 20.0]));
        assert_eq!(file.columns[1], ColumnData::U64(vec![0, 0, 20]));
        stream.append(rows(1, 1, 0)).unwrap();
        client.flush().await.unwrap();
        check_state(&stream, 3, 3);
    });
}

#[test]
fn a_rewind_takes_back_and_overwrites() {
    simulated(async |clock| {
        let disk = MemoryDisk::new();
        let client = disk.client(config(), clock);
        let stream = client.create(plan("a.h5")).await.unwrap();
        stream.append(rows(0, 5, 0)).unwrap();
        client.flush().await.unwrap();
        stream.rewind(2).unwrap();
        check_state(&stream, 2, 2);
        assert_eq!(disk.file(Path::new("a.h5")).unwrap().committed, 2);
        stream.append(rows(2, 1, 1)).unwrap();
        client.flush().await.unwrap();
        check_state(&stream, 3, 3);
        let summary = stream.close().await.unwrap();
        assert_eq!((summary.committed, summary.extent), (3, 5));
        let file = disk.file(Path::new("a.h5")).unwrap();
        assert_eq!(file.columns[1], ColumnData::U64(vec![0, 10, 21, 30, 40]));
        assert_eq!(stream.close().await, Ok(summary), "closed twice");
    });
}

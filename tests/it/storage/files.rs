//! Streams in HDF5 files, read back with the library.
use super::{check_state, chunked, config, plan, rows, simulated};
use bluefly_actors::storage::{
    AxisPlan, Cause, ColumnData, ColumnsLink, DetectorLink, DiskCall, DiskError, MasterEnd,
    MasterPlan, StorageClient, StorageError,
};
use hdf5::{File, types::VarLenUnicode};
use rustix::fs::{FlockOperation, flock};
use std::{fs, path::Path};
use tempfile::TempDir;

/// The columns of [`plan`] as anybody reads them.
pub(super) fn read(file: &File) -> Vec<ColumnData> {
    let column = |name: &str| file.dataset(name).unwrap();
    vec![
        ColumnData::F64(column("/entry/data/x").read_raw().unwrap()),
        ColumnData::U64(column("/entry/data/count").read_raw().unwrap()),
        ColumnData::U16(column("/entry/detector/data").read_raw().unwrap()),
    ]
}

pub(super) fn committed(file: &File) -> u64 {
    file.dataset("/entry/bluefly/committed").unwrap().read_raw::<u64>().unwrap()[0]
}

/// The file as it is on disk now, whoever writes it: a copy, opened as one that is still written.
pub(super) fn as_on_disk(path: &Path) -> File {
    let copy = path.with_extension("copy");
    fs::copy(path, &copy).unwrap();
    let mode = hdf5::OpenMode::ReadSWMR;
    let file = File::open_as(&copy, mode).unwrap();
    fs::remove_file(&copy).unwrap();
    file
}

fn text_attribute(location: &hdf5::Location, name: &str) -> String {
    location.attr(name).unwrap().read_scalar::<VarLenUnicode>().unwrap().to_string()
}

#[test]
fn a_closed_file_is_as_planned() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("a.h5");
    simulated(async |clock| {
        let client = StorageClient::hdf5(config(), clock).unwrap();
        let stream = client.create(plan(&path)).await.unwrap();
        stream.append(rows(0, 3, 0)).unwrap();
        stream.append(rows(3, 2, 0)).unwrap();
        let summary = stream.close().await.unwrap();
        let bytes = fs::metadata(&path).unwrap().len();
        assert_eq!((summary.committed, summary.extent, summary.bytes), (5, 5, bytes));
        client.shutdown().await;
    });
    let file = File::open(&path).unwrap();
    assert_eq!(read(&file), rows(0, 5, 0).columns);
    assert_eq!(committed(&file), 5);
    assert_eq!(file.dataset("/entry/detector/data").unwrap().shape(), [5, 2, 3]);
    assert_eq!(text_attribute(&file, "default"), "entry");
    let entry = file.group("entry").unwrap();
    assert_eq!(text_attribute(&entry, "NX_class"), "NXentry");
    assert_eq!(text_attribute(&entry, "run_uid"), "run");
    assert_eq!(text_attribute(&entry, "default"), "data");
    let data = file.group("entry/detector").unwrap();
    assert_eq!(text_attribute(&data, "NX_class"), "NXdata");
    assert_eq!(text_attribute(&data, "signal"), "data");
    assert_eq!(text_attribute(&file.dataset("/entry/data/x").unwrap(), "units"), "mm");
    let left: Vec<_> = fs::read_dir(directory.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "the lock is gone: {left:?}");
}

#[test]
fn rows_are_on_disk_after_each_flush() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("a.h5");
    simulated(async |clock| {
        let client = StorageClient::hdf5(config(), clock).unwrap();
        let stream = client.create(plan(&path)).await.unwrap();
        for flush in 0..4 {
            stream.append(rows(flush * 7, 7, 0)).unwrap();
            client.flush().await.unwrap();
            let num = (flush + 1) * 7;
            check_state(&stream, num, num);
            let file = as_on_disk(&path);
            assert_eq!(read(&file), rows(0, num, 0).columns);
            assert_eq!(committed(&file), num);
        }
        client.shutdown().await;
    });
}

#[test]
fn a_hole_reads_as_fill_values_and_keeps_committed_down() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("a.h5");
    simulated(async |clock| {
        let client = StorageClient::hdf5(config(), clock).unwrap();
        let stream = client.create(plan(&path)).await.unwrap();
        stream.append(rows(0, 1, 0)).unwrap();
        stream.append(rows(2, 1, 0)).unwrap();
        client.flush().await.unwrap();
        check_state(&stream, 1, 1);
        let file = as_on_disk(&path);
        let [x, count, image] = read(&file).try_into().unwrap();
        assert_eq!(x, ColumnData::F64(vec![0.0, f64::NAN, 20.0]));
        assert_eq!(count, ColumnData::U64(vec![0, 0, 20]));
        let pixels = [[0_u16; 6], [0; 6], [20; 6]].concat();
        assert_eq!(image, ColumnData::U16(pixels));
        assert_eq!(committed(&file), 1);
        stream.append(rows(1, 1, 0)).unwrap();
        client.flush().await.unwrap();
        check_state(&stream, 3, 3);
        client.shutdown().await;
    });
}

#[test]
fn a_rewind_lowers_the_counter_first_and_overwrites() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("a.h5");
    simulated(async |clock| {
        let client = StorageClient::hdf5(config(), clock).unwrap();
        let stream = client.create(plan(&path)).await.unwrap();
        stream.append(rows(0, 5, 0)).unwrap();
        client.flush().await.unwrap();
        stream.rewind(2).unwrap();
        check_state(&stream, 2, 2);
        client.flush().await.unwrap();
        check_state(&stream, 2, 2);
        let file = as_on_disk(&path);
        assert_eq!((committed(&file), read(&file)), (2, rows(0, 5, 0).columns));
        stream.append(rows(2, 3, 1)).unwrap();
        assert_eq!(stream.close().await.unwrap().committed, 5);
        client.shutdown().await;
    });
    let file = File::open(&path).unwrap();
    let x: Vec<f64> = file.dataset("/entry/data/x").unwrap().read_raw().unwrap();
    assert_eq!(x, [0.0, 10.0, 21.0, 31.0, 41.0]);
    let pixels = [[0_u16; 6], [10; 6], [21; 6], [31; 6], [41; 6]].concat();
    assert_eq!(read(&file)[2], ColumnData::U16(pixels));
}

/// Whole chunks go past the cache, in which parts of the same chunk are still kept.
#[test]
fn parts_of_a_chunk_and_whole_chunks_alternate() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("a.h5");
    let steps: [(u64, u64, &[u64]); 5] = [
        (0, 3, &[0, 10, 20]),
        (0, 8, &[1, 11, 21, 31, 41, 51, 61, 71]),
        (2, 1, &[1, 11, 22]),
        (0, 4, &[3, 13, 23, 33]),
        (3, 7, &[3, 13, 23, 34, 44, 54, 64, 74, 84, 94]),
    ];
    simulated(async |clock| {
        let client = StorageClient::hdf5(config(), clock).unwrap();
        let stream = client.create(chunked(&path, 4)).await.unwrap();
        for (version, (first, num, expected)) in (0..).zip(steps) {
            stream.rewind(first).unwrap();
            stream.append(rows(first, num, version)).unwrap();
            client.flush().await.unwrap();
            let count: Vec<u64> =
                as_on_disk(&path).dataset("/entry/data/count").unwrap().read_raw().unwrap();
            assert!(count.starts_with(expected), "step {version}: {count:?}");
        }
        client.shutdown().await;
    });
    let file = File::open(&path).unwrap();
    let ColumnData::U64(count) = read(&file)[1].clone() else { unreachable!("it is a U64") };
    assert_eq!(count, [3, 13, 23, 34, 44, 54, 64, 74, 84, 94]);
}

#[test]
fn two_streams_keep_their_own_books() {
    let directory = TempDir::new().unwrap();
    let paths = ["a.h5", "b.h5"].map(|name| directory.path().join(name));
    simulated(async |clock| {
        let client = StorageClient::hdf5(config(), clock).unwrap();
        let first = client.create(plan(&paths[0])).await.unwrap();
        let second = client.create(plan(&paths[1])).await.unwrap();
        first.append(rows(0, 2, 1)).unwrap();
        second.append(rows(0, 4, 2)).unwrap();
        client.flush().await.unwrap();
        check_state(&first, 2, 2);
        check_state(&second, 4, 4);
        first.close().await.unwrap();
        second.append(rows(4, 1, 2)).unwrap();
        client.shutdown().await;
        assert_eq!(second.close().await.unwrap().committed, 5, "closed by the shutdown");
    });
    assert_eq!(read(&File::open(&paths[0]).unwrap()), rows(0, 2, 1).columns);
    assert_eq!(read(&File::open(&paths[1]).unwrap()), rows(0, 5, 2).columns);
}

#[test]
fn an_existing_file_is_refused_and_left_as_it_is() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("a.h5");
    hdf5::File::create(&path).unwrap().create_group("precious").unwrap();
    let before = fs::read(&path).unwrap();
    let error = simulated(async |clock| {
        let client = StorageClient::hdf5(config(), clock).unwrap();
        let error = client.create(plan(&path)).await.err().unwrap();
        client.shutdown().await;
        error
    });
    let (call, cause) = (DiskCall::Create, Cause::Exists);
    assert_eq!(error, StorageError::Disk(DiskError { path: path.clone(), call, cause }));
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_missing_directory_is_named() {
    let error = simulated(async |clock| {
        let client = StorageClient::hdf5(config(), clock).unwrap();
        let error = client.create(plan("/nowhere/a.h5")).await.err().unwrap();
        client.shutdown().await;
        error
    });
    let expected =
        "cannot find the free space of /nowhere/a.h5: No such file or directory (os error 2)";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn as_many_parts_of_a_directory_are_made_as_may_be_missing() {
    let directory = TempDir::new().unwrap();
    let (there, new) = (directory.path().join("a"), directory.path().join("a/b"));
    let made = simulated(async |clock| {
        let client = StorageClient::hdf5(config(), clock).unwrap();
        let [first, second, third] = [
            client.make_directory(new.clone(), 1).await.map_err(|error| error.to_string()),
            client.make_directory(new.clone(), 2).await.map_err(|error| error.to_string()),
            client.make_directory(new.clone(), 0).await.map_err(|error| error.to_string()),
        ];
        client.shutdown().await;
        [first, second, third]
    });
    let (new, there) = (new.display(), there.display());
    let missing = format!("cannot make the directory {new}: there is no {there}");
    assert_eq!(made, [Err(missing), Ok(()), Ok(())]);
}

#[test]
fn the_lock_beside_the_file_is_held_while_it_is_written() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("a.h5");
    let take = || {
        let lock = fs::OpenOptions::new().write(true).open(directory.path().join("a.h5.lock"));
        flock(lock.unwrap(), FlockOperation::NonBlockingLockExclusive)
    };
    simulated(async |clock| {
        let client = StorageClient::hdf5(config(), clock).unwrap();
        let stream = client.create(plan(&path)).await.unwrap();
        assert_eq!(take(), Err(rustix::io::Errno::WOULDBLOCK));
        fs::rename(&path, directory.path().join("elsewhere")).unwrap();
        let error = client.create(plan(&path)).await.err().unwrap();
        let (call, cause) = (DiskCall::Create, Cause::Locked);
        assert_eq!(error, StorageError::Disk(DiskError { path: path.clone(), call, cause }));
        fs::rename(directory.path().join("elsewhere"), &path).unwrap();
        stream.close().await.unwrap();
        assert!(!directory.path().join("a.h5.lock").exists());
        client.shutdown().await;
    });
}

fn detector_link(name: &str, exposures: u32) -> DetectorLink {
    DetectorLink {
        name: name.to_owned(),
        file: "a.h5".to_owned(),
        dataset: "/entry/detector/data".to_owned(),
        row_rank: 2,
        exposures_per_frame: exposures.try_into().unwrap(),
    }
}

fn columns_link() -> ColumnsLink {
    ColumnsLink {
        name: "panda".to_owned(),
        file: "a.h5".to_owned(),
        datasets: vec!["/entry/detector/data".to_owned()],
    }
}

#[test]
fn a_nexus_master_links_to_streams_and_is_finished_in_place() {
    let directory = TempDir::new().unwrap();
    let (master, stream_path) = (directory.path().join("run.nxs"), directory.path().join("a.h5"));
    let windows = [vec![vec![0.5, 1.5], vec![7.0, 7.0]], vec![vec![2.5], vec![8.0]]];
    let axis = |name: &str| AxisPlan { name: name.to_owned(), units: "mm".to_owned() };
    let plan_master = MasterPlan {
        path: master.clone(),
        title: "a scan".to_owned(),
        run_uid: "run".to_owned(),
        start_time: "2026-01-01T00:00:00Z".to_owned(),
        scan_shape: vec![1, 3],
        axes: vec![axis("x"), axis("y")],
        setpoints: Box::new(windows.into_iter()),
        detectors: vec![detector_link("camera", 1), detector_link("diode", 2)],
        columns: vec![columns_link()],
    };
    let end = MasterEnd {
        end_time: "2026-01-01T00:00:03Z".to_owned(),
        exit_status: "abort".to_owned(),
        reason: "beam dump".to_owned(),
        num_frames: 2,
    };
    simulated(async |clock| {
        let client = StorageClient::hdf5(config(), clock).unwrap();
        client.create_master(plan_master).await.unwrap();
        let stream = client.create(plan(&stream_path)).await.unwrap();
        stream.append(rows(0, 2, 0)).unwrap();
        stream.close().await.unwrap();
        // As a viewer does that has it open.
        let viewer = fs::File::open(&master).unwrap();
        flock(&viewer, FlockOperation::NonBlockingLockShared).unwrap();
        client.finish_master(master.clone(), end).await.unwrap();
        client.shutdown().await;
    });
    let file = File::open(&master).unwrap();
    let text = |name: &str| {
        let text = file.dataset(name).unwrap().read_scalar::<hdf5::types::FixedUnicode<512>>();
        text.unwrap().to_string()
    };
    assert_eq!(text("/entry/title"), "a scan");
    assert_eq!(text("/entry/end_time"), "2026-01-01T00:00:03Z");
    assert_eq!(text("/entry/exit_status"), "abort");
    assert_eq!(text("/entry/reason"), "beam dump");
    let numbers = |name: &str| file.dataset(name).unwrap().read_raw::<f64>().unwrap();
    assert_eq!(numbers("/entry/camera/x_set"), [0.5, 1.5, 2.5]);
    assert_eq!(numbers("/entry/camera/y_set"), [7.0, 7.0, 8.0]);
    let frames = file.dataset("/entry/scan/num_frames").unwrap().read_scalar::<u64>().unwrap();
    assert_eq!(frames, 2);
    assert_eq!(file.dataset("/entry/panda/data").unwrap().shape(), [2, 2, 3]);
    let images = file.dataset("/entry/camera/data").unwrap();
    assert_eq!(images.shape(), [2, 2, 3]);
    assert_eq!(ColumnData::U16(images.read_raw().unwrap()), rows(0, 2, 0).columns[2]);
    assert_eq!(text_attribute(&file.group("entry").unwrap(), "default"), "camera");
    for (name, expected) in [("camera", 1), ("diode", 2)] {
        let attribute = file.group("entry").unwrap().group(name).unwrap();
        let attribute = attribute.attr("exposures_per_frame").unwrap();
        assert_eq!(attribute.read_scalar::<u32>().unwrap(), expected, "{name}");
    }
    // There is no row for each setpoint, nor a setpoint for each row.
    assert!(file.dataset("/entry/diode/x_set").is_err());
    let scales = file.group("/entry/diode").unwrap().attr("axes").unwrap();
    let scales: Vec<VarLenUnicode> = scales.read_raw().unwrap();
    assert_eq!(scales.iter().map(VarLenUnicode::as_str).collect::<Vec<_>>(), [".", ".", "."]);
    assert_eq!(file.dataset("/entry/diode/data").unwrap().shape(), [2, 2, 3]);
}

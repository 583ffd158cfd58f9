//! A disk that fails ends a run cleanly, and what was committed stays.
use super::rig::{DETECTORS, GRID, Rig, Setup, documented, spec, with_rig};
use bluefly::process::DiskChoice;
use bluefly_actors::{
    coordinator::{Kickoff, Prepare},
    status::Outcome,
    storage::{
        Disk, DiskCall, DiskError, DiskFault, DiskFaults, FaultAfter, FaultEffect, FaultyDisk,
        Hdf5Disk, MasterEnd, MasterPlan, MemoryDisk, StreamFile, StreamPlan,
    },
};
use bluefly_protocol::run::RunPhase;
use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

const CALLS: [DiskCall; 8] = [
    DiskCall::Create,
    DiskCall::Write,
    DiskCall::Flush,
    DiskCall::Commit,
    DiskCall::Close,
    DiskCall::FreeBytes,
    DiskCall::CreateMaster,
    DiskCall::FinishMaster,
];

fn fault(call: DiskCall, calls: u64, effect: FaultEffect) -> DiskFault {
    DiskFault { path: None, call, after: FaultAfter::Calls(calls), effect }
}

/// Memory on a thread of its own, with faults.
fn on_memory(faults: &DiskFaults) -> Setup {
    let faults = faults.clone();
    let disk = move |memory: &bluefly_actors::storage::MemoryDisk| {
        DiskChoice::Threaded(Box::new(FaultyDisk::new(memory.clone(), faults.clone())))
    };
    Setup { disk: Box::new(disk), ..Setup::default() }
}

/// HDF5 files, with faults.
fn on_hdf5(faults: &DiskFaults) -> Setup {
    let faults = faults.clone();
    let disk = move |_: &bluefly_actors::storage::MemoryDisk| {
        DiskChoice::Threaded(Box::new(FaultyDisk::new(Hdf5Disk, faults.clone())))
    };
    Setup { disk: Box::new(disk), ..Setup::default() }
}

/// The latest run failed, and its stop document says why. Tells how many rows are documented.
fn failed_rows(rig: &Rig, reason: &str) -> u64 {
    rig.assert_safe();
    assert_eq!(rig.progress().phase, RunPhase::Idle);
    let stop = rig.stop_document();
    assert_eq!(stop["exit_status"], "fail", "{stop}");
    let told = stop["reason"].as_str().unwrap();
    assert!(told.contains(reason), "{told:?} does not tell of {reason:?}");
    let documents = rig.documents();
    let start = documents.iter().rposition(|(name, _)| name == "start").unwrap();
    let rows = documented(&documents[start..]);
    assert_eq!(stop["num_events"]["primary"].as_u64().unwrap_or(0), rows, "{stop}");
    rows
}

fn uid(rig: &Rig) -> String {
    let documents = rig.documents();
    let start = documents.iter().rev().find(|(name, _)| name == "start").unwrap();
    start.1["uid"].as_str().unwrap().to_owned()
}

/// The run fails cleanly with a reason that names a file of the run; the next one is complete.
fn check(call: DiskCall, calls: u64, effect: FaultEffect) {
    // The first questions after the room are those of prepare and kickoff, before there is a run.
    let calls = if call == DiskCall::FreeBytes { calls + 2 } else { calls };
    let faults = DiskFaults::default();
    faults.add(fault(call, calls, effect));
    with_rig(on_memory(&faults), async |rig| {
        eprintln!("{call:?} fails after {calls}: {effect:?}");
        let ended = rig.run(GRID).await;
        if ended == Ok(40) {
            // There were no more such calls.
            assert!(calls > 0, "{call:?} never failed");
            return rig.assert_complete(GRID, 40);
        }
        let uid = uid(rig);
        let reason = if effect == FaultEffect::Panic { "" } else { uid.as_str() };
        let rows = failed_rows(rig, reason);
        for detector in DETECTORS {
            let file = rig.memory.file(&rig.directory.path().join(format!("{uid}-{detector}.h5")));
            let committed = file.map_or(0, |file| file.committed);
            assert!(committed >= rows, "{detector}: {committed} rows, {rows} documented");
        }
        faults.clear();
        assert_eq!(rig.run(GRID).await, Ok(40));
        rig.assert_complete(GRID, 40);
    });
}

#[test]
fn a_disk_that_fails_at_any_call_ends_the_run_cleanly() {
    for call in CALLS {
        for calls in [0, 1, 2, 3, 7, 20, 45] {
            check(call, calls, FaultEffect::Error);
        }
    }
}

#[test]
fn a_disk_that_panics_at_any_call_ends_the_run_cleanly() {
    for call in CALLS {
        for calls in [0, 1, 5] {
            check(call, calls, FaultEffect::Panic);
        }
    }
}

/// Row numbers in the pixels of a file.
fn pixels(path: &Path) -> Vec<u16> {
    let file = hdf5::File::with_options()
        .with_fapl(|access| access.fclose_degree(hdf5::plist::file_access::FileCloseDegree::Strong))
        .open(path)
        .unwrap();
    let pixels: Vec<u16> = file.dataset("/entry/data/data").unwrap().read_raw().unwrap();
    let shape = file.dataset("/entry/data/data").unwrap().shape();
    let row: usize = shape[1..].iter().product();
    pixels.chunks(row).map(|row| row[0]).collect()
}

#[test]
fn what_was_committed_before_a_write_error_can_be_read_back() {
    for writes in [12, 40] {
        let faults = DiskFaults::default();
        with_rig(on_hdf5(&faults), async |rig| {
            faults.add(fault(DiskCall::Write, writes, FaultEffect::Error));
            assert!(rig.run(GRID).await.is_err());
            let uid = uid(rig);
            let rows = failed_rows(rig, &uid);
            for detector in DETECTORS {
                let path = rig.directory.path().join(format!("{uid}-{detector}.h5"));
                let rows = usize::try_from(rows).unwrap();
                let expected: Vec<u16> = (0..rows).map(|row| u16::try_from(row).unwrap()).collect();
                assert_eq!(pixels(&path)[..rows], expected, "{detector}");
            }
        });
    }
}

/// The scan is refused in so many words; nothing is written, and another can be flown at once.
fn refused(setup: Setup, faults: &DiskFaults, words: &str) {
    with_rig(setup, async |rig| {
        let error = rig.run(GRID).await.unwrap_err();
        assert!(error.contains(words), "{error:?} does not tell of {words:?}");
        rig.assert_safe();
        assert!(!rig.process.documents.exists());
        faults.clear();
        rig.process.abort("refused").await.unwrap();
    });
}

#[test]
fn a_scan_that_the_disk_has_no_room_for_is_not_begun() {
    let faults = DiskFaults::default();
    let mut setup = on_hdf5(&faults);
    setup.edits = vec![("1 MiB", "1000000 GiB")];
    refused(setup, &faults, "which has room for 0 B (data.min_free is kept free)");
}

#[test]
fn a_disk_that_does_not_say_how_much_is_free_gets_no_run() {
    for effect in [FaultEffect::Error, FaultEffect::Panic] {
        let faults = DiskFaults::default();
        faults.add(fault(DiskCall::FreeBytes, 0, effect));
        refused(on_memory(&faults), &faults, "find room for the scan");
    }
}

/// Memory that fills up when it is told to.
struct Narrow {
    memory: MemoryDisk,
    free: Arc<AtomicU64>,
}

impl Disk for Narrow {
    fn make_directory(&mut self, directory: &Path, new_parts: u32) -> Result<(), DiskError> {
        self.memory.make_directory(directory, new_parts)
    }
    fn create(&mut self, plan: &StreamPlan) -> Result<Box<dyn StreamFile>, DiskError> {
        self.memory.create(plan)
    }
    fn free_bytes(&mut self, _: &Path) -> Result<u64, DiskError> {
        Ok(self.free.load(Ordering::Relaxed))
    }
    fn create_master(&mut self, plan: MasterPlan) -> Result<(), DiskError> {
        self.memory.create_master(plan)
    }
    fn finish_master(&mut self, path: &Path, end: &MasterEnd) -> Result<(), DiskError> {
        self.memory.finish_master(path, end)
    }
}

/// A kickoff is refused, and everything stays as it was before it.
async fn check_refused(rig: &Rig, why: &str) {
    let before = (rig.documents(), rig.memory.paths());
    let error = rig.try_step(Kickoff).await.unwrap_err();
    assert!(error.contains(why), "{error:?} does not tell of {why:?}");
    assert_eq!(rig.progress().phase, RunPhase::Ready);
    assert_eq!((rig.documents(), rig.memory.paths()), before);
}

#[test]
fn room_that_is_gone_by_kickoff_refuses_the_flight_and_keeps_what_is_ready() {
    let free = Arc::new(AtomicU64::new(u64::MAX));
    let shared = Arc::clone(&free);
    let disk = move |memory: &MemoryDisk| {
        let (memory, free) = (memory.clone(), Arc::clone(&shared));
        DiskChoice::Threaded(Box::new(Narrow { memory, free }))
    };
    with_rig(Setup { disk: Box::new(disk), ..Setup::default() }, async |rig| {
        let set = |bytes| free.store(bytes, Ordering::Relaxed);
        rig.ready(GRID).await;
        set(0);
        check_refused(rig, "which has room for 0 B (data.min_free is kept free)").await;
        rig.assert_safe();
        // Once there is room the same plan is flown.
        set(u64::MAX);
        assert_eq!(rig.try_step(Kickoff).await, Ok(40));
        // The next scan of a run is asked for as well; the run stays open for it.
        assert_eq!(rig.try_step(Prepare(spec(GRID))).await, Ok(0));
        set(0);
        check_refused(rig, "which has room for 0 B").await;
        assert_eq!(rig.unstage().await, Ok(Outcome::Done(40)));
        rig.assert_complete(GRID, 40);
    });
}

#[test]
fn a_disk_that_says_nothing_at_kickoff_refuses_the_flight() {
    for effect in [FaultEffect::Error, FaultEffect::Panic] {
        let faults = DiskFaults::default();
        faults.add(fault(DiskCall::FreeBytes, 1, effect));
        with_rig(on_memory(&faults), async |rig| {
            rig.ready(GRID).await;
            check_refused(rig, "find room for the scan").await;
            rig.assert_safe();
            faults.clear();
            rig.process.abort("refused").await.unwrap();
        });
    }
}

#[test]
fn documents_that_cannot_be_written_end_the_run_with_the_reason() {
    with_rig(Setup::default(), async |rig| {
        fs::create_dir(&rig.process.documents).unwrap();
        let error = rig.run(GRID).await.unwrap_err();
        assert!(error.contains("documents.jsonl"), "{error}");
        rig.assert_safe();
        assert_eq!(rig.progress().phase, RunPhase::Idle);
        fs::remove_dir(&rig.process.documents).unwrap();
        rig.sleep(Duration::from_secs(1)).await;
        assert_eq!(rig.run(GRID).await, Ok(40));
        rig.assert_complete(GRID, 40);
    });
}

//! A disk that fails while a PandA captures: the run ends with the reason, and what was good is kept.
use super::flight::{FRAMES, land, setup, taken};
use crate::run::rig::{GRID, Rig, Setup, with_rig};
use bluefly::process::DiskChoice;
use bluefly_actors::{
    status::Outcome,
    storage::{DiskCall, DiskFault, DiskFaults, FaultAfter, FaultEffect, FaultyDisk, MemoryDisk},
};
use std::path::PathBuf;

/// The file of the rows of the run.
fn file_of_rows(rig: &Rig) -> PathBuf {
    let documents = rig.documents();
    let (_, start) = documents.iter().rev().find(|(name, _)| name == "start").unwrap();
    rig.directory.path().join(format!("{}-panda.h5", start["uid"].as_str().unwrap()))
}

/// From the twelfth frame on `call` fails for the rows: how the run ends.
fn check(call: DiskCall, operation: &str) {
    let faults = DiskFaults::default();
    let of_disk = faults.clone();
    let disk = move |memory: &MemoryDisk| {
        DiskChoice::Threaded(Box::new(FaultyDisk::new(memory.clone(), of_disk.clone())))
    };
    with_rig(Setup { disk: Box::new(disk), ..setup(&[]) }, async |rig| {
        rig.ready(GRID).await;
        let status = rig.kickoff().await;
        taken(rig, 12).await;
        let path = file_of_rows(rig);
        let (after, effect) = (FaultAfter::Calls(0), FaultEffect::Error);
        faults.add(DiskFault { path: Some(path.clone()), call, after, effect });
        let error = status.finished().await.unwrap_err().to_string();
        let told = format!("{}: injected fault", path.display());
        assert!(error.starts_with(&format!("panda: cannot {operation}: ")), "{error}");
        assert!(error.contains(&told), "{error}");
        let reason = rig.assert_failed(GRID).await.unwrap();
        assert!(reason.contains(&told), "{reason}");
        let documented = rig.stop_document()["num_events"]["primary"].as_u64().unwrap();
        let committed = rig.memory.file(&path).unwrap().committed;
        assert!((12..FRAMES).contains(&committed), "{call:?}: {committed} rows are there");
        assert!(documented <= committed, "{call:?}: {documented} rows of {committed}");
        faults.clear();
        rig.ready(GRID).await;
        assert_eq!(rig.kickoff().await.finished().await, Ok(Outcome::Done(FRAMES)));
        land(rig).await;
    });
}

#[test]
fn a_disk_that_fails_in_mid_scan_ends_the_run_with_the_rows_before() {
    check(DiskCall::Write, "bring its rows to disk");
    check(DiskCall::Commit, "bring its rows to disk");
    check(DiskCall::Flush, "bring its rows to disk");
}

//! [`FaultyDisk`]: a disk that fails as told, for simulations and tests.
use super::{
    client::lock,
    disk::{Cause, Disk, DiskCall, DiskError, StreamFile},
    journal::Entry,
    nexus::{MasterEnd, MasterPlan},
    plan::{Rows, StreamPlan},
};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

/// What goes wrong, and when. Once it has gone wrong it stays wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskFault {
    /// Calls on this file only; on any file if `None`.
    pub path: Option<PathBuf>,
    pub call: DiskCall,
    pub after: FaultAfter,
    pub effect: FaultEffect,
}

/// How much of the calls in question goes well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultAfter {
    Calls(u64),
    /// Bytes of rows written; for calls other than [`DiskCall::Write`] no bytes are counted.
    Bytes(u64),
}

/// What the call does that does not go well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultEffect {
    /// It fails.
    Error,
    /// It panics, as a bug of ours would.
    Panic,
}

/// The faults of a disk. All clones are the same list, which may be changed at any time.
#[derive(Clone, Debug, Default)]
pub struct DiskFaults(Arc<Mutex<Vec<Planned>>>);

#[derive(Debug)]
struct Planned {
    fault: DiskFault,
    num_calls: u64,
    num_bytes: u64,
}

/// `disk` with faults.
pub struct FaultyDisk {
    disk: Box<dyn Disk>,
    faults: DiskFaults,
}

struct FaultyFile {
    file: Box<dyn StreamFile>,
    path: PathBuf,
    faults: DiskFaults,
}

impl DiskFaults {
    /// From now on `fault` happens; what went well before does not count.
    pub fn add(&self, fault: DiskFault) {
        lock(&self.0).push(Planned { fault, num_calls: 0, num_bytes: 0 });
    }

    /// From now on the disk works.
    pub fn clear(&self) {
        lock(&self.0).clear();
    }

    fn check(&self, call: DiskCall, path: &Path, bytes: u64) -> Result<(), DiskError> {
        let mut effect = None;
        for planned in lock(&self.0).iter_mut() {
            let fault = &planned.fault;
            if fault.call != call || fault.path.as_deref().is_some_and(|only| only != path) {
                continue;
            }
            planned.num_calls += 1;
            planned.num_bytes += bytes;
            let is_due = match fault.after {
                FaultAfter::Calls(calls) => planned.num_calls > calls,
                FaultAfter::Bytes(bytes) => planned.num_bytes > bytes,
            };
            effect = effect.or(is_due.then_some(fault.effect));
        }
        match effect {
            None => Ok(()),
            Some(FaultEffect::Error) => {
                Err(call.failed(path, Cause::Other("injected fault".to_owned())))
            }
            Some(FaultEffect::Panic) => panic!("injected panic"),
        }
    }
}

impl FaultyDisk {
    /// `disk`, which fails as `faults` say.
    pub fn new(disk: impl Disk + 'static, faults: DiskFaults) -> Self {
        Self { disk: Box::new(disk), faults }
    }
}

impl Disk for FaultyDisk {
    fn make_directory(&mut self, directory: &Path, new_parts: u32) -> Result<(), DiskError> {
        self.faults.check(DiskCall::MakeDirectory, directory, 0)?;
        self.disk.make_directory(directory, new_parts)
    }

    fn create(&mut self, plan: &StreamPlan) -> Result<Box<dyn StreamFile>, DiskError> {
        let path = plan.path.clone();
        self.faults.check(DiskCall::Create, &path, 0)?;
        let file = self.disk.create(plan)?;
        Ok(Box::new(FaultyFile { file, path, faults: self.faults.clone() }))
    }

    fn free_bytes(&mut self, path: &Path) -> Result<u64, DiskError> {
        self.faults.check(DiskCall::FreeBytes, path, 0)?;
        self.disk.free_bytes(path)
    }

    fn create_master(&mut self, plan: MasterPlan) -> Result<(), DiskError> {
        self.faults.check(DiskCall::CreateMaster, &plan.path, 0)?;
        self.disk.create_master(plan)
    }

    fn finish_master(&mut self, path: &Path, end: &MasterEnd) -> Result<(), DiskError> {
        self.faults.check(DiskCall::FinishMaster, path, 0)?;
        self.disk.finish_master(path, end)
    }
}

impl StreamFile for FaultyFile {
    fn write(&mut self, rows: &Rows) -> Result<(), DiskError> {
        self.faults.check(DiskCall::Write, &self.path, rows.bytes())?;
        self.file.write(rows)
    }

    fn record(&mut self, entry: &Entry) -> Result<(), DiskError> {
        self.faults.check(DiskCall::Record, &self.path, 0)?;
        self.file.record(entry)
    }

    fn flush(&mut self) -> Result<(), DiskError> {
        self.faults.check(DiskCall::Flush, &self.path, 0)?;
        self.file.flush()
    }

    fn commit(&mut self, rows: u64) -> Result<(), DiskError> {
        self.faults.check(DiskCall::Commit, &self.path, 0)?;
        self.file.commit(rows)
    }

    fn close(self: Box<Self>) -> Result<u64, DiskError> {
        self.faults.check(DiskCall::Close, &self.path, 0)?;
        self.file.close()
    }
}

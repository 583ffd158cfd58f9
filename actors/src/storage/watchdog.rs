//! Names the call to the disk that takes too long.
use super::{
    client::lock,
    disk::{Disk, DiskCall, DiskError, StreamFile},
    journal::Entry,
    nexus::{MasterEnd, MasterPlan},
    plan::{Rows, StreamPlan},
};
use crate::clock::{Clock, Instant};
use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

/// The call that is under way.
#[derive(Clone, Default)]
pub(super) struct Calls(Arc<Mutex<Option<UnderWay>>>);

#[derive(Clone)]
pub(super) struct UnderWay {
    pub(super) call: DiskCall,
    pub(super) path: Arc<Path>,
    pub(super) since: Instant,
}

impl Calls {
    pub(super) fn now(&self) -> Option<UnderWay> {
        lock(&self.0).clone()
    }
}

#[derive(Clone)]
struct Watch {
    clock: Clock,
    calls: Calls,
    slow: Duration,
}

impl Watch {
    fn run<T>(&self, call: DiskCall, path: &Arc<Path>, work: impl FnOnce() -> T) -> T {
        let since = self.clock.now();
        *lock(&self.calls.0) = Some(UnderWay { call, path: path.clone(), since });
        let result = work();
        *lock(&self.calls.0) = None;
        let took = self.clock.now() - since;
        if took > self.slow {
            tracing::warn!(%call, path = %path.display(), took_s = took.as_secs_f64(), "slow disk");
        }
        result
    }
}

/// A disk of which every call is timed.
pub(super) struct WatchedDisk {
    disk: Box<dyn Disk>,
    watch: Watch,
}

struct WatchedFile {
    file: Box<dyn StreamFile>,
    path: Arc<Path>,
    watch: Watch,
}

impl WatchedDisk {
    pub(super) fn new(disk: Box<dyn Disk>, clock: &Clock, calls: &Calls, slow: Duration) -> Self {
        Self { disk, watch: Watch { clock: clock.clone(), calls: calls.clone(), slow } }
    }
}

impl Disk for WatchedDisk {
    fn make_directory(&mut self, directory: &Path, new_parts: u32) -> Result<(), DiskError> {
        let make = || self.disk.make_directory(directory, new_parts);
        self.watch.run(DiskCall::MakeDirectory, &directory.into(), make)
    }

    fn create(&mut self, plan: &StreamPlan) -> Result<Box<dyn StreamFile>, DiskError> {
        let path = plan.path.as_path().into();
        let file = self.watch.run(DiskCall::Create, &path, || self.disk.create(plan))?;
        Ok(Box::new(WatchedFile { file, path, watch: self.watch.clone() }))
    }

    fn free_bytes(&mut self, path: &Path) -> Result<u64, DiskError> {
        self.watch.run(DiskCall::FreeBytes, &path.into(), || self.disk.free_bytes(path))
    }

    fn create_master(&mut self, plan: MasterPlan) -> Result<(), DiskError> {
        let path = plan.path.as_path().into();
        self.watch.run(DiskCall::CreateMaster, &path, || self.disk.create_master(plan))
    }

    fn finish_master(&mut self, path: &Path, end: &MasterEnd) -> Result<(), DiskError> {
        self.watch.run(DiskCall::FinishMaster, &path.into(), || self.disk.finish_master(path, end))
    }
}

impl StreamFile for WatchedFile {
    fn write(&mut self, rows: &Rows) -> Result<(), DiskError> {
        self.watch.run(DiskCall::Write, &self.path, || self.file.write(rows))
    }

    fn record(&mut self, entry: &Entry) -> Result<(), DiskError> {
        self.watch.run(DiskCall::Record, &self.path, || self.file.record(entry))
    }

    fn flush(&mut self) -> Result<(), DiskError> {
        self.watch.run(DiskCall::Flush, &self.path, || self.file.flush())
    }

    fn commit(&mut self, rows: u64) -> Result<(), DiskError> {
        self.watch.run(DiskCall::Commit, &self.path, || self.file.commit(rows))
    }

    fn close(self: Box<Self>) -> Result<u64, DiskError> {
        let Self { file, path, watch } = *self;
        watch.run(DiskCall::Close, &path, || file.close())
    }
}

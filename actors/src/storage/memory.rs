//! [`MemoryDisk`]: stream files that live in memory, for simulations and tests.
use super::{
    client::{StorageClient, lock},
    config::StorageConfig,
    disk::{Cause, Disk, DiskCall, DiskError, StreamFile},
    journal::Entry,
    nexus::{AxisPlan, ColumnsLink, DetectorLink, MasterEnd, MasterPlan},
    plan::{ColumnData, Rows, StreamPlan},
};
use crate::clock::Clock;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

/// A disk in memory, which keeps every row until its last clone is dropped. All clones are the same
/// disk: keep one to look at what was written.
#[derive(Clone, Default)]
pub struct MemoryDisk(Arc<Mutex<Contents>>);

#[derive(Default)]
struct Contents {
    files: BTreeMap<PathBuf, MemoryFile>,
    masters: BTreeMap<PathBuf, MemoryMaster>,
}

/// A stream file in memory.
#[derive(Clone, Debug, PartialEq)]
pub struct MemoryFile {
    pub plan: StreamPlan,
    /// In the order of the plan.
    pub columns: Vec<ColumnData>,
    pub journal: Vec<Entry>,
    /// What the commit counter says.
    pub committed: u64,
    pub num_flushes: u64,
    pub is_closed: bool,
}

/// A `NeXus` master in memory.
#[derive(Clone, Debug, PartialEq)]
pub struct MemoryMaster {
    pub title: String,
    pub scan_shape: Vec<u64>,
    pub axes: Vec<AxisPlan>,
    /// One vector per axis.
    pub setpoints: Vec<Vec<f64>>,
    pub detectors: Vec<DetectorLink>,
    pub columns: Vec<ColumnsLink>,
    pub end: Option<MasterEnd>,
}

impl MemoryDisk {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    /// A client that writes to this disk without a thread.
    pub fn client(&self, config: StorageConfig, clock: Clock) -> StorageClient {
        StorageClient::inline(config, clock, Box::new(self.clone()))
    }

    /// Names of all stream files.
    pub fn paths(&self) -> Vec<PathBuf> {
        lock(&self.0).files.keys().cloned().collect()
    }

    /// The stream file at `path` as it is now.
    pub fn file(&self, path: &Path) -> Option<MemoryFile> {
        lock(&self.0).files.get(path).cloned()
    }

    /// The `NeXus` master at `path` as it is now.
    pub fn master(&self, path: &Path) -> Option<MemoryMaster> {
        lock(&self.0).masters.get(path).cloned()
    }
}

impl Disk for MemoryDisk {
    fn make_directory(&mut self, _directory: &Path, _new_parts: u32) -> Result<(), DiskError> {
        Ok(())
    }

    fn create(&mut self, plan: &StreamPlan) -> Result<Box<dyn StreamFile>, DiskError> {
        let path = plan.path.clone();
        let mut contents = lock(&self.0);
        if contents.files.contains_key(&path) {
            return Err(DiskCall::Create.failed(&path, Cause::Exists));
        }
        let columns = plan.columns.iter().map(|column| ColumnData::empty(column.element)).collect();
        let plan = plan.clone();
        let file = MemoryFile {
            plan,
            columns,
            journal: Vec::new(),
            committed: 0,
            num_flushes: 0,
            is_closed: false,
        };
        contents.files.insert(path.clone(), file);
        Ok(Box::new(OpenFile { disk: self.clone(), path }))
    }

    fn free_bytes(&mut self, _path: &Path) -> Result<u64, DiskError> {
        Ok(u64::MAX)
    }

    fn create_master(&mut self, plan: MasterPlan) -> Result<(), DiskError> {
        let mut contents = lock(&self.0);
        if contents.masters.contains_key(&plan.path) {
            return Err(DiskCall::CreateMaster.failed(&plan.path, Cause::Exists));
        }
        let mut setpoints = vec![Vec::new(); plan.axes.len()];
        for window in plan.setpoints {
            for (all, more) in setpoints.iter_mut().zip(window) {
                all.extend(more);
            }
        }
        let master = MemoryMaster {
            title: plan.title,
            scan_shape: plan.scan_shape,
            axes: plan.axes,
            setpoints,
            detectors: plan.detectors,
            columns: plan.columns,
            end: None,
        };
        contents.masters.insert(plan.path, master);
        Ok(())
    }

    fn finish_master(&mut self, path: &Path, end: &MasterEnd) -> Result<(), DiskError> {
        let missing = || Cause::Other("no such file".to_owned());
        let mut contents = lock(&self.0);
        let master = contents.masters.get_mut(path);
        master.ok_or_else(|| DiskCall::FinishMaster.failed(path, missing()))?.end =
            Some(end.clone());
        Ok(())
    }
}

struct OpenFile {
    disk: MemoryDisk,
    path: PathBuf,
}

impl OpenFile {
    fn with<T>(&self, work: impl FnOnce(&mut MemoryFile) -> T) -> T {
        let mut contents = lock(&self.disk.0);
        work(contents.files.get_mut(&self.path).expect("files in memory are never removed"))
    }
}

impl StreamFile for OpenFile {
    fn write(&mut self, rows: &Rows) -> Result<(), DiskError> {
        self.with(|file| {
            let columns = file.columns.iter_mut().zip(&file.plan.columns).zip(&rows.columns);
            for ((column, plan), data) in columns {
                column.put((rows.first_index * plan.row_len()) as usize, data);
            }
        });
        Ok(())
    }

    fn record(&mut self, entry: &Entry) -> Result<(), DiskError> {
        self.with(|file| file.journal.push(entry.clone()));
        Ok(())
    }

    fn flush(&mut self) -> Result<(), DiskError> {
        self.with(|file| file.num_flushes += 1);
        Ok(())
    }

    fn commit(&mut self, rows: u64) -> Result<(), DiskError> {
        self.with(|file| file.committed = rows);
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<u64, DiskError> {
        Ok(self.with(|file| {
            file.is_closed = true;
            file.columns.iter().map(ColumnData::bytes).sum()
        }))
    }
}

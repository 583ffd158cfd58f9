//! Stream files in HDF5, which readers follow while they are written.
use super::{
    disk::{Cause, Disk, DiskCall, DiskError, StreamFile},
    nexus::{MasterEnd, MasterPlan},
    plan::StreamPlan,
};
use std::path::Path;

/// HDF5 files on a file system.
pub struct Hdf5Disk;

impl Disk for Hdf5Disk {
    fn create(&mut self, plan: &StreamPlan) -> Result<Box<dyn StreamFile>, DiskError> {
        Err(DiskCall::Create.failed(&plan.path, Cause::Other("not there yet".to_owned())))
    }

    fn free_bytes(&mut self, path: &Path) -> Result<u64, DiskError> {
        Err(DiskCall::FreeBytes.failed(path, Cause::Other("not there yet".to_owned())))
    }

    fn create_master(&mut self, plan: MasterPlan) -> Result<(), DiskError> {
        Err(DiskCall::CreateMaster.failed(&plan.path, Cause::Other("not there yet".to_owned())))
    }

    fn finish_master(&mut self, path: &Path, _end: &MasterEnd) -> Result<(), DiskError> {
        Err(DiskCall::FinishMaster.failed(path, Cause::Other("not there yet".to_owned())))
    }
}

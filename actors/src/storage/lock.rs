//! The lock beside a file that is being written: a SWMR writer holds none on the file itself.
use super::disk::Cause;
use rustix::fs::{FlockOperation, flock};
use std::{
    ffi::OsString,
    fs::{File, OpenOptions, remove_file},
    io::ErrorKind,
    path::{Path, PathBuf},
};

/// Held while the file is written; whoever repairs the file must hold it too. The kernel lets go
/// of it when the process dies.
pub(super) struct WriterLock {
    path: PathBuf,
    /// Kept open: closing it lets go of the lock.
    _file: File,
}

impl WriterLock {
    /// Fails with [`Cause::Locked`] if another process writes `path`.
    pub(super) fn acquire(path: &Path) -> Result<Self, Cause> {
        let path = Self::path(path);
        let other = |error: std::io::Error| Cause::Other(format!("{}: {error}", path.display()));
        let options = OpenOptions::new().write(true).create(true).truncate(false).to_owned();
        let file = options.open(&path).map_err(other)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { path, _file: file }),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(Cause::Locked),
            Err(error) => Err(other(error.into())),
        }
    }

    /// `<file>.lock`
    pub(super) fn path(file: &Path) -> PathBuf {
        let mut name = OsString::from(file);
        name.push(".lock");
        PathBuf::from(name)
    }

    /// Lets go and leaves nothing behind: the file was closed for good.
    pub(super) fn remove(self) -> Result<(), Cause> {
        match remove_file(&self.path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(Cause::Other(format!("{}: {error}", self.path.display())))
            }
            _ => Ok(()),
        }
    }
}

//! [`Claim`]: one process at a time writes to a directory.
use crate::process::StartError;
use std::{
    fs::{self, File, TryLockError},
    io::{self, Read as _, Seek as _, Write as _},
    path::Path,
};

/// The right to write to a directory; the kernel takes it back when the process dies.
pub(crate) struct Claim {
    /// Kept open: closing it lets go of the lock.
    _file: File,
}

/// Left behind on purpose: to remove it would let two processes lock two files of one name.
const FILE: &str = ".bluefly.lock";

impl Claim {
    /// Makes the directory at `path` if it is not there. Fails if another process has it, and names
    /// that.
    pub(crate) fn take(path: &Path) -> Result<Self, StartError> {
        let at = |path: &Path| {
            let path = path.to_owned();
            |source| StartError::Directory { path, source }
        };
        fs::create_dir_all(path).map_err(at(path))?;
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false);
        let lock = path.join(FILE);
        let mut file = options.open(&lock).map_err(at(&lock))?;
        match file.try_lock() {
            Ok(()) => {}
            // Such as some network file systems: better unguarded than of no use.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
                let lock = lock.display();
                tracing::warn!(%lock, %error, "nothing keeps other processes from this directory");
            }
            Err(TryLockError::WouldBlock) => {
                let owner = owner(&mut file).unwrap_or_else(|error| error.to_string());
                return Err(StartError::Taken { path: path.to_owned(), owner });
            }
            Err(TryLockError::Error(error)) => return Err(at(&lock)(error)),
        }
        sign(&mut file).map_err(at(&lock))?;
        Ok(Self { _file: file })
    }
}

/// Leaves the number of this process for whoever comes later.
fn sign(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    writeln!(file, "process {}", std::process::id())
}

fn owner(file: &mut File) -> io::Result<String> {
    let mut text = String::new();
    file.rewind()?;
    file.take(100).read_to_string(&mut text)?;
    Ok(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_processes_wrote_to_one_directory() {
        let dir = tempfile::tempdir().expect("there is room");
        let path = dir.path().join("new");
        let claim = Claim::take(&path).expect("it is free");
        let error = Claim::take(&path).map(drop).expect_err("it is taken").to_string();
        let (place, owner) = (path.display(), std::process::id());
        assert_eq!(
            error,
            format!("{place}: process {owner} writes there: choose another directory")
        );
        drop(claim);
        assert!(Claim::take(&path).is_ok());
    }

    #[test]
    fn a_lock_that_cannot_be_opened_was_not_named() {
        let dir = tempfile::tempdir().expect("there is room");
        let lock = dir.path().join(FILE);
        fs::create_dir(&lock).expect("there is room");
        let error = Claim::take(dir.path()).map(drop).expect_err("it is no file").to_string();
        assert_eq!(error, format!("{}: Is a directory (os error 21)", lock.display()));
    }
}

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
        let directory = |source| StartError::Directory { path: path.to_owned(), source };
        fs::create_dir_all(path).map_err(directory)?;
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(path.join(FILE)).map_err(directory)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let owner = owner(&mut file).unwrap_or_else(|error| error.to_string());
                return Err(StartError::Taken { path: path.to_owned(), owner });
            }
            Err(TryLockError::Error(error)) => return Err(directory(error)),
        }
        sign(&mut file).map_err(directory)?;
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
}

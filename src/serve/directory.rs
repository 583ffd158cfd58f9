//! [`Claim`]: one server at a time writes to a directory.
use crate::cli::CliError;
use std::{
    fs::{self, File, TryLockError},
    io::{self, Read as _, Seek as _, Write as _},
    path::Path,
};

/// The right to write to a directory; the kernel takes it back when the process dies.
pub(super) struct Claim {
    /// Kept open: closing it lets go of the lock.
    _file: File,
}

/// Left behind on purpose: to remove it would let two processes lock two files of one name.
const FILE: &str = ".bluefly.lock";

impl Claim {
    /// Makes the directory at `path` if it is not there. Fails if another server has it, and names
    /// that process.
    pub(super) fn take(path: &Path) -> Result<Self, CliError> {
        let place = path.display().to_string();
        let failed = |error: io::Error| CliError::usage("--out", format!("{place}: {error}"));
        fs::create_dir_all(path).map_err(failed)?;
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(path.join(FILE)).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let owner = owner(&mut file).unwrap_or_else(|error| error.to_string());
                let reason = format!("another bluefly serve writes there ({owner})");
                return Err(CliError::failed(place, format!("{reason}: choose another --out")));
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        sign(&mut file).map_err(failed)?;
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
    fn two_servers_wrote_to_one_directory() {
        let dir = tempfile::tempdir().expect("there is room");
        let path = dir.path().join("new");
        let claim = Claim::take(&path).expect("it is free");
        let error = Claim::take(&path).map(drop).expect_err("it is taken").to_string();
        let place = path.display();
        let owner = format!("process {}", std::process::id());
        let reason = format!("another bluefly serve writes there ({owner})");
        assert_eq!(error, format!("{place}: {reason}: choose another --out"));
        drop(claim);
        assert!(Claim::take(&path).is_ok());
    }
}

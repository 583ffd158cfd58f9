//! The directory of a file, looked at from here.
use std::path::Path;

/// Fails if `file`, which must be new, is in the directory, or too little is free there. A directory that cannot
/// be seen from here has nothing to say.
pub(super) fn check(
    directory: &Path,
    file: Option<&Path>,
    min_free_bytes: u64,
) -> Result<(), String> {
    if !directory.is_dir() {
        return Ok(());
    }
    if let Some(file) = file
        && file.symlink_metadata().is_ok()
    {
        return Err(format!("{} exists", file.display()));
    }
    let place = directory.display();
    let status = rustix::fs::statvfs(directory).map_err(|error| format!("{place}: {error}"))?;
    let free_bytes = status.f_bavail.saturating_mul(status.f_frsize);
    if free_bytes < min_free_bytes {
        return Err(format!("{place}: {free_bytes} bytes are free, the limit is {min_free_bytes}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_there_and_a_disk_that_is_full_are_refused() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        assert_eq!(check(here, Some(&here.join("none.h5")), 0), Ok(()));
        let manifest = here.join("Cargo.toml");
        let there = format!("{} exists", manifest.display());
        assert_eq!(check(here, Some(&manifest), 0), Err(there));
        assert_eq!(check(here, None, 0), Ok(()));
        let full = check(here, Some(&here.join("none.h5")), u64::MAX).unwrap_err();
        assert!(full.ends_with("bytes are free, the limit is 18446744073709551615"), "{full}");
        assert_eq!(check(Path::new("/no/such/directory"), Some(&manifest), u64::MAX), Ok(()));
    }
}

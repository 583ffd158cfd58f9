//! Files with secrets: the bearer token, and the key of the certificate.
use crate::cli::CliError;
use std::{
    fs::File,
    io::{self, Read as _},
    os::unix::fs::PermissionsExt as _,
};

/// The shortest token that cannot be guessed.
const MIN_TOKEN: usize = 16;
/// The longest file that is read: any key is shorter.
const MAX_BYTES: u64 = 1 << 20;
/// Permission of everybody to read, or to write.
const EVERYBODY: u32 = 0o006;

/// The token in the file at `path`: its only line, of characters that fit in a header.
pub(super) fn token(path: &str) -> Result<String, CliError> {
    const KEY: &str = "api.token_file";
    let refused = |reason: String| CliError::input(KEY, format!("{path}: {reason}"));
    let bytes = read(KEY, path)?;
    let text = String::from_utf8_lossy(&bytes);
    let mut lines = text.lines();
    let line = lines.next().unwrap_or_default();
    if lines.next().is_some() {
        let count = text.lines().count();
        return Err(refused(format!("has {count} lines: expected one, with the token")));
    }
    // Never shown, not even a part of it.
    if !line.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(refused("the token has characters other than ASCII without spaces".into()));
    }
    if line.len() < MIN_TOKEN {
        let length = line.len();
        let rule = format!("expected {MIN_TOKEN} or more, such as from openssl rand -hex 32");
        return Err(refused(format!("the token has {length} characters: {rule}")));
    }
    Ok(line.to_owned())
}

/// What the file at `path`, which `key` names, holds. Refused if everybody may read or change it.
pub(super) fn read(key: &str, path: &str) -> Result<Vec<u8>, CliError> {
    let failed = |error: io::Error| CliError::input(key, format!("{path}: {error}"));
    let file = File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
    if mode & EVERYBODY != 0 {
        let reason = format!("everybody may read or change it (mode {mode:03o})");
        return Err(CliError::input(key, format!("{path}: {reason}: chmod o-rw {path}")));
    }
    read_some(file).map_err(failed)
}

/// What `file` holds, if it is no larger than what we look for.
pub(super) fn read_some(file: File) -> io::Result<Vec<u8>> {
    let mut bytes = vec![];
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};

    /// What is said of a file with `text` and `mode`, without its name.
    fn said(text: &str, mode: u32) -> Result<(), String> {
        let dir = tempfile::tempdir().expect("there is room");
        let path = dir.path().join("token");
        fs::write(&path, text).expect("there is room");
        fs::set_permissions(&path, Permissions::from_mode(mode)).expect("it is ours");
        let path = path.to_str().expect("a plain name");
        let token = token(path).map(drop);
        token.map_err(|error| {
            assert_eq!(error.where_, "api.token_file");
            error.message.replace(path, "F")
        })
    }

    #[test]
    fn a_token_is_one_line_that_few_may_read() {
        let check = |text: &str, mode, expected: &str| {
            assert_eq!(said(text, mode), Err(expected.to_owned()), "{text:?}");
        };
        let right = "0123456789abcdef";
        for text in [right.to_owned(), format!("{right}\n"), format!("{right}\r\n")] {
            assert_eq!(said(&text, 0o600), Ok(()), "{text:?}");
        }
        assert_eq!(said(right, 0o640), Ok(()));
        let open = |mode| format!("F: everybody may read or change it (mode {mode}): chmod o-rw F");
        check(right, 0o644, &open("644"));
        check(right, 0o602, &open("602"));
        let short = |length| {
            format!(
                "F: the token has {length} characters: expected 16 or more, such as from openssl \
                 rand -hex 32"
            )
        };
        check("", 0o600, &short(0));
        check("0123456789abcde\n", 0o600, &short(15));
        let lines = "F: has 2 lines: expected one, with the token";
        check(&format!("{right}\n{right}\n"), 0o600, lines);
        check(&format!("{right}\n\n"), 0o600, lines);
        let odd = "F: the token has characters other than ASCII without spaces";
        check("0123456789 abcdef", 0o600, odd);
        check("0123456789abcd\u{e9}f", 0o600, odd);
        check("0123456789abcd\0f", 0o600, odd);
    }

    #[test]
    fn a_token_that_cannot_be_read_is_named() {
        let check = |path: &str, expected: &str| {
            let error = token(path).map(drop).expect_err("it is no token").to_string();
            assert_eq!(error, format!("api.token_file: {path}: {expected}"));
        };
        check("/nowhere/token", "No such file or directory (os error 2)");
    }
}

//! [`Notes`]: the file in which it is noted where runs are. It may always be removed: whatever is
//! missing or does not fit is made up for from the documents.
use super::index::Note;
use serde::{Deserialize, Serialize};
use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

/// A file of documents that is shorter is looked at as a whole: that takes no time.
const WORTH_IT: u64 = 1 << 20;

#[derive(Debug)]
pub(super) struct Notes {
    path: PathBuf,
    /// Whether what is in the file is whole, so that more can be added.
    is_sound: bool,
}

/// The first line.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    index_of: String,
    version: u32,
}

impl Notes {
    /// What is noted of the documents at `path`; none if there is nothing, or something else.
    pub(super) fn read(documents: &Path) -> (Self, Option<Vec<Note>>) {
        let mut path = OsString::from(documents);
        path.push(".index");
        let path = PathBuf::from(path);
        let noted = match fs::read(&path) {
            Ok(text) => parse(&text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "the index is not read");
                None
            }
        };
        let is_sound = noted.is_some();
        (Self { path, is_sound }, noted)
    }

    /// Makes the next [`add`](Self::add) write everything anew.
    pub(super) fn distrust(&mut self) {
        self.is_sound = false;
    }

    pub(super) fn is_sound(&self) -> bool {
        self.is_sound
    }

    /// Notes `news` of documents that are so long; or `all()`, where there is no sound file yet.
    /// Failure costs time when the next process starts, and no more.
    pub(super) fn add(&mut self, length: u64, news: &[Note], all: impl FnOnce() -> Vec<Note>) {
        if length < WORTH_IT {
            // Nothing is noted, so there is nothing to add to.
            self.is_sound = false;
            return;
        }
        let added = match self.is_sound {
            true if news.is_empty() => return,
            true => self.append(&lines(news)),
            false => self.replace(&all()),
        };
        self.is_sound = added.is_ok();
        if let Err(error) = added {
            tracing::warn!(path = %self.path.display(), %error, "the index is not written");
        }
    }

    fn append(&self, text: &str) -> io::Result<()> {
        File::options().append(true).open(&self.path)?.write_all(text.as_bytes())
    }

    fn replace(&self, notes: &[Note]) -> io::Result<()> {
        let mut fresh = self.path.clone().into_os_string();
        fresh.push(".new");
        fs::write(&fresh, line(&head()) + &lines(notes))?;
        fs::rename(&fresh, &self.path)
    }
}

fn head() -> Head {
    Head { index_of: "documents".to_owned(), version: 2 }
}

fn line(value: &impl Serialize) -> String {
    let mut line = serde_json::to_string(value).expect("keys are strings and numbers are finite");
    line.push('\n');
    line
}

fn lines(notes: &[Note]) -> String {
    notes.iter().map(line).collect()
}

fn parse(text: &[u8]) -> Option<Vec<Note>> {
    // Part of a line is left by a process that was killed, and is no reason to trust the rest.
    let mut lines = text.strip_suffix(b"\n")?.split(|byte| *byte == b'\n');
    let first: Head = serde_json::from_slice(lines.next()?).ok()?;
    if first != head() {
        return None;
    }
    lines.map(|line| serde_json::from_slice(line).ok()).collect()
}

//! [`Log`]: the file of the queue, one JSON line for each decision, on disk before it counts.
use super::book::{Book, Change};
use std::{
    ffi::OsString,
    fs::{self, File, Metadata, TryLockError},
    io::{self, Write as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// How much the file may grow, beside twice what it began with, before it is written anew.
const GROWTH: u64 = 1 << 20;

/// Why a decision is not on disk.
#[derive(Debug, thiserror::Error)]
pub(super) enum LogError {
    /// It was taken without knowing of another one, which is on disk.
    #[error("another decision was taken meanwhile")]
    Stale,
    /// The next process could not read it.
    #[error("it cannot be read back: {0}")]
    Unreadable(serde_json::Error),
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
}

/// The file of the queue. Its methods block.
#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    file: Mutex<Lines>,
    /// Decisions that are on disk and were not taken in yet.
    landed: Mutex<Vec<Vec<Change>>>,
}

#[derive(Debug, Default)]
struct Lines {
    /// None before the first decision: a process that only looks leaves nothing behind.
    open: Option<OpenFile>,
    /// Decisions on disk since this process began.
    version: u64,
    /// What is to be written with the next decision.
    unwritten: Vec<Change>,
}

/// The file, which this process alone writes, and how long it must be.
#[derive(Debug)]
struct OpenFile {
    file: File,
    length: u64,
    /// Its length when it was written anew.
    floor: u64,
    /// Whether its name is on disk; if not, nothing in it counts.
    is_linked: bool,
}

impl Log {
    /// The log at `path`, which need not exist yet, and the book that it leads to.
    pub(super) fn open(path: PathBuf) -> Result<(Self, Book), LogError> {
        let opened = OpenFile::find(&path).map(|found| match found {
            None => (Lines::default(), Book::default()),
            Some((open, book)) => (Lines { open: Some(open), ..Lines::default() }, book),
        });
        match opened {
            Ok((lines, book)) => {
                let (file, landed) = (Mutex::new(lines), Mutex::default());
                Ok((Self { path, file, landed }, book))
            }
            Err(source) => Err(LogError::File { path, source }),
        }
    }

    /// Writes what a new process has decided, with `book`, where that leads to; the file is as short
    /// as can be then. What cannot be written now is written with the next decision.
    pub(super) fn begin(&self, decided: Vec<Change>, book: &Book) {
        let mut lines = lock(&self.file);
        let Some(open) = &mut lines.open else { return };
        if let Err(error) = open.compact(&self.path, book) {
            tracing::warn!(path = %self.path.display(), %error, "cannot be written anew");
            lines.unwritten = decided;
        }
    }

    /// Puts a decision on disk, which was taken when `version` others had been; `after` is where it
    /// leads to. It has landed then. A failure leaves nothing of it behind.
    pub(super) fn append(
        &self,
        version: u64,
        changes: Vec<Change>,
        after: &Book,
    ) -> Result<(), LogError> {
        let mut lines = lock(&self.file);
        if lines.version != version {
            return Err(LogError::Stale);
        }
        let line = line(lines.unwritten.iter().chain(&changes));
        // What cannot be read would keep the next process from its start.
        parse(line.as_bytes()).map_err(LogError::Unreadable)?;
        lines.append(&self.path, &line).map_err(|source| {
            let path = self.path.clone();
            LogError::File { path, source }
        })?;
        lines.version += 1;
        lines.unwritten.clear();
        lock(&self.landed).push(changes);
        if let Some(open) = lines.open.as_mut().filter(|open| open.is_worth_it())
            && let Err(error) = open.compact(&self.path, after)
        {
            tracing::warn!(path = %self.path.display(), %error, "cannot be written anew");
        }
        Ok(())
    }

    /// Decisions that have landed since this was asked last.
    pub(super) fn take_landed(&self) -> Vec<Vec<Change>> {
        std::mem::take(&mut *lock(&self.landed))
    }
}

impl Lines {
    fn append(&mut self, path: &Path, line: &str) -> io::Result<()> {
        if self.open.is_none() {
            let file = lockable(path, File::options().create_new(true).append(true))?;
            self.open = Some(OpenFile { file, length: 0, floor: 0, is_linked: false });
        }
        let open = self.open.as_mut().expect("just opened");
        open.check(path)?;
        open.link(path)?;
        open.append(line.as_bytes())
    }
}

impl OpenFile {
    /// The file at `path`, if there is one, and the book that it leads to. Part of a line at its end
    /// is cut off: whoever decided that was killed before it counted.
    fn find(path: &Path) -> io::Result<Option<(Self, Book)>> {
        loop {
            // To open a pipe would wait for a writer.
            match fs::metadata(path) {
                Ok(there) if there.is_file() => {}
                Ok(_) => return Err(io::Error::other("it is there, and is no regular file")),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(error),
            }
            let file = lockable(path, File::options().read(true).append(true))?;
            // Whoever had it may have replaced it before it was ours.
            if !is_same(&fs::metadata(path)?, &file.metadata()?) {
                continue;
            }
            let text = fs::read(path)?;
            let (book, length) = replay(&text)?;
            file.set_len(length)?;
            return Ok(Some((Self { file, length, floor: 0, is_linked: true }, book)));
        }
    }

    /// Fails if somebody else removed, replaced or changed the file.
    fn check(&self, path: &Path) -> io::Result<()> {
        let here = self.file.metadata()?;
        if here.len() == self.length && fs::metadata(path).is_ok_and(|there| is_same(&there, &here))
        {
            return Ok(());
        }
        Err(io::Error::other("it was removed, replaced or changed by somebody else"))
    }

    /// Makes sure that its name is on disk.
    fn link(&mut self, path: &Path) -> io::Result<()> {
        if !self.is_linked {
            sync_directory(path)?;
            self.is_linked = true;
        }
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let written = self.file.write_all(bytes).and_then(|()| self.file.sync_data());
        match written {
            Ok(()) => {
                self.length += bytes.len() as u64;
                Ok(())
            }
            Err(error) => {
                if let Err(cut) = self.file.set_len(self.length) {
                    tracing::warn!(%cut, "part of a line is left");
                }
                Err(error)
            }
        }
    }

    fn is_worth_it(&self) -> bool {
        self.length > 2 * self.floor + GROWTH
    }

    /// Writes the file anew, with nothing in it but what leads to `book`.
    fn compact(&mut self, path: &Path, book: &Book) -> io::Result<()> {
        self.check(path)?;
        let mut fresh = OsString::from(path);
        fresh.push(".new");
        let fresh = PathBuf::from(fresh);
        match fs::remove_file(&fresh) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = lockable(&fresh, File::options().create_new(true).append(true))?;
        let text: String = book.history().iter().map(|change| line([change])).collect();
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&fresh, path)?;
        // From here on it is the file, whatever else fails.
        let length = text.len() as u64;
        *self = Self { file, length, floor: length, is_linked: false };
        if let Err(error) = self.link(path) {
            tracing::warn!(path = %path.display(), %error, "its name is not on disk yet");
        }
        Ok(())
    }
}

/// A file that is locked: it is nobody else's.
fn lockable(path: &Path, options: &fs::OpenOptions) -> io::Result<File> {
    let file = options.open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(io::Error::other("another process has it")),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn sync_directory(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(directory.unwrap_or_else(|| Path::new(".")))?.sync_all()
}

fn is_same(there: &Metadata, here: &Metadata) -> bool {
    (there.dev(), there.ino()) == (here.dev(), here.ino())
}

fn line<'a>(changes: impl IntoIterator<Item = &'a Change>) -> String {
    let changes: Vec<&Change> = changes.into_iter().collect();
    let mut line = serde_json::to_string(&changes).expect("keys are strings");
    line.push('\n');
    line
}

fn parse(line: &[u8]) -> serde_json::Result<Vec<Change>> {
    serde_json::from_slice(line)
}

/// The book that the lines of a file lead to, and how long they are. The last one may be part of a
/// line; any other that does not fit is an error: nobody knows what was decided there.
fn replay(text: &[u8]) -> io::Result<(Book, u64)> {
    let (mut book, mut length) = (Book::default(), 0);
    for (i, line) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let is_whole = line.last() == Some(&b'\n');
        if !is_whole {
            break;
        }
        let wrong = |reason: &dyn std::fmt::Display| {
            let number = i + 1;
            let rule = "move the file away to begin with an empty queue";
            io::Error::new(io::ErrorKind::InvalidData, format!("line {number}: {reason}; {rule}"))
        };
        let changes = parse(line).map_err(|error| wrong(&error))?;
        for change in &changes {
            book.apply(change).map_err(|misfit| wrong(&misfit))?;
        }
        length += line.len() as u64;
    }
    Ok((book, length))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::{super::book::Item, *};
    use bluefly_protocol::api::{Run, RunSource, RunState};
    use std::collections::BTreeMap;

    fn run(uid: &str) -> Item {
        Item::new(Run {
            uid: uid.to_owned(),
            state: RunState::Queued,
            place: None,
            submitted_s: 1.0,
            started_s: None,
            ended_s: None,
            num_frames: None,
            reason: String::new(),
            spec: None,
            metadata: BTreeMap::new(),
            source: RunSource::Queue,
        })
    }

    fn decisions() -> Vec<Vec<Change>> {
        let uid = || "b".to_owned();
        vec![
            vec![Change::Submitted { run: run("a") }],
            vec![Change::Submitted { run: run("b") }, Change::Held { reason: "\u{e9}\n".into() }],
            vec![Change::Moved { uid: uid(), place: 0 }],
            vec![Change::Cancelled { uid: "a".to_owned(), at_s: 2.0 }, Change::Released],
            vec![Change::Started { uid: uid(), at_s: 3.0 }],
            vec![Change::Returned { uid: uid() }],
        ]
    }

    #[test]
    fn whatever_is_whole_counts_wherever_a_journal_was_cut() {
        let mut text = String::new();
        let mut after = vec![(0, Book::default())];
        for changes in decisions() {
            text.push_str(&line(&changes));
            let mut book = after[after.len() - 1].1.clone();
            for change in &changes {
                book.apply(change).expect("it fits");
            }
            after.push((text.len(), book));
        }
        for cut in 0..=text.len() {
            let (book, length) = replay(&text.as_bytes()[..cut]).expect("it is whole up to there");
            let expected = after.iter().rfind(|(length, _)| *length <= cut).expect("the first");
            assert_eq!((length as usize, &book), (expected.0, &expected.1), "cut at {cut}");
        }
        let (_, last) = &after[after.len() - 1];
        let again: String = last.history().iter().map(|change| line([change])).collect();
        assert_eq!(&replay(again.as_bytes()).expect("it is whole").0, last);
    }
}

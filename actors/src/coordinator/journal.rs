//! [`Journal`]: the file of documents, one JSON line each, written once and in order.
use crate::{
    archive::{Archive, Unended},
    feed::Feed,
};
use bluefly_protocol::{api::EventKind, document::Document};
use std::{
    fs::{self, File, Metadata, TryLockError},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::MetadataExt as _,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// One document, as it is written.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// The run that it belongs to.
    pub(super) run: Arc<str>,
    pub(super) json: String,
}

impl Line {
    pub(super) fn new(run: &Arc<str>, document: &Document) -> Self {
        let json = serde_json::to_string(document);
        let json = json.expect("composed documents have string keys only");
        Self { run: Arc::clone(run), json }
    }
}

/// Lines on their way to a file. The main thread only ever touches `waiting`.
#[derive(Debug)]
pub(super) struct Journal {
    /// Is told of every line that is in the file, and so is the feed.
    archive: Archive,
    feed: Feed,
    waiting: Mutex<Vec<Line>>,
    file: Mutex<Option<OpenFile>>,
}

/// The file, which this process alone writes, and how long it must be.
#[derive(Debug)]
struct OpenFile {
    file: File,
    length: u64,
}

impl Journal {
    /// A journal that writes the file of `archive`.
    pub(super) fn new(archive: Archive, feed: Feed) -> Self {
        Self { archive, feed, waiting: Mutex::default(), file: Mutex::default() }
    }

    pub(super) fn path(&self) -> &Path {
        self.archive.path()
    }

    pub(super) fn push(&self, lines: Vec<Line>) {
        lock(&self.waiting).extend(lines);
    }

    /// Writes what is waiting. A failed write leaves no part of a line behind, and is made up for
    /// by the next one.
    pub(super) fn write(&self) -> io::Result<()> {
        let mut file = lock(&self.file);
        let lines = std::mem::take(&mut *lock(&self.waiting));
        if lines.is_empty() {
            return Ok(());
        }
        let written = self.append(&mut file, &lines);
        if written.is_err() {
            lock(&self.waiting).splice(0..0, lines);
        } else {
            for line in &lines {
                self.tell(line);
            }
        }
        written
    }

    fn tell(&self, Line { run, json }: &Line) {
        let fields = json.strip_prefix('{').expect("a document is an object");
        let head = r#"{"event":"document","seq":"#;
        self.feed.push(EventKind::Document, [head, &format!(r#","run":"{run}",{fields}"#)]);
    }

    /// Ends the run that a killed process left open, if one did, with a document that has `uid()`.
    /// Fails if that process is alive and writes the file.
    pub(super) fn end_unended(
        &self,
        uid: impl FnOnce() -> String,
        now_s: f64,
    ) -> io::Result<Option<Unended>> {
        let mut file = lock(&self.file);
        if self.archive.unended().is_none() {
            return Ok(None);
        }
        // Asked again once the file is ours: whoever had it may have ended its run meanwhile.
        self.open(&mut file)?;
        let Some(unended) = self.archive.unended() else { return Ok(None) };
        let line = Line::new(&unended.uid.as_str().into(), &unended.clone().stop(uid(), now_s));
        self.append(&mut file, std::slice::from_ref(&line))?;
        self.tell(&line);
        Ok(Some(unended))
    }

    fn append(&self, open: &mut Option<OpenFile>, lines: &[Line]) -> io::Result<()> {
        let open = self.open(open)?;
        open.check(self.path())?;
        let text: String = lines.iter().flat_map(|line| [line.json.as_str(), "\n"]).collect();
        let offset = open.length;
        open.append(text.as_bytes())?;
        self.archive.written(offset, lines.iter().map(|line| line.json.as_str()));
        Ok(())
    }

    fn open<'a>(&self, open: &'a mut Option<OpenFile>) -> io::Result<&'a mut OpenFile> {
        if open.is_none() {
            let file = OpenFile::open(self.path())?;
            // What is not found again is in the file all the same.
            if let Err(error) = self.archive.catch_up(file.length) {
                tracing::warn!(path = %self.path().display(), %error, "cannot be looked through");
            }
            *open = Some(file);
        }
        Ok(open.as_mut().expect("just opened"))
    }
}

impl OpenFile {
    fn open(path: &Path) -> io::Result<Self> {
        // To open a pipe would wait for a reader.
        if fs::metadata(path).is_ok_and(|there| !there.is_file()) {
            return Err(io::Error::other("it is there, and is no regular file"));
        }
        let mut file = File::options().create(true).read(true).append(true).open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(io::Error::other("another process writes it"));
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let length = file.metadata()?.len();
        let is_whole = length == 0 || {
            let mut last = [0];
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
            last == *b"\n"
        };
        let mut open = Self { file, length };
        if !is_whole {
            // A process that was killed left part of a line: ours begin on a line of their own.
            open.append(b"\n")?;
        }
        Ok(open)
    }

    /// Fails if somebody else removed, replaced or cut the file.
    fn check(&self, path: &Path) -> io::Result<()> {
        let same = |there: &Metadata, here: &Metadata| {
            (there.dev(), there.ino()) == (here.dev(), here.ino()) && here.len() == self.length
        };
        let here = self.file.metadata()?;
        if fs::metadata(path).is_ok_and(|there| same(&there, &here)) {
            return Ok(());
        }
        Err(io::Error::other("it was removed, replaced or changed by somebody else"))
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self.file.write_all(bytes) {
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
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

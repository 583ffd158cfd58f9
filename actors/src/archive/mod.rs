//! [`Archive`]: finds runs, and rows of runs, in the file of documents.
//!
//! The file may be of many gigabytes and have very many runs. What is kept in memory is where each
//! run is, some hundred bytes; beside the file stands an index, so that a process which starts looks
//! only at what was written last. Everything else is read when it is asked for.
//!
//! All of it blocks: it is for threads that may ([`Clock::foreign`](crate::clock::Clock::foreign)).
mod documents;
mod index;
mod line;
mod marks;
mod notes;
mod pages;
mod past;
mod tally;

pub use documents::Documents;
pub use past::Past;

use bluefly_protocol::{
    api::Columns,
    document::{Document, ExitStatus, Stop},
};
use index::{Entry, Index, Place};
use marks::Marks;
use notes::Notes;
use pages::Pages;
use std::{
    collections::BTreeMap,
    fs::File,
    io,
    ops::Range,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Rows in one answer at most.
pub const MAX_ROWS: u64 = 10_000;

/// Where runs are in a file of documents. Cheap to clone; all clones are the same archive.
#[derive(Clone, Debug)]
pub struct Archive(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    /// Taken first, if both are.
    notes: Mutex<Notes>,
    index: Mutex<Index>,
    marks: Arc<Mutex<Marks>>,
}

/// A run that nobody ended: the process that flew it was killed.
#[derive(Clone, Debug, PartialEq)]
pub struct Unended {
    pub uid: String,
    pub started_s: f64,
    /// Events that were documented, of each stream.
    pub num_events: BTreeMap<String, u64>,
}

/// Why a run failed that was in the air when its process was killed.
pub const KILLED: &str = "the process that flew it was killed";

impl Unended {
    /// The document that ends it, with `uid`.
    pub fn stop(self, uid: String, now_s: f64) -> Document {
        Document::Stop(Stop {
            uid,
            time_s: now_s.max(self.started_s),
            run_start: self.uid,
            exit_status: ExitStatus::Fail,
            reason: KILLED.to_owned(),
            num_events: self.num_events,
        })
    }
}

impl Archive {
    /// The runs in the file at `path`, which need not exist yet.
    pub fn open(path: PathBuf) -> io::Result<Self> {
        let length = match std::fs::metadata(&path) {
            Ok(there) if there.is_file() => there.len(),
            // Whoever is to write it says what is wrong with it.
            Ok(_) => 0,
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(error),
        };
        let (mut notes, known) = Notes::read(&path);
        let known = known.and_then(Index::from_notes).filter(|index| fits(index, &path, length));
        if known.is_none() {
            notes.distrust();
        }
        let mut index = known.unwrap_or_default();
        if length > index.length {
            index.read(&path, length)?;
        }
        if !notes.is_sound() {
            index.take_news();
            notes.add(index.length, &[], || index.notes());
        }
        let (notes, index, marks) = (Mutex::new(notes), Mutex::new(index), Arc::default());
        Ok(Self(Arc::new(Shared { path, notes, index, marks })))
    }

    /// The file of documents.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Looks at what else is in the file, which is so long: another process may have written since.
    pub fn catch_up(&self, length: u64) -> io::Result<()> {
        let mut index = lock(&self.0.index);
        if length > index.length { index.read(&self.0.path, length) } else { Ok(()) }
    }

    /// `lines` are in the file, from `offset` on. Called in order by whoever writes them.
    pub fn written<'a>(&self, offset: u64, lines: impl IntoIterator<Item = &'a str>) {
        let mut notes = lock(&self.0.notes);
        let (length, news) = {
            let mut index = lock(&self.0.index);
            let mut at = offset;
            for line in lines {
                index.note(at, line.as_bytes());
                at += line.len() as u64 + 1;
            }
            (index.length, index.take_news())
        };
        if !news.is_empty() {
            notes.add(length, &news, || lock(&self.0.index).notes());
        }
    }

    /// The run that has no end.
    pub fn unended(&self) -> Option<Unended> {
        let index = lock(&self.0.index);
        let open = index.open.as_ref()?;
        let num_events = open.num_events();
        Some(Unended { uid: open.uid.clone(), started_s: open.time_s, num_events })
    }

    /// Whether a run of that uid has begun. Does not block.
    pub fn knows(&self, uid: &str) -> bool {
        lock(&self.0.index).knows(uid)
    }

    /// Whether a run of that uid is over. Does not block.
    pub fn has_ended(&self, uid: &str) -> bool {
        lock(&self.0.index).has_ended(uid)
    }

    /// How many runs have begun. Does not block.
    pub fn num_runs(&self) -> usize {
        lock(&self.0.index).num_runs()
    }

    /// A run that is over.
    pub fn run(&self, uid: &str) -> io::Result<Option<Past>> {
        let place = lock(&self.0.index).place(uid);
        let is_open = self.unended().is_some_and(|open| open.uid == uid);
        match place.filter(|_| !is_open) {
            None => Ok(None),
            Some(place) => Past::read(self.file()?, place.start, place.stop).map(Some),
        }
    }

    /// The latest runs that are over and wanted, by their uids and how they ended: at most `limit`,
    /// the latest first. One whose documents cannot be read is left out.
    pub fn runs(&self, limit: usize, is_wanted: impl Fn(&str, ExitStatus) -> bool) -> Vec<Past> {
        let entries: Vec<Entry> = {
            let index = lock(&self.0.index);
            let wanted = index.latest().filter(|run| is_wanted(&run.uid, run.exit_status()));
            wanted.take(limit).cloned().collect()
        };
        let read = |entry: Entry| {
            let past = self.file().and_then(|file| Past::read(file, entry.start, entry.stop_at()));
            past.inspect_err(|error| tracing::warn!(uid = entry.uid, %error, "a run is left out"))
        };
        entries.into_iter().flat_map(read).collect()
    }

    /// The documents of a run, as they are in the file by now; none if it never began.
    pub fn documents(&self, uid: &str) -> io::Result<Option<Documents>> {
        let place = lock(&self.0.index).place(uid);
        let marks = || Arc::clone(&self.0.marks);
        let open = |place: Place| Documents::new(self.file()?, uid, (&place, marks()));
        place.map(open).transpose()
    }

    /// Numbers of those `rows` of a run that are documented, at most [`MAX_ROWS`]. The same rows are
    /// told in the same way whenever they are asked for.
    pub fn columns(&self, uid: &str, rows: Range<u64>) -> io::Result<Columns> {
        let Some(place) = lock(&self.0.index).place(uid) else {
            let reason = format!("run {uid} never began");
            return Err(io::Error::new(io::ErrorKind::NotFound, reason));
        };
        let pages = if let Some(pages) = place.pages {
            pages
        } else {
            let pages = Arc::new(Pages::read(self.file()?, place.start, place.end)?);
            lock(&self.0.index).remember(uid, Arc::clone(&pages));
            pages
        };
        let end = rows.end.min(rows.start.saturating_add(MAX_ROWS));
        pages.columns(self.file()?, place.end, rows.start..end)
    }

    fn file(&self) -> io::Result<File> {
        File::open(&self.0.path)
    }
}

/// Whether the last run that was noted, and the one that is open, are where they are said to be.
fn fits(index: &Index, path: &Path, length: u64) -> bool {
    let is_there = |uid: &str, start, stop| {
        let past = File::open(path).and_then(|file| Past::read(file, start, stop));
        past.is_ok_and(|past| past.uid() == uid)
    };
    index.length <= length
        && index.latest().take(1).all(|run| is_there(&run.uid, run.start, run.stop_at()))
        && index.open.iter().all(|run| is_there(&run.uid, run.start, None))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

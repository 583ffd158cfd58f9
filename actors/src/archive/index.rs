//! [`Index`]: where the runs of a file of documents begin and end.
use super::{
    line::{Kind, Line, Lines},
    pages::Pages,
    tally::OpenRun,
};
use bluefly_protocol::document::ExitStatus;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fs::File, io, path::Path, sync::Arc};

/// Runs whose pages are remembered; those of others are looked for when they are asked for.
const RECENT: usize = 8;
/// Bytes of one run after which it is noted how far it has come.
const CHECKPOINT: u64 = 8 << 20;

/// A run that is over. Small: there may be very many.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) uid: String,
    /// Where its start document is.
    pub(super) start: u64,
    /// Its stop document, if it has one.
    pub(super) stop: Option<StopMark>,
    /// Where its last line ends.
    pub(super) end: u64,
}

/// Where a stop document is, and what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StopMark {
    pub(super) at: u64,
    pub(super) exit_status: ExitStatus,
}

impl Entry {
    pub(super) fn stop_at(&self) -> Option<u64> {
        self.stop.map(|stop| stop.at)
    }

    /// One that was never ended has failed.
    pub(super) fn exit_status(&self) -> ExitStatus {
        self.stop.map_or(ExitStatus::Fail, |stop| stop.exit_status)
    }
}

/// What is noted beside the file, so that the next process need not look at all of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Note {
    Run(Entry),
    /// The run that is open, when the file was so long.
    Open(OpenRun, u64),
}

/// The runs of a file, in the order in which they are there.
#[derive(Debug, Default)]
pub(super) struct Index {
    runs: Vec<Entry>,
    by_uid: BTreeMap<String, usize>,
    pub(super) open: Option<OpenRun>,
    /// How far the file has been looked at: up to the end of a line.
    pub(super) length: u64,
    recent: Vec<(String, Arc<Pages>)>,
    /// What is to be noted beside the file.
    news: Vec<Note>,
    /// The length at which the last note was made.
    noted: u64,
}

/// Where the documents of a run are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) start: u64,
    /// None while it is open.
    pub(super) stop: Option<u64>,
    pub(super) end: u64,
    pub(super) pages: Option<Arc<Pages>>,
}

impl Index {
    /// An index of what was noted; nothing if the notes do not fit each other.
    pub(super) fn from_notes(notes: Vec<Note>) -> Option<Self> {
        let mut index = Self::default();
        for note in notes {
            match note {
                Note::Run(entry) => {
                    let stop = entry.stop_at().unwrap_or(entry.end);
                    if entry.start < index.length || stop < entry.start || entry.end < stop {
                        return None;
                    }
                    index.open = None;
                    index.length = entry.end;
                    index.add(entry);
                }
                Note::Open(run, length) => {
                    let ended = index.runs.last().map_or(0, |entry| entry.end);
                    if run.start < ended || length < run.start.max(index.length) {
                        return None;
                    }
                    index.length = length;
                    index.open = Some(run);
                }
            }
        }
        index.noted = index.length;
        Some(index)
    }

    /// Everything that is known of the file.
    pub(super) fn notes(&self) -> Vec<Note> {
        let open = self.open.as_ref().map(|run| Note::Open(run.clone(), self.length));
        self.runs.iter().cloned().map(Note::Run).chain(open).collect()
    }

    pub(super) fn take_news(&mut self) -> Vec<Note> {
        std::mem::take(&mut self.news)
    }

    /// Looks at the lines from where the index ends to `end`.
    pub(super) fn read(&mut self, path: &Path, end: u64) -> io::Result<()> {
        let mut lines = Lines::new(File::open(path)?, self.length, end)?;
        // What stands between the ends of a run counts only if it is the one that is open.
        let mut is_skimmed = false;
        while let Some((at, line)) = lines.next()? {
            match Kind::of(line) {
                Kind::Other if is_skimmed => {}
                Kind::Start => {
                    self.note(at, line);
                    if let Some(open) = &mut self.open {
                        open.pages = None;
                    }
                    is_skimmed = true;
                }
                Kind::Other | Kind::Stop | Kind::Junk => self.note(at, line),
            }
        }
        self.length = lines.at().max(self.length);
        match self.open.take() {
            Some(open) if is_skimmed => {
                let mut open = OpenRun::new(open.uid, open.start, open.time_s);
                let mut lines = Lines::new(File::open(path)?, open.start, self.length)?;
                while let Some((at, line)) = lines.next()? {
                    if let Some(line) = Line::parse(line) {
                        open.note(at, line);
                    }
                }
                self.open = Some(open);
            }
            open => self.open = open,
        }
        self.note_progress();
        Ok(())
    }

    /// Takes in the line at `at`, which is in the file with its end.
    pub(super) fn note(&mut self, at: u64, line: &[u8]) {
        let end = at + line.len() as u64 + 1;
        match (Kind::of(line), &mut self.open) {
            (Kind::Junk, _) | (Kind::Other | Kind::Stop, None) => {}
            (Kind::Start, _) => {
                if let Some(Line::Start { uid, time }) = Line::parse(line) {
                    self.close(None, at);
                    self.open = Some(OpenRun::new(uid, at, time));
                }
            }
            (Kind::Stop, Some(open)) => {
                if let Some(Line::Stop { run_start, exit_status }) = Line::parse(line)
                    && run_start == open.uid
                {
                    self.close(Some(StopMark { at, exit_status }), end);
                }
            }
            (Kind::Other, Some(open)) => {
                if let Some(line) = Line::parse(line) {
                    open.note(at, line);
                }
            }
        }
        self.length = end;
        if self.length - self.noted >= CHECKPOINT {
            self.note_progress();
        }
    }

    fn note_progress(&mut self) {
        if let Some(open) = self.open.as_ref().filter(|_| self.length > self.noted) {
            self.noted = self.length;
            self.news.push(Note::Open(open.clone(), self.length));
        }
    }

    fn close(&mut self, stop: Option<StopMark>, end: u64) {
        let Some(open) = self.open.take() else { return };
        let entry = Entry { uid: open.uid, start: open.start, stop, end };
        self.noted = end;
        self.news.push(Note::Run(entry.clone()));
        let uid = entry.uid.clone();
        self.add(entry);
        if let Some(pages) = open.pages {
            self.remember(&uid, Arc::new(pages));
        }
    }

    fn add(&mut self, entry: Entry) {
        self.by_uid.insert(entry.uid.clone(), self.runs.len());
        self.runs.push(entry);
    }

    /// Keeps the pages of a run, if it is over.
    pub(super) fn remember(&mut self, uid: &str, pages: Arc<Pages>) {
        if !self.by_uid.contains_key(uid) {
            return;
        }
        self.recent.retain(|(known, _)| known != uid);
        if self.recent.len() == RECENT {
            self.recent.remove(0);
        }
        self.recent.push((uid.to_owned(), pages));
    }

    pub(super) fn knows(&self, uid: &str) -> bool {
        self.by_uid.contains_key(uid) || self.open.as_ref().is_some_and(|open| open.uid == uid)
    }

    pub(super) fn has_ended(&self, uid: &str) -> bool {
        self.by_uid.contains_key(uid) && self.open.as_ref().is_none_or(|open| open.uid != uid)
    }

    /// Runs that are over, the latest first.
    pub(super) fn latest(&self) -> impl Iterator<Item = &Entry> {
        self.runs.iter().rev()
    }

    pub(super) fn num_runs(&self) -> usize {
        self.runs.len() + usize::from(self.open.is_some())
    }

    /// Where the documents of a run are; of the latest, if several have that uid.
    pub(super) fn place(&self, uid: &str) -> Option<Place> {
        if let Some(open) = self.open.as_ref().filter(|open| open.uid == uid) {
            let pages = open.pages.clone().map(Arc::new);
            return Some(Place { start: open.start, stop: None, end: self.length, pages });
        }
        let entry = &self.runs[*self.by_uid.get(uid)?];
        let pages = self.recent.iter().find(|(known, _)| known == uid);
        let pages = pages.map(|(_, pages)| Arc::clone(pages));
        Some(Place { start: entry.start, stop: entry.stop_at(), end: entry.end, pages })
    }
}

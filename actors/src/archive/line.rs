//! Lines of the file of documents: where each is, and what of it counts here.
use bluefly_protocol::document::ExitStatus;
use serde::{Deserialize, de::IgnoredAny};
use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Take},
};

/// The longest line that is looked at: a page of documents has 1,000 rows.
const MAX_LINE: u64 = 64 << 20;

/// What a line is, as far as its first bytes tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Start,
    Stop,
    /// Something else of a run.
    Other,
    /// No document: part of one, left by a process that was killed.
    Junk,
}

impl Kind {
    pub(super) fn of(line: &[u8]) -> Self {
        let Some(rest) = line.strip_prefix(b"{\"name\":\"") else { return Self::Junk };
        match rest {
            [b's', b't', b'a', b'r', b't', b'"', ..] => Self::Start,
            [b's', b't', b'o', b'p', b'"', ..] => Self::Stop,
            _ => Self::Other,
        }
    }
}

/// A document, as far as it counts rows.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(tag = "name", content = "doc", rename_all = "snake_case")]
pub(super) enum Line {
    Start { uid: String, time: f64 },
    Descriptor { uid: String, name: String, data_keys: BTreeMap<String, Key> },
    StreamResource { uid: String, data_key: String },
    StreamDatum { stream_resource: String, descriptor: String, seq_nums: Span },
    EventPage { descriptor: String, seq_num: Vec<u64> },
    Stop { run_start: String, exit_status: ExitStatus },
}

/// Whether the values of a key are in files.
#[derive(Debug, PartialEq, Deserialize)]
pub(super) struct Key {
    #[serde(default)]
    pub(super) external: Option<IgnoredAny>,
}

#[derive(Debug, PartialEq, Deserialize)]
pub(super) struct Span {
    pub(super) stop: u64,
}

impl Line {
    /// None if it is no whole document.
    pub(super) fn parse(line: &[u8]) -> Option<Self> {
        serde_json::from_slice(line).ok()
    }
}

/// Whole lines of a file between two offsets, one at a time.
pub(super) struct Lines {
    reader: BufReader<Take<File>>,
    at: u64,
    line: Vec<u8>,
}

impl Lines {
    /// Lines from `start` on that end before or at `end`.
    pub(super) fn new(mut file: File, start: u64, end: u64) -> io::Result<Self> {
        file.seek(SeekFrom::Start(start))?;
        let reader = BufReader::with_capacity(1 << 16, file.take(end.saturating_sub(start)));
        Ok(Self { reader, at: start, line: Vec::new() })
    }

    /// Where the line after the one that was given last begins.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// The line that was given last.
    pub(super) fn last(&self) -> &[u8] {
        &self.line
    }

    /// The next line, without its end, and where it begins. One that is too long to be a document
    /// comes without text.
    pub(super) fn next(&mut self) -> io::Result<Option<(u64, &[u8])>> {
        self.line.clear();
        let mut read = (&mut self.reader).take(MAX_LINE).read_until(b'\n', &mut self.line)?;
        if self.line.last() != Some(&b'\n') && read as u64 == MAX_LINE {
            let rest = self.reader.skip_until(b'\n')?;
            self.line = if rest > 0 { vec![b'\n'] } else { Vec::new() };
            read += rest;
        }
        if self.line.pop().is_none_or(|last| last != b'\n') {
            return Ok(None);
        }
        let start = self.at;
        self.at += read as u64;
        Ok(Some((start, &self.line)))
    }
}

/// Whether `line` is a whole document.
pub(super) fn is_document(line: &[u8]) -> bool {
    Kind::of(line) != Kind::Junk && serde_json::from_slice::<IgnoredAny>(line).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_told_by_its_first_bytes() {
        let check =
            |line: &str, expected| assert_eq!(Kind::of(line.as_bytes()), expected, "{line}");
        check("{\"name\":\"start\",\"doc\":{}}", Kind::Start);
        check("{\"name\":\"stop\",\"doc\":{}}", Kind::Stop);
        check("{\"name\":\"stream_datum\",\"doc\":{}}", Kind::Other);
        check("{\"name\":\"st", Kind::Other);
        check("{\"na", Kind::Junk);
        check("", Kind::Junk);
        check("\0\0\0", Kind::Junk);
        assert!(!is_document(b"{\"name\":\"start\",\"doc\":{}"));
        assert!(is_document(b"{\"name\":\"start\",\"doc\":{}}"));
    }
}

//! [`Documents`]: the documents of one run, one after the other.
use super::{
    line::{Line, Lines, is_document},
    past::other,
};
use std::{fs::File, io};

/// Lines of a file, read as they are asked for. What is no document is left out: part of a line
/// that a killed process left.
pub struct Documents {
    lines: Lines,
}

impl Documents {
    /// Documents of run `uid`, which is between two offsets.
    pub(super) fn new(file: File, uid: &str, (start, end): (u64, u64)) -> io::Result<Self> {
        let mut first = Lines::new(file.try_clone()?, start, end)?;
        match first.next()?.and_then(|(_, line)| Line::parse(line)) {
            Some(Line::Start { uid: found, .. }) if found == uid => {}
            _ => return Err(other(start)),
        }
        Ok(Self { lines: Lines::new(file, start, end)? })
    }

    fn next_line(&mut self) -> io::Result<Option<&[u8]>> {
        loop {
            // Asked for anew at the end: the borrow of a line that is passed on would last.
            match self.lines.next()? {
                None => return Ok(None),
                Some((_, line)) if is_document(line) => break,
                Some(_) => {}
            }
        }
        Ok(Some(self.lines.last()))
    }
}

impl Iterator for Documents {
    type Item = io::Result<String>;

    fn next(&mut self) -> Option<Self::Item> {
        let line = self.next_line().transpose()?;
        let text = line.map(|line| String::from_utf8_lossy(line).into_owned());
        Some(text)
    }

    fn nth(&mut self, skipped: usize) -> Option<Self::Item> {
        for _ in 0..skipped {
            match self.next_line() {
                Ok(Some(_)) => {}
                Ok(None) => return None,
                Err(error) => return Some(Err(error)),
            }
        }
        self.next()
    }
}

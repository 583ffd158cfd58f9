//! [`Documents`]: the documents of one run, one after the other.
use super::{
    index::Place,
    line::{Line, Lines, is_document},
    lock,
    marks::Marks,
    past::other,
};
use std::{
    fs::File,
    io,
    sync::{Arc, Mutex},
};

/// Lines of a file, read as they are asked for. What is no document is left out: part of a line
/// that a killed process left.
pub struct Documents {
    file: File,
    lines: Lines,
    /// Between which offsets they are.
    span: (u64, u64),
    /// How many have been read or skipped.
    number: usize,
    marks: Arc<Mutex<Marks>>,
}

impl Documents {
    /// Documents of run `uid`, which is in that place.
    pub(super) fn new(
        file: File,
        uid: &str,
        (place, marks): (&Place, Arc<Mutex<Marks>>),
    ) -> io::Result<Self> {
        let span @ (start, end) = (place.start, place.end);
        let mut first = Lines::new(file.try_clone()?, start, end)?;
        match first.next()?.and_then(|(_, line)| Line::parse(line)) {
            Some(Line::Start { uid: found, .. }) if found == uid => {}
            _ => return Err(other(start)),
        }
        let lines = Lines::new(file.try_clone()?, start, end)?;
        Ok(Self { file, lines, span, number: 0, marks })
    }

    /// Leaves out the documents up to that of `number`, as far as there are so many. What was read
    /// before, by whomever, is not read again.
    pub fn skip_to(&mut self, number: usize) -> io::Result<()> {
        let (start, end) = self.span;
        let (marked, offset) = lock(&self.marks).before(start, number);
        if marked > self.number {
            self.lines = Lines::new(self.file.try_clone()?, offset, end)?;
            self.number = marked;
        }
        while self.number < number && self.next_line()?.is_some() {}
        Ok(())
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
        self.number += 1;
        lock(&self.marks).note(self.span.0, self.number, self.lines.at());
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
}

//! [`Past`]: a run as its first and last document tell of it.
use bluefly_protocol::document::{Document, ExitStatus, Start, Stop};
use std::{
    fs::File,
    io::{self, BufRead as _, BufReader, Seek as _, SeekFrom},
};

/// A run that is over.
#[derive(Clone, Debug, PartialEq)]
pub struct Past {
    pub start: Start,
    /// None if it was never ended: whoever flew it was killed.
    pub stop: Option<Stop>,
}

impl Past {
    pub fn uid(&self) -> &str {
        &self.start.uid
    }

    pub fn ended_s(&self) -> Option<f64> {
        self.stop.as_ref().map(|stop| stop.time_s)
    }

    pub fn exit_status(&self) -> ExitStatus {
        self.stop.as_ref().map_or(ExitStatus::Fail, |stop| stop.exit_status)
    }

    /// Empty after a success only.
    pub fn reason(&self) -> &str {
        self.stop.as_ref().map_or("it was never ended", |stop| &stop.reason)
    }

    /// Events of its longest stream.
    pub fn num_frames(&self) -> Option<u64> {
        self.stop.as_ref().map(|stop| stop.num_events.values().copied().max().unwrap_or(0))
    }

    pub(super) fn read(file: File, start: u64, stop: Option<u64>) -> io::Result<Self> {
        let mut file = BufReader::new(file);
        let Document::Start(start) = document(&mut file, start)? else { return Err(other(start)) };
        let stop = match stop {
            None => None,
            Some(at) => match document(&mut file, at)? {
                Document::Stop(stop) if stop.run_start == start.uid => Some(stop),
                _ => return Err(other(at)),
            },
        };
        Ok(Self { start, stop })
    }
}

fn document(file: &mut BufReader<File>, at: u64) -> io::Result<Document> {
    file.seek(SeekFrom::Start(at))?;
    let mut line = Vec::new();
    file.read_until(b'\n', &mut line)?;
    serde_json::from_slice(&line).map_err(|_| other(at))
}

/// The file is not what it was.
pub(super) fn other(at: u64) -> io::Error {
    let reason = format!("byte {at}: another document than before; was the file changed?");
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

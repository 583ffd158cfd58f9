//! [`ReplyDecoder`]: cuts what comes from the control port into replies.
use super::ControlError;
use std::fmt;

/// Longest line of a reply that is taken: values have up to 256 bytes, texts of errors some more.
pub const MAX_REPLY_LINE_BYTES: usize = 16 << 10;
/// Most lines of a reply: as many as the longest table has words.
pub const MAX_REPLY_LINES: usize = 1 << 20;
/// Most bytes of a reply of several lines: more than the longest table has.
pub const MAX_REPLY_BYTES: usize = 16 << 20;

/// What the server answers to one command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// It is done.
    Ok,
    Value(String),
    Lines(Vec<String>),
    Error(ControlError),
}

/// A reply that is none to what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnexpectedReply {
    #[error(transparent)]
    Refused(#[from] ControlError),
    #[error("expected {expected}, and the reply is {found}")]
    Form { expected: &'static str, found: &'static str },
}

/// Bytes that are no replies; nothing that follows them can be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    #[error(
        "a line of the reply at byte {at} is longer than {MAX_REPLY_LINE_BYTES} bytes, the most that is taken"
    )]
    LongLine { at: u64 },
    #[error(
        "the reply up to byte {at} is longer than {MAX_REPLY_BYTES} bytes or {MAX_REPLY_LINES} lines"
    )]
    LongReply { at: u64 },
    #[error("the line at byte {at} of the replies is not UTF-8")]
    NotText { at: u64 },
    #[error("the line at byte {at} of the replies is no reply: `{line}`")]
    NoReply { at: u64, line: String },
    #[error("the line at byte {at} stands within a reply of several lines: `{line}`")]
    Within { at: u64, line: String },
}

/// Takes bytes as they come and gives whole replies.
#[derive(Debug, Default)]
pub struct ReplyDecoder {
    bytes: Vec<u8>,
    /// Where the next line begins.
    start: usize,
    /// Up to here there is no end of a line.
    scanned: usize,
    /// Bytes of the stream before `bytes`.
    offset: u64,
    lines: Vec<String>,
    lines_bytes: usize,
    failed: Option<ReplyError>,
}

impl ReplyDecoder {
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes what came. Whole replies are to be taken out before more is fed: it holds no more than
    /// one reply and what was fed last.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.failed.is_some() {
            return;
        }
        self.offset += self.start as u64;
        self.bytes.drain(..self.start);
        self.scanned -= self.start;
        self.start = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The next reply; `None` until more bytes have come. After an error, that error.
    pub fn next_reply(&mut self) -> Result<Option<Reply>, ReplyError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let result = self.advance();
        if let Err(error) = &result {
            *self = Self { failed: Some(error.clone()), ..Self::default() };
        }
        result
    }

    /// Whether something has come that is not yet a reply.
    pub fn is_within(&self) -> bool {
        !self.lines.is_empty() || self.start < self.bytes.len()
    }

    fn advance(&mut self) -> Result<Option<Reply>, ReplyError> {
        loop {
            let at = self.offset + self.start as u64;
            let end = self.bytes[self.scanned..].iter().position(|byte| *byte == b'\n');
            let length = end.map_or(self.bytes.len(), |end| self.scanned + end) - self.start;
            if length > MAX_REPLY_LINE_BYTES {
                return Err(ReplyError::LongLine { at });
            }
            if end.is_none() {
                self.scanned = self.bytes.len();
                return Ok(None);
            }
            let line = &self.bytes[self.start..self.start + length];
            let line = str::from_utf8(line).map_err(|_| ReplyError::NotText { at })?.to_owned();
            self.start += length + 1;
            self.scanned = self.start;
            if let Some(reply) = self.take(line, at)? {
                return Ok(Some(reply));
            }
        }
    }

    fn take(&mut self, line: String, at: u64) -> Result<Option<Reply>, ReplyError> {
        if let Some(rest) = line.strip_prefix('!') {
            self.lines_bytes += line.len();
            if self.lines_bytes > MAX_REPLY_BYTES || self.lines.len() == MAX_REPLY_LINES {
                return Err(ReplyError::LongReply { at });
            }
            self.lines.push(rest.to_owned());
            return Ok(None);
        }
        if line == "." {
            self.lines_bytes = 0;
            return Ok(Some(Reply::Lines(std::mem::take(&mut self.lines))));
        }
        if !self.lines.is_empty() {
            return Err(ReplyError::Within { at, line });
        }
        if line == "OK" {
            Ok(Some(Reply::Ok))
        } else if let Some(value) = line.strip_prefix("OK =") {
            Ok(Some(Reply::Value(value.to_owned())))
        } else if let Some(text) = line.strip_prefix("ERR ") {
            Ok(Some(Reply::Error(ControlError::new(text))))
        } else {
            Err(ReplyError::NoReply { at, line })
        }
    }
}

impl Reply {
    /// That it is done.
    pub fn into_done(self) -> Result<(), UnexpectedReply> {
        match self {
            Self::Ok => Ok(()),
            other => Err(other.instead_of("an OK")),
        }
    }

    /// The value that was asked for.
    pub fn into_value(self) -> Result<String, UnexpectedReply> {
        match self {
            Self::Value(value) => Ok(value),
            other => Err(other.instead_of("a value")),
        }
    }

    /// The lines that were asked for.
    pub fn into_lines(self) -> Result<Vec<String>, UnexpectedReply> {
        match self {
            Self::Lines(lines) => Ok(lines),
            other => Err(other.instead_of("lines")),
        }
    }

    fn instead_of(self, expected: &'static str) -> UnexpectedReply {
        let found = match self {
            Self::Error(error) => return error.into(),
            Self::Ok => "an OK",
            Self::Value(_) => "a value",
            Self::Lines(_) => "lines",
        };
        UnexpectedReply::Form { expected, found }
    }
}

/// As the server writes it, without the last end of a line.
impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ok => f.write_str("OK"),
            Self::Value(value) => write!(f, "OK ={value}"),
            Self::Lines(lines) => {
                lines.iter().try_for_each(|line| writeln!(f, "!{line}"))?;
                f.write_str(".")
            }
            Self::Error(error) => write!(f, "ERR {error}"),
        }
    }
}

//! What is captured, and how far the capture is.
use super::{DescribeError, FieldName};
use crate::panda::{Capture, EndReason};
use std::str::FromStr;

/// A field that is captured, as `*CAPTURE?` tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Captured {
    pub name: FieldName,
    /// At least one.
    pub captures: Vec<Capture>,
}

/// What `*PCAP.STATUS?` tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PcapStatus {
    pub is_busy: bool,
    /// Connections to the data port.
    pub readers: u32,
    /// How many of them have not yet come to the end of this experiment: it cannot be armed before
    /// they have.
    pub active_readers: u32,
}

/// What `*PCAP.COMPLETION?` tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Completion {
    Busy,
    Ended(EndReason),
}

/// What `*CAPTURE?` tells, in its order, which is not that of the rows.
pub fn parse_captured(lines: &[String]) -> Result<Vec<Captured>, DescribeError> {
    let parse = |line: &String| {
        let error = || DescribeError::new("captured field", line, "a field and what is captured");
        let (name, captures) = line.split_once(' ').ok_or_else(error)?;
        let captures: Vec<_> = captures.split(' ').map(Capture::from).collect();
        if captures.contains(&Capture::Other(String::new())) {
            return Err(error());
        }
        Ok(Captured { name: name.parse()?, captures })
    };
    lines.iter().map(parse).collect()
}

/// What `*PCAP.CAPTURED?` tells: rows of the capture that is under way, or was the last.
pub fn parse_count(text: &str) -> Result<u64, DescribeError> {
    text.parse().map_err(|_| DescribeError::new("count of rows", text, "a whole number"))
}

/// What stands on which bit, as `*BITS?` and `PCAP.BITS0.BITS?` tell; `None` if nothing does.
pub fn parse_bits(lines: &[String]) -> Result<Vec<Option<FieldName>>, DescribeError> {
    let parse = |line: &String| match line.as_str() {
        "" => Ok(None),
        name => name.parse().map(Some),
    };
    lines.iter().map(parse).collect()
}

impl FromStr for PcapStatus {
    type Err = DescribeError;
    fn from_str(text: &str) -> Result<Self, DescribeError> {
        let rule = "Busy or Idle, how many readers, and how many of them are active";
        let error = || DescribeError::new("state of the capture", text, rule);
        let words: Vec<&str> = text.split(' ').collect();
        let [state, readers, active] = words[..] else { return Err(error()) };
        let is_busy = match state {
            "Busy" => true,
            "Idle" => false,
            _ => return Err(error()),
        };
        let count = |text: &str| text.parse().map_err(|_| error());
        Ok(Self { is_busy, readers: count(readers)?, active_readers: count(active)? })
    }
}

impl From<&str> for Completion {
    fn from(text: &str) -> Self {
        match text {
            "Busy" => Self::Busy,
            reason => Self::Ended(reason.into()),
        }
    }
}

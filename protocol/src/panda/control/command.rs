//! [`Command`]: what is sent to the control port.
use crate::panda::{
    describe::ChangeGroup,
    table::{TableMode, TableText, base64_lines, text_lines},
};
use std::fmt;

/// Longest line the server takes, in bytes: it closes the connection on a longer one.
pub const MAX_LINE_BYTES: usize = 1_022;

/// One command as it is sent; each has one [`Reply`](super::Reply), in order.
///
/// **Invariant:** it is whole lines that the server takes as one command, whatever it answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The lines with their ends.
    text: String,
    first_line_bytes: usize,
}

/// Why something cannot be said to a PandA.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    #[error("a command needs a name")]
    NoName,
    #[error("`{name}` cannot be named in a command: {found:?} ends a name")]
    Name { name: String, found: char },
    #[error("`{name}` cannot be sent: {found:?} is not printable")]
    NotPrintable { name: String, found: char },
    #[error("`{name}` cannot be sent: a line has {bytes} bytes and may have {MAX_LINE_BYTES}")]
    TooLong { name: String, bytes: usize },
    #[error("line {line} of `{name}` is empty, which ends the lines of a command")]
    EmptyLine { name: String, line: usize },
    #[error("the table `{name}` is appended to with no rows: only {} takes none", TableMode::Fixed)]
    NoRows { name: String },
}

impl Command {
    /// Asks for the value of a field or of an attribute, or what a system command tells.
    pub fn query(name: &str) -> Result<Self, CommandError> {
        Self::line(name, "?", "")
    }

    /// Sets a field or an attribute, or gives a system command.
    pub fn assign(name: &str, value: &str) -> Result<Self, CommandError> {
        Self::line(name, "=", value)
    }

    /// Writes a table. No words reset it, which is always allowed.
    ///
    /// Words are not counted against a row: the server knows how long a row is.
    pub fn table(
        name: &str,
        mode: TableMode,
        text: TableText,
        words: &[u32],
    ) -> Result<Self, CommandError> {
        if words.is_empty() && mode != TableMode::Fixed {
            return Err(CommandError::NoRows { name: name.to_owned() });
        }
        let suffix = match text {
            TableText::Numbers => "",
            TableText::Base64 => "B",
        };
        let mut command = Self::line(name, mode.operator(), suffix)?;
        match text {
            TableText::Numbers => text_lines(words, &mut command.text),
            TableText::Base64 => base64_lines(words, &mut command.text),
        }
        command.text.push('\n');
        Ok(command)
    }

    /// Writes text of several lines, as some keys of the metadata take it.
    pub fn lines(name: &str, lines: &[&str]) -> Result<Self, CommandError> {
        let mut command = Self::line(name, "<", "")?;
        for (index, line) in lines.iter().enumerate() {
            if line.is_empty() {
                return Err(CommandError::EmptyLine { name: name.to_owned(), line: index + 1 });
            }
            command.text.push_str(checked(name, line)?);
            command.text.push('\n');
        }
        command.text.push('\n');
        Ok(command)
    }

    /// `*PCAP.ARM=`
    pub fn arm() -> Self {
        Self::known("*PCAP.ARM=")
    }

    /// `*PCAP.DISARM=`
    pub fn disarm() -> Self {
        Self::known("*PCAP.DISARM=")
    }

    /// `*CAPTURE=`: nothing is captured from now on.
    pub fn clear_capture() -> Self {
        Self::known("*CAPTURE=")
    }

    /// What has changed since this was asked on this connection, in one group or in all.
    pub fn changes(group: Option<ChangeGroup>) -> Self {
        Self::known(&format!("*CHANGES{}?", Suffix(group)))
    }

    /// Takes all as seen on this connection, in one group or in all.
    pub fn skip_changes(group: Option<ChangeGroup>) -> Self {
        Self::known(&format!("*CHANGES{}=E", Suffix(group)))
    }

    /// What is to be written to the connection.
    pub fn as_bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    fn line(name: &str, operator: &str, value: &str) -> Result<Self, CommandError> {
        if name.is_empty() {
            return Err(CommandError::NoName);
        }
        if let Some(found) = name.chars().find(|c| matches!(c, '?' | '=' | '<')) {
            return Err(CommandError::Name { name: name.to_owned(), found });
        }
        let line = format!("{name}{operator}{value}");
        checked(name, &line)?;
        Ok(Self::known(&line))
    }

    fn known(line: &str) -> Self {
        Self { text: format!("{line}\n"), first_line_bytes: line.len() }
    }
}

fn checked<'a>(name: &str, line: &'a str) -> Result<&'a str, CommandError> {
    let name = || shown(name);
    if let Some(found) = line.chars().find(|c| c.is_control()) {
        return Err(CommandError::NotPrintable { name: name(), found });
    }
    if line.len() > MAX_LINE_BYTES {
        return Err(CommandError::TooLong { name: name(), bytes: line.len() });
    }
    Ok(line)
}

/// Enough of a name to know it.
fn shown(name: &str) -> String {
    const MAX_CHARS: usize = 64;
    match name.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}...", &name[..end]),
        None => name.to_owned(),
    }
}

struct Suffix(Option<ChangeGroup>);

impl fmt::Display for Suffix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |group| write!(f, ".{group}"))
    }
}

/// The first line, for logs and errors.
impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text[..self.first_line_bytes])
    }
}

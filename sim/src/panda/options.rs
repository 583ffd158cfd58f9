//! [`Options`]: what a client of the data port asks for in its one line.
use super::fault::Fault;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) format: Format,
    pub(super) process: Process,
    pub(super) header: HeaderForm,
    /// Whether there is `OK` first and `END` at last.
    pub(super) has_status: bool,
    pub(super) is_one_shot: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Ascii,
    Base64,
    Framed,
    Unframed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Process {
    Scaled,
    Raw,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeaderForm {
    None,
    Plain,
    Xml,
}

impl Format {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Ascii => "ASCII",
            Self::Base64 => "Base64",
            Self::Framed => "Framed",
            Self::Unframed => "Unframed",
        }
    }
}

impl Process {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Scaled => "Scaled",
            Self::Raw => "Raw",
        }
    }
}

impl Options {
    const DEFAULT: Self = Self {
        format: Format::Ascii,
        process: Process::Scaled,
        header: HeaderForm::Plain,
        has_status: true,
        is_one_shot: false,
    };
    const BARE: Self = Self {
        format: Format::Unframed,
        process: Process::Raw,
        header: HeaderForm::None,
        has_status: false,
        is_one_shot: true,
    };

    /// The words of a line without its newline.
    pub(super) fn parse(line: &[u8]) -> Result<Self, Fault> {
        if line.contains(&b'\r') {
            return Err(Fault::new("Cannot process CR character"));
        }
        let line = std::str::from_utf8(line).map_err(|_| Fault::NO_NAME)?;
        let mut options = Self::DEFAULT;
        let mut rest = line;
        while !rest.is_empty() {
            let length = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
            let (word, behind) = rest.split_at(length.unwrap_or(rest.len()));
            if word.is_empty() {
                return Err(Fault::NO_NAME);
            }
            options.take(word)?;
            let next = behind.trim_start_matches(' ');
            if next.is_empty() && !behind.is_empty() {
                return Err(Fault::NO_NAME);
            }
            rest = next;
        }
        Ok(options)
    }

    fn take(&mut self, word: &str) -> Result<(), Fault> {
        match word {
            "ASCII" => self.format = Format::Ascii,
            "BASE64" => self.format = Format::Base64,
            "FRAMED" => self.format = Format::Framed,
            "UNFRAMED" => self.format = Format::Unframed,
            "SCALED" => self.process = Process::Scaled,
            "RAW" => self.process = Process::Raw,
            "NO_HEADER" => self.header = HeaderForm::None,
            "XML" => self.header = HeaderForm::Xml,
            "NO_STATUS" => self.has_status = false,
            "ONE_SHOT" => self.is_one_shot = true,
            "BARE" => *self = Self::BARE,
            "DEFAULT" => *self = Self::DEFAULT,
            _ => return Err(Fault::new("Invalid data capture option")),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_words_win() {
        let check = |line: &[u8], expected| assert_eq!(Options::parse(line), expected);
        check(b"", Ok(Options::DEFAULT));
        check(b"BARE", Ok(Options::BARE));
        check(b"BARE DEFAULT", Ok(Options::DEFAULT));
        let raw = Options { process: Process::Raw, format: Format::Framed, ..Options::DEFAULT };
        check(b"ASCII FRAMED  RAW", Ok(raw));
        check(b"XML NO_HEADER", Ok(Options { header: HeaderForm::None, ..Options::DEFAULT }));
        check(b"RAW ", Err(Fault::NO_NAME));
        check(b" RAW", Err(Fault::NO_NAME));
        check(b"\xff", Err(Fault::NO_NAME));
    }
}

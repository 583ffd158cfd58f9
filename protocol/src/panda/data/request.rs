//! [`DataRequest`]: what is wanted from the data port.
use std::{fmt, num::NonZeroUsize};

/// What is wanted from the data port; printed as the line that asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataRequest {
    pub form: RowForm,
    pub process: Process,
    pub header: HeaderForm,
    pub status: StatusLines,
    pub experiments: Experiments,
}

/// How rows come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowForm {
    /// Whole rows of binary values, after their length.
    Framed,
    /// Lines of base 64.
    Base64,
    /// A line of numbers for each row.
    Ascii,
    /// Binary values and nothing else, up to the end of the connection. **Invariant:** there is no
    /// end but that, since nothing tells it from a row: status lines and a second experiment are
    /// never asked for.
    Unframed,
}

/// Who makes engineering units of what is captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Process {
    /// The reader: see [`scaling`](crate::panda::scaling). It is about half of the bytes.
    Raw,
    /// The server.
    Scaled,
}

/// How the fields of the rows are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderForm {
    Xml,
    Text,
    /// They are not: it must be known how long a row is.
    None {
        row_bytes: NonZeroUsize,
    },
}

/// Whether the request is answered, and the end of an experiment told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusLines {
    Told,
    NotTold,
}

/// Whether the server goes on after an experiment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Experiments {
    All,
    /// It closes the connection.
    One,
}

impl DataRequest {
    /// Frames of all experiments, with headers and endings.
    pub const fn framed(process: Process) -> Self {
        let (status, experiments) = (StatusLines::Told, Experiments::All);
        Self { form: RowForm::Framed, process, header: HeaderForm::Xml, status, experiments }
    }

    /// Whether the request is answered, and the end of an experiment told.
    pub const fn tells_status(&self) -> bool {
        matches!(self.status, StatusLines::Told) && !matches!(self.form, RowForm::Unframed)
    }

    /// Whether experiments may follow the first.
    pub const fn goes_on(&self) -> bool {
        matches!(self.experiments, Experiments::All) && !matches!(self.form, RowForm::Unframed)
    }
}

/// Without the end of the line.
impl fmt::Display for DataRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.header {
            HeaderForm::Xml => "XML ",
            HeaderForm::Text => "",
            HeaderForm::None { .. } => "NO_HEADER ",
        })?;
        write!(f, "{} {}", self.form.word().to_uppercase(), self.process.word().to_uppercase())?;
        f.write_str(if self.tells_status() { "" } else { " NO_STATUS" })?;
        f.write_str(if self.goes_on() { "" } else { " ONE_SHOT" })
    }
}

impl RowForm {
    pub(super) const ALL: [Self; 4] = [Self::Framed, Self::Base64, Self::Ascii, Self::Unframed];

    /// As headers write it.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Framed => "Framed",
            Self::Base64 => "Base64",
            Self::Ascii => "ASCII",
            Self::Unframed => "Unframed",
        }
    }
}

impl Process {
    pub(super) const ALL: [Self; 2] = [Self::Raw, Self::Scaled];

    /// As headers write it.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Raw => "Raw",
            Self::Scaled => "Scaled",
        }
    }
}

//! [`ControlError`]: what a PandA refuses, and why as far as it can be told.

/// Why a command was refused, as far as its text says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such block, field, attribute, key or command.
    UnknownName,
    /// The value is of the right form and not allowed.
    OutOfRange,
    /// The value or the command cannot be read.
    WrongForm,
    /// Not in the state it is in: the same may be taken later.
    NotNow,
    /// It cannot be done with this field, at any time.
    NotSupported,
    /// The text is none of the few that are known.
    Other,
}

/// What the server said after `ERR`. Its text is for people; only the class is to be decided on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct ControlError {
    pub class: Refusal,
    pub text: String,
}

impl ControlError {
    pub fn new(text: &str) -> Self {
        Self { class: Refusal::of(text), text: text.to_owned() }
    }
}

impl Refusal {
    /// Beginnings of texts of version 4.1, each followed by anything.
    const BEGINNINGS: &[(Self, &[&str])] = &[
        (
            Self::UnknownName,
            &[
                "No such ",
                "Missing block number",
                "Missing field name",
                "Invalid block number",
                "No name found",
                "Name too long",
                "Unknown command",
                "Unknown changes selection",
                "Invalid *PCAP field",
                "Invalid *CAPTURE option",
                "Metadata key ",
                "Table sub-field not found",
            ],
        ),
        (
            Self::OutOfRange,
            &[
                "Number out of range",
                "Time setting out of range",
                "Delay too long",
                "Invalid bit value",
                "Invalid bit bus selection",
                "Invalid position selection",
                "Invalid enumeration value",
                "Invalid time units",
                "Invalid reset option",
                "Unknown capture option",
                "Invalid capture option",
                "Invalid data capture option",
            ],
        ),
        (
            Self::WrongForm,
            &[
                "Number missing",
                "Unexpected text after command",
                "Unexpected character after input",
                "Character ",
                "Cannot process CR character",
                "Malformed ",
                "Missing value",
                "Invalid token",
                "Invalid data length",
                "Table write is not a whole number of rows",
                "Streaming table must have data",
            ],
        ),
        (
            Self::NotNow,
            &[
                "Data capture already in progress",
                "Data clients still taking data",
                "Table currently being written",
                "Table is in streaming mode",
                "Last streaming table was sent",
            ],
        ),
        (
            Self::NotSupported,
            &[
                "Field not ",
                "Field is not ",
                "Command not ",
                "Not a table",
                "Table sub-field is not ",
                "Cannot write to this field",
                "No persistence state configured",
            ],
        ),
    ];

    /// What version 4.1 answers to `*PCAP.ARM=` while a reader still takes the last experiment: the
    /// place of the check in its source, where its text should be.
    const STILL_TAKING: (&str, &str) = ("Unexpected error at ", "data_server.c:");

    fn of(text: &str) -> Self {
        let starts = |beginnings: &[&str]| beginnings.iter().any(|start| text.starts_with(start));
        if let Some((class, _)) = Self::BEGINNINGS.iter().find(|(_, texts)| starts(texts)) {
            return *class;
        }
        let (start, place) = Self::STILL_TAKING;
        if text.starts_with(start) && text.contains(place) { Self::NotNow } else { Self::Other }
    }
}

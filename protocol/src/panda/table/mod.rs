//! Tables: rows as words, and words as lines.
mod base64;
mod layout;
mod sequencer;
mod words;

pub use base64::Base64Error;
pub(super) use base64::decode_into;
pub use layout::{LayoutError, RowField, RowFieldKind, RowLayout, ValueError};
pub use sequencer::{SequencerRowError, pattern_words, read_sequencer_rows, sequencer_words};
pub use words::{WordsError, base64_lines, read_base64, read_numbers, text_lines};

/// What becomes of the table that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableMode {
    /// It is replaced. The only one that servers before 4.0 know.
    Fixed,
    /// These rows are run after those that are there; more will follow.
    Append,
    /// These rows are run after those that are there, and are the last.
    AppendLast,
}

/// How words are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableText {
    /// As numbers, one in each line.
    Numbers,
    Base64,
}

impl TableMode {
    pub(super) const fn operator(self) -> &'static str {
        match self {
            Self::Fixed => "<",
            Self::Append => "<<",
            Self::AppendLast => "<<|",
        }
    }
}

impl std::fmt::Display for TableMode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.operator())
    }
}

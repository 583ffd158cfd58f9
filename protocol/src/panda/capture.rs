//! [`Capture`]: what of a field is captured.
use std::fmt;

/// What of a field is captured with each row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Capture {
    /// The value when the row was triggered.
    Value,
    /// By how much it changed while the gate was high.
    Diff,
    /// The sum over all ticks while the gate was high.
    Sum,
    Min,
    Max,
    Mean,
    StdDev,
    /// Something of a server that is newer than this.
    Other(String),
}

impl Capture {
    const KNOWN: [(&str, Self); 7] = [
        ("Value", Self::Value),
        ("Diff", Self::Diff),
        ("Sum", Self::Sum),
        ("Min", Self::Min),
        ("Max", Self::Max),
        ("Mean", Self::Mean),
        ("StdDev", Self::StdDev),
    ];
}

impl From<&str> for Capture {
    fn from(word: &str) -> Self {
        let known = Self::KNOWN.into_iter().find(|(known, _)| *known == word);
        known.map_or_else(|| Self::Other(word.to_owned()), |(_, capture)| capture)
    }
}

impl fmt::Display for Capture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Value => "Value",
            Self::Diff => "Diff",
            Self::Sum => "Sum",
            Self::Min => "Min",
            Self::Max => "Max",
            Self::Mean => "Mean",
            Self::StdDev => "StdDev",
            Self::Other(word) => word,
        })
    }
}

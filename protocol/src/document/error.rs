//! [`ComposeError`]: why a document cannot be made.

/// Why a document cannot be made. What was composed before stays valid.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ComposeError {
    #[error("metadata key {key:?} {rule}")]
    Metadata { key: String, rule: &'static str },
    #[error("stream {stream}, key {key:?}: {rule}")]
    DataKey { stream: String, key: String, rule: &'static str },
    #[error("stream {stream}, configuration of {object}: {rule}")]
    Configuration { stream: String, object: String, rule: &'static str },
    #[error("stream {stream}, key {key:?}: stream {other} has it")]
    KeyTaken { stream: String, key: String, other: String },
    #[error("stream {stream}: a further descriptor must have the same data keys")]
    KeysChanged { stream: String },
    #[error("no stream {stream}")]
    UnknownStream { stream: String },
    #[error("no stream has the external key {key:?}")]
    UnknownKey { key: String },
    #[error("resource of {key:?}: {what} {value} {rule}")]
    Resource { key: String, what: &'static str, value: String, rule: &'static str },
    #[error("stream {stream}, key {key:?}: rows before its stream resource")]
    NoResource { stream: String, key: String },
    #[error("stream {stream}: column {column:?} is missing")]
    ColumnMissing { stream: String, column: String },
    #[error("stream {stream}: column {column:?} is no key of its events")]
    ColumnUnknown { stream: String, column: String },
    #[error("stream {stream}: {column:?} has {found} rows instead of {expected}")]
    Length { stream: String, column: String, found: usize, expected: u64 },
    #[error("stream {stream}: row {row} of {column:?} is {value}, which JSON cannot say")]
    NotFinite { stream: String, column: String, row: usize, value: f64 },
    #[error("the time of the {document} is {value} s, {rule}")]
    Time { document: &'static str, value: f64, rule: &'static str },
}

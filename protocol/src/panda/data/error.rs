//! What can be wrong with what comes from the data port. Places are bytes from its beginning.
use super::{MAX_FRAME_BYTES, MAX_HEADER_BYTES, MAX_LINE_BYTES};
use crate::panda::{control::ControlError, table::Base64Error};

/// What is wrong with the stream; nothing that follows can be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DataError {
    #[error("the request for data was refused: {0}")]
    Refused(ControlError),
    #[error("the answer to the request for data is neither OK nor an error: `{line}`")]
    NoAnswer { line: String },
    #[error("the line at byte {at} is longer than {MAX_LINE_BYTES} bytes, the most that is taken")]
    LongLine { at: u64 },
    #[error("the line at byte {at} is not UTF-8")]
    NotText { at: u64 },
    #[error(
        "the header at byte {at} is longer than {MAX_HEADER_BYTES} bytes, the most that is taken"
    )]
    LongHeader { at: u64 },
    #[error("the header is malformed at byte {at}")]
    Header {
        at: u64,
        #[source]
        source: HeaderError,
    },
    #[error("an experiment ends at byte {at} before its header")]
    EndBeforeHeader { at: u64 },
    #[error("a frame comes at byte {at} before the header of the experiment")]
    FrameBeforeHeader { at: u64 },
    #[error("byte {at} is {found:#04x} where rows or an ending are to begin")]
    Stray { at: u64, found: u8 },
    #[error("the frame at byte {at} has {length} bytes: there are 8 to {MAX_FRAME_BYTES}")]
    FrameLength { at: u64, length: u32 },
    #[error(
        "the frame at byte {at} has {length} bytes of rows, which are no whole rows of {row_bytes}"
    )]
    PartialRow { at: u64, length: usize, row_bytes: usize },
    #[error("the row at byte {at} has {values} values where {expected} are told")]
    Values { at: u64, values: usize, expected: usize },
    #[error("the line at byte {at} is not base 64")]
    Base64 {
        at: u64,
        #[source]
        source: Base64Error,
    },
    #[error("the last row before byte {at} has {bytes} bytes of {row_bytes}")]
    CutRow { at: u64, bytes: usize, row_bytes: usize },
    #[error("the ending at byte {at} does not say how many rows it ends: `{line}`")]
    Ending { at: u64, line: String },
    #[error("byte {at} follows the end of the only experiment that was asked for")]
    AfterEnd { at: u64 },
    #[error("the connection was closed before the request for data was answered")]
    ClosedBeforeAnswer,
    #[error("the connection was closed in the header at byte {at}, after {bytes} of its bytes")]
    ClosedInHeader { at: u64, bytes: usize },
    #[error(
        "the connection was closed in the frame or line at byte {at}, after {bytes} of its bytes and {rows} rows"
    )]
    ClosedInRows { at: u64, bytes: usize, rows: u64 },
    #[error(
        "the connection was closed after {rows} rows, before the end of the experiment was told"
    )]
    ClosedBeforeEnd { rows: u64 },
}

/// What is wrong with a header.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    #[error("{expected} is expected")]
    Syntax { expected: &'static str },
    #[error("it is not UTF-8")]
    NotText,
    #[error("`&{name};` is no character that is known")]
    Entity { name: String },
    #[error("{attribute} is told twice of {element}")]
    Twice { element: String, attribute: String },
    #[error("{element} has no {attribute}")]
    Missing { element: String, attribute: &'static str },
    #[error("{attribute} of {element} is `{value}`: {rule}")]
    Value { element: String, attribute: &'static str, value: String, rule: &'static str },
    #[error("{field} is of type `{found}`, which is not known")]
    FieldType { field: String, found: String },
    #[error("there are no fields")]
    NoFields,
    #[error("rows are said to have {told} bytes, and their fields have {fields}")]
    SampleBytes { told: usize, fields: usize },
    #[error("rows come as {found}, and {asked} was asked for")]
    NotAsked { asked: &'static str, found: &'static str },
}

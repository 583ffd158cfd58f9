//! The data port: one line that says what is wanted, then headers, rows and endings.
mod attributes;
mod decoder;
mod error;
mod header;
mod input;
mod request;
mod text;
mod xml;

pub use decoder::{DataDecoder, Event};
pub use error::{DataError, HeaderError};
pub use header::{Field, FieldType, Header};
pub use request::{DataRequest, Experiments, HeaderForm, Process, RowForm, StatusLines};

/// Longest header that is taken: 64 words of a row have less than a third of it.
pub const MAX_HEADER_BYTES: usize = 64 << 10;
/// Longest line that is taken.
pub const MAX_LINE_BYTES: usize = 16 << 10;
/// Longest frame that is taken: what the driver hands over at a time, its head, and room for what is
/// left of rows that lie over two of them.
pub const MAX_FRAME_BYTES: usize = (2 << 20) + (64 << 10);

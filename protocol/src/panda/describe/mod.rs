//! What replies of the control port tell: blocks, fields, changes, what is captured.
mod block;
mod capture;
mod change;
mod class;
mod enquiry;
mod identity;
mod inventory;
mod name;

pub use block::{Block, Field, parse_blocks, parse_fields};
pub use capture::{Captured, Completion, PcapStatus, parse_bits, parse_captured, parse_count};
pub use change::{Change, ChangeGroup, parse_changes};
pub use class::{ExtOut, FieldClass, ValueType};
pub use enquiry::{Enquiry, EnquiryError, Round};
pub use identity::Identity;
pub use inventory::{FieldInfo, Inventory, Replaced, TableShape};
pub use name::{BlockName, FieldName};

/// A reply that does not say what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no {what}: {rule}")]
pub struct DescribeError {
    /// What it was read as.
    pub what: &'static str,
    /// What came.
    pub text: String,
    /// What it is to look like.
    pub rule: &'static str,
}

/// Longest text that an error repeats, in characters.
const MAX_SHOWN_CHARS: usize = 200;

impl DescribeError {
    pub(super) fn new(what: &'static str, text: &str, rule: &'static str) -> Self {
        Self { what, text: text.chars().take(MAX_SHOWN_CHARS).collect(), rule }
    }
}

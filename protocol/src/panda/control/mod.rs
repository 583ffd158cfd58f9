//! The control port: commands of one line, or a table, and their replies, in order.
mod command;
mod refusal;
mod reply;

pub use command::{Command, CommandError, MAX_LINE_BYTES};
pub use refusal::{ControlError, Refusal};
pub use reply::{
    MAX_REPLY_BYTES, MAX_REPLY_LINE_BYTES, MAX_REPLY_LINES, Reply, ReplyDecoder, ReplyError,
    UnexpectedReply,
};

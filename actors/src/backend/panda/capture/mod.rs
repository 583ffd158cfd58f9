//! Rows of a PandA, from the bytes of its data port to a stream file.
//!
//! [`Capture`] has neither socket nor thread: bytes go in, rows to append come out, and each arm ends
//! with an [`ArmEnd`]. [`CaptureThread`] drives it from a socket on a thread of its own, so that
//! whoever is slow there holds up nothing but the socket. Whoever armed asks the PandA what it
//! captured, [reconciles](ArmRecord::new) that with what came, and puts it into the file.
//!
//! **Invariant:** a row that may be spoilt is never handed over. The server overwrites raw rows that
//! a slow reader has not taken, and tells only after the frame: the last raw frame waits until
//! another one, the end or an empty socket shows that it is sound.
mod arm;
mod batches;
mod core;
mod error;
mod layout;
mod record;
mod thread;

pub use arm::{ArmEnd, ArmPlan};
pub use core::{Capture, Step};
pub use error::CaptureError;
pub use layout::{FileLayout, JOURNAL};
pub use record::{ArmRecord, BoxTells, Problem};
pub use thread::{CaptureThread, Progress, Settings, Source};

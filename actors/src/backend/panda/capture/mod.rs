//! Rows of a PandA, from the bytes of its data port to a stream file.
//!
//! [`Capture`] has neither socket nor thread: bytes go in, rows to append come out, and each arm ends
//! with an [`ArmEnd`]. A [`CaptureHandle`] drives it: from a socket on a thread of its own, or by a
//! task from a connection on any clock. Rows go straight to the storage in both. Whoever armed asks
//! the PandA what it captured, [reconciles](ArmRecord::new) that with what came, and puts it into the
//! file.
//!
//! **Invariant:** a row that may be spoilt is never handed over. The server overwrites raw rows that
//! a slow reader has not taken, and tells only after the frame: the last raw frame waits until
//! another one, the end or an empty socket shows that it is sound.
mod arm;
mod batches;
mod core;
mod error;
mod handle;
mod intake;
mod layout;
mod port;
mod record;
mod settings;
mod thread;
mod wire;

pub use arm::{ArmEnd, ArmPlan};
pub use core::{Capture, Step};
pub use error::CaptureError;
pub use handle::{CaptureHandle, Progress};
pub use layout::{CHUNK_ROWS, FileColumn, FileLayout, JOURNAL, stream_plan};
pub use port::{DataPort, Starting, TcpDataPort, Trying, WireDataPort};
pub use record::{ArmRecord, BoxTells, Problem};
pub use settings::{Settings, Target};
pub use thread::Source;

//! What people read of the answers of a server: values in, texts out.
mod amounts;
mod device;
mod document;
mod progress;
mod run;
mod status;
use crate::cli::table;
mod tree;

pub(super) use device::{device, devices, report};
pub(super) use document::document;
pub(super) use progress::{Tempo, headline, line};
pub(super) use run::{ending, queue, run, runs, submitted, told};
pub(super) use status::{brief, status};
pub(super) use tree::{happened, tree};

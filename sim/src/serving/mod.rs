//! What servers of simulated devices have in common.
mod accept;
mod hold;
mod task;

pub(crate) use accept::accept;
pub(crate) use hold::Hold;
pub(crate) use task::Task;

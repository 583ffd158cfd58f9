//! What servers of simulated devices have in common.
mod hold;
mod task;

pub(crate) use hold::Hold;
pub(crate) use task::Task;

//! The two ports of a simulated PandA.
mod control;
mod data;
mod player;
mod recorded;
mod rig;
mod sockets;

pub(crate) use player::{directory, new_server};

//! The doors of the process: what clients ask goes through one [`Desk`], whatever carries it.
mod data;
mod desk;
mod devices;
mod herald;
pub mod http;
mod runs;
mod step;

pub use desk::{Desk, DeskParts, Unready};
pub use herald::herald;

//! A server of Channel Access: the simulated hardware behind real sockets, as an IOC has it.
//!
//! What clients see of it is what the server of EPICS base does (`modules/database/src/ioc/rsrv`):
//! requests of a circuit are done one after the other, a put-callback is answered once it is
//! complete, and a second one on the same channel holds up its circuit.
mod circuit;
mod directory;
mod form;
mod put;
mod record;
mod requests;
mod search;
mod server;
mod statics;
mod subscription;

pub use directory::Directory;
pub use record::SoftRecord;
pub use server::{Addresses, CaServer, Settings};
pub use statics::add_static_records;

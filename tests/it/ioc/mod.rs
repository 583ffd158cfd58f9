//! The server of Channel Access, message by message, over real sockets.
mod beamline;
mod bounds;
mod circuits;
mod client;
mod events;
mod puts;
mod rig;
mod search;

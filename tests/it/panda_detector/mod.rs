//! Rows of a PandA as frames of a detector: each is where it belongs, or is told to be lost.
mod arms;
mod drops;
mod faults;
mod losses;
mod others;
mod rig;
mod settings;
mod sockets;
mod tap;

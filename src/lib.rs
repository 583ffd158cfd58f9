//! The composition root of `bluefly`: reads the beamline file, picks backends, starts the tree of
//! actors, and offers it on the command line. The rest of the system is in `bluefly-protocol`,
//! `bluefly-actors` and `bluefly-sim`.
mod assembly;
pub mod beamline_file;
mod claim;
pub mod cli;
mod client;
mod epics;
pub mod hardware;
mod links;
mod logging;
mod motion;
mod pandas;
mod picture;
pub mod process;
mod safety;
mod serve;
pub mod sim_disk;
mod survey;
pub mod swarm;
mod world;

//! The API over real sockets, in front of a simulated beamline in real time.
mod client;
mod documents;
mod events;
mod gate;
mod house;
mod limits;
mod openapi;
mod process;
mod races;
mod refusals;
mod runs;
mod steps;

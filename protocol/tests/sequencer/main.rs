//! Rows and tables of a sequencer, run by a small model of it.
mod blind;
mod course;
mod cuts;
mod flown;
mod golden;
mod model;
mod progress;
mod pulses;
mod refusals;
mod rig;
mod rows;

//! A simulated PandA box.
pub mod fpga;

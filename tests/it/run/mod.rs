//! Whole runs on the simulated beamline: coordinator, devices, storage and documents together.
mod crash;
mod determinism;
mod disk;
mod durations;
mod frames;
mod life;
mod modes;
mod own_pace;
mod pause;
mod rates;
mod requests;
pub(crate) mod rig;
mod shutdown;
mod stepped;
mod steps;
mod swarm;

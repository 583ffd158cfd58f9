//! `bluefly serve` as a process: how it starts, whom it lets in, how it ends, and what it leaves.
mod closing;
mod notify;
mod queued;
mod restart;
mod rig;
mod secrets;
mod start;
mod stop;

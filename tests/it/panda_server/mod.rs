//! The two ports of a simulated PandA.
mod player;
mod recorded;

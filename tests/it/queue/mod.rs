//! The archive of documents and the queue of runs.
mod archive;
mod crash;
mod flights;
mod journal;
mod requests;
mod restart;
mod rig;
mod steps;

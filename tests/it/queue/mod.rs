//! The archive of documents and the queue of runs.
mod archive;

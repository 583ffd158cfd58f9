//! Sources of triggers: their place in a scan, and PandAs as such.
mod edges;
mod faults;
mod rig;
mod scan;
mod script;

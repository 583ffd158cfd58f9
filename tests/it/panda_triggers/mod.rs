//! Sources of triggers: their place in a scan, and PandAs as such.
mod compare;
mod edges;
mod faults;
mod rig;
mod scan;
mod script;

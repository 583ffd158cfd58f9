//! Sources of triggers: their place in a scan, and each `PandA` as one.
mod bounds;
mod compare;
mod edges;
mod faults;
mod old;
mod pause;
mod rig;
mod scan;
mod script;
mod settings;

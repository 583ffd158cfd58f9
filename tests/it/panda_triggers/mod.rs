//! Sources of triggers: their place in a scan, and PandAs as such.
mod scan;
mod script;

//! Detectors as areaDetector has them: against recordings of a real one, through faults, and without
//! what only a simulation writes.
mod alarms;
mod counters;
mod faults;
mod late;
mod live;
mod opening;
mod plain;
mod replay;

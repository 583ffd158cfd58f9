//! What is said at a beamline: values, codecs and pure functions. No actor, no I/O, no clock.
//!
//! # Words
//! | word | meaning |
//! | --- | --- |
//! | axis | something that moves, in its own engineering unit (EGU) |
//! | point | where the axes are to be at the middle of a frame |
//! | frame | one interval of data taking: lower bound, midpoint, upper bound, duration, and whether a gap precedes it |
//! | gap | the axes must go elsewhere between two frames, so motion cannot continue through |
//! | window | frames that are flown without stopping: it ends at a gap, and where velocities jump or the duration changes |
//! | piece | what is planned in one go: frames without a gap between them and of one duration, a row or a part of a curve |
//! | stack | the dimensions of a scan, slowest first |
//! | path | the frames of a stack in the order in which they are taken |
//! | trajectory | what a motion controller follows: run-up, frames, turnaround, run-down |
//! | stage, prepare, kickoff, complete, unstage | the steps of a run |
//! | pause, resume, abort, stop | what may be asked of a run while it is under way |
//! | arm, trigger, exposure, live time, dead time | how a detector takes a frame |
//! | row, table | what a sequencer runs: a trigger and two phases of outputs; the rows that are written at once |
//! | signal | one typed value of a device; a setpoint is what was asked, a readback what is |
//! | record | the named signals of one device, without behaviour |
//! | provider | what carries signals: Channel Access, a simulation |
//! | resource, datum, stream, document, page | how data are announced (event model) |
pub mod api;
pub mod beamline;
pub mod channel_access;
pub mod document;
mod error;
pub mod exposures;
pub mod fault;
pub mod name;
pub mod panda;
pub mod plan;
pub mod pvi;
pub mod run;
pub mod scan;
pub mod sequencer;
pub mod tally;
pub mod trajectory;

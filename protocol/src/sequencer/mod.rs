//! Trigger tables: the rows that make a PandA sequencer trigger detectors while a trajectory is flown.
//!
//! [`Sequencer::spans`] takes from a planned scan spans of frames and what comes before each;
//! [`Sequencer::rows`] turns spans into rows. Both make one at a time, in memory that does not grow
//! with the scan. [`Tables`] cuts the rows into tables as the hardware takes them.
//! [`Sequencer::gap`] works out from the motion between two windows for how long the position
//! compare must not look. [`Progress`] counts the frames that are triggered. [`pulse_train`] divides a frame for a detector that takes several pulses.
//!
//! The sequencer counts ticks of 8 ns. A frame of a fraction of a tick is given a whole number of
//! them, one more or one less than its neighbours, such that within a window
//! - no bound of a frame is further than 1 us ([`MAX_DRIFT`]) from its place, which is the grain of
//!   the motion itself, and
//! - every run of at most 65,535 equal frames ends within half a tick of its exact end.
//!
//! All frames of one duration are exposed equally long: it is the dead time that takes the tick.
mod blind;
mod comparison;
mod error;
mod outline;
mod pace;
mod phases;
mod position;
mod progress;
mod pulse;
mod row;
mod rows;
mod span;
mod spans;
mod tables;
pub use blind::Turnaround;
pub use comparison::{Comparison, ComparisonError};
pub use error::SequencerError;
pub use outline::{Sequencer, StartOn, Summary};
pub use pace::{Live, MAX_DRIFT};
pub use position::{Counts, PositionInput};
pub use progress::{Phase, Place, Progress};
pub use pulse::{PulseError, PulsePlace, PulseRequest, PulseTrain, pulse_train};
pub use row::{BitInput, Bus, Level, Output, Outputs, Repeats, Row, Sense, Trigger};
pub use rows::Rows;
pub use span::{Entry, Gap, Span, Start};
pub use spans::Spans;
pub use tables::{Buffering, Table, TableLimits, Tables};

/// Ticks of the sequencer in a second: one lasts 8 ns.
pub const TICKS_PER_SECOND: u64 = 125_000_000;

/// The shortest phase of a pulse between windows: 10 us, which anything listening notices.
pub const MIN_PULSE_TICKS: u32 = 1_250;

/// No frame or gap lasts so long: 2^48 ticks, 26 days, all that a PandA's times can say.
const LONGEST_TICKS: u64 = 1 << 48;

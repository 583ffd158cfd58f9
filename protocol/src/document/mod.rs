//! Documents: how a run and its data are announced (event model 1.24), one JSON line each.
//!
//! [`RunComposer`] makes them, so that uids, sequence numbers and indices fit together by
//! construction.
//!
//! # Numbers that are not finite
//! JSON has no NaN and no infinity. The schema would let anything stand in an event's data, but a
//! consumer that was promised a `number` accepts neither `null` nor a text, and a bare `NaN` is
//! not JSON. So a column or a time with such a value is refused ([`ComposeError::NotFinite`]);
//! data in which it can occur belongs into an external data set, where NaN is exact. A limit that
//! is not finite is written as `null`, which the schema has for "no limit".
mod check;
mod compose;
mod error;
#[cfg(test)]
mod tests;
mod types;
pub use check::check_metadata;
pub use compose::{DescriptorInfo, Outcome, ResourceInfo, Rows, RunComposer, RunInfo};
pub use error::ComposeError;
pub use types::{
    Configuration, DataKey, Descriptor, Dtype, EventPage, ExitStatus, External, Hdf5Parameters,
    IndexRange, JoinMethod, LimitRange, Limits, ObjectHints, Start, StartHints, Stop, StreamDatum,
    StreamResource,
};

use serde::{Deserialize, Serialize};

/// One document with its name, as it is written: `{"name": .., "doc": ..}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", content = "doc", rename_all = "snake_case")]
pub enum Document {
    Start(Start),
    Descriptor(Descriptor),
    StreamResource(StreamResource),
    StreamDatum(StreamDatum),
    EventPage(EventPage),
    Stop(Stop),
}

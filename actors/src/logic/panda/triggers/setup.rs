//! [`TriggerSetup`]: what a PandA is to trigger, and how.
use bluefly_protocol::{
    exposures::ExposuresPerFrame,
    name::Name,
    panda::describe::{BlockName, FieldName},
    sequencer::{PulsePlace, StartOn, TableLimits},
};
use std::time::Duration;

/// What a PandA triggers.
#[derive(Clone, Debug)]
pub struct TriggerSetup {
    /// The block that triggers the frames: output A is high while one is live.
    pub sequencer: BlockName,
    /// What begins a window.
    pub start: StartOn,
    /// Fields that must have these values: the inputs of the blocks used here, scales of encoders,
    /// outputs.
    pub wires: Vec<(FieldName, String)>,
    pub outputs: Vec<TriggerOutput>,
    /// How long before the end of a frame whatever sees output A itself must be left alone, besides
    /// `outputs`.
    pub dead_time: Duration,
    /// Inputs that must go high for it to capture its own frames; none if it captures nothing.
    pub rows: Vec<FieldName>,
    /// How a scan is cut that has more rows than the PandA takes at a time.
    pub tables: TableLimits,
}

/// Where a detector is plugged in.
#[derive(Clone, Debug)]
pub struct TriggerOutput {
    pub detector: Name,
    /// The block that makes its pulses of the frames; without, it sees one for each frame.
    pub pulse: Option<BlockName>,
    pub exposures_per_frame: ExposuresPerFrame,
    pub dead_time: Duration,
    pub place: PulsePlace,
}

//! Beamline files: what a beamline consists of, as written ([`BeamlineFile`]) and as checked
//! ([`BeamlineSpec`]). Only the second is passed on.
mod address;
mod api;
mod ca;
mod check;
mod detector;
mod devices;
mod file;
mod panda;
mod quantity;
mod spec;
mod table;
mod template;
#[cfg(test)]
mod tests;

pub use address::{Address, Scheme};
pub use ca::is_host;
pub use detector::{CameraSpec, DetectorSpec, Dtype, PathsSpec, Trigger, TriggerWords};
pub use file::{
    ApiTable, BeamlineFile, BeamlineTable, CaTable, DataTable, DetectorTable, DeviceTable,
    GeneratorTable, MotorTable, PathsTable, PublishTable, Quantity, QueueTable, SimDeviceTable,
    SimTable, SupervisionTable, TrajectoryControllerTable, TriggerWordsTable,
};
pub use panda::{
    EncoderSpec, EncoderTable, PandaOutput, PandaOutputTable, PandaSource, PandaSpec, PandaStart,
    PandaTable, PandaTriggersSpec, PandaTriggersTable,
};
pub use quantity::QuantityError;
pub use spec::{
    AfterFailure, AfterRestart, ApiSpec, BeamlineSpec, CaSpec, DataSpec, DeviceSpec, DeviceType,
    GeneratorSpec, Lag, MotorSpec, OnCrash, PublishSpec, QueueSpec, SimDeviceSpec, SimSpec,
    SupervisionSpec, TlsSpec, TrajectoryControllerSpec,
};
pub use template::PathTemplate;

/// A beamline file cannot be used: at which key, and the value and the rule it breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {reason}")]
pub struct BeamlineError {
    /// Path of the key from the top of the file: `device.x.velocity`.
    pub key: String,
    /// What is wrong and what was expected, in one line.
    pub reason: String,
}

impl BeamlineError {
    fn new(key: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { key: key.into(), reason: reason.into() }
    }
}

//! [`Beamline`]: whom the coordinator knows.
use super::{absent::Absent, call::Caller, manual::ByHand, publish::Publisher, survey::Inventory};
use crate::{
    clock::Clock,
    device::{
        controller::Controller, detector::Detector, generator::Generator, motor::Motor,
        panda::Panda, triggers::Triggers,
    },
    storage::StorageClient,
    supervise::Ref,
};
use bluefly_protocol::{
    beamline::{Lag, OnCrash, PathTemplate, Trigger},
    fault::{Fault, FaultClass},
    name::Name,
    plan::Capabilities,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

/// Every device of a beamline, and how a run is to be done with them.
pub struct Beamline {
    pub name: Name,
    pub clock: Clock,
    pub controllers: BTreeMap<Name, Ref<Controller>>,
    pub motors: BTreeMap<Name, Ref<Motor>>,
    pub detectors: BTreeMap<Name, Ref<Detector>>,
    /// Sources of triggers besides the controllers; all take part in every scan.
    pub triggers: BTreeMap<Name, Ref<Triggers>>,
    pub generator: (Name, Ref<Generator>),
    /// The connections to each PandA.
    pub pandas: BTreeMap<Name, Ref<Panda>>,
    pub publisher: (Name, Ref<Publisher>),
    pub storage: StorageClient,
    pub capabilities: Arc<Capabilities>,
    pub settings: Settings,
    /// What the beamline file says of each device.
    pub inventory: Arc<Inventory>,
    pub by_hand: ByHand,
    pub absent: Absent,
}

/// When a frame counts as lost of a detector for which nothing is said.
const FRAME_TIMEOUT: Duration = Duration::from_secs(2);

/// How a run is done.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Directory of all files of a run; absolute.
    pub directory: PathBuf,
    /// Names of the stream files.
    pub path_template: PathTemplate,
    pub lag: Lag,
    /// Longest time between two collections while frames arrive.
    pub collect_period: Duration,
    pub on_crash: OnCrash,
    /// Crashes and lost connections after which a run stops.
    pub max_crashes: u32,
    /// Rewinds because of lost frames after which a run stops.
    pub max_rewinds: u32,
    /// For each detector: a frame must be on disk so long after the motion went through it, or it
    /// counts as lost.
    pub frame_timeouts: BTreeMap<Name, Duration>,
    /// How long to wait for a crashed or disconnected device to come back.
    pub device_timeout: Duration,
    /// Detectors that do not sum up their frames.
    pub without_statistics: BTreeSet<Name>,
}

impl Settings {
    /// Whether a detector sums up its frames.
    pub(super) fn has_statistics(&self, detector: &Name) -> bool {
        !self.without_statistics.contains(detector)
    }

    /// How long to wait, within a run, for whoever crashed or cannot be reached.
    pub(super) const fn crash_patience(&self) -> Duration {
        match self.on_crash {
            OnCrash::Resume => self.device_timeout,
            OnCrash::Stop => Duration::ZERO,
        }
    }
}

impl Beamline {
    pub(super) fn frame_timeout(&self, detector: &Name) -> Duration {
        self.settings.frame_timeouts.get(detector).copied().unwrap_or(FRAME_TIMEOUT)
    }

    /// Whether a detector takes one frame after the other without waiting for anything.
    pub(super) fn has_own_pace(&self, detector: &Name) -> bool {
        let timing = self.capabilities.detectors.get(detector);
        timing.is_some_and(|timing| timing.trigger == Trigger::Internal)
    }

    pub(super) fn motor(&self, name: &Name) -> Result<Caller<'_, Motor>, Fault> {
        let found = self.motors.get_key_value(name).ok_or_else(|| self.unknown(name))?;
        Ok(Caller::new(&self.clock, found))
    }

    pub(super) fn controller(&self, name: &Name) -> Result<Caller<'_, Controller>, Fault> {
        let found = self.controllers.get_key_value(name).ok_or_else(|| self.unknown(name))?;
        Ok(Caller::new(&self.clock, found))
    }

    pub(super) fn detector(&self, name: &Name) -> Result<Caller<'_, Detector>, Fault> {
        let found = self.detectors.get_key_value(name).ok_or_else(|| self.unknown(name))?;
        Ok(Caller::new(&self.clock, found))
    }

    pub(super) fn triggers(&self, name: &Name) -> Result<Caller<'_, Triggers>, Fault> {
        let found = self.triggers.get_key_value(name).ok_or_else(|| self.unknown(name))?;
        Ok(Caller::new(&self.clock, found))
    }

    pub(super) fn generator(&self) -> Caller<'_, Generator> {
        Caller::new(&self.clock, (&self.generator.0, &self.generator.1))
    }

    pub(super) fn publisher(&self) -> Caller<'_, Publisher> {
        Caller::new(&self.clock, (&self.publisher.0, &self.publisher.1))
    }

    fn unknown(&self, name: &Name) -> Fault {
        Fault {
            device: name.clone(),
            operation: "be asked".to_owned(),
            class: FaultClass::Rejected,
            reason: format!("beamline {} has no such device", self.name),
        }
    }
}

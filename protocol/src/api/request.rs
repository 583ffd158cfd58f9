//! [`Request`] and [`Reply`]: what may be asked, and what is answered.
use super::{
    body::{AbortBody, FlightBody, HoldBody, MoveBody, ResumeBody, SetBody, SpecBody, StageBody},
    device::{Device, DeviceReport},
    run::{Queue, Run, RunList, RunState},
    status::{Assets, Description, Status},
};
use crate::name::Name;
use serde::Serialize;
use std::time::Duration;

/// How long an answer may wait for what was begun: until it has ended, paused if that was asked, or
/// so long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wait(Duration);

impl Wait {
    /// No longer than it takes to ask.
    pub const NONE: Self = Self(Duration::ZERO);
    /// The longest.
    pub const MAX: Duration = Duration::from_mins(1);

    /// So long, but no longer than [`MAX`](Self::MAX).
    pub fn at_most(duration: Duration) -> Self {
        Self(duration.min(Self::MAX))
    }

    pub const fn duration(self) -> Duration {
        self.0
    }
}

/// How a step is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    pub wait: Wait,
    /// The number of the last step that the client knows; 0 if it knows of none. The request is
    /// refused if another step was begun since then, unless that is the one which this very request
    /// began: so a request whose answer was lost may be made again.
    pub operation: Option<u64>,
}

impl From<Wait> for Terms {
    fn from(wait: Wait) -> Self {
        Self { wait, operation: None }
    }
}

/// Rows from `start` on, up to but without `stop`, or as many as there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AssetRange {
    pub start: u64,
    pub stop: Option<u64>,
}

/// What may be asked of the process. Steps are idempotent.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// At once, or when the revision is not `since` any more, or after `wait`.
    Status {
        since: Option<u64>,
        wait: Wait,
    },
    Stage(StageBody, Terms),
    Prepare(SpecBody, Terms),
    Kickoff(Terms),
    Pause(Terms),
    Resume(ResumeBody, Terms),
    Abort(AbortBody, Terms),
    Stop(Terms),
    Unstage(Terms),
    Describe,
    Assets(AssetRange),
    Submit(FlightBody),
    /// The latest `limit` runs that ended, with all that did not.
    Runs {
        state: Option<RunState>,
        limit: usize,
    },
    Run(String),
    Cancel(String),
    Move(String, MoveBody),
    Hold(HoldBody),
    Release,
    Devices,
    Device(Name),
    Set(Name, SetBody, Wait),
    StopDevice(Name, Wait),
    Trigger(Name, Wait),
}

/// The answer to a [`Request`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Reply {
    Status(Box<Status>),
    Description(Box<Description>),
    Assets(Box<Assets>),
    Run(Box<Run>),
    Runs(RunList),
    Queue(Queue),
    Devices { devices: Vec<Device> },
    Device(Box<Device>),
    DeviceReport(DeviceReport),
}

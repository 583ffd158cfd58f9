//! The life of a run: what is asked of the scan coordinator and what it tells.
use crate::{document::ExitStatus, error::ApiError, name::Name};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt};
use utoipa::ToSchema;

/// Where a run stands.
///
/// `Idle → Staged → Ready → Running ⇄ Paused → Completed`, and from there to `Ready` by another
/// prepare or to `Idle` by unstage. Between two of them a step is under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunPhase {
    #[default]
    Idle,
    Staging,
    Staged,
    Preparing,
    Ready,
    /// Opening files, moving to the run-up position, arming.
    Starting,
    Running,
    /// Coming to a safe point.
    Pausing,
    Paused,
    /// A device crashed, lost its connection or lost frames: everything stands still and is safe
    /// until it is back, then the run goes on from the last complete frame.
    Recovering,
    /// All frames are taken; files are open still.
    Completed,
    Unstaging,
    /// Undoing whatever had been done, after an abort, a stop or a failure.
    Undoing,
}

impl fmt::Display for RunPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Idle => "idle",
            Self::Staging => "staging",
            Self::Staged => "staged",
            Self::Preparing => "preparing",
            Self::Ready => "ready",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Pausing => "pausing",
            Self::Paused => "paused",
            Self::Recovering => "recovering",
            Self::Completed => "completed",
            Self::Unstaging => "unstaging",
            Self::Undoing => "undoing",
        })
    }
}

/// How far a run has come. A client sees the latest one, never a queue of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RunProgress {
    pub phase: RunPhase,
    /// Unique identifier of the run, once its start document is out.
    pub run: Option<String>,
    /// Frames of earlier scans of this run.
    pub frames_before: u64,
    /// Frames of the prepared scan.
    pub frames_total: u64,
    /// Frames that the motion has gone through and every detector has on disk.
    pub frames_done: u64,
    /// Frames whose documents are out; never taken back.
    pub frames_published: u64,
    /// Contiguous frames on disk, per detector: those of the scan, with every exposure that the
    /// detector takes in each.
    #[schema(value_type = BTreeMap<String, u64>)]
    pub detectors: BTreeMap<Name, u64>,
    /// How often the run went back to the last complete frame by itself.
    pub recoveries: u32,
    /// Predicted time of the whole scan, seconds.
    pub predicted_s: f64,
    /// Predicted size of the data of the whole scan in files, bytes.
    pub predicted_bytes: u64,
    /// What went wrong last, if anything did.
    pub trouble: Option<String>,
    /// The step that was begun last, and what came of it.
    pub operation: Option<StepReport>,
    /// The run that ended last, until another one begins.
    pub ended: Option<RunEnd>,
}

/// A step of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    Stage,
    Prepare,
    /// From kickoff to the last frame.
    Kickoff,
    /// Ending whatever there is, also after an abort or a stop.
    Unstage,
    /// What a coordinator does that was restarted.
    Recover,
}

impl fmt::Display for StepKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stage => "stage",
            Self::Prepare => "prepare",
            Self::Kickoff => "kickoff",
            Self::Unstage => "unstage",
            Self::Recover => "recover",
        })
    }
}

/// How far a step has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    Running,
    Pausing,
    Paused,
    Done,
    Aborted,
    Failed,
}

/// A step that was begun, and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StepReport {
    /// Rises with every step of the process.
    pub number: u64,
    pub request: StepKind,
    pub state: StepState,
    pub error: Option<ApiError>,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RunEnd {
    pub run: String,
    pub exit_status: ExitStatus,
    /// Empty after a success.
    pub reason: String,
    /// Frames that were documented.
    pub num_frames: u64,
}

//! [`Settings`]: how a capture is done; [`Target`]: where its rows go.
use super::{ArmPlan, FileColumn};
use crate::storage::StreamHandle;
use bluefly_protocol::panda::data::DataRequest;
use std::{path::PathBuf, time::Duration};

/// How a capture is done.
#[derive(Clone)]
pub struct Settings {
    /// What was asked of the data port: frames.
    pub request: DataRequest,
    pub target: Target,
    /// Of the first arm.
    pub plan: ArmPlan,
    /// Rows leave for the disk if none have left for so long, though they do not fill a chunk. Default
    /// 40 ms: at 1 MHz a chunk is full after 16 ms.
    pub hand_over: Duration,
    /// What has begun to come and does not go on for so long is given up. Default 10 s.
    pub silence: Duration,
    /// A disk that takes nothing for so long is given up. Default 60 s.
    pub disk_patience: Duration,
}

/// Where rows go.
#[derive(Clone)]
pub enum Target {
    /// A file that is made with the first arm, of all that is captured.
    New { path: PathBuf, run_uid: Option<String> },
    /// A file that is there, with these columns, whatever their order in the rows.
    Open { stream: StreamHandle, columns: Vec<FileColumn> },
}

impl Settings {
    pub fn new(request: DataRequest, target: Target) -> Self {
        Self {
            request,
            target,
            plan: ArmPlan::default(),
            hand_over: Duration::from_millis(40),
            silence: Duration::from_secs(10),
            disk_patience: Duration::from_mins(1),
        }
    }
}

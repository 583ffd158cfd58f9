//! [`Device`]: a device as clients see it, and what may be asked of one.
use crate::error::ApiError;
use crate::name::Name;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeviceKind {
    Motor,
    TrajectoryController,
    Detector,
    Generator,
    Panda,
}

/// What the actor of a device is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Life {
    /// Not running, and not about to.
    #[default]
    Down,
    /// Made, but not ready.
    Starting,
    Up,
    /// Waiting to be restarted.
    Backoff,
    Stopping,
}

/// Lowest and highest position.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Range {
    pub low: f64,
    pub high: f64,
}

/// A device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Device {
    #[schema(value_type = String)]
    pub name: Name,
    #[serde(rename = "type")]
    pub kind: DeviceKind,
    /// Where its signals come from, such as `ca://BL01:X`.
    pub provider: String,
    pub state: Life,
    /// 0 before its first start.
    pub incarnation: u64,
    pub restarts: u64,
    /// Unit of its positions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub units: Option<String>,
    /// In its units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Range>,
    /// Where a motor is, in its units; none if it could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<f64>,
    /// Rows and columns of a frame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shape: Option<Vec<u64>>,
    /// Type of a pixel, such as `uint16`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dtype: Option<String>,
    /// Why it could not be read.
    pub error: Option<String>,
}

/// What is asked of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeviceAction {
    /// Move to a position.
    Set,
    /// Come to rest; legal at any time.
    Stop,
    /// Take one frame, which goes into no file.
    Trigger,
}

/// How far a device has come with what it was asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DeviceReport {
    #[schema(value_type = String)]
    pub device: Name,
    pub request: DeviceAction,
    pub state: crate::run::StepState,
    /// The position of a motor; the sum of the pixels of a frame that was taken.
    pub value: Option<f64>,
    pub error: Option<ApiError>,
}

//! What clients and the process say to each other: one set of messages, whatever carries them.
//!
//! A [`Request`] is answered with a [`Reply`] or an [`ApiError`], all of them JSON. HTTP is one
//! door; whoever opens another passes the same messages on to the same dispatch.
mod body;
mod device;
mod event;
mod request;
mod run;
mod status;

pub use crate::error::{ApiError, ErrorBody, ErrorCode};
pub use body::{
    AbortBody, FlightBody, HoldBody, MoveBody, ResumeBody, SetBody, SpecBody, StageBody,
};
pub use device::{Device, DeviceAction, DeviceKind, DeviceReport, Life, Range};
pub use event::{Event, EventKind, EventKinds, TreeEvent, UnknownKind};
pub use request::{AssetRange, Reply, Request, Terms, Wait};
pub use run::{Gate, Queue, Run, RunList, RunSource, RunState, is_uuid};
pub use status::{Assets, Columns, Description, Status};

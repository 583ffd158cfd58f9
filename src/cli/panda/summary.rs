//! What a capture came to, as it is printed.
use bluefly_actors::backend::panda::capture::ArmRecord;
use serde_json::json;
use std::{
    fmt,
    path::{Path, PathBuf},
};

/// The rows of one arm that are in the file.
pub(super) struct Summary {
    pub(super) path: PathBuf,
    pub(super) record: ArmRecord,
    pub(super) columns: usize,
    /// Size of the file, if it was closed for good.
    pub(super) bytes: Option<u64>,
}

impl Summary {
    /// For programs, in one line.
    pub(super) fn to_json(&self) -> serde_json::Value {
        let (end, tells) = (&self.record.end, &self.record.tells);
        let problems: Vec<String> = self.record.problems.iter().map(ToString::to_string).collect();
        json!({
            "file": self.path,
            "bytes": self.bytes,
            "columns": self.columns,
            "rows": end.kept,
            "received": end.received,
            "spoilt": end.spoilt,
            "missed": end.missed,
            "sent": end.told.as_ref().map(|(sent, _)| sent),
            "captured": tells.captured,
            "expected": end.plan.expected,
            "end_reason": end.told.as_ref().map(|(_, reason)| reason.to_string()),
            "health": tells.health,
            "arm_time": end.arm_time,
            "start_time": end.start_time,
            "problems": problems,
        })
    }
}

/// For people, in some lines.
impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (end, tells) = (&self.record.end, &self.record.tells);
        let (path, columns) = (Path::display(&self.path), self.columns);
        write!(f, "{} rows of {columns} columns in {path}", end.kept)?;
        if let Some(bytes) = self.bytes {
            write!(f, " ({bytes} bytes)")?;
        }
        write!(f, "\nreceived {}", end.received)?;
        if let Some((sent, reason)) = &end.told {
            write!(f, ", sent {sent}")?;
            if let Some(captured) = tells.captured {
                write!(f, ", captured {captured}")?;
            }
            write!(f, ", ended: {reason}")?;
        }
        if let Some(health) = &tells.health {
            write!(f, ", health: {health}")?;
        }
        Ok(())
    }
}

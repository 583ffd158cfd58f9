//! [`GeneratorLogic`]: a scan-point generator, which tells others what a scan asks for and how far
//! it has come.
//!
//! The loaded scan itself belongs to the device that uses this; here are only its soft signals.
use super::{Task, signed};
use crate::signal::{Connector, SignalError, SignalRW};
use bluefly_protocol::{fault::Fault, name::Name};

/// The soft signals of a scan-point generator.
pub struct GeneratorRecord {
    /// `:TotalPoints`: frames of the loaded scan, zero if there is none.
    pub points_total: SignalRW<i64>,
    /// `:PointsSent`: frames that were given out.
    pub points_sent: SignalRW<i64>,
}

impl GeneratorRecord {
    /// Connects the signals at `address` (`sim://generator`).
    pub async fn connect(connector: &Connector, address: &str) -> Result<Self, SignalError> {
        Ok(Self {
            points_total: connector.rw(&format!("{address}:TotalPoints")).await?,
            points_sent: connector.rw(&format!("{address}:PointsSent")).await?,
        })
    }
}

/// Publishes the progress of a scan-point generator.
pub struct GeneratorLogic {
    device: Name,
    record: GeneratorRecord,
}

impl GeneratorLogic {
    pub const fn new(device: Name, record: GeneratorRecord) -> Self {
        Self { device, record }
    }

    /// Forgets the scan.
    pub async fn make_safe(&self) -> Result<(), Fault> {
        self.tell("make safe", 0, 0).await
    }

    /// Says that a scan of `points_total` frames is loaded and none of them given out.
    pub async fn load(&self, points_total: u64) -> Result<(), Fault> {
        self.tell("load", points_total, 0).await
    }

    /// Says how many of the frames were given out.
    pub async fn sent(&self, points_sent: u64) -> Result<(), Fault> {
        let task = Task { device: &self.device, operation: "tell the points sent" };
        task.done(self.record.points_sent.put(signed(points_sent)).await)
    }

    async fn tell(&self, operation: &str, total: u64, sent: u64) -> Result<(), Fault> {
        let task = Task { device: &self.device, operation };
        task.done(self.record.points_sent.put(signed(sent)).await)?;
        task.done(self.record.points_total.put(signed(total)).await)
    }
}

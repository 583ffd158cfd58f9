//! Settings of the storage.
use std::time::Duration;

/// Settings of the storage, with defaults that suit a beamline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageConfig {
    /// Time between flushes: how late readers and documents may be. Default 100 ms.
    pub flush_period: Duration,
    /// Commands that may wait for the writer. Default 4,096: at one a millisecond, 4 s.
    pub queue_commands: usize,
    /// Bytes of rows that may wait for the writer. Default 512 MiB.
    pub queue_bytes: u64,
    /// Streams stop when the file system has less free than this. Default 1 GiB.
    pub min_free_bytes: u64,
    /// A call to the disk that takes longer is reported. Default 1 s.
    pub slow_call: Duration,
    /// How long a shutdown waits for the writer. Default 10 s.
    pub shutdown_timeout: Duration,
}

impl Default for StorageConfig {
    fn default() -> Self {
        Self {
            flush_period: Duration::from_millis(100),
            queue_commands: 4_096,
            queue_bytes: 512 << 20,
            min_free_bytes: 1 << 30,
            slow_call: Duration::from_secs(1),
            shutdown_timeout: Duration::from_secs(10),
        }
    }
}

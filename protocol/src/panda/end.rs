//! [`EndReason`]: why an experiment ended.
use std::fmt;

/// Why an experiment ended, as told on both ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// Enable fell.
    Ok,
    Disarmed,
    /// The reader went away.
    EarlyDisconnect,
    /// This reader was too slow. Of raw rows, those of the last frame may be spoilt.
    DataOverrun,
    /// Triggers came closer together than rows can be taken.
    FramingError,
    /// The driver was too slow: rows are lost for every reader.
    DriverDataOverrun,
    DmaDataError,
    /// Something of a server that is newer than this.
    Other(String),
}

impl EndReason {
    const KNOWN: [(&str, Self); 7] = [
        ("Ok", Self::Ok),
        ("Disarmed", Self::Disarmed),
        ("Early disconnect", Self::EarlyDisconnect),
        ("Data overrun", Self::DataOverrun),
        ("Framing error", Self::FramingError),
        ("Driver data overrun", Self::DriverDataOverrun),
        ("DMA data error", Self::DmaDataError),
    ];
}

impl From<&str> for EndReason {
    fn from(text: &str) -> Self {
        let known = Self::KNOWN.into_iter().find(|(known, _)| *known == text);
        known.map_or_else(|| Self::Other(text.to_owned()), |(_, reason)| reason)
    }
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ok => "Ok",
            Self::Disarmed => "Disarmed",
            Self::EarlyDisconnect => "Early disconnect",
            Self::DataOverrun => "Data overrun",
            Self::FramingError => "Framing error",
            Self::DriverDataOverrun => "Driver data overrun",
            Self::DmaDataError => "DMA data error",
            Self::Other(text) => text,
        })
    }
}

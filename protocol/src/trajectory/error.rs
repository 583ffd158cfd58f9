//! [`PlanError`]: why a scan cannot be flown.
use crate::name::Name;
use std::fmt;

/// Which of two position limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    Low,
    High,
}

/// Which motion outside the frames leaves the position limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stretch {
    /// From standstill to the velocity of the frame.
    RunUp,
    /// From the velocity of the frame to standstill.
    RunDown,
}

/// Why a scan cannot be flown: frame, axis, value, limit and rule in one line.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PlanError {
    #[error("axis {axis}: {key} {value} must be {rule}")]
    Limits { axis: Name, key: &'static str, value: f64, rule: &'static str },
    #[error("frame {frame}: {found} positions for {expected} axes")]
    Axes { frame: u64, expected: usize, found: usize },
    #[error("frame {frame}, axis {axis}: position {value} must be finite")]
    NotFinite { frame: u64, axis: Name, value: f64 },
    #[error("frame {frame}, axis {axis}: position {value} is {bound} limit {limit}")]
    Position { frame: u64, axis: Name, value: f64, bound: Bound, limit: f64 },
    #[error("frame {frame}, axis {axis}: {stretch} {value} is {bound} limit {limit}")]
    Excursion { frame: u64, axis: Name, stretch: Stretch, value: f64, bound: Bound, limit: f64 },
    #[error("frame {frame}, axis {axis}: velocity {value} is above the maximum {limit}")]
    Velocity { frame: u64, axis: Name, value: f64, limit: f64 },
    #[error(
        "frame {frame}, axis {axis}: acceleration {value} on the curve is above the maximum \
         {limit}: frames of {enough_s} s would do"
    )]
    Acceleration { frame: u64, axis: Name, value: f64, limit: f64, enough_s: f64 },
    #[error("frame {frame}: {found} points of a curve instead of {expected}")]
    Points { frame: u64, expected: u64, found: u64 },
    #[error("frame {frame}: delay {value} s before it must be zero or positive, and below 100000")]
    Delay { frame: u64, value: f64 },
    #[error(
        "frame {frame}: a point every {value} s is more than one every {limit} s, the controller's least interval"
    )]
    BelowInterval { frame: u64, value: f64, limit: f64 },
    #[error("frame {frame}: duration {value} s must be positive and finite")]
    Duration { frame: u64, value: f64 },
    #[error(
        "frame {frame}: duration {value} s is shorter than {minimum} s, exposure and dead time"
    )]
    TooShort { frame: u64, value: f64, minimum: f64 },
    #[error("frame {frame}: duration {value} s is shorter than 0.000001 s, the controller's tick")]
    BelowTick { frame: u64, value: f64 },
    #[error("frame {frame}: duration {value} s is longer than {limit} s")]
    TooLong { frame: u64, value: f64, limit: f64 },
    #[error("frame {frame}: motion to or from it takes {limit} s or longer")]
    TooSlow { frame: u64, limit: f64 },
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Low => "below the low",
            Self::High => "above the high",
        })
    }
}

impl fmt::Display for Stretch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RunUp => "run-up from",
            Self::RunDown => "run-down to",
        })
    }
}

impl PlanError {
    /// The axis that the error is about, if it is about one.
    pub fn axis(&self) -> Option<&Name> {
        match self {
            Self::Limits { axis, .. }
            | Self::NotFinite { axis, .. }
            | Self::Position { axis, .. }
            | Self::Excursion { axis, .. }
            | Self::Velocity { axis, .. }
            | Self::Acceleration { axis, .. } => Some(axis),
            Self::Axes { .. }
            | Self::Points { .. }
            | Self::Delay { .. }
            | Self::BelowInterval { .. }
            | Self::Duration { .. }
            | Self::TooShort { .. }
            | Self::BelowTick { .. }
            | Self::TooLong { .. }
            | Self::TooSlow { .. } => None,
        }
    }
}

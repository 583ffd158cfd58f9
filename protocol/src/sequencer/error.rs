//! [`SequencerError`]: why a scan cannot be triggered.
use super::Bus;
use crate::name::Name;

/// Why a scan cannot be triggered: frame, axis, value and rule in one line.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SequencerError {
    #[error("axis {axis}: {key} {value} must be {rule}")]
    Input { axis: Name, key: &'static str, value: f64, rule: &'static str },
    #[error("axis {axis}: {bus} is the input of axis {other}: each input has one axis")]
    SharedInput { axis: Name, other: Name, bus: Bus },
    #[error("axis {axis}: {bus} and {other_bus} are both its input: each axis has one")]
    TwoInputs { axis: Name, bus: Bus, other_bus: Bus },
    #[error("frame {frame}: {found} positions for {expected} axes")]
    Axes { frame: u64, expected: usize, found: usize },
    #[error("frame {frame}, axis {axis}: {key} {value} must be finite")]
    NotFinite { frame: u64, axis: Name, key: &'static str, value: f64 },
    #[error(
        "frame {frame}, axis {axis}: position {value} is {counts} counts: \
         a position input has 32 bits, -2147483648 to 2147483647"
    )]
    Counts { frame: u64, axis: Name, value: f64, counts: f64 },
    #[error(
        "frame {frame}: no axis moves by a count between lower bound and midpoint, of those with a \
         position input ({axes}): a position compare needs one"
    )]
    Still { frame: u64, axes: String },
    #[error("frame {frame}: duration {value} s must be positive and finite")]
    Duration { frame: u64, value: f64 },
    #[error(
        "frame {frame}: duration {value} s is shorter than {minimum} s, dead time and one tick of \
         live time"
    )]
    TooShort { frame: u64, value: f64, minimum: f64 },
    #[error("frame {frame}: duration {value} s is {limit} s or longer")]
    TooLong { frame: u64, value: f64, limit: f64 },
    #[error("frame {frame}: the gap before it takes {limit} s or longer")]
    LongGap { frame: u64, limit: f64 },
    #[error("frame {frame}: it is joined to nothing: the first frame of all begins a window")]
    Unjoined { frame: u64 },
    #[error("frame {frame}: a window begins without a gap: only the first of all may")]
    NoGap { frame: u64 },
    #[error("a table of {value} rows: it must hold {least} to {most}")]
    TableSize { value: usize, least: usize, most: usize },
    #[error(
        "a table of {max_rows} rows has no dead time of {least} ticks of 8 ns or longer, in \
         which the other sequencer could take over"
    )]
    NoSwitch { max_rows: usize, least: u32 },
}

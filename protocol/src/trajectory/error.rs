//! [`PlanError`]: why a scan cannot be flown.
use super::ticks::LONGEST_S;
use crate::{name::Name, scan::short_number};
use std::fmt;

/// Which of two position limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    Low,
    High,
}

/// What a limit of an axis must be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Needed {
    /// Positive and finite.
    Positive,
    /// Zero or more seconds, not for ever.
    Time,
    /// Infinite or not.
    Number,
    /// At most the high limit, which is this.
    AtMostHigh(f64),
}

/// Which motion outside the frames leaves the position limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stretch {
    /// From standstill to the velocity of the frame.
    RunUp,
    /// From the velocity of the frame to standstill.
    RunDown,
}

/// Why a scan cannot be flown: frame, axis, value, limit and rule in one line. Values of an axis are
/// told without units; [`in_units`](Self::in_units) adds them.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{}", self.in_units(""))]
pub enum PlanError {
    Limits {
        axis: Name,
        key: &'static str,
        value: f64,
        rule: Needed,
    },
    Axes {
        frame: u64,
        expected: usize,
        found: usize,
    },
    NotFinite {
        frame: u64,
        axis: Name,
        value: f64,
    },
    Position {
        frame: u64,
        axis: Name,
        value: f64,
        bound: Bound,
        limit: f64,
    },
    Excursion {
        frame: u64,
        axis: Name,
        stretch: Stretch,
        value: f64,
        bound: Bound,
        limit: f64,
    },
    Velocity {
        frame: u64,
        axis: Name,
        value: f64,
        limit: f64,
    },
    /// Too much of it on a curve, where frames of `enough_s` would do.
    Acceleration {
        frame: u64,
        axis: Name,
        value: f64,
        limit: f64,
        enough_s: f64,
    },
    /// As many points of a curve as its frames do not have.
    Points {
        frame: u64,
        expected: u64,
        found: u64,
    },
    Delay {
        frame: u64,
        value: f64,
    },
    /// Points of a trajectory follow each other faster than the controller takes them.
    BelowInterval {
        frame: u64,
        value: f64,
        limit: f64,
    },
    Duration {
        frame: u64,
        value: f64,
    },
    TooShort {
        frame: u64,
        value: f64,
        minimum: f64,
    },
    BelowTick {
        frame: u64,
        value: f64,
    },
    TooLong {
        frame: u64,
        value: f64,
        limit: f64,
    },
    TooSlow {
        frame: u64,
        limit: f64,
    },
}

/// An error with the units of its axis.
struct InUnits<'a> {
    error: &'a PlanError,
    units: &'a str,
}

impl InUnits<'_> {
    /// A value of an axis, as short as tells it from its limit; `per` follows the units.
    fn value(&self, value: f64, limit: f64, per: &str) -> String {
        let text = figures(value);
        let text = if text == figures(limit) { value.to_string() } else { text };
        self.with_units(&text, per)
    }

    fn limit(&self, limit: f64, per: &str) -> String {
        self.with_units(&short_number(limit), per)
    }

    fn with_units(&self, text: &str, per: &str) -> String {
        if self.units.is_empty() { text.to_owned() } else { format!("{text} {}{per}", self.units) }
    }
}

/// Six digits of a number.
fn figures(value: f64) -> String {
    let rounded = format!("{value:.5e}").parse::<f64>();
    short_number(rounded.expect("a number that was written can be read"))
}

impl fmt::Display for InUnits<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use PlanError as E;
        let pair = |value: &f64, limit: &f64, per: &str| {
            (self.value(*value, *limit, per), self.limit(*limit, per))
        };
        if let Some(frame) = self.error.frame() {
            write!(f, "frame {frame}{}", if self.error.axis().is_some() { ", " } else { ": " })?;
        }
        if let Some(axis) = self.error.axis() {
            write!(f, "axis {axis}: ")?;
        }
        match self.error {
            E::Limits { key, value, rule, .. } => write!(f, "{key} {value} must be {rule}"),
            E::Axes { expected, found, .. } => write!(f, "{found} positions for {expected} axes"),
            E::NotFinite { value, .. } => write!(f, "position {value} must be finite"),
            E::Position { value, bound, limit, .. } => {
                let (value, limit) = pair(value, limit, "");
                write!(f, "position {value} is {bound} limit {limit}")
            }
            E::Excursion { stretch, value, bound, limit, .. } => {
                let (value, limit) = pair(value, limit, "");
                write!(f, "{stretch} {value} is {bound} limit {limit}")
            }
            E::Velocity { value, limit, .. } => {
                let (value, limit) = pair(value, limit, "/s");
                write!(f, "velocity {value} is above the maximum {limit}")
            }
            E::Acceleration { value, limit, enough_s, .. } => {
                let (value, limit) = pair(value, limit, "/s^2");
                write!(f, "acceleration {value} on the curve is above the maximum {limit}: ")?;
                write!(f, "frames of {enough_s} s would do")
            }
            E::Points { expected, found, .. } => {
                write!(f, "{found} points of a curve instead of {expected}")
            }
            E::Delay { value, .. } => {
                write!(
                    f,
                    "delay {value} s before it must be zero or positive, and below {LONGEST_S}"
                )
            }
            E::BelowInterval { value, limit, .. } => {
                write!(f, "a point every {value} s is more than one every {limit} s, ")?;
                write!(f, "the controller's least interval")
            }
            E::Duration { value, .. } => {
                write!(f, "duration {value} s must be positive and finite")
            }
            E::TooShort { value, minimum, .. } => {
                write!(f, "duration {value} s is shorter than {minimum} s, exposure and dead time")
            }
            E::BelowTick { value, .. } => {
                write!(f, "duration {value} s is shorter than 0.000001 s, the controller's tick")
            }
            E::TooLong { value, limit, .. } => {
                write!(f, "duration {value} s must be below {limit} s")
            }
            E::TooSlow { limit, .. } => {
                write!(f, "motion to or from it takes {limit} s or longer")
            }
        }
    }
}

impl fmt::Display for Needed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Positive => f.write_str("positive and finite"),
            Self::Time => write!(f, "zero or positive, and below {LONGEST_S}"),
            Self::Number => f.write_str("a number"),
            Self::AtMostHigh(high) => write!(f, "at most high, {high}"),
        }
    }
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
    /// The same in the units of the axis that it is about (`mm`).
    pub fn in_units<'a>(&'a self, units: &'a str) -> impl fmt::Display + 'a {
        InUnits { error: self, units }
    }

    /// The frame that the error is about; none if it is about the limits of an axis.
    pub fn frame(&self) -> Option<u64> {
        match self {
            Self::Limits { .. } => None,
            Self::Axes { frame, .. }
            | Self::NotFinite { frame, .. }
            | Self::Position { frame, .. }
            | Self::Excursion { frame, .. }
            | Self::Velocity { frame, .. }
            | Self::Acceleration { frame, .. }
            | Self::Points { frame, .. }
            | Self::Delay { frame, .. }
            | Self::BelowInterval { frame, .. }
            | Self::Duration { frame, .. }
            | Self::TooShort { frame, .. }
            | Self::BelowTick { frame, .. }
            | Self::TooLong { frame, .. }
            | Self::TooSlow { frame, .. } => Some(*frame),
        }
    }

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

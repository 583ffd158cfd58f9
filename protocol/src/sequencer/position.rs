//! [`PositionInput`]: where the sequencer sees an axis, and in what counts.
use super::{Bus, Sense, SequencerError};
use crate::name::Name;

/// A position as a PandA counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Counts(pub i32);

/// An axis on one of the position inputs: `position = counts * scale + offset`.
#[derive(Clone, Debug, PartialEq)]
pub struct PositionInput {
    pub(super) axis: Name,
    pub(super) bus: Bus,
    scale: f64,
    offset: f64,
}

impl PositionInput {
    /// `scale` in EGU per count, negative where counts fall as the position rises; `offset` in EGU.
    ///
    /// Fails if the scale is zero, or either is not finite.
    pub fn new(axis: Name, bus: Bus, scale: f64, offset: f64) -> Result<Self, SequencerError> {
        let wrong =
            |key, value, rule| SequencerError::Input { axis: axis.clone(), key, value, rule };
        if !scale.is_finite() || scale == 0.0 {
            Err(wrong("scale", scale, "finite and not 0"))
        } else if !offset.is_finite() {
            Err(wrong("offset", offset, "finite"))
        } else {
            Ok(Self { axis, bus, scale, offset })
        }
    }

    /// The axis that is seen there.
    pub fn axis(&self) -> &Name {
        &self.axis
    }

    /// 1 if counts rise with the position, -1 if they fall.
    pub(super) fn direction(&self) -> f64 {
        self.scale.signum()
    }

    /// Counts at a position, EGU, with their fraction.
    pub(super) fn exact_counts(&self, value: f64) -> f64 {
        (value - self.offset) / self.scale
    }

    /// The count next to the position `value`, EGU, of which `key` says what it is at `frame`; of
    /// two as near, the even one.
    pub(super) fn counts_at(
        &self,
        frame: u64,
        (key, value): (&'static str, f64),
    ) -> Result<Counts, SequencerError> {
        let axis = || self.axis.clone();
        if !value.is_finite() {
            return Err(SequencerError::NotFinite { frame, axis: axis(), key, value });
        }
        let counts = self.exact_counts(value).round_ties_even();
        if (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&counts) {
            Ok(Counts(counts as i32))
        } else {
            Err(SequencerError::Counts { frame, axis: axis(), value, counts })
        }
    }
}

impl Sense {
    /// Whether a compare in this sense with `position` is true at `found`.
    pub(super) fn is_reached(self, position: Counts, found: Counts) -> bool {
        match self {
            Self::Rising => found >= position,
            Self::Falling => found <= position,
        }
    }
}

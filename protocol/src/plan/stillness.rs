//! [`Stillness`]: whether a scan rests where it must for detectors that wait for no pulse.
use super::{DetectorCapability, Unflyable};
use crate::{
    beamline::Trigger,
    name::Name,
    scan::{Path, Piece, Spec},
};
use std::collections::BTreeMap;

/// What moves in a scan, as far as it was looked at.
#[derive(Default)]
pub(super) struct Stillness {
    first: Option<Piece>,
    /// The first frame that is not as all before.
    change: Option<(u64, Change)>,
    /// The first frame in which an axis moves, and its column.
    motion: Option<(u64, usize)>,
    /// The column of the first axis that does not stay where it is at the beginning.
    moved: Option<usize>,
}

/// What a frame has that the first frame has not.
enum Change {
    /// The axis of this column is elsewhere, or moves.
    Moves(usize),
    Duration {
        duration_s: f64,
        usual_s: f64,
    },
    Delay(f64),
}

impl Stillness {
    /// Looks at the next piece, which has a duration.
    pub(super) fn sees(&mut self, piece: &Piece) {
        if self.change.is_some() && self.motion.is_some() && self.moved.is_some() {
            return;
        }
        let first = self.first.get_or_insert_with(|| piece.clone());
        let motion = motion(piece);
        self.motion = self.motion.or(motion.map(|column| (piece.first_frame, column)));
        self.moved = self.moved.or(motion).or_else(|| elsewhere(first, piece));
        if self.change.is_none() {
            let change = motion.map(Change::Moves).or_else(|| change(first, piece));
            self.change = change.map(|change| (piece.first_frame, change));
        }
    }

    /// The column of the first axis that does not stay where it is at the beginning.
    pub(super) const fn moved(&self) -> Option<usize> {
        self.moved
    }

    /// Whether a scan steps by command, whose axes are in these columns. Fails if one of `detectors` cannot take it.
    pub(super) fn takes_steps(
        self,
        (spec, columns): (&Spec, &[Name]),
        detectors: &BTreeMap<Name, DetectorCapability>,
    ) -> Result<bool, Unflyable> {
        two_paces(detectors).map_or(Ok(()), Err)?;
        let mut all = detectors.iter().map(|(name, timing)| (name, timing.trigger));
        if let Some((software, _)) = all.clone().find(|(_, trigger)| *trigger == Trigger::Software)
        {
            let Some((frame, column)) = self.motion else { return Ok(true) };
            let (axis, detector) = (columns[column].clone(), software.clone());
            let path = spec.axis_path(axis.as_str());
            return Err(Unflyable::NotStepped { path, frame, axis, detector });
        }
        let Some((detector, _)) = all.find(|(_, trigger)| *trigger == Trigger::Internal) else {
            return Ok(false);
        };
        let Some((frame, change)) = self.change else { return Ok(false) };
        let (path, change) = change.told(spec, columns);
        Err(Unflyable::NotStill { path, frame, change, detector: detector.clone() })
    }
}

/// Why these detectors can have no scan together, whatever it is.
pub(super) fn two_paces(detectors: &BTreeMap<Name, DetectorCapability>) -> Option<Unflyable> {
    let of = |is_software: bool| {
        let mut all = detectors.iter();
        all.find(|(_, timing)| (timing.trigger == Trigger::Software) == is_software)
    };
    let ((software, _), (other, timing)) = (of(true)?, of(false)?);
    let (software, other) = (software.clone(), other.clone());
    Some(Unflyable::TwoPaces { software, other, trigger: timing.trigger.as_str() })
}

impl Change {
    /// Where the specification says it, and what.
    fn told(self, spec: &Spec, columns: &[Name]) -> (String, String) {
        match self {
            Self::Moves(column) => {
                let axis = &columns[column];
                (spec.axis_path(axis.as_str()), format!("axis {axis} moves"))
            }
            Self::Duration { duration_s, usual_s } => (
                spec.duration_path(),
                format!("duration {duration_s} s is not the {usual_s} s of the frames before"),
            ),
            Self::Delay(delay_s) => {
                ("$".to_owned(), format!("it is to begin {delay_s} s after the one before"))
            }
        }
    }
}

/// The column of an axis that moves within the frames of a piece.
fn motion(piece: &Piece) -> Option<usize> {
    let moves = |column: &usize| piece.start[*column] != piece.end[*column];
    let curved = match &piece.path {
        Path::Straight => None,
        Path::Curved(curved) => {
            let mut columns = curved.by_axis(piece.start.len());
            columns.position(|points| points.iter().any(|point| *point != points[0]))
        }
    };
    curved.or_else(|| (0..piece.start.len()).find(moves))
}

/// The column of an axis that begins a piece elsewhere than the first.
fn elsewhere(first: &Piece, piece: &Piece) -> Option<usize> {
    (0..piece.start.len()).find(|column| piece.start[*column] != first.start[*column])
}

/// What a piece that rests has that the first has not.
fn change(first: &Piece, piece: &Piece) -> Option<Change> {
    if let Some(column) = elsewhere(first, piece) {
        return Some(Change::Moves(column));
    }
    match (first.frame_duration_s, piece.frame_duration_s) {
        (Some(usual_s), Some(duration_s)) if duration_s != usual_s => {
            Some(Change::Duration { duration_s, usual_s })
        }
        _ if piece.delay_before_s > 0.0 => Some(Change::Delay(piece.delay_before_s)),
        _ => None,
    }
}

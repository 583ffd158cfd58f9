//! [`Stillness`]: whether a scan stays as it begins, which a detector needs that takes frame after frame
//! at its own pace.
use super::{DetectorCapability, Unflyable};
use crate::{
    beamline::Trigger,
    name::Name,
    scan::{Path, Piece, Spec},
};
use std::collections::BTreeMap;

/// What changes first in a scan, as far as it was looked at.
#[derive(Default)]
pub(super) struct Stillness {
    first: Option<Piece>,
    change: Option<(u64, Change)>,
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
        if self.change.is_some() {
            return;
        }
        let first = self.first.get_or_insert_with(|| piece.clone());
        self.change = change(first, piece).map(|change| (piece.first_frame, change));
    }

    /// Fails if it does not stay as it begins, though one of `detectors` needs that.
    pub(super) fn suffices(
        self,
        spec: &Spec,
        axes: &[Name],
        detectors: &BTreeMap<Name, DetectorCapability>,
    ) -> Result<(), Unflyable> {
        let mut detectors = detectors.iter();
        let own_pace = detectors.find(|(_, timing)| timing.trigger == Trigger::Internal);
        let (Some((detector, _)), Some((frame, change))) = (own_pace, self.change) else {
            return Ok(());
        };
        let (path, change) = match change {
            Change::Moves(column) => {
                let axis = &axes[column];
                (spec.axis_path(axis.as_str()), format!("axis {axis} moves"))
            }
            Change::Duration { duration_s, usual_s } => (
                spec.duration_path(),
                format!("duration {duration_s} s is not the {usual_s} s of the frames before"),
            ),
            Change::Delay(delay_s) => {
                ("$".to_owned(), format!("it is to begin {delay_s} s after the one before"))
            }
        };
        Err(Unflyable::NotStill { path, frame, change, detector: detector.clone() })
    }
}

fn change(first: &Piece, piece: &Piece) -> Option<Change> {
    let moved = |column: &usize| {
        let here = first.start[*column];
        piece.start[*column] != here || piece.end[*column] != here
    };
    let curved = match &piece.path {
        Path::Straight => None,
        Path::Curved(curved) => {
            let mut columns = curved.by_axis(piece.start.len());
            columns.position(|points| points.iter().any(|point| *point != points[0]))
        }
    };
    if let Some(column) = curved.or_else(|| (0..piece.start.len()).find(moved)) {
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

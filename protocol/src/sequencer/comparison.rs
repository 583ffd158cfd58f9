//! [`Comparison`]: a line of frames as a block that compares one position counts it.
use super::{Counts, PositionInput, Sense};
use crate::{
    name::Name,
    scan::{Path, Piece},
    trajectory::{Approach, Planner, Section},
};
use std::time::Duration;

/// Pulses at equal steps of one position, passed one way. Counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// At the lower bound of the first frame.
    pub start: Counts,
    /// From one pulse to the next; always positive.
    pub step: u32,
    /// For how far a pulse is high.
    pub width: u32,
    pub pulses: u32,
    pub sense: Sense,
}

/// Why a scan is no line of equal steps: frame, axis and rule.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ComparisonError {
    #[error("axis {axis}, whose position is compared, is not in the scan")]
    NoAxis { axis: Name },
    #[error(
        "frame {frame}, axis {axis}: another line or step begins, and it makes the triggers of one \
         line, flown one way"
    )]
    Window { frame: u64, axis: Name },
    #[error("frame {frame}, axis {axis}: a curve begins, and it makes the triggers of a line")]
    Curved { frame: u64, axis: Name },
    #[error("frame {frame}, axis {axis}: it moves {step} counts, and must move at least 2")]
    Step { frame: u64, axis: Name, step: f64 },
    #[error(
        "frame {frame}, axis {axis}: it {bound} {found} counts from where the first begins, and equal \
         steps of whole counts come to {expected}"
    )]
    Uneven { frame: u64, axis: Name, bound: &'static str, found: f64, expected: f64 },
    #[error(
        "frame {frame}, axis {axis}: its run-up is {run_up} counts, and must be at least 1, or the \
         compare sees no count before the first: a longer settle_time of {axis} lengthens it, a \
         higher velocity, or an encoder of more counts"
    )]
    RunUp { frame: u64, axis: Name, run_up: f64 },
    #[error("frame {frame}, axis {axis}: {counts} counts do not fit into 32 bits")]
    Counts { frame: u64, axis: Name, counts: f64 },
}

/// How far from its place the bound of a frame may be, counts.
const MAX_OFF: f64 = 0.5;
/// A compare is armed by a count before its first, counts.
const MIN_RUN_UP: f64 = 1.0;

impl Comparison {
    /// The pulses of the frames of `pieces`, as `planner` flies them, whose axes are `axes`; each is
    /// low for `dead_time` before the next, as nearly as counts can say.
    pub fn new<P>(
        input: &PositionInput,
        (planner, axes): (&Planner, &[Name]),
        pieces: P,
        dead_time: Duration,
    ) -> Result<Self, ComparisonError>
    where
        P: IntoIterator<Item = Piece>,
    {
        let column = axes.iter().position(|name| *name == input.axis);
        let column = column.ok_or_else(|| ComparisonError::NoAxis { axis: input.axis.clone() })?;
        let mut line: Option<Line> = None;
        for section in planner.course(pieces) {
            let frame = section.piece.first_frame;
            match (&section.approach, &section.piece.path) {
                (Approach::Turn { .. }, _) => {
                    return Err(ComparisonError::Window { frame, axis: input.axis.clone() });
                }
                (Approach::Joined | Approach::RunUp, Path::Curved(_)) => {
                    return Err(ComparisonError::Curved { frame, axis: input.axis.clone() });
                }
                (Approach::Joined | Approach::RunUp, Path::Straight) => {}
            }
            let line = line.get_or_insert(Line::new(input, column, &section)?);
            line.add((input, column), &section)?;
            check_run_up((input, column), planner, &section.piece)?;
        }
        // A scan has a frame.
        let none = || ComparisonError::Window { frame: 0, axis: input.axis.clone() };
        let line = line.ok_or_else(none)?;
        line.comparison(input, dead_time)
    }
}

/// That a piece can be entered, as it is if a scan is resumed there.
fn check_run_up(
    (input, column): (&PositionInput, usize),
    planner: &Planner,
    piece: &Piece,
) -> Result<(), ComparisonError> {
    let counts = |position| input.exact_counts(position);
    let exact = counts(piece.start[column]) - counts(planner.rest_before(piece, column));
    // Thousandths, downwards: what is told is what is compared.
    let run_up = (exact.abs() * 1e3 + 1e-6).floor() / 1e3;
    if run_up < MIN_RUN_UP {
        let (frame, axis) = (piece.first_frame, input.axis.clone());
        return Err(ComparisonError::RunUp { frame, axis, run_up });
    }
    Ok(())
}

/// What is known of the line so far.
struct Line {
    first_frame: u64,
    /// Exact counts.
    start: f64,
    /// Whole counts, with a sign.
    step: f64,
    frames: u64,
    shortest_s: f64,
}

impl Line {
    fn new(
        input: &PositionInput,
        column: usize,
        section: &Section,
    ) -> Result<Self, ComparisonError> {
        let (piece, first_frame) = (&section.piece, section.piece.first_frame);
        let start = input.exact_counts(piece.start[column]);
        let exact = (input.exact_counts(piece.end[column]) - start) / piece.frames as f64;
        let step = exact.round();
        if !(step.abs() >= 2.0 && step.is_finite()) {
            let axis = input.axis.clone();
            return Err(ComparisonError::Step { frame: first_frame, axis, step: exact });
        }
        Ok(Self { first_frame, start, step, frames: 0, shortest_s: f64::INFINITY })
    }

    fn add(
        &mut self,
        (input, column): (&PositionInput, usize),
        section: &Section,
    ) -> Result<(), ComparisonError> {
        let piece = &section.piece;
        let ends = [(0, piece.start[column]), (piece.frames, piece.end[column])];
        for (frames, position) in ends {
            let frames_before = piece.first_frame + frames - self.first_frame;
            let found = input.exact_counts(position) - self.start;
            let expected = frames_before as f64 * self.step;
            if (found - expected).abs() > MAX_OFF {
                let axis = input.axis.clone();
                let last = piece.first_frame + frames.saturating_sub(1);
                let bound = if frames == 0 { "begins" } else { "ends" };
                return Err(ComparisonError::Uneven { frame: last, axis, bound, found, expected });
            }
        }
        self.frames = piece.first_frame + piece.frames - self.first_frame;
        self.shortest_s = self.shortest_s.min(section.frame_duration_s);
        Ok(())
    }

    fn comparison(
        &self,
        input: &PositionInput,
        dead_time: Duration,
    ) -> Result<Comparison, ComparisonError> {
        let too_many = |counts| {
            let (frame, axis) = (self.first_frame, input.axis.clone());
            ComparisonError::Counts { frame, axis, counts }
        };
        let end = self.start + self.step * self.frames as f64;
        for counts in [self.start, end] {
            if !(f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&counts) {
                return Err(too_many(counts));
            }
        }
        let step = self.step.abs();
        let live = 1.0 - dead_time.as_secs_f64() / self.shortest_s;
        let width = (step * live).floor().clamp(1.0, step - 1.0);
        let pulses = u32::try_from(self.frames).map_err(|_| too_many(end))?;
        let sense = if self.step > 0.0 { Sense::Rising } else { Sense::Falling };
        let start = Counts(self.start.round_ties_even() as i32);
        Ok(Comparison { start, step: step as u32, width: width as u32, pulses, sense })
    }
}

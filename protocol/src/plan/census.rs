//! [`Census`]: what is learned of a scan while the planner goes through it.
use super::Unflyable;
use crate::scan::{Path, Piece};
use std::time::Duration;

/// A scan that lasts longer is a mistake, which is better found before its files are made.
pub(super) const MAX_DAYS: u64 = 30;
const MAX_S: f64 = (MAX_DAYS * 86_400) as f64;
/// What can be looked at in half a minute: frames of curves, of which a row or a step is worth five.
pub(super) const MAX_WORK: u64 = 100_000_000;
const WORK_OF_ROW: u64 = 5;
pub(super) const MAX_ROWS: u64 = MAX_WORK / WORK_OF_ROW;

/// What is learned of a scan while the planner goes through it, so that it ends early with one that
/// is too long: nobody waits for hours to hear that a scan takes years.
pub(super) struct Census {
    num_frames: u64,
    shortest_s: f64,
    total_s: f64,
    work: u64,
}

impl Census {
    /// Of a scan whose frames are not shorter than `min_frame`.
    pub(super) fn new(num_frames: u64, min_frame: Duration) -> Result<Self, Unflyable> {
        let at_least_s = num_frames as f64 * min_frame.as_secs_f64();
        Self { num_frames, shortest_s: f64::INFINITY, total_s: at_least_s, work: 0 }
            .within_limits()
            .map(|census| Self { total_s: 0.0, ..census })
    }

    /// Counts a piece; whether more is worth looking at.
    pub(super) fn takes(&mut self, piece: &Piece) -> bool {
        if let Some(frame_s) = piece.frame_duration_s {
            self.shortest_s = self.shortest_s.min(frame_s);
            self.total_s += frame_s * piece.frames as f64;
        }
        self.work += match piece.path {
            Path::Straight => WORK_OF_ROW,
            Path::Curved(_) => piece.frames,
        };
        self.total_s <= MAX_S && self.work <= MAX_WORK
    }

    pub(super) fn within_limits(self) -> Result<Self, Unflyable> {
        let frames = self.num_frames;
        if self.total_s > MAX_S {
            return Err(Unflyable::TooLong { frames, days: self.total_s / 86_400.0 });
        }
        if self.work > MAX_WORK {
            return Err(Unflyable::TooManyRows { frames });
        }
        Ok(self)
    }

    /// The shortest of all frames, if there is one, and the scan, which takes `duration`, can be flown.
    pub(super) fn shortest_frame(
        mut self,
        duration: Duration,
    ) -> Result<Option<Duration>, Unflyable> {
        self.total_s = self.total_s.max(duration.as_secs_f64());
        let shortest_s = self.within_limits()?.shortest_s;
        Ok(Duration::try_from_secs_f64(shortest_s).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::Curved;

    fn check(pieces: &[(u64, f64, Path)], expected: &str) {
        let mut census = Census::new(1_000, Duration::from_micros(1)).expect("a scan of 1 ms");
        let taken = pieces.iter().take_while(|(frames, frame_s, path)| {
            census.takes(&Piece {
                first_frame: 0,
                frames: *frames,
                gap: true,
                delay_before_s: 0.0,
                frame_duration_s: Some(*frame_s),
                start: [].into(),
                end: [].into(),
                path: path.clone(),
            })
        });
        assert_eq!(taken.count(), pieces.len() - 1, "it ends at the last piece");
        let error = census.shortest_frame(Duration::ZERO).expect_err("too much");
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn nobody_waits_for_a_scan_that_takes_years_to_be_looked_at() {
        let curve = || Path::Curved(Curved { points: [].into(), next_midpoint: None });
        let short = (1_000_000, 0.01, Path::Straight);
        let error = "$: 1000 frames take 31.8 days or more: a scan lasts at most 30 days";
        check(&[short, (1, 2_740_000.0, Path::Straight)], error);
        let error = "$: 1000 frames are too many to be looked at before they are flown: at most \
                     20000000 rows and steps, or 100000000 frames of curves";
        check(&[(100_000_000, 1e-6, curve()), (1, 1e-6, curve())], error);
        let error = Census::new(1 << 53, Duration::from_micros(1)).err().expect("285 years");
        let expected = "$: 9007199254740992 frames take 104250.0 days or more: \
                        a scan lasts at most 30 days";
        assert_eq!(error.to_string(), expected);
    }
}

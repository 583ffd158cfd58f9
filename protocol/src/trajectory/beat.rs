//! [`Beat`]: when the segments of a row end.
use super::Mark;

/// How frames are divided into segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Division {
    /// So many segments of whole frames, as even as they can be.
    Together(u64),
    /// So many segments for each frame.
    Apart(u64),
}

/// Which segments a row needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// As few as the longest segment allows.
    Frames,
    /// One or more for each half of a frame.
    Halves,
}

/// The segments of frames of one duration, by index. Times are in ticks from the start of the row.
#[derive(Clone, Debug)]
pub(super) struct Beat {
    frames: u64,
    frame_ticks: f64,
    pace: Pace,
    division: Division,
    /// How much later than the ticks given out the row should begin (within a half).
    carried: f64,
}

impl Beat {
    pub(super) fn new(
        (frames, frame_ticks): (u64, f64),
        pace: Pace,
        longest: u64,
        carried: f64,
    ) -> Self {
        // What is carried is in -0.5..0.5, so rounding never makes a segment longer than its
        // exact duration rounded up: `longest`, being whole, holds.
        let longest = longest as f64;
        let parts = |ticks: f64| ((ticks / longest).ceil() as u64).max(1);
        let division = match pace {
            Pace::Halves => Division::Apart(2 * parts(frame_ticks / 2.0)),
            Pace::Frames if frame_ticks > longest => Division::Apart(parts(frame_ticks)),
            Pace::Frames => {
                let at_most = ((longest / frame_ticks) as u64).max(1);
                Division::Together(frames.div_ceil(at_most))
            }
        };
        Self { frames, frame_ticks, pace, division, carried }
    }

    pub(super) fn count(&self) -> u64 {
        match self.division {
            Division::Together(segments) => segments,
            Division::Apart(parts) => self.frames.saturating_mul(parts),
        }
    }

    /// Segments for a frame; one if a segment holds whole frames.
    pub(super) fn per_frame(&self) -> u64 {
        match self.division {
            Division::Together(_) => 1,
            Division::Apart(parts) => parts,
        }
    }

    /// The duration of the shortest segment, but for a fraction of a tick.
    pub(super) fn shortest(&self) -> f64 {
        match self.division {
            Division::Together(segments) => (self.frames / segments) as f64 * self.frame_ticks,
            Division::Apart(parts) => self.frame_ticks / parts as f64,
        }
    }

    /// Frames that begin in the first `segments`.
    fn begun(&self, segments: u64) -> u64 {
        match self.division {
            Division::Together(all) => {
                (u128::from(self.frames) * u128::from(segments) / u128::from(all)) as u64
            }
            Division::Apart(parts) => segments.div_ceil(parts),
        }
    }

    /// Frames that begin in a segment.
    pub(super) fn frames(&self, index: u64) -> u64 {
        self.begun(index + 1) - self.begun(index)
    }

    /// Whether the last frame of a segment goes on in the next.
    pub(super) fn goes_on(&self, index: u64) -> bool {
        !(index + 1).is_multiple_of(self.per_frame())
    }

    /// What is at the end of a segment that is not the last.
    pub(super) fn mark(&self, index: u64) -> Mark {
        let parts = self.per_frame();
        match ((index + 1) % parts, self.pace) {
            (0, _) => Mark::FrameEnd,
            (part, Pace::Halves) if 2 * part == parts => Mark::Midpoint,
            (_, Pace::Halves | Pace::Frames) => Mark::Within,
        }
    }

    fn total(&self) -> f64 {
        self.frames as f64 * self.frame_ticks
    }

    /// The exact time of the first `segments`.
    pub(super) fn exact_until(&self, segments: u64) -> f64 {
        match self.division {
            Division::Together(_) => self.begun(segments) as f64 * self.frame_ticks,
            Division::Apart(parts) => {
                let part = (segments % parts) as f64 / parts as f64;
                ((segments / parts) as f64 + part) * self.frame_ticks
            }
        }
    }

    /// The ticks given out for the first `segments`.
    pub(super) fn ticks_until(&self, segments: u64) -> u64 {
        if segments == 0 {
            return 0;
        }
        let carried = if self.is_whole() { 0.0 } else { self.carried };
        (self.exact_until(segments) + carried).round() as u64
    }

    pub(super) fn duration(&self) -> u64 {
        self.ticks_until(self.count())
    }

    /// The fraction to be carried into the next row.
    pub(super) fn carried_on(&self) -> f64 {
        if self.is_whole() { self.carried } else { self.carried - self.late(self.count()) }
    }

    /// How much later than it should the first `segments` end by the ticks given out.
    pub(super) fn late(&self, segments: u64) -> f64 {
        self.ticks_until(segments) as f64 - self.exact_until(segments)
    }

    /// Whether frames last whole ticks.
    pub(super) fn is_whole(&self) -> bool {
        self.frame_ticks.fract() == 0.0
    }

    /// The exact time of a segment that is a part of a frame, or a frame.
    pub(super) fn part_ticks(&self) -> f64 {
        self.frame_ticks / self.per_frame() as f64
    }

    /// Which part of the row is over after the first `segments`.
    pub(super) fn part_until(&self, segments: u64) -> f64 {
        self.exact_until(segments) / self.total()
    }
}

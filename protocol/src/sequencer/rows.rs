//! [`Rows`]: spans of frames turned into rows.
use super::{
    BitInput, Entry, Gap, LONGEST_TICKS, Level, Live, MIN_PULSE_TICKS, Output, Outputs, Row,
    Sequencer, SequencerError, Span, TICKS_PER_SECOND, Trigger,
    outline::Beginning,
    pace::Pace,
    phases::{Encoder, Phases},
};
use std::{iter::Peekable, sync::Arc};

/// The rows of a scan, made when asked for.
///
/// A window is one row that waits for its beginning, and rows of up to 65,535 frames of equal
/// duration. Between two windows and after the last is a row without live time.
#[derive(Debug)]
pub struct Rows<I: Iterator<Item = Result<Span, SequencerError>>> {
    sequencer: Arc<Sequencer>,
    spans: Peekable<I>,
    stage: Stage,
    /// Exact time since the last window that something but time began, less the time given out,
    /// ticks.
    owed: f64,
    /// Dead ticks at the end of the last frame that are not yet given out.
    tail: u64,
    encoder: Encoder,
}

#[derive(Debug)]
enum Stage {
    /// Before the first window.
    Before,
    /// Within a window, with frames yet to be given out.
    Within(Stretch),
    /// Between two spans.
    Between,
    /// Nothing follows.
    Ended,
}

/// Frames of one duration that follow each other.
#[derive(Debug)]
struct Stretch {
    duration_s: f64,
    pace: Pace,
    frames: u64,
}

impl<I: Iterator<Item = Result<Span, SequencerError>>> Rows<I> {
    pub(super) fn new(sequencer: Arc<Sequencer>, spans: I) -> Self {
        let (spans, encoder) = (spans.peekable(), Encoder::default());
        Self { sequencer, spans, stage: Stage::Before, owed: 0.0, tail: 0, encoder }
    }

    /// Goes on by a span or by as many frames as are counted together.
    fn advance(&mut self) -> Result<(), SequencerError> {
        match std::mem::replace(&mut self.stage, Stage::Ended) {
            Stage::Within(stretch) => self.stage = self.go_through(stretch),
            Stage::Ended => {}
            stage @ (Stage::Before | Stage::Between) => match self.spans.next() {
                Some(span) => self.stage = self.enter(&stage, span?)?,
                None => self.end(),
            },
        }
        Ok(())
    }

    fn enter(&mut self, stage: &Stage, span: Span) -> Result<Stage, SequencerError> {
        let (frame, duration_s) = (span.first_frame, span.frame_duration_s);
        let pace = Pace::new(self.sequencer.live, frame, duration_s)?;
        let mut frames = span.frames.get();
        match (span.entry, stage) {
            (Entry::Joined, Stage::Before) => return Err(SequencerError::Unjoined { frame }),
            (Entry::Joined, Stage::Within(_) | Stage::Between | Stage::Ended) => {}
            (Entry::Window { axes, gap }, stage) => {
                let sequencer = Arc::clone(&self.sequencer);
                let beginning = sequencer.beginning(frame, &axes)?;
                self.owed = match beginning {
                    Beginning::At(_) | Beginning::Gated(_) => 0.0,
                    // Nothing else tells when it begins: what is owed would add up.
                    Beginning::Timed => self.owed,
                };
                match stage {
                    Stage::Before => {}
                    Stage::Within(_) | Stage::Between | Stage::Ended => {
                        self.go_across(frame, beginning, gap)?;
                    }
                }
                self.give(&pace, 1, beginning.trigger());
                frames -= 1;
            }
        }
        Ok(Stretch { duration_s, pace, frames }.into())
    }

    /// Takes up what joins the frames at the same duration, since the hardware counts them
    /// together, but no more than it can.
    fn go_through(&mut self, mut stretch: Stretch) -> Stage {
        while stretch.frames < stretch.pace.most {
            let is_joined =
                |next: &Result<Span, _>| next.as_ref().is_ok_and(|next| stretch.is_joined_by(next));
            let Some(Ok(next)) = self.spans.next_if(is_joined) else { break };
            stretch.frames += next.frames.get();
        }
        let frames = stretch.frames.min(stretch.pace.most);
        self.give(&stretch.pace, frames, Trigger::Immediate);
        stretch.frames -= frames;
        stretch.into()
    }

    /// Gives out at most as many frames as may be counted together; one if there is a trigger.
    fn give(&mut self, pace: &Pace, frames: u64, trigger: Trigger) {
        let live = Outputs::from(Output::A);
        let split = pace.split(frames, self.owed);
        self.owed = split.owed;
        let (short, long) = ((split.short, pace.tail()), (split.long, pace.tail() + 1));
        for (repeats, tail) in [short, long].into_iter().filter(|&(repeats, _)| repeats > 0) {
            match self.sequencer.live {
                Live::FirstHalf | Live::First { .. } => {
                    let (first, second) = ((pace.live, live), (tail, Outputs::NONE));
                    self.encoder.push(Phases { repeats, trigger, first, second });
                }
                Live::Centred { .. } => {
                    // A row has two phases: the dead time after a frame is said with the next.
                    let second = (pace.live, live);
                    let first = (self.tail + pace.lead, Outputs::NONE);
                    self.encoder.push(Phases { repeats: 1, trigger, first, second });
                    let (repeats, first) = (repeats - 1, (tail + pace.lead, Outputs::NONE));
                    self.encoder.push(Phases { repeats, trigger, first, second });
                    self.tail = tail;
                }
            }
        }
    }

    /// The row between the end of a window and the window of `frame`.
    fn go_across(
        &mut self,
        frame: u64,
        beginning: Beginning<'_>,
        gap: Option<Gap>,
    ) -> Result<(), SequencerError> {
        self.give_tail();
        match beginning {
            Beginning::Gated(input) => self.encoder.push(low(input)),
            Beginning::At(_) | Beginning::Timed => {
                let gap = gap.ok_or(SequencerError::NoGap { frame })?;
                if gap.blind_ticks >= LONGEST_TICKS {
                    let limit = (LONGEST_TICKS / TICKS_PER_SECOND) as f64;
                    return Err(SequencerError::LongGap { frame, limit });
                }
                self.encoder.push(dead(gap.blind_ticks.max(2)));
            }
        }
        Ok(())
    }

    fn give_tail(&mut self) {
        let tail = std::mem::take(&mut self.tail);
        if tail > 0 {
            let (first, second) = ((0, Outputs::NONE), (tail, Outputs::NONE));
            self.encoder.push(Phases { repeats: 1, trigger: Trigger::Immediate, first, second });
        }
    }

    fn end(&mut self) {
        self.give_tail();
        self.encoder.push(dead(2 * u64::from(MIN_PULSE_TICKS)));
        self.encoder.flush();
    }
}

impl Stretch {
    fn is_joined_by(&self, next: &Span) -> bool {
        next.entry == Entry::Joined
            && next.frame_duration_s == self.duration_s
            && self.frames.checked_add(next.frames.get()).is_some()
    }
}

impl From<Stretch> for Stage {
    fn from(stretch: Stretch) -> Self {
        if stretch.frames > 0 { Self::Within(stretch) } else { Self::Between }
    }
}

/// The dead output for the first half of so many ticks.
fn dead(ticks: u64) -> Phases {
    Phases {
        repeats: 1,
        trigger: Trigger::Immediate,
        first: (ticks / 2, Output::B.into()),
        second: (ticks.div_ceil(2), Outputs::NONE),
    }
}

/// The shortest dead pulse once the gate has closed.
fn low(input: BitInput) -> Phases {
    let trigger = Trigger::Bit { input, level: Level::Low };
    Phases { trigger, ..dead(2 * u64::from(MIN_PULSE_TICKS)) }
}

impl<I: Iterator<Item = Result<Span, SequencerError>>> Iterator for Rows<I> {
    type Item = Result<Row, SequencerError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(row) = self.encoder.pop() {
                return Some(Ok(row));
            }
            match self.stage {
                Stage::Ended => return None,
                Stage::Before | Stage::Within(_) | Stage::Between => {}
            }
            if let Err(error) = self.advance() {
                self.encoder = Encoder::default();
                return Some(Err(error));
            }
        }
    }
}

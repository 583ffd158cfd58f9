//! [`Sequencer`]: what the rows of a scan depend on, besides its frames.
use super::{
    BitInput, Counts, Level, Live, Outputs, PositionInput, Repeats, Row, Rows, Sense,
    SequencerError, Span, Start, Trigger,
};
use crate::name::Name;
use std::{
    num::{NonZeroU16, NonZeroU32},
    sync::Arc,
};

/// What begins a window, if an axis moves in the scan.
#[derive(Clone, Debug, PartialEq)]
pub enum StartOn {
    /// An axis passes the lower bound of the first frame: the one that moves most, in counts, from
    /// there to the midpoint. Inputs of axes that are not in the scan are not used.
    Position(Vec<PositionInput>),
    /// The motion controller holds this bit high during the frames of a window, and low in between.
    Gate(BitInput),
    /// The time of the gap has passed.
    Time,
}

/// Makes the rows of a sequencer: output A is high while a frame is live, B at the beginning of
/// each gap and after the last frame.
#[derive(Clone, Debug)]
pub struct Sequencer {
    axes: Box<[Name]>,
    begin: Begin,
    pub(super) live: Live,
}

/// [`StartOn`] with inputs by index of their axis.
#[derive(Clone, Debug)]
enum Begin {
    Position(Box<[(usize, PositionInput)]>),
    Gate(BitInput),
    Time,
}

/// The position compare that begins a window.
#[derive(Clone, Copy, Debug)]
pub(super) struct Compare<'a> {
    /// Index of the axis.
    pub(super) axis: usize,
    pub(super) input: &'a PositionInput,
    pub(super) sense: Sense,
    pub(super) position: Counts,
}

/// What begins one window.
#[derive(Clone, Copy, Debug)]
pub(super) enum Beginning<'a> {
    At(Compare<'a>),
    Gated(BitInput),
    Timed,
}

/// What a scan needs of a sequencer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    pub frames: u64,
    /// Rows of all tables, before tables are cut.
    pub rows: u64,
    /// Time of all rows without what is waited for, ticks.
    pub ticks: u64,
}

impl Sequencer {
    /// For the `axes` of a scan in the order of its stack.
    ///
    /// Fails if two axes share an input, or one has two.
    pub fn new(axes: &[Name], start: StartOn, live: Live) -> Result<Self, SequencerError> {
        let begin = match start {
            StartOn::Position(inputs) => {
                check_inputs(&inputs)?;
                let index =
                    |input: &PositionInput| axes.iter().position(|axis| *axis == input.axis);
                let found = inputs.into_iter();
                let found = found.filter_map(|input| index(&input).map(|index| (index, input)));
                Begin::Position(found.collect())
            }
            StartOn::Gate(input) => Begin::Gate(input),
            StartOn::Time => Begin::Time,
        };
        Ok(Self { axes: axes.into(), begin, live })
    }

    /// The rows of `spans`, made when asked for; after an error, nothing.
    ///
    /// The spans may begin with any window of a scan, or with the rest of one (resume);
    /// [`spans`](Self::spans) makes them.
    pub fn rows<S>(&self, spans: S) -> Rows<S::IntoIter>
    where
        S: IntoIterator<Item = Result<Span, SequencerError>>,
    {
        Rows::new(Arc::new(self.clone()), spans.into_iter())
    }

    /// What comes before the rows of a scan: a gate that an earlier scan has left high is not the
    /// first window. The controller clears it as it begins
    /// ([`BitsBefore::Unknown`](crate::trajectory::BitsBefore)).
    pub fn entry(&self) -> Option<Row> {
        match self.begin {
            Begin::Gate(input) => Some(Row {
                repeats: Repeats::Times(NonZeroU16::MIN),
                trigger: Trigger::Bit { input, level: Level::Low },
                time1_ticks: 0,
                outputs1: Outputs::NONE,
                time2_ticks: NonZeroU32::MIN,
                outputs2: Outputs::NONE,
            }),
            Begin::Position(_) | Begin::Time => None,
        }
    }

    /// What `spans` need, or the first reason why they cannot be triggered.
    ///
    /// Goes through all rows once, in memory that does not grow with their number.
    pub fn check<S>(&self, spans: S) -> Result<Summary, SequencerError>
    where
        S: IntoIterator<Item = Result<Span, SequencerError>>,
    {
        let mut frames = 0_u64;
        let count = |span: &Result<Span, _>| {
            let more = span.as_ref().map_or(0, |span| span.frames.get());
            frames = frames.saturating_add(more);
        };
        let mut rows = self.rows(spans.into_iter().inspect(count));
        let summary = rows.try_fold(Summary::default(), |sum, row| {
            let ticks = sum.ticks.saturating_add(row?.ticks());
            Ok(Summary { rows: sum.rows + 1, ticks, ..sum })
        })?;
        Ok(Summary { frames, ..summary })
    }

    /// Whether a window in which no axis moves is begun by time, though others are not.
    pub(super) fn times_still_windows(&self) -> bool {
        match self.begin {
            Begin::Position(_) => true,
            Begin::Gate(_) | Begin::Time => false,
        }
    }

    /// What begins the window of `frame`.
    pub(super) fn beginning(
        &self,
        frame: u64,
        axes: &[Start],
    ) -> Result<Beginning<'_>, SequencerError> {
        if axes.is_empty() {
            return Ok(Beginning::Timed);
        }
        let (expected, found) = (self.axes.len(), axes.len());
        if found != expected {
            return Err(SequencerError::Axes { frame, expected, found });
        }
        match &self.begin {
            Begin::Position(inputs) => Ok(Beginning::At(compare(frame, axes, inputs)?)),
            Begin::Gate(input) => Ok(Beginning::Gated(*input)),
            Begin::Time => Ok(Beginning::Timed),
        }
    }
}

impl Beginning<'_> {
    /// What the first row of the window waits for.
    pub(super) fn trigger(&self) -> Trigger {
        match self {
            Self::At(Compare { input, sense, position, .. }) => {
                Trigger::Position { bus: input.bus, sense: *sense, position: *position }
            }
            Self::Gated(input) => Trigger::Bit { input: *input, level: Level::High },
            Self::Timed => Trigger::Immediate,
        }
    }
}

/// The compare of the axis that moves most in counts; of two that move as much, the slower one.
fn compare<'a>(
    frame: u64,
    axes: &[Start],
    inputs: &'a [(usize, PositionInput)],
) -> Result<Compare<'a>, SequencerError> {
    let mut most: Option<(u32, Compare<'_>)> = None;
    for (axis, input) in inputs {
        let start = axes[*axis];
        let position = input.counts_at(frame, ("lower bound", start.lower))?;
        let midpoint = input.counts_at(frame, ("midpoint", start.midpoint))?;
        let distance = midpoint.0.abs_diff(position.0);
        if distance > most.map_or(0, |(most, _)| most) {
            let sense = if midpoint > position { Sense::Rising } else { Sense::Falling };
            most = Some((distance, Compare { axis: *axis, input, sense, position }));
        }
    }
    let still = || SequencerError::Still { frame, axes: names(inputs) };
    most.map(|(_, compare)| compare).ok_or_else(still)
}

/// Each axis has one input, each input one axis.
fn check_inputs(inputs: &[PositionInput]) -> Result<(), SequencerError> {
    for (index, input) in inputs.iter().enumerate() {
        for other in &inputs[..index] {
            let axis = input.axis.clone();
            if other.axis == axis {
                let (bus, other_bus) = (other.bus, input.bus);
                return Err(SequencerError::TwoInputs { axis, bus, other_bus });
            }
            if other.bus == input.bus {
                let other = other.axis.clone();
                return Err(SequencerError::SharedInput { axis, other, bus: input.bus });
            }
        }
    }
    Ok(())
}

fn names(inputs: &[(usize, PositionInput)]) -> String {
    let names: Vec<&str> = inputs.iter().map(|(_, input)| input.axis.as_str()).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

//! [`Frames`]: consecutive frames of a scan, in columns.
use super::{Stack, columns::Columns, sequence::Sequence};
use serde::{Serialize, Serializer, ser::SerializeMap};
use std::{ops::Range, sync::Arc};

/// Consecutive frames of a scan, in columns. Positions are in the EGU of their axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Frames {
    axes: Arc<[String]>,
    start: u64,
    columns: Columns,
    gap: Vec<bool>,
    duration_s: Option<Vec<f64>>,
    delay_after_s: Option<f64>,
}

impl Default for Frames {
    fn default() -> Self {
        Self {
            axes: Vec::new().into(),
            start: 0,
            columns: Columns::default(),
            gap: Vec::new(),
            duration_s: None,
            delay_after_s: None,
        }
    }
}

impl Frames {
    /// Names of the axes, slowest first.
    pub fn axes(&self) -> &[String] {
        &self.axes
    }

    /// Index in the scan of the first frame.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// Number of frames.
    pub fn len(&self) -> usize {
        self.gap.len()
    }

    /// Whether there is no frame.
    pub fn is_empty(&self) -> bool {
        self.gap.is_empty()
    }

    /// Where each axis is at the middle of each frame: `midpoints()[axis][frame]`.
    pub fn midpoints(&self) -> &[Vec<f64>] {
        &self.columns.midpoints
    }

    /// Where each axis is at the start of each frame.
    pub fn lower(&self) -> &[Vec<f64>] {
        &self.columns.lower
    }

    /// Where each axis is at the end of each frame.
    pub fn upper(&self) -> &[Vec<f64>] {
        &self.columns.upper
    }

    /// For each frame, whether axes must go elsewhere between the frame before and this one. For
    /// frame 0 of a scan the one before is the last: whether another pass could follow at once.
    pub fn gap(&self) -> &[bool] {
        &self.gap
    }

    /// Seconds that each frame takes, if the specification says so.
    pub fn duration_s(&self) -> Option<&[f64]> {
        self.duration_s.as_deref()
    }

    /// Least time between each frame and the next, in seconds; nothing if the specification is of a
    /// form that cannot say it.
    pub fn delay_after_s(&self) -> Option<f64> {
        self.delay_after_s
    }
}

/// Writes the frames of a range, all of which there are.
pub(super) fn fill(
    axes: &Arc<[String]>,
    sequence: &Sequence,
    range: Range<u64>,
    frames: &mut Frames,
) {
    let count = (range.end - range.start) as usize;
    if !Arc::ptr_eq(&frames.axes, axes) {
        frames.axes = Arc::clone(axes);
    }
    frames.start = range.start;
    frames.columns.resize(axes.len(), count);
    frames.gap.clear();
    frames.gap.resize(count, false);
    frames.delay_after_s = sequence.delay_after_s;
    if sequence.layers.has_duration() {
        let durations = frames.duration_s.get_or_insert_default();
        durations.resize(count, 0.0);
        sequence.layers.fill_durations(range.start, durations);
    } else {
        frames.duration_s = None;
    }
    sequence.fill(range.start, count, &mut frames.columns);
    sequence.or_gaps(range.start, &mut frames.gap);
}

/// The shape of a scan and some of its frames, all of them in memory. Their keys are those of
/// `bluefly points`, which keeps no frames and so has a writer of its own.
#[derive(Clone, Debug, Serialize)]
#[expect(clippy::struct_field_names, reason = "the keys of the file")]
pub struct Points<'a> {
    axes: &'a [String],
    shape: Vec<u64>,
    snaked: Vec<bool>,
    num_points: u64,
    frames: Table<'a>,
}

impl<'a> Points<'a> {
    /// The frames of a range, cut to those that there are.
    pub fn new(stack: &'a Stack, range: Range<u64>) -> Self {
        Self {
            axes: stack.axes(),
            shape: stack.shape(),
            snaked: stack.snaked(),
            num_points: stack.num_points(),
            frames: Table { stack, frames: stack.frames(range) },
        }
    }
}

/// The columns of some frames of a stack.
#[derive(Clone, Debug)]
struct Table<'a> {
    stack: &'a Stack,
    frames: Frames,
}

impl Serialize for Table<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Frames { axes, start, columns, gap, duration_s, delay_after_s } = &self.frames;
        let by_axis = |values| ByAxis { axes, values };
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("midpoints", &by_axis(&columns.midpoints))?;
        map.serialize_entry("lower", &by_axis(&columns.lower))?;
        map.serialize_entry("upper", &by_axis(&columns.upper))?;
        map.serialize_entry("gap", gap)?;
        map.serialize_entry("duration", duration_s)?;
        if let Some(delay) = delay_after_s {
            map.serialize_entry("delay_after", &vec![*delay; gap.len()])?;
            let indexes = (*start..start + gap.len() as u64).map(|frame| self.stack.indexes(frame));
            map.serialize_entry("indexes", &indexes.collect::<Vec<_>>())?;
        }
        map.end()
    }
}

/// Columns under the names of their axes.
struct ByAxis<'a> {
    axes: &'a [String],
    values: &'a [Vec<f64>],
}

impl Serialize for ByAxis<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.axes.iter().zip(self.values))
    }
}

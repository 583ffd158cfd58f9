//! [`Segment`]: one row of the table that a motion controller executes.

/// What an axis can do. Positions in its EGU, velocity in EGU/s, acceleration in EGU/s².
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AxisLimits {
    pub low: f64,
    pub high: f64,
    pub max_velocity: f64,
    pub max_acceleration: f64,
    /// Time at the velocity of a row (at standstill before a step) before its first frame, seconds.
    pub settle_s: f64,
}

/// One stretch of motion, at the end of which every axis has the given position and velocity (PVT).
///
/// Between two such points every axis follows the cubic that both determine (Hermite). Where the
/// displacement is `(velocity before + velocity after) / 2 * duration` that is constant acceleration.
#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    /// How long it takes, in microseconds; at least one.
    pub duration_us: u64,
    /// Triggers sent during it: evenly spaced, the first at its start. Zero outside data taking.
    pub frames: u64,
    /// Whether the last frame begun goes on in the next segment: one that lasts longer than a
    /// segment may, or one of a curve. Such a frame is over with the first segment that does not say
    /// so.
    pub frame_goes_on: bool,
    /// Position of each axis at the end, EGU.
    pub positions: Box<[f64]>,
    /// Velocity of each axis at the end, EGU/s.
    pub velocities: Box<[f64]>,
}

/// What is at the end of a segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mark {
    /// Nothing: a longer stretch was split.
    #[default]
    Within,
    /// The lower bound of the first frame of a row, after motion that led there.
    RowStart,
    /// The midpoint of a frame.
    Midpoint,
    /// The upper bound of a frame, or of several of one velocity, which is the lower bound of the
    /// next in the same row or curve.
    FrameEnd,
    /// The same, but another row or curve follows at once with the same velocity.
    Join,
    /// The upper bound of the last frame of a row.
    RowEnd,
    /// Outside rows: where the acceleration of an axis changes.
    Turnaround,
    /// Standstill after the last row.
    RunDown,
    /// Standstill before the first row, where bits are cleared that an earlier trajectory has left.
    Entry,
}

/// Which points of a scan end a segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PointMode {
    /// Those that motion needs: a straight row takes as few segments as the longest allows. A curve
    /// needs every bound and midpoint.
    #[default]
    Sparse,
    /// Every bound and midpoint.
    EveryPoint,
}

impl PointMode {
    /// Every mode that a file may name.
    pub const ALL: [Self; 2] = [Self::Sparse, Self::EveryPoint];

    /// The mode as written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sparse => "sparse",
            Self::EveryPoint => "every",
        }
    }
}

/// What a controller tells the trigger hardware as it comes to a point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TriggerBits {
    /// Nothing.
    #[default]
    None,
    /// Where rows start and end.
    RowGate,
    /// What every point is; makes [`PointMode::EveryPoint`] of any mode.
    EveryPoint,
}

impl TriggerBits {
    /// Everything that a file may name.
    pub const ALL: [Self; 3] = [Self::None, Self::RowGate, Self::EveryPoint];

    /// The bits as written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::RowGate => "row_gate",
            Self::EveryPoint => "every_point",
        }
    }
}

/// What the bits of a controller are before a trajectory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BitsBefore {
    #[default]
    Low,
    /// A trajectory that was given up in mid-row has left them as they were.
    Unknown,
}

/// What makes detectors take frames while a trajectory is followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TriggerSource {
    /// A box beside the controller, which is told how many triggers to send during each segment.
    #[default]
    Box,
    /// The output bits of the controller's user programs.
    UserPrograms,
}

impl TriggerSource {
    /// Everything that a file may name.
    pub const ALL: [Self; 2] = [Self::Box, Self::UserPrograms];

    /// The source as written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Box => "box",
            Self::UserPrograms => "user_programs",
        }
    }
}

/// Consecutive segments, to be built first or appended while the controller runs.
///
/// In columns, as a controller takes them: all are of one length, and mean what they mean in
/// [`Segment`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    pub durations_us: Vec<u64>,
    pub frames: Vec<u64>,
    pub frame_goes_on: Vec<bool>,
    /// What is at the end of each.
    pub marks: Vec<Mark>,
    /// `[axis][segment]`
    pub positions: Vec<Vec<f64>>,
    /// `[axis][segment]`
    pub velocities: Vec<Vec<f64>>,
    /// Whether nothing follows.
    pub last: bool,
}

impl Batch {
    /// No segments yet of so many axes.
    pub fn new(axes: usize) -> Self {
        let none = || vec![Vec::new(); axes];
        Self { positions: none(), velocities: none(), ..Self::default() }
    }

    pub fn len(&self) -> usize {
        self.durations_us.len()
    }

    pub fn is_empty(&self) -> bool {
        self.durations_us.is_empty()
    }

    /// Adds a segment of the same axes at the end, which is not marked.
    pub fn push(&mut self, segment: &Segment) {
        self.durations_us.push(segment.duration_us);
        self.frames.push(segment.frames);
        self.frame_goes_on.push(segment.frame_goes_on);
        self.marks.push(Mark::Within);
        let push = |columns: &mut [Vec<f64>], values: &[f64]| {
            columns.iter_mut().zip(values).for_each(|(column, &value)| column.push(value));
        };
        push(&mut self.positions, &segment.positions);
        push(&mut self.velocities, &segment.velocities);
    }

    /// Forgets all segments, but not the axes.
    pub(super) fn clear(&mut self) {
        self.durations_us.clear();
        self.frames.clear();
        self.frame_goes_on.clear();
        self.marks.clear();
        self.positions.iter_mut().chain(&mut self.velocities).for_each(Vec::clear);
    }

    /// One after the other.
    pub fn segments(&self) -> impl Iterator<Item = Segment> {
        let row = |columns: &[Vec<f64>], i: usize| columns.iter().map(|column| column[i]).collect();
        (0..self.len()).map(move |i| Segment {
            duration_us: self.durations_us[i],
            frames: self.frames[i],
            frame_goes_on: self.frame_goes_on[i],
            positions: row(&self.positions, i),
            velocities: row(&self.velocities, i),
        })
    }
}

/// Segments of the same axes; something may follow.
impl FromIterator<Segment> for Batch {
    fn from_iter<I: IntoIterator<Item = Segment>>(segments: I) -> Self {
        let mut segments = segments.into_iter().peekable();
        let mut batch = Self::new(segments.peek().map_or(0, |first| first.positions.len()));
        segments.for_each(|segment| batch.push(&segment));
        batch
    }
}

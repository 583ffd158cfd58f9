//! [`Row`]: one line of a sequencer table.
use super::Counts;
use std::{
    fmt,
    num::{NonZeroU16, NonZeroU32},
    ops::BitOr,
};

/// One of the three position inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bus {
    A,
    B,
    C,
}

/// One of the three bit inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BitInput {
    A,
    B,
    C,
}

/// What a bit is waited to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Low,
    High,
}

/// From which side a position is passed, in counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sense {
    /// Upwards: at or above the position.
    Rising,
    /// Downwards: at or below the position.
    Falling,
}

/// What a row waits for at the start of each repeat. Prints as the sequencer's own label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    Immediate,
    Bit { input: BitInput, level: Level },
    Position { bus: Bus, sense: Sense, position: Counts },
}

/// One of the six outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    A,
    B,
    C,
    D,
    E,
    F,
}

/// The outputs that are high during a phase; all others are low.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outputs(u8);

/// How often a row is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeats {
    Times(NonZeroU16),
    /// Until the sequencer is disabled: what the hardware does if told 0 times.
    Forever,
}

/// Waits for the trigger, then runs two phases of given outputs; all of it as often as `repeats`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    pub repeats: Repeats,
    pub trigger: Trigger,
    /// Length of the first phase, ticks; it is skipped if 0.
    pub time1_ticks: u32,
    pub outputs1: Outputs,
    /// Length of the second phase, ticks. Its outputs stay while the next trigger is waited for.
    pub time2_ticks: NonZeroU32,
    pub outputs2: Outputs,
}

impl Outputs {
    pub const NONE: Self = Self(0);

    /// Whether `output` is high.
    pub fn has(self, output: Output) -> bool {
        self.0 & Self::from(output).0 != 0
    }
}

impl From<Output> for Outputs {
    fn from(output: Output) -> Self {
        Self(match output {
            Output::A => 1,
            Output::B => 1 << 1,
            Output::C => 1 << 2,
            Output::D => 1 << 3,
            Output::E => 1 << 4,
            Output::F => 1 << 5,
        })
    }
}

impl BitOr for Outputs {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl Repeats {
    pub(super) const ONCE: Self = Self::Times(NonZeroU16::MIN);
}

impl Trigger {
    /// The number that stands for it in a row.
    fn code(self) -> u32 {
        match self {
            Self::Immediate => 0,
            Self::Bit { input, level } => {
                let first = match input {
                    BitInput::A => 1,
                    BitInput::B => 3,
                    BitInput::C => 5,
                };
                match level {
                    Level::Low => first,
                    Level::High => first + 1,
                }
            }
            Self::Position { bus, sense, .. } => {
                let first = match bus {
                    Bus::A => 7,
                    Bus::B => 9,
                    Bus::C => 11,
                };
                match sense {
                    Sense::Rising => first,
                    Sense::Falling => first + 1,
                }
            }
        }
    }

    fn position(self) -> Counts {
        match self {
            Self::Immediate | Self::Bit { .. } => Counts(0),
            Self::Position { position, .. } => position,
        }
    }
}

impl Row {
    /// The row as the four words of a table, which are sent in little-endian order.
    pub fn words(&self) -> [u32; 4] {
        let repeats = match self.repeats {
            Repeats::Times(times) => times.get(),
            Repeats::Forever => 0,
        };
        let outputs = u32::from(self.outputs1.0) << 20 | u32::from(self.outputs2.0) << 26;
        [
            u32::from(repeats) | self.trigger.code() << 16 | outputs,
            self.trigger.position().0.cast_unsigned(),
            self.time1_ticks,
            self.time2_ticks.get(),
        ]
    }

    /// How long it runs without its waits, ticks: 0 if for ever, since that says nothing.
    pub fn ticks(&self) -> u64 {
        match self.repeats {
            Repeats::Times(times) => u64::from(times.get()) * self.ticks_once(),
            Repeats::Forever => 0,
        }
    }

    fn ticks_once(&self) -> u64 {
        u64::from(self.time1_ticks) + u64::from(self.time2_ticks.get())
    }
}

impl fmt::Display for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::A => "POSA",
            Self::B => "POSB",
            Self::C => "POSC",
        })
    }
}

impl fmt::Display for BitInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::A => "BITA",
            Self::B => "BITB",
            Self::C => "BITC",
        })
    }
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Immediate => f.write_str("Immediate"),
            Self::Bit { input, level: Level::Low } => write!(f, "{input}=0"),
            Self::Bit { input, level: Level::High } => write!(f, "{input}=1"),
            Self::Position { bus, sense: Sense::Rising, .. } => write!(f, "{bus}>=POSITION"),
            Self::Position { bus, sense: Sense::Falling, .. } => write!(f, "{bus}<=POSITION"),
        }
    }
}

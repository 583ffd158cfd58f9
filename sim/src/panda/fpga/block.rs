//! [`Block`]: what every block of the FPGA is to the clock and to the buses, and how it is described.
use super::{Tick, segment::Condition, track::Track};

/// A block will not act again by itself.
pub(super) const NEVER: Tick = Tick::MAX;

/// What kind of blocks there is: the names are those of the configuration of a PandA.
#[derive(Clone, Copy, Debug)]
pub struct BlockKind {
    pub name: &'static str,
    pub count: usize,
    pub fields: &'static [FieldKind],
}

/// A field of a block.
#[derive(Clone, Copy, Debug)]
pub struct FieldKind {
    pub name: &'static str,
    /// Class and type in the words of the configuration.
    pub class: &'static str,
    /// The choices of an enumeration, from 0.
    pub choices: &'static [&'static str],
    /// The line of the bit bus or of the position bus of the first block; the others follow.
    pub line: Option<u8>,
}

impl BlockKind {
    pub(super) const fn field(&self, name: &str) -> usize {
        let mut i = 0;
        while i < self.fields.len() {
            if is_same(self.fields[i].name, name) {
                return i;
            }
            i += 1;
        }
        panic!("a block knows its own fields");
    }

    /// How many fields of the same class stand before this one.
    pub(super) const fn place(&self, name: &str) -> usize {
        let field = self.field(name);
        let mut i = 0;
        let mut place = 0;
        while i < field {
            if is_same(self.fields[i].class, self.fields[field].class) {
                place += 1;
            }
            i += 1;
        }
        place
    }

    /// The places of the fields of a class.
    pub(super) fn of_class(&self, class: &str) -> impl Iterator<Item = usize> {
        let fields = self.fields.iter().enumerate();
        fields.filter(move |(_, field)| field.class == class).map(|(i, _)| i)
    }
}

const fn is_same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let mut i = 0;
    while i < one.len() && i < other.len() && one[i] == other[i] {
        i += 1;
    }
    i == one.len() && i == other.len()
}

pub(super) const fn field(name: &'static str, class: &'static str) -> FieldKind {
    FieldKind { name, class, choices: &[], line: None }
}

pub(super) const fn choice(
    name: &'static str,
    class: &'static str,
    choices: &'static [&'static str],
) -> FieldKind {
    FieldKind { name, class, choices, line: None }
}

/// A field which drives a line of a bus.
pub(super) const fn driver(name: &'static str, class: &'static str, line: u8) -> FieldKind {
    FieldKind { name, class, choices: &[], line: Some(line) }
}

/// Which edges of an input count.
pub(super) const EDGES: &[&str] = &["Rising", "Falling", "Either"];

/// What a block sees at one tick of the clock.
pub(super) struct Ports<'a> {
    pub now: Tick,
    /// The inputs from the bit bus, in the order of the fields.
    pub bits: u32,
    /// Which fields were written at this tick.
    pub written: u32,
    /// What was written last to every field.
    pub values: &'a [i64],
    /// The positions that are selected, in the order of the fields.
    pub positions: [&'a Track; 4],
}

impl Ports<'_> {
    pub(super) const fn bit(&self, place: usize) -> bool {
        self.bits & (1 << place) != 0
    }

    pub(super) const fn is_written(&self, field: usize) -> bool {
        self.written & (1 << field) != 0
    }

    /// A parameter of 32 bits.
    pub(super) const fn word(&self, field: usize) -> u32 {
        self.values[field] as u32
    }

    pub(super) const fn int(&self, field: usize) -> i32 {
        self.values[field] as i32
    }

    /// A time of 48 bits.
    pub(super) const fn time(&self, field: usize) -> u64 {
        self.values[field] as u64
    }

    /// A position comes a tick late, through the register of its selector.
    pub(super) fn position(&self, place: usize) -> i32 {
        self.positions[place].at(self.now.saturating_sub(1))
    }

    /// At which later tick the condition will hold for a position.
    pub(super) fn next(&self, place: usize, condition: Condition) -> Tick {
        let first = self.positions[place].first(condition, self.now);
        first.map_or(NEVER, |tick| tick.saturating_add(1))
    }
}

/// What a block drives after a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Drive {
    /// In the order of the fields.
    pub bits: u32,
    pub position: i32,
    /// When it has to be asked again, unless an input changes before.
    pub wake: Tick,
}

impl Drive {
    pub(super) const fn bits(bits: u32, wake: Tick) -> Self {
        Self { bits, position: 0, wake }
    }
}

pub(super) trait Block {
    /// One edge of the clock. It may be skipped while no input changes until the tick at which the
    /// block wished to be woken, and asked for at any other tick.
    fn step(&mut self, ports: &Ports<'_>) -> Drive;

    /// A field that tells something.
    fn read(&self, _field: usize) -> i64 {
        0
    }
}

/// An input of which the edges matter.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Edge {
    is_high: bool,
}

/// What an input did at this tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moved {
    pub rose: bool,
    pub fell: bool,
}

impl Edge {
    pub(super) const fn is_high(self) -> bool {
        self.is_high
    }

    pub(super) fn take(&mut self, is_high: bool) -> Moved {
        let was_high = std::mem::replace(&mut self.is_high, is_high);
        Moved { rose: is_high && !was_high, fell: was_high && !is_high }
    }
}

impl Moved {
    /// Whether it counts, for a choice of [`EDGES`].
    pub(super) const fn counts(self, edges: u32) -> bool {
        match edges & 3 {
            0 => self.rose,
            1 => self.fell,
            2 => self.rose || self.fell,
            _ => false,
        }
    }
}

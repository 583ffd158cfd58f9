//! [`Fpga`]: the inside of a simulated PandA, tick by tick.
//!
//! Its clock has 125 MHz and exists only here: the owner says how far it runs, with
//! [`Fpga::run_until`]. Nothing is done at a tick at which nothing changes, and what moves is known
//! as a function of time, so that the tick at which it crosses a position is computed.
//!
//! What happens at which tick is what the hardware does (PandABlocks-FPGA at 916fb9a6): a block sees
//! its inputs at a tick and drives the bus from the next one on, a selector of the position bus takes
//! one tick more, one of the bit bus two and its DELAY. There are the blocks of [`KINDS`], with the
//! fields named there.
//!
//! The owner says how encoders move, as cubics of the ticks ([`Motion::between`]) told when a phase of
//! a motion begins or long before, and which levels come to the inputs. It takes words of rows, edges
//! of outputs and interrupts, and reads the buses with the changes since.
//!
//! **Invariant:** what is not simulated is not offered. Of the configuration `pandabox-no-fmc` these
//! are missing: FILTER, OUTENC, SYSTEM, the four SFP blocks for synchronisation, and
//! of INENC all but SETP, CONN, HOMED, HEALTH and VAL: an encoder is wired well and tells its
//! position at once. Lines which these would drive are low, or zero. TTLIN.TERM is kept, and changes
//! nothing.
mod block;
mod blocks;
mod driver;
mod error;
mod pcap;
mod pgen;
mod run;
mod segment;
mod seq;
mod table;
#[cfg(test)]
mod tests;
mod track;
mod unit;
mod wakes;
mod wheel;

pub use self::{
    block::{BlockKind, FieldKind},
    driver::TableError,
    error::{EncoderError, FpgaError},
    pcap::{EndReason, Event},
    segment::{Motion, Place},
    unit::{KINDS, MAX_DELAY, NO_POSITION, ONE, Output, ZERO},
};

use self::{
    driver::Buffer,
    pcap::{MAX_ROW, Pcap},
    track::Track,
    unit::{Body, INENC, Unit},
    wakes::Wakes,
    wheel::{Delivery, Wheel},
};
use std::sync::Arc;

/// A tick of the clock: 8 ns.
pub type Tick = u64;
pub const TICKS_PER_SECOND: Tick = 125_000_000;

/// How long the processor needs to write a register.
const WRITE: Tick = 8;
/// How long it needs to hand over a table: longer than the driver needs to serve an interrupt.
const HAND_OVER: Tick = 2500;
/// Edges of outputs that wait for the owner.
const MAX_EDGES: usize = 1 << 16;
/// Levels at one input that are known ahead.
const MAX_LEVELS: usize = 1 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Words of rows that are held until the owner takes them; then the clock stands still.
    pub max_words: usize,
    /// How many ticks the memory of the processor needs for a word; if words come faster for long,
    /// the capture ends with [`EndReason::Overflow`].
    pub ticks_per_word: u64,
}

impl Default for Config {
    fn default() -> Self {
        // 250 MB/s, as the bus between FPGA and memory takes them in bursts.
        Self { max_words: 1 << 20, ticks_per_word: 2 }
    }
}

/// A block, found by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockId(usize);

/// A field of a block, found by their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldId {
    unit: usize,
    field: usize,
}

/// How a streamed or a fixed table is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follows {
    /// It is the whole table, or the last part of it.
    Nothing,
    /// More will come.
    More,
}

/// The bit bus, and which of its lines have changed since it was asked for before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bits {
    pub levels: u128,
    pub changed: u128,
}

/// The position bus, and which of its lines have changed since it was asked for before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Positions {
    pub values: [i32; 32],
    pub changed: u32,
}

/// A level of an output from a tick on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputEdge {
    pub tick: Tick,
    pub output: Output,
    pub is_high: bool,
}

#[derive(Clone, Copy, Debug)]
struct Listener {
    unit: u8,
    place: u8,
}

pub struct Fpga {
    now: Tick,
    config: Config,
    units: Vec<Unit>,
    /// When each unit has to be asked again.
    wakes: Wakes,
    pcap: Pcap,
    pcap_unit: usize,
    levels: u128,
    changed: u128,
    listeners: Vec<Vec<Listener>>,
    tracks: Vec<Track>,
    /// Which units look at which position, as bits.
    readers: [u64; 33],
    offsets: [i64; INENC.count],
    wheel: Wheel,
    due: Vec<Delivery>,
    followed: Vec<Output>,
    edges: Vec<OutputEdge>,
    /// At how many ticks something was done.
    num_ticks: u64,
}

impl Fpga {
    pub fn new(config: Config) -> Self {
        let units = Unit::all();
        let is_pcap = |unit: &Unit| matches!(unit.body, Body::Pcap);
        let pcap_unit = units.iter().position(is_pcap).expect("there is a PCAP");
        let mut fpga = Self {
            now: 0,
            config,
            wakes: Wakes::new(),
            pcap: Pcap::new(config.ticks_per_word),
            pcap_unit,
            levels: 0,
            changed: 0,
            listeners: vec![vec![]; 128],
            tracks: (0..=NO_POSITION).map(|_| Track::new()).collect(),
            readers: [0; 33],
            offsets: [0; INENC.count],
            wheel: Wheel::new(),
            due: vec![],
            followed: vec![],
            edges: vec![],
            num_ticks: 0,
            units,
        };
        for unit in 0..fpga.units.len() {
            fpga.wakes.set(unit, 0);
            if matches!(fpga.units[unit].body, Body::Encoder { .. }) {
                let line = fpga.units[unit].out_lines[0];
                fpga.levels |= 1 << line;
            }
        }
        fpga.pass(WRITE);
        fpga
    }

    /// Everything before this tick has happened.
    pub const fn now(&self) -> Tick {
        self.now
    }

    /// A block by its name with its number, which may be left out if there is but one.
    pub fn block(&self, name: &str) -> Result<BlockId, FpgaError> {
        let is_named = |unit: &Unit| {
            name.strip_prefix(unit.kind.name).is_some_and(|number| match number {
                "" => unit.kind.count == 1,
                number => number.parse() == Ok(unit.number + 1),
            })
        };
        let found = self.units.iter().position(is_named);
        found.map(BlockId).ok_or_else(|| FpgaError::NoBlock { block: name.to_owned() })
    }

    pub fn field(&self, block: &str, field: &str) -> Result<FieldId, FpgaError> {
        let BlockId(unit) = self.block(block)?;
        let found = self.units[unit].kind.fields.iter().position(|kind| kind.name == field);
        let field = found.ok_or_else(|| FpgaError::NoField {
            block: block.to_owned(),
            field: field.to_owned(),
        })?;
        Ok(FieldId { unit, field })
    }

    /// Writes a field by its names, see [`Fpga::write`].
    pub fn set(&mut self, block: &str, field: &str, value: i64) -> Result<(), FpgaError> {
        self.write(self.field(block, field)?, value)
    }

    /// Reads a field by its names, see [`Fpga::read`].
    pub fn get(&self, block: &str, field: &str) -> Result<i64, FpgaError> {
        Ok(self.read(self.field(block, field)?))
    }

    /// Writes a field: a parameter, an action, or the line which a selector takes. Eight ticks pass.
    pub fn write(&mut self, field: FieldId, value: i64) -> Result<(), FpgaError> {
        let FieldId { unit, field } = field;
        let kind = &self.units[unit].kind.fields[field];
        if let Some(rule) = broken_rule(kind, value) {
            let (block, field) = (self.name(unit), kind.name.to_owned());
            return Err(FpgaError::Value { block, field, value, rule });
        }
        match kind.class {
            "bit_mux" => self.select_bit(unit, field, value as u8),
            "pos_mux" => self.select_position(unit, field, value as u8),
            _ if matches!(self.units[unit].body, Body::Encoder { .. }) => {
                self.set_encoder(unit, value)?;
            }
            _ => self.units[unit].written |= 1 << field,
        }
        self.units[unit].values[field] = value;
        self.wakes.hasten(unit, self.now);
        self.pass(WRITE);
        Ok(())
    }

    /// How many ticks a selector of the bit bus delays what it selects.
    pub fn write_delay(&mut self, field: FieldId, delay: i64) -> Result<(), FpgaError> {
        let FieldId { unit, field } = field;
        let kind = &self.units[unit].kind.fields[field];
        if kind.class != "bit_mux" || !(0..=i64::from(MAX_DELAY)).contains(&delay) {
            let (block, field) = (self.name(unit), format!("{}.DELAY", kind.name));
            let rule = format!("of a bit_mux, and 0 to {MAX_DELAY}");
            return Err(FpgaError::Value { block, field, value: delay, rule });
        }
        self.set_delay(unit, field, delay as u8);
        self.pass(WRITE);
        Ok(())
    }

    /// What a field has: what was written, what the block tells, or what it drives.
    pub fn read(&self, field: FieldId) -> i64 {
        let FieldId { unit, field } = field;
        let unit = &self.units[unit];
        let kind = &unit.kind.fields[field];
        let line = kind.line.map_or(0, |line| line + unit.number as u8);
        if kind.class == "bit_out" {
            return (self.levels >> line & 1) as i64;
        }
        if kind.class == "pos_out 1 0" {
            return self.tracks[usize::from(line)].at(self.now).into();
        }
        if !kind.class.starts_with("read") {
            return unit.values[field];
        }
        match &unit.body {
            Body::Encoder { is_homed } => i64::from(*is_homed && kind.name == "HOMED"),
            Body::Pcap => self.pcap.health(),
            Body::Seq(seq) => block::Block::read(&**seq, field),
            Body::Pgen(pgen) => block::Block::read(&**pgen, field),
            Body::Plain(block) => block.read(field),
            Body::Input(_) | Body::Output(_) => unit.values[field],
        }
    }

    fn name(&self, unit: usize) -> String {
        let Unit { kind, number, .. } = &self.units[unit];
        if kind.count == 1 { kind.name.to_owned() } else { format!("{}{}", kind.name, number + 1) }
    }

    /// Empties the table of a block.
    pub fn clear_table(&mut self, block: BlockId) -> Result<(), FpgaError> {
        self.with_table(block, |table, now| {
            table.clear(now);
            Ok(())
        })
    }

    /// Gives a table, or the next part of one, to the driver of the kernel.
    pub fn write_table(
        &mut self,
        block: BlockId,
        words: &[u32],
        follows: Follows,
    ) -> Result<(), FpgaError> {
        let buffer = Buffer { words: Arc::from(words), has_more: follows == Follows::More };
        self.with_table(block, |table, now| table.send(now, buffer))
    }

    /// How many words of tables the driver holds, those in use among them.
    pub fn queued_words(&self, block: BlockId) -> usize {
        self.units[block.0].table().map_or(0, table::Table::queued_words)
    }

    fn with_table(
        &mut self,
        block: BlockId,
        act: impl FnOnce(&mut table::Table, Tick) -> Result<(), TableError>,
    ) -> Result<(), FpgaError> {
        let BlockId(unit) = block;
        let now = self.now;
        let Some(table) = self.units[unit].table_mut() else {
            return Err(FpgaError::NoField { block: self.name(unit), field: "TABLE".to_owned() });
        };
        let outcome = act(table, now);
        let block = self.name(unit);
        outcome.map_err(|source| FpgaError::Table { block, source })?;
        self.wakes.hasten(unit, now);
        self.pass(HAND_OVER);
        Ok(())
    }

    /// The words of a row, as they are written to `PCAP_WRITE`. They do not change within a capture.
    pub fn capture(&mut self, words: &[u32]) -> Result<(), FpgaError> {
        if self.pcap.is_active() {
            return Err(FpgaError::Capturing);
        }
        if words.len() > MAX_ROW {
            return Err(FpgaError::LongRow { words: words.len(), most: MAX_ROW });
        }
        self.pcap.capture(words);
        self.pass(WRITE);
        Ok(())
    }

    pub fn arm(&mut self) {
        self.pcap.arm();
        self.wakes.hasten(self.pcap_unit, self.now);
        self.pass(WRITE);
    }

    pub fn disarm(&mut self) {
        self.pcap.disarm();
        self.wakes.hasten(self.pcap_unit, self.now);
        self.pass(WRITE);
    }

    /// The memory of the processor takes no more words: the capture ends with an overflow.
    pub fn overflow(&mut self) {
        self.pcap.fail();
        self.wakes.hasten(self.pcap_unit, self.now);
        self.pass(WRITE);
    }

    /// How many words a row has.
    pub const fn row_words(&self) -> usize {
        self.pcap.row_words()
    }

    /// The rows that have been captured since they were taken before. Only behind an end they may
    /// stop within a row.
    pub fn take_words(&mut self) -> Vec<u32> {
        self.pcap.take_words(self.now)
    }

    /// What the processor has been interrupted for since it was asked before.
    pub fn take_events(&mut self) -> Vec<Event> {
        self.pcap.take_events()
    }

    /// A level at an input of the box from a tick on, or at once if that has come. Levels are given
    /// in their order.
    pub fn set_input(
        &mut self,
        block: BlockId,
        tick: Tick,
        is_high: bool,
    ) -> Result<(), FpgaError> {
        let BlockId(unit) = block;
        let tick = tick.max(self.now + 1);
        let held = match &mut self.units[unit].body {
            Body::Input(levels) if levels.len() < MAX_LEVELS => {
                levels.retain(|(known, _)| *known < tick);
                levels.push_back((tick, is_high));
                self.wakes.hasten(unit, self.now);
                return Ok(());
            }
            Body::Input(levels) => levels.len(),
            Body::Output(_)
            | Body::Encoder { .. }
            | Body::Pcap
            | Body::Seq(_)
            | Body::Pgen(_)
            | Body::Plain(_) => {
                return Err(FpgaError::NoInput { block: self.name(unit) });
            }
        };
        let block = self.name(unit);
        Err(FpgaError::TooManyLevels { block, held, most: MAX_LEVELS })
    }

    /// Moves an encoder (from 0); what was known of its later motion is forgotten.
    pub fn move_encoder(&mut self, number: usize, motion: &Motion) -> Result<(), FpgaError> {
        let now = self.now;
        let failed = |source| FpgaError::Encoder { number, source };
        if number >= INENC.count {
            return Err(FpgaError::NoBlock { block: format!("INENC{}", number + 1) });
        }
        if motion.start < now {
            return Err(failed(EncoderError::Past { start: motion.start, now }));
        }
        let segments = motion.segments(self.offsets[number]).map_err(failed)?;
        self.tracks[number].replace(segments).map_err(failed)?;
        self.wake_readers(number as u8);
        Ok(())
    }

    /// Edges of this output will be kept. Once there are too many of them the clock stands still.
    pub fn follow(&mut self, output: Output) {
        if !self.followed.contains(&output) {
            self.followed.push(output);
        }
    }

    pub fn take_edges(&mut self) -> Vec<OutputEdge> {
        std::mem::take(&mut self.edges)
    }

    pub fn take_bits(&mut self) -> Bits {
        Bits { levels: self.levels, changed: std::mem::take(&mut self.changed) }
    }

    pub fn take_positions(&mut self) -> Positions {
        let mut positions = Positions::default();
        for (i, value) in positions.values.iter_mut().enumerate() {
            *value = self.tracks[i].at(self.now);
            positions.changed |= u32::from(self.tracks[i].take_change(self.now)) << i;
        }
        positions
    }
}

/// What a value has to be for a field, if it is not.
fn broken_rule(kind: &FieldKind, value: i64) -> Option<String> {
    let unsigned = 0..=i64::from(u32::MAX);
    let signed = i64::from(i32::MIN)..=i64::from(i32::MAX);
    let range = match kind.class {
        "bit_mux" => 0..=i64::from(ONE),
        "pos_mux" => 0..=i64::from(NO_POSITION),
        "param bit" => 0..=1,
        "param int" | "write int" => signed,
        "time" => 0..=(1 << 48) - 1,
        "param enum" => 0..=i64::from(kind.choices.len() as u32) - 1,
        "param" | "param time" | "param lut" | "write action" => unsigned,
        class => match class.strip_prefix("param uint ").and_then(|most| most.parse().ok()) {
            Some(most) => 0..=most,
            None => return Some(format!("a {class}, which is not written")),
        },
    };
    let (low, high) = (range.start(), range.end());
    (!range.contains(&value)).then(|| format!("a {} from {low} to {high}", kind.class))
}

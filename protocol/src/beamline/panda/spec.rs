//! [`PandaSpec`]: a PandA as checked.
use super::wiring::{of_pcap, over_time, same};
use crate::{
    beamline::Address,
    name::Name,
    panda::{
        self, Capture,
        describe::{BlockName, Captured, FieldName},
        wiring::Wire,
    },
    sequencer::{BitInput, Bus},
};
use std::{collections::BTreeMap, time::Duration};

/// A PandA: a source of triggers, a detector, or both.
#[derive(Clone, Debug, PartialEq)]
pub struct PandaSpec {
    pub name: Name,
    pub provider: Address,
    /// Where it is; none if it is simulated.
    pub place: Option<panda::Address>,
    /// How long it may take to be reached at the start.
    pub connection_timeout: Duration,
    /// How long after its trigger a row may arrive before it counts as lost.
    pub frame_timeout: Duration,
    /// What its fields are set to, each once: what is written, and what follows from the other tables.
    pub wiring: Vec<Wire>,
    /// By the motor that each is on.
    pub encoders: BTreeMap<Name, EncoderSpec>,
    /// None: it triggers nothing.
    pub triggers: Option<PandaTriggersSpec>,
    /// What is captured of which field; by field, and none if it is no detector.
    pub capture: Vec<Captured>,
}

/// An encoder of a motor: `position = counts * scale + offset`.
#[derive(Clone, Debug, PartialEq)]
pub struct EncoderSpec {
    /// The block whose counts it is.
    pub input: BlockName,
    /// Unit of its motor per count, negative where counts fall as the position rises.
    pub scale: f64,
    /// In the unit of its motor.
    pub offset: f64,
    /// The unit of its motor.
    pub units: String,
}

/// What triggers detectors.
#[derive(Clone, Debug, PartialEq)]
pub struct PandaTriggersSpec {
    pub source: PandaSource,
    /// By the detector that each triggers; none if it triggers itself alone.
    pub outputs: BTreeMap<Name, PandaOutput>,
}

/// The block whose output is high while a frame is live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PandaSource {
    /// It runs the rows of a table.
    Sequencer { block: BlockName, start_on: PandaStart },
    /// It counts equal steps of the encoder of a motor.
    Comparison { block: BlockName, axis: Name },
}

/// What begins a window of frames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PandaStart {
    /// A motor passes the first bound: one of these, each on an input of the sequencer of its own.
    Position(BTreeMap<Name, Bus>),
    /// This bit is high during the frames.
    Gate(BitInput),
    /// The time of the gap before it has passed.
    Time,
}

/// Where a detector is plugged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PandaOutput {
    /// `TTLOUT1`.
    pub output: BlockName,
    /// The block that makes pulses of a frame; without, the detector sees one that is as long as the
    /// frame is live.
    pub pulse: Option<BlockName>,
}

impl PandaSource {
    pub const fn block(&self) -> &BlockName {
        match self {
            Self::Sequencer { block, .. } | Self::Comparison { block, .. } => block,
        }
    }

    /// Its output that is high while a frame is live.
    pub const fn frames(&self) -> &'static str {
        match self {
            Self::Sequencer { .. } => "OUTA",
            Self::Comparison { .. } => "OUT",
        }
    }
}

/// Bytes of a word of a row; one word takes one tick to be captured.
const WORD_BYTES: u64 = 4;
/// A tick of a PandA.
const TICK: Duration = Duration::from_nanos(8);
/// Ticks after its trigger at which the first word of a row is out: a capture that ends before has no
/// such row.
pub(super) const ROW_LATENCY: u32 = 5;

impl PandaSpec {
    /// Whether it is a detector.
    pub const fn is_detector(&self) -> bool {
        !self.capture.is_empty()
    }

    /// What rows for its own triggers need, and its wiring leaves to others.
    pub fn unwired(&self) -> impl Iterator<Item = &'static str> {
        let captures_frames = self.is_detector() && self.triggers.is_some();
        ["PCAP.ENABLE", "PCAP.TRIG"].into_iter().filter(move |text| {
            let field: FieldName = text.parse().expect("a literal");
            captures_frames && !self.wiring.iter().any(|wire| same(&wire.field, &field))
        })
    }

    /// Inputs that must go high for a row to come with each of its own triggers, and for what is captured
    /// over the time of a gate; none if it is no detector.
    pub fn row_inputs(&self) -> Vec<FieldName> {
        let is_gated = self.capture.iter().any(|captured| over_time(captured).is_some());
        let gate = is_gated.then_some("GATE");
        let inputs = ["ENABLE", "TRIG"].into_iter().chain(gate).filter(|_| self.is_detector());
        inputs.map(of_pcap).collect()
    }

    /// Time between two triggers in which it captures a row.
    pub fn dead_time(&self) -> Duration {
        TICK * self.row_words()
    }

    /// Bytes that a frame adds to its file.
    pub fn row_bytes(&self) -> u64 {
        let columns = self.capture.iter().map(|captured| {
            let size = if is_bits(&captured.name) { WORD_BYTES } else { 2 * WORD_BYTES };
            size * captured.captures.len() as u64
        });
        columns.sum()
    }

    /// Words of 32 bits that a row has on its way out of the FPGA.
    fn row_words(&self) -> u32 {
        let words = self.capture.iter().map(captured_words).sum::<u32>();
        let averaged = self.capture.iter().flat_map(|captured| &captured.captures);
        let mut averaged =
            averaged.filter(|capture| matches!(capture, Capture::Mean | Capture::StdDev));
        // The ticks of the gate, of which averages are made.
        words + u32::from(averaged.next().is_some())
    }
}

/// A mean is a sum of 64 bits, a deviation is made of that and of a sum of 96 bits.
fn captured_words(captured: &Captured) -> u32 {
    let has = |capture: &Capture| captured.captures.contains(capture);
    let sum =
        if has(&Capture::Sum) || has(&Capture::Mean) || has(&Capture::StdDev) { 2 } else { 0 };
    let squares = if has(&Capture::StdDev) { 3 } else { 0 };
    let plain = captured.captures.iter().map(|capture| match capture {
        Capture::Value if is_time(&captured.name) => 2,
        Capture::Value | Capture::Diff | Capture::Min | Capture::Max | Capture::Other(_) => 1,
        Capture::Sum | Capture::Mean | Capture::StdDev => 0,
    });
    sum + squares + plain.sum::<u32>()
}

fn is_time(name: &FieldName) -> bool {
    name.block.name() == "PCAP" && name.field().starts_with("TS_")
}

fn is_bits(name: &FieldName) -> bool {
    name.block.name() == "PCAP" && name.field().starts_with("BITS")
}

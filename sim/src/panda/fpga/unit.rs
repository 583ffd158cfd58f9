//! [`Unit`]: one block with what is wired to it, and the list of all of them.
use super::{
    Tick,
    block::{Block, BlockKind, Drive, NEVER, driver, field},
    blocks::{
        calc::{CALC, Calc},
        clock::{CLOCK, Clock},
        counter::{COUNTER, Counter},
        gates::{BITS, Bits, DIV, Div, LUT, Lut, SRGATE, SrGate},
        pcomp::{PCOMP, Pcomp},
        pulse::{PULSE, Pulse},
    },
    pcap::PCAP,
    pgen::{PGEN, Pgen},
    seq::{SEQ, Seq},
    table::Table,
};
use std::collections::VecDeque;

/// The line of the bit bus that is always low; the next one is always high.
pub const ZERO: u8 = 128;
pub const ONE: u8 = 129;
/// The line of the position bus that is always zero.
pub const NO_POSITION: u8 = 32;
/// A selector can delay what it selects by so many ticks.
pub const MAX_DELAY: u8 = 31;

const TERM: &[&str] = &["High-Z", "50-Ohm"];
const ENCODER_HEALTH: &[&str] = &[
    "OK",
    "Linkup error (=not CONN)",
    "Timeout error (for BISS, SSI)",
    "CRC error (for BISS)",
    "Error bit active (for BISS)",
    "ENDAT not implemented",
    "Protocol readback error",
];

pub(super) const TTLIN: BlockKind = BlockKind {
    name: "TTLIN",
    count: 6,
    fields: &[super::block::choice("TERM", "param enum", TERM), driver("VAL", "bit_out", 0)],
};
pub(super) const TTLOUT: BlockKind =
    BlockKind { name: "TTLOUT", count: 10, fields: &[field("VAL", "bit_mux")] };
pub(super) const LVDSIN: BlockKind =
    BlockKind { name: "LVDSIN", count: 2, fields: &[driver("VAL", "bit_out", 6)] };
pub(super) const LVDSOUT: BlockKind =
    BlockKind { name: "LVDSOUT", count: 2, fields: &[field("VAL", "bit_mux")] };
pub(super) const INENC: BlockKind = BlockKind {
    name: "INENC",
    count: 4,
    fields: &[
        field("SETP", "write int"),
        driver("CONN", "bit_out", 24),
        field("HOMED", "read bit"),
        super::block::choice("HEALTH", "read enum", ENCODER_HEALTH),
        driver("VAL", "pos_out 1 0", 0),
    ],
};

/// All kinds of blocks that there are, in the order of the configuration of a PandA.
pub const KINDS: [&BlockKind; 17] = [
    &TTLIN, &TTLOUT, &LVDSIN, &LVDSOUT, &INENC, &PCAP, &BITS, &CALC, &CLOCK, &COUNTER, &DIV, &LUT,
    &PCOMP, &PULSE, &SEQ, &PGEN, &SRGATE,
];

pub(super) enum Body {
    /// Levels from outside, with the ticks at which they begin.
    Input(VecDeque<(Tick, bool)>),
    /// Levels to outside; which one it is.
    Output(Output),
    Encoder {
        is_homed: bool,
    },
    Pcap,
    Seq(Box<Seq>),
    Pgen(Box<Pgen>),
    Plain(Box<dyn Block + Send>),
}

/// An output of the box.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Output {
    Ttl(u8),
    Lvds(u8),
}

/// A selector of a line of the bit bus, with the delay behind it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Selector {
    pub line: u8,
    pub delay: u8,
    /// Which deliveries count: those from before a change of the delay do not.
    pub epoch: u8,
    /// What it selected during the last 64 ticks until `at`, the latest in the lowest bit.
    history: u64,
    at: Tick,
}

impl Selector {
    /// The level it selects from `tick` on.
    pub(super) fn record(&mut self, tick: Tick, is_high: bool) {
        let passed = tick - self.at;
        let latest = self.history & 1;
        let filled = if latest == 1 { u64::MAX } else { 0 };
        let kept = if passed < 64 {
            self.history << passed | filled & ((1 << passed) - 1)
        } else {
            filled
        };
        self.history = kept & !1 | u64::from(is_high);
        self.at = tick;
    }

    pub(super) const fn is_high(&self) -> bool {
        self.history & 1 == 1
    }

    pub(super) fn was_high(&self, tick: Tick) -> bool {
        let back = self.at.saturating_sub(tick).min(63);
        self.history >> back & 1 == 1
    }
}

pub(super) struct Unit {
    pub kind: &'static BlockKind,
    /// From 0.
    pub number: usize,
    pub body: Body,
    pub values: Vec<i64>,
    pub written: u32,
    pub bits: u32,
    pub selectors: Vec<Selector>,
    /// The lines of the position bus that were chosen, and those which are seen already.
    pub chosen: Vec<u8>,
    pub sources: [u8; 4],
    pub out_lines: Vec<u8>,
    pub out_position: Option<u8>,
    pub drive: Drive,
}

impl Unit {
    fn new(kind: &'static BlockKind, number: usize) -> Self {
        let selector = Selector { line: ZERO, delay: 0, epoch: 0, history: 0, at: 0 };
        let line = |field: usize| {
            let first = kind.fields[field].line.expect("what drives a bus has a line");
            first + number as u8
        };
        Self {
            kind,
            number,
            body: body(kind, number),
            values: vec![0; kind.fields.len()],
            written: 0,
            bits: 0,
            selectors: kind.of_class("bit_mux").map(|_| selector).collect(),
            chosen: kind.of_class("pos_mux").map(|_| NO_POSITION).collect(),
            sources: [NO_POSITION; 4],
            out_lines: kind.of_class("bit_out").map(line).collect(),
            out_position: kind.of_class("pos_out 1 0").map(line).next(),
            drive: Drive { bits: 0, position: 0, wake: NEVER },
        }
    }

    pub(super) fn all() -> Vec<Self> {
        let numbers = |kind: &'static BlockKind| (0..kind.count).map(move |i| Self::new(kind, i));
        KINDS.into_iter().flat_map(numbers).collect()
    }

    pub(super) fn table_mut(&mut self) -> Option<&mut Table> {
        match &mut self.body {
            Body::Seq(seq) => Some(&mut seq.table),
            Body::Pgen(pgen) => Some(&mut pgen.table),
            Body::Input(_)
            | Body::Output(_)
            | Body::Encoder { .. }
            | Body::Pcap
            | Body::Plain(_) => None,
        }
    }

    pub(super) fn table(&self) -> Option<&Table> {
        match &self.body {
            Body::Seq(seq) => Some(&seq.table),
            Body::Pgen(pgen) => Some(&pgen.table),
            Body::Input(_)
            | Body::Output(_)
            | Body::Encoder { .. }
            | Body::Pcap
            | Body::Plain(_) => None,
        }
    }
}

fn body(kind: &'static BlockKind, number: usize) -> Body {
    let number = number as u8;
    let plain: Box<dyn Block + Send> = match kind.name {
        "TTLIN" | "LVDSIN" => return Body::Input(VecDeque::new()),
        "TTLOUT" => return Body::Output(Output::Ttl(number)),
        "LVDSOUT" => return Body::Output(Output::Lvds(number)),
        "INENC" => return Body::Encoder { is_homed: false },
        "PCAP" => return Body::Pcap,
        "SEQ" => return Body::Seq(Box::new(Seq::new())),
        "PGEN" => return Body::Pgen(Box::new(Pgen::new())),
        "BITS" => Box::new(Bits),
        "CALC" => Box::new(Calc),
        "CLOCK" => Box::new(Clock::default()),
        "COUNTER" => Box::new(Counter::default()),
        "DIV" => Box::new(Div::default()),
        "LUT" => Box::new(Lut::default()),
        "PCOMP" => Box::new(Pcomp::default()),
        "PULSE" => Box::new(Pulse::default()),
        "SRGATE" => Box::new(SrGate::default()),
        name => unreachable!("{name} is in the list of kinds"),
    };
    Body::Plain(plain)
}

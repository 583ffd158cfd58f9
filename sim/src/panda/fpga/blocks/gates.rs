//! BITS, LUT, SRGATE and DIV: a few registers each.
use super::super::block::{
    Block, BlockKind, Drive, EDGES, Edge, NEVER, Ports, choice, driver, field,
};

pub(in super::super) const BITS: BlockKind = BlockKind {
    name: "BITS",
    count: 1,
    fields: &[
        field("A", "param bit"),
        field("B", "param bit"),
        field("C", "param bit"),
        field("D", "param bit"),
        driver("OUTA", "bit_out", 33),
        driver("OUTB", "bit_out", 34),
        driver("OUTC", "bit_out", 35),
        driver("OUTD", "bit_out", 36),
    ],
};

pub(in super::super) struct Bits;

impl Block for Bits {
    fn step(&mut self, ports: &Ports<'_>) -> Drive {
        let bits = (0..4).map(|i| (ports.word(i) & 1) << i).sum();
        Drive::bits(bits, NEVER)
    }
}

const INPUT_TYPES: &[&str] =
    &["Input-Level", "Pulse-On-Rising-Edge", "Pulse-On-Falling-Edge", "Pulse-On-Either-Edge"];

pub(in super::super) const LUT: BlockKind = BlockKind {
    name: "LUT",
    count: 8,
    fields: &[
        field("INPA", "bit_mux"),
        field("INPB", "bit_mux"),
        field("INPC", "bit_mux"),
        field("INPD", "bit_mux"),
        field("INPE", "bit_mux"),
        choice("TYPEA", "param enum", INPUT_TYPES),
        choice("TYPEB", "param enum", INPUT_TYPES),
        choice("TYPEC", "param enum", INPUT_TYPES),
        choice("TYPED", "param enum", INPUT_TYPES),
        choice("TYPEE", "param enum", INPUT_TYPES),
        field("FUNC", "param lut"),
        driver("OUT", "bit_out", 53),
    ],
};

#[derive(Default)]
pub(in super::super) struct Lut {
    inputs: [Edge; 5],
}

impl Block for Lut {
    fn step(&mut self, ports: &Ports<'_>) -> Drive {
        let mut index = 0;
        let mut has_moved = false;
        for (i, input) in self.inputs.iter_mut().enumerate() {
            let moved = input.take(ports.bit(i));
            has_moved |= moved.rose || moved.fell;
            let is_set = match ports.word(const { LUT.field("TYPEA") } + i) & 3 {
                0 => ports.bit(i),
                edges => moved.counts(edges - 1),
            };
            // The first input is the highest bit.
            index = index << 1 | u32::from(is_set);
        }
        let out = ports.word(const { LUT.field("FUNC") }) >> index & 1;
        Drive::bits(out, if has_moved { ports.now + 1 } else { NEVER })
    }
}

pub(in super::super) const SRGATE: BlockKind = BlockKind {
    name: "SRGATE",
    count: 4,
    fields: &[
        field("ENABLE", "bit_mux"),
        field("SET", "bit_mux"),
        field("RST", "bit_mux"),
        choice(
            "WHEN_DISABLED",
            "param enum",
            &["Set output low", "Set output high", "Keep current output"],
        ),
        choice("SET_EDGE", "param enum", EDGES),
        choice("RST_EDGE", "param enum", EDGES),
        field("FORCE_SET", "write action"),
        field("FORCE_RST", "write action"),
        driver("OUT", "bit_out", 85),
    ],
};

#[derive(Default)]
pub(in super::super) struct SrGate {
    set: Edge,
    reset: Edge,
    out: bool,
}

impl Block for SrGate {
    fn step(&mut self, ports: &Ports<'_>) -> Drive {
        let set = self.set.take(ports.bit(1)).counts(either_or_rise(ports, "SET_EDGE"));
        let reset = self.reset.take(ports.bit(2)).counts(either_or_rise(ports, "RST_EDGE"));
        if !ports.bit(0) {
            match ports.word(const { SRGATE.field("WHEN_DISABLED") }) & 3 {
                0 => self.out = false,
                1 => self.out = true,
                _ => {}
            }
        } else if ports.is_written(const { SRGATE.field("FORCE_RST") }) {
            self.out = false;
        } else if ports.is_written(const { SRGATE.field("FORCE_SET") }) {
            self.out = true;
        } else if reset {
            self.out = false;
        } else if set {
            self.out = true;
        }
        Drive::bits(self.out.into(), NEVER)
    }
}

/// A choice that does not exist means the rising edge here.
fn either_or_rise(ports: &Ports<'_>, name: &str) -> u32 {
    match ports.word(SRGATE.field(name)) & 3 {
        3 => 0,
        edges => edges,
    }
}

pub(in super::super) const DIV: BlockKind = BlockKind {
    name: "DIV",
    count: 2,
    fields: &[
        field("ENABLE", "bit_mux"),
        field("INP", "bit_mux"),
        field("DIVISOR", "param"),
        choice("FIRST_PULSE", "param enum", &["OutN", "OutD"]),
        driver("OUTD", "bit_out", 47),
        driver("OUTN", "bit_out", 49),
        field("COUNT", "read"),
    ],
};

#[derive(Default)]
pub(in super::super) struct Div {
    input: Edge,
    counter: u32,
    is_divided: bool,
    has_pulse: bool,
}

impl Block for Div {
    fn step(&mut self, ports: &Ports<'_>) -> Drive {
        const DIVISOR: usize = DIV.field("DIVISOR");
        const FIRST_PULSE: usize = DIV.field("FIRST_PULSE");
        let last = ports.word(DIVISOR).max(1) - 1;
        let moved = self.input.take(ports.bit(1));
        if !ports.bit(0) || ports.is_written(DIVISOR) || ports.is_written(FIRST_PULSE) {
            self.has_pulse = false;
            self.counter = if ports.word(FIRST_PULSE) & 1 == 0 { 0 } else { last };
        } else if moved.rose {
            self.has_pulse = true;
            self.is_divided = self.counter == last;
            self.counter = if self.is_divided { 0 } else { self.counter.wrapping_add(1) };
        }
        let is_high = ports.bit(1) && self.has_pulse;
        let divided = u32::from(is_high && self.is_divided);
        let other = u32::from(is_high && !self.is_divided);
        Drive::bits(divided | other << 1, NEVER)
    }

    fn read(&self, _field: usize) -> i64 {
        self.counter.into()
    }
}

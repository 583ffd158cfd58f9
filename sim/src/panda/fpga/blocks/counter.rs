//! COUNTER: counts edges up or down between two limits.
use super::super::block::{
    Block, BlockKind, Drive, EDGES, Edge, NEVER, Ports, choice, driver, field,
};

pub(in super::super) const COUNTER: BlockKind = BlockKind {
    name: "COUNTER",
    count: 8,
    fields: &[
        field("ENABLE", "bit_mux"),
        field("TRIG", "bit_mux"),
        field("DIR", "bit_mux"),
        choice("TRIG_EDGE", "param enum", EDGES),
        choice("OUT_MODE", "param enum", &["On-Change", "On-Disable"]),
        field("SET", "param int"),
        field("START", "param int"),
        field("STEP", "param"),
        field("MAX", "param int"),
        field("MIN", "param int"),
        driver("CARRY", "bit_out", 39),
        driver("OUT", "pos_out 1 0", 6),
    ],
};

pub(in super::super) struct Counter {
    enable: Edge,
    trigger: Edge,
    count: i32,
    /// What the last trigger led to, wherever the counter was set since.
    last: i64,
    at_end: i32,
    has_carry: bool,
    had_carry: bool,
    carry_at_end: bool,
    min: i64,
    max: i64,
}

impl Default for Counter {
    fn default() -> Self {
        Self {
            enable: Edge::default(),
            trigger: Edge::default(),
            count: 0,
            last: 0,
            at_end: 0,
            has_carry: false,
            had_carry: false,
            carry_at_end: false,
            min: i32::MIN.into(),
            max: i32::MAX.into(),
        }
    }
}

impl Block for Counter {
    fn step(&mut self, ports: &Ports<'_>) -> Drive {
        let enable = self.enable.take(ports.bit(0));
        let trigger = self.trigger.take(ports.bit(1));
        if enable.rose {
            self.count = ports.int(const { COUNTER.field("START") });
            self.had_carry = false;
        } else if ports.is_written(const { COUNTER.field("SET") }) {
            self.count = ports.int(const { COUNTER.field("SET") });
            self.had_carry = false;
        } else if enable.fell {
            self.has_carry = false;
            self.at_end = self.last as i32;
            self.carry_at_end = self.had_carry;
        } else if ports.bit(0) && (trigger.rose || trigger.fell) {
            self.has_carry = false;
            if trigger.counts(ports.word(const { COUNTER.field("TRIG_EDGE") })) {
                self.advance(ports);
            }
        }
        self.take_limits(ports);
        let (out, carry) = match ports.word(const { COUNTER.field("OUT_MODE") }) {
            1 => (self.at_end, self.carry_at_end),
            _ => (self.count, self.has_carry),
        };
        Drive { bits: carry.into(), position: out, wake: NEVER }
    }
}

impl Counter {
    fn advance(&mut self, ports: &Ports<'_>) {
        let step = match ports.int(const { COUNTER.field("STEP") }) {
            0 => 1,
            step => i64::from(step),
        };
        let mut next = i64::from(self.count) + if ports.bit(2) { -step } else { step };
        let span = self.max - self.min + 1;
        if next > self.max {
            next -= span;
            self.has_carry = true;
        } else if next < self.min {
            next += span;
            self.has_carry = true;
        }
        self.had_carry |= self.has_carry;
        self.last = next;
        self.count = next as i32;
    }

    /// Limits that are written hold from the next tick on.
    fn take_limits(&mut self, ports: &Ports<'_>) {
        const MIN: usize = COUNTER.field("MIN");
        const MAX: usize = COUNTER.field("MAX");
        if ports.is_written(MIN) || ports.is_written(MAX) {
            [self.min, self.max] = match (ports.int(MIN), ports.int(MAX)) {
                (0, 0) => [i32::MIN, i32::MAX].map(i64::from),
                (min, max) => [min, max].map(i64::from),
            };
        }
    }
}

//! CALC: the sum of four positions.
use super::super::{
    block::{Block, BlockKind, Drive, Ports, choice, driver, field},
    segment::Condition,
};

const SIGNS: &[&str] = &["Value", "-Value"];

pub(in super::super) const CALC: BlockKind = BlockKind {
    name: "CALC",
    count: 2,
    fields: &[
        field("INPA", "pos_mux"),
        field("INPB", "pos_mux"),
        field("INPC", "pos_mux"),
        field("INPD", "pos_mux"),
        choice("TYPEA", "param enum", SIGNS),
        choice("TYPEB", "param enum", SIGNS),
        choice("TYPEC", "param enum", SIGNS),
        choice("TYPED", "param enum", SIGNS),
        field("SHIFT", "param uint 2"),
        driver("OUT", "pos_out 1 0", 4),
    ],
};

/// It is asked at every count by which one of its inputs moves.
pub(in super::super) struct Calc;

impl Block for Calc {
    fn step(&mut self, ports: &Ports<'_>) -> Drive {
        let term = |i: usize| {
            let value = i64::from(ports.position(i));
            let is_negative = ports.word(const { CALC.field("TYPEA") } + i) & 1 == 1;
            if is_negative { -value } else { value }
        };
        let sum: i64 = (0..4).map(term).sum();
        let shift = match ports.word(const { CALC.field("SHIFT") }) & 3 {
            0 => 0,
            1 => 1,
            _ => 2,
        };
        let change = |i| ports.next(i, Condition::Not(ports.position(i).into()));
        let wake = (0..4).map(change).min().expect("it has inputs");
        Drive { bits: 0, position: (sum >> shift) as i32, wake }
    }
}

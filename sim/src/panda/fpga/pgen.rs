//! PGEN: a position for every trigger, from a table.
use super::{
    block::{Block, BlockKind, Drive, Edge, Ports, choice, driver, field},
    seq::{NOT_READY, TABLE_HEALTH, UNDERRUN},
    table::Table,
};

pub(super) const PGEN: BlockKind = BlockKind {
    name: "PGEN",
    count: 2,
    fields: &[
        field("ENABLE", "bit_mux"),
        field("TRIG", "bit_mux"),
        field("TABLE", "table 1"),
        field("REPEATS", "param"),
        driver("ACTIVE", "bit_out", 83),
        driver("OUT", "pos_out 1 0", 16),
        choice("STATE", "read enum", &["UNREADY", "WAIT_ENABLE", "RUNNING"]),
        choice("HEALTH", "read enum", TABLE_HEALTH),
    ],
};

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum State {
    #[default]
    Unready,
    WaitEnable,
    Running,
}

pub(super) struct Pgen {
    pub table: Table,
    enable: Edge,
    trigger: Edge,
    state: State,
    out: i32,
    lines: u64,
    repeats: u32,
    health: i64,
}

impl Pgen {
    pub(super) fn new() -> Self {
        Self {
            table: Table::new(1),
            enable: Edge::default(),
            trigger: Edge::default(),
            state: State::Unready,
            out: 0,
            lines: 0,
            repeats: 0,
            health: 0,
        }
    }
}

impl Block for Pgen {
    fn step(&mut self, ports: &Ports<'_>) -> Drive {
        let now = ports.now;
        self.table.advance(now);
        let enable = self.enable.take(ports.bit(0));
        let is_triggered = self.trigger.take(ports.bit(1)).rose && self.state == State::Running;
        let is_valid = self.table.is_valid(now);
        let has_underrun = is_triggered && !is_valid;
        let has_error = has_underrun || self.table.has_overflowed(now);
        let row = self.table.row();
        if is_triggered && is_valid {
            self.table.take(now);
        }
        if has_error && self.health == 0 {
            self.health = if has_underrun { UNDERRUN } else { NOT_READY };
        }
        if enable.rose {
            self.health = 0;
        }
        if enable.fell || has_error {
            self.leave(now, has_error);
        } else {
            match self.state {
                State::Unready if is_valid && !self.table.is_resetting(now) => {
                    self.state = State::WaitEnable;
                }
                State::WaitEnable if !is_valid => self.state = State::Unready,
                State::WaitEnable if enable.rose => {
                    self.state = State::Running;
                    self.lines = 1;
                    self.repeats = 1;
                }
                State::Running if is_triggered => {
                    self.out = row.words[0].cast_signed();
                    self.count(ports, row.is_last);
                }
                State::Unready | State::WaitEnable | State::Running => {}
            }
        }
        let is_active = self.state == State::Running;
        Drive { bits: is_active.into(), position: self.out, wake: self.table.wake(now) }
    }

    fn read(&self, field: usize) -> i64 {
        if field == const { PGEN.field("STATE") } { self.state as i64 } else { self.health }
    }
}

impl Pgen {
    fn leave(&mut self, now: u64, has_error: bool) {
        self.lines = 0;
        self.repeats = 0;
        if self.state != State::Running {
            return;
        }
        if self.table.is_wrapping() && !has_error {
            self.state = State::WaitEnable;
            self.table.rewind();
        } else {
            self.state = State::Unready;
            self.table.abort(now);
        }
    }

    fn count(&mut self, ports: &Ports<'_>, is_last: bool) {
        let repeats = ports.word(const { PGEN.field("REPEATS") });
        let is_streaming = self.table.is_streaming();
        if !(is_last || self.table.is_fixed() && self.lines == self.table.rows()) {
            self.lines += 1;
        } else if is_streaming || repeats != 0 && self.repeats == repeats {
            self.state = if is_streaming { State::Unready } else { State::WaitEnable };
        } else {
            self.lines = 1;
            self.repeats = self.repeats.wrapping_add(self.table.is_fixed().into());
        }
    }
}

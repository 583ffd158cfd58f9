//! SEQ: runs the rows of a table, each a trigger and two phases of outputs.
use super::{
    Tick,
    block::{Block, BlockKind, Drive, Edge, NEVER, Ports, choice, driver, field},
    segment::Condition,
    table::{Row, Table},
};

pub(super) const TABLE_HEALTH: &[&str] = &["OK", "DMA underrun", "Not ready for table"];
pub(super) const UNDERRUN: i64 = 1;
pub(super) const NOT_READY: i64 = 2;

pub(super) const SEQ: BlockKind = BlockKind {
    name: "SEQ",
    count: 2,
    fields: &[
        field("ENABLE", "bit_mux"),
        field("BITA", "bit_mux"),
        field("BITB", "bit_mux"),
        field("BITC", "bit_mux"),
        field("POSA", "pos_mux"),
        field("POSB", "pos_mux"),
        field("POSC", "pos_mux"),
        field("TABLE", "table 4"),
        field("PRESCALE", "param time"),
        field("REPEATS", "param"),
        driver("ACTIVE", "bit_out", 69),
        driver("OUTA", "bit_out", 71),
        driver("OUTB", "bit_out", 73),
        driver("OUTC", "bit_out", 75),
        driver("OUTD", "bit_out", 77),
        driver("OUTE", "bit_out", 79),
        driver("OUTF", "bit_out", 81),
        field("TABLE_REPEAT", "read"),
        field("TABLE_LINE", "read"),
        field("LINE_REPEAT", "read"),
        choice(
            "STATE",
            "read enum",
            &["UNREADY", "WAIT_ENABLE", "WAIT_TRIGGER", "PHASE1", "PHASE2"],
        ),
        choice("HEALTH", "read enum", TABLE_HEALTH),
    ],
};

const PRESCALE: usize = SEQ.field("PRESCALE");

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum State {
    #[default]
    Unready,
    WaitEnable,
    WaitTrigger,
    Phase1,
    Phase2,
}

/// A row of the table as it is run.
#[derive(Clone, Copy, Debug, Default)]
struct Line {
    repeats: u32,
    trigger: u32,
    outputs: [u32; 2],
    position: i64,
    times: [u32; 2],
    is_last: bool,
}

impl From<Row> for Line {
    fn from(row: Row) -> Self {
        let [flags, position, time1, time2] = row.words;
        Self {
            repeats: flags & 0xffff,
            trigger: flags >> 16 & 15,
            outputs: [flags >> 20 & 63, flags >> 26 & 63],
            position: i64::from(position.cast_signed()),
            times: [time1, time2],
            is_last: row.is_last,
        }
    }
}

/// What a line waits for.
enum Trigger {
    Immediate,
    Bit {
        place: usize,
        is_high: bool,
    },
    Position {
        place: usize,
        condition: Condition,
    },
    /// A number which means no trigger: it never comes.
    Never,
}

impl Line {
    fn trigger(&self) -> Trigger {
        let place = |first: u32| ((self.trigger - first) / 2) as usize;
        match self.trigger {
            0 => Trigger::Immediate,
            1..=6 => Trigger::Bit { place: 1 + place(1), is_high: self.trigger.is_multiple_of(2) },
            7..=12 => {
                let is_above = !self.trigger.is_multiple_of(2);
                let condition = if is_above { Condition::AtLeast } else { Condition::AtMost };
                Trigger::Position { place: place(7), condition: condition(self.position) }
            }
            _ => Trigger::Never,
        }
    }

    fn is_triggered(&self, ports: &Ports<'_>) -> bool {
        match self.trigger() {
            Trigger::Immediate => true,
            Trigger::Bit { place, is_high } => ports.bit(place) == is_high,
            Trigger::Position { place, condition } => condition.holds(ports.position(place).into()),
            Trigger::Never => false,
        }
    }
}

/// How far a phase has come, in units of the prescaler.
#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    /// The tick at which the numbers hold.
    at: Tick,
    units: u64,
    ticks: u64,
    prescale: u64,
    end: Tick,
}

pub(super) struct Seq {
    pub table: Table,
    enable: Edge,
    state: State,
    line: Line,
    is_active: bool,
    outputs: u32,
    table_repeat: u32,
    table_line: u32,
    line_repeat: u32,
    health: i64,
    progress: Progress,
    /// How many units the phase takes.
    units: u64,
}

impl Seq {
    pub(super) fn new() -> Self {
        Self {
            table: Table::new(4),
            enable: Edge::default(),
            state: State::Unready,
            line: Line::default(),
            is_active: false,
            outputs: 0,
            table_repeat: 0,
            table_line: 0,
            line_repeat: 0,
            health: 0,
            progress: Progress::default(),
            units: 1,
        }
    }
}

impl Block for Seq {
    fn step(&mut self, ports: &Ports<'_>) -> Drive {
        let now = ports.now;
        self.table.advance(now);
        let enable = self.enable.take(ports.bit(0));
        let is_over = self.state == State::Phase2 && now == self.progress.end;
        let ends_line = self.line.repeats != 0 && self.line_repeat == self.line.repeats;
        let ends_table = ends_line && self.is_last_line();
        let ends_all = ends_table && self.is_last_repeat(ports);
        let starts = self.state == State::WaitEnable && enable.rose;
        let loads = starts || is_over && ends_line && !ends_all;
        let is_valid = self.table.is_valid(now);
        let has_underrun = loads && !is_valid;
        let has_error = has_underrun || self.table.has_overflowed(now);
        if loads && is_valid {
            // The rest of this tick sees the row through `line`.
            self.load(ports, enable.fell || has_error, starts, ends_table);
        }
        if has_error && self.health == 0 {
            self.health = if has_underrun { UNDERRUN } else { NOT_READY };
        } else if starts && !has_error {
            self.health = 0;
        }
        if enable.fell || has_error {
            self.leave(now, has_error);
        } else if !(loads && is_valid) {
            self.go_on(ports, is_valid, is_over, ends_all);
        }
        if ports.is_written(PRESCALE) {
            self.rescale(ports);
        }
        let wake = self.next_tick(ports).min(self.table.wake(now));
        Drive::bits(u32::from(self.is_active) | self.outputs << 1, wake)
    }

    fn read(&self, field: usize) -> i64 {
        const TABLE_REPEAT: usize = SEQ.field("TABLE_REPEAT");
        const TABLE_LINE: usize = SEQ.field("TABLE_LINE");
        const LINE_REPEAT: usize = SEQ.field("LINE_REPEAT");
        const STATE: usize = SEQ.field("STATE");
        match field {
            TABLE_REPEAT => self.table_repeat.into(),
            TABLE_LINE => self.table_line.into(),
            LINE_REPEAT => self.line_repeat.into(),
            STATE => self.state as i64,
            _ => self.health,
        }
    }
}

impl Seq {
    fn is_last_line(&self) -> bool {
        let is_at_end = self.table.is_fixed() && u64::from(self.table_line) == self.table.rows();
        is_at_end || self.line.is_last
    }

    fn is_last_repeat(&self, ports: &Ports<'_>) -> bool {
        let repeats = ports.word(const { SEQ.field("REPEATS") });
        self.table.is_streaming() || repeats != 0 && self.table_repeat == repeats
    }

    /// Goes to the row that stands next. It is taken from the ring even if the block is disabled now.
    fn load(&mut self, ports: &Ports<'_>, is_left: bool, starts: bool, ends_table: bool) {
        let row = self.table.row();
        self.table.take(ports.now);
        if is_left {
            return;
        }
        self.line = row.into();
        self.line_repeat = 1;
        if starts {
            self.table_line = 1;
            self.table_repeat = 1;
            self.is_active = true;
        } else if ends_table {
            self.table_line = 1;
            self.table_repeat = self.table_repeat.wrapping_add(self.table.is_fixed().into());
        } else {
            // As wide as its register.
            self.table_line = (self.table_line + 1) & 0x7_ffff;
        }
        self.begin(ports);
    }

    /// Disabled, or failed.
    fn leave(&mut self, now: Tick, has_error: bool) {
        self.outputs = 0;
        self.is_active = false;
        if matches!(self.state, State::Unready | State::WaitEnable) {
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

    fn go_on(&mut self, ports: &Ports<'_>, is_valid: bool, is_over: bool, ends_all: bool) {
        match self.state {
            State::Unready => {
                self.outputs = 0;
                if is_valid && !self.table.is_resetting(ports.now) {
                    self.state = State::WaitEnable;
                }
            }
            State::WaitEnable if !is_valid => self.state = State::Unready,
            State::WaitTrigger if self.line.is_triggered(ports) => self.enter(ports),
            State::Phase1 if ports.now == self.progress.end => self.enter_phase2(ports),
            State::Phase2 if is_over && ends_all => {
                self.is_active = false;
                self.outputs = 0;
                let is_streaming = self.table.is_streaming();
                self.state = if is_streaming { State::Unready } else { State::WaitEnable };
            }
            State::Phase2 if is_over => {
                self.line_repeat = self.line_repeat.wrapping_add(1);
                self.begin(ports);
            }
            State::WaitEnable | State::WaitTrigger | State::Phase1 | State::Phase2 => {}
        }
    }

    /// A repeat of the line begins, once its trigger is there.
    fn begin(&mut self, ports: &Ports<'_>) {
        if self.line.is_triggered(ports) {
            self.enter(ports);
        } else {
            self.state = State::WaitTrigger;
        }
    }

    fn enter(&mut self, ports: &Ports<'_>) {
        let [time1, _] = self.line.times;
        if time1 == 0 {
            return self.enter_phase2(ports);
        }
        self.state = State::Phase1;
        self.outputs = self.line.outputs[0];
        self.time(ports, time1);
    }

    fn enter_phase2(&mut self, ports: &Ports<'_>) {
        let [_, time2] = self.line.times;
        self.state = State::Phase2;
        self.outputs = self.line.outputs[1];
        self.time(ports, time2.max(1));
    }

    fn time(&mut self, ports: &Ports<'_>, units: u32) {
        self.units = units.into();
        let prescale = u64::from(ports.word(PRESCALE)).max(1);
        let end = ports.now.saturating_add(self.units.saturating_mul(prescale));
        self.progress = Progress { at: ports.now, units: 0, ticks: 0, prescale, end };
    }

    /// A new prescaler within a phase: the count of ticks goes on, and rolls over at the new number.
    fn rescale(&mut self, ports: &Ports<'_>) {
        if !matches!(self.state, State::Phase1 | State::Phase2) || self.progress.at == ports.now {
            return;
        }
        let Progress { at, units, ticks, prescale, .. } = self.progress;
        // The tick at which it is written sees the new number already.
        let elapsed = ticks + (ports.now - 1 - at);
        let units = units + elapsed / prescale;
        let ticks = elapsed % prescale;
        let prescale = u64::from(ports.word(PRESCALE)).max(1);
        let around = if ticks < prescale { 0 } else { 1 << 32 };
        let left = (self.units - units).saturating_mul(prescale) + around - ticks;
        let end = (ports.now - 1).saturating_add(left).max(ports.now);
        self.progress = Progress { at: ports.now - 1, units, ticks, prescale, end };
    }

    fn next_tick(&self, ports: &Ports<'_>) -> Tick {
        match self.state {
            State::Unready | State::WaitEnable => NEVER,
            State::WaitTrigger => match self.line.trigger() {
                Trigger::Position { place, condition } => ports.next(place, condition),
                Trigger::Immediate | Trigger::Bit { .. } | Trigger::Never => NEVER,
            },
            State::Phase1 | State::Phase2 => self.progress.end,
        }
    }
}

//! PULSE: pulses delayed, stretched and repeated.
use super::super::{
    Tick,
    block::{Block, BlockKind, Drive, EDGES, Edge, NEVER, Ports, choice, driver, field},
};
use std::collections::VecDeque;

pub(in super::super) const PULSE: BlockKind = BlockKind {
    name: "PULSE",
    count: 4,
    fields: &[
        field("ENABLE", "bit_mux"),
        field("TRIG", "bit_mux"),
        field("DELAY", "time"),
        field("WIDTH", "time"),
        field("PULSES", "param"),
        field("STEP", "time"),
        choice("TRIG_EDGE", "param enum", EDGES),
        driver("OUT", "bit_out", 65),
        field("QUEUED", "read uint 1023"),
        field("DROPPED", "read"),
    ],
};

/// Times are of 48 bits.
const MASK: u64 = (1 << 48) - 1;
/// No pulse and no delay is shorter, unless it is none.
const SHORTEST: u64 = 5;
const QUEUE: usize = 256;

/// The queue in front of the pulse generator: its memory, and the register behind it.
#[derive(Default)]
struct Queue {
    memory: VecDeque<(u64, bool)>,
    is_readable: bool,
    is_writable: bool,
    has_head: bool,
    /// Keeps what it held last.
    head: (u64, bool),
    depth: u32,
}

impl Queue {
    fn step(&mut self, written: Option<(u64, bool)>, is_taken: bool) {
        let entry = written.filter(|_| self.is_writable);
        let is_read = self.is_readable && (is_taken || !self.has_head);
        if is_read {
            self.head = self.memory.pop_front().unwrap_or(self.head);
            self.has_head = true;
        } else if is_taken {
            self.has_head = false;
        }
        self.memory.extend(entry);
        self.is_writable = self.memory.len() < QUEUE;
        self.is_readable = !self.memory.is_empty();
        self.depth = self.memory.len() as u32 + u32::from(self.has_head);
    }

    fn clear(&mut self) {
        *self = Self { head: self.head, ..Self::default() };
    }

    fn is_settled(&self) -> bool {
        self.is_writable == (self.memory.len() < QUEUE) && (self.has_head || self.memory.is_empty())
    }
}

/// Parameters as the registers behind them hold them.
#[derive(Clone, Copy, Default, PartialEq)]
struct Settings {
    delay: u64,
    width: u64,
    pulses: u64,
    step: u64,
}

impl Settings {
    fn of(ports: &Ports<'_>) -> Self {
        let at_least = |time: u64| if time == 0 { 0 } else { time.max(SHORTEST) };
        let width = at_least(ports.time(const { PULSE.field("WIDTH") }));
        let step = ports.time(const { PULSE.field("STEP") });
        Self {
            delay: at_least(ports.time(const { PULSE.field("DELAY") })),
            width,
            pulses: u64::from(ports.word(const { PULSE.field("PULSES") })).max(1),
            step: if step > width { step } else { width + 1 },
        }
    }
}

#[derive(Default)]
pub(in super::super) struct Pulse {
    last: Tick,
    enable: Edge,
    trigger: Edge,
    settings: Settings,
    /// The time all pulses of one trigger take, a tick behind the settings.
    train: u64,
    timestamp: u64,
    queue: Queue,
    entry: Option<(u64, bool)>,
    dropped: u32,
    drop_for: u64,
    is_forced: bool,
    forced_until: u64,
    is_high: bool,
    edges: u64,
    edge_at: u64,
}

impl Block for Pulse {
    fn step(&mut self, ports: &Ports<'_>) -> Drive {
        self.skip(ports.now.saturating_sub(self.last + 1));
        self.last = ports.now;
        let is_written = const { PULSE.field("DELAY") }..=const { PULSE.field("TRIG_EDGE") };
        let is_written = is_written.into_iter().any(|field| ports.is_written(field));
        let is_enabled = ports.bit(0) && !is_written;
        let starts = self.enable.take(is_enabled).rose;
        let old = self.settings;
        let old_train = self.train;
        self.train = old.step.wrapping_mul(old.pulses) & MASK;
        self.settings = Settings::of(ports);
        let (head, value) = self.queue.head;
        let is_head = self.timestamp == head;
        let is_taken =
            old.width == 0 && is_head || self.edges == 1 && self.timestamp == self.edge_at;
        let entry = self.entry.take();
        self.generate(old, is_enabled, starts, is_head.then_some(value));
        self.take_trigger(ports, old, old_train, is_enabled, starts);
        if is_enabled {
            self.queue.step(entry, is_taken);
            self.timestamp = (self.timestamp + 1) & MASK;
        } else {
            self.queue.clear();
            self.timestamp = 0;
        }
        let train = self.settings.step.wrapping_mul(self.settings.pulses) & MASK;
        let is_set = self.settings == old && self.train == train && !is_written;
        let is_idle = !is_enabled || self.entry.is_none() && self.queue.is_settled();
        let wake = match (is_set && is_idle, is_enabled) {
            (false, _) => ports.now + 1,
            (true, true) => self.next(ports.now),
            (true, false) => NEVER,
        };
        Drive::bits((self.is_forced || self.is_high).into(), wake)
    }

    fn read(&self, field: usize) -> i64 {
        if field == const { PULSE.field("QUEUED") } {
            self.queue.depth.into()
        } else {
            self.dropped.into()
        }
    }
}

impl Pulse {
    /// Ticks during which nothing happens but the passing of time.
    fn skip(&mut self, ticks: u64) {
        if self.enable.is_high() {
            self.timestamp = (self.timestamp + ticks) & MASK;
        }
        self.drop_for = self.drop_for.saturating_sub(ticks);
    }

    fn take_trigger(
        &mut self,
        ports: &Ports<'_>,
        settings: Settings,
        train: u64,
        is_enabled: bool,
        starts: bool,
    ) {
        let Settings { delay, width, step, .. } = settings;
        let is_high = ports.bit(1);
        let trigger = self.trigger.take(is_high);
        let edges = ports.word(const { PULSE.field("TRIG_EDGE") });
        let is_triggered = trigger.counts(if width == 0 { 2 } else { edges });
        let is_blocked = self.drop_for > 0 || !self.queue.is_writable;
        self.drop_for = self.drop_for.saturating_sub(1);
        // As its register is before this tick.
        let ends = !is_enabled || self.timestamp == self.forced_until;
        if starts {
            self.dropped = 0;
            self.drop_for = 0;
            self.forced_until = 0;
        } else if is_enabled && is_triggered {
            let due = (self.timestamp + delay) & MASK;
            if is_blocked {
                self.dropped = self.dropped.wrapping_add(1);
            } else if width == 0 {
                if delay == 0 {
                    self.is_forced = is_high;
                } else {
                    self.entry = Some((due, trigger.rose));
                }
            } else {
                if delay == 0 {
                    // The way through the queue takes four ticks.
                    self.is_forced = true;
                    self.forced_until = (self.timestamp + 4) & MASK;
                    self.entry = Some(((due + 4) & MASK, true));
                } else {
                    self.entry = Some((due, true));
                }
                self.drop_for = train.wrapping_sub(step).wrapping_add(width) & MASK;
            }
        }
        if ends {
            self.is_forced = false;
        }
    }

    /// The output behind the queue; `head` is the value at its end if it is due.
    fn generate(&mut self, settings: Settings, is_enabled: bool, starts: bool, head: Option<bool>) {
        let Settings { delay, width, pulses, step } = settings;
        if starts {
            self.edge_at = 0;
        } else if !is_enabled {
            self.is_high = false;
            self.edges = 0;
        } else if self.edges > 0 {
            if self.timestamp == self.edge_at {
                self.is_high = self.edges.is_multiple_of(2);
                let next = if self.is_high { width } else { step.wrapping_sub(width) };
                self.edge_at = self.timestamp.wrapping_add(next) & MASK;
                self.edges -= 1;
            }
        } else if let Some(value) = head {
            self.is_high = width != 0 || value;
            if width != 0 {
                self.edges = (pulses * 2 - 1) & u64::from(u32::MAX);
                let early = if delay == 0 { 4 } else { 0 };
                self.edge_at = self.timestamp.wrapping_add(width - early) & MASK;
            }
        }
    }

    fn next(&self, now: Tick) -> Tick {
        let at = |time: u64| now + 1 + (time.wrapping_sub(self.timestamp) & MASK);
        let pulse = if self.edges > 0 { at(self.edge_at) } else { at(self.queue.head.0) };
        let forced = if self.is_forced { at(self.forced_until) } else { NEVER };
        pulse.min(forced)
    }
}

//! CLOCK: a free running clock.
use super::super::{
    Tick,
    block::{Block, BlockKind, Drive, NEVER, Ports, driver, field},
};

pub(in super::super) const CLOCK: BlockKind = BlockKind {
    name: "CLOCK",
    count: 2,
    fields: &[
        field("ENABLE", "bit_mux"),
        field("PERIOD", "param time"),
        field("WIDTH", "param time"),
        driver("OUT", "bit_out", 37),
    ],
};

/// The registers, as the hardware has them.
#[derive(Default)]
pub(in super::super) struct Clock {
    /// When the registers were as they are.
    last: Tick,
    is_reset: bool,
    is_enabled: bool,
    period: u32,
    low: u32,
    counter: u32,
    out: bool,
}

impl Block for Clock {
    fn step(&mut self, ports: &Ports<'_>) -> Drive {
        const PERIOD: usize = CLOCK.field("PERIOD");
        const WIDTH: usize = CLOCK.field("WIDTH");
        let skipped = ports.now.saturating_sub(self.last + 1);
        if self.is_enabled && self.period != 0 {
            // Woken before the counter would do anything else than count down.
            self.counter = self.counter.wrapping_sub(skipped as u32);
        }
        self.last = ports.now;
        let (width, period) = (ports.word(WIDTH), ports.word(PERIOD));
        let full = match (period, width) {
            (0, 0) => 0,
            _ if period <= width => width.wrapping_add(1),
            (1, _) => 2,
            _ => period,
        };
        let high = if width == 0 { self.period / 2 } else { width };
        let (old_period, old_low) = (self.period, self.low);
        let (was_enabled, was_reset) = (self.is_enabled, self.is_reset);
        self.low = old_period.wrapping_sub(high);
        self.period = full;
        self.is_enabled = ports.bit(0);
        self.is_reset = ports.is_written(PERIOD) || ports.is_written(WIDTH);
        if !was_enabled || old_period == 0 {
            self.out = false;
            self.counter = 0;
        } else if was_reset {
            self.out = true;
            self.counter = old_period - 1;
        } else {
            if self.counter == 0 {
                self.out = true;
            } else if self.counter == old_low {
                self.out = false;
            }
            let top = old_period - 1;
            self.counter = self.counter.checked_sub(1).unwrap_or(top);
        }
        let is_settled = self.period == old_period
            && self.low == old_low
            && self.is_enabled == was_enabled
            && !self.is_reset;
        Drive::bits(self.out.into(), if is_settled { self.next(ports.now) } else { ports.now + 1 })
    }
}

impl Clock {
    fn next(&self, now: Tick) -> Tick {
        if !self.is_enabled || self.period == 0 {
            return NEVER;
        }
        let target = if self.low <= self.counter { self.low } else { 0 };
        now + 1 + u64::from(self.counter - target)
    }
}

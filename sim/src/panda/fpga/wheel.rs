//! [`Wheel`]: what reaches inputs of blocks within the next 64 ticks.
use super::{Tick, block::NEVER};

const SLOTS: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Delivery {
    /// A level at an input from the bit bus.
    Level { unit: u8, place: u8, epoch: u8, is_high: bool },
    /// Another line of the position bus at an input.
    Source { unit: u8, place: u8, line: u8 },
}

pub(super) struct Wheel {
    slots: [Vec<Delivery>; SLOTS],
    /// Which slots hold something.
    filled: u64,
}

impl Wheel {
    pub(super) fn new() -> Self {
        Self { slots: [const { Vec::new() }; SLOTS], filled: 0 }
    }

    /// `tick` is less than 64 ticks ahead.
    pub(super) fn push(&mut self, tick: Tick, delivery: Delivery) {
        let slot = (tick % SLOTS as Tick) as usize;
        self.slots[slot].push(delivery);
        self.filled |= 1 << slot;
    }

    /// The first tick, `now` or later, at which something is due.
    pub(super) const fn next(&self, now: Tick) -> Tick {
        if self.filled == 0 {
            return NEVER;
        }
        let turned = self.filled.rotate_right((now % SLOTS as Tick) as u32);
        now + turned.trailing_zeros() as Tick
    }

    /// Moves what is due at `tick` to `due`.
    pub(super) fn take(&mut self, tick: Tick, due: &mut Vec<Delivery>) {
        let slot = (tick % SLOTS as Tick) as usize;
        if self.filled & (1 << slot) != 0 {
            self.filled &= !(1 << slot);
            due.append(&mut self.slots[slot]);
        }
    }
}

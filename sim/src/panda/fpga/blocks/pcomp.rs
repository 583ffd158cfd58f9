//! PCOMP: pulses where a position crosses points.
use super::super::{
    Tick,
    block::{Block, BlockKind, Drive, Edge, NEVER, Ports, choice, driver, field},
    segment::Condition,
};

pub(in super::super) const PCOMP: BlockKind = BlockKind {
    name: "PCOMP",
    count: 2,
    fields: &[
        field("ENABLE", "bit_mux"),
        field("INP", "pos_mux"),
        field("PRE_START", "param int"),
        field("START", "param int"),
        field("WIDTH", "param int"),
        field("STEP", "param int"),
        field("PULSES", "param"),
        choice("RELATIVE", "param enum", &["Absolute", "Relative"]),
        choice("DIR", "param enum", &["Positive", "Negative", "Either"]),
        driver("ACTIVE", "bit_out", 61),
        driver("OUT", "bit_out", 63),
        choice(
            "HEALTH",
            "read enum",
            &[
                "OK",
                "Position jumped by more than STEP",
                "Can't guess DIR when RELATIVE and PRE_START=0 and START=0",
            ],
        ),
        field("PRODUCED", "read"),
        choice(
            "STATE",
            "read enum",
            &["WAIT_ENABLE", "WAIT_DIR", "WAIT_PRE_START", "WAIT_RISING", "WAIT_FALLING"],
        ),
    ],
};

const JUMPED: i64 = 1;
const NO_DIRECTION: i64 = 2;

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum State {
    #[default]
    Idle,
    Direction,
    PreStart,
    Rising,
    Falling,
}

/// Positions are compared without wrapping at 32 bits, which differs from the hardware only beyond
/// 2³¹ counts.
#[derive(Default)]
pub(in super::super) struct Pcomp {
    enable: Edge,
    state: State,
    is_active: bool,
    out: bool,
    health: i64,
    produced: u32,
    is_positive: bool,
    /// The position at enable.
    latched: i64,
    last: i64,
    next: i64,
}

/// The parameters, and the position as it is compared with them.
struct View {
    position: i64,
    origin: i64,
    before: i64,
    start: i64,
    width: i64,
    step: i64,
    pulses: u32,
    is_relative: bool,
    direction: u32,
}

impl Block for Pcomp {
    fn step(&mut self, ports: &Ports<'_>) -> Drive {
        let enable = self.enable.take(ports.bit(0));
        let view = self.view(ports);
        if enable.fell {
            self.stop(0);
        } else {
            match self.state {
                State::Idle if enable.rose => self.start(&view),
                State::Idle => {}
                State::Direction => self.find_direction(&view),
                State::PreStart => self.wait_to_arm(&view),
                State::Rising => self.wait_to_rise(&view),
                State::Falling => self.wait_to_fall(&view),
            }
        }
        if enable.rose {
            self.latched = ports.position(0).into();
        }
        let wake = self.next_tick(ports);
        Drive::bits(u32::from(self.is_active) | u32::from(self.out) << 1, wake)
    }

    fn read(&self, field: usize) -> i64 {
        if field == const { PCOMP.field("HEALTH") } {
            self.health
        } else if field == const { PCOMP.field("PRODUCED") } {
            self.produced.into()
        } else {
            self.state as i64
        }
    }
}

impl Pcomp {
    fn view(&self, ports: &Ports<'_>) -> View {
        let int = |name| i64::from(ports.int(PCOMP.field(name)));
        let is_relative = ports.word(const { PCOMP.field("RELATIVE") }) & 1 == 1;
        let origin = if is_relative { self.latched } else { 0 };
        View {
            position: i64::from(ports.position(0)) - origin,
            origin,
            before: int("PRE_START"),
            start: int("START"),
            width: int("WIDTH"),
            step: int("STEP"),
            pulses: ports.word(const { PCOMP.field("PULSES") }),
            is_relative,
            direction: ports.word(const { PCOMP.field("DIR") }) & 3,
        }
    }

    /// A distance in the direction of the pulses.
    fn along(&self, distance: i64) -> i64 {
        if self.is_positive { distance } else { -distance }
    }

    fn start_of(&self, view: &View) -> i64 {
        if view.is_relative { self.along(view.start) } else { view.start }
    }

    fn stop(&mut self, health: i64) {
        self.is_active = false;
        self.state = State::Idle;
        if health == 0 {
            self.out = false;
        } else {
            self.health = health;
        }
    }

    fn start(&mut self, view: &View) {
        self.is_active = true;
        self.health = 0;
        self.produced = 0;
        if view.direction == 2 {
            self.state = State::Direction;
            return;
        }
        self.is_positive = view.direction == 0;
        self.next = self.along(view.width);
        if view.is_relative && view.start == 0 && view.before == 0 {
            self.last = 0;
            self.rise(State::Falling);
        } else {
            self.state = State::PreStart;
        }
    }

    fn rise(&mut self, state: State) {
        self.out = true;
        self.produced = self.produced.wrapping_add(1);
        self.state = state;
    }

    fn find_direction(&mut self, view: &View) {
        if !view.is_relative {
            if view.position != view.start {
                self.is_positive = view.position < view.start;
                self.state = State::PreStart;
            }
            return;
        }
        let threshold = view.start + view.before;
        if threshold <= 0 {
            return self.stop(NO_DIRECTION);
        }
        if view.position.abs() < threshold {
            return;
        }
        let is_above = view.position > 0;
        if view.before > 0 {
            self.is_positive = !is_above;
            self.state = State::PreStart;
        } else {
            self.is_positive = is_above;
            self.last = self.along(view.start);
            self.next = self.along(view.start + view.width);
            self.rise(State::Falling);
        }
    }

    fn wait_to_arm(&mut self, view: &View) {
        let start = self.start_of(view);
        let is_before = if self.is_positive {
            view.position < start - view.before
        } else {
            view.position > start + view.before
        };
        if is_before {
            self.last = start - self.along(1);
            self.next = start;
            self.state = State::Rising;
        }
    }

    fn has_reached(&self, view: &View) -> bool {
        if self.next >= self.last { view.position >= self.next } else { view.position <= self.next }
    }

    /// Whether the next point but one has been passed as well.
    fn has_jumped(&self, view: &View) -> bool {
        let limit = self.last + self.along(view.step);
        let is_above = self.last <= self.next && self.next <= limit && limit <= view.position;
        is_above || self.last >= self.next && self.next >= limit && limit >= view.position
    }

    fn wait_to_rise(&mut self, view: &View) {
        if !self.has_reached(view) {
            return;
        }
        if self.has_jumped(view) {
            return self.stop(JUMPED);
        }
        self.last = self.next;
        self.next += self.along(view.width);
        self.rise(State::Falling);
    }

    fn wait_to_fall(&mut self, view: &View) {
        if !self.has_reached(view) {
            return;
        }
        self.out = false;
        if self.produced == view.pulses {
            self.stop(0);
        } else if self.has_jumped(view) {
            self.stop(JUMPED);
        } else {
            let rose_at = self.last;
            self.last = self.next;
            self.next = rose_at + self.along(view.step);
            self.state = State::Rising;
        }
    }

    fn next_tick(&self, ports: &Ports<'_>) -> Tick {
        let view = self.view(ports);
        let (origin, start) = (view.origin, self.start_of(&view));
        let next = |condition: Condition| ports.next(0, condition);
        match self.state {
            State::Idle => NEVER,
            State::Direction if !view.is_relative => next(Condition::Not(view.start)),
            State::Direction => {
                let threshold = view.start + view.before;
                if threshold <= 0 {
                    return ports.now + 1;
                }
                let above = next(Condition::AtLeast(origin + threshold));
                above.min(next(Condition::AtMost(origin - threshold)))
            }
            State::PreStart if self.is_positive => {
                next(Condition::AtMost(origin + start - view.before - 1))
            }
            State::PreStart => next(Condition::AtLeast(origin + start + view.before + 1)),
            State::Rising | State::Falling if self.next >= self.last => {
                next(Condition::AtLeast(origin + self.next))
            }
            State::Rising | State::Falling => next(Condition::AtMost(origin + self.next)),
        }
    }
}

//! How time passes: inputs reach blocks, blocks are asked, and what they drive goes to the buses.
use super::{
    Fpga, FpgaError, Listener, MAX_EDGES, OutputEdge, Tick,
    block::{Block as _, Drive, NEVER, Ports},
    pcap::{PCAP, View},
    track::Track,
    unit::{Body, NO_POSITION, ONE},
    wheel::Delivery,
};

/// From the bit bus through a selector without delay.
const BIT_LATENCY: Tick = 2;
/// How many segments of a position are kept before the past is summed up.
const MANY_SEGMENTS: usize = 64;
/// How far back selectors and registers look.
const PAST: Tick = 4;

impl Fpga {
    /// Runs all that happens before `tick`, and returns how far it came: less far if words or edges
    /// have to be taken first.
    pub fn run_until(&mut self, tick: Tick) -> Tick {
        while self.now < tick {
            if self.is_full() {
                return self.now;
            }
            self.run_next(tick);
        }
        self.forget();
        self.now
    }

    /// The processor has done something, which takes its time even if nobody takes words.
    pub(super) fn pass(&mut self, ticks: Tick) {
        let end = self.now + ticks;
        while self.now < end {
            self.run_next(end);
        }
    }

    /// Comes to the next tick at which something happens, or to `end` if there is none before.
    fn run_next(&mut self, end: Tick) {
        let next = self.wakes.next().min(self.wheel.next(self.now));
        self.now = next.min(end);
        if next < end {
            self.run_tick();
            self.now += 1;
        }
    }

    /// The tick at which something will happen, unless it is told something else before.
    pub fn next_event(&self) -> Tick {
        self.wakes.next().min(self.wheel.next(self.now)).max(self.now)
    }

    /// No edge of an output that is followed comes before this tick; nothing if none ever comes, unless
    /// it is told something before.
    pub fn next_edge(&self) -> Option<Tick> {
        let next = self.next_event();
        (!self.followed.is_empty() && next != NEVER).then_some(next)
    }

    fn is_full(&self) -> bool {
        self.pcap.words().len() >= self.config.max_words || self.edges.len() >= MAX_EDGES
    }

    fn run_tick(&mut self) {
        let now = self.now;
        self.num_ticks += 1;
        let mut asked = self.wakes.take(now);
        let mut due = std::mem::take(&mut self.due);
        self.wheel.take(now, &mut due);
        for delivery in due.drain(..) {
            asked |= self.deliver(delivery);
        }
        self.due = due;
        // It sees the buses as they are now, so it comes before those which drive them.
        if asked >> self.pcap_unit & 1 == 1 {
            asked &= !(1 << self.pcap_unit);
            self.step_pcap();
        }
        while asked != 0 {
            let unit = asked.trailing_zeros() as usize;
            asked &= asked - 1;
            self.step_unit(unit);
        }
    }

    /// Returns which unit has to be asked, as a bit.
    fn deliver(&mut self, delivery: Delivery) -> u64 {
        match delivery {
            Delivery::Level { unit, place, epoch, is_high } => {
                let owner = &mut self.units[usize::from(unit)];
                if owner.selectors[usize::from(place)].epoch != epoch {
                    return 0;
                }
                owner.bits = owner.bits & !(1 << place) | u32::from(is_high) << place;
                1 << unit
            }
            Delivery::Source { unit, place, line } => {
                self.units[usize::from(unit)].sources[usize::from(place)] = line;
                1 << unit
            }
        }
    }

    fn step_pcap(&mut self) {
        let unit = &mut self.units[self.pcap_unit];
        unit.written = 0;
        let was_active = self.pcap.is_active();
        let view = View {
            now: self.now,
            enable: unit.bits & 1 != 0,
            gate: unit.bits & 2 != 0,
            trigger: unit.bits & 4 != 0,
            edges: unit.values[const { PCAP.field("TRIG_EDGE") }] as u32,
            shift: unit.values[const { PCAP.field("SHIFT_SUM") }] as u32,
            bits: self.levels,
            tracks: &self.tracks,
        };
        let wake = self.pcap.step(&view);
        let drives_late = was_active != self.pcap.is_active();
        let wake = if drives_late { self.now + 1 } else { wake };
        self.drive(self.pcap_unit, Drive::bits(was_active.into(), wake));
    }

    fn step_unit(&mut self, number: usize) {
        let now = self.now;
        let unit = &mut self.units[number];
        let tracks = &self.tracks;
        let ports = Ports {
            now,
            bits: unit.bits,
            written: std::mem::take(&mut unit.written),
            values: &unit.values,
            positions: unit.sources.map(|line| &tracks[usize::from(line)]),
        };
        let drive = match &mut unit.body {
            Body::Seq(seq) => seq.step(&ports),
            Body::Pgen(pgen) => pgen.step(&ports),
            Body::Plain(block) => block.step(&ports),
            Body::Input(levels) => {
                let mut bits = unit.drive.bits;
                // What is driven at this tick is on the bus at the next one.
                while let Some((_, is_high)) = levels.front().filter(|(tick, _)| *tick <= now + 1) {
                    bits = (*is_high).into();
                    levels.pop_front();
                }
                Drive::bits(bits, levels.front().map_or(NEVER, |(tick, _)| tick - 1))
            }
            Body::Output(output) => {
                let is_high = unit.bits & 1 == 1;
                if unit.drive.bits != unit.bits && self.followed.contains(output) {
                    self.edges.push(OutputEdge { tick: now, output: *output, is_high });
                }
                unit.drive.bits = unit.bits;
                return;
            }
            Body::Encoder { .. } | Body::Pcap => return,
        };
        self.drive(number, drive);
    }

    /// Puts on the buses what a unit drives from the next tick on.
    fn drive(&mut self, number: usize, drive: Drive) {
        let unit = &mut self.units[number];
        self.wakes.set(number, drive.wake);
        let old = std::mem::replace(&mut unit.drive, drive);
        let position = unit.out_position.filter(|_| old.position != drive.position);
        let mut changed = old.bits ^ drive.bits;
        while changed != 0 {
            let place = changed.trailing_zeros();
            changed &= changed - 1;
            let line = self.units[number].out_lines[place as usize];
            self.change(line, drive.bits >> place & 1 == 1);
        }
        if let Some(line) = position {
            let track = &mut self.tracks[usize::from(line)];
            track.set(self.now + 1, drive.position);
            if track.len() > MANY_SEGMENTS {
                self.forget_positions();
            }
            self.wake_readers(line);
        }
    }

    /// A line of the bit bus has another level from the next tick on.
    fn change(&mut self, line: u8, is_high: bool) {
        let bit = 1_u128 << line;
        self.levels = if is_high { self.levels | bit } else { self.levels & !bit };
        self.changed |= bit;
        for i in 0..self.listeners[usize::from(line)].len() {
            let listener = self.listeners[usize::from(line)][i];
            self.select_level(listener, self.now + 1, is_high);
        }
    }

    /// The level which a selector takes has changed at `tick`.
    fn select_level(&mut self, listener: Listener, tick: Tick, is_high: bool) {
        let Listener { unit, place } = listener;
        let selector = &mut self.units[usize::from(unit)].selectors[usize::from(place)];
        if selector.is_high() == is_high {
            return;
        }
        selector.record(tick, is_high);
        let level = Delivery::Level { unit, place, epoch: selector.epoch, is_high };
        self.wheel.push(tick + BIT_LATENCY + Tick::from(selector.delay), level);
    }

    pub(super) fn select_bit(&mut self, unit: usize, field: usize, line: u8) {
        let place = self.units[unit].kind.place(self.units[unit].kind.fields[field].name);
        let listener = Listener { unit: unit as u8, place: place as u8 };
        let is_this =
            |other: &Listener| other.unit == listener.unit && other.place == listener.place;
        let old = usize::from(self.units[unit].selectors[place].line);
        if let Some(listeners) = self.listeners.get_mut(old) {
            listeners.retain(|other| !is_this(other));
        }
        self.units[unit].selectors[place].line = line;
        if let Some(listeners) = self.listeners.get_mut(usize::from(line)) {
            listeners.push(listener);
        }
        let is_high = if line < 128 { self.levels >> line & 1 == 1 } else { line == ONE };
        self.select_level(listener, self.now, is_high);
    }

    pub(super) fn select_position(&mut self, unit: usize, field: usize, line: u8) {
        let place = self.units[unit].kind.place(self.units[unit].kind.fields[field].name);
        self.units[unit].chosen[place] = line;
        for (line, readers) in self.readers.iter_mut().enumerate() {
            let reads = self.units[unit].chosen.iter().any(|chosen| usize::from(*chosen) == line);
            *readers = *readers & !(1 << unit) | u64::from(reads) << unit;
        }
        let source = Delivery::Source { unit: unit as u8, place: place as u8, line };
        self.wheel.push(self.now + 1, source);
    }

    /// What is on its way through the old delay comes through the new one instead.
    pub(super) fn set_delay(&mut self, unit: usize, field: usize, delay: u8) {
        let place = self.units[unit].kind.place(self.units[unit].kind.fields[field].name);
        let selector = &mut self.units[unit].selectors[place];
        selector.delay = delay;
        selector.epoch = selector.epoch.wrapping_add(1);
        let selector = *selector;
        let latency = BIT_LATENCY + Tick::from(delay);
        let mut is_high = self.units[unit].bits >> place & 1 == 1;
        for tick in self.now + 1..=self.now + latency {
            let level = selector.was_high(tick.saturating_sub(latency));
            if level != is_high {
                is_high = level;
                let (unit, place) = (unit as u8, place as u8);
                let delivery = Delivery::Level { unit, place, epoch: selector.epoch, is_high };
                self.wheel.push(tick, delivery);
            }
        }
    }

    /// The position of an encoder is set: what it will be moves with it.
    pub(super) fn set_encoder(&mut self, unit: usize, value: i64) -> Result<(), FpgaError> {
        let number = self.units[unit].number;
        let track = &mut self.tracks[number];
        let counts = value - i64::from(track.at(self.now + 1));
        track
            .shift(self.now + 1, counts)
            .map_err(|source| FpgaError::Encoder { number, source })?;
        self.offsets[number] += counts;
        self.units[unit].body = Body::Encoder { is_homed: true };
        self.wake_readers(number as u8);
        Ok(())
    }

    /// Those who look at a position have to look again.
    pub(super) fn wake_readers(&mut self, line: u8) {
        let mut readers = self.readers[usize::from(line)];
        while readers != 0 {
            self.wakes.hasten(readers.trailing_zeros() as usize, self.now + 1);
            readers &= readers - 1;
        }
    }

    /// Forgets positions that nobody will look at.
    fn forget(&mut self) {
        if self.tracks.iter().any(|track| track.len() > MANY_SEGMENTS) {
            self.forget_positions();
        }
    }

    fn forget_positions(&mut self) {
        let past = self.now.saturating_sub(PAST);
        self.pcap.catch_up(past, &self.tracks);
        for track in &mut self.tracks[..usize::from(NO_POSITION)] {
            Track::forget(track, past);
        }
    }
}

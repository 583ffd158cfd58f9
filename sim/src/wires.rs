//! [`Wires`]: what the encoders, inputs and outputs of a simulated PandA are wired to.
use crate::{
    axis::Phase,
    config::PandaConfig,
    controller::Controller,
    detector::Detector,
    line::{Line, LineState},
    motor::Motor,
    panda::{
        MemoryPanda, Server, Surroundings,
        fpga::{Config, Fpga, FpgaError, Motion, Output, OutputEdge, TICKS_PER_SECOND, Tick},
    },
};
use bluefly_actors::clock::Instant;
use bluefly_protocol::name::Name;
use std::{rc::Rc, time::Duration};

/// A box with everything around it.
pub(crate) struct Wires {
    pub(crate) name: Name,
    pub(crate) panda: MemoryPanda,
    line: Rc<Line>,
    /// What time it was at tick zero, since 1970-01-01T00:00:00Z.
    started: Duration,
    encoders: Vec<Encoder>,
    inputs: Vec<Input>,
    outputs: Vec<(Output, Rc<Detector>)>,
    /// All of the beamline: what they tell their motors and detectors reaches the box.
    controllers: Vec<Rc<Controller>>,
}

struct Encoder {
    motor: Rc<Motor>,
    /// From 0.
    number: usize,
    scale: Scale,
}

/// Position = counts * scale + offset.
struct Scale {
    scale: f64,
    offset: f64,
}

struct Input {
    controller: Rc<Controller>,
    bit: u8,
    block: String,
}

const SECONDS_PER_TICK: f64 = 1.0 / TICKS_PER_SECOND as f64;
/// A motion that is bent by less than this many counts is straight, and by less than so many roundings
/// of its counts.
const STRAIGHT_COUNTS: f64 = 1e-6;
const STRAIGHT_ROUNDINGS: f64 = 64.0;

impl Scale {
    fn counts(&self, position: f64) -> f64 {
        (position - self.offset) / self.scale
    }

    /// The part of a phase from the tick `first` on.
    fn motion(&self, phase: &Phase, first: Tick, last: Tick, elapsed: Duration) -> Motion {
        let mut coefficients = phase.terms(elapsed.as_secs_f64());
        coefficients[0] -= self.offset;
        let mut unit = self.scale;
        for coefficient in &mut coefficients {
            *coefficient /= unit;
            unit /= SECONDS_PER_TICK;
        }
        let duration = last - first;
        let ticks = duration as f64;
        let [start, velocity, second, third] = coefficients;
        let bends = [second * ticks * ticks, third * ticks * ticks * ticks];
        let rounding = STRAIGHT_ROUNDINGS * f64::EPSILON * (start.abs() + (velocity * ticks).abs());
        if bends.iter().all(|counts| counts.abs() < STRAIGHT_COUNTS + rounding) {
            let velocity = velocity + (bends[0] + bends[1]) / ticks;
            coefficients = [start, velocity, 0.0, 0.0];
        }
        Motion { start: first, duration, coefficients }
    }
}

impl Wires {
    /// A box as after its start, wired to what is there of what `config` names.
    pub(crate) fn new(
        line: &Rc<Line>,
        config: &PandaConfig,
        motors: &[Rc<Motor>],
        controllers: &[Rc<Controller>],
        detectors: &[Rc<Detector>],
    ) -> Rc<Self> {
        let clock = &line.host.clock;
        let started = Duration::from_secs_f64(clock.unix_s(clock.now()).max(0.0));
        let encoders = config.encoders.iter().filter_map(|encoder| {
            let motor = motors.iter().find(|motor| motor.name == encoder.motor)?.clone();
            let number = usize::from(encoder.number).checked_sub(1)?;
            let scale = Scale { scale: encoder.scale, offset: encoder.offset };
            Some(Encoder { motor, number, scale })
        });
        let inputs = config.inputs.iter().filter_map(|input| {
            let named = |controller: &&Rc<Controller>| controller.name == input.controller;
            let controller = controllers.iter().find(named)?.clone();
            Some(Input { controller, bit: input.bit, block: format!("TTLIN{}", input.number) })
        });
        let outputs = config.outputs.iter().filter_map(|output| {
            let detector = detectors.iter().find(|detector| detector.name == output.detector)?;
            Some((Output::Ttl(output.number.checked_sub(1)?), detector.clone()))
        });
        let wires = Rc::new(Self {
            name: config.name.clone(),
            panda: MemoryPanda::within(&line.host, new_box(started)),
            line: line.clone(),
            started,
            encoders: encoders.collect(),
            inputs: inputs.collect(),
            outputs: outputs.collect(),
            controllers: controllers.to_vec(),
        });
        wires.connect();
        wires
    }

    fn connect(self: &Rc<Self>) {
        for (i, encoder) in self.encoders.iter().enumerate() {
            let weak = Rc::downgrade(self);
            encoder.motor.axis.follow(Rc::new(move |phase| {
                if let Some(wires) = weak.upgrade() {
                    let encoder = &wires.encoders[i];
                    wires.panda.with_unmoved(|server| wires.go(server, encoder, phase));
                }
            }));
        }
        for (i, input) in self.inputs.iter().enumerate() {
            let weak = Rc::downgrade(self);
            input.controller.outputs.listen(Rc::new(move |moment, bits| {
                if let Some(wires) = weak.upgrade() {
                    let input = &wires.inputs[i];
                    wires.panda.with_unmoved(|server| wires.set(server, input, moment, bits));
                }
            }));
        }
        for (_, detector) in &self.outputs {
            let weak = Rc::downgrade(self);
            detector.hang_on(Rc::new(move || {
                if let Some(wires) = weak.upgrade() {
                    wires.panda.catch_up();
                }
            }));
        }
        let weak = Rc::downgrade(self);
        self.line.on_state(Rc::new(move |state| {
            if let Some(wires) = weak.upgrade() {
                wires.reach(state);
            }
        }));
        let surroundings: Rc<dyn Surroundings> = self.clone();
        self.panda.surround(&surroundings);
    }

    /// Another box, of which nothing was set, takes the place of the one that is there.
    pub(crate) fn replace_box(&self) {
        self.panda.replace(new_box(self.started));
    }

    fn reach(&self, state: LineState) {
        match state {
            LineState::Up => {
                self.panda.switch_on(None);
                self.panda.go_on();
            }
            LineState::Down => {
                self.panda.go_on();
                self.panda.switch_off();
            }
            LineState::Frozen => {
                self.panda.switch_on(None);
                self.panda.hang();
            }
        }
    }

    fn now(&self) -> Instant {
        self.line.host.clock.now()
    }

    /// An axis does this from the start of `phase` on.
    fn go(&self, server: &mut Server, encoder: &Encoder, phase: &Phase) {
        let fpga = server.fpga_mut();
        let first = self.panda.tick_at(phase.start).max(fpga.now());
        let end = self.panda.tick_at(phase.end()).max(fpga.now());
        // The last tick that is not beyond the end.
        let last = if self.panda.moment(end) > phase.end() { end.saturating_sub(1) } else { end };
        if last > first {
            let elapsed = self.panda.moment(first) - phase.start;
            let motion = encoder.scale.motion(phase, first, last, elapsed);
            self.told(encoder, fpga.move_encoder(encoder.number, &motion));
        }
        let rest = Motion::rest(end, encoder.scale.counts(phase.to.position));
        self.told(encoder, fpga.move_encoder(encoder.number, &rest));
    }

    fn told(&self, encoder: &Encoder, outcome: Result<(), FpgaError>) {
        if let Err(error) = outcome {
            let (panda, motor) = (&self.name, &encoder.motor.name);
            tracing::warn!(%panda, %motor, %error, "an encoder does not follow its motor");
        }
    }

    /// The output bits of a controller are so from a moment on.
    fn set(&self, server: &mut Server, input: &Input, moment: Instant, bits: u8) {
        let is_high = bits.checked_shr(input.bit.into()).unwrap_or(0) & 1 == 1;
        let tick = self.panda.tick_at(moment);
        let fpga = server.fpga_mut();
        let block = fpga.block(&input.block);
        if let Err(error) = block.and_then(|block| fpga.set_input(block, tick, is_high)) {
            let (panda, controller) = (&self.name, &input.controller.name);
            tracing::warn!(%panda, %controller, %error, "an input does not follow its controller");
        }
    }
}

impl Surroundings for Wires {
    fn catch_up(&self, now: Instant) {
        self.controllers.iter().for_each(|controller| controller.catch_up(now));
    }

    fn wire(&self, server: &mut Server) {
        let now = self.now();
        for encoder in &self.encoders {
            for phase in encoder.motor.axis.ahead(now) {
                self.go(server, encoder, &phase);
            }
        }
        for input in &self.inputs {
            for (moment, bits) in input.controller.outputs.ahead(now) {
                self.set(server, input, moment, bits);
            }
        }
        for (output, detector) in &self.outputs {
            server.follow(*output);
            detector.trigger_level(now, false);
        }
    }

    fn take(&self, edges: Vec<OutputEdge>) {
        for edge in edges {
            let moment = self.panda.moment(edge.tick);
            let wired = self.outputs.iter().filter(|(output, _)| *output == edge.output);
            wired.for_each(|(_, detector)| detector.trigger_level(moment, edge.is_high));
        }
    }

    fn hears(&self, num_lines: usize) -> bool {
        (0..num_lines).all(|_| self.line.admit(self.name.as_str()).is_ok())
    }
}

fn new_box(started: Duration) -> Server {
    Server::new(Fpga::new(Config::default()), started)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::axis::State;

    /// A motion within 0.7 s from 99.123456 mm on, with fine counts.
    fn motion(distance: f64, [first, last]: [f64; 2]) -> Motion {
        let (start, duration) = (Instant::default(), Duration::from_millis(700));
        let from = State { position: 99.123_456, velocity: first };
        let to = State { position: 99.123_456 + distance, velocity: last };
        let phase = Phase { start, duration, from, to };
        let scale = Scale { scale: 1e-7, offset: 0.3 };
        scale.motion(&phase, 0, 87_500_000, Duration::ZERO)
    }

    /// What is captured of a curve is summed up count by count, and that takes long.
    #[test]
    fn a_motion_that_is_bent_by_rounding_only_is_a_line() {
        let line = motion(7.0 / 3.0, [10.0 / 3.0; 2]);
        assert_eq!(line.coefficients[2..], [0.0; 2]);
        let end = line.coefficients[0] + line.coefficients[1] * 87_500_000.0;
        assert_eq!(end.round(), ((99.123_456 + 7.0 / 3.0 - 0.3) / 1e-7_f64).round());
        // By three counts.
        let curve = motion(7.0 / 3.0, [10.0 / 3.0, 10.0 / 3.0 + 5e-7]);
        assert!(curve.coefficients[2] < 0.0);
    }
}

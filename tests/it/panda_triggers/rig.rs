//! [`Rig`]: a PandA whose box is within the process, encoders that follow a planned motion, and the
//! edges of its outputs.
use crate::panda_server::new_server;
use bluefly_actors::{
    backend::panda::control::Dial,
    clock::Clock,
    device::panda::{Panda, PandaLink, PandaTiming},
    logic::{
        panda::{
            triggers::{PandaTriggers, TriggerSetup},
            wired::Wired,
            wiring::Wiring,
        },
        triggers::TriggerPlan,
    },
    random::Seed,
    signal::panda::{PandaSeat, PandaSignals},
    supervise::{Env, Seat, Strategy, Supervisor, Tree},
    system::simulated_system,
};
use bluefly_protocol::{
    beamline::Trigger,
    name::Name,
    panda::{control::Command, wiring::Wire},
    plan::{AxisCapability, Capabilities, ControllerCapability, DetectorCapability, ScanPlan},
    sequencer::{BitInput, Bus, PositionInput, StartOn, TableLimits},
    trajectory::{AxisLimits, Mark, TriggerBits},
};
use bluefly_sim::panda::{
    MemoryPanda, Server,
    fpga::{Motion, Output, Place},
};
use std::{rc::Rc, sync::Arc, time::Duration};

pub(super) const SECOND: Duration = Duration::from_secs(1);
/// Ticks of the box in a microsecond.
pub(super) const TICKS_PER_US: u64 = 125;
/// EGU per count; x counts down.
pub(super) const SCALES: [f64; 2] = [-0.001, 0.000_5];
pub(super) const OFFSET: f64 = 0.25;
/// What the wires of every rig are.
const WIRES: [(&str, &str); 6] = [
    ("SEQ1.BITA", "TTLIN1.VAL"),
    ("SEQ1.POSA", "INENC1.VAL"),
    ("SEQ1.POSB", "INENC2.VAL"),
    ("TTLOUT1.VAL", "SEQ1.OUTA"),
    ("PULSE1.TRIG", "SEQ1.OUTA"),
    ("TTLOUT2.VAL", "PULSE1.OUT"),
];

pub(super) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

pub(super) struct Rig {
    pub(super) clock: Clock,
    pub(super) panda: MemoryPanda,
    pub(super) seat: PandaSeat,
    _tree: Tree,
}

/// Runs `test` with a PandA that is reached and wired.
pub(super) fn with_panda<T>(test: impl AsyncFnOnce(&Rig) -> T) -> T {
    with_dialled(|panda| Rc::new(panda), test)
}

/// The same, with a PandA that is dialled so.
pub(super) fn with_dialled<T>(
    dial: impl FnOnce(MemoryPanda) -> Rc<dyn Dial>,
    test: impl AsyncFnOnce(&Rig) -> T,
) -> T {
    simulated_system().block_on(async {
        let rig = Rig::new(dial);
        rig.clock.sleep(SECOND).await;
        for (field, value) in WIRES {
            rig.set(field, value).await;
        }
        rig.panda.with(|server| {
            server.fpga_mut().follow(Output::Ttl(0));
            server.fpga_mut().follow(Output::Ttl(1));
        });
        test(&rig).await
    })
}

impl Rig {
    fn new(dial: impl FnOnce(MemoryPanda) -> Rc<dyn Dial>) -> Self {
        let clock = Clock::simulated();
        let panda = MemoryPanda::new(new_server(), &clock);
        let dial = dial(panda.clone());
        let signals = PandaSignals::new(clock.clone());
        let (place, _) = Seat::new("p");
        let seat = signals.seat("p");
        let (own, timing) = (seat.clone(), PandaTiming::default());
        let link = PandaLink { dial, seat: own, timing, wiring: Wiring::default() };
        let branch = Panda::branch(place, link);
        let env = Env::new(clock.clone(), Seed(1));
        let tree = Supervisor::new(Strategy::OneForOne).child(branch).spawn("root", &env);
        Self { clock, panda, seat, _tree: tree }
    }

    /// Sets a field, as somebody else does.
    pub(super) async fn set(&self, field: &str, value: &str) {
        self.done(Command::assign(field, value).unwrap()).await;
    }

    pub(super) async fn done(&self, command: Command) {
        let control = self.seat.session().unwrap().control;
        control.done(command).await.unwrap();
    }

    /// Somebody else says this, in no time.
    pub(super) fn others(&self, line: &str) {
        self.panda.with(|server| {
            let id = server.connect_control("127.0.0.1:9");
            server.receive(id, format!("{line}\n").as_bytes());
            assert_eq!(server.take_output(id), b"OK\n", "{line}");
            server.disconnect(id);
        });
    }

    pub(super) async fn get(&self, field: &str) -> String {
        let control = self.seat.session().unwrap().control;
        control.value(Command::query(field).unwrap()).await.unwrap()
    }

    pub(super) fn triggers(&self, setup: TriggerSetup) -> PandaTriggers {
        PandaTriggers::new(name("panda"), self.seat.clone(), self.clock.clone(), setup)
    }

    /// One that notices what others set, with the wires of every rig.
    pub(super) fn wired(&self, setup: TriggerSetup) -> Wired<PandaTriggers> {
        let wire = |(field, value): (&str, &str)| Wire {
            field: field.parse().unwrap(),
            value: value.to_owned(),
            key: format!("wiring.{field}"),
        };
        let wiring = Wiring::new(&WIRES.map(wire));
        Wired::new(name("panda"), (self.seat.clone(), wiring), self.triggers(setup))
    }

    /// Puts encoders where the motion begins.
    pub(super) fn park(&self, plan: &ScanPlan, frame: u64) {
        let trajectory = plan.planner().plan(plan.pieces(frame));
        for (axis, position) in plan.axes().iter().zip(trajectory.start()) {
            let (encoder, place) = place(axis, (position, 0.0));
            self.panda.with(|server| {
                let fpga = server.fpga_mut();
                let rest = Motion::rest(fpga.now() + 1, place.position);
                fpga.move_encoder(encoder, &rest).unwrap();
            });
        }
    }

    /// Moves encoders and the gate as a controller moves its axes, from soon on: the rows of the
    /// motion.
    pub(super) fn fly(&self, plan: &ScanPlan, frame: u64) -> Vec<Begin> {
        let mut trajectory = plan.planner().plan(plan.pieces(frame));
        let places = |positions: &[f64], velocities: &[f64]| -> Vec<(usize, Place)> {
            let states = positions.iter().copied().zip(velocities.iter().copied());
            plan.axes().iter().zip(states).map(|(axis, state)| place(axis, state)).collect()
        };
        let start = trajectory.start();
        let mut from = places(&start, &vec![0.0; start.len()]);
        let (mut begins, mut motions, mut is_in_row) = (Vec::new(), Vec::new(), false);
        self.panda.with(|server| {
            let fpga = server.fpga_mut();
            let (mut tick, gate) = (fpga.now() + 10_000, fpga.block("TTLIN1").unwrap());
            loop {
                let batch = trajectory.next_batch(1_000);
                for (segment, mark) in batch.segments().zip(&batch.marks) {
                    let ticks = segment.duration_us * TICKS_PER_US;
                    if segment.frames > 0 && !is_in_row {
                        is_in_row = true;
                        begins.push(Begin { tick, before: motions });
                        fpga.set_input(gate, tick, true).unwrap();
                    }
                    let to = places(&segment.positions, &segment.velocities);
                    let ends = from.iter().zip(&to);
                    motions = ends
                        .map(|((encoder, from), (_, to))| {
                            let motion = Motion::between(tick, ticks, *from, *to);
                            fpga.move_encoder(*encoder, &motion).unwrap();
                            (*encoder, motion)
                        })
                        .collect();
                    (from, tick) = (to, tick + ticks);
                    if *mark == Mark::RowEnd {
                        is_in_row = false;
                        fpga.set_input(gate, tick, false).unwrap();
                    }
                }
                if batch.last {
                    return begins;
                }
            }
        })
    }

    /// When an output rose, ticks, since this was asked last.
    pub(super) fn rises(&self, output: Output) -> Vec<u64> {
        let edges = self.panda.with(Server::take_edges);
        let rises = edges.into_iter().filter(|edge| edge.is_high && edge.output == output);
        rises.map(|edge| edge.tick).collect()
    }
}

/// Where an encoder is if its axis is there, at this velocity per second.
fn place(axis: &Name, (position, velocity): (f64, f64)) -> (usize, Place) {
    let encoder = usize::from(axis.as_str() == "y");
    let scale = SCALES[encoder];
    let (position, velocity) = ((position - OFFSET) / scale, velocity / scale / 125e6);
    (encoder, Place { position, velocity })
}

/// The beginning of a row of the motion, and the motion that leads to it.
pub(super) struct Begin {
    pub(super) tick: u64,
    before: Vec<(usize, Motion)>,
}

impl Begin {
    /// The tick at which the counts of an encoder have come to `count`.
    pub(super) fn at_count(&self, encoder: usize, count: i64) -> u64 {
        let (_, motion) = self.before.iter().find(|(known, _)| *known == encoder).unwrap();
        let counts = |tick: u64| {
            let [a, b, c, d] = motion.coefficients;
            let ticks = (tick - motion.start) as f64;
            (a + ticks * (b + ticks * (c + ticks * d))).round() as i64
        };
        let is_upwards = counts(self.tick) > counts(motion.start);
        let is_there =
            |tick| if is_upwards { counts(tick) >= count } else { counts(tick) <= count };
        (motion.start..=self.tick).find(|tick| is_there(*tick)).unwrap_or(self.tick)
    }
}

/// Begins windows by position.
pub(super) fn by_position() -> StartOn {
    let inputs = [("x", Bus::A, SCALES[0]), ("y", Bus::B, SCALES[1])];
    let input = |(axis, bus, scale)| PositionInput::new(name(axis), bus, scale, OFFSET).unwrap();
    StartOn::Position(inputs.map(input).to_vec())
}

pub(super) const GATE: StartOn = StartOn::Gate(BitInput::A);

/// A sequencer that sees two encoders and a gate, and nothing behind it that is dead for longer than
/// a microsecond.
pub(super) fn setup(start: StartOn) -> TriggerSetup {
    TriggerSetup {
        sequencer: "SEQ1".parse().unwrap(),
        start,
        wires: WIRES.map(|(field, value)| (field.parse().unwrap(), value.to_owned())).to_vec(),
        outputs: Vec::new(),
        rows: Vec::new(),
        dead_time: Duration::from_micros(1),
        tables: TableLimits::STREAMING,
    }
}

/// What can be flown: two axes, a controller that holds a gate, a detector.
pub(super) fn plan(text: &str) -> ScanPlan {
    let limits = AxisLimits {
        low: -10.0,
        high: 10.0,
        max_velocity: 20.0,
        max_acceleration: 200.0,
        settle_s: 0.0,
    };
    let axis = || AxisCapability {
        controller: name("motion"),
        limits,
        units: "mm".to_owned(),
        precision: 3,
    };
    let controller = ControllerCapability {
        trigger_bits: TriggerBits::RowGate,
        min_segment: Duration::from_millis(2),
        ..ControllerCapability::new(10_000, SECOND)
    };
    let camera = DetectorCapability {
        trigger: Trigger::Edge,
        dead_time: Duration::from_micros(10),
        exposure: Some(Duration::from_millis(1)),
        exposures_per_frame: bluefly_protocol::exposures::ExposuresPerFrame::ONE,
        exposure_bytes: 8,
        file_bytes: 0,
    };
    let capabilities = Capabilities {
        axes: [(name("x"), axis()), (name("y"), axis())].into(),
        detectors: [(name("camera"), camera)].into(),
        controllers: [(name("motion"), controller)].into(),
        ..Capabilities::default()
    };
    ScanPlan::new(text.parse().unwrap(), &capabilities).unwrap()
}

pub(super) fn from_frame(plan: &Arc<ScanPlan>, first_frame: u64) -> TriggerPlan {
    TriggerPlan { plan: Arc::clone(plan), first_frame }
}

//! The rows of planned scans, run while the planned trajectory is flown: every frame has its pulse
//! where and when it should.
use crate::{
    course::Flight,
    rig::{centred, first, name},
};
use bluefly_protocol::{
    plan::{AxisCapability, Capabilities, ControllerCapability, ScanPlan},
    scan::{Piece, Spec, Stack},
    sequencer::{
        BitInput, Bus, Counts, Entry, Gap, Level, Live, MAX_DRIFT, Output, PositionInput, Repeats,
        Row, Sense, Sequencer, Span, StartOn, Trigger,
    },
    trajectory::{AxisLimits, Planner, PointMode, TriggerBits},
};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use std::{num::NonZeroU16, time::Duration};

/// EGU per count of every axis; x counts down.
const SCALE: f64 = 1e-5;
/// The grain of the motion, 1 us, in ticks.
const GRAIN: f64 = 125.0;
/// Both ends of an interval are on the grain of the motion, and frames drift within their rows.
const DRIFT: f64 = MAX_DRIFT as f64 + 2.0 * GRAIN;

/// Frame durations of whole and of other microseconds, seconds.
const WHOLE: &[f64] = &[0.05, 0.1, 0.071_234];
const FRACTIONS: &[f64] = &[0.05, 1.0 / 15.0, 0.071_234_567_8];

/// With the durations to choose from.
type Dice<'a> = (&'a mut ChaCha8Rng, &'a [f64]);

/// A scan that can be flown.
struct Planned {
    stack: Stack,
    planner: Planner,
}

/// A live pulse, and what the row waited for that began it.
struct Pulse {
    begin: u64,
    waited_for: Trigger,
}

const BUSES: [Bus; 3] = [Bus::A, Bus::B, Bus::C];

fn scale(axis: usize) -> f64 {
    if axis == 0 { -SCALE } else { SCALE }
}

fn line(rng: &mut ChaCha8Rng, axis: &str) -> Value {
    let start = rng.random_range(-1.0..1.0);
    let stop = start + rng.random_range(0.2..2.0) * if rng.random_bool(0.5) { 1.0 } else { -1.0 };
    json!({"type": "Linspace", "axis": axis, "start": start, "stop": stop,
        "num": rng.random_range(1..8)})
}

/// A line that goes on where another has ended.
fn continued(rng: &mut ChaCha8Rng, line: &Value) -> Value {
    let number = |key: &str| line[key].as_f64().expect("a number");
    let step = (number("stop") - number("start")) / (number("num") - 1.0).max(1.0);
    let (start, num) = (number("start") + step * number("num"), rng.random_range(2..5));
    let end = start + step * f64::from(num - 1);
    json!({"type": "Linspace", "axis": "x", "start": start, "stop": end, "num": num})
}

fn lasting((rng, durations): Dice<'_>, spec: &Value) -> Value {
    let seconds = durations[rng.random_range(0..durations.len())];
    json!({"type": "ConstantDuration", "constant_duration": seconds, "spec": spec})
}

/// Lines, snakes, several durations, spirals, frames at one place; within other lines, masked,
/// repeated; flown or stepped.
fn random_spec((rng, durations): Dice<'_>) -> Value {
    let x = line(rng, "x");
    let mut spec = match rng.random_range(0..6) {
        0 => lasting((rng, durations), &x),
        1 | 2 => lasting((rng, durations), &json!({"type": "Snake", "spec": x})),
        3 | 4 => {
            let next = match rng.random_range(0..6) {
                0 => json!({"type": "Static", "axis": "x", "value": 0.3, "num": 3}),
                1 | 2 => line(rng, "x"),
                _ => continued(rng, &x),
            };
            let left = lasting((rng, durations), &x);
            let right = lasting((rng, durations), &next);
            json!({"type": "Concat", "left": left, "right": right})
        }
        _ => {
            let spiral = json!({"type": "Spiral", "x_axis": "x", "x_centre": 0.1, "x_diameter": 2.0,
                "x_step": rng.random_range(0.3..0.8), "y_axis": "y", "y_centre": 0.2});
            return json!({"type": "Fly", "spec": lasting((rng, durations), &spiral)});
        }
    };
    if rng.random_bool(0.7) {
        let y = line(rng, "y");
        spec = json!({"type": "Product", "outer": y, "inner": spec});
        if rng.random_bool(0.3) {
            let radius = rng.random_range(0.5..1.5);
            spec = json!({"type": "Mask", "spec": spec, "region": {"type": "Circle",
                "x_axis": "x", "y_axis": "y", "x_middle": 0.1, "y_middle": 0.0, "radius": radius}});
        }
    }
    if rng.random_bool(0.2) {
        let gap = rng.random_bool(0.5);
        spec = json!({"type": "Product", "outer": 3, "inner": spec, "gap": gap});
    }
    if rng.random_bool(0.85) { json!({"type": "Fly", "spec": spec}) } else { spec }
}

/// A random scan, unless it is too fast or nothing is left by its mask.
fn random_scan((rng, durations): Dice<'_>) -> Option<Planned> {
    let spec: Spec = random_spec((rng, durations)).to_string().parse().expect("a spec");
    let stack = Stack::new(&spec).ok()?;
    let mut limits = || AxisLimits {
        low: -1e3,
        high: 1e3,
        max_velocity: 20.0,
        max_acceleration: rng.random_range(20.0..500.0),
        settle_s: [0.0, 0.003][rng.random_range(0..2)],
    };
    let axes: Vec<_> = stack.axes().iter().map(|axis| (name(axis), limits())).collect();
    let planner = Planner::new(&axes, Duration::from_millis(1));
    let planner = if rng.random_bool(0.5) {
        planner.with_interval(Duration::from_millis(2))
    } else {
        planner
    };
    let is_slow = planner.check(stack.pieces(0)).is_ok();
    is_slow.then_some(Planned { stack, planner })
}

impl Planned {
    fn sequencer(&self, start: StartOn, live: Live) -> Sequencer {
        let axes: Vec<_> = self.stack.axes().iter().map(|axis| name(axis)).collect();
        Sequencer::new(&axes, start, live).expect("a sequencer")
    }

    fn by_position(&self, live: Live) -> Sequencer {
        let input = |(index, axis): (usize, &String)| {
            PositionInput::new(name(axis), BUSES[index], scale(index), 0.3).expect("an input")
        };
        let inputs = self.stack.axes().iter().enumerate().map(input);
        self.sequencer(StartOn::Position(inputs.collect()), live)
    }

    fn spans(&self, sequencer: &Sequencer, frame: u64) -> Vec<Span> {
        let spans = sequencer.spans(&self.planner, self.stack.pieces(frame));
        spans.collect::<Result<_, _>>().expect("spans")
    }

    /// Flies the scan from `frame` on, and asserts that every frame has its pulse. How many windows
    /// were begun by a position.
    fn check(&self, sequencer: &Sequencer, live: Live, frame: u64) -> usize {
        let pieces: Vec<Piece> = self.stack.pieces(frame).collect();
        let flight = Flight::new(&self.planner, &pieces);
        assert_eq!(flight.arrivals.len() as u64, self.stack.num_points() - frame);
        let rows = sequencer.rows(sequencer.spans(&self.planner, pieces.iter().cloned()));
        let rows: Vec<Row> = rows.collect::<Result<_, _>>().expect("rows");
        let pulses = run(&rows, &flight);
        assert_eq!(pulses.len(), flight.arrivals.len(), "a live pulse for each frame");
        let frames = self.by_frame(sequencer, frame);
        assert_eq!(frames.iter().filter(|frame| frame.2).count(), flight.turns.len());
        let (mut compared, mut early) = (0, 0.0);
        for (index, pulse) in pulses.iter().enumerate() {
            let arrival = &flight.arrivals[index];
            let begin = pulse.begin as f64 - lead(live);
            let found = arrival.ticks - begin;
            if frames[index].2 {
                match pulse.waited_for {
                    // As early as the last that a position has begun.
                    Trigger::Immediate => {}
                    Trigger::Bit { .. } => early = 0.0,
                    Trigger::Position { bus, .. } => {
                        let axis = BUSES.iter().position(|found| *found == bus).expect("a bus");
                        flight.check_count(axis, (index, begin));
                        early = found;
                        compared += 1;
                    }
                }
            }
            let drift = found - early;
            assert!(drift.abs() <= DRIFT, "frame {index}: {drift} ticks from its place");
            flight.check_arrival(index);
        }
        compared
    }

    /// Index and duration of each frame from `frame` on, and whether it begins a window.
    fn by_frame(&self, sequencer: &Sequencer, frame: u64) -> Vec<(u64, f64, bool)> {
        let each = |span: Span| {
            let Span { first_frame, frames, frame_duration_s, entry } = span;
            let is_window = entry != Entry::Joined;
            (0..frames.get()).map(move |i| (first_frame + i, frame_duration_s, i == 0 && is_window))
        };
        self.spans(sequencer, frame).into_iter().flat_map(each).collect()
    }
}

impl Flight {
    /// The trajectory is at the lower bound of a frame as that begins, but for the grain.
    fn check_arrival(&self, frame: usize) {
        let arrival = &self.arrivals[frame];
        for (axis, lower) in arrival.lower.iter().enumerate() {
            let error = (self.position(axis, arrival.ticks) - lower).abs();
            assert!(error <= 20.0 * 1e-6 + 1e-9, "frame {frame}: {error} from its lower bound");
        }
    }

    /// From the beginning of a pulse until its frame begins, or the other way round, the axis is
    /// within a count of the lower bound: what began it was no other passage.
    fn check_count(&self, axis: usize, (frame, begin): (usize, f64)) {
        let arrival = &self.arrivals[frame];
        assert!(begin <= arrival.ticks + GRAIN, "frame {frame}: late");
        for part in 0..=20 {
            let ticks = begin + (arrival.ticks - begin) * f64::from(part) / 20.0;
            let error = (self.position(axis, ticks) - arrival.lower[axis]).abs();
            let count = SCALE + 20.0 * 1e-6;
            assert!(error <= count, "frame {frame}: begins {error} from its lower bound");
        }
    }
}

fn lead(live: Live) -> f64 {
    match live {
        Live::FirstHalf | Live::First { .. } => 0.0,
        Live::Centred { dead_ticks } => f64::from(dead_ticks.get() / 2),
    }
}

/// The live pulses of rows while a trajectory is flown. If time begins the first, it is on time.
fn run(rows: &[Row], flight: &Flight) -> Vec<Pulse> {
    let mut pulses: Vec<Pulse> = vec![];
    let mut now = match rows[0].trigger {
        Trigger::Immediate => flight.arrivals[0].ticks.round() as u64,
        Trigger::Bit { .. } | Trigger::Position { .. } => 0,
    };
    for row in rows {
        let Repeats::Times(times) = row.repeats else { panic!("for ever: {row:?}") };
        for _ in 0..times.get() {
            now = match row.trigger {
                Trigger::Immediate => now,
                Trigger::Bit { level, .. } => flight.gate(level, now),
                Trigger::Position { bus, sense, position } => {
                    let axis = BUSES.iter().position(|found| *found == bus).expect("a bus");
                    let passes = |place: f64| {
                        let counts = ((place - 0.3) / scale(axis)).round_ties_even() as i32;
                        match sense {
                            Sense::Rising => counts >= position.0,
                            Sense::Falling => counts <= position.0,
                        }
                    };
                    flight.first(axis, now, passes).unwrap_or_else(|| panic!("waits: {row:?}"))
                }
            };
            for (outputs, ticks) in
                [(row.outputs1, row.time1_ticks), (row.outputs2, row.time2_ticks.get())]
            {
                if outputs.has(Output::A) && ticks > 0 {
                    pulses.push(Pulse { begin: now, waited_for: row.trigger });
                }
                now += u64::from(ticks);
            }
        }
    }
    pulses
}

impl Flight {
    /// When the gate has a level, from `now` on; it is low after the scan.
    fn gate(&self, level: Level, now: u64) -> u64 {
        let is_high = level == Level::High;
        let index = self.hops.partition_point(|hop| hop.to_tick <= now);
        let found = self.hops[index..].iter().find(|hop| hop.in_row == is_high);
        found.map_or(now, |hop| hop.from_tick.max(now))
    }
}

#[test]
fn every_frame_of_planned_scans_has_its_pulse_where_and_when_it_begins() {
    let (mut flown, mut begun) = (0, 0);
    for seed in 0..400 {
        eprintln!("seed {seed}");
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let durations = if seed % 2 == 0 { WHOLE } else { FRACTIONS };
        let Some(mut scan) = random_scan((&mut rng, durations)) else { continue };
        flown += 1;
        let frames = scan.stack.num_points();
        let dead = rng.random_range(1..100_000);
        for live in [Live::FirstHalf, first(dead), centred(dead)] {
            for frame in [0, rng.random_range(0..frames)] {
                begun += scan.check(&scan.by_position(live), live, frame);
                scan.check(&scan.sequencer(StartOn::Time, live), live, frame);
            }
        }
        // No gate is low for less than a controller's interval.
        let planner = scan.planner.with_interval(Duration::from_millis(2));
        scan.planner = planner.with_modes(PointMode::Sparse, TriggerBits::RowGate);
        for live in [Live::FirstHalf, centred(dead)] {
            scan.check(&scan.sequencer(StartOn::Gate(BitInput::A), live), live, 0);
        }
    }
    assert!(flown > 200 && begun > 2_000, "{flown} {begun}");
}

/// The windows of a scan from some frame on: first frame, entry, ticks of the motion before it.
fn windows(scan: &Planned, sequencer: &Sequencer, frame: u64) -> Vec<(u64, Entry, u64)> {
    let pieces: Vec<Piece> = scan.stack.pieces(frame).collect();
    let spans = scan.spans(sequencer, frame).into_iter();
    let windows = spans.filter(|span| span.entry != Entry::Joined);
    let turns = Flight::new(&scan.planner, &pieces).turns.into_iter();
    windows.zip(turns).map(|(span, turn)| (span.first_frame, span.entry, turn)).collect()
}

/// The same but for the grain: the velocity of the rest of a row is another by its rounding, which
/// may make a time longer by 1 us, or make motion of what was none.
fn check_same(found: &(u64, Entry, u64), expected: &(u64, Entry, u64)) {
    assert_eq!(found.0, expected.0);
    let (Entry::Window { axes, gap }, Entry::Window { axes: theirs, gap: their_gap }) =
        (&found.1, &expected.1)
    else {
        panic!("{found:?} {expected:?}")
    };
    assert_eq!(axes, theirs);
    let blind = |gap: &Option<Gap>| gap.as_ref().expect("a gap").blind_ticks;
    let is_near = |one: u64, other: u64| one.abs_diff(other) as f64 <= GRAIN;
    let same = !is_near(found.2, expected.2) || is_near(blind(gap), blind(their_gap));
    assert!(same, "{found:?} {expected:?}");
}

#[test]
fn entering_at_any_frame_gives_the_tail() {
    let (mut same, mut others) = (0, 0);
    for seed in 0..150 {
        eprintln!("seed {seed}");
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let Some(scan) = random_scan((&mut rng, WHOLE)) else { continue };
        let sequencer = scan.by_position(Live::FirstHalf);
        let (frames, all) = (scan.by_frame(&sequencer, 0), windows(&scan, &sequencer, 0));
        for frame in 0..scan.stack.num_points() {
            let tail = scan.by_frame(&sequencer, frame);
            assert_eq!(tail[0], (frame, frames[frame as usize].1, true));
            assert_eq!(tail[1..], frames[frame as usize + 1..], "from frame {frame}");
            let windows = windows(&scan, &sequencer, frame);
            let (first, rest) = windows.split_first().expect("a window");
            assert!(matches!(first.1, Entry::Window { gap: None, .. }), "{first:?}");
            for (found, expected) in rest.iter().zip(&all[all.len() - rest.len()..]) {
                check_same(found, expected);
                *(if found.2 == expected.2 { &mut same } else { &mut others }) += 1;
            }
        }
    }
    assert!(same > 5_000 && others < same / 100, "{same} {others}");
}

#[test]
fn a_plan_makes_the_rows_of_its_frames() {
    let limits = AxisLimits {
        low: -10.0,
        high: 10.0,
        max_velocity: 2.0,
        max_acceleration: 10.0,
        settle_s: 0.0,
    };
    let (units, precision) = ("mm".to_owned(), 3);
    let x = AxisCapability { controller: name("pmac"), limits, units, precision };
    let pmac = ControllerCapability::new(100, Duration::from_secs(4));
    let beamline = Capabilities {
        axes: [(name("x"), x)].into(),
        controllers: [(name("pmac"), pmac)].into(),
        ..Capabilities::default()
    };
    // Frames of 0.1 mm, for which the specification says no duration: at 2 mm/s, 0.05 s.
    let there = json!({"type": "Linspace", "axis": "x", "start": 0.05, "stop": 0.75, "num": 8});
    let twice = json!({"type": "Product", "outer": 2, "inner": {"type": "Snake", "spec": there}});
    let spec: Spec = json!({"type": "Fly", "spec": twice}).to_string().parse().expect("a spec");
    let plan = ScanPlan::new(spec, &beamline).expect("a plan");
    let input = PositionInput::new(name("x"), Bus::A, 0.001, 0.0).expect("an input");
    let start = StartOn::Position(vec![input]);
    let sequencer = Sequencer::new(plan.axes(), start, Live::FirstHalf).expect("a sequencer");
    let rows: Vec<Row> = plan.trigger_rows(3, &sequencer).collect::<Result<_, _>>().expect("rows");
    let found: Vec<_> = rows.iter().map(|row| (row.trigger, row.repeats, row.ticks())).collect();
    let at = |sense, position| Trigger::Position { bus: Bus::A, sense, position: Counts(position) };
    let times = |times| Repeats::Times(NonZeroU16::new(times).expect("not 0"));
    let frame = 6_250_000;
    let expected = [
        (at(Sense::Rising, 300), times(1), frame),
        (Trigger::Immediate, times(4), 4 * frame),
        // 0.2 s down to rest, and back up while the compare looks.
        (Trigger::Immediate, times(1), 25_000_000),
        (at(Sense::Falling, 800), times(1), frame),
        (Trigger::Immediate, times(7), 7 * frame),
        (Trigger::Immediate, times(1), 2_500),
    ];
    assert_eq!(found, expected);
}

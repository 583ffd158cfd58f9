//! What cannot be triggered is refused with frame, axis, value and rule.
use crate::rig::{centred, compare, first, gate, input, joined, name, window};
use bluefly_protocol::{
    sequencer::{
        Buffering, Bus, Entry, Gap, Live, PositionInput, Sequencer, Span, Start, StartOn,
        TableLimits, Tables, Turnaround,
    },
    trajectory::Segment,
};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use std::{num::NonZeroU64, time::Duration};

/// The line for the first of the spans that is refused; nothing comes after it.
fn refused(sequencer: &Sequencer, spans: &[Span], line: &str) {
    let error = sequencer.check(spans.iter().cloned().map(Ok)).expect_err(line);
    assert_eq!(error.to_string(), line);
    let mut rows = sequencer.rows(spans.iter().cloned().map(Ok));
    let found = rows.by_ref().find_map(Result::err).map(|error| error.to_string());
    assert_eq!(found.as_deref(), Some(line));
    assert!(rows.next().is_none(), "{line}");
}

fn at(lower: f64, midpoint: f64) -> Span {
    let axes = [Start { lower, midpoint }].into();
    Span { entry: Entry::Window { axes, gap: None }, ..window(3, 1, 1.0) }
}

#[test]
fn durations() {
    for (value, text) in [(0.0, "0"), (-0.1, "-0.1"), (f64::NAN, "NaN"), (f64::INFINITY, "inf")] {
        let line = format!("frame 10: duration {text} s must be positive and finite");
        refused(&gate(Live::FirstHalf), &[window(0, 10, 1.0), joined(10, 1, value)], &line);
    }
    let short = |live, value, line: &str| refused(&gate(live), &[window(3, 1, value)], line);
    let rule = "dead time and one tick of live time";
    let line = format!("frame 3: duration 0.000000001 s is shorter than 0.000000016 s, {rule}");
    short(Live::FirstHalf, 1e-9, &line);
    short(Live::FirstHalf, 8e-9, &line.replace("0.000000001 s", "0.000000008 s"));
    let line = format!("frame 3: duration 0.0001 s is shorter than 0.000100008 s, {rule}");
    short(first(12_500), 1e-4, &line);
    short(centred(12_500), 1e-4, &line);
    short(first(25), 3e6, "frame 3: duration 3000000 s is 2251799.813685248 s or longer");
}

#[test]
fn positions() {
    let of = compare(Live::FirstHalf);
    refused(&of, &[at(f64::NAN, 1.0)], "frame 3, axis x: lower bound NaN must be finite");
    refused(&of, &[at(1.0, f64::INFINITY)], "frame 3, axis x: midpoint inf must be finite");
    let rule = "a position input has 32 bits, -2147483648 to 2147483647";
    let line = format!("frame 3, axis x: position 2147483.649 is -2147483649 counts: {rule}");
    refused(&of, &[at(0.0, 2_147_483.649)], &line);
    let line = "frame 3: no axis moves by a count between lower bound and midpoint, of those with a \
                position input (x): a position compare needs one";
    refused(&of, &[at(1.0, 1.0)], line);
    refused(&of, &[at(1.0, 1.0004)], line);
    let none = StartOn::Position(vec![input("other")]);
    let none = Sequencer::new(&[name("x")], none, Live::FirstHalf).expect("a sequencer");
    refused(&none, &[at(1.0, 2.0)], &line.replace("(x)", "(none)"));
    let two = [Start { lower: 0.0, midpoint: 1.0 }; 2].into();
    let two = Span { entry: Entry::Window { axes: two, gap: None }, ..window(3, 1, 1.0) };
    let two = [two];
    refused(&of, &two, "frame 3: 2 positions for 1 axes");
    refused(&gate(Live::FirstHalf), &two, "frame 3: 2 positions for 1 axes");
}

#[test]
fn gaps() {
    let of = compare(Live::FirstHalf);
    refused(
        &of,
        &[joined(3, 1, 1.0)],
        "frame 3: it is joined to nothing: the first frame of all begins a window",
    );
    refused(
        &of,
        &[window(0, 3, 1.0), at(0.0, 1.0)],
        "frame 3: a window begins without a gap: only the first of all may",
    );
    let axes = Box::from([Start { lower: 0.0, midpoint: 1.0 }]);
    let entry = Entry::Window { axes, gap: Some(Gap { blind_ticks: 1 << 48 }) };
    refused(
        &of,
        &[window(0, 3, 1.0), Span { entry, ..at(0.0, 1.0) }],
        "frame 3: the gap before it takes 2251799 s or longer",
    );
}

#[test]
fn inputs() {
    let check = |scale, offset, line: &str| {
        let error = PositionInput::new(name("x"), Bus::A, scale, offset).expect_err(line);
        assert_eq!(error.to_string(), line);
    };
    check(0.0, 0.0, "axis x: scale 0 must be finite and not 0");
    check(f64::NAN, 0.0, "axis x: scale NaN must be finite and not 0");
    check(1.0, f64::INFINITY, "axis x: offset inf must be finite");
    let refused = |inputs, line: &str| {
        let axes = [name("x"), name("y")];
        let error = Sequencer::new(&axes, StartOn::Position(inputs), Live::FirstHalf);
        assert_eq!(error.expect_err(line).to_string(), line);
    };
    let on = |axis, bus| PositionInput::new(name(axis), bus, 1.0, 0.0).expect("an input");
    refused(
        vec![on("x", Bus::A), on("y", Bus::A)],
        "axis y: POSA is the input of axis x: each input has one axis",
    );
    refused(
        vec![on("x", Bus::A), on("x", Bus::B)],
        "axis x: POSA and POSB are both its input: each axis has one",
    );
}

#[test]
fn no_number_of_frames_is_too_many_to_begin_with() {
    let spans = [window(0, u64::MAX, 1e-6), joined(u64::MAX, u64::MAX, 1e-6)];
    let first: Vec<_> = gate(first(25)).rows(spans.map(Ok)).take(100).collect();
    assert!(first.len() == 100 && first.iter().all(Result::is_ok));
}

/// Numbers at the limits of what can be said, and beyond.
fn number(rng: &mut ChaCha8Rng) -> f64 {
    const EXTREMES: [f64; 12] = [
        0.0,
        -1.0,
        1e-300,
        8e-9,
        16e-9,
        1e-3,
        34.359_738_368,
        2_251_799.8,
        1e18,
        f64::MAX,
        f64::NAN,
        f64::INFINITY,
    ];
    match rng.random_range(0..3) {
        0 => EXTREMES[rng.random_range(0..EXTREMES.len())],
        1 => rng.random_range(0.0..100.0),
        _ => rng.random_range(0.0..1e-5),
    }
}

fn count(rng: &mut ChaCha8Rng) -> u64 {
    [0, 1, 2, 65_535, 65_536, 1 << 32, 1 << 47, u64::MAX][rng.random_range(0..8)]
}

fn nonsense(rng: &mut ChaCha8Rng) -> Span {
    let entry = if rng.random_bool(0.4) {
        Entry::Joined
    } else {
        let start = |rng: &mut ChaCha8Rng| Start { lower: number(rng), midpoint: number(rng) };
        let axes = (0..rng.random_range(0..3)).map(|_| start(rng)).collect();
        let gap = rng.random_bool(0.8).then(|| Gap { blind_ticks: count(rng) });
        Entry::Window { axes, gap }
    };
    let frames = NonZeroU64::new(count(rng)).unwrap_or(NonZeroU64::MIN);
    Span { first_frame: count(rng), frames, frame_duration_s: number(rng), entry }
}

#[test]
fn nonsense_ends_in_an_error_or_in_rows() {
    let (mut errors, mut rows) = (0, 0);
    for seed in 0..3_000 {
        eprintln!("seed {seed}");
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let dead = u32::try_from(count(&mut rng)).unwrap_or(u32::MAX).max(1);
        let live = [Live::FirstHalf, first(dead), centred(dead)][rng.random_range(0..3)];
        let sequencer = [gate(live), compare(live)][rng.random_range(0..2)].clone();
        let spans: Vec<Span> = (0..6).map(|_| nonsense(&mut rng)).collect();
        for buffering in [Buffering::Double, Buffering::Streaming] {
            let limits = TableLimits::new(100, Duration::MAX).expect("limits");
            let tables =
                Tables::new(sequencer.rows(spans.iter().cloned().map(Ok)), buffering, limits);
            for table in tables.take(50) {
                match table {
                    Ok(table) => rows += table.rows.len(),
                    Err(_) => errors += 1,
                }
            }
        }
        let segment = |rng: &mut ChaCha8Rng| Segment {
            duration_us: count(rng),
            frames: 0,
            frame_goes_on: false,
            positions: [number(rng)].into(),
            velocities: [number(rng)].into(),
        };
        let segments: Vec<Segment> = (0..4).map(|_| segment(&mut rng)).collect();
        let (before, segments) = segments.split_first().expect("a segment");
        let axes = &[Start { lower: number(&mut rng), midpoint: number(&mut rng) }];
        match sequencer.gap(&Turnaround { before, segments, frame: 0, axes }) {
            Ok(gap) => assert!(gap.blind_ticks < 1 << 48),
            Err(error) => assert!(!error.to_string().contains('\n')),
        }
    }
    assert!(errors > 1_000 && rows > 10_000, "{errors} errors, {rows} rows");
}

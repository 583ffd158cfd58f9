//! Frames become pulses, each of its own length and in its place.
use crate::{
    model::{Beat, Train},
    rig::{centred, compare, entered, first, gate, joined, random_scan, rows, timed, window},
};
use bluefly_protocol::sequencer::{
    BitInput, Bus, Counts, Entry, Gap, Level, Live, MAX_DRIFT, Output, Outputs, Repeats, Row,
    Sense, Sequencer, Span, Start, Summary, TICKS_PER_SECOND, Trigger,
};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use std::num::{NonZeroU16, NonZeroU32};

/// Whole, odd, a bit off, a half, a third of a tick, and nearly the next.
const DURATIONS: &[f64] =
    &[0.001, 8.000_8e-4, 0.0163, 1e-3 + 1e-12, 2.000_04e-4, 1e-4 / 3.0, 1e-3 - 1e-11, 4.321e-6];

const IMMEDIATE: Trigger = Trigger::Immediate;
const HIGH: Trigger = Trigger::Bit { input: BitInput::A, level: Level::High };
const LOW: Trigger = Trigger::Bit { input: BitInput::A, level: Level::Low };

fn row(repeats: u16, trigger: Trigger, first: (u32, Outputs), second: (u32, Outputs)) -> Row {
    Row {
        repeats: Repeats::Times(NonZeroU16::new(repeats).expect("not 0")),
        trigger,
        time1_ticks: first.0,
        outputs1: first.1,
        time2_ticks: NonZeroU32::new(second.0).expect("not 0"),
        outputs2: second.1,
    }
}

fn live(repeats: u16, trigger: Trigger, live: u32, dead: u32) -> Row {
    row(repeats, trigger, (live, Output::A.into()), (dead, Outputs::NONE))
}

fn middle(repeats: u16, trigger: Trigger, dead: u32, live: u32) -> Row {
    row(repeats, trigger, (dead, Outputs::NONE), (live, Output::A.into()))
}

fn silent(ticks: u32) -> Row {
    row(1, IMMEDIATE, (0, Outputs::NONE), (ticks, Outputs::NONE))
}

fn dead(trigger: Trigger, first: u32, second: u32) -> Row {
    row(1, trigger, (first, Output::B.into()), (second, Outputs::NONE))
}

fn end() -> Row {
    dead(IMMEDIATE, 1_250, 1_250)
}

/// The rows of spans, but for the last, which is the same for all.
fn check(sequencer: &Sequencer, spans: &[Span], expected: &[Row]) {
    let mut found = rows(sequencer, spans);
    assert_eq!(found.pop(), Some(end()));
    assert_eq!(found, expected);
}

#[test]
fn a_row_is_four_words() {
    let position = Trigger::Position { bus: Bus::A, sense: Sense::Falling, position: Counts(-5) };
    let (a, bf) = (Outputs::from(Output::A), Outputs::from(Output::B) | Output::F.into());
    let words = row(3, position, (7, a), (9, bf)).words();
    assert_eq!(words, [3 | 8 << 16 | 1 << 20 | 0b10_0010 << 26, 0xFFFF_FFFB, 7, 9]);
    let codes = |trigger| row(1, trigger, (0, Outputs::NONE), (1, Outputs::NONE)).words()[0] >> 16;
    assert_eq!([IMMEDIATE, LOW, HIGH].map(codes), [0, 1, 2]);
    let buses = [Bus::A, Bus::B, Bus::C];
    let rising = |bus| Trigger::Position { bus, sense: Sense::Rising, position: Counts(0) };
    assert_eq!(buses.map(rising).map(codes), [7, 9, 11]);
    let bits = [BitInput::A, BitInput::B, BitInput::C];
    assert_eq!(bits.map(|input| codes(Trigger::Bit { input, level: Level::High })), [2, 4, 6]);
}

#[test]
fn the_other_live_times_of_a_snake() {
    let spans = [window(0, 3, 1e-6), window(3, 1, 1e-6)];
    let position =
        Trigger::Position { bus: Bus::A, sense: Sense::Falling, position: Counts(-1000) };
    let blind = dead(IMMEDIATE, 6_250_000, 6_250_001);
    check(
        &compare(first(25)),
        &spans,
        &[
            live(1, position, 100, 25),
            live(2, IMMEDIATE, 100, 25),
            blind,
            live(1, position, 100, 25),
        ],
    );
    check(
        &compare(centred(25)),
        &spans,
        &[
            middle(1, position, 12, 100),
            middle(2, IMMEDIATE, 25, 100),
            silent(13),
            blind,
            middle(1, position, 12, 100),
            silent(13),
        ],
    );
    check(
        &gate(centred(1)),
        &spans,
        &[
            middle(1, HIGH, 0, 124),
            middle(2, IMMEDIATE, 1, 124),
            silent(1),
            dead(LOW, 1_250, 1_250),
            middle(1, HIGH, 0, 124),
            silent(1),
        ],
    );
    let rows = [live(3, IMMEDIATE, 62, 63), blind, live(1, IMMEDIATE, 62, 63)];
    check(&timed(Live::FirstHalf), &spans, &rows);
}

#[test]
fn frames_of_other_durations_share_the_dead_time_between_them() {
    let spans = [window(0, 1, 1e-6), joined(1, 2, 2e-6), joined(3, 1, 2e-6)];
    check(
        &gate(centred(20)),
        &spans,
        &[middle(1, HIGH, 10, 105), middle(3, IMMEDIATE, 20, 230), silent(10)],
    );
}

#[test]
fn a_window_without_axes_begins_at_once() {
    let still = |span: Span| {
        let gap = Some(Gap { blind_ticks: 0 });
        Span { entry: Entry::Window { axes: [].into(), gap }, ..span }
    };
    let spans = [still(window(0, 2, 1e-6)), still(window(2, 1, 1e-6))];
    let rows = [live(2, IMMEDIATE, 100, 25), dead(IMMEDIATE, 1, 1), live(1, IMMEDIATE, 100, 25)];
    check(&compare(first(25)), &spans, &rows);
    check(&compare(first(25)), &[], &[]);
}

#[test]
fn multiples_of_4096_equal_frames_run_as_often_as_they_should() {
    for frames in [4_096, 4_097, 8_192, 65_535, 65_536, 65_537, 131_072, 16 * 65_536] {
        let found = rows(&gate(first(25)), &[window(0, frames, 1e-6)]);
        let repeats = found.iter().map(|row| match row.repeats {
            Repeats::Times(times) => u64::from(times.get()),
            Repeats::Forever => panic!("for ever"),
        });
        assert_eq!(repeats.sum::<u64>(), frames + 1, "and the dead row");
        assert_eq!(found.len() as u64, 2 + (frames - 1).div_ceil(65_535));
    }
}

#[test]
fn odd_ticks_are_kept() {
    let spans = [window(0, 10, 127.0 * 8e-9)];
    check(&gate(Live::FirstHalf), &spans, &[live(1, HIGH, 63, 64), live(9, IMMEDIATE, 63, 64)]);
}

#[test]
fn fractions_of_a_tick_are_mixed_in_few_rows() {
    // 1000.5 ticks: of 497 together, as many short as long ones.
    let duration_s = 1_000.5 * 8e-9;
    let found = rows(&gate(first(25)), &[window(0, 1_000_001, duration_s)]);
    let expected = [live(1, HIGH, 975, 26), live(248, IMMEDIATE, 975, 25)];
    assert_eq!(found[..2], expected);
    assert!(found.len() < 4_100, "{}", found.len());
    let summary = gate(first(25)).check([Ok(window(0, 1_000_001, duration_s))]).expect("rows");
    let ticks = 1_000_501_001 + 2_500;
    let rows = found.len() as u64;
    assert_eq!(summary, Summary { frames: 1_000_001, rows, ticks });
}

#[test]
fn windows_that_time_begins_do_not_drift() {
    let spans = || (0..1_000).map(|frame| Ok(window(frame, 1, 1_000.4 * 8e-9)));
    let others = 999 * 12_500_001 + 2_500;
    let ticks = |sequencer: Sequencer| sequencer.check(spans()).expect("rows").ticks - others;
    assert_eq!(ticks(timed(first(25))), 1_000_400);
    // Each is waited for.
    assert_eq!(ticks(compare(first(25))), 1_000_000);
}

#[test]
fn a_curve_of_a_span_for_each_frame_has_the_rows_of_a_line() {
    for duration_s in [1e-3, 1e-4 / 3.0] {
        let spans: Vec<Span> =
            (0..200_000)
                .map(|frame| {
                    if frame == 0 { window(0, 1, duration_s) } else { joined(frame, 1, duration_s) }
                })
                .collect();
        for live in [Live::FirstHalf, centred(100)] {
            let line = rows(&gate(live), &[window(0, 200_000, duration_s)]);
            assert_eq!(rows(&gate(live), &spans), line);
        }
    }
}

#[test]
fn frames_longer_than_a_phase_are_whole() {
    for (live, duration_s) in [
        (Live::FirstHalf, 60.0),
        (Live::FirstHalf, 100.0),
        (first(2_500), 34.4),
        (first(4_000_000_000), 70.0),
        (centred(2_500), 1_000.0),
        (centred(4_000_000_001), 5_000.0),
        (first(1_000), 100_000.0),
    ] {
        let spans = [window(0, 3, duration_s), joined(3, 1, 1e-3 + 40.0), window(4, 1, duration_s)];
        check_train(&compare(live), live, &spans);
    }
    let long = Gap { blind_ticks: 100 * TICKS_PER_SECOND };
    let axes = Box::from([Start { lower: 1.0, midpoint: 2.0 }]);
    let entry = Entry::Window { axes, gap: Some(long) };
    let spans = [window(0, 1, 1.0), Span { entry, ..window(1, 1, 1.0) }];
    let train = Train::of_rows(&rows(&compare(first(25)), &spans));
    assert!(train.beats.contains(&Beat::Hold(Output::B.into(), 50 * TICKS_PER_SECOND)));
}

/// What a frame lasts, ticks.
fn exact(span: &Span) -> f64 {
    let exact = span.frame_duration_s * TICKS_PER_SECOND as f64;
    if (exact - exact.round()).abs() < 1e-9 * exact { exact.round() } else { exact }
}

/// Live and dead ticks of the shorter frames, and the dead ones before the live ones.
fn phases(live: Live, span: &Span) -> (u64, u64, u64) {
    let whole = exact(span).floor() as u64;
    let (dead, lead) = match live {
        Live::FirstHalf => (whole.div_ceil(2), 0),
        Live::First { dead_ticks } => (dead_ticks.get().into(), 0),
        Live::Centred { dead_ticks } => (dead_ticks.get().into(), u64::from(dead_ticks.get() / 2)),
    };
    (whole - dead, dead, lead)
}

/// Runs the rows of spans and asserts that every frame has its pulse.
fn check_train(sequencer: &Sequencer, live: Live, spans: &[Span]) {
    let windows = Train::of_rows(&rows(sequencer, spans)).windows();
    let begins = |span: &&Span| span.entry != Entry::Joined;
    assert_eq!(windows.len(), spans.iter().filter(begins).count());
    let mut spans = spans.iter().peekable();
    for window in windows {
        let (mut index, mut time) = (0, 0.0);
        let mut previous_end = 0;
        while let Some(span) = spans.next_if(|span| index == 0 || span.entry == Entry::Joined) {
            let (live_ticks, dead, lead) = phases(live, span);
            for frame in 0..span.frames.get() {
                let (start, length) = window.pulses[index];
                assert_eq!(length, live_ticks, "{span:?} {frame}");
                let bound = start - lead;
                let drift = bound as f64 - (time + frame as f64 * exact(span));
                assert!(drift.abs() <= f64::from(MAX_DRIFT), "{span:?} {frame}: {drift}");
                if frame > 0 {
                    // The dead time of the frame before, and the tick that it may have more.
                    let pause = start - previous_end;
                    let ticks =
                        if exact(span).fract() == 0.0 { dead..=dead } else { dead..=dead + 1 };
                    assert!(ticks.contains(&pause), "{span:?} {frame}: {pause}");
                }
                previous_end = start + length;
                index += 1;
            }
            time += span.frames.get() as f64 * exact(span);
            let next = window.pulses.get(index).map(|(start, _)| *start);
            let next_lead = spans.peek().map_or(0, |next| phases(live, next).2);
            let bound = next.map_or(window.end, |start| start - next_lead);
            // Spans of one duration count as one, within which MAX_DRIFT holds.
            let is_end = spans.peek().is_none_or(|next| {
                next.entry != Entry::Joined || next.frame_duration_s != span.frame_duration_s
            });
            if is_end {
                let drift = bound as f64 - time;
                assert!(drift.abs() <= 0.5 + 1e-3, "{span:?}: {drift} at its end");
            }
        }
        assert_eq!(window.pulses.len(), index);
    }
    assert!(spans.next().is_none());
}

#[test]
fn every_frame_of_random_scans_has_its_pulse_at_its_time() {
    for seed in 0..30 {
        eprintln!("seed {seed}");
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let spans = random_scan(&mut rng, DURATIONS);
        let dead = rng.random_range(1..400);
        for live in [Live::FirstHalf, first(dead), centred(dead)] {
            check_train(&gate(live), live, &spans);
            check_train(&compare(live), live, &spans);
            let frames = spans.iter().map(|span| span.frames.get()).sum::<u64>();
            let tail = entered(&spans, rng.random_range(0..frames));
            check_train(&gate(live), live, &tail);
        }
    }
}

#[test]
fn entering_at_any_frame_gives_the_tail() {
    // Durations of whole ticks: those of fractions of them start afresh with each window.
    let durations = [0.001, 8.0008e-4, 4.32e-6, 127.0 * 8e-9];
    for seed in 0..15 {
        eprintln!("seed {seed}");
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let spans = random_scan(&mut rng, &durations);
        let frames = spans.iter().map(|span| span.frames.get()).sum::<u64>();
        for live in [Live::FirstHalf, first(33), centred(33)] {
            let pulses = |spans: &[Span]| -> Vec<_> {
                let windows = Train::of_rows(&rows(&gate(live), spans)).windows();
                let ends = |window: crate::model::Window| {
                    let from_end = move |(start, length)| (window.end - start, length);
                    window.pulses.into_iter().map(from_end)
                };
                windows.into_iter().flat_map(ends).collect()
            };
            let whole = pulses(&spans);
            for frame in [0, 1, frames / 2, frames - 1, rng.random_range(0..frames)] {
                let tail = pulses(&entered(&spans, frame));
                assert_eq!(tail, whole[frame as usize..], "from frame {frame}");
            }
        }
    }
}

//! The counters of a sequencer, turned into frames.
use crate::rig::{centred, compare, first, gate, random_scan, rows, timed};
use bluefly_protocol::sequencer::{
    Live, Output, Outputs, Phase, Place, Progress, Repeats, Row, Span,
};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// Runs rows as a sequencer does, and tells each place at which it can be found, with how often its
/// live output has risen and fallen until then.
fn run(rows: &[Row], mut found: impl FnMut(Place, [u64; 2])) {
    let (mut outputs, mut edges) = (Outputs::NONE, [0; 2]);
    let mut set = |next: Outputs, [rises, falls]: &mut [u64; 2]| {
        *rises += u64::from(!outputs.has(Output::A) && next.has(Output::A));
        *falls += u64::from(outputs.has(Output::A) && !next.has(Output::A));
        outputs = next;
    };
    for (line, row) in (1..).zip(rows) {
        let Repeats::Times(times) = row.repeats else { panic!("for ever: {row:?}") };
        for repeat in 1..=times.get().into() {
            found(Place { line, repeat, phase: Phase::Waiting }, edges);
            if row.time1_ticks > 0 {
                set(row.outputs1, &mut edges);
                found(Place { line, repeat, phase: Phase::First }, edges);
            }
            set(row.outputs2, &mut edges);
            found(Place { line, repeat, phase: Phase::Second }, edges);
        }
    }
}

/// All places of a scan, of which the rows are pushed and forgotten as they are run.
fn check(rng: &mut ChaCha8Rng, spans: &[Span], rows: &[Row]) {
    let mut progress = Progress::default();
    let frames: u64 = spans.iter().map(|span| span.frames.get()).sum();
    run(rows, |place, [rises, falls]| {
        if place.line > progress.lines() {
            let from = progress.lines() as usize;
            let more = rng.random_range(1..20_usize).min(rows.len() - from);
            progress.push(&rows[from..from + more]);
            if rng.random_bool(0.5) {
                progress.forget_before(place.line);
                assert_eq!(progress.first_line(), place.line);
            }
        }
        assert_eq!(progress.triggered(place), Some(rises), "{place:?}");
        assert_eq!(progress.whole(place), Some(falls), "{place:?}");
    });
    assert_eq!(progress.frames(), frames);
    assert_eq!(progress.lines(), rows.len() as u64);
    let last = rows.last().expect("a row");
    let Repeats::Times(times) = last.repeats else { panic!("for ever: {last:?}") };
    let (line, repeat) = (progress.lines(), u64::from(times.get()));
    let place = Place { line, repeat, phase: Phase::Waiting };
    assert!(progress.is_last(place));
    assert!(!progress.is_last(Place { line: line - 1, ..place }));
    assert_eq!(progress.triggered(place), Some(frames));
    assert_eq!(progress.triggered(Place { line: line + 1, ..place }), None);
}

#[test]
fn the_frames_of_random_scans_are_counted_at_every_place() {
    for seed in 0..10 {
        eprintln!("seed {seed}");
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        // The longest are more than a row can hold: a frame is several rows.
        let spans = random_scan(&mut rng, &[0.001, 1.0 / 15.0, 100.0]);
        for live in [Live::FirstHalf, first(1_000), centred(1_001)] {
            for sequencer in [gate(live), compare(live), timed(live)] {
                check(&mut rng, &spans, &rows(&sequencer, &spans));
            }
        }
    }
}

#[test]
fn nothing_is_triggered_before_the_first_row() {
    let place = Place { line: 0, repeat: 0, phase: Phase::Waiting };
    assert_eq!(Progress::default().triggered(place), Some(0));
    assert_eq!(Progress::default().whole(place), Some(0));
}

#[test]
fn a_counter_of_rows_that_begins_anew_is_followed() {
    let check = |before, shown, expected| assert_eq!(Progress::line(before, shown), expected);
    check(0, 0, 0);
    check(0, 1, 1);
    check(7, 7, 7);
    check(524_287, 0, 524_288);
    check(524_288, 5, 524_293);
    check(2_000_000, 427_137, 2_000_001);
    // One that is wider than it need be.
    check(2_000_000, 2_000_001, 2_000_001);
}

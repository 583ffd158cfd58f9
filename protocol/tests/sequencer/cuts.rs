//! Tables give the same pulses as the rows they are cut from.
use crate::{
    model::Train,
    rig::{centred, compare, first, gate, joined, random_scan, rows, timed, window},
};
use bluefly_protocol::sequencer::{
    Buffering, Live, Outputs, Repeats, Row, Sequencer, SequencerError, Span, Table, TableLimits,
    Tables,
};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use std::{cell::Cell, time::Duration};

fn limits(max_rows: usize, long_enough: Duration) -> TableLimits {
    TableLimits::new(max_rows, long_enough).expect("limits")
}

fn tables(
    sequencer: &Sequencer,
    spans: &[Span],
    buffering: Buffering,
    limits: TableLimits,
) -> Result<Vec<Table>, SequencerError> {
    Tables::new(sequencer.rows(spans.iter().cloned().map(Ok)), buffering, limits).collect()
}

/// Cuts in both ways, and compares the outputs over time with those of the rows.
fn check(sequencer: &Sequencer, spans: &[Span], (max_rows, long_enough): (usize, Duration)) {
    let rows = rows(sequencer, spans);
    let whole = Train::of_rows(&rows);
    let cut = |buffering| {
        let tables = tables(sequencer, spans, buffering, limits(max_rows, long_enough));
        let tables = tables.expect("tables");
        let (last, others) = tables.split_last().expect("a table");
        assert!(last.last && others.iter().all(|table| !table.last));
        assert!(tables.iter().all(|table| (1..=max_rows).contains(&table.rows.len())));
        tables
    };
    assert_eq!(Train::of_double(&cut(Buffering::Double)), whole);
    let streamed: Vec<Row> =
        cut(Buffering::Streaming).into_iter().flat_map(|table| table.rows).collect();
    assert_eq!(streamed, rows);
}

#[test]
fn cutting_at_any_size_gives_the_same_outputs() {
    // Many windows and durations, so that there are many rows.
    let durations = [1e-4, 1.000_08e-4, 1e-4 / 3.0, 5e-5, 0.0163];
    for seed in 0..15 {
        eprintln!("seed {seed}");
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let spans = random_scan(&mut rng, &durations);
        let dead = rng.random_range(7..1_000);
        for live in [Live::FirstHalf, first(dead), centred(dead)] {
            let max_rows = rng.random_range(4..30);
            let long_enough = Duration::from_micros(rng.random_range(0..2_000_000));
            for sequencer in [gate(live), compare(live), timed(live)] {
                check(&sequencer, &spans, (max_rows, long_enough));
                check(&sequencer, &spans, (max_rows, Duration::MAX));
                check(&sequencer, &spans, (4_096, long_enough));
            }
        }
    }
}

#[test]
fn a_table_is_long_enough_to_write_the_next() {
    let spans: Vec<Span> = (0..100).map(|row| window(row * 50, 50, 0.1)).collect();
    let found = tables(&gate(first(25)), &spans, Buffering::Double, TableLimits::DOUBLE);
    let found = found.expect("tables");
    // Three windows of 5 s are 1250 ticks for each dead pulse longer than 15 s: enough.
    assert_eq!(found.len(), 34);
    for table in &found[..33] {
        let seconds = table.ticks() as f64 / 125e6;
        assert!((15.0..15.001).contains(&seconds), "{seconds} s");
    }
}

#[test]
fn a_cut_between_centred_frames_is_in_their_dead_time() {
    // Without gaps and of ever other durations: no row ends with dead time.
    let spans: Vec<Span> = (0..1_000)
        .map(|frame| {
            let duration_s = 1e-4 + (frame % 7) as f64 * 1e-5;
            if frame == 0 { window(0, 1, duration_s) } else { joined(frame, 1, duration_s) }
        })
        .collect();
    for dead in [14, 15, 100, 1_000] {
        check(&gate(centred(dead)), &spans, (10, Duration::MAX));
    }
}

#[test]
fn without_dead_time_a_cut_waits_for_a_gap_or_is_refused() {
    let spans: Vec<Span> = (0..100).map(|row| window(row * 50, 50, 0.1)).collect();
    for live in [first(1), first(6), centred(1), centred(6)] {
        check(&gate(live), &spans, (8, Duration::from_secs(1)));
    }
    let spans: Vec<Span> = (0..100)
        .map(|frame| {
            let duration_s = 1e-4 + (frame % 7) as f64 * 1e-5;
            if frame == 0 { window(0, 1, duration_s) } else { joined(frame, 1, duration_s) }
        })
        .collect();
    let found = tables(&gate(first(6)), &spans, Buffering::Double, limits(50, Duration::MAX));
    let error = found.expect_err("no dead time");
    assert_eq!(
        error.to_string(),
        "a table of 50 rows has no dead time of 7 ticks of 8 ns or longer, in which the other \
         sequencer could take over"
    );
    check(&gate(first(6)), &spans, (200, Duration::from_secs(1)));
    check(&gate(first(7)), &spans, (50, Duration::from_secs(1)));
}

#[test]
fn only_the_last_table_of_a_double_buffer_ends_with_a_row_for_ever() {
    let spans = [window(0, 100, 1.0), window(100, 1, 1.0)];
    for buffering in [Buffering::Double, Buffering::Streaming] {
        let found = tables(&gate(first(25)), &spans, buffering, TableLimits::DOUBLE);
        let found = found.expect("tables");
        let stops = |row: &&Row| row.repeats == Repeats::Forever;
        let stopping: usize =
            found.iter().map(|table| table.rows.iter().filter(stops).count()).sum();
        let last = found.last().and_then(|table| table.rows.last()).expect("a row");
        assert_eq!(last.outputs2, Outputs::NONE);
        match buffering {
            Buffering::Double => assert_eq!((stopping, stops(&last)), (1, true)),
            Buffering::Streaming => assert_eq!(stopping, 0),
        }
    }
}

#[test]
fn a_table_is_made_before_the_next_is_looked_at() {
    let taken = Cell::new(0_u64);
    let endless = (0..).map(|row| {
        taken.set(row);
        window(row * 100, 100, 0.001)
    });
    let sequencer = gate(first(25));
    for (buffering, limits) in [
        (Buffering::Double, TableLimits::DOUBLE),
        (Buffering::Streaming, TableLimits::STREAMING),
        (Buffering::Double, limits(100, Duration::MAX)),
        (Buffering::Streaming, limits(100, Duration::MAX)),
    ] {
        taken.set(0);
        let mut tables = Tables::new(sequencer.rows(endless.clone().map(Ok)), buffering, limits);
        let table = tables.next().expect("a table").expect("rows");
        // Three rows for a window, and one that shows that something follows.
        assert!(taken.get() <= table.rows.len() as u64 / 3 + 2, "{} windows", taken.get());
    }
}

#[test]
fn an_error_ends_the_tables() {
    let sequencer = gate(first(25));
    let spans = [window(0, 10, 0.1), window(10, 1, f64::NAN), window(11, 1, 0.1)];
    for buffering in [Buffering::Double, Buffering::Streaming] {
        let limits = limits(4, Duration::ZERO);
        let mut tables =
            Tables::new(sequencer.rows(spans.iter().cloned().map(Ok)), buffering, limits);
        assert!(tables.by_ref().take_while(Result::is_ok).count() >= 1);
        assert!(tables.next().is_none());
    }
}

#[test]
fn tables_have_room_to_switch() {
    for value in [0, 3, 262_145] {
        let error = TableLimits::new(value, Duration::ZERO).expect_err("refused");
        assert_eq!(error.to_string(), format!("a table of {value} rows: it must hold 4 to 262144"));
    }
}

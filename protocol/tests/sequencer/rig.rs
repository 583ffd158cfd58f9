//! Scans to be triggered.
use bluefly_protocol::{
    name::Name,
    sequencer::{
        BitInput, Bus, Entry, Gap, Live, PositionInput, Row, Sequencer, Span, Start, StartOn,
    },
};
use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use std::num::{NonZeroU32, NonZeroU64};

pub(crate) fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

/// On bus A, 0.001 EGU per count, falling.
pub(crate) fn input(axis: &str) -> PositionInput {
    PositionInput::new(name(axis), Bus::A, -0.001, 0.0).expect("an input")
}

pub(crate) fn gate(live: Live) -> Sequencer {
    Sequencer::new(&[name("x")], StartOn::Gate(BitInput::A), live).expect("a sequencer")
}

pub(crate) fn compare(live: Live) -> Sequencer {
    Sequencer::new(&[name("x")], StartOn::Position(vec![input("x")]), live).expect("a sequencer")
}

pub(crate) fn timed(live: Live) -> Sequencer {
    Sequencer::new(&[name("x")], StartOn::Time, live).expect("a sequencer")
}

pub(crate) fn first(dead_ticks: u32) -> Live {
    Live::First { dead_ticks: NonZeroU32::new(dead_ticks).expect("not 0") }
}

pub(crate) fn centred(dead_ticks: u32) -> Live {
    Live::Centred { dead_ticks: NonZeroU32::new(dead_ticks).expect("not 0") }
}

/// A window along x that rises from 1 EGU, after a gap that is blind for 0.1 s.
pub(crate) fn window(first_frame: u64, frames: u64, frame_duration_s: f64) -> Span {
    let axes = [Start { lower: 1.0, midpoint: 1.5 }].into();
    let entry = Entry::Window { axes, gap: Some(Gap { blind_ticks: 12_500_001 }) };
    let frames = NonZeroU64::new(frames).expect("a frame");
    Span { first_frame, frames, frame_duration_s, entry }
}

pub(crate) fn joined(first_frame: u64, frames: u64, frame_duration_s: f64) -> Span {
    Span { entry: Entry::Joined, ..window(first_frame, frames, frame_duration_s) }
}

pub(crate) fn rows(sequencer: &Sequencer, spans: &[Span]) -> Vec<Row> {
    let rows = sequencer.rows(spans.iter().cloned().map(Ok));
    rows.collect::<Result<_, _>>().expect("rows")
}

/// The spans of a scan without the frames before `frame`, which begins a window.
pub(crate) fn entered(spans: &[Span], frame: u64) -> Vec<Span> {
    let mut tail = vec![];
    for span in spans {
        let skipped = frame.saturating_sub(span.first_frame);
        let Some(frames) = span.frames.get().checked_sub(skipped).and_then(NonZeroU64::new) else {
            continue;
        };
        let first_frame = span.first_frame + skipped;
        let entry = if tail.is_empty() { window(0, 1, 1.0).entry } else { span.entry.clone() };
        tail.push(Span { first_frame, frames, entry, ..span.clone() });
    }
    tail
}

/// Windows of spans of these durations, seconds.
pub(crate) fn random_scan(rng: &mut ChaCha8Rng, durations: &[f64]) -> Vec<Span> {
    let mut spans = vec![];
    let mut frame = 0;
    for _ in 0..rng.random_range(1..5) {
        for index in 0..rng.random_range(1..5) {
            let frames = match rng.random_range(0..6) {
                0 | 1 => 1,
                2 => 2,
                3 => rng.random_range(3..20),
                4 => rng.random_range(20..2_000),
                _ => rng.random_range(2_000..70_000),
            };
            let seconds = durations[rng.random_range(0..durations.len())];
            let make = if index == 0 { window } else { joined };
            spans.push(make(frame, frames, seconds));
            frame += frames;
        }
    }
    spans
}

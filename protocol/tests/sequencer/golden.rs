//! Rows and tables computed by pymalcolm, number by number.
use crate::rig::name;
use bluefly_protocol::{
    sequencer::{
        BitInput, Buffering, Bus, Entry, Live, Output, PositionInput, Repeats, Row, Sequencer,
        Span, Start, StartOn, Table, TableLimits, Tables, Trigger, Turnaround,
    },
    trajectory::Segment,
};
use serde_json::{Value, json};
use std::{f64::consts::PI, fs, num::NonZeroU64, path::PathBuf, time::Duration};

/// Rows from which we differ on purpose.
struct Difference {
    file: &'static str,
    rows: &'static [usize],
    /// Both phases of pymalcolm and ours, ticks.
    theirs: [u64; 2],
    ours: [u64; 2],
    why: &'static str,
}

/// No file has a note of its own; these are the only rows of the ten files that differ.
const DIFFERENCES: &[Difference] = &[Difference {
    file: "030_seq_delay_after.json",
    rows: &[1, 3, 7, 9],
    theirs: [55_625_000, 55_625_000],
    ours: [56_434_014, 56_434_014],
    why: "blind until the axis turns, not only until the last point of the profile at which it has \
          yet to turn: it goes the wrong way for another 13 ms",
}];

/// A turnaround as pymalcolm flies it.
struct Turn {
    file: &'static str,
    /// The frame before which it is; any if absent.
    frame: Option<u64>,
    /// The velocity of x after so many us, relative to that of the row before.
    knots: &'static [(u64, f64)],
}

const TURNS: &[Turn] = &[
    Turn { file: "025", frame: None, knots: &[(40_000, 0.0), (320_000, 0.0), (40_000, -1.0)] },
    Turn { file: "029", frame: None, knots: &[(200_000, 0.0), (1_000_000, 0.0), (200_000, -1.0)] },
    Turn { file: "030", frame: Some(3), knots: &[(100_000, 0.0), (804_000, 0.0), (100_000, -1.0)] },
    Turn { file: "030", frame: None, knots: &[(114_000, BACK), (776_000, BACK), (114_000, 1.0)] },
    Turn { file: "034", frame: None, knots: &[(104_000, 0.0), (104_000, -1.0)] },
];
/// Slowly back to where the row before has ended.
const BACK: f64 = -114.0 / 890.0;

/// A frame of a file: where x (or both axes) is at its bounds and middle, and whether a gap
/// precedes it.
struct Frame {
    lower: Vec<f64>,
    midpoint: Vec<f64>,
    upper: Vec<f64>,
    gap: bool,
}

fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

/// The frames of a file: a spiral, a static point, or a line in x within a line in y.
fn frames(golden: &Value) -> Vec<Frame> {
    let generator = &golden["generator"];
    let list = generator["generators"].as_array().expect("generators");
    let kind = list[0]["typeid"].as_str().expect("a type");
    if kind.contains("StaticPoint") {
        let size = list[0]["size"].as_u64().expect("a size");
        let frame = |i| Frame { lower: vec![], midpoint: vec![], upper: vec![], gap: i == 0 };
        return (0..size).map(frame).collect();
    }
    if kind.contains("Spiral") {
        return (0..13).map(|i| spiral(&list[0], f64::from(i))).collect();
    }
    let (outer, inner) = (&list[0], &list[1]);
    let size = inner["size"].as_u64().expect("a size");
    let mut frames = vec![];
    for row in 0..outer["size"].as_u64().expect("a size") {
        let y = at(outer, row as f64 + 0.5);
        let is_backwards = inner["alternate"] == true && row % 2 == 1;
        for i in 0..size {
            let (i, sign) = if is_backwards { (size - 1 - i, -1.0) } else { (i, 1.0) };
            let (middle, half) = (i as f64 + 0.5, sign * 0.5);
            let half = if generator["continuous"] == true { half } else { 0.0 };
            let x = |place| vec![y, at(inner, place)];
            let gap = (if is_backwards { size - 1 - i } else { i }) == 0
                || generator["continuous"] == false
                || number(&generator["delay_after"]) > 0.0;
            let (lower, upper) = (x(middle - half), x(middle + half));
            frames.push(Frame { lower, midpoint: x(middle), upper, gap });
        }
    }
    frames
}

/// Where a line is: at 0 its first bound, at 1 the next.
fn at(line: &Value, place: f64) -> f64 {
    let start = number(&line["start"][0]);
    let length = number(&line["stop"][0]) - start;
    let size = number(&line["size"]);
    if size == 1.0 {
        return start + length * place;
    }
    start + length / (size - 1.0) * (place - 0.5)
}

fn spiral(generator: &Value, i: f64) -> Frame {
    let beta = number(&generator["scale"]) / (2.0 * PI);
    let place = |i: f64| {
        let phi = (4.0 * PI * i).sqrt();
        vec![beta * phi * phi.sin(), beta * phi * phi.cos()]
    };
    Frame { lower: place(i), midpoint: place(i + 0.5), upper: place(i + 1.0), gap: i == 0.0 }
}

fn sequencer(golden: &Value) -> Sequencer {
    let axes = golden["axes_to_move"].as_array().expect("axes");
    let axes: Vec<_> = axes.iter().map(|axis| name(axis.as_str().expect("a name"))).collect();
    let bus = |text: &str| match text {
        "POSA" => Bus::A,
        "POSB" => Bus::B,
        _ => panic!("{text}"),
    };
    let input = |(axis, input): (&String, &Value)| {
        let (scale, offset) = (number(&input[1]), number(&input[2]));
        PositionInput::new(name(axis), bus(input[0].as_str().expect("a bus")), scale, offset)
            .expect("an input")
    };
    let start = match (golden["row_trigger"].as_str(), golden["position_inputs"].as_object()) {
        (Some("Motion Controller"), None) => StartOn::Gate(BitInput::A),
        (Some("Position Compare"), inputs) => {
            StartOn::Position(inputs.into_iter().flatten().map(input).collect())
        }
        trigger => panic!("{trigger:?}"),
    };
    Sequencer::new(&axes, start, Live::FirstHalf).expect("a sequencer")
}

/// The motion between two frames as pymalcolm plans it, first what comes before.
fn turn(file: &str, frame: u64, before: &Frame, duration_s: f64) -> Option<Vec<Segment>> {
    let is_it =
        |turn: &&Turn| file.starts_with(turn.file) && turn.frame.is_none_or(|found| found == frame);
    let knots = TURNS.iter().find(is_it)?.knots;
    let velocity = (before.upper[1] - before.lower[1]) / duration_s;
    let (mut position, mut from) = (before.upper[1], velocity);
    let mut segments = vec![segment(1, position, velocity)];
    for &(duration_us, part) in knots {
        position += f64::midpoint(from, velocity * part) * (duration_us as f64 / 1e6);
        from = velocity * part;
        segments.push(segment(duration_us, position, from));
    }
    Some(segments)
}

fn segment(duration_us: u64, x: f64, velocity: f64) -> Segment {
    Segment {
        duration_us,
        frames: 0,
        frame_goes_on: false,
        positions: [0.0, x].into(),
        velocities: [0.0, velocity].into(),
    }
}

/// The frames that the file asks for, one span each.
fn spans(file: &str, golden: &Value, sequencer: &Sequencer) -> Vec<Span> {
    let frames = frames(golden);
    let frame_duration_s = number(&golden["generator"]["duration"]);
    let range = |key: &str| golden[key].as_u64().expect("an index") as usize;
    let mut spans = vec![];
    for index in range("loaded_up_to")..range("scan_up_to") {
        let frame = &frames[index];
        let axes: Box<[Start]> = frame
            .lower
            .iter()
            .zip(&frame.midpoint)
            .map(|(&lower, &midpoint)| Start { lower, midpoint })
            .collect();
        let first_frame = index as u64;
        let entry = if frame.gap {
            let before = index.checked_sub(1).map(|index| &frames[index]);
            let segments =
                before.and_then(|before| turn(file, first_frame, before, frame_duration_s));
            let gap = segments.map(|segments| {
                let (before, segments) = segments.split_first().expect("a segment");
                let end = segments.last().expect("a segment").positions[1];
                assert!((end - frame.lower[1]).abs() < 1e-9, "{file} {index}: {end}");
                let frame = first_frame;
                let turnaround = Turnaround { before, segments, frame, axes: &axes };
                sequencer.gap(&turnaround).expect("a gap")
            });
            Entry::Window { axes, gap }
        } else {
            Entry::Joined
        };
        spans.push(Span { first_frame, frames: NonZeroU64::MIN, frame_duration_s, entry });
    }
    spans
}

/// A row as the files write it.
fn written(row: &Row) -> Value {
    let repeats = match row.repeats {
        Repeats::Times(times) => times.get(),
        Repeats::Forever => 0,
    };
    let position = match row.trigger {
        Trigger::Immediate | Trigger::Bit { .. } => 0,
        Trigger::Position { position, .. } => position.0,
    };
    let high = |output| u8::from(row.outputs1.has(output));
    json!([
        repeats,
        row.trigger.to_string(),
        position,
        row.time1_ticks,
        high(Output::A),
        high(Output::B),
        row.time2_ticks
    ])
}

/// A table as the files sum it up.
fn summed(table: &Table) -> Value {
    let rows = &table.rows;
    let pulses = |output| -> u64 {
        let rows = rows.iter().filter(|row| row.outputs1.has(output));
        rows.map(|row| written(row)[0].as_u64().expect("a number")).sum()
    };
    json!({
        "rows": rows.len(),
        "first": written(&rows[0]),
        "last": written(&rows[rows.len() - 1]),
        "last_but_one": written(&rows[rows.len() - 2]),
        "live_pulses": pulses(Output::A),
        "dead_pulses": pulses(Output::B),
        "ticks": table.ticks(),
    })
}

/// What pymalcolm gives, with our differences in place of it.
fn expected(file: &str, golden: &Value) -> (Vec<Value>, Vec<Value>) {
    let mut rows = golden["rows"].as_array().expect("rows").clone();
    let mut tables = golden["tables"].as_array().expect("tables").clone();
    for difference in DIFFERENCES.iter().filter(|difference| difference.file == file) {
        let Difference { theirs, ours, why, .. } = difference;
        for &index in difference.rows {
            let row = rows[index].as_array_mut().expect("a row");
            assert_eq!([&row[3], &row[6]], theirs.map(Value::from).each_ref(), "{file}: {why}");
            (row[3], row[6]) = (json!(ours[0]), json!(ours[1]));
            let longer = ours[0] + ours[1] - theirs[0] - theirs[1];
            let ticks = tables[0]["ticks"].as_u64().expect("ticks");
            tables[0]["ticks"] = json!(ticks + longer);
        }
    }
    (rows, tables)
}

#[test]
fn rows_and_tables_are_those_of_pymalcolm() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/pmac");
    let mut checked = 0;
    for entry in fs::read_dir(folder).expect("the golden files") {
        let path = entry.expect("an entry").path();
        let file = path.file_name().expect("a name").to_string_lossy().into_owned();
        if !file.contains("_seq_") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a text");
        let golden: Value = serde_json::from_str(&text).expect("JSON");
        let sequencer = sequencer(&golden);
        let tables = |limits| -> Vec<Table> {
            let rows = sequencer.rows(spans(&file, &golden, &sequencer));
            Tables::new(rows, Buffering::Double, limits).collect::<Result<_, _>>().expect(&file)
        };
        let (rows, theirs) = expected(&file, &golden);
        let whole = tables(TableLimits::new(262_144, Duration::MAX).expect("limits"));
        let [whole] = &whole[..] else { panic!("{file}: more than one table") };
        assert_eq!(whole.rows.iter().map(written).collect::<Vec<_>>(), rows, "{file}");
        assert_eq!(golden["num_rows"], rows.len(), "{file}");
        let ours: Vec<Value> = tables(TableLimits::DOUBLE).iter().map(summed).collect();
        assert_eq!(ours, theirs, "{file}");
        checked += 1;
    }
    assert_eq!(checked, 10);
}

//! From specifications through the planner to the rows and tables of pymalcolm, number by number.
use crate::rig::name;
use bluefly_protocol::{
    scan::{Path, Piece, Spec, Stack},
    sequencer::{
        BitInput, Buffering, Bus, Live, Output, PositionInput, Repeats, Row, Sequencer, StartOn,
        Table, TableLimits, Tables, Trigger,
    },
    trajectory::{AxisLimits, Planner, PointMode, TriggerBits},
};
use serde_json::{Value, json};
use std::{fs, path::PathBuf, time::Duration};

/// Rows from which we differ on purpose.
struct Difference {
    file: &'static str,
    rows: &'static [usize],
    /// Both phases of pymalcolm and ours, ticks.
    theirs: [u64; 2],
    ours: [u64; 2],
    why: &'static str,
}

/// These are the only rows of the ten files that differ. All other turns are planned alike: the
/// planner is told the least interval of pymalcolm.
const DIFFERENCES: &[Difference] = &[Difference {
    file: "030_seq_delay_after.json",
    rows: &[1, 3, 7, 9],
    theirs: [55_625_000, 55_625_000],
    ours: [56_434_014, 56_434_014],
    why: "blind until the axis turns, not only until the last point of the profile at which it has \
          yet to turn: it goes the wrong way for another 13 ms",
}];

/// What our planner refuses, but pymalcolm flies: it does not look at accelerations within rows.
const REFUSED: &[(&str, &str)] = &[(
    "033_seq_spiral_rows.json",
    "frame 0, axis x: acceleration 6.83922 on the curve is above the maximum 2.5: \
     frames of 0.826996 s would do",
)];

fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
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

/// A planner for the motors of a file, with the least times between points and rows of pymalcolm.
fn planner(golden: &Value) -> Planner {
    let least = Duration::from_millis(2);
    let motors = golden["motors"].as_array().expect("motors");
    let axes = golden["axes_to_move"].as_array().expect("axes");
    let limits = |axis: &Value| {
        let motor = motors.iter().find(|motor| motor["scannable"] == *axis).expect("a motor");
        let percent = number(&motor["max_velocity_percent"]) / 100.0;
        let max_velocity = number(&motor["max_velocity_vmax"]) * percent;
        let limits = AxisLimits {
            // All are 0 in the files, which stands for none.
            low: f64::NEG_INFINITY,
            high: f64::INFINITY,
            max_velocity,
            max_acceleration: max_velocity / number(&motor["acceleration_time"]),
            settle_s: number(&motor["velocity_settle"]),
        };
        (name(axis.as_str().expect("a name")), limits)
    };
    let axes: Vec<_> = axes.iter().map(limits).collect();
    let planner = Planner::new(&axes, Duration::from_micros(1)).with_interval(least);
    match golden["row_trigger"].as_str() {
        Some("Motion Controller") => planner.with_modes(PointMode::Sparse, TriggerBits::RowGate),
        _ => planner,
    }
}

/// The pieces of the frames before `end`; a cut one is straight in all of the files.
fn pieces(stack: &Stack, end: u64) -> Vec<Piece> {
    let cut = |mut piece: Piece| {
        let frames = piece.frames.min(end.checked_sub(piece.first_frame)?);
        if frames < piece.frames {
            assert_eq!(piece.path, Path::Straight);
            let part = frames as f64 / piece.frames as f64;
            let ends = piece.start.iter().zip(&piece.end);
            piece.end = ends.map(|(start, end)| start + (end - start) * part).collect();
            piece.frames = frames;
        }
        (frames > 0).then_some(piece)
    };
    stack.pieces(0).map_while(cut).collect()
}

/// The ten files of rows by their names.
fn files() -> Vec<(String, Value)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/pmac");
    let paths = fs::read_dir(folder).expect("the golden files").map(|entry| {
        let path = entry.expect("an entry").path();
        let file = path.file_name().expect("a name").to_string_lossy().into_owned();
        (file, path)
    });
    let of_rows = paths.filter(|(file, _)| file.contains("_seq_"));
    let read = |(file, path): (String, PathBuf)| {
        let text = fs::read_to_string(path).expect("a text");
        (file, serde_json::from_str(&text).expect("JSON"))
    };
    of_rows.map(read).collect()
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

/// The same scan as scanspec says it, if it can.
fn scanspec(file: &str) -> Option<Value> {
    let line = |axis: &str, stop: f64, num: u64| {
        let (start, kind) = (0, "Linspace");
        json!({"type": kind, "axis": axis, "start": start, "stop": stop, "num": num})
    };
    let grid =
        |outer: Value, inner: Value| json!({"type": "Product", "outer": outer, "inner": inner});
    let snake = |spec: Value| json!({"type": "Snake", "spec": spec});
    let flown = |spec: Value, seconds: f64| {
        let spec = json!({"type": "ConstantDuration", "constant_duration": seconds, "spec": spec});
        json!({"type": "Fly", "spec": spec})
    };
    let stepped = |spec: Value| flown(spec, 1.0)["spec"].clone();
    let second = json!({"type": "ConstantDuration", "constant_duration": 1.0});
    let still = json!({"type": "Product", "outer": 5, "inner": second, "gap": false});
    match &file[..3] {
        "025" | "026" | "031" | "032" => {
            Some(flown(grid(line("y", 0.1, 2), snake(line("x", 0.3, 4))), 1.0))
        }
        "027" => Some(stepped(grid(line("y", 0.2, 3), line("x", 0.3, 4)))),
        "028" => Some(still),
        "034" => Some(flown(grid(line("y", 1.0, 50), snake(line("x", 5.0, 200))), 0.1)),
        // A line of one point is longer in scanspec, none has delays, and spirals are others.
        "029" | "030" | "033" => None,
        _ => panic!("{file}"),
    }
}

/// The rows and tables of a specification, through the planner.
fn check(file: &str, golden: &Value, spec: &Value) {
    let spec: Spec = spec.to_string().parse().expect(file);
    let stack = Stack::new(&spec).expect(file);
    let (planner, sequencer) = (planner(golden), sequencer(golden));
    let pieces = pieces(&stack, golden["scan_up_to"].as_u64().expect("an index"));
    let refused = planner.check(pieces.iter().cloned()).err().map(|error| error.to_string());
    let too_hard = REFUSED.iter().find(|(refused, _)| *refused == file).map(|(_, text)| *text);
    assert_eq!(refused.as_deref(), too_hard, "{file}");
    let tables = |limits| -> Vec<Table> {
        let rows = sequencer.rows(sequencer.spans(&planner, pieces.iter().cloned()));
        Tables::new(rows, Buffering::Double, limits).collect::<Result<_, _>>().expect(file)
    };
    let (rows, theirs) = expected(file, golden);
    let whole = tables(TableLimits::new(262_144, Duration::MAX).expect("limits"));
    let [whole] = &whole[..] else { panic!("{file}: more than one table") };
    assert_eq!(whole.rows.iter().map(written).collect::<Vec<_>>(), rows, "{file}");
    assert_eq!(golden["num_rows"], rows.len(), "{file}");
    let ours: Vec<Value> = tables(TableLimits::DOUBLE).iter().map(summed).collect();
    assert_eq!(ours, theirs, "{file}");
}

#[test]
fn specifications_become_the_rows_and_tables_of_pymalcolm() {
    let mut checked = 0;
    for (file, golden) in files() {
        check(&file, &golden, &golden["generator"]);
        if let Some(spec) = scanspec(&file) {
            check(&file, &golden, &spec);
            checked += 1;
        }
        checked += 1;
    }
    assert_eq!(checked, 10 + 7);
}

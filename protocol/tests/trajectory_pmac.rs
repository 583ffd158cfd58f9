//! Trajectories beside those of pymalcolm, point by point.
#![expect(clippy::unwrap_used, reason = "a test that cannot read its golden file says so")]
use bluefly_protocol::{
    name::Name,
    scan::{Piece, Spec, Stack},
    trajectory::{
        AxisLimits, Batch, PlanError, Planner, PmacTable, PmacWriter, PointMode, TriggerBits,
        VelocityMode,
    },
};
use serde_json::Value;
use std::{collections::BTreeMap, fs, path::Path, time::Duration};

/// A scan that pymalcolm has planned.
struct Golden(Value);

/// What differs from pymalcolm's points on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Difference {
    /// Times by a microsecond, and where that leads at this velocity.
    Microsecond,
    /// Modes of points at which a long stretch is split.
    SplitModes,
    /// A microsecond too; the points within rows.
    WithinRows,
    /// A microsecond too; run-up, run-down and the mode of the end of the row.
    Ends,
}

const RAMPS: &str = "ramps are rounded up, so that none is harder than the limit; theirs are rounded \
                     with a fraction that is carried from row to row";
const SPLITS: &str = "a split turnaround keeps its acceleration: mode 0 would not in a ramp";
const WHOLE_FRAMES: &str =
    "a segment of a sparse row holds whole frames, so that it can trigger them";
const ENDS: &str = "theirs differs from the velocity of the curve at its end (mode 2, though nothing \
                    was left out), and an axis slower than the common ramp has another end than \
                    it can come to (and start than it can have come from) by an even ramp; ours \
                    runs up in its own time, on the grid of the interval";
/// The interval of the scan whose axes begin their run-up one after the other.
const RUN_UP_GRID_US: u64 = 2_000;

/// Every file that is not the same in everything, and why.
const DIFFERENT: [(&str, Difference, &str); 7] = [
    ("004_prof_snake_quantize", Difference::Microsecond, RAMPS),
    ("005_prof_grid", Difference::Microsecond, RAMPS),
    ("014_prof_long_duration", Difference::Microsecond, RAMPS),
    ("015_prof_long_turnaround", Difference::SplitModes, SPLITS),
    ("017_prof_3000_points", Difference::Microsecond, RAMPS),
    ("018_prof_3000_sparse", Difference::WithinRows, WHOLE_FRAMES),
    ("019_prof_spiral_sparse", Difference::Ends, ENDS),
];

impl Golden {
    fn number(&self, key: &str) -> Option<f64> {
        self.0[key].as_f64()
    }

    fn column<T>(&self, key: &str, read: impl Fn(&Value) -> T) -> Vec<T> {
        let column = self.0["profile"].get(key).or_else(|| self.0.get(key));
        column.and_then(Value::as_array).map_or(Vec::new(), |all| all.iter().map(read).collect())
    }

    fn stack(&self) -> Stack {
        let spec: Spec = self.0["generator"].to_string().parse().unwrap();
        Stack::new(&spec).unwrap()
    }

    fn motors(&self) -> BTreeMap<&str, &Value> {
        let motors = self.0["motors"].as_array().unwrap();
        motors.iter().map(|motor| (motor["scannable"].as_str().unwrap(), motor)).collect()
    }

    fn limits(motor: &Value) -> AxisLimits {
        let number = |key: &str| motor[key].as_f64().unwrap();
        let max_velocity = number("max_velocity_vmax") * number("max_velocity_percent") / 100.0;
        let unlimited = number("dial_high_limit") == 0.0 && number("dial_low_limit") == 0.0;
        let limit = |key: &str, none: f64| if unlimited { none } else { number(key) };
        AxisLimits {
            low: limit("user_low_limit", f64::NEG_INFINITY),
            high: limit("user_high_limit", f64::INFINITY),
            max_velocity,
            max_acceleration: max_velocity / number("acceleration_time"),
            settle_s: number("velocity_settle"),
        }
    }

    /// The axes that take part, in the order of the stack, with their places in it.
    fn axes(&self, stack: &Stack) -> Vec<(usize, String)> {
        let moved = self.0["axes_to_move"].as_array().unwrap();
        let axes = stack.axes().iter().cloned().enumerate();
        axes.filter(|(_, axis)| moved.iter().any(|moved| moved.as_str() == Some(axis))).collect()
    }

    fn planner(&self, stack: &Stack) -> Planner {
        let motors = self.motors();
        let axes: Vec<(Name, AxisLimits)> = self
            .axes(stack)
            .iter()
            .map(|(_, axis)| axis)
            .map(|axis| (axis.parse().unwrap(), Self::limits(motors[axis.as_str()])))
            .collect();
        let (points, bits) = match self.0["trigger"].as_str().unwrap() {
            "NONE" => (PointMode::Sparse, TriggerBits::None),
            "ROW_GATE" => (PointMode::Sparse, TriggerBits::RowGate),
            "EVERY_POINT" => (PointMode::EveryPoint, TriggerBits::EveryPoint),
            other => panic!("{other}"),
        };
        let turnaround = &self.0["min_turnaround"];
        let time = |key: &str| Duration::from_secs_f64(turnaround[key].as_f64().unwrap_or(0.002));
        Planner::new(&axes, Duration::from_micros(1))
            .with_max_segment(Duration::from_secs(4))
            .with_interval(time("interval"))
            .with_min_turnaround(time("gap"))
            .with_modes(points, bits)
    }

    fn pieces(&self, stack: &Stack) -> Vec<Piece> {
        let first = self.number("completed_steps").unwrap() as u64;
        let last = first + self.number("steps_to_do").unwrap() as u64;
        let axes = self.axes(stack);
        let pick = |all: &[f64]| axes.iter().map(|(place, _)| all[*place]).collect();
        stack
            .pieces(first)
            .take_while(|piece| piece.first_frame < last)
            .map(|piece| Piece { start: pick(&piece.start), end: pick(&piece.end), ..piece })
            .collect()
    }

    /// The column of the co-ordinate system in which an axis is.
    fn letter(&self, axis: &str) -> String {
        let letter = self.motors()[axis]["cs"].as_str().unwrap().rsplit(',').next().unwrap();
        letter.to_lowercase()
    }

    /// Where the axes were sent before.
    fn start(&self, letter: &str) -> Option<f64> {
        let calls = self.0["configure_calls"].as_array().unwrap();
        let moved = calls.iter().find(|call| call[0].as_str().unwrap().starts_with("moveCS"));
        moved.map(|call| call[1][letter].as_f64().unwrap())
    }
}

fn golden(name: &str) -> Golden {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/pmac").join(name);
    let text = fs::read_to_string(path.with_extension("json")).unwrap();
    Golden(serde_json::from_str(&text).unwrap())
}

/// The files of scans, without their endings.
fn names() -> Vec<String> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/pmac");
    let files = fs::read_dir(directory).unwrap().map(|file| file.unwrap().file_name());
    let mut names: Vec<String> = files
        .filter_map(|file| file.to_str().unwrap().strip_suffix(".json").map(str::to_owned))
        .filter(|name| name.contains("_prof_"))
        .collect();
    names.sort();
    names
}

/// All points of a scan.
fn plan(golden: &Golden) -> (Box<[f64]>, Batch, PmacTable) {
    let stack = golden.stack();
    let planner = golden.planner(&stack);
    let pieces = golden.pieces(&stack);
    // What cannot be flown can be planned, and compared.
    let checked = planner.check(pieces.iter().cloned());
    let mut trajectory = planner.plan(pieces);
    let first = golden.number("completed_steps").unwrap() as u64;
    let mut writer = PmacWriter::new(planner.trigger_bits(), first);
    let batch = trajectory.next_batch(usize::MAX);
    assert!(batch.last);
    match checked {
        Ok(prediction) => assert_eq!(batch.len() as u64, prediction.segments),
        Err(error) => {
            let text = "frame 0, axis x: acceleration 6.83922 on the curve is above the \
                        maximum 2.5: frames of 0.826996 s would do";
            assert_eq!(error.to_string(), text);
            assert!(golden.0["id"].as_str().unwrap().ends_with("019_prof_spiral_sparse"));
        }
    }
    let table = writer.table(&batch);
    (trajectory.start(), batch, table)
}

/// The points that are compared: those with this condition, and the time since the one before.
fn thin(times: &[u64], keep: impl Fn(usize) -> bool) -> Vec<(usize, u64)> {
    let mut since = 0;
    let mut kept = Vec::new();
    for (index, time) in times.iter().enumerate() {
        since += time;
        if keep(index) {
            kept.push((index, std::mem::take(&mut since)));
        }
    }
    kept
}

fn near(ours: f64, theirs: f64, tolerance: f64, label: &str) {
    assert!((ours - theirs).abs() <= tolerance, "{label}: {ours}, not {theirs}");
}

fn compare(name: &str, difference: Option<Difference>) {
    let golden = golden(name);
    let (start, batch, table) = plan(&golden);
    let modes = golden.column("velocityMode", |value| value.as_u64().unwrap() as u8);
    let programs = golden.column("userPrograms", |value| value.as_u64().unwrap() as u8);
    let times = golden.column("timeArray", |value| value.as_u64().unwrap());
    let completed = golden.column("completed_steps_lookup", |value| value.as_u64().unwrap());
    let our_modes: Vec<u8> = table.velocity_mode.iter().map(|mode| *mode as u8).collect();
    let sparse = difference == Some(Difference::WithinRows);
    // Only within rows and splits is mode 0 at a point of no program.
    let mut ours = thin(&table.time_us, |i| !sparse || our_modes[i] != 0);
    if difference == Some(Difference::Ends) {
        // One axis has begun its ramp, and the other begins.
        let (_, begun) = ours.remove(0);
        ours[0].1 += begun;
    }
    // Of a long one there are samples only.
    let samples = golden.column("sample_indices", |value| value.as_u64().unwrap() as usize);
    if !samples.is_empty() {
        assert_eq!(golden.number("total_points"), Some(ours.len() as f64), "{name}: points");
        ours = samples.into_iter().map(|index| ours[index]).collect();
    }
    let theirs = thin(&times, |i| !sparse || modes[i] != 0);
    assert_eq!(ours.len(), theirs.len(), "{name}: points");
    let tick = u64::from(!matches!(difference, None | Some(Difference::SplitModes)));
    // Theirs are rounded to 1e-14 here and there; a tick at 1 mm/s is 1e-6 mm.
    let place = if tick == 0 { 1e-12 } else { 1e-6 };
    let axes = golden.axes(&golden.stack());
    let (count, mut differences) = (ours.len(), 0);
    for (point, (&(i, time), &(j, their_time))) in ours.iter().zip(&theirs).enumerate() {
        let label = format!("{name}, point {i}");
        let is_run_up = difference == Some(Difference::Ends) && point == 0;
        let at_most = if is_run_up { RUN_UP_GRID_US } else { tick };
        assert!(time.abs_diff(their_time) <= at_most, "{label}: {time} us, not {their_time}");
        differences += u64::from(time != their_time);
        assert_eq!(table.user_program[i], programs[j], "{label}: program");
        assert_eq!(table.completed[i], completed[j], "{label}: completed");
        let is_end = difference == Some(Difference::Ends) && point + 2 >= count;
        let is_split = difference == Some(Difference::SplitModes) && programs[j] == 0;
        if is_split || (is_end && point + 2 == count) {
            differences += 1;
            assert_eq!(our_modes[i], 1, "{label}: mode");
            assert_ne!(modes[j], 1, "{label}: mode");
        } else {
            assert_eq!(our_modes[i], modes[j], "{label}: mode");
        }
        for (axis, (_, axis_name)) in axes.iter().enumerate() {
            let theirs =
                golden.column(&golden.letter(axis_name), |value| value.as_f64().unwrap())[j];
            if !(is_end && point + 1 == count) {
                near(batch.positions[axis][i], theirs, place, &label);
            }
        }
    }
    for (axis, (_, axis_name)) in axes.iter().enumerate() {
        let theirs = golden.start(&golden.letter(axis_name)).unwrap();
        if difference == Some(Difference::Ends) {
            let fastest = start[axis] == theirs;
            differences += u64::from(!fastest);
        } else {
            near(start[axis], theirs, place, &format!("{name}: start"));
        }
    }
    assert_eq!(differences > 0, difference.is_some(), "{name}: {differences} differences");
}

#[test]
fn all_golden_scans_come_out_point_by_point() {
    let mut compared = 0;
    for name in names() {
        let difference = DIFFERENT.iter().find(|(file, _, _)| *file == name);
        if !name.contains("_err_") {
            compare(&name, difference.map(|(_, difference, _)| *difference));
            compared += 1;
        }
    }
    assert_eq!(compared, 20);
}

#[test]
fn what_pymalcolm_refuses_is_refused() {
    let refused = |name: &str| {
        let golden = golden(name);
        let stack = golden.stack();
        golden.planner(&stack).check(golden.pieces(&stack)).unwrap_err()
    };
    let error = refused("020_prof_err_velocity");
    assert!(matches!(error, PlanError::Velocity { value: 2.5, limit: 1.0, .. }), "{error}");
    let error = refused("021_prof_err_softlimit");
    // The row itself begins at -0.125, which pymalcolm does not look at.
    let text = "frame 0, axis x: position -0.125 is below the low limit -0.05";
    assert_eq!(error.to_string(), text);
}

/// The velocities that the driver computes from modes, times and positions; those of the ends of
/// the table too, as there is nothing before it but standstill.
fn driver_velocities(table: &PmacTable, start: f64, axis: usize) -> Vec<f64> {
    let place = |point: Option<usize>| point.map_or(start, |point| table.positions[axis][point]);
    let time = |point: usize| table.time_us[point] as f64 / 1e6;
    let mut velocities: Vec<f64> = Vec::new();
    for (i, mode) in table.velocity_mode.iter().enumerate() {
        let (here, before) = (place(Some(i)), place(i.checked_sub(1)));
        let velocity_before = velocities.last().copied().unwrap_or(0.0);
        velocities.push(match mode {
            VelocityMode::PreviousToNext => (place(Some(i + 1)) - before) / (time(i) + time(i + 1)),
            VelocityMode::RealPreviousToCurrent => {
                2.0 * (here - before) / time(i) - velocity_before
            }
            VelocityMode::AveragePreviousToCurrent => (here - before) / time(i),
            VelocityMode::Zero => 0.0,
            VelocityMode::CurrentToNext => (place(Some(i + 1)) - here) / time(i + 1),
        });
    }
    velocities
}

#[test]
fn the_driver_computes_our_velocities() {
    for name in names().iter().filter(|name| !name.contains("_err_")) {
        let (start, batch, table) = plan(&golden(name));
        for (axis, ours) in batch.velocities.iter().enumerate() {
            let theirs = driver_velocities(&table, start[axis], axis);
            for (point, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
                // Differences of rounded positions over short times.
                near(*ours, theirs, 1e-9, &format!("{name}, axis {axis}, point {point}"));
            }
        }
    }
}

#[test]
fn tables_are_the_same_however_the_trajectory_is_cut() {
    for name in ["012_prof_delay_after", "014_prof_long_duration", "019_prof_spiral_sparse"] {
        let golden = golden(name);
        let (_, batch, whole) = plan(&golden);
        let segments: Vec<_> = batch.segments().collect();
        let stack = golden.stack();
        for size in [1, 2, 7] {
            let planner = golden.planner(&stack);
            let mut trajectory = planner.plan(golden.pieces(&stack));
            let mut writer = PmacWriter::new(planner.trigger_bits(), 0);
            let mut cut = PmacTable::default();
            let mut at = 0;
            while at < segments.len() {
                let batch = trajectory.next_batch(size);
                let table = writer.table(&batch);
                cut.time_us.extend(table.time_us);
                cut.velocity_mode.extend(table.velocity_mode);
                cut.user_program.extend(table.user_program);
                cut.completed.extend(table.completed);
                assert!(batch.segments().eq(segments[at..at + batch.len()].iter().cloned()));
                at += batch.len();
            }
            cut.positions.clone_from(&whole.positions);
            assert_eq!(cut, whole, "{name} by {size}");
        }
    }
}

//! Points computed by scanpointgenerator 3.1, number by number: bit for bit where they do not depend
//! on the sine of a library, and wrong files refused where scanpointgenerator refuses them.
use bluefly_protocol::scan::{Points, Spec, SpecError, Stack};
use serde_json::Value;
use std::{collections::BTreeMap, path::PathBuf};

/// Files from which we differ on purpose, and why.
const DIFFERENCES: &[(&str, &str)] = &[(
    "018_random.json",
    "get_points, of which the file has the numbers, computes offsets with 32 bits; get_point with 64, \
     as we do: its numbers are in the file where they differ most, and there they are ours bit for bit",
)];

/// Furthest from the numbers of `get_points` that offsets of at most 0.05 may be: four roundings to
/// 32 bits.
const ROUNDED: f64 = 0.05 * 4.0 / (1 << 24) as f64;

pub(crate) fn files() -> Vec<(String, Value)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/spg");
    let entries = std::fs::read_dir(&folder).expect("the golden files");
    let mut files: Vec<(String, Value)> = entries
        .map(|entry| {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            let text = std::fs::read_to_string(&path).expect("a text");
            (name, serde_json::from_str(&text).expect("JSON"))
        })
        .collect();
    files.sort_by(|left, right| left.0.cmp(&right.0));
    assert_eq!(files.len(), 25);
    files
}

fn read(golden: &Value) -> Result<Stack, SpecError> {
    Stack::new(&Spec::from_value(&golden["generator"])?)
}

fn numbers(value: &Value) -> Vec<f64> {
    let list = value.as_array().expect("a list");
    list.iter().map(|number| number.as_f64().expect("a number")).collect()
}

fn check_points(name: &str, golden: &Value, ours: &Value) {
    assert_eq!(ours["axes"], golden["axes"], "{name}");
    assert_eq!(ours["shape"], golden["shape"], "{name}");
    assert_eq!(ours["num_points"], golden["size"], "{name}");
    let (ours, theirs) = (&ours["frames"], &golden["points"]);
    let allowed = match (&golden["exact"], DIFFERENCES.iter().any(|(file, _)| *file == name)) {
        (_, true) => Some(ROUNDED),
        (Value::Bool(true), false) => None,
        _ => Some(1e-12),
    };
    for (key, ours_key) in [("positions", "midpoints"), ("lower", "lower"), ("upper", "upper")] {
        let axes = theirs[key].as_object().expect("axes");
        assert_eq!(axes.len(), ours[ours_key].as_object().expect("axes").len(), "{name}");
        for (axis, theirs) in axes {
            let (ours, theirs) = (numbers(&ours[ours_key][axis]), numbers(theirs));
            assert_eq!(ours.len(), theirs.len(), "{name}: {key} {axis}");
            for (index, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
                let same = ours.to_bits() == theirs.to_bits();
                let near = same || allowed.is_some_and(|most| (ours - theirs).abs() <= most);
                assert!(near, "{name}: {key} {axis} {index}: {ours} is not {theirs}");
            }
        }
    }
    for key in ["duration", "delay_after", "indexes"] {
        assert_eq!(ours[key], theirs[key], "{name}: {key}");
    }
    check_gaps(name, theirs, ours);
    for mismatch in golden["get_point_vs_get_points_mismatch"].as_array().into_iter().flatten() {
        let key = if mismatch[1] == "positions" {
            "midpoints"
        } else {
            mismatch[1].as_str().expect("a key")
        };
        let index = mismatch[0].as_u64().expect("an index") as usize;
        assert_eq!(ours[key][mismatch[2].as_str().expect("an axis")][index], mismatch[3], "{name}");
    }
}

/// There is no gap in the files: motion goes on where all bounds meet and nothing is waited for.
fn check_gaps(name: &str, theirs: &Value, ours: &Value) {
    let gaps = ours["gap"].as_array().expect("gaps");
    for index in 1..gaps.len() {
        let meets = theirs["upper"].as_object().expect("axes").iter().all(|(axis, upper)| {
            let (end, start) = (&upper[index - 1], &theirs["lower"][axis][index]);
            end.as_f64() == start.as_f64()
        });
        let waits = theirs["delay_after"][index - 1].as_f64() != Some(0.0);
        assert_eq!(gaps[index], !meets || waits, "{name}: gap {index}");
    }
}

/// Axes, size and direction of each dimension; and which points of a generator are in it, which is
/// seen from where the axes are: at equal indices of the generator they are at the same place, and
/// from the least to the greatest of them lies what the dimension covers.
fn check_dimensions(name: &str, golden: &Value, (stack, ours): (&Stack, &Value)) {
    let dimensions = golden["dimensions"].as_array().expect("dimensions");
    assert_eq!(stack.axes_by_dimension().len(), dimensions.len(), "{name}");
    let random = golden["generator"]["mutators"].as_array().is_some_and(|all| !all.is_empty());
    for (place, dimension) in dimensions.iter().enumerate() {
        assert_eq!(
            serde_json::json!(stack.axes_by_dimension()[place]),
            dimension["axes"],
            "{name}"
        );
        assert_eq!(stack.shape()[place], dimension["size"], "{name}");
        assert_eq!(stack.snaked()[place], dimension["alternate"], "{name}");
        for (axis_place, axis) in dimension["axes"].as_array().expect("axes").iter().enumerate() {
            let axis = axis.as_str().expect("an axis");
            let map = dimension["get_mesh_map"][axis].as_array().expect("a map");
            let positions = numbers(&ours["frames"]["midpoints"][axis]);
            let (lower, upper) = (&dimension["lower"][axis_place], &dimension["upper"][axis_place]);
            let covers = lower.as_f64().expect("a number")..=upper.as_f64().expect("a number");
            let mut known = BTreeMap::new();
            for (index, position) in positions.iter().enumerate() {
                let own = stack.indexes(index as u64)[place] as usize;
                assert_eq!(own, ours["frames"]["indexes"][index][place], "{name}");
                if random {
                    continue;
                }
                let at = *known.entry(map[own].as_u64()).or_insert(*position);
                assert_eq!(at.to_bits(), position.to_bits(), "{name}: {axis} {index}");
                let within = (covers.start() - 1e-12)..=(covers.end() + 1e-12);
                assert!(within.contains(position), "{name}: {axis} {index}: {position}");
            }
        }
    }
}

#[test]
fn points_are_those_of_scanpointgenerator() {
    let mut checked = 0;
    for (name, golden) in files() {
        if golden["points"].is_null() {
            continue;
        }
        let stack = read(&golden).expect(&name);
        let points = Points::new(&stack, 0..stack.num_points());
        let ours = serde_json::to_value(points).expect("JSON");
        check_points(&name, &golden, &ours);
        check_dimensions(&name, &golden, (&stack, &ours));
        checked += 1;
    }
    assert_eq!(checked + ERRORS.len(), 25);
}

/// A file as scanpointgenerator writes it, except that numbers in lists, which it leaves as they
/// were given, have a point.
fn with_points(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(place) = rest.find(['[', ',']) {
        let (before, after) = rest.split_at(place + 1);
        out.push_str(before);
        let digits = after.find(|c: char| !(c.is_ascii_digit() || c == '-')).unwrap_or(after.len());
        out.push_str(&after[..digits]);
        if digits > 0 && after[digits..].starts_with([',', ']']) {
            out.push_str(".0");
        }
        rest = &after[digits..];
    }
    out + rest
}

#[test]
fn a_compound_is_written_as_scanpointgenerator_writes_it() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/spg");
    for (name, golden) in files() {
        if golden["points"].is_null() {
            continue;
        }
        let text = std::fs::read_to_string(folder.join(&name)).expect("a text");
        let spec = Spec::from_value(&golden["generator"]).expect(&name);
        let written = serde_json::to_string(&spec).expect("JSON");
        let expected = format!("\"generator\":{written},\"size\"");
        assert!(with_points(&text).contains(&expected), "{name}: {written}");
        assert_eq!(written.parse::<Spec>().expect(&name), spec, "{name}");
    }
}

#[test]
fn what_scanpointgenerator_refuses_is_refused_by_name() {
    let mut checked = 0;
    for (name, golden) in files() {
        let Some(stage) = golden["stage"].as_str() else { continue };
        let error = match (stage, Spec::from_value(&golden["generator"])) {
            ("deserialize", Err(error)) => error,
            ("deserialize", Ok(_)) => panic!("{name}: was read"),
            (_, spec) => Stack::new(&spec.expect(&name)).expect_err(&name),
        };
        let expected = ERRORS.iter().find(|(file, _)| name.starts_with(file));
        assert_eq!(expected.map(|(_, line)| *line), Some(error.to_string().as_str()), "{name}");
        checked += 1;
    }
    assert_eq!(checked, ERRORS.len());
}

/// Each refused file, and the line that we print for it.
const ERRORS: &[(&str, &str)] = &[
    ("020", "$.generators[1]: axis \"y\" is also moved by $.generators[0]: an axis is moved once"),
    (
        "021",
        "$.generators[0].typeid: \"foo:bar/1.0\" is no typeid of a known generator: it must be scanpointgenerator:generator/TYPE:1.0 with TYPE LineGenerator, ArrayGenerator, SpiralGenerator, LissajousGenerator, StaticPointGenerator, ZipGenerator, ConcatGenerator",
    ),
    (
        "022",
        "$.excluders[0].axes[0]: \"p\" is moved by no generator: an excluder has axes of the generators",
    ),
    (
        "023",
        "$.excluders[0]: the region has no point of its grid within it: the region and the grid must overlap",
    ),
    ("024", "$.generators[0].size: 0 is less than 1: size must be at least 1"),
];

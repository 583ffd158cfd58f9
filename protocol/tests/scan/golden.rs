//! Frames computed by scanspec 1.0, number by number: bit for bit where it does not depend on the
//! sine of a library, and wrong specifications refused where scanspec refuses them.
use bluefly_protocol::scan::{Points, Spec, Stack};
use serde_json::Value;
use std::{collections::BTreeSet, path::PathBuf};

/// The golden files of a folder by name.
pub(crate) fn files_of(folder: &str) -> Vec<(String, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(folder);
    let entries = std::fs::read_dir(&folder).expect("the golden files");
    let mut files: Vec<(String, String)> = entries
        .map(|entry| {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            (name, std::fs::read_to_string(&path).expect("a text"))
        })
        .collect();
    files.sort();
    files
}

pub(crate) fn files() -> Vec<(String, String)> {
    files_of("scanspec")
}

fn numbers(value: &Value) -> Vec<f64> {
    let list = value.as_array().expect("a list");
    list.iter().map(|number| number.as_f64().expect("a number")).collect()
}

/// The frames of a file as it gives them, taken from ours.
fn sampled(ours: &Value, golden: &Value) -> Vec<Value> {
    let list = ours.as_array().expect("a list");
    match golden["sample_indices"].as_array() {
        None => list.clone(),
        Some(indices) => indices
            .iter()
            .map(|index| list[index.as_u64().expect("an index") as usize].clone())
            .collect(),
    }
}

fn check_frames(name: &str, golden: &Value, ours: &Value) {
    for key in ["axes", "shape", "snaked", "num_points"] {
        assert_eq!(ours[key], golden[key], "{name}: {key}");
    }
    let (ours, theirs) = (&ours["frames"], &golden["frames"]);
    let exact = golden["exact"] == true;
    for key in ["midpoints", "lower", "upper"] {
        let (ours, theirs) = (&ours[key], theirs[key].as_object().expect("axes"));
        let axes: BTreeSet<_> = ours.as_object().expect("axes").keys().collect();
        assert_eq!(axes, theirs.keys().collect(), "{name}: axes of {key}");
        for (axis, theirs) in theirs {
            let ours = numbers(&Value::Array(sampled(&ours[axis], golden)));
            let theirs = numbers(theirs);
            assert_eq!(ours.len(), theirs.len(), "{name}: {key} {axis}");
            for (index, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
                let same = ours.to_bits() == theirs.to_bits();
                let near = same || (!exact && (ours - theirs).abs() <= 1e-12);
                assert!(near, "{name}: {key} {axis} {index}: {ours} is not {theirs}");
            }
        }
    }
    assert_eq!(Value::Array(sampled(&ours["gap"], golden)), theirs["gap"], "{name}: gap");
    match &theirs["duration"] {
        Value::Null => assert_eq!(ours["duration"], Value::Null, "{name}: duration"),
        theirs => {
            assert_eq!(&Value::Array(sampled(&ours["duration"], golden)), theirs, "{name}");
        }
    }
    if let Some(count) = golden["gap_true_count"].as_u64() {
        let gaps = ours["gap"].as_array().expect("gaps").iter().filter(|gap| **gap == true);
        assert_eq!(gaps.count() as u64, count, "{name}: gaps");
    }
}

/// Checks the frames of all files that have some, and says how many.
pub(crate) fn check_all_frames(files: Vec<(String, String)>) -> usize {
    let mut checked = 0;
    for (name, text) in files {
        let golden: Value = serde_json::from_str(&text).expect("JSON");
        if golden["frames"].is_null() {
            continue;
        }
        let spec = Spec::from_value(&golden["spec"]).expect(&name);
        let stack = Stack::new(&spec).expect(&name);
        let start = golden["path_start"].as_u64().unwrap_or(0);
        let num = golden["path_num"].as_u64().unwrap_or(stack.num_points());
        let points = Points::new(&stack, start..start + num);
        check_frames(&name, &golden, &serde_json::to_value(points).expect("JSON"));
        checked += 1;
    }
    checked
}

/// Checks that the specifications of all files that have frames are written as they were, and says
/// how many.
pub(crate) fn check_written(files: Vec<(String, String)>) -> usize {
    let mut checked = 0;
    for (name, text) in files {
        let golden: Value = serde_json::from_str(&text).expect("JSON");
        if golden["frames"].is_null() {
            continue;
        }
        let spec = Spec::from_value(&golden["spec"]).expect(&name);
        let written = serde_json::to_string(&spec).expect("JSON");
        assert!(text.contains(&format!("\"spec\":{written},\"axes\"")), "{name}: {written}");
        assert_eq!(written.parse::<Spec>().expect(&name), spec, "{name}");
        checked += 1;
    }
    checked
}

/// Checks that each file that scanspec refuses is refused at the same stage, with its line.
pub(crate) fn check_refused(files: Vec<(String, String)>, errors: &[(&str, &str)]) {
    let mut checked = 0;
    for (name, text) in files {
        let golden: Value = serde_json::from_str(&text).expect("JSON");
        let Some(stage) = golden["stage"].as_str() else { continue };
        let spec = Spec::from_value(&golden["spec"]);
        let error = match (stage, spec) {
            ("deserialize", Err(error)) => error,
            ("deserialize", Ok(_)) => panic!("{name}: was read"),
            (_, spec) => Stack::new(&spec.expect(&name)).expect_err(&name),
        };
        let expected = errors.iter().find(|(file, _)| name.starts_with(file));
        assert_eq!(expected.map(|(_, line)| *line), Some(error.to_string().as_str()), "{name}");
        checked += 1;
    }
    assert_eq!(checked, errors.len());
}

#[test]
fn frames_are_those_of_scanspec() {
    assert_eq!(check_all_frames(files()), 50);
}

#[test]
fn a_specification_is_written_as_scanspec_writes_it() {
    assert_eq!(check_written(files()), 50);
}

#[test]
fn what_scanspec_refuses_is_refused_by_name() {
    check_refused(files(), ERRORS);
}

/// Each refused file, and the line that we print for it.
const ERRORS: &[(&str, &str)] = &[
    ("050", "$.num: 0 is less than 1: num must be at least 1"),
    (
        "051",
        "$.type: \"Foo\" is no type of node: it must be one of Product, Zip, Snake, Concat, Squash, Linspace, Range, Fly, ConstantDuration, Static, Spiral, Ellipse, Polygon, Line, Mask",
    ),
    (
        "052",
        "$.type: type is missing: the type of a node is one of Product, Zip, Snake, Concat, Squash, Linspace, Range, Fly, ConstantDuration, Static, Spiral, Ellipse, Polygon, Line, Mask",
    ),
    ("053", "$.foo: 1 is not expected: Linspace has the fields axis, start, stop, num"),
    ("054", "$.value: value is missing: it is required"),
    ("055", "$.num: 2.5 has a fractional part: it must be a whole number"),
    ("056", "$.step: -0.1 is not greater than 0: step must be greater than 0"),
    ("057", "$.inner: axis \"x\" is also moved by $.outer: an axis is moved once"),
    ("058", "$.right: axis \"x\" is also moved by $.left: an axis is moved once"),
    ("059", "$: 2 and 3 frames do not fit: both sides of a Zip must have equally many"),
    ("060", "$: [x] != [y] in axes: both sides of a Concat must have the same axes"),
    ("061", "$: 0.1 would say the duration again: the specification within it says it already"),
    (
        "062",
        "$.inner: [x] would jump: what snakes within a squash must run an even number of times, or check_path_changes be false",
    ),
    (
        "063",
        "$.inner: [x] would run backwards: what is squashed within a Snake must snake too, or check_path_changes be false",
    ),
    ("064", "$: the left side alone is snaked: both sides of a Zip must be, or none"),
];

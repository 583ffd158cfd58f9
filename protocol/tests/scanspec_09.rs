//! Frames computed by scanspec 0.9, number by number: bit for bit where it does not depend on the
//! sine of a library, and wrong specifications refused where scanspec refuses them.
use bluefly_protocol::scan::{Points, Spec, Stack};
use serde_json::Value;
use std::{collections::BTreeSet, path::PathBuf};

fn files() -> Vec<(String, String, Value)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/scanspec_legacy09");
    let entries = std::fs::read_dir(&folder).expect("the golden files");
    let mut files: Vec<_> = entries
        .map(|entry| {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            let text = std::fs::read_to_string(&path).expect("a text");
            let golden = serde_json::from_str(&text).expect("JSON");
            (name, text, golden)
        })
        .collect();
    files.sort_by(|one, other| one.0.cmp(&other.0));
    assert_eq!(files.len(), 23);
    files
}

fn numbers(value: &Value) -> Vec<f64> {
    let list = value.as_array().expect("a list");
    list.iter().map(|number| number.as_f64().expect("a number")).collect()
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
            let (ours, theirs) = (numbers(&ours[axis]), numbers(theirs));
            assert_eq!(ours.len(), theirs.len(), "{name}: {key} {axis}");
            for (index, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
                let same = ours.to_bits() == theirs.to_bits();
                let near = same || (!exact && (ours - theirs).abs() <= 1e-12);
                assert!(near, "{name}: {key} {axis} {index}: {ours} is not {theirs}");
            }
        }
    }
    assert_eq!(ours["gap"], theirs["gap"], "{name}: gap");
    assert_eq!(ours["duration"], theirs["duration"], "{name}: duration");
}

#[test]
fn frames_are_those_of_scanspec() {
    let mut checked = 0;
    for (name, _, golden) in files() {
        if golden["frames"].is_null() {
            continue;
        }
        let spec = Spec::from_value(&golden["spec"]).expect(&name);
        let stack = Stack::new(&spec).expect(&name);
        let points = Points::new(&stack, 0..stack.num_points());
        check_frames(&name, &golden, &serde_json::to_value(points).expect("JSON"));
        checked += 1;
    }
    assert_eq!(checked, 19);
}

#[test]
fn a_specification_is_written_as_scanspec_writes_it() {
    for (name, text, golden) in files() {
        if golden["frames"].is_null() {
            continue;
        }
        let spec = Spec::from_value(&golden["spec"]).expect(&name);
        let written = serde_json::to_string(&spec).expect("JSON");
        assert!(text.contains(&format!("\"spec\":{written},\"axes\"")), "{name}: {written}");
        assert_eq!(written.parse::<Spec>().expect(&name), spec, "{name}");
    }
}

#[test]
fn what_scanspec_refuses_is_refused_by_name() {
    let mut checked = 0;
    for (name, _, golden) in files() {
        let Some(stage) = golden["stage"].as_str() else { continue };
        let spec = Spec::from_value(&golden["spec"]);
        let error = match (stage, spec) {
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
    ("019", "$.region.axis: \"z\" is no axis of what is masked: it has [x, y]"),
    ("020", "$.region.radius: -1 is not greater than 0: radius must be greater than 0"),
    ("021", "$.region.x_verts: a list of 2 is too short: a polygon has at least 3 vertices"),
    (
        "022",
        "$.inner: [x] would jump: what snakes within a squash must run an even number of times, or check_path_changes be false",
    ),
];

//! Regions of scanpointgenerator: which points they leave, and how they are written and refused.
use super::{
    compound_errors::refused,
    compounds::{compound, line, stack, typed, with},
};
use bluefly_protocol::scan::Spec;
use serde_json::{Value, json};
use std::f64::consts::{FRAC_PI_2, FRAC_PI_4};

fn roi(kind: &str, fields: &Value) -> Value {
    typed("roi", kind, fields)
}

fn excluder(rois: &[Value], axes: [&str; 2]) -> Value {
    typed("excluder", "ROIExcluder", &json!({"rois": rois, "axes": axes}))
}

/// A grid of whole numbers from -3 to 3, x fastest.
fn grid(excluders: &[Value]) -> Value {
    let lines = ["y", "x"].map(|axis| line(axis, (-3.0, 3.0), 7));
    compound(&lines, &json!({"excluders": excluders}))
}

/// The points that are left of the grid, in order.
fn left(excluders: &[Value]) -> Vec<[f64; 2]> {
    let stack = stack(&grid(excluders)).expect("a stack");
    let frames = stack.frames(0..u64::MAX);
    let (y, x) = (&frames.midpoints()[0], &frames.midpoints()[1]);
    x.iter().zip(y).map(|(x, y)| [*x, *y]).collect()
}

fn check(kind: &str, fields: &Value, expected: &[[f64; 2]]) {
    assert_eq!(left(&[excluder(&[roi(kind, fields)], ["x", "y"])]), expected, "{kind}: {fields}");
}

#[test]
fn a_region_leaves_the_points_within() {
    let cross = [[0.0, -1.0], [-1.0, 0.0], [0.0, 0.0], [1.0, 0.0], [0.0, 1.0]];
    check("CircularROI", &json!({"centre": [0, 0], "radius": 1}), &cross);
    check(
        "EllipticalROI",
        &json!({"centre": [0, 0], "semiaxes": [2, 0.5]}),
        &[-2.0, -1.0, 0.0, 1.0, 2.0].map(|x| [x, 0.0]),
    );
    let upright = json!({"centre": [0, 0], "semiaxes": [2.1, 0.5], "angle": FRAC_PI_2});
    check("EllipticalROI", &upright, &[-2.0, -1.0, 0.0, 1.0, 2.0].map(|y| [0.0, y]));
    check(
        "LinearROI",
        &json!({"start": [-1, 2], "length": 2, "angle": 0}),
        &[-1.0, 0.0, 1.0].map(|x| [x, 2.0]),
    );
    check("PointROI", &json!({"point": [3, -2]}), &[[3.0, -2.0]]);
    // Points on the lower and left edges are within, those on the others are not.
    check(
        "PolygonalROI",
        &json!({"points_x": [0, 2, 2, 0], "points_y": [0, 0, 2, 2]}),
        &[[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]],
    );
    let turned = json!({"start": [0, -1.5], "width": 2, "height": 2, "angle": FRAC_PI_4});
    check(
        "RectangularROI",
        &turned,
        &[[0.0, -1.0], [-1.0, 0.0], [0.0, 0.0], [1.0, 0.0], [0.0, 1.0]],
    );
    // Radii are compared with the distance, not with its square.
    check(
        "SectorROI",
        &json!({"centre": [0, 0], "radii": [1.5, 2.5], "angles": [-0.1, 1.7]}),
        &[[2.0, 0.0], [2.0, 1.0], [0.0, 2.0], [1.0, 2.0]],
    );
}

#[test]
fn regions_of_an_excluder_are_joined_and_those_of_several_cut() {
    let point = |x: i64, y: i64| roi("PointROI", &json!({"point": [x, y]}));
    let circle = roi("CircularROI", &json!({"centre": [0, 0], "radius": 2}));
    let points = [point(2, 2), point(0, 2), point(1, -1), point(3, 3)];
    let both = [excluder(&points, ["x", "y"]), excluder(&[circle], ["y", "x"])];
    assert_eq!(left(&both[..1]).len(), 4);
    assert_eq!(left(&both), [[1.0, -1.0], [0.0, 2.0]]);
    // The axes of the excluder say which coordinate is which.
    assert_eq!(left(&[excluder(&[point(1, 2)], ["y", "x"])]), [[2.0, 1.0]]);
}

#[test]
fn a_rectangle_over_two_lines_shortens_them() {
    let rectangle = |start: [f64; 2], width: f64, height: f64| {
        roi("RectangularROI", &json!({"start": start, "width": width, "height": height}))
    };
    let shape = |rectangle: Value| {
        let stack = stack(&grid(&[excluder(&[rectangle], ["x", "y"])])).expect("a stack");
        (stack.shape(), stack.frames(0..1).lower()[1][0])
    };
    assert_eq!(shape(rectangle([-1.0, 0.5], 2.0, 9.0)), (vec![3, 3], -1.5));
    assert_eq!(shape(rectangle([-9.0, -9.0], 99.0, 6.5)), (vec![1, 7], -3.5));
    // Also lines that run downwards, or stand.
    let down = |stop: f64| {
        let lines = [line("y", (3.0, stop), 7), line("x", (3.0, -3.0), 7)];
        let fields =
            json!({"excluders": [excluder(&[rectangle([-1.5, -0.5], 2.5, 9.0)], ["x", "y"])]});
        let stack = stack(&compound(&lines, &fields)).expect("a stack");
        let last = stack.frames(stack.num_points() - 1..u64::MAX);
        (stack.shape(), last.midpoints()[0][0], last.midpoints()[1][0])
    };
    assert_eq!(down(-3.0), (vec![4, 3], 0.0, -1.0));
    assert_eq!(down(3.0), (vec![7, 3], 3.0, -1.0));
    // Of a line along two axes the points are taken one by one.
    let diagonal =
        json!({"axes": ["x", "z"], "units": "mm", "start": [0, 0], "stop": [3, 3], "size": 4});
    let lines = [line("y", (0.0, 3.0), 4), typed("generator", "LineGenerator", &diagonal)];
    let fields = json!({"excluders": [excluder(&[rectangle([0.5, 0.5], 2.0, 1.0)], ["x", "y"])]});
    assert_eq!(stack(&compound(&lines, &fields)).expect("a stack").shape(), [2]);
    // It does not look at each point.
    let long = [line("y", (0.0, 1e9), 1 << 26), line("x", (0.0, 1e9), 1 << 26)];
    let stack = stack(&compound(&long, &fields.clone())).map(|stack| stack.shape());
    assert_eq!(stack.expect_err("no point").path, "$.excluders[0]");
}

#[test]
fn regions_are_written_as_they_were_read() {
    let text = concat!(
        r#"{"typeid":"scanpointgenerator:excluder/ROIExcluder:1.0","rois":["#,
        r#"{"typeid":"scanpointgenerator:roi/CircularROI:1.0","centre":[0.5,0.0],"radius":0.4},"#,
        r#"{"typeid":"scanpointgenerator:roi/EllipticalROI:1.0","centre":[0.5,0.0],"semiaxes":[1.0,2.0],"angle":0.1},"#,
        r#"{"typeid":"scanpointgenerator:roi/LinearROI:1.0","start":[0.0,0.0],"length":2.0,"angle":0.1},"#,
        r#"{"typeid":"scanpointgenerator:roi/PointROI:1.0","point":[0.0,1.0]},"#,
        r#"{"typeid":"scanpointgenerator:roi/PolygonalROI:1.0","points_x":[0.0,1.0,2.0],"points_y":[0.0,1.0,0.0]},"#,
        r#"{"typeid":"scanpointgenerator:roi/RectangularROI:1.0","start":[0.0,0.0],"width":1.0,"height":2.0,"angle":0.0},"#,
        r#"{"typeid":"scanpointgenerator:roi/SectorROI:1.0","centre":[0.0,0.0],"radii":[0.0,2.0],"angles":[0.5,1.5]}"#,
        r#"],"axes":["x","y"]}"#
    );
    let value: Value = serde_json::from_str(text).expect("JSON");
    let written = serde_json::to_string(&Spec::from_value(&grid(&[value])).expect("a spec"));
    let written = written.expect("JSON");
    assert!(written.contains(text), "{written}");
}

#[test]
fn what_is_wrong_in_a_region_is_named_in_one_line() {
    let one = |kind: &str, fields: Value, line: &str| {
        refused(&grid(&[excluder(&[roi(kind, &fields)], ["x", "y"])]), line);
    };
    let at = "$.excluders[0].rois[0]";
    one(
        "SquareROI",
        json!({}),
        &format!(
            "{at}.typeid: \"scanpointgenerator:roi/SquareROI:1.0\" is no typeid of a known roi: it \
             must be scanpointgenerator:roi/TYPE:1.0 with TYPE CircularROI, EllipticalROI, \
             LinearROI, PointROI, PolygonalROI, RectangularROI, SectorROI"
        ),
    );
    one(
        "CircularROI",
        json!({"centre": [0, 0], "radius": 0}),
        &format!("{at}.radius: 0 is not greater than 0: radius must be greater than 0"),
    );
    one(
        "CircularROI",
        json!({"centre": [0], "radius": 1}),
        &format!("{at}.centre: a list of 1 does not fit: centre must have one item per axis, 2"),
    );
    one(
        "EllipticalROI",
        json!({"centre": [0, 0], "semiaxes": [1, -1]}),
        &format!("{at}.semiaxes: [1.0, -1.0] is no ellipse: both semiaxes must be greater than 0"),
    );
    one(
        "LinearROI",
        json!({"start": [0, 0], "length": 1}),
        &format!("{at}.angle: angle is missing: it is required"),
    );
    one(
        "PolygonalROI",
        json!({"points_x": [0, 1], "points_y": [0, 1]}),
        &format!("{at}.points_x: a list of 2 is too short: a polygon has at least 3 vertices"),
    );
    one(
        "PolygonalROI",
        json!({"points_x": [0, 1, 2], "points_y": [0, 1]}),
        &format!("{at}.points_y: a list of 2 does not fit: there must be as many as points_x, 3"),
    );
    one(
        "RectangularROI",
        json!({"start": [0, 0], "width": -1, "height": 1}),
        &format!("{at}.width: -1 is not greater than 0: width must be greater than 0"),
    );
    one(
        "SectorROI",
        json!({"centre": [0, 0], "radii": [2, 1], "angles": [0, 1]}),
        &format!(
            "{at}.radii: [2.0, 1.0] is no sector: the first must not be negative, the second greater than 0 and not less than the first"
        ),
    );
}

#[test]
fn what_is_wrong_in_an_excluder_is_named_in_one_line() {
    let circle = |centre: [f64; 2]| roi("CircularROI", &json!({"centre": centre, "radius": 1}));
    refused(
        &grid(&[excluder(&[circle([9.0, 9.0])], ["x", "y"])]),
        "$.excluders[0]: the region has no point of its grid within it: the region and the grid must overlap",
    );
    let circle = circle([0.0, 0.0]);
    refused(
        &grid(&[excluder(&[], ["x", "y"])]),
        "$.excluders[0].rois: the list is empty: rois must have at least one item",
    );
    refused(
        &grid(&[with(excluder(std::slice::from_ref(&circle), ["x", "y"]), "axes", json!(["x"]))]),
        "$.excluders[0].axes: a list of 1 does not fit: there must be 2",
    );
    refused(
        &grid(&[excluder(std::slice::from_ref(&circle), ["x", "x"])]),
        "$.excluders[0].axes: \"x\" is there twice: once is enough",
    );
    refused(
        &grid(&[excluder(&[circle], ["x", "z"])]),
        "$.excluders[0].axes[1]: \"z\" is moved by no generator: an excluder has axes of the generators",
    );
}

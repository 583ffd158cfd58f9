//! What holds for every Mask: its frames are those of the grid whose midpoints lie within, asked one
//! by one, however the scan is read; what cannot be masked is refused in one line.
use bluefly_protocol::scan::{Frames, Spec, Stack};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng as Dice;
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn stack(spec: &Value) -> Result<Stack, String> {
    let spec = Spec::from_value(spec).map_err(|error| error.to_string())?;
    let again: Spec = serde_json::to_string(&spec).expect("JSON").parse().expect("a spec");
    assert_eq!(again, spec);
    Stack::new(&spec).map_err(|error| error.to_string())
}

fn whole(stack: &Stack) -> Frames {
    stack.frames(0..stack.num_points())
}

type Point<'a> = BTreeMap<&'a str, f64>;

fn field(region: &Value, name: &str) -> f64 {
    region[name].as_f64().expect(name)
}

/// Whether a point lies within a region: the operations of scanspec 0.9, written down once more.
fn within(region: &Value, point: &Point) -> bool {
    let of = |name: &str| field(region, name);
    let at = |name: &str| point[region[name].as_str().expect("an axis")];
    let turned = |x: f64, y: f64| match of("angle") {
        0.0 => (x, y),
        angle => {
            let (sine, cosine) = (-angle).to_radians().sin_cos();
            (x * cosine - y * sine, x * sine + y * cosine)
        }
    };
    let side = |name: &str| within(&region[name], point);
    match region["type"].as_str().expect("a type") {
        "Range" => at("axis") >= of("min") && at("axis") <= of("max"),
        "Rectangle" => {
            let (x, y) = turned(at("x_axis") - of("x_min"), at("y_axis") - of("y_min"));
            (0.0..=of("x_max") - of("x_min")).contains(&x)
                && (0.0..=of("y_max") - of("y_min")).contains(&y)
        }
        "Circle" => {
            let (x, y) = (at("x_axis") - of("x_middle"), at("y_axis") - of("y_middle"));
            x * x + y * y <= of("radius") * of("radius")
        }
        "Ellipse" => {
            let (x, y) = turned(at("x_axis") - of("x_middle"), at("y_axis") - of("y_middle"));
            (x / of("x_radius")).powi(2) + (y / of("y_radius")).powi(2) <= 1.0
        }
        "Polygon" => {
            let list = |name: &str| -> Vec<f64> {
                region[name].as_array().expect("a list").iter().filter_map(Value::as_f64).collect()
            };
            let (xs, ys, x, y) = (list("x_verts"), list("y_verts"), at("x_axis"), at("y_axis"));
            let crosses = |to: &usize| {
                let from = (to + xs.len() - 1) % xs.len();
                let edge = xs[from] + (y - ys[from]) / (ys[*to] - ys[from]) * (xs[*to] - xs[from]);
                (y < ys[*to]) != (y < ys[from]) && x < edge
            };
            (0..xs.len()).filter(crosses).count() % 2 == 1
        }
        "UnionOf" => side("left") || side("right"),
        "IntersectionOf" => side("left") && side("right"),
        "DifferenceOf" => side("left") && !side("right"),
        _ => side("left") != side("right"),
    }
}

fn of(dice: &mut Dice, choices: &[f64]) -> f64 {
    choices[dice.random_range(0..choices.len())]
}

fn number(dice: &mut Dice) -> f64 {
    if dice.random_bool(0.2) {
        return dice.random_range(-2.0..2.0);
    }
    of(dice, &[0.0, 1.0, -1.0, 0.5, 0.1, 0.3, -0.6, 1.5, 2.0, 1.0 / 3.0])
}

fn area(dice: &mut Dice, [x, y]: [&str; 2]) -> Value {
    let angle = of(dice, &[0.0, 0.0, 90.0, 45.0, 30.0, -75.0]);
    let (left, low) = (number(dice), number(dice));
    let (width, height) = (number(dice).abs() + 0.1, number(dice).abs() + 0.1);
    let mut verts = || -> Vec<f64> { (0..5).map(|_| number(dice)).collect() };
    let (x_verts, y_verts) = (verts(), verts());
    match dice.random_range(0..5) {
        0 => json!({"type": "Range", "axis": x, "min": left, "max": left + width}),
        1 => json!({"type": "Rectangle", "x_axis": x, "y_axis": y, "x_min": left, "y_min": low,
            "x_max": left + width, "y_max": low + height, "angle": angle}),
        2 => json!({"type": "Circle", "x_axis": x, "y_axis": y, "x_middle": left,
            "y_middle": low, "radius": width}),
        3 => json!({"type": "Ellipse", "x_axis": x, "y_axis": y, "x_middle": left,
            "y_middle": low, "x_radius": width, "y_radius": height, "angle": angle}),
        _ => json!({"type": "Polygon", "x_axis": x, "y_axis": y, "x_verts": x_verts,
            "y_verts": y_verts}),
    }
}

/// A region in which every area has both axes but for ranges of the first.
fn region(dice: &mut Dice, depth: u32, axes: [&str; 2]) -> Value {
    if depth == 0 || dice.random_bool(0.4) {
        return area(dice, axes);
    }
    let kinds = ["UnionOf", "IntersectionOf", "DifferenceOf", "SymmetricDifferenceOf"];
    json!({"type": kinds[dice.random_range(0..4)], "left": region(dice, depth - 1, axes),
        "right": region(dice, depth - 1, axes)})
}

fn line(dice: &mut Dice, axis: &str) -> Value {
    let num = [1, 2, 3, 5, 9, 21][dice.random_range(0..6)];
    json!({"type": "Line", "axis": axis, "start": number(dice), "stop": number(dice), "num": num})
}

fn snake(dice: &mut Dice, spec: Value) -> Value {
    if dice.random_bool(0.5) { json!({"type": "Snake", "spec": spec}) } else { spec }
}

/// Something squashed, with the axes x and y among others.
fn grid(dice: &mut Dice) -> Value {
    let x = line(dice, "x");
    let (x, y) = (snake(dice, x), line(dice, "y"));
    let grid = json!({"type": "Product", "outer": y, "inner": x});
    let spec = match dice.random_range(0..6) {
        0 | 1 => grid,
        2 => {
            let z = line(dice, "z");
            json!({"type": "Product", "outer": grid, "inner": snake(dice, z)})
        }
        3 => {
            let spiral = json!({"type": "Spiral", "x_axis": "x", "y_axis": "y", "x_start": 0.1,
                "y_start": number(dice), "x_range": 3, "y_range": 2, "num": 50, "rotate": 0.4});
            json!({"type": "Product", "outer": line(dice, "z"), "inner": snake(dice, spiral)})
        }
        4 => json!({"type": "Mask", "spec": grid, "region": region(dice, 1, ["x", "y"]),
            "check_path_changes": false}),
        _ => {
            let other = json!({"type": "Product", "outer": line(dice, "y"),
                "inner": line(dice, "x")});
            json!({"type": "Concat", "left": {"type": "Squash", "spec": grid}, "gap": true,
                "right": {"type": "Squash", "spec": other}, "check_path_changes": false})
        }
    };
    let spec = json!({"type": "Squash", "spec": spec, "check_path_changes": false});
    let spec = snake(dice, spec);
    if dice.random_bool(0.5) { json!({"type": "Fly", "spec": spec}) } else { spec }
}

/// The frames of a grid that are taken, by asking each of them.
fn kept(frames: &Frames, region: &Value) -> Vec<usize> {
    let point = |index: usize| -> Point {
        let axes = frames.axes().iter().map(String::as_str);
        axes.zip(frames.midpoints().iter().map(|values| values[index])).collect()
    };
    (0..frames.len()).filter(|index| within(region, &point(*index))).collect()
}

fn check_frames(frames: &Frames, masked: &Frames, kept: &[usize]) {
    let columns = |frames: &Frames| {
        [frames.midpoints().to_vec(), frames.lower().to_vec(), frames.upper().to_vec()]
    };
    for (all, taken) in columns(frames).iter().zip(columns(masked)) {
        for (all, taken) in all.iter().zip(taken) {
            let expected: Vec<f64> = kept.iter().map(|index| all[*index]).collect();
            assert_eq!(taken, expected);
        }
    }
    for index in 1..masked.len() {
        let apart =
            masked.upper().iter().zip(masked.lower()).any(|(up, low)| up[index - 1] != low[index]);
        assert_eq!(masked.gap()[index], apart, "the gap before {index}");
    }
}

/// The same frames, in chunks and from some frame on; and the pieces are the frames.
fn check_reading(stack: &Stack, whole: &Frames, dice: &mut Dice) {
    let (total, chunk) = (stack.num_points(), dice.random_range(1..40));
    for start in (0..total).step_by(chunk) {
        let part = stack.frames(start..start + chunk as u64);
        let rows = start as usize..start as usize + part.len();
        for axis in 0..whole.axes().len() {
            assert_eq!(whole.midpoints()[axis][rows.clone()], part.midpoints()[axis]);
            assert_eq!(whole.lower()[axis][rows.clone()], part.lower()[axis]);
            assert_eq!(whole.upper()[axis][rows.clone()], part.upper()[axis]);
        }
        assert_eq!(whole.gap()[rows], *part.gap());
    }
    let mut next = dice.random_range(0..total);
    for piece in stack.pieces(next) {
        assert_eq!(piece.first_frame, next);
        let (first, last) = (next as usize, (next + piece.frames - 1) as usize);
        for axis in 0..whole.axes().len() {
            assert_eq!(piece.start[axis].to_bits(), whole.lower()[axis][first].to_bits());
            assert_eq!(piece.end[axis].to_bits(), whole.upper()[axis][last].to_bits());
        }
        assert!(whole.gap()[first + 1..=last].iter().all(|gap| !gap), "within a piece");
        next += piece.frames;
    }
    assert_eq!(next, total);
}

#[test]
fn frames_are_those_of_the_grid_that_lie_within() {
    let (mut masked, mut empty) = (0, 0);
    for seed in 0..2_000 {
        let mut dice = Dice::seed_from_u64(seed);
        let grid = grid(&mut dice);
        let region = region(&mut dice, 2, ["x", "y"]);
        let spec = json!({"type": "Mask", "spec": grid, "region": region});
        let Ok(source) = stack(&grid) else { continue };
        println!("seed {seed}: {spec}");
        let frames = whole(&source);
        let kept = kept(&frames, &region);
        match stack(&spec) {
            Ok(stack) => {
                let ours = whole(&stack);
                check_frames(&frames, &ours, &kept);
                check_reading(&stack, &ours, &mut dice);
                masked += 1;
            }
            Err(error) => {
                assert!(error.contains("has no point of its grid within it"), "{error}");
                assert!(kept.is_empty());
                empty += 1;
            }
        }
    }
    assert!(masked > 750 && empty > 100, "{masked} masked, {empty} empty");
}

/// Where a single point is followed by a line, the points that are asked one by one end within it.
#[test]
fn a_line_after_a_point_is_not_taken_twice() {
    let check = |before: Value, [min, max]: [f64; 2], expected: usize| {
        let line = json!({"type": "Line", "axis": "x", "start": 0, "stop": 5000, "num": 5001});
        let spec = json!({"type": "Concat", "left": before, "right": line});
        let region = json!({"type": "Range", "axis": "x", "min": min, "max": max});
        let kept = kept(&whole(&stack(&spec).expect("a stack")), &region);
        let masked = stack(&json!({"type": "Mask", "spec": spec, "region": region}));
        let masked = whole(&masked.expect("a stack"));
        check_frames(&whole(&stack(&spec).expect("a stack")), &masked, &kept);
        assert_eq!(masked.len(), expected);
    };
    let point = json!({"type": "Static", "axis": "x", "value": -1});
    check(point.clone(), [-2.0, 3000.0], 3002);
    check(point.clone(), [2000.0, 3000.0], 1001);
    check(point.clone(), [500.0, 600.0], 101);
    let twice = json!({"type": "Concat", "left": point, "right": point});
    check(twice, [-2.0, 3000.0], 3003);
}

/// Each dimension sees the areas that have one of its axes; those of more than one are squashed.
#[test]
fn dimensions_are_squashed_only_where_an_area_has_several() {
    let line = |axis: &str, num: u64| json!({"type": "Line", "axis": axis, "start": 0, "stop": 4, "num": num});
    let range = |axis: &str| json!({"type": "Range", "axis": axis, "min": 1, "max": 3});
    let circle = |x: &str, y: &str| json!({"type": "Circle", "x_axis": x, "y_axis": y, "x_middle": 2, "y_middle": 2, "radius": 1});
    let both =
        |kind: &str, left: Value, right: Value| json!({"type": kind, "left": left, "right": right});
    let cube = json!({"type": "Product", "outer": line("z", 5),
        "inner": {"type": "Product", "outer": line("y", 5), "inner": line("x", 5)}});
    let check = |region: Value, expected: &[u64]| {
        let mask = json!({"type": "Mask", "spec": cube, "region": region});
        assert_eq!(stack(&mask).expect("a stack").shape(), expected, "{region}");
    };
    check(range("y"), &[5, 3, 5]);
    check(both("IntersectionOf", range("z"), range("x")), &[3, 5, 3]);
    check(both("UnionOf", range("z"), range("x")), &[5, 5, 5]);
    check(circle("x", "y"), &[5, 5]);
    check(circle("z", "y"), &[5, 5]);
    check(circle("x", "z"), &[25]);
    check(both("IntersectionOf", circle("x", "y"), range("z")), &[3, 5]);
    check(both("UnionOf", circle("x", "y"), circle("y", "z")), &[39]);
}

#[test]
fn what_cannot_be_masked_is_refused_in_one_line() {
    let line = |stop: f64, num: u64| json!({"type": "Line", "axis": "x", "start": 0, "stop": stop, "num": num});
    let range =
        |axis: &str, min: f64| json!({"type": "Range", "axis": axis, "min": min, "max": 1e300});
    let check = |spec: Value, region: Value, expected: &str| {
        let mask = json!({"type": "Mask", "spec": spec, "region": region});
        assert_eq!(stack(&mask).expect_err("an error"), expected);
    };
    let none =
        "$: the region has no point of its grid within it: the region and the grid must overlap";
    check(line(1.0, 5), range("x", 1.5), none);
    let axis = "$.region.left.axis: \"y\" is no axis of what is masked: it has [x]";
    let both = json!({"type": "UnionOf", "left": range("y", 0.0), "right": range("x", 0.0)});
    check(line(1.0, 5), both, axis);
    check(
        line(1.0, 5),
        json!({"type": "CombinationOf", "left": range("x", 0.0), "right": range("x", 0.0)}),
        "$.region.type: \"CombinationOf\" is no type of region: it must be one of Range, Rectangle, Polygon, Circle, Ellipse, UnionOf, IntersectionOf, DifferenceOf, SymmetricDifferenceOf",
    );
    check(
        line(1.0, 5),
        json!({"type": "Polygon", "x_axis": "x", "y_axis": "x", "x_verts": [0, 1, 2, 3], "y_verts": [0, 1, 2]}),
        "$.region: 4 and 3 numbers do not fit: x_verts and y_verts must be equally many",
    );
    let twice = |kind: &str, fields: &Value| {
        let mut region = json!({"type": kind, "x_axis": "x", "y_axis": "x"});
        region
            .as_object_mut()
            .expect("a region")
            .extend(fields.as_object().expect("fields").clone());
        let expected = "$.region.x_axis: \"x\" is also the y_axis: a region has two axes";
        check(line(1.0, 5), region, expected);
    };
    twice("Rectangle", &json!({"x_min": 0, "y_min": 0, "x_max": 1, "y_max": 1}));
    twice("Circle", &json!({"x_middle": 0, "y_middle": 0, "radius": 1}));
    twice("Ellipse", &json!({"x_middle": 0, "y_middle": 0, "x_radius": 1, "y_radius": 1}));
    twice("Polygon", &json!({"x_verts": [0, 1, 2], "y_verts": [0, 1, 0]}));
    let mut deep = range("x", 0.0);
    for _ in 0..100 {
        deep = json!({"type": "UnionOf", "left": deep, "right": range("x", 0.0)});
    }
    let place = format!("$.region{}", ".left".repeat(100));
    check(line(1.0, 5), deep, &format!("{place}: the region is nested more than 100 deep"));
    let spiral = json!({"type": "Spiral", "x_axis": "x", "y_axis": "y", "x_start": 0, "y_start": 0,
        "x_range": 1, "y_range": 1, "num": 1_u64 << 40});
    check(
        spiral,
        range("x", 0.0),
        "$: a grid of 1099511627776 frames cannot be masked: 3298534883328 looks or more would be needed, all masks of a scan may take 67108864",
    );
}

/// A spiral's fields tell which it is; those of both are refused.
#[test]
fn a_spiral_is_of_one_version() {
    let old = r#"{"type":"Spiral","x_axis":"x","y_axis":"y","x_start":0,"y_start":0,"x_range":1,"y_range":1"#;
    let read = |text: String| text.parse::<Spec>().map_err(|error| error.to_string());
    assert_eq!(read(format!("{old}}}")), Err("$.num: num is missing: it is required".to_owned()));
    let mixed = read(format!("{old},\"num\":3,\"x_step\":1}}")).expect_err("an error");
    assert!(
        mixed.starts_with("$.x_step: 1 is not expected: Spiral has the fields x_axis"),
        "{mixed}"
    );
    let written = serde_json::to_string(&read(format!("{old},\"num\":3}}")).expect("a spiral"));
    let expected = r#"{"x_axis":"x","y_axis":"y","x_start":0.0,"y_start":0.0,"x_range":1.0,"y_range":1.0,"num":3,"rotate":0.0,"type":"Spiral"}"#;
    assert_eq!(written.expect("JSON"), expected);
}

/// Durations stay with their frames.
#[test]
fn durations_are_masked_too() {
    let part = |seconds: f64, start: f64| {
        json!({"type": "ConstantDuration", "constant_duration": seconds, "spec":
            {"type": "Line", "axis": "x", "start": start, "stop": start + 2.0, "num": 3}})
    };
    let both = json!({"type": "Concat", "left": part(0.5, 0.0), "right": part(0.25, 3.0)});
    let region = json!({"type": "SymmetricDifferenceOf",
        "left": {"type": "Range", "axis": "x", "min": 1, "max": 4},
        "right": {"type": "Range", "axis": "x", "min": 3, "max": 3}});
    let mask = json!({"type": "Snake", "spec": {"type": "Mask", "spec": both, "region": region}});
    let stack = stack(&json!({"type": "Product", "outer": 2, "inner": mask})).expect("a stack");
    let frames = whole(&stack);
    assert_eq!(frames.midpoints()[0], [1.0, 2.0, 4.0, 4.0, 2.0, 1.0]);
    assert_eq!(frames.duration_s(), Some(&[0.5, 0.5, 0.25, 0.25, 0.5, 0.5][..]));
    let pieces: Vec<Option<f64>> = stack.pieces(0).map(|piece| piece.frame_duration_s).collect();
    assert_eq!(pieces, [0.5, 0.5, 0.25, 0.25, 0.5, 0.5].map(Some));
}

/// Positions near the end of the numbers, steps near their beginning, and points on every edge.
#[test]
fn rounding_decides_as_it_does_point_by_point() {
    let line = |start: f64, stop: f64, num: u64| json!({"type": "Line", "axis": "x", "start": start, "stop": stop, "num": num});
    let row = |y: f64, x: Value| json!({"type": "Zip", "left": x, "right": {"type": "Static", "axis": "y", "value": y}});
    let circle = |x: f64, radius: f64| json!({"type": "Circle", "x_axis": "x", "y_axis": "y", "x_middle": x, "y_middle": 0, "radius": radius});
    let ellipse = |angle: f64, radius: f64| json!({"type": "Ellipse", "x_axis": "x", "y_axis": "y", "x_middle": 0, "y_middle": 0, "x_radius": radius, "y_radius": 2.0 * radius, "angle": angle});
    let rectangle = |angle: f64| json!({"type": "Rectangle", "x_axis": "x", "y_axis": "y", "x_min": 0, "y_min": 0, "x_max": 3, "y_max": 4, "angle": angle});
    let range = |min: f64, max: f64| json!({"type": "Range", "axis": "x", "min": min, "max": max});
    let near = 1e-16;
    let lines = [
        line(-1e300, 1e300, 1001),
        line(1e300, 1.000_000_000_000_01e300, 999),
        line(-1e-300, 1e-300, 1001),
        line(1.0 - 500.0 * near, 1.0 + 500.0 * near, 2001),
        line(-3.0, 3.0, 6001),
        line(1e15, 1e15 + 100.0, 801),
        line(0.5, 0.5, 1),
    ];
    let regions = [
        circle(0.0, 1.0),
        circle(1e300, 1e285),
        circle(0.0, 1e-300),
        circle(0.0, 1e200),
        circle(1e15, 30.0),
        ellipse(30.0, 1.0),
        ellipse(90.0, 0.5),
        ellipse(0.0, 1e160),
        ellipse(45.0, 1e-170),
        rectangle(0.0),
        rectangle(90.0),
        rectangle(30.0),
        range(0.0, 1e299),
        range(1.0, 1.0 + 2.0 * near),
        range(0.5, 0.5),
    ];
    let mut some = 0;
    for (line, y) in lines.iter().flat_map(|line| [0.0, 1.0, -0.5, 1e-300].map(|y| (line, y))) {
        let grid = row(y, line.clone());
        let frames = whole(&stack(&grid).expect("a row"));
        for region in &regions {
            let kept = kept(&frames, region);
            let mask = json!({"type": "Mask", "spec": grid, "region": region});
            let empty = |error: String| {
                let rule =
                    "has no point of its grid within it: the region and the grid must overlap";
                assert_eq!(error, format!("$: the region {rule}"), "{mask}");
                Vec::new()
            };
            let ours = stack(&mask).map_or_else(empty, |ours| whole(&ours).midpoints()[0].clone());
            let axis = frames.axes().iter().position(|axis| axis == "x").expect("x");
            let expected: Vec<f64> =
                kept.iter().map(|index| frames.midpoints()[axis][*index]).collect();
            assert_eq!(ours, expected, "{mask}");
            some += usize::from(!kept.is_empty());
        }
    }
    assert!(some > 100, "{some} have a point within");
}

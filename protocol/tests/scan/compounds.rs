//! Random specifications of scanpointgenerator, what they must obey, and rules of the single types.
use super::{compound_errors::refused, properties::Dice};
use bluefly_protocol::scan::{Frames, Spec, SpecError, Stack};
use serde_json::{Value, json};

pub(crate) fn typed(family: &str, kind: &str, fields: &Value) -> Value {
    let mut value = json!({"typeid": format!("scanpointgenerator:{family}/{kind}:1.0")});
    let (map, fields) = (value.as_object_mut().expect("a map"), fields.as_object().expect("a map"));
    map.extend(fields.clone());
    value
}

pub(crate) fn of(kind: &str, fields: &Value) -> Value {
    typed("generator", kind, fields)
}

pub(crate) fn compound(generators: &[Value], fields: &Value) -> Value {
    let mut compound = of("CompoundGenerator", fields);
    compound["generators"] = json!(generators);
    compound
}

pub(crate) fn line(axis: &str, (start, stop): (f64, f64), size: u64) -> Value {
    let fields =
        json!({"axes": [axis], "units": ["mm"], "start": [start], "stop": [stop], "size": size});
    of("LineGenerator", &fields)
}

/// A generator of so many points along the axes, or of its own number if it must not be of a size.
fn leaf(dice: &mut Dice, axes: &[&str], size: u64) -> Value {
    let number = |dice: &mut Dice| dice.of(&[0.0, 1.0, -1.5, 0.1, 1.0 / 3.0, 2.5]);
    let numbers =
        |dice: &mut Dice, count: usize| -> Vec<f64> { (0..count).map(|_| number(dice)).collect() };
    let (start, stop) = (numbers(dice, axes.len()), numbers(dice, axes.len()));
    match (axes.len(), dice.roll(4)) {
        (0, _) => of("StaticPointGenerator", &json!({"size": size})),
        (1, 0) => of("StaticPointGenerator", &json!({"size": size, "axes": axes})),
        (1, 1) => {
            let points = numbers(dice, size as usize);
            of("ArrayGenerator", &json!({"axes": axes, "units": "mm", "points": points}))
        }
        (2, 0) => of(
            "LissajousGenerator",
            &json!({"axes": axes, "units": "mm", "centre": start, "span": stop,
                "lobes": 1 + dice.roll(3), "size": size}),
        ),
        _ => of(
            "LineGenerator",
            &json!({"axes": axes, "units": "mm", "start": start, "stop": stop, "size": size}),
        ),
    }
}

fn generator(dice: &mut Dice, free: &mut Vec<&'static str>) -> Value {
    let size = 1 + dice.roll(5);
    let count = (dice.roll(3) as usize).min(free.len());
    let axes = free.split_off(free.len() - count);
    let mut value = match dice.roll(6) {
        0 => {
            let more = free.split_off(free.len() - free.len().min(1));
            let (left, right) = (leaf(dice, &axes, size), leaf(dice, &more, size));
            of("ZipGenerator", &json!({"generators": [left, right]}))
        }
        1 if axes.len() == 1 => {
            // Lines which go on, and an array which does so or not.
            let start = dice.of(&[0.0, 0.1, -1.0]);
            let last = start + size as f64 * 0.1 + 0.2;
            let array = json!({"axes": axes, "units": "mm", "points": [last, last + 0.1, last + dice.of(&[0.2, 0.7])]});
            let lines = [
                line(axes[0], (start, start + size as f64 * 0.1), size + 1),
                line(
                    axes[0],
                    (start + size as f64 * 0.1 + 0.05, start + size as f64 * 0.1 + 0.15),
                    1,
                ),
                of("ArrayGenerator", &array),
            ];
            of("ConcatGenerator", &json!({"generators": lines}))
        }
        2 if axes.len() == 2 => of(
            "SpiralGenerator",
            &json!({"axes": axes, "units": ["mm", "um"], "centre": [0.1, -1], "radius": size, "scale": 2}),
        ),
        _ => leaf(dice, &axes, size),
    };
    if !value["typeid"].to_string().contains("Static") {
        value["alternate"] = json!(dice.chance());
    }
    value
}

/// A region somewhere near the points.
fn roi(dice: &mut Dice) -> Value {
    let near = |dice: &mut Dice| dice.of(&[0.0, 0.5, -0.7, 1.0, 0.25]);
    let (centre, angle) = ([near(dice), near(dice)], dice.of(&[0.0, 0.3, -2.0]));
    let long = |dice: &mut Dice| dice.of(&[0.6, 1.0, 1.7, 3.0]);
    let (one, other) = (long(dice), long(dice));
    let (kind, fields) = match dice.roll(8) {
        0 => ("CircularROI", json!({"centre": centre, "radius": one})),
        1 => ("EllipticalROI", json!({"centre": centre, "semiaxes": [one, other], "angle": angle})),
        2 => ("LinearROI", json!({"start": centre, "length": one, "angle": angle})),
        3 => ("PointROI", json!({"point": centre})),
        4 => {
            let points =
                |dice: &mut Dice| -> Vec<f64> { (0..4).map(|_| long(dice) - long(dice)).collect() };
            ("PolygonalROI", json!({"points_x": points(dice), "points_y": points(dice)}))
        }
        5 => (
            "SectorROI",
            json!({"centre": centre, "radii": [dice.of(&[0.0, 0.5]), one], "angles": [angle, angle + other]}),
        ),
        _ => (
            "RectangularROI",
            json!({"start": [centre[0] - 1.0, centre[1] - 0.5], "width": one + 1.0, "height": other, "angle": dice.of(&[0.0, 0.0, angle])}),
        ),
    };
    typed("roi", kind, &fields)
}

fn excluder(dice: &mut Dice, axes: &[&str]) -> Value {
    let (first, second) = (dice.of(axes), dice.of(axes));
    if first == second {
        return typed("excluder", "SquashingExcluder", &json!({"axes": first}));
    }
    let some = [first, second];
    if dice.roll(4) == 0 {
        return typed("excluder", "SquashingExcluder", &json!({"axes": some}));
    }
    let rois: Vec<Value> = (0..=dice.roll(2)).map(|_| roi(dice)).collect();
    typed("excluder", "ROIExcluder", &json!({"rois": rois, "axes": some}))
}

/// A random compound, refused ones included.
pub(crate) fn random(dice: &mut Dice) -> Value {
    let mut free = vec!["a", "b", "c", "d", "e"];
    let generators: Vec<Value> = (0..=dice.roll(4)).map(|_| generator(dice, &mut free)).collect();
    let used = |axis: &&&str| !free.contains(*axis);
    let axes: Vec<&str> = ["a", "b", "c", "d", "e"].iter().filter(used).copied().collect();
    let mut fields =
        json!({"duration": dice.of(&[0.1, -1.0, 0.0]), "continuous": dice.roll(3) > 0});
    if dice.roll(4) == 0 {
        fields["delay_after"] = json!(dice.of(&[0.05, -0.2]));
    }
    if dice.chance() && !axes.is_empty() {
        let excluders: Vec<Value> = (0..=dice.roll(2)).map(|_| excluder(dice, &axes)).collect();
        fields["excluders"] = json!(excluders);
    }
    if dice.roll(3) == 0 && !axes.is_empty() {
        let offset = json!({"seed": dice.roll(99), "axes": axes[0], "max_offset": 0.01});
        fields["mutators"] = json!([typed("mutator", "RandomOffsetMutator", &offset)]);
    }
    compound(&generators, &fields)
}

pub(crate) fn stack(value: &Value) -> Result<Stack, SpecError> {
    Stack::new(&Spec::from_value(value)?)
}

fn frames(value: &Value) -> Frames {
    stack(value).expect("a stack").frames(0..u64::MAX)
}

#[test]
fn a_gap_is_where_bounds_do_not_meet_or_something_is_waited_for() {
    let mut accepted = 0;
    for seed in 0..600 {
        let value = random(&mut Dice(seed));
        let Ok(stack) = stack(&value) else { continue };
        accepted += 1;
        println!("seed {seed}: {value}");
        let frames = stack.frames(0..stack.num_points().min(5_000));
        let waits = stack.delay_after_s() > Some(0.0);
        assert_eq!(stack.delay_after_s(), frames.delay_after_s());
        let pieces: u64 = stack
            .pieces(0)
            .take(5_000)
            .map(|piece| {
                let delay = if piece.first_frame > 0 && waits { 0.05 } else { 0.0 };
                assert_eq!(piece.delay_before_s, delay);
                assert!(!waits || piece.frames == 1, "a row with a delay in it: {piece:?}");
                piece.frames
            })
            .sum();
        assert!(pieces >= frames.len() as u64);
        for frame in 1..frames.len() {
            let meets = (0..frames.axes().len())
                .all(|axis| frames.upper()[axis][frame - 1] == frames.lower()[axis][frame]);
            assert_eq!(frames.gap()[frame], waits || !meets, "frame {frame}");
        }
    }
    assert!(accepted > 350, "only {accepted} were not refused");
}

/// Midpoints and bounds of the frames of an axis.
fn axis_of(frames: &Frames, name: &str) -> Vec<[f64; 3]> {
    let axis = frames.axes().iter().position(|axis| axis == name).expect("an axis");
    let values = [frames.midpoints(), frames.lower(), frames.upper()].map(|table| &table[axis]);
    (0..frames.len()).map(|frame| values.map(|column| column[frame])).collect()
}

fn reversed(frames: &[[f64; 3]]) -> Vec<[f64; 3]> {
    frames.iter().rev().map(|[mid, lower, upper]| [*mid, *upper, *lower]).collect()
}

pub(crate) fn with(mut generator: Value, key: &str, value: Value) -> Value {
    generator[key] = value;
    generator
}

#[test]
fn what_alternates_runs_backwards_every_other_time() {
    let twice = of("StaticPointGenerator", &json!({"size": 2}));
    for seed in 0..300 {
        let mut free = vec!["a", "b"];
        let inner = generator(&mut Dice(seed), &mut free);
        if inner["typeid"].to_string().contains("Static") {
            continue;
        }
        let inner = with(inner, "alternate", json!(true));
        let (Ok(once), Ok(both)) = (
            stack(&compound(std::slice::from_ref(&inner), &json!({}))),
            stack(&compound(&[twice.clone(), inner], &json!({}))),
        ) else {
            continue;
        };
        let (once, both) = (once.frames(0..u64::MAX), both.frames(0..u64::MAX));
        for axis in once.axes() {
            let (once, both) = (axis_of(&once, axis), axis_of(&both, axis));
            assert_eq!(once, both[..once.len()]);
            assert_eq!(reversed(&once), both[once.len()..]);
        }
        assert!(!both.gap()[once.len()]);
    }
    // What alternates within what alternates, as two dimensions and as one.
    let [y, x] = [("y", 3), ("x", 4)]
        .map(|(axis, size)| with(line(axis, (0.0, 1.0), size), "alternate", json!(true)));
    let squash = json!({"excluders": [typed("excluder", "SquashingExcluder", &json!({"axes": ["x", "y"]}))]});
    let apart = frames(&compound(&[twice.clone(), y.clone(), x.clone()], &json!({})));
    let joined = frames(&compound(&[twice, y, x], &squash));
    for axis in ["y", "x"] {
        let all = axis_of(&apart, axis);
        assert_eq!(all, axis_of(&joined, axis));
        assert_eq!(reversed(&all[..12]), all[12..]);
    }
    assert_eq!(apart.gap(), joined.gap());
}

#[test]
fn a_zip_is_its_generators_at_the_same_time() {
    for seed in 0..200 {
        let (size, dice) = (1 + seed % 6, &mut Dice(seed));
        let (left, right) = (leaf(dice, &["a"], size), leaf(dice, &["b", "c"], size));
        let zip = of("ZipGenerator", &json!({"generators": [left, right]}));
        let zip = frames(&compound(&[zip], &json!({})));
        let (left, right) =
            (frames(&compound(&[left], &json!({}))), frames(&compound(&[right], &json!({}))));
        assert_eq!(axis_of(&zip, "a"), axis_of(&left, "a"));
        assert_eq!(axis_of(&zip, "b"), axis_of(&right, "b"));
        assert_eq!(axis_of(&zip, "c"), axis_of(&right, "c"));
    }
}

#[test]
fn a_concat_is_its_generators_one_after_the_other() {
    let concat = |generators: &[Value]| of("ConcatGenerator", &json!({"generators": generators}));
    // The bound between them is off by a rounding: it is that of the second.
    let parts = [line("x", (0.1, 0.3), 3), line("x", (0.4, 0.6), 3), line("x", (0.7, 0.7), 1)];
    let step = json!({"continuous": false});
    let whole = frames(&compound(&[concat(&parts[..2])], &json!({})));
    let [left, right] =
        [0, 1].map(|part| axis_of(&frames(&compound(&[parts[part].clone()], &json!({}))), "x"));
    let mut expected = [left.clone(), right.clone()].concat();
    assert_ne!(left[2][2], right[0][1]);
    expected[2][2] = right[0][1];
    assert_eq!(axis_of(&whole, "x"), expected);
    assert_eq!(whole.gap(), [true, false, false, false, false, false]);
    // Nested or not, it is the same; and stepped, nothing has to meet.
    let nested = concat(&[concat(&parts[..2]), parts[2].clone()]);
    let (flat, nested) = (compound(&[concat(&parts)], &step), compound(&[nested], &step));
    assert_eq!(frames(&flat), frames(&nested));
    let flown = compound(&[concat(&parts)], &json!({}));
    assert_eq!(
        stack(&flown).expect_err("bounds apart").to_string(),
        "$.generators[0].generators[2]: 0.7 of axis \"x\" is not where the generator before ends, \
         0.6499999999999999: if flown, bounds must meet within 0.00001"
    );
}

#[test]
fn what_differs_from_scanpointgenerator() {
    // A single frame of a reversed row.
    let [y, x] =
        [line("y", (0.0, 1.0), 2), with(line("x", (0.0, 2.0), 3), "alternate", json!(true))];
    let snake = stack(&compound(&[y.clone(), x.clone()], &json!({}))).expect("a stack");
    assert_eq!(axis_of(&snake.frames(4..5), "x"), [[1.0, 1.5, 0.5]]);
    assert_eq!(snake.indexes(5), [1, 0]);
    // Steps that are offset stand still.
    let offset = typed(
        "mutator",
        "RandomOffsetMutator",
        &json!({"seed": 3, "axes": "x", "max_offset": 0.1}),
    );
    let stepped = frames(&compound(
        std::slice::from_ref(&x),
        &json!({"mutators": [offset], "continuous": false}),
    ));
    assert!(axis_of(&stepped, "x").iter().all(|[mid, low, high]| mid == low && mid == high));
    assert_eq!(stepped.gap(), [true; 3]);
    // Several frames per point of a snake, as one dimension.
    let per_point = of("StaticPointGenerator", &json!({"size": 2, "axes": ["count"]}));
    let squash = typed("excluder", "SquashingExcluder", &json!({"axes": ["x", "count"]}));
    let parted = stack(&compound(
        &[y.clone(), x.clone(), per_point.clone()],
        &json!({"excluders": [squash.clone()]}),
    ))
    .expect("a stack");
    assert_eq!((parted.shape(), parted.snaked()), (vec![2, 6], vec![false, true]));
    let parted = parted.frames(0..12);
    let mids: Vec<f64> = axis_of(&parted, "x").iter().map(|[mid, ..]| *mid).collect();
    assert_eq!(mids, [0.0, 0.0, 1.0, 1.0, 2.0, 2.0, 2.0, 2.0, 1.0, 1.0, 0.0, 0.0]);
    let counts = [[1.0, 0.5, 1.5], [2.0, 1.5, 2.5]];
    assert_eq!(axis_of(&parted, "count")[..2], counts);
    assert_eq!(axis_of(&parted, "count")[10..], reversed(&counts));
    // What is not a repeat would still jump.
    let jump = [y, x, line("z", (0.0, 1.0), 2)];
    let squash = typed("excluder", "SquashingExcluder", &json!({"axes": ["z", "x"]}));
    refused(
        &compound(&jump, &json!({"excluders": [squash]})),
        "$.excluders[0]: [z] would jump: what is joined within a generator that alternates must too",
    );
    // An array of one point; durations that are not said; a delay that is none.
    let array = of("ArrayGenerator", &json!({"axis": "x", "units": "mm", "points": [4]}));
    for duration in [0, -1] {
        let once = frames(&compound(
            std::slice::from_ref(&array),
            &json!({"duration": duration, "delay_after": -1}),
        ));
        assert_eq!(axis_of(&once, "x"), [[4.0; 3]]);
        assert_eq!((once.duration_s(), once.delay_after_s()), (None, Some(0.0)));
    }
}

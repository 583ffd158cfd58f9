//! Bad specifications of scanpointgenerator, each refused in one line.
use super::compounds::{compound, line, of, stack, typed, with};
use serde_json::{Value, json};

pub(crate) fn refused(value: &Value, line: &str) {
    assert_eq!(stack(value).expect_err(line).to_string(), line, "{value}");
}

fn one(generator: Value) -> Value {
    compound(&[generator], &json!({}))
}

/// A line with another value for a field of the compound.
fn top(key: &str, value: Value) -> Value {
    with(one(line("x", (0.0, 1.0), 3)), key, value)
}

/// A line with another value for a field of its own.
fn set(key: &str, value: Value) -> Value {
    one(with(line("x", (0.0, 1.0), 3), key, value))
}

#[test]
fn what_is_wrong_in_a_compound_is_named_in_one_line() {
    refused(
        &line("x", (0.0, 1.0), 3),
        "$.typeid: \"scanpointgenerator:generator/LineGenerator:1.0\" is no typeid of a known generator: it must be scanpointgenerator:generator/TYPE:1.0 with TYPE CompoundGenerator",
    );
    refused(
        &top("typeid", json!(7)),
        "$.typeid: 7 is no typeid of a known generator: it must be scanpointgenerator:generator/TYPE:1.0 with TYPE CompoundGenerator",
    );
    refused(
        &top("type", json!("Fly")),
        "$.type: \"Fly\" is not expected: CompoundGenerator has a typeid",
    );
    refused(
        &top("foo", json!(1)),
        "$.foo: 1 is not expected: CompoundGenerator has the fields typeid, generators, excluders, mutators, duration, continuous, delay_after",
    );
    refused(
        &top("generators", json!([])),
        "$.generators: the list is empty: generators must have at least one item",
    );
    refused(&top("generators", json!({})), "$.generators: an object is no list: it must be one");
    refused(
        &top("generators", json!([7])),
        "$.generators[0]: 7 is no generator: it must be an object with a typeid",
    );
    refused(
        &top("duration", json!(-2)),
        "$.duration: -2 is less than 0: duration must be greater than 0, or -1 if it is not said",
    );
    refused(
        &top("duration", json!("nan")),
        "$.duration: \"nan\" is not finite: it must be a number",
    );
    refused(&top("continuous", json!(2)), "$.continuous: 2 is neither true nor false");
    refused(
        &one(top("duration", json!(1))),
        "$.generators[0].typeid: \"scanpointgenerator:generator/CompoundGenerator:1.0\" is no typeid of a known generator: it must be scanpointgenerator:generator/TYPE:1.0 with TYPE LineGenerator, ArrayGenerator, SpiralGenerator, LissajousGenerator, StaticPointGenerator, ZipGenerator, ConcatGenerator",
    );
}

#[test]
fn what_is_wrong_in_a_generator_is_named_in_one_line() {
    refused(
        &set("size", json!(2.5)),
        "$.generators[0].size: 2.5 has a fractional part: it must be a whole number",
    );
    refused(
        &set("size", json!(1e18)),
        "$.generators[0].size: 1e+18 is too large: it must be at most 9007199254740992",
    );
    refused(
        &set("axes", json!([""])),
        "$.generators[0].axes[0]: \"\" is no axis: an axis is a text, not empty",
    );
    refused(
        &set("axes", json!(["x", "x"])),
        "$.generators[0].axes: \"x\" is there twice: once is enough",
    );
    refused(
        &set("units", json!(["mm", "mm"])),
        "$.generators[0].units: a list of 2 does not fit: units must have one item per axis, 1",
    );
    refused(&set("units", json!(null)), "$.generators[0].units: null is no unit: a unit is a text");
    refused(
        &set("start", json!([])),
        "$.generators[0].start: the list is empty: start must have at least one item",
    );
    refused(
        &set("stop", json!([1, 2])),
        "$.generators[0].stop: a list of 2 does not fit: stop must have one item per axis, 1",
    );
    refused(
        &set("stop", json!("inf")),
        "$.generators[0].stop: \"inf\" is not finite: it must be a number",
    );
    let mut ends = set("start", json!(-1e308));
    ends["generators"][0]["stop"] = json!(1e308);
    refused(
        &ends,
        "$.generators[0]: the generator goes beyond all numbers: its bounds must be finite",
    );
    let spiral = |key: &str, value: Value| {
        let fields = json!({"axes": ["x", "y"], "units": "mm", "centre": [0, 0], "radius": 1});
        one(with(of("SpiralGenerator", &fields), key, value))
    };
    refused(
        &spiral("scale", json!(0)),
        "$.generators[0].scale: 0 is no distance between arms: scale must not be 0",
    );
    refused(
        &spiral("radius", json!(-1)),
        "$.generators[0].radius: -1 is less than 0: radius must not be negative",
    );
    refused(
        &spiral("radius", json!(1e100)),
        "$.generators[0]: 3.1415926535897936e200 are too many frames: a scan has at most 9007199254740992",
    );
    refused(
        &spiral("axes", json!("x")),
        "$.generators[0].axes: a list of 1 does not fit: there must be 2",
    );
}

#[test]
fn what_does_not_fit_together_is_named_in_one_line() {
    let x = line("x", (0.0, 1.0), 3);
    let both =
        |kind: &str, second: Value| one(of(kind, &json!({"generators": [x.clone(), second]})));
    refused(
        &both("ZipGenerator", line("y", (0.0, 1.0), 4)),
        "$.generators[0].generators[1]: 4 points do not fit: in a ZipGenerator all must have as many as the first, 3",
    );
    refused(
        &both("ZipGenerator", x.clone()),
        "$.generators[0]: axis \"x\" is moved twice: an axis is moved once",
    );
    refused(
        &both("ConcatGenerator", line("y", (0.0, 1.0), 4)),
        "$.generators[0].generators[1]: [y in \"mm\"] are other axes: in a ConcatGenerator all must be as the first, x in \"mm\"",
    );
    refused(
        &both("ConcatGenerator", with(x.clone(), "alternate", json!(true))),
        "$.generators[0].generators[1]: the generator alternates: within a ConcatGenerator none may, only itself",
    );
    let long = line("x", (0.0, 1.0), 1 << 53);
    refused(
        &one(of("ConcatGenerator", &json!({"generators": vec![long.clone(); 3]}))),
        "$.generators[0]: 27021597764222976 are too many frames: a scan has at most 9007199254740992",
    );
    refused(
        &compound(&[long, line("y", (0.0, 1.0), 2)], &json!({})),
        "$: 9007199254740992 x 2 are too many frames: a scan has at most 9007199254740992",
    );
    let offset =
        |fields: Value| top("mutators", json!([typed("mutator", "RandomOffsetMutator", &fields)]));
    refused(
        &offset(json!({"seed": 0.5, "axes": "x", "max_offset": 1})),
        "$.mutators[0].seed: 0.5 is no whole number up to 9007199254740991: it must be one",
    );
    refused(
        &offset(json!({"seed": 9_007_199_254_740_993_u64, "axes": "x", "max_offset": 1})),
        "$.mutators[0].seed: 9007199254740993 is no whole number up to 9007199254740991: it must be one",
    );
    refused(
        &offset(json!({"seed": 1, "axes": "y", "max_offset": 1})),
        "$.mutators[0].axes[0]: \"y\" is moved by no generator: a mutator has axes of the generators",
    );
    refused(
        &offset(json!({"seed": 1, "axes": "x", "max_offset": {}})),
        "$.mutators[0].max_offset.x: x is missing: it is required",
    );
}

/// What takes time for each of them, and for each again, is bounded by name.
#[test]
fn a_compound_of_too_many_is_not_looked_at_for_minutes() {
    let lines = |count: u32| -> Vec<Value> {
        (0..count).map(|index| line(&format!("x{index}"), (0.0, 1.0), 1)).collect()
    };
    assert!(stack(&compound(&lines(1000), &json!({}))).is_ok());
    refused(
        &compound(&lines(1001), &json!({})),
        "$.generators: a list of 1001 is too long: generators has at most 1000 items",
    );
    refused(
        &one(of("ZipGenerator", &json!({"generators": lines(1001)}))),
        "$: 1001 axes or more are too many: a scan moves at most 1000",
    );
    for name in ["excluders", "mutators"] {
        refused(
            &top(name, json!(vec![0; 1001])),
            &format!("$.{name}: a list of 1001 is too long: {name} has at most 1000 items"),
        );
    }
}

#[test]
fn an_offset_does_not_lead_beyond_all_numbers() {
    let offset = |max: f64| {
        let fields = json!({"seed": 1, "axes": "x", "max_offset": max});
        json!({"mutators": [typed("mutator", "RandomOffsetMutator", &fields)]})
    };
    let spec = |x: Value, max: f64| compound(&[x], &offset(max));
    let far = || line("x", (0.0, 1e308), 3);
    let array = json!({"axis": "x", "units": "mm", "points": [1.0, 0.8e308]});
    assert!(stack(&spec(far(), 1.0)).is_ok());
    for value in [
        spec(far(), 5e307),
        spec(of("ArrayGenerator", &array), 5e307),
        spec(of("ConcatGenerator", &json!({"generators": [far()]})), 5e307),
    ] {
        refused(
            &value,
            "$.mutators[0].max_offset: 5e307 goes beyond all numbers: positions must be finite with it",
        );
    }
}

#[test]
fn a_compound_is_nested_a_hundred_deep_at_most() {
    let nested = |depth: usize| {
        (1..depth).fold(line("x", (0.0, 1.0), 3), |inner, _| {
            of("ZipGenerator", &json!({"generators": [inner]}))
        })
    };
    assert!(stack(&compound(&[nested(100)], &json!({}))).is_ok());
    let error = stack(&compound(&[nested(101)], &json!({}))).expect_err("too deep");
    assert_eq!(error.rule, "is nested more than 100 deep");
}

#[test]
fn a_refused_compound_is_told_in_a_short_line() {
    let name = "x".repeat(100_000);
    let x = line(&name, (0.0, 1.0), 3);
    let y = with(line("y", (0.0, 1.0), 3), "alternate", json!(true));
    let squash = typed("excluder", "SquashingExcluder", &json!({"axes": [name, "y"]}));
    let offset = |axis: &str| {
        typed("mutator", "RandomOffsetMutator", &json!({"seed": 1, "axes": axis, "max_offset": {}}))
    };
    let apart = json!({"generators": [x.clone(), x.clone()]});
    let bad = [
        compound(&[x.clone(), x.clone()], &json!({})),
        compound(&[y.clone(), x.clone()], &json!({"excluders": [squash]})),
        compound(std::slice::from_ref(&x), &json!({"mutators": [offset(&name)]})),
        one(of("ConcatGenerator", &apart)),
        one(of("ConcatGenerator", &json!({"generators": [y, x]}))),
        top("typeid", json!(name)),
    ];
    for value in bad {
        let line = stack(&value).expect_err("wrong").to_string();
        assert!(line.len() < 400 && !line.contains('\n'), "{line}");
    }
}

//! Malformed specifications: each is refused in one line that names the place and the rule.
use bluefly_protocol::scan::{Spec, SpecError, Stack};
use serde_json::Value;

const LINE: &str = r#"{"type":"Linspace","axis":"x","start":0,"stop":1,"num":3}"#;
const OTHER: &str = r#"{"type":"Linspace","axis":"y","start":0,"stop":1,"num":2}"#;
const TYPES: &str = "Product, Zip, Snake, Concat, Squash, Linspace, Range, Fly, \
                     ConstantDuration, Static, Spiral, Ellipse, Polygon, Line, Mask";

fn stack(text: &str) -> Result<Stack, SpecError> {
    Stack::new(&text.parse::<Spec>()?)
}

/// `LINE` and `OTHER` stand for themselves in a text, `TYPES` in an error.
fn refused(text: &str, line: &str) {
    let text = text.replace("LINE", LINE).replace("OTHER", OTHER);
    let error = stack(&text).expect_err(&text).to_string();
    assert_eq!(error, line.replace("TYPES", TYPES), "{text}");
}

#[test]
fn what_is_no_specification() {
    refused("", "$: the text is not JSON: EOF while parsing a value at line 1 column 0");
    refused("null", "$: null is no specification: it must be an object with a type");
    refused("[]", "$: an array is no specification: it must be an object with a type");
    refused(
        r#""Linspace""#,
        r#"$: "Linspace" is no specification: it must be an object with a type"#,
    );
    refused("{}", "$.type: type is missing: the type of a node is one of TYPES");
    refused(r#"{"type":null}"#, "$.type: null is no type of node: it must be one of TYPES");
    refused(r#"{"type":7}"#, "$.type: 7 is no type of node: it must be one of TYPES");
    refused(
        r#"{"type":"linspace"}"#,
        r#"$.type: "linspace" is no type of node: it must be one of TYPES"#,
    );
    refused(
        r#"{"type":"Linspace""#,
        "$: the text is not JSON: EOF while parsing an object at line 1 column 18",
    );
    refused(
        r#"{"type":"Linspace","axis":"x","start":NaN,"stop":1}"#,
        "$: the text is not JSON: expected value at line 1 column 39",
    );
    refused(
        r#"{"type":"Linspace","axis":"x","start":1e999,"stop":1}"#,
        "$: the text is not JSON: number out of range at line 1 column 43",
    );
    refused(
        r#"{"type":"Fly","spec":[]}"#,
        "$.spec: an array is no specification: it must be an object with a type",
    );
    refused(
        r#"{"type":"Fly","spec":"LINEX"}"#,
        "$: the text is not JSON: expected `,` or `}` at line 1 column 25",
    );
}

#[test]
fn fields_that_are_missing_or_too_many() {
    refused(r#"{"type":"Linspace","start":0,"stop":1}"#, "$.axis: axis is missing: it is required");
    refused(
        r#"{"type":"Linspace","axis":"x","start":0}"#,
        "$.stop: stop is missing: it is required",
    );
    refused(
        r#"{"type":"Linspace","axis":"x","start":0,"stop":1,"step":0.1}"#,
        "$.step: 0.1 is not expected: Linspace has the fields axis, start, stop, num",
    );
    refused(r#"{"type":"Product","outer":LINE}"#, "$.inner: inner is missing: it is required");
    refused(r#"{"type":"Zip","left":LINE}"#, "$.right: right is missing: it is required");
    refused(
        r#"{"type":"ConstantDuration","spec":LINE}"#,
        "$.constant_duration: constant_duration is missing: it is required",
    );
    refused(r#"{"type":"Snake"}"#, "$.spec: spec is missing: it is required");
    refused(
        r#"{"type":"Snake","spec":LINE,"extra":{"a":1}}"#,
        "$.extra: an object is not expected: Snake has the fields spec",
    );
    refused(
        r#"{"type":"Polygon","x_axis":"x","y_axis":"y","vertices":[[0,0],[1,0],[0,1]]}"#,
        "$.x_step: x_step is missing: it is required",
    );
}

#[test]
fn fields_of_the_wrong_type() {
    refused(
        r#"{"type":"Linspace","axis":7,"start":0,"stop":1}"#,
        "$.axis: 7 is no axis: an axis is a text, not empty",
    );
    refused(
        r#"{"type":"Linspace","axis":"","start":0,"stop":1}"#,
        r#"$.axis: "" is no axis: an axis is a text, not empty"#,
    );
    refused(
        r#"{"type":"Linspace","axis":"x","start":"one","stop":1}"#,
        r#"$.start: "one" is no number: it must be a number"#,
    );
    refused(
        r#"{"type":"Linspace","axis":"x","start":null,"stop":1}"#,
        "$.start: null is no number: it must be a number",
    );
    refused(
        r#"{"type":"Linspace","axis":"x","start":{"a":1},"stop":1}"#,
        "$.start: an object is no number: it must be a number",
    );
    refused(
        r#"{"type":"Product","outer":LINE,"inner":OTHER,"gap":"maybe"}"#,
        r#"$.gap: "maybe" is neither true nor false"#,
    );
    refused(
        r#"{"type":"Product","outer":LINE,"inner":1.5}"#,
        "$.inner: 1.5 has a fractional part: it must be a whole number",
    );
    refused(
        r#"{"type":"Product","outer":LINE,"inner":"two"}"#,
        r#"$.inner: "two" is no whole number: it must be one"#,
    );
    refused(
        r#"{"type":"Concat","left":LINE,"right":LINE,"gap":2}"#,
        "$.gap: 2 is neither true nor false",
    );
    refused(
        r#"{"type":"Polygon","x_axis":"x","y_axis":"y","vertices":7,"x_step":1}"#,
        "$.vertices: 7 is no list: it must be a list of [x, y]",
    );
    refused(
        r#"{"type":"Polygon","x_axis":"x","y_axis":"y","vertices":[[0,0],[1],[0,1]],"x_step":1}"#,
        "$.vertices[1]: an array is no vertex: it must be [x, y]",
    );
    refused(
        r#"{"type":"Polygon","x_axis":"x","y_axis":"y","vertices":[[0,0],[1,"a"],[0,1]],"x_step":1}"#,
        r#"$.vertices[1][1]: "a" is no number: it must be a number"#,
    );
}

#[test]
fn numbers_beyond_their_range() {
    refused(
        r#"{"type":"Linspace","axis":"x","start":"-inf","stop":1}"#,
        r#"$.start: "-inf" is not finite: it must be a number"#,
    );
    refused(
        r#"{"type":"Linspace","axis":"x","start":0,"stop":"NaN"}"#,
        r#"$.stop: "NaN" is not finite: it must be a number"#,
    );
    refused(
        r#"{"type":"Linspace","axis":"x","start":0,"stop":1,"num":0}"#,
        "$.num: 0 is less than 1: num must be at least 1",
    );
    refused(
        r#"{"type":"Linspace","axis":"x","start":0,"stop":1,"num":-5}"#,
        "$.num: -5 is less than 0: it must not be negative",
    );
    refused(
        r#"{"type":"Linspace","axis":"x","start":0,"stop":1,"num":1000000000000000000}"#,
        "$.num: 1000000000000000000 is too large: it must be at most 9007199254740992",
    );
    // As a float it would be the largest count that is allowed.
    refused(
        r#"{"type":"Linspace","axis":"x","start":0,"stop":1,"num":9007199254740993}"#,
        "$.num: 9007199254740993 is too large: it must be at most 9007199254740992",
    );
    refused(
        r#"{"type":"Linspace","axis":"x","start":0,"stop":1,"num":"9007199254740993.0"}"#,
        "$.num: \"9007199254740993.0\" is too large: it must be at most 9007199254740992",
    );
    refused(
        r#"{"type":"Linspace","axis":"x","start":0,"stop":1,"num":1e300}"#,
        "$.num: 1e+300 is too large: it must be at most 9007199254740992",
    );
    refused(
        r#"{"type":"Static","axis":"x","value":1,"num":0.5}"#,
        "$.num: 0.5 has a fractional part: it must be a whole number",
    );
    refused(
        r#"{"type":"Range","axis":"x","start":0,"stop":1,"step":0}"#,
        "$.step: 0 is not greater than 0: step must be greater than 0",
    );
    refused(
        r#"{"type":"Range","axis":"x","start":0,"stop":1,"step":-0.5}"#,
        "$.step: -0.5 is not greater than 0: step must be greater than 0",
    );
    refused(
        r#"{"type":"Range","axis":"x","start":0,"stop":1,"step":1e-18}"#,
        "$: 1.000e18 are too many frames: a scan has at most 9007199254740992",
    );
    refused(
        r#"{"type":"Range","axis":"x","start":-1e308,"stop":1e308,"step":1}"#,
        "$: the number of frames is beyond all numbers: extents must be smaller, or steps larger",
    );
}

#[test]
fn sizes_beyond_their_range() {
    refused(
        r#"{"type":"ConstantDuration","constant_duration":"inf","spec":LINE}"#,
        r#"$.constant_duration: "inf" is not finite: it must be a number"#,
    );
    refused(
        r#"{"type":"Spiral","x_axis":"x","x_centre":0,"x_diameter":0,"x_step":1,"y_axis":"y","y_centre":0}"#,
        "$.x_diameter: 0 is no width: x_diameter must not be 0",
    );
    refused(
        r#"{"type":"Spiral","x_axis":"x","x_centre":0,"x_diameter":1,"x_step":0,"y_axis":"y","y_centre":0}"#,
        "$.x_step: 0 is no width: x_step must not be 0",
    );
    refused(
        r#"{"type":"Spiral","x_axis":"x","x_centre":0,"x_diameter":1,"x_step":1e-12,"y_axis":"y","y_centre":0}"#,
        "$: 7.854e23 are too many frames: a scan has at most 9007199254740992",
    );
    refused(
        r#"{"type":"Spiral","x_axis":"x","x_centre":0,"x_diameter":1e200,"x_step":1,"y_axis":"y","y_centre":0}"#,
        "$: the number of frames is beyond all numbers: extents must be smaller, or steps larger",
    );
    refused(
        r#"{"type":"Ellipse","x_axis":"x","x_centre":0,"x_diameter":1,"x_step":-1,"y_axis":"y","y_centre":0}"#,
        "$.x_step: -1 is not greater than 0: x_step must be greater than 0",
    );
    refused(
        r#"{"type":"Ellipse","x_axis":"x","x_centre":0,"x_diameter":1,"x_step":1e-9,"y_axis":"y","y_centre":0}"#,
        "$: 1000000001 x 1000000001 are too many frames: a scan has at most 9007199254740992",
    );
    refused(
        r#"{"type":"Polygon","x_axis":"x","y_axis":"y","vertices":[[0,0],[1e308,0],[-1e308,1]],"x_step":1}"#,
        "$: the number of frames is beyond all numbers: extents must be smaller, or steps larger",
    );
}

#[test]
fn parts_that_do_not_fit() {
    refused(
        r#"{"type":"Product","outer":LINE,"inner":LINE}"#,
        r#"$.inner: axis "x" is also moved by $.outer: an axis is moved once"#,
    );
    refused(
        r#"{"type":"Zip","left":LINE,"right":OTHER}"#,
        "$: 3 and 2 frames do not fit: both sides of a Zip must have equally many",
    );
    refused(
        r#"{"type":"Zip","left":LINE,"right":{"type":"Product","outer":OTHER,"inner":2}}"#,
        "$: 1 and 2 dimensions do not fit: the left side of a Zip must have as many or more",
    );
    refused(
        r#"{"type":"Concat","left":LINE,"right":OTHER}"#,
        "$: [x] != [y] in axes: both sides of a Concat must have the same axes",
    );
    refused(
        r#"{"type":"Concat","left":LINE,"right":{"type":"Product","outer":LINE,"inner":0}}"#,
        "$.right: the side has no frame: both sides of a Concat must have some",
    );
    refused(
        r#"{"type":"Concat","left":LINE,"right":{"type":"Snake","spec":LINE}}"#,
        "$: the right side alone is snaked: both sides of a Concat must be, or none",
    );
    refused(
        r#"{"type":"Concat","left":LINE,"right":{"type":"ConstantDuration","constant_duration":1,"spec":LINE}}"#,
        "$: the node says the duration on one side only: both sides must, or none",
    );
    refused(
        r#"{"type":"ConstantDuration","constant_duration":1,"spec":{"type":"ConstantDuration","constant_duration":2}}"#,
        "$: 1 would say the duration again: the specification within it says it already",
    );
    refused(
        r#"{"type":"Spiral","x_axis":"x","x_centre":0,"x_diameter":1,"x_step":0.1,"y_axis":"x","y_centre":0}"#,
        r#"$.x_axis: "x" is also the y_axis: an axis is moved once"#,
    );
    refused(
        r#"{"type":"Spiral","x_axis":"x","x_centre":0,"x_diameter":1,"x_step":0.1,"y_axis":"y","y_centre":0,"y_diameter":-1}"#,
        "$.y_diameter: -1 differs in sign from x_diameter 1: both must have one sign",
    );
    refused(
        r#"{"type":"Ellipse","x_axis":"x","x_centre":0,"x_diameter":1,"x_step":1,"y_axis":"y","y_centre":0.3}"#,
        "$: the region has no point of its grid within it: the region and the grid must overlap",
    );
    refused(
        r#"{"type":"Polygon","x_axis":"x","y_axis":"y","vertices":[],"x_step":1}"#,
        "$.vertices: a list of 0 is too short: a polygon has at least 3 vertices",
    );
    refused(
        r#"{"type":"Polygon","x_axis":"x","y_axis":"y","vertices":[[0,0],[1,1]],"x_step":1}"#,
        "$.vertices: a list of 2 is too short: a polygon has at least 3 vertices",
    );
    refused(
        r#"{"type":"Polygon","x_axis":"x","y_axis":"y","vertices":[[0,0],[1,0],[2,0]],"x_step":0.5}"#,
        "$: the region has no point of its grid within it: the region and the grid must overlap",
    );
    refused(
        r#"{"type":"Product","outer":OTHER,"inner":{"type":"Squash","spec":{"type":"Product","outer":{"type":"Static","axis":"z","value":1,"num":3},"inner":{"type":"Snake","spec":LINE}}}}"#,
        "$.inner: [x] would jump: what snakes within a squash must run an even number of times, or check_path_changes be false",
    );
}

/// What is done for each node takes as long as there are axes.
#[test]
fn a_scan_of_too_many_axes_is_refused_at_once() {
    fn product(axes: std::ops::Range<usize>) -> String {
        if axes.len() == 1 {
            let first = axes.start;
            return format!(r#"{{"type":"Linspace","axis":"x{first}","start":0,"stop":1}}"#);
        }
        let middle = usize::midpoint(axes.start, axes.end);
        let (outer, inner) = (product(axes.start..middle), product(middle..axes.end));
        format!(r#"{{"type":"Product","outer":{outer},"inner":{inner}}}"#)
    }
    assert!(Stack::new(&product(0..1000).parse().expect("a spec")).is_ok());
    refused(&product(0..1001), "$: 1001 axes or more are too many: a scan moves at most 1000");
}

/// Values that somebody, or some program, might put anywhere.
const ODD: &[&str] = &[
    "null",
    "true",
    "-1",
    "0",
    "1",
    "2.5",
    "1e18",
    "-1e308",
    "1e308",
    "1e-300",
    "\"\"",
    "\"x\"",
    "\"nan\"",
    "\"-inf\"",
    "\"1_0\"",
    "[]",
    "[[]]",
    "{}",
    "[[0,0],[1,1],[0,1]]",
    "9007199254740993",
];

/// Puts `odd` in place of the `nth` value below `value`, or takes that value away.
fn disturb(value: &mut Value, nth: &mut usize, odd: Option<&Value>) {
    match value {
        Value::Object(map) => {
            for key in map.keys().cloned().collect::<Vec<_>>() {
                if *nth == 0 {
                    match odd {
                        Some(odd) => map.insert(key.clone(), odd.clone()),
                        None => map.remove(&key),
                    };
                    *nth = usize::MAX;
                    return;
                }
                *nth -= 1;
                disturb(&mut map[&key], nth, odd);
                if *nth == usize::MAX {
                    return;
                }
            }
        }
        Value::Array(list) => {
            for item in list {
                if *nth == 0 {
                    item.clone_from(odd.unwrap_or(&Value::Null));
                    *nth = usize::MAX;
                    return;
                }
                *nth -= 1;
                disturb(item, nth, odd);
                if *nth == usize::MAX {
                    return;
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Every value of every golden file replaced by every odd one, and taken away: what is refused is
/// refused in one short line with a place; what is not can be entered anywhere.
#[test]
fn one_odd_value_is_refused_in_a_line_or_can_be_scanned() {
    let odd: Vec<Value> = ODD.iter().map(|text| serde_json::from_str(text).expect(text)).collect();
    let (mut refused, mut taken) = (0, 0);
    let parsed = |(name, text): (String, String)| -> Value {
        let golden: Value = serde_json::from_str(&text).expect(&name);
        golden["spec"].clone()
    };
    let compounds = crate::compound_golden::files().into_iter();
    let compounds = compounds.map(|(_, golden)| golden["generator"].clone());
    for golden in crate::golden::files().into_iter().map(parsed).chain(compounds) {
        for odd in odd.iter().map(Some).chain([None]) {
            for nth in 0.. {
                let (mut spec, mut left) = (golden.clone(), nth);
                disturb(&mut spec, &mut left, odd);
                if left != usize::MAX {
                    break;
                }
                match Spec::from_value(&spec).and_then(|spec| Stack::new(&spec)) {
                    Ok(stack) => {
                        taken += 1;
                        check_entered(&stack);
                    }
                    Err(error) => {
                        refused += 1;
                        let line = error.to_string();
                        assert!(line.starts_with('$') && line.len() < 300, "{spec}: {line}");
                        assert!(!line.contains(['\n', '\r']), "{spec}: {line}");
                    }
                }
            }
        }
    }
    assert!(refused > 5_000 && taken > 1_000, "{refused} and {taken} are too few");
}

fn check_entered(stack: &Stack) {
    let num = stack.num_points();
    for frame in [0, num / 2, num.saturating_sub(1), num] {
        let frames = stack.frames(frame..frame + 3);
        assert_eq!(frames.len() as u64, (num - frame).min(3));
        assert!(frames.midpoints().iter().flatten().all(|midpoint| midpoint.is_finite()));
        for piece in stack.pieces(frame).take(3) {
            assert!(piece.frames > 0 && piece.first_frame + piece.frames <= num);
        }
        for window in stack.windows(frame).take(3) {
            assert!(window.frames > 0 && window.first_frame + window.frames <= num);
        }
    }
}

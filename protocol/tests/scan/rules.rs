//! Bad specifications, each refused in one line, and what is deliberately not as in scanspec 1.0.
use bluefly_protocol::scan::{Spec, SpecError, Stack};

fn stack(text: &str) -> Result<Stack, SpecError> {
    Stack::new(&text.parse::<Spec>()?)
}

fn refused(text: &str, line: &str) {
    assert_eq!(stack(text).expect_err(text).to_string(), line, "{text}");
}

fn line(fields: &str) -> String {
    format!(r#"{{"type":"Linspace","axis":"x",{fields}}}"#)
}

#[test]
fn what_is_wrong_is_named_in_one_line() {
    let duration =
        |duration: &str| format!(r#"{{"type":"ConstantDuration","constant_duration":{duration}}}"#);
    let positive = "constant_duration must be greater than 0";
    refused(&duration("0"), &format!("$.constant_duration: 0 is not greater than 0: {positive}"));
    refused(&duration("-1"), &format!("$.constant_duration: -1 is not greater than 0: {positive}"));
    refused(
        &duration("\"nan\""),
        "$.constant_duration: \"nan\" is not finite: it must be a number",
    );
    refused(
        &line(r#""start":"inf","stop":1"#),
        "$.start: \"inf\" is not finite: it must be a number",
    );
    refused(&line(r#""start":[],"stop":1"#), "$.start: an array is no number: it must be a number");
    refused(
        &line(r#""start":-1e308,"stop":1e308,"num":2"#),
        "$: axis \"x\" goes beyond all numbers: its bounds must be finite",
    );
    refused(
        r#"{"type":"Product","outer":-1,"inner":1}"#,
        "$.outer: -1 is less than 0: it must not be negative",
    );
    refused(
        r#"{"type":"Product","outer":9007199254740992,"inner":2}"#,
        "$: 9007199254740992 x 2 are too many frames: a scan has at most 9007199254740992",
    );
    refused("[", "$: the text is not JSON: EOF while parsing a list at line 1 column 1");
    refused("7", "$: 7 is no specification: it must be an object with a type");
}

#[test]
fn specifications_are_nested_a_hundred_deep_at_most() {
    let nested = |depth: usize| {
        let open = r#"{"type":"Fly","spec":"#.repeat(depth - 1);
        format!("{open}{}{}", line(r#""start":0,"stop":1"#), "}".repeat(depth - 1))
    };
    assert!(stack(&nested(100)).is_ok());
    let error = stack(&nested(101)).expect_err("too deep");
    assert_eq!(error.rule, "is nested more than 100 deep");
    assert!(stack(&nested(100_000)).is_err());
}

#[test]
fn numbers_may_be_written_as_scanspec_lets_them() {
    let points =
        |fields: &str| stack(&line(fields)).expect(fields).frames(0..9).midpoints()[0].clone();
    assert_eq!(points(r#""start":"1","stop":" 2.5 ","num":"2""#), [1.0, 2.5]);
    assert_eq!(points(r#""start":true,"stop":"1_0","num":2.0"#), [1.0, 10.0]);
    assert_eq!(points(r#""start":0,"stop":1,"num":"2.0""#), [0.0, 1.0]);
}

fn num_points(text: &str) -> u64 {
    stack(text).expect(text).num_points()
}

#[test]
fn a_long_range_gains_no_frames() {
    let range = |rest: &str| format!(r#"{{"type":"Range","axis":"x","start":0,{rest}}}"#);
    assert_eq!(num_points(&range(r#""stop":100000.5,"step":1"#)), 100_001);
    assert_eq!(num_points(&range(r#""stop":100000,"step":1"#)), 100_001);
    assert_eq!(num_points(&range(r#""stop":1e-9,"step":1e-9"#)), 2);
    assert_eq!(num_points(&range(r#""stop":1,"step":0.3333334"#)), 4);
    assert_eq!(num_points(&range(r#""stop":0"#)), 1);
}

#[test]
fn durations_run_backwards_with_their_frames() {
    let part = |start: u8, duration: f64| {
        format!(
            r#"{{"type":"ConstantDuration","constant_duration":{duration},"spec":
            {{"type":"Linspace","axis":"x","start":{start},"stop":{},"num":2}}}}"#,
            start + 1
        )
    };
    let both = format!(
        r#"{{"type":"Product","outer":2,"inner":{{"type":"Snake","spec":
        {{"type":"Concat","left":{},"right":{}}}}}}}"#,
        part(0, 0.1),
        part(2, 0.2)
    );
    let frames = stack(&both).expect(&both).frames(0..8);
    let expected = [0.1, 0.1, 0.2, 0.2, 0.2, 0.2, 0.1, 0.1];
    assert_eq!(frames.duration_s(), Some(expected.as_slice()));
}

#[test]
fn a_huge_scan_starts_at_once() {
    let side = |axis: &str| {
        format!(r#"{{"type":"Linspace","axis":"{axis}","start":0,"stop":1,"num":90000000}}"#)
    };
    let grid = format!(
        r#"{{"type":"Fly","spec":{{"type":"Squash","spec":
        {{"type":"Product","outer":{},"inner":{{"type":"Snake","spec":{}}}}}}}}}"#,
        side("y"),
        side("x")
    );
    let stack = stack(&grid).expect(&grid);
    assert_eq!(stack.num_points(), 8_100_000_000_000_000);
    let piece = stack.pieces(8_000_000_000_000_000).next().expect("a piece");
    assert_eq!((piece.first_frame, piece.frames), (8_000_000_000_000_000, 10_000_000));
}

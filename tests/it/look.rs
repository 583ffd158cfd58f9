//! What a person looks at before flying: pictures of a scan, and the schema of specifications.
use crate::cli::{Ended, bluefly, ended_with_input};
use serde_json::{Value, json};

/// The picture that `command` prints.
fn picture(arguments: &[&str], spec: &Value) -> String {
    let Ended { status, out, err } = ended_with_input(&mut bluefly(arguments), &spec.to_string());
    assert_eq!((status, err.as_str()), (0, ""), "{arguments:?} {spec}");
    check_well_formed(&out);
    out
}

fn path(spec: &Value) -> String {
    picture(&["points", "-", "--format", "svg"], spec)
}

fn linspace(axis: &str, num: u64) -> Value {
    json!({"type": "Linspace", "axis": axis, "start": 0, "stop": num - 1, "num": num})
}

fn fly(spec: &Value) -> Value {
    json!({"type": "Fly", "spec": spec})
}

fn grid(slow: &Value, fast: &Value) -> Value {
    json!({"type": "Product", "outer": slow, "inner": fast})
}

fn count(text: &str, part: &str) -> usize {
    text.matches(part).count()
}

/// Elements are nested and closed, attributes quoted, characters escaped.
fn check_well_formed(xml: &str) {
    let mut open: Vec<&str> = vec![];
    let escapes = ["&lt;", "&gt;", "&amp;", "&quot;", "&apos;"];
    for part in xml.split('<').skip(1) {
        let (tag, text) = part.split_once('>').unwrap_or_else(|| panic!("{part:?} is not closed"));
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name));
        } else {
            let name = tag.trim_end_matches('/').split(' ').next().unwrap();
            assert!(!name.is_empty() && name.chars().all(|c| c.is_ascii_alphabetic()), "{tag}");
            assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
            assert_eq!(tag.matches('=').count() * 2, tag.matches('"').count(), "{tag}");
            if !tag.ends_with('/') {
                open.push(name);
            }
        }
        assert!(open.first() == Some(&"svg") || (open.is_empty() && text.trim().is_empty()));
        assert!(!text.contains('>') && !text.chars().any(|c| c.is_control() && c != '\n'));
        for (at, _) in text.match_indices('&') {
            assert!(escapes.iter().any(|escape| text[at..].starts_with(escape)), "{text}");
        }
    }
    assert!(open.is_empty() && xml.starts_with("<svg ") && xml.ends_with("</svg>\n"));
}

#[test]
fn a_picture_that_is_not_well_formed_is_found_out() {
    let check = |xml: &'static str| std::panic::catch_unwind(|| check_well_formed(xml)).is_ok();
    assert!(check("<svg a=\"1\"><b/>x &amp; y</svg>\n"));
    assert!(!check("<svg><b></svg>\n"));
    assert!(!check("<svg>x & y</svg>\n"));
    assert!(!check("<svg a=1></svg>\n"));
    assert!(!check("<svg></svg>\nx"));
}

#[test]
fn a_path_shows_every_frame_every_row_and_every_gap() {
    let svg = path(&fly(&grid(&linspace("y", 3), &linspace("x", 5))));
    assert!(svg.contains("\n3 x 5 = 15 frames\n"), "{svg}");
    // 15 frames, and the rings of start and end.
    assert_eq!(count(&svg, "<circle "), 17);
    // 3 rows; the frame of the chart and its ticks are of another colour.
    assert_eq!(count(&svg, "<polyline fill=\"none\" opacity=\"1\" stroke=\"#1F77B4\""), 3);
    let dashes = count(&svg, "<polyline fill=\"none\" opacity=\"1\" stroke=\"#969696\"");
    assert!(dashes > 2 * 10, "{dashes} dashes are not two lines");
    assert_eq!((count(&svg, "\nstart\n"), count(&svg, "\nend\n")), (1, 1));
    // The fastest axis lies from left to right: its name is not turned.
    assert!(svg.contains("fill=\"#282828\">\nx\n"), "{svg}");
    assert!(svg.contains("transform=\"rotate(270, 4, 248)\">\ny\n"), "{svg}");
    assert_eq!(svg, path(&fly(&grid(&linspace("y", 3), &linspace("x", 5)))));
}

#[test]
fn a_scan_without_gaps_is_one_line() {
    let row = json!({"type": "Snake", "spec": linspace("x", 5)});
    let svg = path(&fly(&json!({"type": "Product", "outer": 4, "inner": row, "gap": false})));
    assert!(svg.contains("\nframe\n"), "one axis is drawn against the frames: {svg}");
    assert_eq!(count(&svg, "stroke=\"#1F77B4\""), 1);
    assert_eq!(count(&svg, "stroke=\"#969696\""), 0);
    assert_eq!(count(&svg, "<circle "), 22);
}

#[test]
fn what_does_not_move_is_said() {
    let rest = json!({"type": "Static", "axis": "x", "value": 3, "num": 7});
    let svg = path(&rest);
    assert!(svg.contains("\n7 frames\n") && svg.contains("\nno axis moves\n"), "{svg}");
    let svg = path(&json!({"type": "Product", "outer": 0, "inner": rest}));
    assert!(svg.contains("\nthere is no frame\n"), "{svg}");
    // Of three axes one moves.
    let still = json!({"type": "Static", "axis": "z", "value": 3});
    let svg = path(&json!({"type": "Zip", "left": linspace("x", 4), "right": still}));
    assert!(svg.contains("\nframe\n") && svg.contains("\nx\n") && !svg.contains("\nz\n"));
}

#[test]
fn axes_may_be_chosen() {
    let spec = grid(&linspace("z", 2), &grid(&linspace("y", 2), &linspace("x", 2)));
    let names = |arguments: &[&str]| {
        let fixed = ["points", "-", "--format", "svg"];
        let svg = picture(&[&fixed, arguments].concat(), &spec);
        let names = ["x", "y", "z", "frame"].into_iter();
        names.filter(|name| svg.contains(&format!("\n{name}\n"))).collect::<Vec<_>>()
    };
    assert_eq!(names(&[]), ["x", "y"]);
    assert_eq!(names(&["--axes", "z,x"]), ["x", "z"]);
    assert_eq!(names(&["--axes", "z"]), ["z", "frame"]);
    let refused = |arguments: &[&str], error: &str| {
        let ended = ended_with_input(bluefly(&["points", "-"]).args(arguments), &spec.to_string());
        assert_eq!(ended.err, format!("error: --axes: {error}\n"));
        assert_eq!((ended.status, ended.out.as_str()), (2, ""));
    };
    let svg = ["--format", "svg", "--axes"];
    refused(&[&svg[..], &["q"]].concat(), "no axis \"q\" in this scan: it has z, y, x");
    refused(&[&svg[..], &["x,y,z"]].concat(), "3 axes given: a picture has one or two");
    refused(&["--axes", "x"], "is of use with --format svg only");
}

#[test]
fn any_name_of_an_axis_can_be_drawn() {
    let slow = "<script>&\"'\u{1}\n]]>";
    let svg = path(&fly(&grid(&linspace(slow, 2), &linspace(&"x".repeat(1_000), 2))));
    assert!(svg.contains("\n&lt;script&gt;&amp;&quot;&apos;\u{fffd}\u{fffd}]]&gt;\n"), "{svg}");
    assert!(svg.len() < 20_000, "{} bytes", svg.len());
}

#[test]
fn any_positions_are_drawn_or_refused() {
    let line = |start: f64, stop: f64| json!({"type": "Linspace", "axis": "x", "start": start, "stop": stop, "num": 3});
    for (start, stop) in [
        (0.0, 5e-324),
        (1e9, 1e9 + 1e-7),
        (-1e99, 1e99),
        (1e15, 1e15 + 2.0),
        (0.0, 1e-15),
        (-1e-7, 1e-9),
    ] {
        let svg = path(&line(start, stop));
        assert!(svg.len() < 20_000, "{start} to {stop}: {} bytes", svg.len());
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{start} to {stop}");
    }
    let arguments = ["points", "-", "--format", "svg"];
    let ended = ended_with_input(&mut bluefly(&arguments), &line(0.0, 1e300).to_string());
    let error = "error: standard input: x: 500000000000";
    assert!(ended.status == 2 && ended.err.starts_with(error), "{}", ended.err);
    assert_eq!(ended.err.lines().count(), 1);
}

#[test]
fn a_long_path_is_thinned_and_says_so() {
    let spec = fly(&grid(&json!(100_000), &grid(&linspace("y", 100_000), &linspace("x", 100_000))));
    let svg = path(&spec);
    let said = "; only 2000 of 1000000000000000 frames are drawn\n";
    assert!(svg.contains(said), "{}", &svg[..1_000]);
    assert_eq!(count(&svg, "<circle "), 2_002);
    assert!(count(&svg, "<") < 8_000 && svg.len() < 1_000_000, "{} bytes", svg.len());
    let part = ["points", "-", "--format", "svg", "--start", "99990", "--num", "20"];
    let svg = picture(&part, &spec);
    assert!(svg.contains("\nframes 99990 to 100009 of 100000 x "), "{}", &svg[..1_000]);
    assert_eq!(count(&svg, "<circle "), 22);
}

//! What a person looks at before flying: pictures of a scan, and the schema of specifications.
use crate::cli::{Ended, bluefly, ended_with_input};
use serde_json::{Value, json};
use std::{io::Write as _, process::Stdio};

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

/// A picture of these axes, each named by an option of its own.
fn path_along(axes: &[&str], spec: &Value) -> String {
    let options = axes.iter().flat_map(|axis| ["--axes", axis]);
    let fixed = ["points", "-", "--format", "svg"];
    picture(&fixed.into_iter().chain(options).collect::<Vec<_>>(), spec)
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
    assert_eq!(names(&["--axes", "z", "--axes", "y"]), ["y", "z"]);
    let comma = path_along(&["x,y", "z"], &grid(&linspace("z", 2), &linspace("x,y", 2)));
    assert!(comma.contains("\nx,y\n") && comma.contains("\nz\n"), "{comma}");
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

const PROFILE: [&str; 4] = ["profile", "-", "--beamline", "etc/sim.toml"];

/// Rows of 4 frames, 1 mm and 0.1 s each.
fn rows(num: u64) -> Value {
    let row = json!({"type": "Snake", "spec": linspace("x", 4)});
    let grid = grid(&linspace("y", num), &row);
    fly(&json!({"type": "ConstantDuration", "constant_duration": 0.1, "spec": grid}))
}

fn profile(arguments: &[&str], spec: &Value) -> Value {
    let ended = ended_with_input(bluefly(&PROFILE).args(arguments), &spec.to_string());
    assert_eq!((ended.status, ended.err.as_str()), (0, ""), "{arguments:?} {spec}");
    serde_json::from_str(&ended.out).unwrap()
}

#[test]
fn a_profile_tells_every_point_of_the_motion() {
    let told = profile(&[], &rows(1));
    assert_eq!((&told["axes"], &told["units"]["x"]), (&json!(["y", "x"]), &json!("mm")));
    assert_eq!((&told["controller"], &told["num_frames"]), (&json!("motion"), &json!(4)));
    // 10 mm/s are reached with 1000 mm/s^2 in 10 ms and 0.05 mm, and held for 2 ms.
    let point = |[time_us, duration_us]: [u64; 2], [x, v]: [f64; 2], mark: &str, mode: u8| {
        let completed = if time_us < 412_000 { 0 } else { 4 };
        let frames = if mark == "row_end" { 4 } else { 0 };
        json!({
            "time_us": time_us, "duration_us": duration_us, "positions": {"y": 0.0, "x": x},
            "velocities": {"y": 0.0, "x": v}, "mark": mark, "velocity_mode": mode,
            "user_program": 0, "frames": frames, "completed": completed,
        })
    };
    let expected = [
        point([0, 0], [-0.570_000_000_000_000_1, 0.0], "start", 3),
        point([10_000, 10_000], [-0.52, 10.0], "turnaround", 1),
        point([12_000, 2_000], [-0.5, 10.0], "row_start", 1),
        point([412_000, 400_000], [3.5, 10.0], "row_end", 2),
        point([422_000, 10_000], [3.55, 0.0], "run_down", 3),
    ];
    assert_eq!(told["points"], json!(expected));
    assert_eq!((&told["num_points"], &told["duration_us"]), (&json!(5), &json!(422_000)));
    let programs = |kind: &str| {
        let told = profile(&["--user-programs", kind], &rows(1));
        let points = told["points"].as_array().unwrap();
        points.iter().map(|point| point["user_program"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(programs("row-gate"), [0, 8, 0, 1, 8, 0]);
    assert_eq!(programs("every-point"), [0, 8, 8, 1, 4, 1, 4, 1, 4, 1, 4, 2, 8]);
}

#[test]
fn a_profile_is_of_the_controller_as_the_beamline_drives_it() {
    let driven = |keys: &[(&str, &str)]| -> Vec<Value> {
        let variable = |key| format!("BLUEFLY__DEVICE__MOTION__{key}");
        let keys = keys.iter().map(|(key, value)| (variable(key), value));
        let spec = rows(1).to_string();
        let ended = ended_with_input(bluefly(&PROFILE).envs(keys), &spec);
        assert_eq!((ended.status, ended.err.as_str()), (0, ""));
        let told: Value = serde_json::from_str(&ended.out).unwrap();
        told["points"].as_array().unwrap().clone()
    };
    // What is at a point; x, its velocity; how that is found; the program; frames begun and over.
    let point = |(time_us, mark): (u64, &str), x: [f64; 2], numbers: [u64; 4]| {
        let [mode, program, frames, completed] = numbers;
        json!([time_us, mark, x[0], x[1], mode, program, frames, completed])
    };
    let seen = |points: &[Value]| -> Vec<Value> {
        let row = |point: &Value| {
            let of = |key: &str| point[key].clone();
            let x = |key: &str| point[key]["x"].clone();
            json!([
                of("time_us"),
                of("mark"),
                x("positions"),
                x("velocities"),
                of("velocity_mode"),
                of("user_program"),
                of("frames"),
                of("completed")
            ])
        };
        points.iter().map(row).collect()
    };
    let every = driven(&[("TRIGGER_BITS", "every_point")]);
    let expected = [
        point((0, "start"), [-0.570_000_000_000_000_1, 0.0], [3, 0, 0, 0]),
        point((10_000, "entry"), [-0.570_000_000_000_000_1, 0.0], [3, 8, 0, 0]),
        point((20_000, "turnaround"), [-0.52, 10.0], [1, 8, 0, 0]),
        point((22_000, "row_start"), [-0.5, 10.0], [1, 1, 0, 0]),
        point((72_000, "midpoint"), [0.0, 10.0], [0, 4, 1, 0]),
        point((122_000, "frame_end"), [0.5, 10.0], [0, 1, 0, 1]),
        point((172_000, "midpoint"), [1.0, 10.0], [0, 4, 1, 1]),
        point((222_000, "frame_end"), [1.5, 10.0], [0, 1, 0, 2]),
        point((272_000, "midpoint"), [2.0, 10.0], [0, 4, 1, 2]),
        point((322_000, "frame_end"), [2.5, 10.0], [0, 1, 0, 3]),
        point((372_000, "midpoint"), [3.0, 10.0], [0, 4, 1, 3]),
        point((422_000, "row_end"), [3.5, 10.0], [1, 2, 0, 4]),
        point((432_000, "run_down"), [3.55, 0.0], [3, 8, 0, 4]),
    ];
    assert_eq!(seen(&every), expected);
    let silent = driven(&[("POINTS", "every")]);
    let programs = |points: &[Value]| -> Vec<Value> {
        points.iter().map(|point| point["user_program"].clone()).collect()
    };
    assert_eq!(programs(&silent), vec![json!(0); 12]);
    let gate = driven(&[("TRIGGER_BITS", "row_gate"), ("POINTS", "every")]);
    assert_eq!(
        programs(&gate),
        [0, 8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 8, 0].map(|number| json!(number))
    );
    assert_eq!(
        programs(&driven(&[("TRIGGER_BITS", "row_gate")])),
        [0, 8, 0, 1, 8, 0].map(|number| json!(number))
    );
    // The settle time of 2 ms becomes one segment of 4 ms.
    let coarse = driven(&[("MIN_SEGMENT_DURATION", "4 ms")]);
    let times: Vec<&Value> = coarse.iter().map(|point| &point["time_us"]).collect();
    assert_eq!(times, [0, 10_000, 14_000, 414_000, 424_000]);
}

#[test]
fn a_profile_may_be_of_a_part_of_a_scan() {
    let points = |arguments: &[&str]| profile(arguments, &rows(3))["points"].clone();
    let whole = points(&[]);
    let whole = whole.as_array().unwrap();
    let sum: u64 = whole.iter().map(|point| point["frames"].as_u64().unwrap()).sum();
    assert_eq!((sum, &whole[whole.len() - 1]["completed"]), (12, &json!(12)));
    let times = whole.iter().scan(0, |time, point| {
        *time += point["duration_us"].as_u64().unwrap();
        Some(*time)
    });
    assert!(times.eq(whole.iter().map(|point| point["time_us"].as_u64().unwrap())));
    // Cut where the frames are complete.
    let first = points(&["--num", "4"]);
    let first = first.as_array().unwrap();
    assert_eq!(first, &whole[..first.len()]);
    assert_eq!(first[first.len() - 1]["completed"], 4);
    // Entered in the middle of a row that runs backwards.
    let last = points(&["--start", "6"]);
    assert_eq!(last[0]["positions"], json!({"y": 1.0, "x": 1.57}));
    assert_eq!((&last[0]["completed"], &last[0]["time_us"]), (&json!(6), &json!(0)));
    assert_eq!(last[1]["velocities"]["x"], -10.0);
    assert_eq!(points(&["--start", "12"]), json!([]));
    assert_eq!(points(&["--num", "0"]), json!([]));
}

#[test]
fn a_profile_is_drawn_with_its_frames_turns_and_limits() {
    let draw = |arguments: &[&str], spec: &Value| {
        picture(&[&PROFILE[..], &["--format", "svg"], arguments].concat(), spec)
    };
    let svg = draw(&[], &rows(3));
    let shades = |svg: &str| {
        let of = |color: &str| count(svg, &format!("fill=\"{color}\" stroke=\"none\"/>"));
        ["#DBE9F6", "#FDECD9", "#ECEAE7"].map(of)
    };
    // 3 rows; the run-up, 2 turns and the run-down.
    assert_eq!(shades(&svg), [3, 4, 0]);
    assert!(svg.contains("\n3 x 4 = 12 frames: 1."), "{}", &svg[..600]);
    for name in ["x (mm)", "x (mm/s)", "y (mm)", "y (mm/s)", "time (s)", "limits -100 and 100"] {
        assert!(svg.contains(&format!("\n{name}\n")), "{name}");
    }
    // Positions and velocities of two axes, and the beginnings of 12 frames.
    let blue = "stroke=\"#1F77B4\" stroke-width=\"1\" points=\"";
    assert_eq!(count(&svg, blue), 4 + 12);
    // The limits are far away until the motion comes near them.
    assert_eq!(count(&svg, "stroke=\"#D62728\""), 0);
    let near = json!({"type": "Linspace", "axis": "x", "start": 20, "stop": 90, "num": 8});
    let near = draw(&[], &fly(&near));
    assert_eq!(count(&near, "stroke=\"#D62728\""), 3 * 30, "100 mm, 100 mm/s and -100 mm/s");
    assert_eq!(svg, draw(&[], &rows(3)));
    // One segment goes through a whole row, of which few are asked for.
    let short = json!({"type": "Linspace", "axis": "x", "start": 0, "stop": 1, "num": 4_000});
    let short = json!({"type": "ConstantDuration", "spec": short, "constant_duration": 0.001});
    let marks = |arguments: &[&str]| count(&draw(arguments, &fly(&short)), blue) - 2;
    assert_eq!((marks(&["--num", "3"]), marks(&["--start", "3990"]), marks(&[])), (3, 10, 0));

    let long = draw(&[], &rows(100));
    assert!(long.len() < 100_000, "{} bytes", long.len());
    let longer = grid(&json!(1_000), &rows(1));
    let longer = draw(&[], &longer);
    assert!(longer.len() < 100_000, "{} bytes", longer.len());
    assert_eq!(shades(&longer), [0, 0, 1]);
    assert!(longer.contains(", grey: both in turn; dashes: limits\n"));
}

#[test]
fn a_profile_without_motion_is_drawn_as_well() {
    let draw = |spec: &Value| picture(&[&PROFILE[..], &["--format", "svg"]].concat(), spec);
    let nothing = json!({"type": "Product", "outer": 0, "inner": linspace("x", 2)});
    assert!(draw(&nothing).contains("\nthere is no frame\n"));
    let still = json!({"type": "ConstantDuration", "constant_duration": 0.5});
    let svg = draw(&json!({"type": "Product", "outer": 3, "inner": still}));
    assert!(
        svg.contains("\n3 x 1 = 3 frames: 1.5 s\n") && svg.contains("\nno axis moves\n"),
        "{svg}"
    );
    assert_eq!(profile(&[], &still)["points"][1]["positions"], json!({}));
}

#[test]
fn a_profile_of_what_cannot_be_flown_is_refused() {
    let refused = |arguments: &[&str], spec: &Value, error: &str| {
        let ended = ended_with_input(bluefly(&PROFILE).args(arguments), &spec.to_string());
        assert_eq!(ended.err, format!("error: {error}\n"));
        assert_eq!((ended.status, ended.out.as_str()), (2, ""));
    };
    refused(
        &[],
        &linspace("x", 102),
        "standard input: $.axis: frame 101, axis x: position 101 mm is above the high limit 100 mm",
    );
    let known = "e, pitch, roll, t, x, y, z";
    refused(
        &["--format", "svg"],
        &linspace("q", 2),
        &format!("standard input: $.axis: no axis \"q\" on this beamline: it has {known}"),
    );
    refused(&["--start", "13"], &rows(3), "--start: 13 is beyond the end: the scan has 12 frames");
}

#[test]
fn whoever_stops_reading_a_profile_ends_it() {
    let mut child = bluefly(&PROFILE)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(rows(101).to_string().as_bytes()).unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), error.as_str()), (Some(0), ""));
}

#[test]
fn the_schema_is_printed_as_it_is_kept() {
    let Ended { status, out, err } = ended_with_input(&mut bluefly(&["schema"]), "");
    assert_eq!((status, err.as_str(), out.as_str()), (0, "", bluefly_protocol::scan::SCHEMA));
}

#[test]
fn points_of_scanpointgenerator_have_delays_and_indexes() {
    let text = include_str!("../../protocol/tests/golden/spg/005_snake.json");
    let golden: Value = serde_json::from_str(text).unwrap();
    let points = |arguments: &[&str]| {
        let spec = golden["generator"].to_string();
        let Ended { status, out, err } =
            ended_with_input(bluefly(&["points", "-"]).args(arguments), &spec);
        assert_eq!((status, err.as_str()), (0, ""), "{arguments:?}");
        out
    };
    let json: Value = serde_json::from_str(&points(&[])).unwrap();
    assert_eq!(json["frames"]["midpoints"], golden["points"]["positions"]);
    for key in ["lower", "upper", "duration", "delay_after", "indexes"] {
        assert_eq!(json["frames"][key], golden["points"][key], "{key}");
    }
    let expected = "\
index,y,y_lower,y_upper,x,x_lower,x_upper,gap,duration,delay_after,index_0,index_1
5,0.5,0.5,0.5,0.6666666666666666,0.8333333333333333,0.5,1,0.1,0.05,1,2
";
    assert_eq!(points(&["--format", "csv", "--start", "5", "--num", "1"]), expected);
}

//! The program itself: what it says of bad input, to the letter, and how it ends.
use serde_json::{Value, json};
use std::{
    fs,
    io::{Read as _, Write as _},
    path::Path,
    process::{Command, Stdio},
};

pub(crate) const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// How a command ended: exit status, standard output, standard error.
pub(crate) struct Ended {
    pub(crate) status: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

pub(crate) fn bluefly(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bluefly"));
    command.args(arguments).current_dir(ROOT).env_remove("BLUEFLY_LOG");
    command
}

pub(crate) fn ended(command: &mut Command) -> Ended {
    ended_with_input(command, "")
}

pub(crate) fn ended_with_input(command: &mut Command, input: &str) -> Ended {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended {
        status: output.status.code().expect("it was not killed by a signal"),
        out: text(output.stdout),
        err: text(output.stderr),
    }
}

/// `arguments` end with `status`, nothing on standard output, and one line of error.
fn check(arguments: &[&str], status: i32, error: &str) {
    let ended = ended(&mut bluefly(arguments));
    assert_eq!(ended.err, format!("error: {error}\n"), "{arguments:?}");
    assert_eq!((ended.status, ended.out.as_str()), (status, ""), "{arguments:?}");
}

/// etc/sim.toml with `old` replaced by `new` is refused with `error`, which follows the file name.
fn check_file(old: &str, new: &str, error: &str) {
    let text = fs::read_to_string(Path::new(ROOT).join("etc/sim.toml")).unwrap();
    assert!(text.contains(old), "{old:?} is not in etc/sim.toml");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("bad.toml");
    fs::write(&file, text.replacen(old, new, 1)).unwrap();
    let file = file.to_str().unwrap();
    check(&["check", file], 2, &format!("{file}: {error}"));
}

#[test]
fn the_files_of_the_project_are_right() {
    for (file, devices) in [
        ("etc/sim.toml", 11),
        ("etc/example.toml", 5),
        ("etc/panda.toml", 7),
        ("etc/epics.toml", 11),
        ("etc/pmac.toml", 5),
    ] {
        let ended = ended(&mut bluefly(&["check", file]));
        assert_eq!((ended.status, ended.err.as_str()), (0, ""), "{file}");
        assert_eq!(ended.out.lines().count(), devices + 2, "{}", ended.out);
    }
}

#[test]
fn devices_are_listed_as_a_table() {
    let ended = ended(&mut bluefly(&["check", "etc/example.toml"]));
    let expected = "\
beamline example: 5 devices
NAME       TYPE                   PROVIDER         DETAILS
camera     detector               sim://camera     48 x 64 uint16, dead time 1ms, trigger edge
generator  generator              sim://generator  works out the frames of a scan
motion     trajectory_controller  sim://motion     axes x, points sparse, trigger bits none, segments 1µs to 4s, turnaround 0ns at least
panda      panda                  sim://panda      SEQ1 triggers camera, encoders of x, 3 columns captured, 11 settings
x          motor                  sim://x          -20 to 20 mm, 10 mm/s, 50 mm/s^2
";
    assert_eq!(ended.out, expected);
}

#[test]
fn devices_are_listed_as_json() {
    let ended = ended(&mut bluefly(&["check", "etc/sim.toml", "--format", "json"]));
    let listing: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(listing["beamline"], "sim");
    assert_eq!(listing["devices"].as_array().unwrap().len(), 11);
    assert_eq!(listing["devices"][0]["name"], "camera");
}

#[test]
fn the_example_names_every_key() {
    let text = fs::read_to_string(Path::new(ROOT).join("etc/example.toml")).unwrap();
    // An unknown key is answered with those that are known.
    let known_keys = |table: &str| {
        let path = format!("{table}.no_such_key").to_uppercase().replace('.', "__");
        let variable = format!("BLUEFLY__{}", path.trim_start_matches("__"));
        let error = ended(bluefly(&["check", "etc/example.toml"]).env(variable, "1")).err;
        let keys = error.trim_end().split_once("; expected ").unwrap_or_else(|| panic!("{error}"));
        let keys = keys.1.replace("one of ", "").replace(" or ", ", ");
        keys.split(", ").map(str::to_owned).collect::<Vec<_>>()
    };
    let tables = "beamline data publish supervision queue api ca device.x device.motion device.camera \
                  device.generator device.panda device.panda.encoders.x device.panda.triggers \
                  device.panda.triggers.outputs.camera sim sim.device.camera";
    for table in known_keys("") {
        assert!(tables.contains(&table), "[{table}] is not looked at");
    }
    for table in tables.split(' ') {
        let section = text.split(&format!("\n[{table}]\n")).nth(1);
        let section = section.unwrap_or_else(|| panic!("[{table}] is not in the example"));
        let section = section.split("\n[").next().unwrap();
        for key in known_keys(table).iter().filter(|key| (table, key.as_str()) != ("sim", "device"))
        {
            let is_table = text.contains(&format!("\n[{table}.{key}"));
            // What goes with nothing else that is there stands in a comment.
            let lines = section.lines().map(|line| line.strip_prefix("# ").unwrap_or(line));
            let is_key = |line: &str| line.starts_with(&format!("{key} = "));
            let written = is_table || lines.into_iter().any(is_key);
            assert!(written, "{key} of [{table}] is not in etc/example.toml");
        }
    }
}

#[test]
fn a_bad_file_is_refused_in_one_line() {
    check_file(
        "velocity",
        "velocty",
        "device.x.velocty: unknown key; expected one of provider, units, limits, velocity, \
         acceleration, settle_time, precision, compound",
    );
    check_file(
        "\"100 mm/s\"",
        "\"100 mm\"",
        "device.x.velocity: \"100 mm\" has the wrong unit: expected mm/s",
    );
    check_file(
        "\"100 mm/s\"",
        "100",
        "device.x.velocity: invalid type: integer 100, expected a text with number and unit, \
         such as \"10 mm/s\" or \"1 ms\"",
    );
    check_file(
        "[\"-100 mm\", \"100 mm\"]",
        "[\"100 mm\", \"-100 mm\"]",
        "device.x.limits: \"100 mm\" is not below \"-100 mm\": expected [lowest, highest]",
    );
    check_file(
        "axes = [\"x\", ",
        "axes = [\"q\", \"x\", ",
        "device.motion.axes[0]: \"q\" is no device of type motor",
    );
    check_file(
        "\"500 us\"",
        "\"-500 us\"",
        "device.camera.dead_time: \"-500 us\" is out of range: must be 0 s to a year",
    );
    check_file(
        "shape = [48, 64]",
        "shape = [nan, 64]",
        "device.camera.shape[0]: invalid type: \
         null, expected usize",
    );
    check_file("[device.y]", "[device.x]", "line 20, column 9: duplicate key");
    check_file("[beamline]", "[beamline", "line 4, column 10: unclosed table, expected `]`");
    check_file("name = \"sim\"", "nome = \"sim\"", "beamline.nome: unknown key; expected name");
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    check(
        &["check", "none.toml"],
        2,
        "none.toml: cannot read the file: No such file or directory (os error 2)",
    );
    check(&["check", "etc"], 2, "etc: cannot read the file: Is a directory (os error 21)");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("latin1.toml");
    fs::write(&file, b"[beamline]\nname = \"\xb5\"\n").unwrap();
    let file = file.to_str().unwrap();
    let error = "cannot read the file: stream did not contain valid UTF-8";
    check(&["check", file], 2, &format!("{file}: {error}"));
}

#[test]
fn a_file_cut_anywhere_is_read_or_refused() {
    let text = fs::read_to_string(Path::new(ROOT).join("etc/sim.toml")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("cut.toml");
    for cut in (0..text.len()).step_by(41) {
        fs::write(&file, &text[..cut]).unwrap();
        let ended = ended(&mut bluefly(&["check", file.to_str().unwrap()]));
        let lines = ended.err.lines().count();
        assert!(matches!((ended.status, lines), (0, 0) | (2, 1)), "cut at {cut}: {}", ended.err);
    }
}

#[test]
fn the_environment_overrides_a_file() {
    let line = |variable: &str, value: &str| {
        let ended = ended(bluefly(&["check", "etc/example.toml"]).env(variable, value));
        let text = if ended.status == 0 { ended.out } else { ended.err };
        text.lines().last().unwrap().to_owned()
    };
    let x = "x          motor                  sim://x          ";
    let velocity = line("BLUEFLY__DEVICE__X__VELOCITY", "5 mm/s");
    assert_eq!(velocity, format!("{x}-20 to 20 mm, 5 mm/s, 50 mm/s^2"));
    let limits = line("BLUEFLY__DEVICE__X__LIMITS", "[\"-5 mm\", \"5 mm\"]");
    assert_eq!(limits, format!("{x}-5 to 5 mm, 10 mm/s, 50 mm/s^2"));
    assert_eq!(
        line("BLUEFLY__DEVICE__X__VELOCITY", "5 mm"),
        "error: BLUEFLY__DEVICE__X__VELOCITY: device.x.velocity: \"5 mm\" has the wrong unit: \
         expected mm/s"
    );
    assert_eq!(
        line("BLUEFLY__DEVICE__X__VELOCTY", "5 mm/s"),
        "error: BLUEFLY__DEVICE__X__VELOCTY: device.x.velocty: unknown key; expected one of \
         provider, units, limits, velocity, acceleration, settle_time, precision, compound"
    );
    assert_eq!(
        line("BLUEFLY__DEVICE____X", "5"),
        "error: BLUEFLY__DEVICE____X: names no key: expected BLUEFLY__TABLE__KEY"
    );
}

#[test]
fn bad_usage_is_refused_in_one_line() {
    let see = "; see bluefly --help";
    check(&["chekc"], 2, &format!("command line: unrecognized subcommand 'chekc'{see}"));
    check(
        &["check"],
        2,
        &format!(
            "command line: the following required arguments were not provided: \
             <BEAMLINE.toml>{see}"
        ),
    );
    check(
        &["check", "--fast", "etc/sim.toml"],
        2,
        &format!("command line: unexpected argument '--fast' found{see}"),
    );
    // It would simulate a beamline that exists.
    check(
        &["scan", "etc/demo.json", "--beamline", "etc/sim.toml", "--fast"],
        2,
        &format!("command line: the following required arguments were not provided: --sim{see}"),
    );
    check(
        &["--log", "a=b=c", "check", "etc/sim.toml"],
        2,
        "--log: \"a=b=c\" is no filter: error parsing level filter: expected one of \"off\", \"error\", \"warn\", \
         \"info\", \"debug\", \"trace\", or a number 0-5",
    );
}

#[test]
fn errors_are_json_on_request() {
    for arguments in
        [["check", "none.toml", "--format", "json"], ["--format", "json", "check", "none.toml"]]
    {
        let ended = ended(&mut bluefly(&arguments));
        let expected = "{\"error\":{\"code\":\"input\",\"message\":\"cannot read the file: No such \
                        file or directory (os error 2)\",\"where\":\"none.toml\"}}\n";
        assert_eq!((ended.status, ended.err.as_str()), (2, expected));
    }
    let usage = ended(&mut bluefly(&["--format=json", "fly"]));
    let error: Value = serde_json::from_str(&usage.err).unwrap();
    assert_eq!(error["error"]["code"], "usage");
    assert_eq!(usage.status, 2);
}

#[test]
fn every_command_has_help_with_an_example() {
    let help = ended(&mut bluefly(&["--help"]));
    assert_eq!((help.status, help.err.as_str()), (0, ""));
    let commands = help.out.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let names = commands.lines().filter_map(|line| line.split_whitespace().next());
    for name in names.filter(|name| *name != "help") {
        let help = ended(&mut bluefly(&[name, "--help"]));
        let example = format!("Example: bluefly {name} ");
        assert!(help.status == 0 && help.out.contains(&example), "{name}: {}", help.out);
    }
    let bare = ended(&mut bluefly(&[]));
    assert_eq!((bare.status, bare.out.as_str()), (2, ""));
}

#[test]
fn points_are_those_of_scanspec() {
    let mut compared = 0;
    let mut files: Vec<_> = fs::read_dir(Path::new(ROOT).join("protocol/tests/golden/scanspec"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    for file in files {
        let golden: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
        let is_whole = golden["exact"] == true && golden.get("path_start").is_none();
        if !is_whole || golden.get("sampled").is_some() || golden.get("note").is_some() {
            continue;
        }
        let ended = ended_with_input(&mut bluefly(&["points", "-"]), &golden["spec"].to_string());
        assert_eq!((ended.status, ended.err.as_str()), (0, ""), "{}", file.display());
        let points: Value = serde_json::from_str(&ended.out).unwrap();
        for key in ["axes", "shape", "snaked", "num_points", "frames"] {
            assert_eq!(points[key], golden[key], "{key} of {}", file.display());
        }
        compared += 1;
    }
    assert!(compared > 30, "compared {compared} files only");
}

#[test]
fn points_may_be_a_part_of_a_scan() {
    let rows = |arguments: &[&str]| {
        let ended = ended(bluefly(&["points", "etc/demo.json"]).args(arguments));
        assert_eq!((ended.status, ended.err.as_str()), (0, ""), "{arguments:?}");
        ended.out
    };
    let expected = "\
index,y,y_lower,y_upper,x,x_lower,x_upper,gap,duration
99,0.0,0.0,0.0,9.9,9.85,9.95,0,0.004
100,0.10000000000000002,0.10000000000000002,0.10000000000000002,9.9,9.95,9.85,1,0.004
";
    assert_eq!(rows(&["--format", "csv", "--start", "99", "--num", "2"]), expected);
    let header = expected.lines().next().unwrap();
    assert_eq!(rows(&["--format", "csv", "--num", "0"]), format!("{header}\n"));
    assert_eq!(rows(&["--format", "csv", "--start", "1600"]), format!("{header}\n"));
    assert!(rows(&["--format", "none"]).starts_with("1600 frames in "));
    let none: Value = serde_json::from_str(&rows(&["--num", "0"])).unwrap();
    assert_eq!((&none["num_points"], &none["frames"]["gap"]), (&json!(1600), &json!([])));
}

#[test]
fn a_bad_specification_is_refused_in_one_line() {
    let check = |spec: &str, error: &str| {
        let ended = ended_with_input(&mut bluefly(&["points", "-"]), spec);
        assert_eq!(ended.err, format!("error: standard input: {error}\n"));
        assert_eq!((ended.status, ended.out.as_str()), (2, ""));
    };
    check(
        r#"{"type": "Fly""#,
        "$: the text is not JSON: EOF while parsing an object at line 1 column 14",
    );
    check("", "$: the text is not JSON: EOF while parsing a value at line 1 column 0");
    check(
        r#"{"type": "Lin"}"#,
        "$.type: \"Lin\" is no type of node: it must be one of Product, Zip, Snake, Concat, Squash, \
         Linspace, Range, Fly, ConstantDuration, Static, Spiral, Ellipse, Polygon, Line, Mask",
    );
    check(
        r#"{"type": "Linspace", "axis": "x", "start": 0, "stop": 1, "num": 0}"#,
        "$.num: 0 is less than 1: num must be at least 1",
    );
    check(
        r#"{"type": "ConstantDuration", "constant_duration": -1, "spec": null}"#,
        "$.constant_duration: -1 is not greater than 0: constant_duration must be greater than 0",
    );
}

#[test]
fn points_that_cannot_be_read_or_are_not_there_are_refused() {
    check(
        &["points", "none.json"],
        2,
        "none.json: cannot read the file: No such file or directory (os error 2)",
    );
    check(
        &["points", "etc/demo.json", "--start", "1601"],
        2,
        "--start: 1601 is beyond the end: the scan has 1600 frames",
    );
    check(
        &["points", "etc/demo.json", "--num", "-1"],
        2,
        "command line: unexpected argument '-1' found; see bluefly --help",
    );
}

/// The output is larger than any pipe, so that the program must notice.
#[test]
fn a_reader_who_has_seen_enough_is_no_error() {
    let mut command = bluefly(&["points", "-"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let spec = r#"{"type": "Linspace", "axis": "x", "start": 0, "stop": 1, "num": 1000000000000}"#;
    child.stdin.take().unwrap().write_all(spec.as_bytes()).unwrap();
    let mut first = [0; 20];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    let ended = child.wait_with_output().unwrap();
    assert_eq!((ended.status.code(), ended.stderr.as_slice()), (Some(0), b"".as_slice()));
}

/// `bluefly scan` of the demo with `old` replaced by `new` is refused with `error` after the name of
/// the specification, before anything is written.
fn check_spec(old: &str, new: &str, error: &str) {
    let text = fs::read_to_string(Path::new(ROOT).join("etc/demo.json")).unwrap();
    assert!(text.contains(old), "{old:?} is not in etc/demo.json");
    let dir = tempfile::tempdir().unwrap();
    let (file, out) = (dir.path().join("bad.json"), dir.path().join("out"));
    fs::write(&file, text.replacen(old, new, 1)).unwrap();
    let (file, out) = (file.to_str().unwrap(), out.to_str().unwrap());
    let arguments = ["scan", file, "--beamline", "etc/sim.toml", "--sim", "--fast", "--out", out];
    check(&arguments, 2, &format!("{file}: {error}"));
    let left = fs::read_dir(out).map_or(0, Iterator::count);
    assert_eq!(left, 0, "{old} -> {new}: files were written");
}

#[test]
fn a_scan_that_cannot_be_flown_is_refused_in_one_line() {
    check_spec(
        "\"x\"",
        "\"w\"",
        "$.spec.spec.inner.spec.axis: no axis \"w\" on this beamline: it has e, pitch, roll, t, x, y, z",
    );
    check_spec(
        "9.9",
        "990",
        "$.spec.spec.inner.spec.axis: frame 10, axis x: position 105 mm is above the high limit 100 mm",
    );
    check_spec(
        "0.004",
        "0.0002",
        "$.spec.constant_duration: frame 0: duration 0.0002 s is shorter than 0.000501 s, exposure \
         and dead time of detector camera",
    );
    check_spec(
        "0.004",
        "-1",
        "$.spec.constant_duration: -1 is not greater than 0: constant_duration must be greater than 0",
    );
    check_spec("0.004", "NaN", "$: the text is not JSON: expected value at line 5 column 26");
    check_spec(
        "\"num\": 100",
        "\"num\": 100000000000",
        "$: 1600000000000 frames take 9277.8 days or more: a scan lasts at most 30 days",
    );
}

#[test]
fn a_seed_is_refused_where_runs_are_already() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().to_str().unwrap();
    let arguments = [
        "scan",
        "etc/demo.json",
        "--beamline",
        "etc/sim.toml",
        "--sim",
        "--fast",
        "--seed",
        "1",
        "--out",
        out,
    ];
    assert_eq!(ended(&mut bluefly(&arguments)).status, 0);
    let reason = format!("{out} has runs already, and a seed gives the same names again");
    check(&arguments, 2, &format!("--seed: {reason}: choose another --out"));
}

#[test]
fn what_a_scan_left_is_told_as_json() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().to_str().unwrap();
    let arguments =
        ["scan", "etc/demo.json", "--beamline", "etc/sim.toml", "--sim", "--fast", "--out", out];
    let ended = ended(bluefly(&arguments).args(["--seed", "1", "--format", "json"]));
    assert_eq!(ended.status, 0, "{}", ended.err);
    let told: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!((&told["frames"], &told["seed"]), (&1600.into(), &1.into()));
    for file in ["documents", "master"] {
        assert!(Path::new(told[file].as_str().unwrap()).is_file(), "{told}");
    }
}

#[test]
fn a_trace_that_cannot_be_written_is_refused_before_the_scan() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let out = out.to_str().unwrap();
    let arguments =
        ["scan", "etc/demo.json", "--beamline", "etc/sim.toml", "--sim", "--fast", "--out", out];
    let ended = ended(bluefly(&arguments).args(["--trace", "/nowhere/trace"]));
    let error = "error: --trace: /nowhere/trace: No such file or directory (os error 2)\n";
    assert_eq!((ended.status, ended.err.as_str()), (2, error));
    assert!(!Path::new(out).exists());
}

//! The program against the program: a served box is set up, saved, and recorded, on real sockets.
use crate::{
    cli::{ROOT, bluefly, ended},
    transcript,
};
use hdf5::types::FixedUnicode;
use serde_json::Value;
use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::TcpListener,
    path::Path,
    process::{Child, Stdio},
};
use tempfile::TempDir;

/// A box that ends with the test.
struct Served {
    child: Child,
    /// `HOST:CTRL:DATA`.
    address: String,
}

impl Served {
    fn new() -> Self {
        let arguments = ["panda", "serve", "--listen", "127.0.0.1:0:0", "--format", "json"];
        let mut command = bluefly(&arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let places: Value = serde_json::from_str(&line).unwrap();
        let control = places["control"].as_str().unwrap();
        let (_, data) = places["data"].as_str().unwrap().rsplit_once(':').unwrap();
        Self { address: format!("{control}:{data}"), child }
    }

    /// Exit status and both outputs of `bluefly panda` with its address second.
    fn run(&self, command: &str, rest: &[&str]) -> (i32, String, String) {
        let arguments = [&["panda", command, &self.address], rest].concat();
        let ended = ended(&mut bluefly(&arguments));
        (ended.status, ended.out, ended.err)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[test]
fn a_served_box_is_set_up_from_a_file_and_its_rows_are_recorded() {
    let (served, directory) = (Served::new(), tempfile::tempdir().unwrap());
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (file, saved, rows) = (path("set_up.txt"), path("saved.txt"), path("rows.h5"));
    let set_up = transcript::file("docs/panda.md", "set_up.txt");
    fs::write(&file, &set_up).unwrap();

    let expected = "\
FIELD                FOUND  IN THE FILE
CLOCK1.ENABLE        ZERO   ONE
CLOCK1.PERIOD.RAW    0      125000
CLOCK1.PERIOD.UNITS  s      ms
INENC1.VAL.CAPTURE   No     Value
PCAP.ENABLE          ZERO   ONE
PCAP.TRIG            ZERO   CLOCK1.OUT
";
    let shown = (0, expected.to_owned(), String::new());
    assert_eq!(served.run("load", &[&file, "--dry-run"]), shown);
    let nothing = (0, String::new(), String::new());
    assert_eq!(served.run("load", &[&file]), nothing);
    assert_eq!(served.run("load", &[&file, "--dry-run"]), nothing);

    assert_eq!(served.run("save", &[&saved]), nothing);
    let text = fs::read_to_string(&saved).unwrap();
    assert!(set_up.lines().all(|line| text.lines().any(|saved| saved == line)), "{text}");
    let (status, out, _) = served.run("save", &[]);
    assert_eq!((status, out), (0, text));
    let (status, out, error) = served.run("save", &[&saved]);
    let expected = format!("error: {saved}: File exists (os error 17)\n");
    assert_eq!((status, out, error), (2, String::new(), expected));

    let (status, out, error) = served.run("record", &["--out", &rows, "--arm", "--rows", "300"]);
    assert_eq!(status, 0, "{error}");
    assert!(out.starts_with(&format!("300 rows of 1 columns in {rows}")), "{out}");
}

#[test]
fn what_a_box_refuses_of_a_file_is_told() {
    let (served, directory) = (Served::new(), tempfile::tempdir().unwrap());
    let file = directory.path().join("set_up.txt");
    let name = file.to_str().unwrap();
    fs::write(&file, "SEQ1.POSA=INENC9.VAL\nSEQ1.POSB=INENC1.VAL\n").unwrap();
    let (status, out, error) = served.run("load", &[name]);
    let expected = "FIELD      FOUND  IN THE FILE\nSEQ1.POSA  ZERO   INENC9.VAL\n";
    assert_eq!((status, out.as_str()), (4, expected));
    let refused = "SEQ1.POSA=INENC9.VAL was refused: Invalid position selection";
    assert_eq!(
        error,
        format!("error: {name}: {refused}; settings that are not as in the file: 1\n")
    );
    // It shows before it is sent.
    fs::write(&file, "NONE.A=1\nBITS.A=1\nSEQ1.STATE=1\n").unwrap();
    let (status, out, error) = served.run("load", &[name, "--dry-run"]);
    let expected = "\
FIELD       FOUND       IN THE FILE
BITS.A      0           1
NONE.A      no setting  1
SEQ1.STATE  no setting  1
";
    assert_eq!((status, out.as_str()), (4, expected));
    assert_eq!(error, format!("error: {name}: no settings of this PandA: NONE.A, SEQ1.STATE\n"));
    // Nor does it end well for values that the box has not.
    fs::write(&file, "SEQ1.POSA=INENC9.VAL\nPCAP.TRIG.DELAY=99\nPULSE1.WIDTH=1\n").unwrap();
    let (status, _, error) = served.run("load", &[name, "--dry-run"]);
    let late = "PCAP.TRIG.DELAY=99: it is beyond 31, the longest delay";
    let choice = "SEQ1.POSA=INENC9.VAL: the PandA has no such value: it may be INENC1.VAL, INENC2.VAL, \
                  INENC3.VAL, INENC4.VAL";
    assert_eq!((status, error), (4, format!("error: {name}: {late}; {choice}\n")));
    fs::write(&file, "SEQ1.POSA\n").unwrap();
    let (status, _, error) = served.run("load", &[name]);
    let expected = "line 1: `SEQ1.POSA` is no NAME=VALUE and no NAME<B";
    assert_eq!((status, error), (2, format!("error: {name}: {expected}\n")));
}

#[test]
fn what_a_box_cannot_capture_was_told_by_the_first_scan() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("wrong.toml");
    let name = path.to_str().unwrap();
    let file = fs::read_to_string(format!("{ROOT}/etc/panda.toml")).unwrap();
    let edits = [
        (r#""INENC2.VAL" = ["Mean"]"#, r#""INENC9.VAL" = ["Mean"]"#),
        (r#""PCAP.TS_TRIG" = ["Value"]"#, r#""PCAP.TS_TRIG" = ["Mean"]"#),
    ];
    let wrong = edits.iter().fold(file, |file, (from, to)| {
        assert!(file.contains(from), "{from}");
        file.replace(from, to)
    });
    fs::write(&path, wrong).unwrap();
    let absent = "device.panda.capture.INENC9.VAL: it has no INENC9.VAL";
    let time = "device.panda.capture.PCAP.TS_TRIG: PCAP.TS_TRIG is ext_out timestamp, of which there \
                is no Mean: only Value";
    let out = directory.path().to_str().unwrap();
    let flown = ["scan", "etc/demo.json", "--beamline", name, "--sim", "--fast", "--out", out];
    let flown = ended(&mut bluefly(&flown));
    assert_eq!((flown.status, flown.err), (4, format!("error: start: {absent}; {time}\n")));
    let looked = ended(&mut bluefly(&["check", name, "--sim", "--connect"]));
    assert_eq!(looked.status, 4);
    for wrong in [absent, time] {
        assert!(looked.out.contains(wrong), "{wrong}\n{}", looked.out);
    }
}

/// `etc/panda.toml` with more of its wiring, for a scan or a look at it.
fn with_wire(directory: &TempDir, wire: &str) -> String {
    let path = directory.path().join("wrong.toml");
    let file = fs::read_to_string(format!("{ROOT}/etc/panda.toml")).unwrap();
    let table = "[device.panda.wiring]\n";
    assert!(file.contains(table));
    fs::write(&path, file.replace(table, &format!("{table}{wire}\n"))).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn the_words_with_which_a_box_refuses_a_wire_were_lost_at_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let name = with_wire(&directory, "\"COUNTER1.STEP\" = \"-1x\"");
    let out = directory.path().to_str().unwrap();
    let flown = ["scan", "etc/demo.json", "--beamline", &name, "--sim", "--fast", "--out", out];
    let flown = ended(&mut bluefly(&flown));
    let refused = "error: start: device.panda: cannot set its wiring: device.panda.wiring.COUNTER1.STEP: \
                   COUNTER1.STEP = \"-1x\": the PandA refuses it: Unexpected character after input";
    assert_eq!((flown.status, flown.err.lines().last()), (4, Some(refused)));
}

#[test]
fn a_value_that_a_box_has_not_was_found_when_it_was_written() {
    let directory = tempfile::tempdir().unwrap();
    let name = with_wire(&directory, "\"SEQ1.BITB\" = \"TTLIN7.VAL\"");
    let looked = ended(&mut bluefly(&["check", &name, "--sim", "--connect"]));
    let wrong = "device.panda.wiring.SEQ1.BITB: SEQ1.BITB = \"TTLIN7.VAL\": the PandA has no such value: \
                 it may be TTLIN1.VAL, TTLIN2.VAL, TTLIN3.VAL, TTLIN4.VAL, TTLIN5.VAL, TTLIN6.VAL";
    assert_eq!(looked.status, 4);
    assert!(looked.out.contains(wrong), "{}", looked.out);
}

/// A beamline with a PandA that captures, and simulated axes.
fn alone(directory: &TempDir, provider: &str) -> String {
    let path = directory.path().join("alone.toml");
    let axis = |name: &str| {
        format!(
            "[device.{name}]\ntype = \"motor\"\nprovider = \"sim://{name}\"\nunits = \"mm\"\nlimits = \
             [\"-100 mm\", \"100 mm\"]\nvelocity = \"100 mm/s\"\nacceleration = \"1000 mm/s^2\"\n"
        )
    };
    let text = format!(
        "[beamline]\nname = \"alone\"\n{}{}[device.motion]\ntype = \"trajectory_controller\"\n\
         provider = \"sim://motion\"\naxes = [\"x\", \"y\"]\n[device.generator]\ntype = \
         \"generator\"\nprovider = \"soft://generator\"\n[device.panda]\ntype = \"panda\"\nprovider = \
         \"panda://{provider}\"\nconnection_timeout = \"1 s\"\n[device.panda.capture]\n\
         \"PCAP.TS_TRIG\" = [\"Value\"]\n",
        axis("x"),
        axis("y"),
    );
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A port at which nobody listens.
fn nobody() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

#[test]
fn a_port_of_rows_that_nobody_serves_was_found_by_the_first_scan() {
    let (served, directory) = (Served::new(), tempfile::tempdir().unwrap());
    let looked = |provider: &str| {
        let name = alone(&directory, provider);
        let ended = ended(&mut bluefly(&["check", &name, "--connect"]));
        (ended.status, ended.out)
    };
    let (status, out) = looked(&served.address);
    assert_eq!(status, 0, "{out}");
    let (control, _) = served.address.rsplit_once(':').unwrap();
    let port = nobody();
    let (status, out) = looked(&format!("{control}:{port}"));
    let told = format!(
        "NOT CONNECTED: 127.0.0.1:{port}: the port of its rows: Connection refused (os error 111)"
    );
    assert_eq!(status, 4);
    assert!(out.contains(&told), "{told}\n{out}");
    // Somebody else is there.
    let (host, number) = control.rsplit_once(':').unwrap();
    let (status, out) = looked(&format!("{control}:{number}"));
    let told = format!(
        "NOT CONNECTED: {host}:{number}: the port of its rows: it does not take XML FRAMED RAW: its \
         reply begins with \"ERR\""
    );
    assert_eq!(status, 4);
    assert!(out.contains(&told), "{told}\n{out}");
}

#[test]
fn a_panda_that_is_not_there_is_named_at_the_start_with_its_address() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().to_str().unwrap();
    let flown = |provider: &str| {
        let name = alone(&directory, provider);
        let ended =
            ended(&mut bluefly(&["scan", "etc/demo.json", "--beamline", &name, "--out", out]));
        (ended.status, ended.err)
    };
    let port = nobody();
    let away = |port, why: &str| {
        let address = format!("127.0.0.1:{port}");
        format!(
            "error: start: device.panda: {address} was not reached within 1s: failed: {address}: {why}"
        )
    };
    let refused = away(port, "cannot connect: Connection refused (os error 111)\n");
    assert_eq!(flown(&format!("127.0.0.1:{port}:1")), (4, refused));
    // Connected to, and silent.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let (status, error) = flown(&format!("127.0.0.1:{port}:1"));
    assert_eq!(status, 4);
    let [of_commands, of_polling] = ["commands", "polling"]
        .map(|which| away(port, &format!("{which}: no reply within 0.06 s\n")));
    assert!(error == of_commands || error == of_polling, "{error}");
}

/// Rows, pulses and frames of the beamline of the guide, as its first lines say to fly it.
#[test]
fn the_beamline_with_a_panda_flies() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().to_str().unwrap();
    let scan = ["scan", "etc/demo.json", "--beamline", "etc/panda.toml", "--sim", "--fast"];
    let flown = ended(&mut bluefly(&[&scan[..], &["--seed", "1", "--out", out]].concat()));
    assert_eq!(flown.status, 0, "{}", flown.err);
    assert!(flown.out.starts_with("1600 frames\n"), "{}", flown.out);
    let text = fs::read_to_string(directory.path().join("documents.jsonl")).unwrap();
    let start: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    let file = format!("{}-panda.h5", start["doc"]["uid"].as_str().unwrap());
    let file = hdf5::File::open(directory.path().join(file)).unwrap();
    let columns = file.group("/entry/data").unwrap().member_names().unwrap();
    assert!(columns.contains(&"INENC1.VAL.Mean".to_owned()), "{columns:?}");
    for column in columns {
        let dataset = file.dataset(&format!("/entry/data/{column}")).unwrap();
        let values: Vec<f64> = dataset.read_raw().unwrap();
        assert_eq!(values.len(), 1_600, "{column}");
        assert!(values.iter().all(|value| value.is_finite()), "{column}");
    }
    let problems: Vec<FixedUnicode<512>> =
        file.dataset("/entry/arms/problems").unwrap().read_raw().unwrap();
    assert!(problems.iter().all(FixedUnicode::is_empty), "{problems:?}");
}

/// A scan that this beamline, otherwise as in the guide, does not fly: exit status and errors.
fn unflown(edits: &[(&str, &str)]) -> (i32, String) {
    let directory = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(Path::new(ROOT).join("etc/panda.toml")).unwrap();
    let text = edits.iter().fold(text, |text, (from, to)| {
        assert!(text.contains(from), "{from} is not in the file");
        text.replace(from, to)
    });
    let file = directory.path().join("panda.toml");
    fs::write(&file, text).unwrap();
    let (file, out) = (file.to_str().unwrap(), directory.path().to_str().unwrap());
    let scan = ["scan", "etc/demo.json", "--beamline", file, "--sim", "--fast", "--out", out];
    let ended = ended(&mut bluefly(&scan));
    (ended.status, ended.err)
}

#[test]
fn a_specification_that_a_panda_cannot_trigger_was_no_bad_input() {
    let timed = "error: etc/demo.json: panda: cannot trigger the scan: axis x moves, and start_on = \
                 \"time\" begins frames when triggers are let go, wherever it is: use \"position\" or \
                 \"gate\"\n";
    assert_eq!(
        unflown(&[("start_on = \"position\"", "start_on = \"time\"")]),
        (2, timed.to_owned())
    );
    let sequencer = "sequencer = \"SEQ1\"\nstart_on = \"position\"               # or \"gate\": with the \
                     row gate of the controller, at TTLIN1\npositions = { x = \"POSA\", y = \"POSB\" }\n\
                     gate = \"BITA\"\n";
    let compared = [
        (sequencer, "compare = \"PCOMP1\"\naxis = \"x\"\n"),
        ("\"SEQ1.BITA\" = \"TTLIN1.VAL\"\n", ""),
        ("= \"SEQ1.ACTIVE\"", "= \"PCOMP1.ACTIVE\""),
        ("= \"SEQ1.OUTA\"", "= \"PCOMP1.OUT\""),
    ];
    let window = "error: etc/demo.json: $.spec.spec.inner.spec.axis: panda triggers by comparing a \
                  position: frame 100, axis x: another line or step begins, and it makes the triggers of \
                  one line, flown one way\n";
    assert_eq!(unflown(&compared), (2, window.to_owned()));
    // That a box is not set up as it should be is no mistake in the specification.
    let unled = "error: scan: panda: cannot trigger the scan: it would capture nothing: PCAP.TRIG is \
                 ZERO\n";
    let trigger = ("\"PCAP.TRIG\" = \"SEQ1.OUTA\"\n", "");
    assert_eq!(unflown(&[trigger]), (4, unled.to_owned()));
}

//! `bluefly panda record`, against ports that say what was recorded.
use super::{
    control::{serve, serve_and_tell},
    recording,
    stream::{header, raw_frame},
};
use crate::cli::{bluefly, ended};
use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    path::Path,
    sync::mpsc,
    thread::JoinHandle,
};
use tempfile::TempDir;

type Served<T> = (u16, JoinHandle<T>);

/// A data port that says `stream` to the first request, and closes if it has no end.
fn serve_data(stream: Vec<u8>) -> Served<String> {
    let has_end = stream.windows(4).any(|part| part == b"END ");
    let (go_on, gate) = mpsc::channel();
    go_on.send(()).unwrap();
    // A real server goes on with the next experiment.
    serve_data_until(stream, gate, if has_end { b"" } else { CLOSE })
}

/// No more is said.
const CLOSE: &[u8] = b"close";

/// The same; `last` is said once `gate` opens.
fn serve_data_until(
    stream: Vec<u8>,
    gate: mpsc::Receiver<()>,
    last: &'static [u8],
) -> Served<String> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let mut request = String::new();
        let mut lines = BufReader::new(socket.try_clone().unwrap());
        lines.read_line(&mut request).unwrap();
        socket.write_all(&stream).unwrap();
        gate.recv().unwrap();
        if last != CLOSE {
            socket.write_all(last).unwrap();
            // Until the reader goes away.
            lines.read_line(&mut String::new()).unwrap();
        }
        request
    });
    (port, server)
}

struct Recorded {
    status: i32,
    out: String,
    err: String,
    request: String,
    commands: Vec<String>,
    directory: TempDir,
}

fn record(stream: Vec<u8>, replies: Vec<&'static str>, arguments: &[&str]) -> Recorded {
    record_from(serve(replies), serve_data(stream), arguments)
}

fn record_from(
    (control, controlled): Served<Vec<String>>,
    (data, served): Served<String>,
    arguments: &[&str],
) -> Recorded {
    let directory = TempDir::new().unwrap();
    let address = format!("127.0.0.1:{control}:{data}");
    let path = directory.path().join("a.h5");
    let fixed = ["panda", "record", &address, "--out", path.to_str().unwrap()];
    let arguments = [&fixed, arguments].concat();
    let ended = ended(bluefly(&arguments).env("BLUEFLY_LOG", "error"));
    let (request, commands) = (served.join().unwrap(), controlled.join().unwrap());
    let err = ended.err.replace(path.to_str().unwrap(), "FILE");
    let out = ended.out.replace(path.to_str().unwrap(), "FILE");
    Recorded { status: ended.status, out, err, request, commands, directory }
}

impl Recorded {
    fn file(&self) -> hdf5::File {
        hdf5::File::open(self.path()).unwrap()
    }

    fn path(&self) -> std::path::PathBuf {
        self.directory.path().join("a.h5")
    }
}

const CAPTURE: &str = "!COUNTER1.OUT Value\n!PCAP.TS_TRIG Value\n!COUNTER2.OUT Mean\n.\n";

fn text(file: &hdf5::File, name: &str) -> String {
    let texts: Vec<hdf5::types::FixedUnicode<512>> =
        file.dataset(&format!("/entry/arms/{name}")).unwrap().read_raw().unwrap();
    texts.iter().map(ToString::to_string).collect::<Vec<_>>().join("|")
}

fn number(file: &hdf5::File, name: &str) -> Vec<i64> {
    file.dataset(&format!("/entry/arms/{name}")).unwrap().read_raw().unwrap()
}

#[test]
fn a_capture_is_armed_recorded_and_reconciled() {
    let replies = vec![CAPTURE, "OK\n", "OK =20000\n", "OK =OK\n"];
    let recorded = record(recording("scan_fast.d2"), replies, &["--arm"]);
    assert_eq!((recorded.status, recorded.err.as_str()), (0, ""));
    let bytes = std::fs::metadata(recorded.path()).unwrap().len();
    let expected = format!(
        "20000 rows of 3 columns in FILE ({bytes} bytes)\n\
         received 20000, sent 20000, captured 20000, ended: Ok, health: OK\n"
    );
    assert_eq!(recorded.out, expected);
    assert_eq!(recorded.request, "XML FRAMED RAW\n");
    let commands = ["*CAPTURE?", "*PCAP.ARM=", "*PCAP.CAPTURED?", "PCAP.HEALTH?"];
    assert_eq!(recorded.commands, commands);
    let file = recorded.file();
    let committed: Vec<u64> = file.dataset("/entry/bluefly/committed").unwrap().read_raw().unwrap();
    assert_eq!(committed, [20_000]);
    let times = file.dataset("/entry/data/PCAP.TS_TRIG.Value").unwrap();
    assert_eq!((times.shape(), times.chunk()), (vec![20_000], Some(vec![16_384])));
    let units = times.attr("units").unwrap().read_scalar::<hdf5::types::VarLenUnicode>().unwrap();
    assert_eq!(units.as_str(), "s");
    for name in ["rows", "received", "sent", "captured"] {
        assert_eq!(number(&file, name), [20_000], "{name}");
    }
    assert_eq!((number(&file, "first_row"), number(&file, "expected")), (vec![0], vec![-1]));
    assert_eq!((text(&file, "end_reason"), text(&file, "problems")), ("Ok".into(), String::new()));
    assert_eq!(text(&file, "arm_time"), "2026-11-22T05:31:37.563875491Z");
}

#[test]
fn rows_that_are_missing_are_told_and_fail_the_command() {
    let replies = vec![CAPTURE, "OK =20001\n", "OK =OK\n"];
    let recorded = record(recording("scan_fast.d1"), replies, &["--scaled", "--format", "json"]);
    let problem = "20001 rows were captured, and 20000 came or were lost before";
    let error = format!("{problem}; 20000 rows are in FILE");
    let expected =
        serde_json::json!({"error": {"code": "failed", "where": "panda", "message": error}});
    assert_eq!(recorded.err, format!("{expected}\n"));
    assert_eq!((recorded.status, recorded.request.as_str()), (4, "XML FRAMED SCALED\n"));
    let summary: serde_json::Value = serde_json::from_str(&recorded.out).unwrap();
    assert_eq!(summary["problems"], serde_json::json!([problem]));
    assert_eq!((&summary["rows"], &summary["captured"]), (&20_000.into(), &20_001.into()));
    assert_eq!(text(&recorded.file(), "problems"), problem);
}

#[test]
fn a_capture_that_others_disarm_was_aborted() {
    let stream =
        [b"OK\n".to_vec(), header("Raw", "", 0), raw_frame(0..7), b"END 7 Disarmed\n".to_vec()];
    let replies = vec!["!COUNTER1.OUT Value\n.\n", "OK =7\n", "OK =OK\n"];
    let recorded = record(stream.concat(), replies, &[]);
    let error = "error: panda: disarmed by somebody else; 7 rows are in FILE\n";
    assert_eq!((recorded.status, recorded.err.as_str()), (3, error));
}

/// Of 5 rows 3 are sound: 2 were in the last frame before the connection broke.
#[test]
fn a_connection_that_breaks_keeps_the_rows_that_are_sound() {
    let stream = [b"OK\n".to_vec(), header("Raw", "", 0), raw_frame(0..3), raw_frame(3..5)];
    let recorded = record(stream.concat(), vec!["!COUNTER1.OUT Value\n.\n"], &[]);
    let error = "error: panda: data port: the connection was closed after 5 rows, before the end of \
                 the experiment was told; 3 rows are in FILE\n";
    assert_eq!((recorded.status, recorded.err.as_str()), (4, error));
    let file = recorded.file();
    let values: Vec<f64> =
        file.dataset("/entry/data/COUNTER1.OUT.Value").unwrap().read_raw().unwrap();
    assert_eq!(values, [0.0, 1.0, 2.0]);
    assert_eq!((number(&file, "spoilt"), number(&file, "sent")), (vec![2], vec![-1]));
}

/// The end comes when the capture is disarmed, and not before.
#[test]
fn a_capture_is_disarmed_after_so_many_rows() {
    let replies = vec!["!COUNTER1.OUT Value\n.\n", "OK\n", "OK\n", "OK =9\n", "OK =OK\n"];
    let (disarm, disarmed) = mpsc::channel();
    let controlled = serve_and_tell(replies, move |line| {
        if line == "*PCAP.DISARM=" {
            disarm.send(()).unwrap();
        }
    });
    let frames = [raw_frame(0..3), raw_frame(3..6), raw_frame(6..9)].concat();
    let stream = [b"OK\n".to_vec(), header("Raw", "", 0), frames].concat();
    let served = serve_data_until(stream, disarmed, b"END 9 Disarmed\n");
    let recorded = record_from(controlled, served, &["--arm", "--rows", "4"]);
    assert_eq!((recorded.status, recorded.err.as_str()), (0, ""));
    assert_eq!(recorded.commands[2], "*PCAP.DISARM=");
    let values: Vec<f64> =
        recorded.file().dataset("/entry/data/COUNTER1.OUT.Value").unwrap().read_raw().unwrap();
    assert_eq!(values, [0.0, 1.0, 2.0, 3.0]);
    assert_eq!(number(&recorded.file(), "expected"), [4]);
}

#[test]
fn a_file_that_is_there_is_left_alone() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("a.h5");
    std::fs::write(&path, "precious").unwrap();
    let path = path.to_str().unwrap();
    let ended = ended(&mut bluefly(&["panda", "record", "127.0.0.1:1:1", "--out", path]));
    let error = format!("error: --out: {path}: there is a file of that name\n");
    assert_eq!((ended.status, ended.err), (2, error));
    assert_eq!(std::fs::read_to_string(Path::new(path)).unwrap(), "precious");
}

#[test]
fn a_panda_that_is_not_there_is_named() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("a.h5");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let address = format!("127.0.0.1:{port}:{port}");
    let arguments = ["panda", "record", &address, "--out", path.to_str().unwrap(), "--arm"];
    let ended = ended(&mut bluefly(&arguments));
    let expected = format!(
        "error: panda: 127.0.0.1:{port}: cannot connect: Connection refused (os error 111)\n"
    );
    assert_eq!((ended.status, ended.err), (4, expected));
}

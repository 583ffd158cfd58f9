//! Arms of one connection in one file: behind one another, over one another, up to a number of rows.
use super::{
    Piece, captured, columns, config, finish, real, recording, settings, start,
    stream::{header, raw_frame, scaled_frame, values},
};
use bluefly_actors::{
    backend::panda::capture::{ArmPlan, Capture, Settings, Step},
    clock::Clock,
    storage::{ColumnData, MemoryDisk, Rows},
};
use bluefly_protocol::panda::{
    EndReason,
    data::{DataRequest, Process},
    describe::parse_captured,
};
use std::sync::mpsc;

fn bytes(parts: &[&[u8]]) -> Piece {
    Piece::Bytes(parts.concat())
}

#[test]
fn a_second_arm_goes_behind_the_first() {
    let captured =
        captured(vec![Piece::Bytes(recording("scan_repeat.d1"))], settings(Process::Scaled));
    assert_eq!(captured.result, Ok(()));
    let arms: Vec<_> = captured.ends.iter().map(|end| (end.arm, end.first_row, end.kept)).collect();
    assert_eq!(arms, [(0, 0, 20), (1, 20, 7), (2, 27, 0), (3, 27, 20)]);
    let disarmed = &captured.ends[2];
    assert_eq!(disarmed.told, Some((0, EndReason::Disarmed)));
    assert_eq!(captured.file.unwrap().committed, 47);
    assert_eq!((captured.progress.arms, captured.progress.received), (4, 47));
}

#[test]
fn an_arm_of_other_columns_is_refused_and_the_difference_named() {
    let ok =
        |rows| [header("Scaled", "mm", 0), scaled_frame(0..rows), b"END 3 Ok\n".to_vec()].concat();
    let check = |second: &[u8], difference: &str| {
        let captured = captured(vec![bytes(&[b"OK\n", &ok(3), second])], settings(Process::Scaled));
        let expected = format!("arm 1 captures something else than the file holds: {difference}");
        assert_eq!(captured.result, Err(expected));
        assert_eq!(captured.file.unwrap().committed, 3);
    };
    let units =
        "column 0 is COUNTER1.OUT.Value in mm in the file and COUNTER1.OUT.Value in deg now";
    check(&header("Scaled", "deg", 0), units);
    let none = "column 0 is COUNTER1.OUT.Value in mm in the file and COUNTER1.OUT.Value without a unit now";
    check(&header("Scaled", "", 0), none);
    let field = "</fields>";
    let more = String::from_utf8(header("Scaled", "mm", 0)).unwrap();
    let more = more.replace("sample_bytes=\"8\"", "sample_bytes=\"12\"");
    let bits = "<field name=\"PCAP.BITS0\" type=\"uint32\" capture=\"Value\" />\n</fields>";
    let more = more.replace(field, bits);
    check(more.as_bytes(), "PCAP.BITS0.Value (bits) is captured now and is not in the file");
}

#[test]
fn a_rewound_arm_overwrites() {
    real(async || {
        let disk = MemoryDisk::new();
        let storage = disk.client(config(), Clock::real());
        let (go_on, gate) = mpsc::channel();
        let first = bytes(&[b"OK\n", &header("Raw", "", 0), &raw_frame(0..5), b"END 5 Ok\n"]);
        let second = bytes(&[&header("Raw", "", 0), &raw_frame(10..15), b"END 5 Ok\n"]);
        let mut capture =
            start(vec![first, Piece::Gate(gate), second], settings(Process::Raw), &storage);
        assert_eq!(capture.ended().await.unwrap().kept, 5);
        let plan = ArmPlan { first_row: Some(2), expected: Some(5), ..ArmPlan::default() };
        capture.expect(plan.clone());
        go_on.send(()).unwrap();
        let end = capture.ended().await.unwrap();
        assert_eq!((end.first_row, end.kept, end.plan), (2, 5, plan));
        let file = finish(capture, &disk).await.file.unwrap();
        assert_eq!(file.committed, 7);
        let expected = [values(0..2), values(10..15)].concat();
        assert_eq!(columns(&file)[0].1, expected);
    });
}

#[test]
fn rows_beyond_the_most_are_not_kept() {
    let plan = ArmPlan { most: Some(4), expected: Some(4), ..ArmPlan::default() };
    let settings = Settings { plan, ..settings(Process::Raw) };
    let stream =
        [b"OK\n".to_vec(), header("Raw", "", 0), raw_frame(0..3), raw_frame(3..6)].concat();
    let tail: &[u8] = b"END 6 Disarmed\n";
    let captured = captured(vec![bytes(&[&stream, tail])], settings);
    let [end] = &captured.ends[..] else { panic!("{:?}", captured.ends) };
    assert_eq!((end.kept, end.received), (4, 6));
    assert_eq!(columns(&captured.file.unwrap())[0].1, values(0..4));
}

#[test]
fn fields_that_nobody_asked_for_are_left_out() {
    let lines =
        ["COUNTER1.OUT Value", "PCAP.TS_TRIG Value", "COUNTER2.OUT Mean"].map(str::to_owned);
    let asked = Some(parse_captured(&lines).unwrap());
    let plan = ArmPlan { asked, ..ArmPlan::default() };
    let settings = Settings { plan, ..settings(Process::Raw) };
    let captured = captured(vec![Piece::Bytes(recording("scan_fast.d2"))], settings);
    let names: Vec<String> =
        columns(&captured.file.unwrap()).into_iter().map(|(name, _)| name).collect();
    let expected = ["COUNTER1.OUT.Value", "PCAP.TS_TRIG.Value", "COUNTER2.OUT.Mean"];
    assert_eq!(names, expected.map(|name| format!("/entry/data/{name}")));
}

/// A capture that was given `bytes`, and the rows that left.
fn given(capture: &mut Capture, bytes: &[u8]) -> Vec<Rows> {
    capture.space()[..bytes.len()].copy_from_slice(bytes);
    capture.received(bytes.len());
    left(capture)
}

fn left(capture: &mut Capture) -> Vec<Rows> {
    let mut rows = vec![];
    while let Some(step) = capture.next_step().unwrap() {
        if let Step::Append(batch) = step {
            rows.push(batch);
        }
    }
    rows
}

fn batch(first: u64, rows: std::ops::Range<i32>) -> Rows {
    Rows { first_index: first, columns: vec![ColumnData::F64(values(rows))] }
}

#[test]
fn raw_rows_wait_until_the_server_shows_that_they_are_sound() {
    let request = DataRequest::framed(Process::Raw);
    let mut capture = Capture::new(request, "a.h5".into(), None);
    given(&mut capture, &[b"OK\n".to_vec(), header("Raw", "", 0)].concat());
    assert_eq!(given(&mut capture, &raw_frame(0..3)), []);
    assert_eq!(capture.counts(), Some((3, 0)));
    capture.hand_over();
    assert_eq!(left(&mut capture), [], "it may be overwritten");
    let second = given(&mut capture, &raw_frame(3..5));
    assert_eq!(second, [batch(0, 0..3)], "the next frame shows that the first is sound");
    assert_eq!(capture.counts(), Some((5, 3)));
    capture.hand_over();
    capture.idle();
    assert_eq!(left(&mut capture), [batch(3, 3..5)], "so does an empty socket");
    assert_eq!(given(&mut capture, &raw_frame(5..7)), []);
    assert_eq!(given(&mut capture, b"END 7 Ok\n"), [batch(5, 5..7)], "and the end");
}

#[test]
fn scaled_rows_are_sound_at_once() {
    let request = DataRequest::framed(Process::Scaled);
    let mut capture = Capture::new(request, "a.h5".into(), None);
    given(&mut capture, &[b"OK\n".to_vec(), header("Scaled", "", 0)].concat());
    assert_eq!(given(&mut capture, &scaled_frame(0..3)), [], "not without being handed over");
    capture.hand_over();
    assert_eq!(left(&mut capture), [batch(0, 0..3)]);
}

/// Batches end where chunks do, wherever they begin.
#[test]
fn batches_fill_chunks() {
    let request = DataRequest::framed(Process::Raw);
    let mut capture = Capture::new(request, "a.h5".into(), None);
    capture.expect(ArmPlan { first_row: Some(16_380), ..ArmPlan::default() });
    given(&mut capture, &[b"OK\n".to_vec(), header("Raw", "", 0)].concat());
    let mut left = given(&mut capture, &raw_frame(0..20_000));
    left.extend(given(&mut capture, b"END 20000 Ok\n"));
    let expected = [batch(16_380, 0..4), batch(16_384, 4..16_388), batch(32_768, 16_388..20_000)];
    assert_eq!(left, expected);
}

//! What goes wrong is named, the rows before it are kept and counted, and nothing hangs.
use super::{
    Piece, captured, columns, config, finish, real, settings, start,
    stream::{header, raw_frame, scaled_frame, values},
};
use crate::storage::gated;
use bluefly_actors::{
    clock::Clock,
    storage::{
        DiskCall, DiskFault, DiskFaults, FaultAfter, FaultEffect, FaultyDisk, Lag, MemoryDisk,
        StorageClient,
    },
};
use bluefly_protocol::panda::{EndReason, data::Process};
use std::sync::mpsc;

fn stream(parts: &[Vec<u8>]) -> Piece {
    Piece::Bytes([b"OK\n".to_vec(), parts.concat()].concat())
}

/// `pieces` end with `error`, `kept` rows of those that came are kept.
fn check(pieces: Vec<Piece>, process: Process, error: &str, kept: i32) {
    let captured = captured(pieces, settings(process));
    assert_eq!(captured.result, Err(error.to_owned()));
    let Some(file) = captured.file else {
        assert_eq!(kept, 0, "{error}");
        return;
    };
    assert_eq!((file.committed, file.is_closed), (kept as u64, true), "{error}");
    assert_eq!(columns(&file)[0].1, values(0..kept), "{error}");
    let [end] = &captured.ends[..] else { panic!("{error}: {:?}", captured.ends) };
    assert_eq!((end.kept, &end.told), (kept as u64, &None), "{error}");
}

#[test]
fn malformed_data_ends_a_capture() {
    let raw = |rest: &[u8]| {
        let good = [header("Raw", "", 0), raw_frame(0..3), raw_frame(3..5)];
        vec![stream(&[good.concat(), rest.to_vec()])]
    };
    let start = 3 + header("Raw", "", 0).len() + raw_frame(0..3).len() + raw_frame(3..5).len();
    let error = |text: &str| format!("data port: the frame at byte {start} has {text}");
    let partial = error("5 bytes of rows, which are no whole rows of 4");
    check(raw(b"BIN \x0d\0\0\0\0\0\0\0\0"), Process::Raw, &partial, 3);
    let long = error("4294967295 bytes: there are 8 to 2162688");
    check(raw(b"BIN \xff\xff\xff\xff"), Process::Raw, &long, 3);
    let stray = format!("data port: byte {start} is 0x21 where rows or an ending are to begin");
    check(raw(b"!"), Process::Raw, &stray, 3);
    let refused = "data port: the request for data was refused: No name found";
    check(vec![Piece::Bytes(b"ERR No name found\n".to_vec())], Process::Raw, refused, 0);
    let early = "data port: an experiment ends at byte 3 before its header";
    check(vec![stream(&[b"END 0 Ok\n".to_vec()])], Process::Raw, early, 0);
}

#[test]
fn what_is_wrong_in_a_header_was_not_told_but_where() {
    let told = |was: &str, now: &str, place: &str, cause: &str| {
        let header = String::from_utf8(header("Raw", "", 0)).unwrap();
        let at = 3 + header.find(place).unwrap();
        let pieces = vec![stream(&[header.replacen(was, now, 1).into_bytes()])];
        let error = format!("data port: the header is malformed at byte {at}: {cause}");
        check(pieces, Process::Raw, &error, 0);
    };
    let kind = "COUNTER1.OUT is of type `int128`, which is not known";
    told("int32", "int128", "<field ", kind);
    told("sample_bytes", "simple_bytes", "<data", "data has no sample_bytes");
    told("<fields>", "<field>", "<fields>", "<fields> is expected");
}

#[test]
fn a_server_that_falls_silent_in_the_middle_is_given_up() {
    let silent = |what: &str| format!("data port: {what} did not go on for 10 s");
    let pieces = |bytes: Vec<u8>| vec![Piece::Bytes(bytes), Piece::SilenceForEver];
    check(pieces(b"O".to_vec()), Process::Raw, &silent("the answer to the request for data"), 0);
    let header_cut = [b"OK\n".to_vec(), b"<header>\n".to_vec()].concat();
    check(pieces(header_cut), Process::Raw, &silent("a header"), 0);
    let frame = raw_frame(3..9);
    let frame_cut = [header("Raw", "", 0), raw_frame(0..3), frame[..frame.len() - 1].to_vec()];
    let cut = vec![stream(&frame_cut), Piece::SilenceForEver];
    check(cut, Process::Raw, &silent("a frame"), 3);
}

#[test]
fn a_server_that_waits_for_triggers_is_not_silent() {
    let silence = || (0..600).map(|_| Piece::Silence);
    let mut pieces = vec![stream(&[header("Raw", "", 0)])];
    pieces.extend(silence());
    pieces.push(Piece::Bytes(raw_frame(0..3)));
    pieces.extend(silence());
    pieces.push(Piece::Bytes(b"END 3 Ok\n".to_vec()));
    let captured = captured(pieces, settings(Process::Raw));
    assert_eq!(captured.result, Ok(()));
    assert_eq!(captured.ends[0].kept, 3);
}

/// Of raw rows the last frame before an overrun may be spoilt; of scaled rows none is.
#[test]
fn an_overrun_keeps_exactly_the_rows_that_are_sound() {
    let check = |process, frames: [Vec<u8>; 2], spoilt: u64| {
        let word = if process == Process::Raw { "Raw" } else { "Scaled" };
        let [first, second] = frames;
        let end = b"END 20000 Data overrun\n".to_vec();
        let pieces = vec![stream(&[header(word, "", 0), first, second, end])];
        let captured = captured(pieces, settings(process));
        assert_eq!(captured.result, Ok(()));
        let [end] = &captured.ends[..] else { panic!("{:?}", captured.ends) };
        let kept = 20_000 - spoilt;
        assert_eq!((end.received, end.kept, end.spoilt), (20_000, kept, spoilt));
        assert_eq!(end.told, Some((20_000, EndReason::DataOverrun)));
        let file = captured.file.unwrap();
        assert_eq!(file.committed, kept);
        assert_eq!(columns(&file)[0].1, values(0..kept as i32));
    };
    // The spoilt rows begin within the first chunk, and in the second.
    check(Process::Raw, [raw_frame(0..100), raw_frame(100..20_000)], 19_900);
    check(Process::Raw, [raw_frame(0..17_000), raw_frame(17_000..20_000)], 3_000);
    check(Process::Scaled, [scaled_frame(0..100), scaled_frame(100..20_000)], 0);
}

#[test]
fn a_late_reader_is_told_what_it_missed() {
    let end = b"END 2 Ok\n".to_vec();
    let pieces = vec![stream(&[header("Raw", "", 13_071_903), raw_frame(0..2), end])];
    let captured = captured(pieces, settings(Process::Raw));
    assert_eq!((captured.ends[0].missed, captured.ends[0].kept), (13_071_903, 2));
}

#[test]
fn a_capture_that_is_stopped_keeps_what_is_sound() {
    real(async || {
        let disk = MemoryDisk::new();
        let storage = disk.client(config(), Clock::real());
        let frames = [header("Raw", "", 0), raw_frame(0..3), raw_frame(3..5)];
        let pieces = vec![stream(&frames), Piece::SilenceForEver];
        let capture = start(pieces, settings(Process::Raw), &storage);
        let mut progress = capture.progress();
        progress.wait_for(|progress| progress.kept == 5).await.unwrap();
        capture.stop();
        let captured = finish(capture, &disk).await;
        assert_eq!(captured.result, Ok(()));
        assert_eq!((captured.ends[0].kept, captured.ends[0].spoilt), (5, 0));
        assert_eq!(captured.file.unwrap().committed, 5);
    });
}

/// The disk fails after the first chunk: the rows before are kept, the capture ends with the error
/// of the disk, and the queue is empty.
#[test]
fn a_full_disk_ends_the_capture() {
    real(async || {
        let (disk, faults) = (MemoryDisk::new(), DiskFaults::default());
        let failing = Box::new(FaultyDisk::new(disk.clone(), faults.clone()));
        let storage = StorageClient::on_thread(config(), Clock::real(), failing).unwrap();
        let (go_on, gate) = mpsc::channel();
        let (last, last_gate) = mpsc::channel();
        let good = stream(&[header("Scaled", "", 0), scaled_frame(0..16_384)]);
        let bad = Piece::Bytes(scaled_frame(16_384..32_768));
        let more = Piece::Bytes(scaled_frame(32_768..49_152));
        let pieces = vec![good, Piece::Gate(gate), bad, Piece::Gate(last_gate), more];
        let capture = start(pieces, settings(Process::Scaled), &storage);
        let mut progress = capture.progress();
        progress.wait_for(|progress| progress.stream.is_some()).await.unwrap();
        let stream = progress.borrow().stream.clone().unwrap();
        let mut state = stream.watch();
        while state.borrow().committed < 16_384 {
            storage.flush().await.unwrap();
        }
        let (call, after, effect) = (DiskCall::Write, FaultAfter::Calls(0), FaultEffect::Error);
        faults.add(DiskFault { path: None, call, after, effect });
        go_on.send(()).unwrap();
        while state.borrow_and_update().error.is_none() {
            storage.flush().await.unwrap();
        }
        last.send(()).unwrap();
        let captured = finish(capture, &disk).await;
        let error = "cannot write a.h5: injected fault";
        assert_eq!(captured.result, Err(error.to_owned()));
        assert_eq!(captured.closed.unwrap().unwrap_err().to_string(), error);
        let file = captured.file.unwrap();
        assert_eq!((file.committed, file.is_closed), (16_384, false));
        assert_eq!(columns(&file)[0].1, values(0..16_384));
        assert_eq!(storage.report().queued_bytes, 0);
        storage.shutdown().await;
    });
}

#[test]
fn how_far_the_disk_is_behind_is_told() {
    real(async || {
        let (disk, has_entered, let_through) = gated();
        let storage = StorageClient::on_thread(config(), Clock::real(), Box::new(disk)).unwrap();
        let (go_on, gate) = mpsc::channel();
        let chunk = stream(&[header("Scaled", "", 0), scaled_frame(0..16_384)]);
        let end = Piece::Bytes(b"END 16384 Ok\n".to_vec());
        let pieces = vec![chunk, Piece::Gate(gate), end];
        let mut capture = start(pieces, settings(Process::Scaled), &storage);
        let mut progress = capture.progress();
        progress.wait_for(|progress| progress.stream.is_some()).await.unwrap();
        has_entered.recv().unwrap();
        assert_eq!(progress.borrow().lag().rows, 16_384);
        let_through.send(()).unwrap();
        storage.flush().await.unwrap();
        assert_eq!(progress.borrow().lag(), Lag::default());
        go_on.send(()).unwrap();
        capture.finished().await.unwrap();
        storage.shutdown().await;
    });
}

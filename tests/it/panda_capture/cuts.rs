//! Recorded streams, whole and cut in every position.
use super::{Piece, captured, columns, recording, settings};
use bluefly_protocol::panda::{EndReason, data::Process};

/// Where each `mark` begins.
fn places(bytes: &[u8], mark: &[u8]) -> Vec<usize> {
    (0..bytes.len()).filter(|at| bytes[*at..].starts_with(mark)).collect()
}

/// The doubles of each column of frames of `row_bytes`.
fn doubles(stream: &[u8], row_bytes: usize) -> Vec<Vec<f64>> {
    let mut columns = vec![vec![]; row_bytes / 8];
    let mut at = places(stream, b"BIN ")[0];
    while stream[at..].starts_with(b"BIN ") {
        let length = u32::from_le_bytes(stream[at + 4..at + 8].try_into().unwrap()) as usize;
        for row in stream[at + 8..at + length].chunks_exact(row_bytes) {
            for (column, value) in columns.iter_mut().zip(row.chunks_exact(8)) {
                column.push(f64::from_le_bytes(value.try_into().unwrap()));
            }
        }
        at += length;
    }
    columns
}

#[test]
fn a_recorded_scan_is_in_the_file_as_the_server_scaled_it() {
    let scaled = recording("scan_fast.d1");
    let expected = doubles(&scaled, 24);
    for (name, process) in [("scan_fast.d1", Process::Scaled), ("scan_fast.d2", Process::Raw)] {
        let captured = captured(vec![Piece::Bytes(recording(name))], settings(process));
        assert_eq!(captured.result, Ok(()), "{name}");
        let [end] = &captured.ends[..] else { panic!("{name}: {:?}", captured.ends) };
        assert_eq!((end.first_row, end.kept, end.received), (0, 20_000, 20_000), "{name}");
        assert_eq!(end.told, Some((20_000, EndReason::Ok)), "{name}");
        let file = captured.file.unwrap();
        assert_eq!(file.committed, 20_000, "{name}");
        // Raw rows begin with the ticks of the gate, by which means are divided.
        let extra = usize::from(process == Process::Raw);
        let found = columns(&file).into_iter().skip(extra).map(|(_, values)| values);
        assert!(found.eq(expected.clone()), "{name}");
    }
}

#[test]
fn columns_are_named_as_users_of_pandas_know_them() {
    let captured =
        captured(vec![Piece::Bytes(recording("scan_all_modes.d2"))], settings(Process::Raw));
    let file = captured.file.unwrap();
    let names: Vec<&str> = file.plan.columns.iter().map(|column| &*column.dataset).collect();
    for name in ["COUNTER1.OUT.Min", "COUNTER1.OUT.StdDev", "PCAP.BITS0.Value"] {
        assert!(names.contains(&&*format!("/entry/data/{name}")), "{name} is not in {names:?}");
    }
}

/// Of a stream that is cut, the rows of whole frames are kept; of raw rows, not those of the last
/// frame, unless the end was told. A place where the cut is no fault is between two arms.
fn check_cuts(name: &str, process: Process, row_bytes: usize) {
    let stream = recording(name);
    let whole = captured(vec![Piece::Bytes(stream.clone())], settings(process));
    let whole = columns(&whole.file.unwrap());
    let frames: Vec<(usize, u64)> = {
        let length = |at: usize| u32::from_le_bytes(stream[at + 4..at + 8].try_into().unwrap());
        let frame = |at| (at + length(at) as usize, u64::from(length(at) - 8) / row_bytes as u64);
        places(&stream, b"BIN ").into_iter().map(frame).collect()
    };
    let header_end = places(&stream, b"</header>\n\n")[0] + 11;
    let end = stream.len();
    for cut in 0..=end {
        let captured = captured(vec![Piece::Bytes(stream[..cut].to_vec())], settings(process));
        let came: Vec<u64> =
            frames.iter().filter(|(end, _)| *end <= cut).map(|(_, rows)| *rows).collect();
        let sound = match process {
            Process::Raw if cut < end => &came[..came.len().saturating_sub(1)],
            Process::Raw | Process::Scaled => &came[..],
        };
        let kept: u64 = sound.iter().sum();
        assert_eq!(captured.result.is_ok(), cut == end || cut == 3, "{name} cut at {cut}");
        if let Err(error) = &captured.result {
            assert!(error.starts_with("data port: the connection was closed "), "{error}");
        }
        assert_eq!(captured.file.is_some(), cut >= header_end, "{name} cut at {cut}");
        let Some(file) = captured.file else { continue };
        let [arm] = &captured.ends[..] else { panic!("{name} cut at {cut}: no end of an arm") };
        assert_eq!((arm.received, arm.kept), (came.iter().sum(), kept), "{name} cut at {cut}");
        assert_eq!(arm.spoilt, arm.received - kept, "{name} cut at {cut}");
        assert_eq!(arm.told.is_some(), cut == end, "{name} cut at {cut}");
        assert_eq!(file.committed, kept, "{name} cut at {cut}");
        for ((column, found), (_, whole)) in columns(&file).iter().zip(&whole) {
            let (found, whole) = (found.iter(), whole[..kept as usize].iter());
            let same = found.map(|value| value.to_bits()).eq(whole.map(|value| value.to_bits()));
            assert!(same, "{name} cut at {cut}: {column}");
        }
    }
}

#[test]
fn a_socket_that_is_cut_anywhere_leaves_sound_rows() {
    check_cuts("scan_all_modes.d1", Process::Scaled, 68);
    check_cuts("scan_all_modes.d2", Process::Raw, 72);
    check_cuts("scan_one_bits.d1", Process::Scaled, 4);
}

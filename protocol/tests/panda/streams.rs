//! Streams of the data port, however they come.
use crate::recording::{connections, every_cut, stream, third_party};
use bluefly_protocol::panda::{
    EndReason,
    control::Refusal,
    data::{
        DataDecoder, DataError, DataRequest, Event, Experiments, FieldType, Header, HeaderError,
        HeaderForm, Process, RowForm, StatusLines,
    },
};
use std::num::NonZeroUsize;

/// An event that is kept; rows that follow each other are one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Told {
    Accepted,
    Header(Header),
    Rows(u64, Vec<u8>),
    Text(u64, String),
    End(u64, u64, EndReason),
}

pub(crate) const RAW: DataRequest = DataRequest::framed(Process::Raw);
pub(crate) const SCALED: DataRequest = DataRequest::framed(Process::Scaled);

/// What comes of `bytes` in pieces, and what is wrong with them or with their end.
pub(crate) fn decode(
    request: DataRequest,
    bytes: &[u8],
    piece: &mut dyn FnMut(usize) -> usize,
) -> (Vec<Told>, Result<(), DataError>) {
    let (mut decoder, mut told, mut rest) = (DataDecoder::new(request), vec![], bytes);
    while !rest.is_empty() {
        let space = decoder.space();
        let (now, later) = rest.split_at(piece(rest.len()).min(space.len()));
        space[..now.len()].copy_from_slice(now);
        assert!(!now.is_empty(), "no space");
        decoder.received(now.len());
        rest = later;
        loop {
            match decoder.next_event() {
                Ok(Some(event)) => keep(&event, &mut told),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(decoder.next_event(), Err(error.clone()), "it stays");
                    assert_eq!(decoder.closed(), Err(error.clone()));
                    return (told, Err(error));
                }
            }
        }
    }
    (told, decoder.closed())
}

pub(crate) fn decode_whole(
    request: DataRequest,
    bytes: &[u8],
) -> (Vec<Told>, Result<(), DataError>) {
    decode(request, bytes, &mut |left| left)
}

fn keep(event: &Event<'_>, told: &mut Vec<Told>) {
    if let (Event::Rows { bytes, .. }, Some(Told::Rows(_, before))) = (event, told.last_mut()) {
        return before.extend_from_slice(bytes);
    }
    told.push(match event {
        Event::Accepted => Told::Accepted,
        Event::Header(header) => Told::Header((*header).clone()),
        Event::Rows { first, bytes } => Told::Rows(*first, bytes.to_vec()),
        Event::Text { first, line } => Told::Text(*first, (*line).to_owned()),
        Event::End { rows, received, reason } => Told::End(*rows, *received, reason.clone()),
    });
}

/// The request that a recorded line makes.
fn request_of(line: &str, row_bytes: usize) -> DataRequest {
    let none = HeaderForm::None { row_bytes: NonZeroUsize::new(row_bytes).unwrap() };
    let mut request = DataRequest {
        form: RowForm::Ascii,
        header: HeaderForm::Text,
        ..DataRequest::framed(Process::Scaled)
    };
    for word in line.split_whitespace() {
        match word {
            "XML" => request.header = HeaderForm::Xml,
            "NO_HEADER" => request.header = none,
            "FRAMED" => request.form = RowForm::Framed,
            "BASE64" => request.form = RowForm::Base64,
            "ASCII" => request.form = RowForm::Ascii,
            "UNFRAMED" => request.form = RowForm::Unframed,
            "RAW" => request.process = Process::Raw,
            "SCALED" => request.process = Process::Scaled,
            "NO_STATUS" => request.status = StatusLines::NotTold,
            "ONE_SHOT" => request.experiments = Experiments::One,
            "BARE" => {
                let (form, process) = (RowForm::Unframed, Process::Raw);
                let (status, experiments) = (StatusLines::NotTold, Experiments::One);
                request = DataRequest { form, process, header: none, status, experiments };
            }
            other => panic!("{other}"),
        }
    }
    request
}

fn row_bytes(line: &str) -> usize {
    if line.contains("BARE") || line.contains("RAW") { 64 } else { 84 }
}

/// What of a connection is binary rows.
fn rows(told: &[Told]) -> Vec<u8> {
    let rows = told.iter().filter_map(|told| match told {
        Told::Rows(_, bytes) => Some(bytes.as_slice()),
        _ => None,
    });
    rows.collect::<Vec<_>>().concat()
}

fn text_rows(told: &[Told]) -> Vec<&str> {
    let rows = told.iter().filter_map(|told| match told {
        Told::Text(_, line) => Some(line.as_str()),
        _ => None,
    });
    rows.collect()
}

pub(crate) fn recorded(name: &str) -> Vec<Told> {
    let (_, line) = connections().into_iter().find(|(known, _)| known == name).unwrap();
    let (told, closed) = decode_whole(request_of(&line, row_bytes(&line)), &stream(name));
    assert_eq!(closed, Ok(()), "{name}");
    told
}

#[test]
fn requests_are_lines_that_were_taken() {
    let check = |line, expected: &str| assert_eq!(request_of(line, 64).to_string(), expected);
    check("XML FRAMED RAW", "XML FRAMED RAW");
    check("", "ASCII SCALED");
    check("XML FRAMED RAW ONE_SHOT", "XML FRAMED RAW ONE_SHOT");
    check("NO_HEADER NO_STATUS FRAMED", "NO_HEADER FRAMED SCALED NO_STATUS");
    check("BASE64 RAW XML", "XML BASE64 RAW");
    // Nothing marks the end of such rows but that of the connection.
    check("UNFRAMED RAW", "UNFRAMED RAW NO_STATUS ONE_SHOT");
    check("BARE", "NO_HEADER UNFRAMED RAW NO_STATUS ONE_SHOT");
}

#[test]
fn recorded_streams_are_read_however_they_are_cut() {
    let mut ended = vec![];
    for (name, line) in connections() {
        if name.starts_with("dataport_errors") {
            continue;
        }
        let (request, bytes) = (request_of(&line, row_bytes(&line)), stream(&name));
        let whole = decode_whole(request, &bytes);
        assert_eq!(whole.1, Ok(()), "{name}");
        if bytes.len() < 10_000 {
            every_cut(|piece| assert!(decode(request, &bytes, piece) == whole, "{name}"));
        }
        let ends = whole.0.iter().filter_map(|told| match told {
            Told::End(rows, received, reason) => Some(format!("{name} {rows} {received} {reason}")),
            _ => None,
        });
        ended.extend(ends);
    }
    let mut expected = vec![
        "framing_error.d1 1 1 Framing error",
        "framing_error.d2 1 1 Framing error",
        "scan_all_modes.d1 30 30 Ok",
        "scan_all_modes.d2 30 30 Ok",
        "scan_all_modes.d3 30 30 Ok",
        "scan_fast.d1 20000 20000 Ok",
        "scan_fast.d2 20000 20000 Ok",
    ];
    let formats = ["d1", "d2", "d3", "d4", "d5", "d6", "d9", "d11", "d12", "d13"];
    let formats = formats.map(|stream| format!("scan_formats.{stream} 50 50 Ok"));
    expected.extend(formats.iter().map(String::as_str));
    expected.extend([
        "scan_mean_only.d1 25 25 Ok",
        "scan_mean_only.d2 25 25 Ok",
        "scan_one_bits.d1 40 40 Ok",
        "scan_one_bits.d2 40 40 Ok",
        "scan_one_bits.d3 40 40 Ok",
        "scan_repeat.d1 20 20 Ok",
        "scan_repeat.d1 7 7 Disarmed",
        "scan_repeat.d1 0 0 Disarmed",
        "scan_repeat.d1 20 20 Ok",
        "scan_repeat.d2 20 20 Ok",
    ]);
    assert_eq!(ended, expected);
}

#[test]
fn every_form_of_rows_tells_the_same() {
    let scaled = rows(&recorded("scan_formats.d1"));
    let raw = rows(&recorded("scan_formats.d2"));
    assert_eq!((scaled.len(), raw.len()), (50 * 84, 50 * 64));
    for name in ["d5", "d10", "d11"] {
        assert_eq!(rows(&recorded(&format!("scan_formats.{name}"))), scaled, "{name}");
    }
    for name in ["d6", "d7", "d8", "d13"] {
        assert_eq!(rows(&recorded(&format!("scan_formats.{name}"))), raw, "{name}");
    }
    let words = recorded("scan_formats.d12");
    let words = text_rows(&words).into_iter().flat_map(|line| line.split(' '));
    let word = |text: &str| u32::from_str_radix(text.strip_prefix("0x").unwrap(), 16).unwrap();
    assert_eq!(words.flat_map(|text| word(text).to_le_bytes()).collect::<Vec<_>>(), raw);

    // Numbers are told with ten digits.
    let digits = |value: f64| format!("{value:.9e}").parse::<f64>().unwrap();
    let numbers = scaled.chunks(84).flat_map(|row| {
        let (bits, doubles) = row.split_at(4);
        let bits = f64::from(u32::from_le_bytes(bits.try_into().unwrap()));
        let doubles = doubles.as_chunks().0.iter().map(|bytes| digits(f64::from_le_bytes(*bytes)));
        std::iter::once(bits).chain(doubles)
    });
    let numbers: Vec<f64> = numbers.collect();
    for name in ["d3", "d4", "d9"] {
        let text = recorded(&format!("scan_formats.{name}"));
        let told = text_rows(&text).into_iter().flat_map(|line| line.split(' '));
        assert_eq!(told.map(|text| text.parse::<f64>().unwrap()).collect::<Vec<_>>(), numbers);
    }
}

#[test]
fn the_header_of_each_form_tells_the_same() {
    let header = |name: &str| {
        let told = recorded(&format!("scan_formats.{name}"));
        let mut headers = told.into_iter().filter_map(|told| match told {
            Told::Header(header) => Some(header),
            _ => None,
        });
        headers.next().unwrap()
    };
    for (xml, text) in [("d4", "d3"), ("d2", "d6")] {
        assert_eq!(header(xml), header(text));
    }
    assert_eq!(header("d1").fields, header("d5").fields);
}

#[test]
fn a_header_is_read() {
    let told = recorded("scan_all_modes.d2");
    let Told::Header(header) = &told[1] else { panic!() };
    assert_eq!(header.arm_time.as_deref(), Some("2026-11-22T05:56:28.511117704Z"));
    assert_eq!(header.start_time.as_deref(), Some("2026-11-22T05:56:28.624375384Z"));
    assert_eq!((header.hw_time_offset_ns, header.missed), (None, 0));
    assert_eq!((header.process, header.form), (Process::Raw, RowForm::Framed));
    assert_eq!(header.row_bytes(), 72);
    let last = header.fields.last().unwrap();
    assert_eq!(
        (last.kind, last.first_byte, last.capture.to_string()),
        (FieldType::Int96, 60, "StdDev".into())
    );
    let value = &header.fields[2];
    assert_eq!((value.scale, value.offset), (0.001, -5.0));
    assert_eq!(value.units.as_deref(), Some("mm & <\"deg'>"));
    assert_eq!(last.units, None);
    assert!(header.fields[0].is_samples());
}

#[test]
fn dumps_of_older_servers_are_read() {
    let dumps = [("fast_dump", SCALED, 58), ("slow_dump", SCALED, 5), ("raw_dump", RAW, 10_000)];
    for (name, request, expected) in dumps {
        let Some(bytes) = third_party(&format!("client_dumps/{name}.bin")) else { continue };
        let whole = decode_whole(request, &bytes);
        let Told::Header(header) = &whole.0[1] else { panic!() };
        assert_eq!((&header.arm_time, &header.start_time), (&None, &None));
        assert_eq!(whole.1, Ok(()));
        assert_eq!(whole.0.last(), Some(&Told::End(expected, expected, EndReason::Disarmed)));
        assert_eq!(rows(&whole.0).len() as u64, expected * header.row_bytes() as u64);
        every_cut(|piece| assert!(decode(request, &bytes, piece) == whole, "{name}"));
    }
}

#[test]
fn a_dump_from_whose_header_a_field_was_taken_is_refused() {
    let Some(bytes) = third_party("client_dumps/raw_dump_no_duration.bin") else { return };
    let source = HeaderError::SampleBytes { told: 44, fields: 40 };
    assert_eq!(decode_whole(RAW, &bytes).1, Err(DataError::Header { at: 12, source }));
}

#[test]
fn refused_requests_are_errors() {
    let mut texts = vec![];
    for (name, _) in connections().iter().filter(|(name, _)| name.starts_with("dataport_errors")) {
        let bytes = stream(name);
        every_cut(|piece| {
            let (told, error) = decode(RAW, &bytes, piece);
            let Err(DataError::Refused(error)) = error else { panic!("{error:?}") };
            assert_eq!(told, []);
            assert_ne!(error.class, Refusal::Other);
            texts.push(error.text);
        });
    }
    texts.sort();
    texts.dedup();
    assert_eq!(
        texts,
        ["Cannot process CR character", "Invalid data capture option", "No name found"]
    );
}

#[test]
fn a_stream_that_is_cut_anywhere_says_where() {
    let bytes = stream("scan_formats.d1");
    let find = |mark: &[u8]| bytes.windows(mark.len()).position(|part| part == mark).unwrap();
    let (rows, end) = (find(b"BIN "), find(b"END "));
    for length in 0..=bytes.len() {
        let (told, closed) = decode_whole(SCALED, &bytes[..length]);
        let given = (length - 3.min(length)) as u64;
        let expected = match length {
            ..3 => Err(DataError::ClosedBeforeAnswer),
            3 => Ok(()),
            _ if length < rows => Err(DataError::ClosedInHeader { at: 3, bytes: given as usize }),
            _ if length == rows => Err(DataError::ClosedBeforeEnd { rows: 0 }),
            _ if length < end => {
                Err(DataError::ClosedInRows { at: rows as u64, bytes: length - rows, rows: 0 })
            }
            _ if length == end => Err(DataError::ClosedBeforeEnd { rows: 50 }),
            _ if length < bytes.len() => {
                Err(DataError::ClosedInRows { at: end as u64, bytes: length - end, rows: 50 })
            }
            _ => Ok(()),
        };
        assert_eq!(closed, expected, "{length}");
        assert_eq!(told.iter().any(|told| matches!(told, Told::Rows(..))), length >= end);
    }
}

/// A stream of frames of so many bytes.
fn frames(lengths: &[u32]) -> Vec<u8> {
    let header = stream("scan_one_bits.d2");
    let header = &header[..header.windows(4).position(|part| part == b"BIN ").unwrap()];
    let mut bytes = header.to_vec();
    for length in lengths {
        bytes.extend_from_slice(b"BIN ");
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.resize(bytes.len() + *length as usize - 8, 7);
    }
    bytes
}

#[test]
fn long_frames_stay_where_they_were_received() {
    let longest = (2 << 20) + 12;
    let lengths = [longest, 1_600_000, 1_500_000, 1_600_000];
    let (mut decoder, bytes) = (DataDecoder::new(RAW), frames(&lengths));
    let (mut rest, mut places, mut front) = (bytes.as_slice(), vec![], 0);
    while !rest.is_empty() {
        let space = decoder.space();
        // What a socket gives at a time.
        let (now, later) = rest.split_at(rest.len().min(space.len()).min(300_000));
        space[..now.len()].copy_from_slice(now);
        front = if space.len() == longest as usize { space.as_ptr() as usize } else { front };
        decoder.received(now.len());
        rest = later;
        while let Some(event) = decoder.next_event().unwrap() {
            let Event::Rows { bytes, .. } = event else { continue };
            places.push((bytes.as_ptr() as usize - front, rest.len()));
        }
    }
    // At the front of a buffer that is no longer than the longest frame, behind its own head, and
    // nothing of the next was received with it.
    assert_eq!(places[1..], [(8, 3_100_000), (8, 1_600_000), (8, 0)]);
    assert_eq!(decoder.space().len(), longest as usize);
}

#[test]
fn short_frames_are_received_together() {
    let (mut decoder, bytes) = (DataDecoder::new(RAW), frames(&[40_008; 20]));
    let (mut rest, mut pieces, mut rows) = (bytes.as_slice(), 0, 0);
    while !rest.is_empty() {
        let space = decoder.space();
        let (now, later) = rest.split_at(rest.len().min(space.len()));
        space[..now.len()].copy_from_slice(now);
        decoder.received(now.len());
        (rest, pieces) = (later, pieces + 1);
        while let Some(event) = decoder.next_event().unwrap() {
            let Event::Rows { first, bytes } = event else { continue };
            assert_eq!((first, bytes.len()), (rows, 40_000));
            rows += 10_000;
        }
    }
    assert_eq!((rows, pieces), (200_000, 4));
}

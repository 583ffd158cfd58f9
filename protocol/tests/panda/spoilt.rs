//! Streams that are no streams.
use crate::{
    recording::{connections, every_cut, stream},
    streams::{RAW, SCALED, Told, decode, decode_whole},
};
use bluefly_protocol::panda::data::{
    DataError, DataRequest, Experiments, HeaderError, HeaderForm, MAX_FRAME_BYTES, Process,
    RowForm, StatusLines,
};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use std::{error::Error as _, num::NonZeroUsize};

/// The header of 4-byte rows, after the answer.
const HEADER: &str = "OK\n<header>\n<data missed=\"0\" process=\"Raw\" format=\"Framed\" \
    sample_bytes=\"4\" />\n<fields>\n<field name=\"PCAP.BITS2\" type=\"uint32\" capture=\"Value\" />\n\
    </fields>\n</header>\n\n";
const ROWS_AT: u64 = HEADER.len() as u64;

fn check(bytes: &[u8], expected: &DataError) {
    every_cut(|piece| assert_eq!(decode(RAW, bytes, piece).1.as_ref(), Err(expected)));
}

fn after_header(bytes: &[u8]) -> Vec<u8> {
    [HEADER.as_bytes(), bytes].concat()
}

#[test]
fn an_answer_that_is_none_is_an_error() {
    check(b"HELLO\n", &DataError::NoAnswer { line: "HELLO".into() });
    check(b"ERR\n", &DataError::NoAnswer { line: "ERR".into() });
    check(b"\xff\n", &DataError::NotText { at: 0 });
    check(&b"x".repeat(20_000), &DataError::LongLine { at: 0 });
}

#[test]
fn an_experiment_begins_with_its_header() {
    check(b"OK\nEND 5 Ok\n", &DataError::EndBeforeHeader { at: 3 });
    check(b"OK\nBIN \x08\0\0\0", &DataError::FrameBeforeHeader { at: 3 });
    let syntax = HeaderError::Syntax { expected: "<header>" };
    check(b"OK\n<html>\n", &DataError::Header { at: 3, source: syntax });
    let again = after_header(b"END 0 Ok\nEND 0 Ok\n");
    check(&again, &DataError::EndBeforeHeader { at: ROWS_AT + 9 });
}

#[test]
fn a_header_without_end_does_not_grow() {
    let endless = [&b"OK\n<header>"[..], &b" ".repeat(70_000)].concat();
    check(&endless, &DataError::LongHeader { at: 3 });
}

#[test]
fn frames_are_whole_rows_of_a_length_that_can_be() {
    let length = |length| DataError::FrameLength { at: ROWS_AT, length };
    check(&after_header(b"BIN \x07\0\0\0"), &length(7));
    check(&after_header(b"BIN \0\0\0\x80"), &length(1 << 31));
    let longest = (MAX_FRAME_BYTES as u32).to_le_bytes();
    let (_, closed) = decode_whole(RAW, &after_header(&[b"BIN ", &longest[..]].concat()));
    assert_eq!(closed, Err(DataError::ClosedInRows { at: ROWS_AT, bytes: 8, rows: 0 }));
    let partial = DataError::PartialRow { at: ROWS_AT, length: 7, row_bytes: 4 };
    check(&after_header(b"BIN \x0f\0\0\0"), &partial);
    let empty = after_header(b"BIN \x08\0\0\0BIN \x08\0\0\0END 0 Ok\n");
    assert_eq!(decode_whole(RAW, &empty).1, Ok(()));
}

#[test]
fn what_is_neither_rows_nor_an_ending_is_an_error() {
    let stray = |found| DataError::Stray { at: ROWS_AT, found };
    check(&after_header(b"\0"), &stray(0));
    check(&after_header(b"BAD "), &stray(b'B'));
    check(&after_header(b" 32\n"), &stray(b' '));
    let ending = |line: &str| DataError::Ending { at: ROWS_AT, line: line.into() };
    for line in ["END", "END 5", "END x Ok", "ENDED 5 Ok", "END -1 Ok", "END  1 Ok"] {
        check(&after_header(format!("{line}\n").as_bytes()), &ending(line));
    }
    check(&after_header(&b"E".repeat(20_000)), &DataError::LongLine { at: ROWS_AT });
}

/// The fault of a header whose `from` is replaced.
fn header_fault(from: &str, to: &str) -> (u64, HeaderError) {
    assert!(HEADER.contains(from), "{from}");
    let text = HEADER.replacen(from, to, 1);
    let Err(DataError::Header { at, source }) = decode_whole(RAW, text.as_bytes()).1 else {
        panic!("{text}")
    };
    check(text.as_bytes(), &DataError::Header { at, source: source.clone() });
    (at, source)
}

#[test]
fn a_malformed_header_is_an_error_with_its_place() {
    let at = |part: &str| HEADER.find(part).unwrap() as u64;
    let syntax = |expected| HeaderError::Syntax { expected };
    let check = |from, to, at, expected| assert_eq!(header_fault(from, to), (at, expected));
    check("<data", "<date", at("<data"), syntax("`<data`"));
    check("<fields>", "<field>", at("<fields>"), syntax("<fields>"));
    check("</fields>", "</field>", at("</fields>"), syntax("</fields>"));
    check("</header>", "</header>x", at("</header>") + 9, syntax("the end"));
    check("<field ", "<fjeld ", at("<field "), syntax("`<field` or `</fields>`"));
    check("missed=", "missed:", at("missed") + 6, syntax("`=\"`"));
    check("missed=", "=", at("missed"), syntax("the name of an attribute or `/>`"));
    check(" />", ">", at(" />"), syntax("the name of an attribute or `/>`"));
    check("PCAP.BITS2", "PCAP<BITS2", at("PCAP.BITS2") + 4, syntax("`\"`"));
    let entity = |name: &str| HeaderError::Entity { name: name.into() };
    for name in ["nbsp", "#", "#x", "#xD800", "#1114112", "#+5", "#x-5"] {
        let to = format!("PCAP&{name};BITS2");
        assert_eq!(header_fault("PCAP.BITS2", &to), (at("PCAP.BITS2") + 4, entity(name)));
    }
    let text = [HEADER.as_bytes()[..20].to_vec(), vec![0xFF], HEADER.as_bytes()[20..].to_vec()];
    self::check(&text.concat(), &DataError::Header { at: 20, source: HeaderError::NotText });
}

#[test]
fn a_header_that_does_not_tell_is_an_error_with_its_field() {
    let message = |from, to| {
        let (at, fault) = header_fault(from, to);
        (at, fault.to_string())
    };
    let data = HEADER.find("<data").unwrap() as u64;
    let field = HEADER.find("<field ").unwrap() as u64;
    let check = |from, to, at, expected: &str| {
        assert_eq!(message(from, to), (at, expected.to_owned()));
    };
    check("missed=\"0\"", "", data, "data has no missed");
    check("\"0\"", "\"-1\"", data, "missed of data is `-1`: a whole number");
    check("\"Raw\"", "\"Unscaled\"", data, "process of data is `Unscaled`: Raw or Scaled");
    check("\"Raw\"", "\"Scaled\"", data, "rows come as Scaled, and Raw was asked for");
    check("\"Framed\"", "\"Base64\"", data, "rows come as Base64, and Framed was asked for");
    check("sample_bytes=\"4\" ", "", data, "data has no sample_bytes");
    check("=\"4\"", "=\"8\"", data, "rows are said to have 8 bytes, and their fields have 4");
    check("missed=", "missed=\"0\" missed=", data, "missed is told twice of data");
    check("\"uint32\"", "\"int128\"", field, "PCAP.BITS2 is of type `int128`, which is not known");
    check("capture=\"Value\" ", "", field, "PCAP.BITS2 has no capture");
    check("name=\"PCAP.BITS2\" ", "", field, "field has no name");
    let scale = "scale of PCAP.BITS2 is `inf`: a finite number";
    check("capture=", "scale=\"inf\" capture=", field, scale);
    let all = "<field name=\"PCAP.BITS2\" type=\"uint32\" capture=\"Value\" />\n";
    check(all, "", data, "there are no fields");
}

#[test]
fn an_error_of_a_header_has_its_cause() {
    let error = decode_whole(RAW, HEADER.replacen("uint32", "x", 1).as_bytes()).1.unwrap_err();
    assert_eq!(error.to_string(), "the header is malformed at byte 88");
    assert_eq!(
        error.source().unwrap().to_string(),
        "PCAP.BITS2 is of type `x`, which is not known"
    );
}

#[test]
fn what_a_newer_server_adds_to_a_header_is_passed_over() {
    let text = HEADER.replacen("missed", "mood=\"&#x263A;&#65;\" missed", 1);
    let text = text.replacen("capture=", "colour=\"\" hue=\"&apos;\" capture=", 1);
    assert_eq!(decode_whole(RAW, text.as_bytes()).1, Err(DataError::ClosedBeforeEnd { rows: 0 }));
}

#[test]
fn units_that_were_never_set_are_none() {
    let attributes = "capture=\"Value\" scale=\"-2e-3\" offset=\".5\" units=\"(null)\"";
    let text = HEADER.replacen("capture=\"Value\"", attributes, 1);
    let text = text.replacen("missed=\"0\"", "hw_time_offset_ns=\"-12\" missed=\"13071903\"", 1);
    let told = decode_whole(RAW, text.as_bytes()).0;
    let Told::Header(header) = &told[1] else { panic!("{told:?}") };
    assert_eq!((header.missed, header.hw_time_offset_ns), (13_071_903, Some(-12)));
    let field = &header.fields[0];
    assert_eq!((field.scale, field.offset, &field.units), (-0.002, 0.5, &None));
}

#[test]
fn nothing_follows_the_only_experiment() {
    let request = DataRequest { experiments: Experiments::One, ..RAW };
    let bytes = after_header(b"END 0 Ok\n");
    assert_eq!(decode_whole(request, &bytes).1, Ok(()));
    let (_, after) = decode_whole(request, &after_header(b"END 0 Ok\nx"));
    assert_eq!(after, Err(DataError::AfterEnd { at: ROWS_AT + 9 }));
}

#[test]
fn rows_of_text_have_a_value_for_each_field() {
    let request = DataRequest { form: RowForm::Ascii, ..SCALED };
    let header = HEADER.replacen("Framed", "ASCII", 1).replacen("Raw", "Scaled", 1);
    let at = header.len() as u64;
    let check = |rows: &str, expected| {
        assert_eq!(decode_whole(request, format!("{header}{rows}").as_bytes()).1, expected);
    };
    check(" 32\nEND 1 Ok\n", Ok(()));
    check(" 32 5\n", Err(DataError::Values { at, values: 2, expected: 1 }));
    check(" 32", Err(DataError::ClosedInRows { at, bytes: 3, rows: 0 }));
}

#[test]
fn rows_in_base_64_are_whole() {
    let request = DataRequest { form: RowForm::Base64, ..RAW };
    let header = HEADER.replacen("Framed", "Base64", 1);
    let at = header.len() as u64;
    let check = |rows: &str, expected| {
        assert_eq!(decode_whole(request, format!("{header}{rows}").as_bytes()).1, expected);
    };
    check(" AQAA\0\n AA==\0\nEND 1 Ok\n", Ok(()));
    check(" AQAA\nEND 1 Ok\n", Err(DataError::CutRow { at: at + 6, bytes: 3, row_bytes: 4 }));
    check(" AQAA\n", Err(DataError::ClosedInRows { at: at + 6, bytes: 3, rows: 0 }));
    let (_, error) = decode_whole(request, format!("{header} A*AA\n").as_bytes());
    assert_eq!(error.unwrap_err().source().unwrap().to_string(), "character 1 is not of base 64");
}

#[test]
fn only_the_next_header_ends_an_experiment_without_status() {
    let request = DataRequest { status: StatusLines::NotTold, ..RAW };
    let header = HEADER.strip_prefix("OK\n").unwrap();
    let frame = "BIN \x0c\0\0\0abcd";
    let text = format!("{header}{frame}{header}{frame}");
    let whole = decode_whole(request, text.as_bytes());
    assert_eq!((whole.0.len(), &whole.1), (4, &Ok(())));
    every_cut(|piece| assert_eq!(decode(request, text.as_bytes(), piece), whole));
}

#[test]
fn spoilt_streams_are_read_or_refused_however_they_are_cut() {
    let headerless = HeaderForm::None { row_bytes: NonZeroUsize::new(64).unwrap() };
    let requests = [
        RAW,
        SCALED,
        DataRequest { header: HeaderForm::Text, ..RAW },
        DataRequest { header: headerless, ..RAW },
        DataRequest { form: RowForm::Base64, process: Process::Scaled, ..RAW },
        DataRequest { form: RowForm::Ascii, header: HeaderForm::Text, ..SCALED },
    ];
    let names = connections();
    for seed in 0..200_u64 {
        println!("seed {seed}");
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut bytes = stream(&names[random.random_range(0..names.len())].0);
        bytes.truncate(5_000);
        for _ in 0..random.random_range(1..10) {
            let at = random.random_range(0..bytes.len());
            bytes[at] = random.random();
        }
        let request = requests[random.random_range(0..requests.len())];
        let whole = decode_whole(request, &bytes);
        assert_eq!(decode(request, &bytes, &mut |_| 1), whole);
        assert_eq!(decode(request, &bytes, &mut |left| random.random_range(1..=left)), whole);
    }
}

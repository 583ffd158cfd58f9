//! Tables: rows as words, words as lines.
use crate::recording::exchanges;
use bluefly_protocol::{
    panda::table::{
        Base64Error, LayoutError, RowLayout, SequencerRowError, ValueError, WordsError,
        base64_lines, pattern_words, read_base64, read_numbers, read_sequencer_rows,
        sequencer_words,
    },
    sequencer::{BitInput, Bus, Counts, Level, Output, Outputs, Repeats, Row, Sense, Trigger},
};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use std::num::{NonZeroU16, NonZeroU32};

fn lines(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

fn sequencer() -> RowLayout {
    let recorded = exchanges("introspection");
    let fields = recorded.iter().find(|one| one.sent == ["SEQ1.TABLE.FIELDS?"]).unwrap();
    let fields: Vec<String> = fields
        .received
        .iter()
        .filter_map(|line| Some(line.strip_prefix('!')?.to_owned()))
        .collect();
    RowLayout::parse(4, &fields).unwrap()
}

#[test]
fn rows_of_a_sequencer_are_packed_as_it_describes_them() {
    let layout = sequencer();
    let names: Vec<&str> = layout.fields().iter().map(|field| field.name.as_str()).collect();
    let row = Row {
        repeats: Repeats::Times(NonZeroU16::MAX),
        trigger: Trigger::Position { bus: Bus::C, sense: Sense::Falling, position: Counts(-2) },
        time1_ticks: u32::MAX,
        outputs1: Outputs::from(Output::A) | Output::F.into(),
        time2_ticks: NonZeroU32::new(5).unwrap(),
        outputs2: Output::B.into(),
    };
    let value = |name: &str| match name {
        "REPEATS" => 65_535,
        "TRIGGER" => 12,
        "POSITION" => -2,
        "TIME1" => i64::from(u32::MAX),
        "TIME2" => 5,
        "OUTA1" | "OUTF1" | "OUTB2" => 1,
        _ => 0,
    };
    let values: Vec<i64> = names.iter().map(|name| value(name)).collect();
    let words = layout.pack([values.as_slice()]).unwrap();
    assert_eq!(words, sequencer_words(&[row]));
    assert_eq!(layout.unpack(&words), Ok(vec![values]));
    assert_eq!(read_sequencer_rows(&words), Ok(vec![row]));
}

#[test]
fn every_row_of_a_sequencer_is_read_back() {
    let positions = [Bus::A, Bus::B, Bus::C].into_iter().flat_map(|bus| {
        let position = Counts(i32::MIN);
        [Sense::Rising, Sense::Falling].map(|sense| Trigger::Position { bus, sense, position })
    });
    let bits = [BitInput::A, BitInput::B, BitInput::C].into_iter();
    let bits =
        bits.flat_map(|input| [Level::Low, Level::High].map(|level| Trigger::Bit { input, level }));
    let triggers = std::iter::once(Trigger::Immediate).chain(bits).chain(positions);
    let outputs = [Output::A, Output::B, Output::C, Output::D, Output::E, Output::F];
    let rows = triggers.enumerate().map(|(i, trigger)| Row {
        repeats: NonZeroU16::new(i as u16).map_or(Repeats::Forever, Repeats::Times),
        trigger,
        time1_ticks: i as u32,
        outputs1: outputs[i % 6].into(),
        time2_ticks: NonZeroU32::MIN,
        outputs2: outputs[(i + 1) % 6].into(),
    });
    let rows: Vec<Row> = rows.collect();
    assert_eq!(rows.len(), 13);
    assert_eq!(read_sequencer_rows(&sequencer_words(&rows)), Ok(rows));
}

#[test]
fn words_that_are_no_rows_of_a_sequencer_are_refused() {
    let trigger = SequencerRowError::Trigger { row: 1, code: 13 };
    assert_eq!(read_sequencer_rows(&[0, 0, 0, 0, 13 << 16, 0, 0, 0]), Err(trigger));
    assert_eq!(read_sequencer_rows(&[0; 5]), Err(SequencerRowError::Words { words: 5 }));
    // A second phase of no ticks lasts one.
    let row = read_sequencer_rows(&[0; 4]).unwrap()[0];
    assert_eq!((row.time2_ticks, row.repeats), (NonZeroU32::MIN, Repeats::Forever));
}

#[test]
fn what_does_not_fit_is_refused_and_not_cut_off() {
    let layout = sequencer();
    let row = |index: usize, value| {
        let mut values = vec![0; layout.fields().len()];
        values[index] = value;
        layout.pack([vec![0; 17].as_slice(), &values]).map(|words| words[4..].to_vec())
    };
    assert_eq!(row(0, 65_535), Ok(vec![65_535, 0, 0, 0]));
    assert_eq!(
        row(0, 65_536).unwrap_err().to_string(),
        "REPEATS of row 1 is 65536: from 0 to 65535 can be told"
    );
    assert_eq!(row(2, i64::from(i32::MIN)), Ok(vec![0, 1 << 31, 0, 0]));
    let check = |index, value, name: &str, least, most| {
        let name = name.to_owned();
        let error = ValueError::OutOfRange { name, row: 1, value, least, most };
        assert_eq!(row(index, value), Err(error));
    };
    check(0, -1, "REPEATS", 0, 65_535);
    check(1, 16, "TRIGGER", 0, 15);
    check(2, 1 << 31, "POSITION", -(1 << 31), (1 << 31) - 1);
    check(3, 1 << 32, "TIME1", 0, (1 << 32) - 1);
    check(4, 2, "OUTA1", 0, 1);
    let count = ValueError::Count { row: 0, values: 1, fields: 17 };
    assert_eq!(layout.pack([[0].as_slice()]), Err(count));
    assert_eq!(layout.unpack(&[0; 5]), Err(ValueError::Words { words: 5, row_words: 4 }));
}

#[test]
fn a_part_of_a_row_may_lie_over_two_words() {
    let layout =
        RowLayout::parse(2, &lines(&["39:24 A int", "63:40 B uint", "7:0 C enum"])).unwrap();
    let words = layout.pack([[-2, 0xAB_CDEF, 0x12].as_slice()]).unwrap();
    assert_eq!(words, [0xFE00_0012, 0xABCD_EFFF]);
    assert_eq!(layout.unpack(&words), Ok(vec![vec![-2, 0xAB_CDEF, 0x12]]));
}

#[test]
fn a_description_of_rows_that_cannot_be_is_refused() {
    let check = |words, text: &[&str], expected: &str| {
        assert_eq!(RowLayout::parse(words, &lines(text)).unwrap_err().to_string(), expected);
    };
    check(0, &[], "a row of 0 words: they are 1 to 64");
    check(1, &["3:0 A"], "`3:0 A` is no part of a row: LAST:FIRST NAME KIND");
    check(1, &["x:0 A uint"], "`x:0 A uint` is no part of a row: LAST:FIRST NAME KIND");
    let beyond = "A is on bits 0 to 32 of a row, which has 32 bits; it may have up to 32";
    check(1, &["32:0 A uint"], beyond);
    check(
        2,
        &["32:0 A uint"],
        "A is on bits 0 to 32 of a row, which has 64 bits; it may have up to 32",
    );
    check(
        1,
        &["0:1 A uint"],
        "A is on bits 1 to 0 of a row, which has 32 bits; it may have up to 32",
    );
    check(1, &["7:0 A uint", "7:7 B uint"], "B and A are on the same bit of a row");
    assert!(RowLayout::parse(1, &lines(&["7:0 A uint", "8:8 B new"])).is_ok());
    assert!(matches!(RowLayout::parse(1, &lines(&[""])), Err(LayoutError::Line(_))));
}

#[test]
fn positions_of_a_pattern_are_words() {
    assert_eq!(pattern_words(&[Counts(-1), Counts(2)]), [u32::MAX, 2]);
}

#[test]
fn recorded_tables_are_read_in_both_forms() {
    let recorded = exchanges("tables");
    let told = |ask: &str| {
        let asked = recorded.iter().filter(|one| one.sent == [ask]);
        let told = asked.map(|one| {
            let lines = one.received.iter().filter_map(|line| line.strip_prefix('!'));
            lines.map(str::to_owned).collect::<Vec<_>>()
        });
        told.collect::<Vec<_>>()
    };
    let (numbers, base64) = (told("SEQ1.TABLE?"), told("SEQ1.TABLE.B?"));
    let numbers: Vec<_> = numbers.iter().map(|lines| read_numbers(lines).unwrap()).collect();
    let mut lengths = vec![];
    for lines in base64 {
        let words = read_base64(&lines).unwrap();
        assert!(numbers.contains(&words));
        let mut again = String::new();
        base64_lines(&words, &mut again);
        assert_eq!(again.lines().collect::<Vec<_>>(), lines);
        lengths.push(words.len());
    }
    assert_eq!(lengths, [0, 4, 48]);
}

#[test]
fn every_length_is_read_back() {
    for seed in 0..20 {
        println!("seed {seed}");
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let words: Vec<u32> = (0..seed * 7).map(|_| random.random()).collect();
        let mut text = String::new();
        base64_lines(&words, &mut text);
        assert!(text.lines().all(|line| line.len() <= 64));
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        assert_eq!(read_base64(&lines), Ok(words));
    }
}

#[test]
fn lines_that_are_no_words_are_refused() {
    let base64 = |line, source| Err(WordsError::Base64 { line, source });
    let check = |text: &[&str], expected| assert_eq!(read_base64(&lines(text)), expected);
    check(&["AQAAAA==", "AQAAAA="], base64(2, Base64Error::Length { length: 7 }));
    check(&["AQ*AAA=="], base64(1, Base64Error::Character { index: 2 }));
    check(&["AQ==AAAA"], base64(1, Base64Error::Character { index: 2 }));
    check(&["===="], base64(1, Base64Error::Character { index: 0 }));
    check(&["A==="], base64(1, Base64Error::Character { index: 1 }));
    check(&["AQAA"], Err(WordsError::Length { bytes: 3 }));
    check(&["AQAAAA==", "AgAAAA=="], Ok(vec![1, 2]));
    let number = |text: &str| Err(WordsError::Number { line: 1, text: text.into() });
    for text in ["", "-1", "0x1", "4294967296", "1 2"] {
        assert_eq!(read_numbers(&lines(&[text])), number(text));
    }
}

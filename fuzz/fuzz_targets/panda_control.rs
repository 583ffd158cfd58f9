//! Any bytes as the replies of a PandA: cut into the same replies however they come, each of them read
//! as everything that a reply may tell. `cargo +nightly fuzz run panda_control`
#![no_main]
use bluefly_protocol::panda::{
    control::{Command, Reply, ReplyDecoder, ReplyError},
    describe::{
        Completion, FieldName, Identity, PcapStatus, parse_bits, parse_blocks, parse_captured,
        parse_changes, parse_fields,
    },
    table::{
        RowLayout, TableMode, TableText, read_base64, read_numbers, read_sequencer_rows,
        sequencer_words,
    },
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let whole = replies(data, data.len().max(1));
    assert_eq!(replies(data, 1), whole);
    for reply in whole.0 {
        let mut decoder = ReplyDecoder::new();
        decoder.feed(format!("{reply}\n").as_bytes());
        assert_eq!(decoder.next_reply(), Ok(Some(reply.clone())));
        match reply {
            Reply::Value(value) => check_value(&value),
            Reply::Lines(lines) => check_lines(&lines),
            Reply::Ok | Reply::Error(_) => {}
        }
    }
});

/// What comes of `data` in pieces of this length.
fn replies(data: &[u8], piece: usize) -> (Vec<Reply>, Option<ReplyError>) {
    let (mut decoder, mut found) = (ReplyDecoder::new(), vec![]);
    for bytes in data.chunks(piece) {
        decoder.feed(bytes);
        loop {
            match decoder.next_reply() {
                Ok(Some(reply)) => found.push(reply),
                Ok(None) => break,
                Err(error) => return (found, Some(error)),
            }
        }
    }
    (found, None)
}

fn check_value(value: &str) {
    if let Ok(name) = value.parse::<FieldName>() {
        assert_eq!(name.to_string().parse(), Ok(name));
    }
    if let Ok(command) = Command::assign("A.B", value) {
        assert_eq!(command.as_bytes(), format!("A.B={value}\n").as_bytes());
    }
    let _ = (value.parse::<Identity>(), value.parse::<PcapStatus>(), Completion::from(value));
}

fn check_lines(lines: &[String]) {
    let _ = (parse_blocks(lines), parse_fields(lines), parse_captured(lines), parse_bits(lines));
    if let Ok(changes) = parse_changes(lines) {
        let again: Vec<String> = changes.iter().map(ToString::to_string).collect();
        assert_eq!(again, lines);
    }
    if let Ok(layout) = RowLayout::parse(4, lines) {
        let words = layout.pack([vec![0; layout.fields().len()].as_slice()]).expect("all can be 0");
        assert_eq!(words, [0; 4]);
    }
    for words in [read_numbers(lines).ok(), read_base64(lines).ok()].into_iter().flatten() {
        for text in [TableText::Numbers, TableText::Base64] {
            Command::table("A.B", TableMode::Fixed, text, &words).expect("a table");
        }
        if let Ok(rows) = read_sequencer_rows(&words) {
            assert_eq!(read_sequencer_rows(&sequencer_words(&rows)), Ok(rows));
        }
    }
}

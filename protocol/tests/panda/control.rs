//! Replies, and what they tell.
use crate::recording::{TRANSCRIPTS, byte_exchanges, every_cut, exchanges, joined};
use bluefly_protocol::panda::{
    Capture, EndReason,
    control::{
        ControlError, MAX_REPLY_BYTES, MAX_REPLY_LINE_BYTES, MAX_REPLY_LINES, Refusal, Reply,
        ReplyDecoder, ReplyError, UnexpectedReply,
    },
    describe::{
        BlockName, Change, Completion, ExtOut, FieldClass, FieldName, Identity, PcapStatus,
        ValueType, parse_bits, parse_blocks, parse_captured, parse_changes, parse_fields,
    },
};

/// Feeds `bytes` in pieces, and gives what came of them.
fn decode(
    bytes: &[u8],
    piece: &mut dyn FnMut(usize) -> usize,
) -> (Vec<Reply>, Result<bool, ReplyError>) {
    let (mut decoder, mut replies, mut rest) = (ReplyDecoder::new(), vec![], bytes);
    while !rest.is_empty() {
        let (now, later) = rest.split_at(piece(rest.len()));
        decoder.feed(now);
        rest = later;
        loop {
            match decoder.next_reply() {
                Ok(Some(reply)) => replies.push(reply),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(decoder.next_reply(), Err(error.clone()), "it stays");
                    return (replies, Err(error));
                }
            }
        }
    }
    (replies, Ok(decoder.is_within()))
}

fn decode_whole(text: &str) -> (Vec<Reply>, Result<bool, ReplyError>) {
    decode(text.as_bytes(), &mut |left| left)
}

fn lines(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

#[test]
fn recorded_replies_are_read_however_they_are_cut() {
    for name in TRANSCRIPTS {
        let exchanges = exchanges(name);
        let text = joined(exchanges.iter().flat_map(|one| &one.received));
        every_cut(|piece| {
            let (replies, rest) = decode(text.as_bytes(), piece);
            assert_eq!((replies.len(), rest), (exchanges.len(), Ok(false)), "{name}");
            for (reply, exchange) in replies.iter().zip(&exchanges) {
                assert_eq!(reply.to_string(), exchange.received.join("\n"), "{exchange:?}");
            }
        });
    }
}

#[test]
fn recorded_bytes_are_read() {
    let mut counts = vec![];
    for (sent, received) in byte_exchanges("errors") {
        let (replies, rest) = decode(&received, &mut |left| left);
        assert_eq!(rest, Ok(false));
        counts.push((sent.split(|byte| *byte == b'\n').count() - 1, replies.len()));
    }
    // The third is not ended, two are too long, and the last is a table that does not end.
    let expected = [
        (1, 1),
        (1, 1),
        (0, 0),
        (1, 1),
        (1, 1),
        (1, 1),
        (2, 2),
        (2, 0),
        (2, 0),
        (1, 1),
        (3, 3),
        (2, 0),
    ];
    assert_eq!(counts, expected);
}

#[test]
fn each_form_of_a_reply_is_read() {
    let check =
        |text, expected: &[Reply]| assert_eq!(decode_whole(text), (expected.to_vec(), Ok(false)));
    check("OK\n", &[Reply::Ok]);
    check("OK =\n", &[Reply::Value(String::new())]);
    check("OK = 1=2\n", &[Reply::Value(" 1=2".into())]);
    check(".\nOK\n", &[Reply::Lines(vec![]), Reply::Ok]);
    check("!\n!.\n!OK\n.\n", &[Reply::Lines(lines(&["", ".", "OK"]))]);
    check("ERR No such field\n", &[Reply::Error(ControlError::new("No such field"))]);
}

#[test]
fn what_is_no_reply_is_an_error_with_its_place() {
    let check = |text, expected| assert_eq!(decode_whole(text).1, Err(expected));
    let no_reply = |at, line: &str| ReplyError::NoReply { at, line: line.into() };
    check("nonsense\n", no_reply(0, "nonsense"));
    check("OK\nOK  \n", no_reply(3, "OK  "));
    check("ERR\n", no_reply(0, "ERR"));
    check("\n", no_reply(0, ""));
    check("!a\nOK\n.\n", ReplyError::Within { at: 3, line: "OK".into() });
    assert_eq!(decode(b"OK\n\xff\n", &mut |left| left).1, Err(ReplyError::NotText { at: 3 }));
    assert_eq!(decode_whole("!a\n"), (vec![], Ok(true)));
    assert_eq!(decode_whole("O"), (vec![], Ok(true)));
}

#[test]
fn a_reply_without_end_does_not_grow() {
    let endless = "x".repeat(MAX_REPLY_LINE_BYTES + 1);
    assert_eq!(decode_whole(&endless), (vec![], Err(ReplyError::LongLine { at: 0 })));
    let longest = format!("!{}\n.\n", "x".repeat(MAX_REPLY_LINE_BYTES - 1));
    assert_eq!(decode_whole(&longest).1, Ok(false));

    let many = "!\n".repeat(MAX_REPLY_LINES);
    assert_eq!(
        decode_whole(&format!("{many}.\n")).0[0].clone().into_lines().unwrap().len(),
        1 << 20
    );
    let at = many.len() as u64;
    assert_eq!(decode_whole(&format!("{many}!\n")).1, Err(ReplyError::LongReply { at }));

    let line = format!("!{}\n", "x".repeat((16 << 10) - 1));
    let long = line.repeat(MAX_REPLY_BYTES / (line.len() - 1));
    assert_eq!(decode_whole(&long).1, Ok(true));
    let at = long.len() as u64;
    assert_eq!(decode_whole(&format!("{long}!\n")).1, Err(ReplyError::LongReply { at }));
}

#[test]
fn a_reply_is_what_was_asked_or_an_error() {
    let form = |expected, found| UnexpectedReply::Form { expected, found };
    assert_eq!(Reply::Ok.into_done(), Ok(()));
    assert_eq!(Reply::Ok.into_value(), Err(form("a value", "an OK")));
    assert_eq!(Reply::Value("1".into()).into_lines(), Err(form("lines", "a value")));
    assert_eq!(Reply::Lines(vec![]).into_done(), Err(form("an OK", "lines")));
    let refused = ControlError::new("No such block");
    assert_eq!(Reply::Error(refused.clone()).into_value(), Err(refused.into()));
}

#[test]
fn refusals_have_a_class() {
    let check = |text, class| assert_eq!(ControlError::new(text).class, class, "{text}");
    check("Invalid block number", Refusal::UnknownName);
    check("Metadata key NOPE not found", Refusal::UnknownName);
    check("Unknown capture option \"Foo\"", Refusal::OutOfRange);
    check("Time setting out of range", Refusal::OutOfRange);
    check("Malformed base64 string", Refusal::WrongForm);
    check("Character ' ' expected", Refusal::WrongForm);
    check("Data capture already in progress", Refusal::NotNow);
    check("Unexpected error at server/data_server.c:254", Refusal::NotNow);
    check("Unexpected error at server/table.c:254", Refusal::Other);
    check("Field not writeable", Refusal::NotSupported);
    check("Table sub-field is not an enumeration", Refusal::NotSupported);
    check("Extension server exception", Refusal::Other);
    check("Nothing configured for capture", Refusal::Other);
}

#[test]
fn recorded_refusals_have_a_class_but_for_a_few() {
    let texts = TRANSCRIPTS.iter().flat_map(|name| exchanges(name));
    let texts = texts.filter_map(|one| Some(one.received[0].strip_prefix("ERR ")?.to_owned()));
    let mut other: Vec<_> =
        texts.filter(|text| ControlError::new(text).class == Refusal::Other).collect();
    other.sort();
    other.dedup();
    assert_eq!(other, ["Nothing configured for capture"]);
}

#[test]
fn recorded_introspection_is_read() {
    let (mut fields, mut enums) = (0, 0);
    for one in exchanges("introspection") {
        let ask = one.sent[0].as_str();
        let is_enums = ask.starts_with("*ENUMS") && !one.received[0].starts_with("ERR");
        let Some((last, told)) = one.received.split_last().filter(|(last, _)| *last == ".") else {
            assert!(!is_enums);
            continue;
        };
        assert_eq!(last, ".");
        let told: Vec<String> = told.iter().map(|line| line[1..].to_owned()).collect();
        enums += usize::from(is_enums);
        if ask.ends_with(".*?") && ask.matches('.').count() == 1 && !ask.starts_with('*') {
            let parsed = parse_fields(&told).unwrap();
            let mut again: Vec<_> = parsed
                .iter()
                .map(|field| format!("{} {} {}", field.name, field.sequence, field.class))
                .collect();
            assert!(parsed.is_sorted_by_key(|field| field.sequence));
            assert!(parsed.iter().all(|field| !matches!(field.class, FieldClass::Other(_))));
            let mut told = told;
            told.sort();
            again.sort();
            assert_eq!(again, told);
            fields += parsed.len();
        } else if ask == "*BLOCKS?" {
            let blocks = parse_blocks(&told).unwrap();
            assert_eq!(
                (blocks.len(), blocks[0].name.as_str(), blocks[0].count.get()),
                (24, "BITS", 1)
            );
            let told = |name: &str| {
                name.parse::<FieldName>().unwrap().told(&blocks).map(|n| n.to_string())
            };
            assert_eq!(told("PCAP1.BITS0").as_deref(), Some("PCAP.BITS0"));
            assert_eq!(told("PCAP.BITS0").as_deref(), Some("PCAP.BITS0"));
            assert_eq!(told("SEQ2.TABLE.MODE").as_deref(), Some("SEQ2.TABLE.MODE"));
            assert_eq!(told("SFP3_SYNC_IN1.LINKUP").as_deref(), Some("SFP3_SYNC_IN.LINKUP"));
            assert_eq!(
                ["SEQ.TABLE", "SEQ3.TABLE", "PCAP2.TRIG", "NOPE.TRIG"].map(told),
                [const { None }; 4]
            );
        } else if ask == "*BITS?" || ask == "*POSITIONS?" || ask == "*CAPTURE.*?" {
            let names = parse_bits(&told).unwrap();
            let again =
                names.iter().map(|name| name.as_ref().map(ToString::to_string).unwrap_or_default());
            assert_eq!(again.collect::<Vec<_>>(), told);
        }
    }
    assert_eq!((fields, enums), (94, 50));
}

#[test]
fn classes_of_fields_print_as_they_are_read() {
    let check = |text: &str, expected| {
        assert_eq!(FieldClass::from(text), expected);
        assert_eq!(expected.to_string(), text);
    };
    for (word, value) in [
        ("uint", ValueType::Uint),
        ("int", ValueType::Int),
        ("scalar", ValueType::Scalar),
        ("bit", ValueType::Bit),
        ("action", ValueType::Action),
        ("lut", ValueType::Lut),
        ("enum", ValueType::Enum),
        ("time", ValueType::Time),
        ("quaternion", ValueType::Other("quaternion".into())),
    ] {
        check(&format!("param {word}"), FieldClass::Param(value.clone()));
        check(&format!("read {word}"), FieldClass::Read(value.clone()));
        check(&format!("write {word}"), FieldClass::Write(value));
    }
    check("ext_out timestamp", FieldClass::ExtOut(ExtOut::Timestamp));
    check("ext_out samples", FieldClass::ExtOut(ExtOut::Samples));
    check("ext_out bits", FieldClass::ExtOut(ExtOut::Bits));
    check("ext_out moments", FieldClass::ExtOut(ExtOut::Other("moments".into())));
    check("time", FieldClass::Time);
    check("bit_out", FieldClass::BitOut);
    check("pos_out", FieldClass::PosOut);
    check("bit_mux", FieldClass::BitMux);
    check("pos_mux", FieldClass::PosMux);
    check("table", FieldClass::Table);
    check("table short", FieldClass::Other("table short".into()));
}

#[test]
fn recorded_changes_are_read() {
    let (mut values, mut tables, mut failed) = (0, 0, 0);
    for one in exchanges("changes") {
        if !one.sent[0].starts_with("*CHANGES") || !one.sent[0].ends_with('?') {
            continue;
        }
        let told: Vec<_> = one
            .received
            .iter()
            .filter_map(|line| Some(line.strip_prefix('!')?.to_owned()))
            .collect();
        let changes = parse_changes(&told).unwrap();
        assert_eq!(changes.iter().map(ToString::to_string).collect::<Vec<_>>(), told);
        for change in changes {
            match change {
                Change::Value { name, .. } => {
                    assert!(
                        name.starts_with("*METADATA.") || name.parse::<FieldName>().is_ok(),
                        "{name}"
                    );
                    values += 1;
                }
                Change::Lines { .. } => tables += 1,
                Change::Failed { .. } => failed += 1,
            }
        }
    }
    assert_eq!((values, tables, failed), (1_154, 9, 2));
}

#[test]
fn changes_are_read_or_refused() {
    let parse = |line: &str| parse_changes(&lines(&[line])).map(|mut changes| changes.remove(0));
    let value = |name: &str, value: &str| Change::Value { name: name.into(), value: value.into() };
    assert_eq!(parse("LUT1.FUNC=A<B=C"), Ok(value("LUT1.FUNC", "A<B=C")));
    assert_eq!(parse("*METADATA.LAYOUT<"), Ok(Change::Lines { name: "*METADATA.LAYOUT".into() }));
    assert_eq!(parse("SYSTEM.TEMP (error)"), Ok(Change::Failed { name: "SYSTEM.TEMP".into() }));
    for line in ["", "=1", "<", "A.B", "A<B", " (error)"] {
        assert_eq!(
            parse(line).unwrap_err().to_string(),
            format!("`{line}` is no change: NAME=VALUE, NAME< or NAME (error)")
        );
    }
}

#[test]
fn names_are_read_or_refused() {
    let name: FieldName = "SFP3_SYNC_IN12.POS1.SCALE".parse().unwrap();
    assert_eq!((name.block.name(), name.block.instance().unwrap().get()), ("SFP3_SYNC_IN", 12));
    assert_eq!((name.field(), name.attribute()), ("POS1", Some("SCALE")));
    assert_eq!(name.to_string(), "SFP3_SYNC_IN12.POS1.SCALE");
    assert_eq!("PCAP".parse::<BlockName>().unwrap().instance(), None);
    for bad in [
        "",
        "SEQ1",
        "SEQ0.TABLE",
        "12.A",
        "SEQ1.",
        ".A",
        "SEQ1.A.",
        "SEQ1.A.B.C",
        "SEQ1.A B",
        "SEQ99999999999.A",
    ] {
        assert!(bad.parse::<FieldName>().is_err(), "{bad}");
    }
}

#[test]
fn what_is_captured_is_read() {
    let captured = parse_captured(&lines(&["COUNTER1.OUT Min Max StdDev Median"])).unwrap();
    assert_eq!(captured[0].name.to_string(), "COUNTER1.OUT");
    let median = Capture::Other("Median".into());
    assert_eq!(captured[0].captures, [Capture::Min, Capture::Max, Capture::StdDev, median]);
    for bad in ["", "COUNTER1.OUT", "COUNTER1.OUT ", "COUNTER1.OUT Min  Max", " Min"] {
        assert!(parse_captured(&lines(&[bad])).is_err(), "{bad}");
    }
    let recorded = TRANSCRIPTS.iter().flat_map(|name| exchanges(name));
    for one in recorded.filter(|one| one.sent == ["*CAPTURE?"]) {
        let told: Vec<_> = one
            .received
            .iter()
            .filter_map(|line| Some(line.strip_prefix('!')?.to_owned()))
            .collect();
        assert_eq!(parse_captured(&told).unwrap().len(), told.len());
    }
}

#[test]
fn how_far_the_capture_is_is_read() {
    let status = "Busy 3 2".parse::<PcapStatus>().unwrap();
    assert_eq!(status, PcapStatus { is_busy: true, readers: 3, active_readers: 2 });
    for bad in ["", "Busy", "Busy 1", "busy 1 1", "Idle 1 1 1", "Idle -1 0", "Idle 1 "] {
        assert!(bad.parse::<PcapStatus>().is_err(), "{bad}");
    }
    assert_eq!(Completion::from("Busy"), Completion::Busy);
    for text in ["Ok", "Disarmed", "Early disconnect", "Data overrun", "Framing error"] {
        let Completion::Ended(reason) = text.into() else { panic!("{text}") };
        assert!(!matches!(reason, EndReason::Other(_)));
        assert_eq!(reason.to_string(), text);
    }
    let unknown = EndReason::Other("Unexpected completion error".into());
    assert_eq!(Completion::from("Unexpected completion error"), Completion::Ended(unknown));
}

#[test]
fn versions_are_read() {
    let text = "PandA SW: 4.1 FPGA: 4.1.0 51170001 00000000 rootfs: sim 4.1";
    let identity: Identity = text.parse().unwrap();
    assert_eq!((identity.version, identity.can_stream_tables()), ((4, 1), true));
    assert_eq!(identity.fpga, "4.1.0 51170001 00000000");
    assert_eq!((identity.software.as_str(), identity.rootfs.as_str()), ("4.1", "sim 4.1"));
    let old: Identity = "PandA SW: 3.0a2-11-gdead FPGA: 3 rootfs: 1".parse().unwrap();
    assert_eq!((old.version, old.can_stream_tables()), ((3, 0), false));
    for bad in ["", "PandA", "PandA SW: x FPGA: 1 rootfs: 1", "PandA SW: 4.1 FPGA: 1"] {
        assert!(bad.parse::<Identity>().is_err(), "{bad}");
    }
}

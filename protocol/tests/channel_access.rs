//! Channel Access on the wire: every message against what another implementation writes, cut in
//! every way, and spoilt at random.
#![expect(clippy::unwrap_used, reason = "a test fails where it panics")]
use bluefly_protocol::channel_access::{
    Access, Class, Data, Dbr, DecodeError, Decoder, Field, Header, Info, Limits, Recipient, Reply,
    Request, Snapshot, Stamp, status,
};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

fn golden(name: &str) -> Vec<u8> {
    let text = include_str!("golden/channel_access.txt");
    let mut lines = text.lines().filter_map(|line| line.split_once(' '));
    let hex = lines.find(|(known, _)| *known == name).expect(name).1;
    let byte = |i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(byte).collect()
}

fn data(field: Field) -> Data {
    match field {
        Field::String => Data::Strings(vec!["moving".into()]),
        Field::Short => Data::Shorts(vec![-2]),
        Field::Float => Data::Floats(vec![1.5]),
        Field::Enum => Data::Enums(vec![1]),
        Field::Char => Data::Chars(vec![7]),
        Field::Long => Data::Longs(vec![-70_000]),
        Field::Double => Data::Doubles([2.25].into()),
    }
}

fn choices() -> [String; 2] {
    ["Done".to_owned(), "Acquire".to_owned()]
}

fn info(choices: &[String]) -> Info<'_> {
    let limits = Limits {
        display: [-100.0, 100.0],
        alarm: [-90.0, 90.0],
        warning: [-80.0, 80.0],
        control: [-95.0, 95.0],
    };
    Info { units: "mm", precision: Some(3), choices, limits, record_type: "ao" }
}

const STAMP: Stamp =
    Stamp { status: 3, severity: 2, seconds: 0x1234_5678, nanoseconds: 123_456_789 };

fn read(data: &Data, info: Info<'_>, dbr: Dbr, count: usize) -> Vec<u8> {
    let mut out = vec![];
    let to = Recipient { is_event: false, request: 42, dbr, count };
    Snapshot { data, stamp: STAMP, info }.encode(&to, &mut out);
    out
}

#[test]
fn every_form_of_every_value_is_written_as_others_do() {
    let classes = ["plain", "status", "time", "graphic", "control"];
    let fields = ["string", "short", "float", "enum", "char", "long", "double"];
    let choices = choices();
    for (class, class_name) in Class::ALL.into_iter().zip(classes) {
        for (field, field_name) in Field::ALL.into_iter().zip(fields) {
            let name = format!("{class_name}_{field_name}");
            let mut info = info(&choices);
            if field == Field::Char {
                // There are no negative characters on the wire of the other implementation.
                for limit in [
                    &mut info.limits.display,
                    &mut info.limits.alarm,
                    &mut info.limits.warning,
                    &mut info.limits.control,
                ] {
                    limit[0] = -limit[0];
                }
            }
            let dbr = Dbr::Value(class, field);
            assert_eq!(read(&data(field), info, dbr, 1), golden(&name), "{name}");
            assert_eq!(read(&data(field), info, dbr, 0), golden(&name), "{name} of any size");
        }
    }
}

const NUMBER: &[u8] = &[0x40, 4, 0, 0, 0, 0, 0, 0];
const WORD: &[u8] = b"Acquire\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

fn requests() -> Vec<(&'static str, Request<'static>)> {
    let access = |data_type, count, request| Access { channel: 3, request, data_type, count };
    let search = Request::Search { id: 7, name: b"SIM:X.RBV", must_reply: false };
    vec![
        ("version", Request::Version { minor: 13, priority: 0, sequence: None }),
        ("search", search),
        ("create", Request::CreateChannel { id: 7, name: b"SIM:X.RBV" }),
        ("read", Request::Read(access(20, 0, 42))),
        ("write", Request::Write(access(6, 1, 43), NUMBER)),
        ("write_notify", Request::WriteNotify(access(0, 1, 44), WORD)),
        ("subscribe", Request::Subscribe(access(20, 0, 5), 5)),
        ("unsubscribe", Request::Unsubscribe(access(20, 0, 5))),
        ("clear", Request::ClearChannel { server_id: 3, id: 7 }),
        ("client_name", Request::ClientName(b"operator")),
        ("host_name", Request::HostName(b"console1")),
        ("echo", Request::Echo),
        ("events_off", Request::EventsOff),
        ("events_on", Request::EventsOn),
        ("read_sync", Request::ReadSync),
    ]
}

fn replies() -> Vec<(&'static str, Reply<'static>)> {
    let (data_type, count) = (20, 1);
    vec![
        ("version", Reply::Version { minor: 13, sequence: Some(1) }),
        ("found", Reply::Found { id: 7, port: 5064 }),
        ("not_found", Reply::NotFound { id: 7 }),
        ("access_rights", Reply::AccessRights { id: 7, read: true, write: true }),
        ("created", Reply::Created { id: 7, server_id: 3, field: Field::Double, count: 1 }),
        ("create_failed", Reply::CreateFailed { id: 7 }),
        ("written", Reply::Written { request: 43, status: status::NORMAL, data_type: 6, count: 1 }),
        ("unsubscribed", Reply::Unsubscribed { request: 5, server_id: 3, data_type, count }),
        ("cleared", Reply::Cleared { server_id: 3, id: 7 }),
        ("echo", Reply::Echo),
        ("disconnected", Reply::Disconnected { id: 7 }),
        ("beacon", Reply::Beacon { port: 5064, number: 9 }),
    ]
}

#[test]
fn every_request_is_written_and_read_as_others_do() {
    for (name, request) in requests() {
        let bytes = golden(&format!("request_{name}"));
        let mut out = vec![];
        request.encode(&mut out);
        assert_eq!(out, bytes, "{name}");
        let mut decoder = Decoder::new(1_000);
        decoder.feed(&bytes);
        let (header, payload) = decoder.next_message().unwrap().expect(name);
        assert_eq!(Request::decode(&header, payload), request, "{name}");
    }
}

#[test]
fn every_reply_is_written_and_read_as_others_do() {
    for (name, reply) in replies() {
        let bytes = golden(&format!("reply_{name}"));
        let mut out = vec![];
        reply.encode(&mut out);
        assert_eq!(out, bytes, "{name}");
        let mut decoder = Decoder::new(1_000);
        decoder.feed(&bytes);
        let (header, payload) = decoder.next_message().unwrap().expect(name);
        assert_eq!(Reply::decode(&header, payload), reply, "{name}");
    }
}

#[test]
fn an_error_brings_its_request_back() {
    let access = Access { channel: 3, request: 43, data_type: 6, count: 1 };
    let mut bytes = vec![];
    Request::Write(access, &[0; 8]).encode(&mut bytes);
    let (request, _) = Header::decode(&bytes).unwrap();
    let error =
        Reply::Error { id: 7, status: status::PUT_FAILED, request, text: "x.VELO: too fast" };
    let mut out = vec![];
    error.encode(&mut out);
    assert_eq!(out.len() % 8, 0);
    let (header, length) = Header::decode(&out).unwrap();
    assert_eq!(header.payload_bytes as usize, out.len() - length);
    assert_eq!(Reply::decode(&header, &out[length..]), error);
    let without_end = Reply::decode(&header, &out[length..length + 20]);
    assert_eq!(
        without_end,
        Reply::Error { id: 7, status: status::PUT_FAILED, request, text: "x.VE" }
    );
    assert_eq!(Reply::decode(&header, &out[length..length + 15]), Reply::Other(11));
}

#[test]
fn a_value_is_converted_to_what_is_asked_for() {
    let choices = choices();
    let check = |data: &Data, field, expected: &Data| {
        let bytes = read(data, info(&choices), Dbr::Value(Class::Plain, field), 0);
        let (header, length) = Header::decode(&bytes).unwrap();
        let count = header.count as usize;
        assert_eq!(header.parameter_1, status::NORMAL);
        assert_eq!(&Data::decode(field, count, &bytes[length..]).unwrap(), expected);
    };
    let string = |text: &str| Data::Strings(vec![text.to_owned()]);
    check(&data(Field::Double), Field::String, &string("2.250"));
    check(&data(Field::Enum), Field::String, &string("Acquire"));
    check(&Data::Enums(vec![9]), Field::String, &string("9"));
    check(&data(Field::Long), Field::String, &string("-70000"));
    check(&data(Field::Enum), Field::Double, &Data::Doubles([1.0].into()));
    check(&data(Field::Double), Field::Long, &Data::Longs(vec![2]));
    check(&data(Field::Short), Field::Float, &Data::Floats(vec![-2.0]));
    check(&string("0x10"), Field::Short, &Data::Shorts(vec![16]));
    check(&data(Field::Long), Field::Short, &Data::Shorts(vec![i16::MIN]));
    let text = Data::Chars(b"/data\0".to_vec());
    check(&text, Field::Char, &text);
}

#[test]
fn a_text_that_is_no_number_is_a_failed_read_of_one() {
    let dbr = Dbr::Value(Class::Time, Field::Double);
    let bytes = read(&data(Field::String), Info::default(), dbr, 1);
    let (header, length) = Header::decode(&bytes).unwrap();
    assert_eq!((header.parameter_1, header.count), (status::GET_FAILED, 1));
    assert_eq!(bytes[length..], [0; 24]);
}

#[test]
fn fewer_elements_than_asked_for_are_filled_with_zeros() {
    let some = Data::Longs(vec![1, 2]);
    let bytes = read(&some, Info::default(), Dbr::Value(Class::Plain, Field::Long), 5);
    let expected = Data::Longs(vec![1, 2, 0, 0, 0]);
    assert_eq!(bytes.len(), 16 + 24);
    assert_eq!(Data::decode(Field::Long, 5, &bytes[16..]), Ok(expected));
    let bytes = read(&some, Info::default(), Dbr::Value(Class::Plain, Field::Long), 1);
    assert_eq!(bytes[16..], [0, 0, 0, 1, 0, 0, 0, 0]);
}

#[test]
fn an_empty_array_is_no_cancelled_subscription() {
    let empty = Data::Doubles([].into());
    let mut out = vec![];
    let dbr = Dbr::Value(Class::Plain, Field::Double);
    let to = Recipient { is_event: true, request: 5, dbr, count: 0 };
    Snapshot { data: &empty, stamp: STAMP, info: Info::default() }.encode(&to, &mut out);
    let (header, length) = Header::decode(&out).unwrap();
    assert_eq!((header.count, header.payload_bytes), (0, 8));
    let reply = Reply::decode(&header, &out[length..]);
    let payload: &[u8] = &[0; 8];
    let (request, status, data_type, count) = (5, status::NORMAL, 6, 0);
    assert_eq!(reply, Reply::Value { is_event: true, request, status, data_type, count, payload });
}

#[test]
fn a_record_tells_its_type_and_its_alarm() {
    let bytes = read(&data(Field::Double), info(&[]), Dbr::RecordType, 1);
    assert_eq!(&bytes[16..19], b"ao\0");
    let bytes = read(&data(Field::Double), info(&[]), Dbr::Acknowledgement, 1);
    assert_eq!(&bytes[16..30], b"\0\x03\0\x02\0\0\0\x002.250\0");
}

#[test]
fn times_are_counted_from_1990() {
    let check = |unix_s: f64, seconds, nanoseconds| {
        let stamp = Stamp::default().at_unix_s(unix_s);
        assert_eq!((stamp.seconds, stamp.nanoseconds), (seconds, nanoseconds));
    };
    check(631_152_000.0, 0, 0);
    check(1_767_225_600.25, 1_136_073_600, 250_000_000);
    check(0.0, 0, 0);
    check(f64::NAN, 0, 0);
    check(1e300, u32::MAX, 0);
    assert_eq!(Stamp::default().at_unix_s(1_767_225_600.25).unix_s(), 1_767_225_600.25);
}

/// All messages, one after the other.
fn stream() -> (Vec<u8>, Vec<(Header, Vec<u8>)>) {
    let mut bytes = vec![];
    for (_, request) in requests() {
        request.encode(&mut bytes);
    }
    let long = Access { channel: 3, request: 9, data_type: 6, count: 10_000 };
    Request::Write(long, &vec![0x55; 80_000]).encode(&mut bytes);
    for (_, reply) in replies() {
        reply.encode(&mut bytes);
    }
    let mut whole = vec![];
    let mut decoder = Decoder::new(80_000);
    decoder.feed(&bytes);
    while let Some((header, payload)) = decoder.next_message().unwrap() {
        whole.push((header, payload.to_vec()));
    }
    assert_eq!(whole.len(), requests().len() + 1 + replies().len());
    (bytes, whole)
}

fn check_pieces(bytes: &[u8], whole: &[(Header, Vec<u8>)], mut piece: impl FnMut() -> usize) {
    let mut decoder = Decoder::new(80_000);
    let (mut at, mut found) = (0, vec![]);
    while at < bytes.len() {
        let end = (at + piece()).min(bytes.len());
        decoder.feed(&bytes[at..end]);
        at = end;
        while let Some((header, payload)) = decoder.next_message().unwrap() {
            found.push((header, payload.to_vec()));
        }
    }
    assert_eq!(found, whole);
    assert_eq!(decoder.num_pending(), 0);
}

#[test]
fn a_stream_may_be_cut_anywhere() {
    let (bytes, whole) = stream();
    check_pieces(&bytes, &whole, || 7_919);
    for seed in 0..20 {
        println!("seed {seed}");
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let most = random.random_range(2..5_000);
        check_pieces(&bytes, &whole, || random.random_range(1..most));
    }
}

#[test]
fn a_stream_may_come_byte_by_byte() {
    let mut bytes = vec![];
    for (_, request) in requests() {
        request.encode(&mut bytes);
    }
    let mut whole = Decoder::new(1_000);
    whole.feed(&bytes);
    let mut single = Decoder::new(1_000);
    for byte in &bytes {
        single.feed(std::slice::from_ref(byte));
        while let Some((header, payload)) = single.next_message().unwrap() {
            assert_eq!(whole.next_message(), Ok(Some((header, payload))));
        }
    }
    assert_eq!((whole.next_message(), single.num_pending()), (Ok(None), 0));
}

#[test]
fn what_is_no_message_is_refused_before_it_is_kept() {
    let check = |header: Header, expected| {
        let mut bytes = vec![];
        header.encode(&mut bytes);
        let mut decoder = Decoder::new(80_000);
        decoder.feed(&bytes);
        assert_eq!(decoder.next_message(), Err(expected));
    };
    let header = Header { command: 4, payload_bytes: u32::MAX - 7, ..Header::default() };
    check(header, DecodeError::TooLarge { header, most: 80_000 });
    let header = Header { command: 4, payload_bytes: 80_008, ..Header::default() };
    check(header, DecodeError::TooLarge { header, most: 80_000 });
    let header = Header { command: 4, payload_bytes: 13, ..Header::default() };
    check(header, DecodeError::Misaligned { header });
}

#[test]
fn spoilt_bytes_are_read_or_refused() {
    let (bytes, _) = stream();
    for seed in 0..300 {
        println!("seed {seed}");
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut spoilt = bytes.clone();
        for _ in 0..random.random_range(1..40) {
            let at = random.random_range(0..spoilt.len());
            spoilt[at] = random.random();
        }
        let mut decoder = Decoder::new(80_000);
        decoder.feed(&spoilt);
        while let Ok(Some((header, payload))) = decoder.next_message() {
            let request = Request::decode(&header, payload);
            if let Request::Write(access, payload) | Request::WriteNotify(access, payload) = request
                && let Some(dbr) = Dbr::from_code(access.data_type)
                && let Ok(data) = Data::decode(dbr.field(), access.count as usize, payload)
            {
                assert_eq!(data.len(), access.count as usize);
            }
            let reply = Reply::decode(&header, payload);
            let mut again = vec![];
            reply.encode(&mut again);
            assert!(again.len().is_multiple_of(8), "{reply:?}");
        }
    }
}

//! Any bytes as a stream of Channel Access: cut into the same messages however they come, each of them
//! read as a request and as a reply. `cargo +nightly fuzz run channel_access`
#![no_main]
use bluefly_protocol::channel_access::{
    Data, DecodeError, Decoder, Dbr, Header, Info, Recipient, Reply, Request, Snapshot, Stamp,
};
use libfuzzer_sys::fuzz_target;

/// Longest payload that is taken.
const MAX_PAYLOAD: usize = 4_096;

fuzz_target!(|data: &[u8]| {
    let whole = messages(data, data.len().max(1));
    assert_eq!(messages(data, 7), whole);
    for (header, payload) in whole.0 {
        check_message(&header, &payload);
    }
});

type Messages = (Vec<(Header, Vec<u8>)>, Option<DecodeError>);

/// What comes of `data` in pieces of this length.
fn messages(data: &[u8], piece: usize) -> Messages {
    let mut decoder = Decoder::new(MAX_PAYLOAD);
    let mut found = vec![];
    for bytes in data.chunks(piece) {
        decoder.feed(bytes);
        loop {
            match decoder.next_message() {
                Ok(Some((header, payload))) => found.push((header, payload.to_vec())),
                Ok(None) => break,
                Err(error) => return (found, Some(error)),
            }
        }
    }
    (found, None)
}

fn check_message(header: &Header, payload: &[u8]) {
    let mut out = vec![];
    let request = Request::decode(header, payload);
    request.encode(&mut out);
    Reply::decode(header, payload).encode(&mut out);
    assert!(out.len().is_multiple_of(8));
    if let Request::Write(access, payload) | Request::WriteNotify(access, payload) = request {
        check_value(access.data_type, access.count as usize, payload);
    }
}

/// What was put can be read in every form.
fn check_value(data_type: u16, count: usize, payload: &[u8]) {
    let Some(dbr) = Dbr::from_code(data_type) else { return };
    let Ok(data) = Data::decode(dbr.field(), count, payload) else { return };
    let snapshot = Snapshot { data: &data, stamp: Stamp::default(), info: Info::default() };
    for dbr in (0..39).filter_map(Dbr::from_code) {
        let mut out = vec![];
        let to = Recipient { is_event: false, request: 1, dbr, count: 0 };
        snapshot.encode(&to, &mut out);
        let (header, length) = Header::decode(&out).expect("a header");
        assert_eq!(length + header.payload_bytes as usize, out.len());
    }
}

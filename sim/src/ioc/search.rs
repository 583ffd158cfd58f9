//! Who has which channel: answers to datagrams, without a word for what is not here.
use super::directory::Directory;
use bluefly_protocol::channel_access::{Header, MINOR_VERSION, Reply, Request};

/// Longest answer that goes into one datagram.
const MAX_ANSWER_BYTES: usize = 1_400;
const FOUND_BYTES: usize = 24;

/// The answers to `datagram`, one datagram each; `send` is called for every one of them. Datagrams
/// that are no requests have no answer.
pub(super) fn answer(
    datagram: &[u8],
    directory: &Directory,
    port: u16,
    out: &mut Vec<u8>,
    mut send: impl FnMut(&[u8]),
) {
    let mut rest = datagram;
    let mut sequence = None;
    out.clear();
    while let Some((header, length)) = Header::decode(rest) {
        let end = length.saturating_add(header.payload_bytes as usize);
        let Some(payload) = rest.get(length..end) else { break };
        rest = &rest[end..];
        let (id, name, must_reply) = match Request::decode(&header, payload) {
            Request::Version { sequence: number, .. } => {
                sequence = number;
                continue;
            }
            Request::Search { id, name, must_reply } => (id, name, must_reply),
            _ => continue,
        };
        let is_here = std::str::from_utf8(name).is_ok_and(|name| directory.has(name));
        if !is_here && !must_reply {
            continue;
        }
        if out.len() + FOUND_BYTES > MAX_ANSWER_BYTES {
            send(out);
            out.clear();
        }
        if out.is_empty() {
            Reply::Version { minor: MINOR_VERSION.into(), sequence }.encode(out);
        }
        let reply = if is_here { Reply::Found { id, port } } else { Reply::NotFound { id } };
        reply.encode(out);
    }
    if !out.is_empty() {
        send(out);
    }
}

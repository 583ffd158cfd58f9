//! [`Reply`]: what a server says to a client.
use super::{Field, Header, MINOR_VERSION, command, header::padding};

/// A message from a server, over a circuit or in a datagram. Values have a message of their own:
/// [`Snapshot::encode`](super::Snapshot::encode) writes what is read here as [`Reply::Value`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply<'a> {
    /// `sequence`: which datagram is answered.
    Version {
        minor: u32,
        sequence: Option<u32>,
    },
    /// The channel that was looked for is on this TCP port of the sender.
    Found {
        id: u32,
        port: u16,
    },
    NotFound {
        id: u32,
    },
    AccessRights {
        id: u32,
        read: bool,
        write: bool,
    },
    Created {
        id: u32,
        server_id: u32,
        field: Field,
        count: u32,
    },
    CreateFailed {
        id: u32,
    },
    /// The answer to a read, or an event if `is_event`; `request` is what the client called it.
    Value {
        is_event: bool,
        request: u32,
        status: u32,
        data_type: u16,
        count: u32,
        payload: &'a [u8],
    },
    /// A put-callback ended.
    Written {
        request: u32,
        status: u32,
        data_type: u16,
        count: u32,
    },
    /// The last that is heard of a subscription.
    Unsubscribed {
        request: u32,
        server_id: u32,
        data_type: u16,
        count: u32,
    },
    Cleared {
        server_id: u32,
        id: u32,
    },
    ReadSync,
    Echo,
    /// A request failed that has no other answer. `id`: of the channel.
    Error {
        id: u32,
        status: u32,
        request: Header,
        text: &'a str,
    },
    /// The channel is gone, the circuit stays.
    Disconnected {
        id: u32,
    },
    /// A server is there, on this TCP port. `number` counts beacons.
    Beacon {
        port: u16,
        number: u32,
    },
    /// What clients do not take.
    Other(u16),
}

const READ: u32 = 1;
const WRITE: u32 = 2;
const SEQUENCE_IS_VALID: u16 = 1;
/// In the place of an address: that of the sender.
const SENDER: u32 = u32::MAX;
/// Longest text of an error.
const MAX_TEXT_BYTES: usize = 400;

impl<'a> Reply<'a> {
    /// What the message says.
    pub fn decode(header: &Header, payload: &'a [u8]) -> Self {
        let Header { data_type, count, parameter_1, parameter_2, .. } = *header;
        match header.command {
            command::VERSION => Self::Version {
                minor: count,
                sequence: (data_type & SEQUENCE_IS_VALID != 0).then_some(parameter_1),
            },
            command::SEARCH => Self::Found { id: parameter_2, port: data_type },
            command::NOT_FOUND => Self::NotFound { id: parameter_2 },
            command::ACCESS_RIGHTS => Self::AccessRights {
                id: parameter_1,
                read: parameter_2 & READ != 0,
                write: parameter_2 & WRITE != 0,
            },
            command::CREATE_CHAN => match Field::from_code(data_type) {
                Some(field) => {
                    Self::Created { id: parameter_1, server_id: parameter_2, field, count }
                }
                None => Self::Other(header.command),
            },
            command::CREATE_FAIL => Self::CreateFailed { id: parameter_1 },
            command::EVENT_ADD if header.payload_bytes == 0 => Self::Unsubscribed {
                request: parameter_2,
                server_id: parameter_1,
                data_type,
                count,
            },
            command::READ_NOTIFY | command::EVENT_ADD => Self::Value {
                is_event: header.command == command::EVENT_ADD,
                request: parameter_2,
                status: parameter_1,
                data_type,
                count,
                payload,
            },
            command::WRITE_NOTIFY => {
                Self::Written { request: parameter_2, status: parameter_1, data_type, count }
            }
            command::CLEAR_CHANNEL => Self::Cleared { server_id: parameter_1, id: parameter_2 },
            command::READ_SYNC => Self::ReadSync,
            command::ECHO => Self::Echo,
            command::ERROR => error(header, payload),
            command::SERVER_DISCONN => Self::Disconnected { id: parameter_1 },
            command::RSRV_IS_UP => Self::Beacon { port: count as u16, number: parameter_1 },
            other => Self::Other(other),
        }
    }

    /// Appends the message to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let (header, payload): (Header, &[u8]) = match *self {
            Self::Version { minor, sequence } => {
                let data_type = sequence.map_or(0, |_| SEQUENCE_IS_VALID);
                let header = message(command::VERSION, sequence.unwrap_or(0), 0);
                (Header { data_type, count: minor, ..header }, &[])
            }
            Self::Found { id, port } => {
                const MINOR: [u8; 8] = [0, MINOR_VERSION as u8, 0, 0, 0, 0, 0, 0];
                (Header { data_type: port, ..message(command::SEARCH, SENDER, id) }, &MINOR)
            }
            Self::NotFound { id } => {
                let header = message(command::NOT_FOUND, id, id);
                (Header { data_type: 10, count: u32::from(MINOR_VERSION), ..header }, &[])
            }
            Self::AccessRights { id, read, write } => {
                let rights = u32::from(read) * READ + u32::from(write) * WRITE;
                (message(command::ACCESS_RIGHTS, id, rights), &[])
            }
            Self::Created { id, server_id, field, count } => {
                let header = message(command::CREATE_CHAN, id, server_id);
                (Header { data_type: field.code(), count, ..header }, &[])
            }
            Self::CreateFailed { id } => (message(command::CREATE_FAIL, id, 0), &[]),
            Self::Value { is_event, request, status, data_type, count, payload } => {
                let command = if is_event { command::EVENT_ADD } else { command::READ_NOTIFY };
                (Header { data_type, count, ..message(command, status, request) }, payload)
            }
            Self::Written { request, status, data_type, count } => {
                let header = message(command::WRITE_NOTIFY, status, request);
                (Header { data_type, count, ..header }, &[])
            }
            Self::Unsubscribed { request, server_id, data_type, count } => {
                let header = message(command::EVENT_ADD, server_id, request);
                (Header { data_type, count, ..header }, &[])
            }
            Self::Cleared { server_id, id } => {
                (message(command::CLEAR_CHANNEL, server_id, id), &[])
            }
            Self::ReadSync => (message(command::READ_SYNC, 0, 0), &[]),
            Self::Echo => (message(command::ECHO, 0, 0), &[]),
            Self::Error { id, status, request, text } => {
                return encode_error(message(command::ERROR, id, status), &request, text, out);
            }
            Self::Disconnected { id } => (message(command::SERVER_DISCONN, id, 0), &[]),
            Self::Beacon { port, number } => {
                let header = message(command::RSRV_IS_UP, number, 0);
                (Header { data_type: MINOR_VERSION, count: u32::from(port), ..header }, &[])
            }
            Self::Other(command) => (message(command, 0, 0), &[]),
        };
        let padding = padding(payload.len());
        let payload_bytes = (payload.len() + padding) as u32;
        Header { payload_bytes, ..header }.encode(out);
        out.extend_from_slice(payload);
        out.resize(out.len() + padding, 0);
    }
}

fn message(command: u16, parameter_1: u32, parameter_2: u32) -> Header {
    Header { command, parameter_1, parameter_2, ..Header::default() }
}

/// The header of the request comes back, then a text.
fn encode_error(header: Header, request: &Header, text: &str, out: &mut Vec<u8>) {
    let text = &text[..text.floor_char_boundary(MAX_TEXT_BYTES)];
    let length = request.num_bytes() + text.len() + 1;
    Header { payload_bytes: (length + padding(length)) as u32, ..header }.encode(out);
    request.encode(out);
    out.extend_from_slice(text.as_bytes());
    out.resize(out.len() + 1 + padding(length), 0);
}

fn error<'a>(header: &Header, payload: &'a [u8]) -> Reply<'a> {
    let Some((request, length)) = Header::decode(payload) else {
        return Reply::Other(header.command);
    };
    let text = payload.get(length..).unwrap_or_default();
    let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
    let text = text.get(..end).and_then(|text| std::str::from_utf8(text).ok()).unwrap_or("");
    Reply::Error { id: header.parameter_1, status: header.parameter_2, request, text }
}

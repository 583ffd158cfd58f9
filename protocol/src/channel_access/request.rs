//! [`Request`]: what a client says to a server.
use super::{Header, MAX_NAME_BYTES, MINOR_VERSION, command, header::padding};

/// A message from a client, over a circuit or (the first two) in a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// Which protocol the client speaks. `sequence` numbers datagrams and is sent back.
    Version {
        minor: u32,
        priority: u16,
        sequence: Option<u32>,
    },
    /// Who has this channel? `must_reply`: say so also if nobody has.
    Search {
        id: u32,
        name: &'a [u8],
        must_reply: bool,
    },
    /// The client calls the channel `id` from now on.
    CreateChannel {
        id: u32,
        name: &'a [u8],
    },
    Read(Access),
    Write(Access, &'a [u8]),
    /// Answered once everything that the value set off is complete.
    WriteNotify(Access, &'a [u8]),
    /// `request` of the access names the subscription.
    Subscribe(Access, u16),
    Unsubscribe(Access),
    ReadSync,
    EventsOff,
    EventsOn,
    ClearChannel {
        server_id: u32,
        id: u32,
    },
    ClientName(&'a [u8]),
    HostName(&'a [u8]),
    Echo,
    /// What servers do not take.
    Other(u16),
}

/// What is to be done with which channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// What the server calls the channel.
    pub channel: u32,
    /// What the client calls the request.
    pub request: u32,
    /// Form of the value, as a number of [`Dbr`](super::Dbr).
    pub data_type: u16,
    /// Elements; zero: as many as there are.
    pub count: u32,
}

const MUST_REPLY: u16 = 10;
const NEED_NOT_REPLY: u16 = 5;
/// In the data type of a version: the first parameter numbers the datagram.
const SEQUENCE_IS_VALID: u16 = 1;
/// Where the mask stands in what follows the header of a subscription.
const MASK_AT: usize = 12;
const SUBSCRIPTION_BYTES: usize = 16;

impl<'a> Request<'a> {
    /// What the message says. Missing bytes are read as zero, as servers of EPICS do.
    pub fn decode(header: &Header, payload: &'a [u8]) -> Self {
        let access = Access {
            channel: header.parameter_1,
            request: header.parameter_2,
            data_type: header.data_type,
            count: header.count,
        };
        match header.command {
            command::VERSION => Self::Version {
                minor: header.count,
                priority: header.data_type,
                sequence: (header.data_type & SEQUENCE_IS_VALID != 0).then_some(header.parameter_1),
            },
            command::SEARCH => Self::Search {
                id: header.parameter_1,
                name: name(payload),
                must_reply: header.data_type == MUST_REPLY,
            },
            command::CREATE_CHAN => {
                Self::CreateChannel { id: header.parameter_1, name: name(payload) }
            }
            command::READ_NOTIFY => Self::Read(access),
            command::WRITE => Self::Write(access, payload),
            command::WRITE_NOTIFY => Self::WriteNotify(access, payload),
            command::EVENT_ADD => Self::Subscribe(access, event_mask(payload)),
            command::EVENT_CANCEL => Self::Unsubscribe(access),
            command::READ_SYNC => Self::ReadSync,
            command::EVENTS_OFF => Self::EventsOff,
            command::EVENTS_ON => Self::EventsOn,
            command::CLEAR_CHANNEL => {
                Self::ClearChannel { server_id: header.parameter_1, id: header.parameter_2 }
            }
            command::CLIENT_NAME => Self::ClientName(name(payload)),
            command::HOST_NAME => Self::HostName(name(payload)),
            command::ECHO => Self::Echo,
            other => Self::Other(other),
        }
    }

    /// Appends the message to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let minor = u32::from(MINOR_VERSION);
        match *self {
            Self::Version { minor, priority, sequence } => {
                let data_type = sequence.map_or(priority, |_| SEQUENCE_IS_VALID);
                let parameter_1 = sequence.unwrap_or(0);
                let header = Header { data_type, count: minor, parameter_1, ..Header::default() };
                header.encode(out);
            }
            Self::Search { id, name, must_reply } => {
                let data_type = if must_reply { MUST_REPLY } else { NEED_NOT_REPLY };
                let (command, count) = (command::SEARCH, minor);
                let header = Header { command, data_type, count, ..ids(id, id) };
                with_name(header, name, out);
            }
            Self::CreateChannel { id, name } => {
                with_name(Header { command: command::CREATE_CHAN, ..ids(id, minor) }, name, out);
            }
            Self::Read(access) => with_payload(access.header(command::READ_NOTIFY), &[], out),
            Self::Write(access, payload) => {
                with_payload(access.header(command::WRITE), payload, out);
            }
            Self::WriteNotify(access, payload) => {
                with_payload(access.header(command::WRITE_NOTIFY), payload, out);
            }
            Self::Subscribe(access, mask) => {
                let mut payload = [0; SUBSCRIPTION_BYTES];
                payload[MASK_AT..MASK_AT + 2].copy_from_slice(&mask.to_be_bytes());
                with_payload(access.header(command::EVENT_ADD), &payload, out);
            }
            Self::Unsubscribe(access) => {
                with_payload(access.header(command::EVENT_CANCEL), &[], out);
            }
            Self::ReadSync => bare(command::READ_SYNC, out),
            Self::EventsOff => bare(command::EVENTS_OFF, out),
            Self::EventsOn => bare(command::EVENTS_ON, out),
            Self::ClearChannel { server_id, id } => {
                let header = Header { command: command::CLEAR_CHANNEL, ..ids(server_id, id) };
                header.encode(out);
            }
            Self::ClientName(name) => {
                let header = Header { command: command::CLIENT_NAME, ..Header::default() };
                with_name(header, name, out);
            }
            Self::HostName(name) => {
                let header = Header { command: command::HOST_NAME, ..Header::default() };
                with_name(header, name, out);
            }
            Self::Echo => bare(command::ECHO, out),
            Self::Other(command) => bare(command, out),
        }
    }
}

impl Access {
    fn header(&self, command: u16) -> Header {
        let Self { channel, request, data_type, count } = *self;
        Header { command, data_type, count, ..ids(channel, request) }
    }
}

fn ids(parameter_1: u32, parameter_2: u32) -> Header {
    Header { parameter_1, parameter_2, ..Header::default() }
}

fn bare(command: u16, out: &mut Vec<u8>) {
    Header { command, ..Header::default() }.encode(out);
}

/// The bytes before the first zero; empty if that is no name that anything could have.
fn name(payload: &[u8]) -> &[u8] {
    let end = payload.iter().position(|byte| *byte == 0).unwrap_or(payload.len());
    if end > MAX_NAME_BYTES { &[] } else { &payload[..end] }
}

fn event_mask(payload: &[u8]) -> u16 {
    let bytes = payload.get(MASK_AT..MASK_AT + 2);
    bytes.map_or(0, |bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
}

fn with_name(header: Header, name: &[u8], out: &mut Vec<u8>) {
    let length = name.len() + 1;
    let payload_bytes = (length + padding(length)) as u32;
    Header { payload_bytes, ..header }.encode(out);
    out.extend_from_slice(name);
    out.resize(out.len() + 1 + padding(length), 0);
}

fn with_payload(header: Header, payload: &[u8], out: &mut Vec<u8>) {
    let padding = padding(payload.len());
    let payload_bytes = (payload.len() + padding) as u32;
    Header { payload_bytes, ..header }.encode(out);
    out.extend_from_slice(payload);
    out.resize(out.len() + padding, 0);
}

//! [`Header`]: what stands before every message.

/// The commands of messages.
pub mod command {
    pub const VERSION: u16 = 0;
    pub const EVENT_ADD: u16 = 1;
    pub const EVENT_CANCEL: u16 = 2;
    pub const WRITE: u16 = 4;
    pub const SEARCH: u16 = 6;
    pub const EVENTS_OFF: u16 = 8;
    pub const EVENTS_ON: u16 = 9;
    pub const READ_SYNC: u16 = 10;
    pub const ERROR: u16 = 11;
    pub const CLEAR_CHANNEL: u16 = 12;
    pub const RSRV_IS_UP: u16 = 13;
    pub const NOT_FOUND: u16 = 14;
    pub const READ_NOTIFY: u16 = 15;
    pub const CREATE_CHAN: u16 = 18;
    pub const WRITE_NOTIFY: u16 = 19;
    pub const CLIENT_NAME: u16 = 20;
    pub const HOST_NAME: u16 = 21;
    pub const ACCESS_RIGHTS: u16 = 22;
    pub const ECHO: u16 = 23;
    pub const CREATE_FAIL: u16 = 26;
    pub const SERVER_DISCONN: u16 = 27;
}

/// A header; what its fields mean depends on the command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    pub command: u16,
    /// A multiple of eight.
    pub payload_bytes: u32,
    pub data_type: u16,
    pub count: u32,
    pub parameter_1: u32,
    pub parameter_2: u32,
}

const SHORT_BYTES: usize = 16;
const LONG_BYTES: usize = 24;
/// In the place of the size: it follows, with the count, as 32-bit numbers.
const EXTENDED: u16 = 0xffff;

impl Header {
    /// Whether size or count need more room than the short form has.
    const fn is_long(&self) -> bool {
        self.payload_bytes >= EXTENDED as u32 || self.count >= EXTENDED as u32
    }

    /// Bytes of the header itself.
    pub const fn num_bytes(&self) -> usize {
        if self.is_long() { LONG_BYTES } else { SHORT_BYTES }
    }

    pub fn encode(&self, out: &mut Vec<u8>) {
        let (size, count) = if self.is_long() {
            (EXTENDED, 0)
        } else {
            (self.payload_bytes as u16, self.count as u16)
        };
        let mut bytes = [0; SHORT_BYTES];
        bytes[0..2].copy_from_slice(&self.command.to_be_bytes());
        bytes[2..4].copy_from_slice(&size.to_be_bytes());
        bytes[4..6].copy_from_slice(&self.data_type.to_be_bytes());
        bytes[6..8].copy_from_slice(&count.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.parameter_1.to_be_bytes());
        bytes[12..16].copy_from_slice(&self.parameter_2.to_be_bytes());
        out.extend_from_slice(&bytes);
        if self.is_long() {
            out.extend_from_slice(&self.payload_bytes.to_be_bytes());
            out.extend_from_slice(&self.count.to_be_bytes());
        }
    }

    /// The header at the front of `bytes` and its own length; `None` if it is not whole yet.
    pub fn decode(bytes: &[u8]) -> Option<(Self, usize)> {
        let short = bytes.get(..SHORT_BYTES)?;
        let size = u16_at(short, 2);
        let mut header = Self {
            command: u16_at(short, 0),
            payload_bytes: u32::from(size),
            data_type: u16_at(short, 4),
            count: u32::from(u16_at(short, 6)),
            parameter_1: u32_at(short, 8),
            parameter_2: u32_at(short, 12),
        };
        if size != EXTENDED {
            return Some((header, SHORT_BYTES));
        }
        let long = bytes.get(SHORT_BYTES..LONG_BYTES)?;
        header.payload_bytes = u32_at(long, 0);
        header.count = u32_at(long, 4);
        Some((header, LONG_BYTES))
    }
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// Bytes that fill `length` up to a multiple of eight.
pub(super) const fn padding(length: usize) -> usize {
    length.wrapping_neg() & 7
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_long_headers() {
        let header = Header {
            command: 15,
            payload_bytes: 0xfff8,
            data_type: 6,
            count: 3,
            parameter_1: 0x0102_0304,
            parameter_2: 0xffff_fffe,
        };
        let check = |header: Header, expected: &[u8]| {
            let mut out = vec![];
            header.encode(&mut out);
            assert_eq!(out, expected);
            assert_eq!(header.num_bytes(), expected.len());
            assert_eq!(Header::decode(&out), Some((header, out.len())));
            for cut in 0..out.len() {
                assert_eq!(Header::decode(&out[..cut]), None, "cut at {cut}");
            }
        };
        check(header, b"\x00\x0f\xff\xf8\x00\x06\x00\x03\x01\x02\x03\x04\xff\xff\xff\xfe");
        check(
            Header { payload_bytes: 0x0001_0000, ..header },
            b"\x00\x0f\xff\xff\x00\x06\x00\x00\x01\x02\x03\x04\xff\xff\xff\xfe\x00\x01\x00\x00\x00\x00\x00\x03",
        );
        check(
            Header { payload_bytes: 8, count: 0xffff, ..header },
            b"\x00\x0f\xff\xff\x00\x06\x00\x00\x01\x02\x03\x04\xff\xff\xff\xfe\x00\x00\x00\x08\x00\x00\xff\xff",
        );
        assert_eq!([0, 1, 7, 8, 9].map(padding), [0, 7, 1, 0, 7]);
    }
}

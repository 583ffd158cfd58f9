//! [`Decoder`]: cuts a stream of bytes into messages.
use super::Header;

/// Bytes that are no messages; nothing that follows them can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("a message of command {} has {} bytes: at most {most} are taken", header.command, header.payload_bytes)]
    TooLarge { header: Header, most: usize },
    #[error("a message of command {} has {} bytes, which is no multiple of eight", header.command, header.payload_bytes)]
    Misaligned { header: Header },
}

/// Takes bytes as they come and gives whole messages.
#[derive(Debug)]
pub struct Decoder {
    bytes: Vec<u8>,
    /// Where the next message begins.
    start: usize,
    max_payload: usize,
}

/// Room of a decoder that has nothing to hold.
const IDLE_BYTES: usize = 64 << 10;

impl Decoder {
    /// Messages with more than `max_payload` bytes after their header are refused.
    pub const fn new(max_payload: usize) -> Self {
        Self { bytes: Vec::new(), start: 0, max_payload }
    }

    /// Takes what came.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.tidy();
        self.bytes.extend_from_slice(bytes);
    }

    /// The next message: its header and what follows it. `None` until more bytes have come.
    pub fn next_message(&mut self) -> Result<Option<(Header, &[u8])>, DecodeError> {
        let Some((header, payload_start)) = Header::decode(&self.bytes[self.start..]) else {
            return Ok(None);
        };
        let payload_bytes = header.payload_bytes as usize;
        if payload_bytes > self.max_payload {
            return Err(DecodeError::TooLarge { header, most: self.max_payload });
        }
        if !payload_bytes.is_multiple_of(8) {
            return Err(DecodeError::Misaligned { header });
        }
        let payload_start = self.start + payload_start;
        let end = payload_start + payload_bytes;
        let Some(payload) = self.bytes.get(payload_start..end) else { return Ok(None) };
        self.start = end;
        Ok(Some((header, payload)))
    }

    /// Bytes that wait for the rest of their message.
    pub fn num_pending(&self) -> usize {
        self.bytes.len() - self.start
    }

    fn tidy(&mut self) {
        if self.start == self.bytes.len() {
            self.bytes.clear();
            // One large message must not cost its size for ever.
            self.bytes.shrink_to(IDLE_BYTES);
        } else {
            self.bytes.drain(..self.start);
        }
        self.start = 0;
    }
}

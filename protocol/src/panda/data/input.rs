//! [`Input`]: bytes that were received and are not yet read.

/// Room of an input that has seen no longer frame.
const IDLE_BYTES: usize = 256 << 10;
/// Less room than this at the end is not worth a call to the system.
const LEAST_SPACE: usize = 16 << 10;

/// Bytes are received at the end and read at the start, and stay where they are.
///
/// What is left over of a long frame is received alone, so that nothing after it is to be moved to
/// the front to make room for the next.
#[derive(Debug, Default)]
pub(super) struct Input {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Up to here there is no end of a line.
    scanned: usize,
    /// Bytes from the start that are known to belong together.
    wanted: usize,
    /// Bytes of the stream before `buffer`.
    offset: u64,
}

impl Input {
    /// Where to receive.
    pub(super) fn space(&mut self) -> &mut [u8] {
        let num_pending = self.end - self.start;
        let wanted = if self.wanted > num_pending { self.wanted } else { 0 };
        let needed = wanted.max(num_pending + LEAST_SPACE);
        if self.start == self.end || self.start + needed > self.buffer.len() {
            self.move_to_front();
        }
        if needed > self.buffer.len() {
            // Zeros of a new buffer cost nothing, unlike those that are written behind an old one.
            let mut longer = vec![0; needed.max(IDLE_BYTES)];
            longer[..self.end].copy_from_slice(&self.buffer[..self.end]);
            self.buffer = longer;
        }
        let is_long = wanted > self.buffer.len() / 2;
        let limit = if is_long { self.start + wanted } else { self.buffer.len() };
        &mut self.buffer[self.end..limit]
    }

    /// Tells how much of the space was filled.
    pub(super) fn received(&mut self, bytes: usize) {
        debug_assert!(bytes <= self.buffer.len() - self.end, "more than there was space for");
        self.end = (self.end + bytes).min(self.buffer.len());
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// The last bytes that were read.
    pub(super) fn last_read(&self, bytes: usize) -> &[u8] {
        &self.buffer[self.start - bytes..self.start]
    }

    /// Where the next byte to be read is in the stream.
    pub(super) const fn at(&self) -> u64 {
        self.offset + self.start as u64
    }

    /// So many bytes belong together, and not all of them have come.
    pub(super) const fn want(&mut self, bytes: usize) {
        self.wanted = bytes;
    }

    pub(super) const fn advance(&mut self, bytes: usize) {
        self.start += bytes;
        self.scanned = self.start;
        self.wanted = 0;
    }

    /// Where `mark` begins, from the start; looks at each byte once.
    pub(super) fn find(&mut self, mark: &[u8]) -> Option<usize> {
        let from = self.scanned.max(self.start);
        let found = self.buffer[from..self.end].windows(mark.len()).position(|part| part == mark);
        if found.is_none() {
            self.scanned = from.max((self.end + 1).saturating_sub(mark.len()));
        }
        found.map(|found| from + found - self.start)
    }

    fn move_to_front(&mut self) {
        self.buffer.copy_within(self.start..self.end, 0);
        self.offset += self.start as u64;
        self.scanned = self.scanned.saturating_sub(self.start);
        self.end -= self.start;
        self.start = 0;
    }
}

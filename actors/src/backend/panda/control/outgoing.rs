//! [`Outgoing`]: what is to be sent, and how much of it was.
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

/// Bytes on their way out, counted from the beginning of the connection.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    bytes: Vec<u8>,
    /// Of `bytes`, how many were sent.
    done: usize,
    /// Bytes of the connection before `bytes`.
    before: u64,
}

/// More is not taken before some of so many bytes were sent.
const MAX_WAITING_BYTES: usize = 64 << 10;

impl Outgoing {
    /// Puts a command behind all others; where it begins.
    pub(super) fn push(&mut self, command: &[u8]) -> u64 {
        let at = self.before + self.bytes.len() as u64;
        self.bytes.extend_from_slice(command);
        at
    }

    pub(super) fn is_empty(&self) -> bool {
        self.done == self.bytes.len()
    }

    pub(super) fn has_room(&self) -> bool {
        self.bytes.len() - self.done < MAX_WAITING_BYTES
    }

    /// Whether any byte from `at` on was sent.
    pub(super) fn has_sent(&self, at: u64) -> bool {
        self.before + self.done as u64 > at
    }

    /// Sends some. Cancel safe.
    pub(super) async fn send(&mut self, to: &mut (impl AsyncWrite + Unpin)) -> std::io::Result<()> {
        let sent = to.write(&self.bytes[self.done..]).await?;
        if sent == 0 {
            return Err(std::io::ErrorKind::WriteZero.into());
        }
        self.done += sent;
        if self.is_empty() {
            self.before += self.bytes.len() as u64;
            self.done = 0;
            // A long table is not to keep its room.
            self.bytes.clear();
            self.bytes.shrink_to(MAX_WAITING_BYTES);
        }
        Ok(())
    }
}

//! [`Desk`]: which command the owner is at, for those who wonder why it is not further.
use super::{ChannelId, Command};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A command that the owner is at. The same one twice means that it has not gone on in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Task {
    pub channel: ChannelId,
    /// Of all commands.
    pub number: u64,
}

#[derive(Debug, Default)]
pub(super) struct Desk {
    number: AtomicU64,
    /// Zero between batches: channels are numbered from one.
    channel: AtomicU64,
}

impl Desk {
    pub(super) fn begin(&self, command: &Command) {
        self.number.fetch_add(1, Relaxed);
        self.channel.store(command.channel().0, Relaxed);
    }

    pub(super) fn clear(&self) {
        self.channel.store(0, Relaxed);
    }

    /// Both numbers may be of different commands while the owner goes on, which is no task that lasts.
    pub(super) fn task(&self) -> Option<Task> {
        let number = self.number.load(Relaxed);
        match self.channel.load(Relaxed) {
            0 => None,
            channel => Some(Task { channel: ChannelId(channel), number }),
        }
    }
}

impl Command {
    /// Whose server may hold it up.
    const fn channel(&self) -> ChannelId {
        match self {
            Self::Create { channel, .. }
            | Self::Clear { channel }
            | Self::Describe { channel, .. }
            | Self::Subscribe { channel, .. }
            | Self::Get { channel, .. }
            | Self::Ask { channel, .. }
            | Self::Put { channel, .. }
            | Self::Unsubscribe { channel, .. }
            | Self::PutCallback { channel, .. } => *channel,
        }
    }
}

//! Channel Access by libca: channels, gets, puts and subscriptions, on one thread of its own.
//!
//! ```text
//!  actors ── batches of Command ──▶ owner thread ── calls, one flush per batch ──▶ libca
//!     ▲                                                                              │
//!     └───────── batches of Event, in order ── Inbox ◀── callbacks (its threads) ────┘
//! ```
//!
//! **Invariants:** only the owner calls libca; callbacks only push into the inbox; no lock is held
//! across a call.
mod attention;
mod config;
mod dbr;
mod desk;
mod inbox;
mod owner;
mod raw;
mod repeater;
mod status;

pub use config::{ChannelAccessConfig, EnvironmentError, WatchdogConfig};
pub use dbr::{Data, Limits, Native, Payload, Properties, STRING_BYTES, Sample, Shape};
pub use desk::Task;
pub use inbox::{ChannelId, Event, Inbox, RequestId, Rights, SubscriptionId, Wakes};
pub use status::Status;

use crossbeam_channel::{Sender, bounded, unbounded};
use desk::Desk;
use std::{ffi::CString, io, sync::Arc, thread};

/// What libca is to do. Commands to channels and subscriptions that are not there do nothing; a get or
/// a put always has its event.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    Create {
        channel: ChannelId,
        name: CString,
    },
    /// After all its subscriptions; requests under way have no event but [`Event::Cleared`].
    Clear {
        channel: ChannelId,
    },
    /// Asks for the properties, now and whenever they change.
    Describe {
        channel: ChannelId,
        native: Native,
    },
    Subscribe {
        channel: ChannelId,
        subscription: SubscriptionId,
        native: Native,
        shape: Shape,
        /// Most samples that wait to be taken.
        bound: usize,
    },
    Unsubscribe {
        channel: ChannelId,
        subscription: SubscriptionId,
    },
    Get {
        channel: ChannelId,
        request: RequestId,
        native: Native,
        shape: Shape,
    },
    /// A get of one element which tells when it has left: [`Event::Asked`].
    Ask {
        channel: ChannelId,
        request: RequestId,
        native: Native,
    },
    /// Complete once the server has taken the value.
    Put {
        channel: ChannelId,
        request: RequestId,
        payload: Payload,
    },
    /// Complete once all is done that the value set off.
    PutCallback {
        channel: ChannelId,
        request: RequestId,
        payload: Payload,
    },
}

/// libca could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot start the thread of Channel Access")]
    Thread(#[source] io::Error),
    #[error("cannot start libca: {0}")]
    Library(Status),
    #[error("the thread of Channel Access ended at its start")]
    Ended,
}

/// The way to the owner's thread, which ends with it.
#[derive(Debug)]
pub struct Client {
    // Unbounded, but for what its user bounds: channels, subscriptions and requests under way.
    commands: Sender<Vec<Command>>,
    inbox: Arc<Inbox>,
    desk: Arc<Desk>,
}

impl Client {
    /// Starts the owner's thread. libca reads the environment now: see [`ChannelAccessConfig::export`].
    pub fn start() -> Result<Self, StartError> {
        let inbox = Arc::new(Inbox::default());
        let (commands, receiver) = unbounded();
        let (started, start) = bounded(1);
        let desk = Arc::new(Desk::default());
        let shared = (Arc::clone(&inbox), Arc::clone(&desk));
        let run = move || {
            // There is room for it, and this thread waits.
            owner::run(&receiver, shared, |result| started.send(result).unwrap_or_default());
        };
        let spawned = thread::Builder::new().name("ca-owner".to_owned()).spawn(run);
        spawned.map_err(StartError::Thread)?;
        start.recv().map_err(|_| StartError::Ended)?.map_err(StartError::Library)?;
        Ok(Self { commands, inbox, desk })
    }

    /// Has these commands carried out in their order, and sent together.
    pub fn send(&self, batch: Vec<Command>) -> Result<(), Gone> {
        self.commands.send(batch).map_err(|_| Gone)
    }

    pub fn inbox(&self) -> &Arc<Inbox> {
        &self.inbox
    }

    /// What the owner is at: a call may be held up by a server that takes nothing.
    pub fn task(&self) -> Option<Task> {
        self.desk.task()
    }
}

/// The owner's thread has ended, by a panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the thread of Channel Access has ended")]
pub struct Gone;

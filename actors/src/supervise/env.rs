//! [`Env`]: what a whole tree shares, handed over in one place.
use super::events::{Event, Events};
use crate::{clock::Clock, random::Seed};
use tokio::sync::broadcast;

/// In which order tasks that are ready at the same moment are run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Schedule {
    /// In the order in which they became ready.
    #[default]
    Fifo,
    /// In an order drawn from the seed, to explore races.
    Shuffled,
}

/// Clock, random seed, schedule and events of a tree: passed to
/// [`Supervisor::spawn`](super::Supervisor::spawn) and from there to every descendant.
#[derive(Clone, Debug)]
pub struct Env {
    clock: Clock,
    seed: Seed,
    schedule: Schedule,
    events: broadcast::Sender<Event>,
}

/// How many events a slow reader may be behind before it misses some.
const EVENTS_KEPT: usize = 1_024;

impl Env {
    /// An environment with the schedule of the runtime.
    pub fn new(clock: Clock, seed: Seed) -> Self {
        let events = broadcast::Sender::new(EVENTS_KEPT);
        Self { clock, seed, schedule: Schedule::Fifo, events }
    }

    /// Sets the order of tasks that are ready at the same moment.
    pub fn schedule(mut self, schedule: Schedule) -> Self {
        self.schedule = schedule;
        self
    }

    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    pub fn seed(&self) -> Seed {
        self.seed
    }

    /// Every event of the tree from now on; may be called before the tree is spawned.
    pub fn events(&self) -> Events {
        Events::new(self.events.subscribe())
    }

    pub(super) fn is_shuffled(&self) -> bool {
        self.schedule == Schedule::Shuffled
    }

    pub(super) fn announce(&self, event: Event) {
        // An error means that nobody listens, which is nobody's fault.
        if self.events.send(event).is_err() {
            tracing::trace!("nobody listens to supervision events");
        }
    }
}

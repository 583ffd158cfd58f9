//! [`Acquisition`]: what a detector was armed for, and how far it has come.
use crate::multiplier::PulseTrain;
use bluefly_actors::clock::Instant;
use bluefly_protocol::beamline::Trigger;
use std::{collections::VecDeque, time::Duration};

/// An exposure that was begun.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shot {
    pub(super) id: i64,
    pub(super) start: Instant,
    pub(super) exposure: Duration,
    pub(super) ready: Instant,
    /// Whether it is lost on the way to the file writer.
    pub(super) is_dropped: bool,
}

/// What it was armed for, and how far it has come.
#[derive(Debug)]
pub(super) struct Acquisition {
    pub(super) num_images: u64,
    pub(super) trigger: Trigger,
    pub(super) exposure: Duration,
    pub(super) since: Instant,
    pub(super) triggers_seen: u64,
    pub(super) busy_until: Instant,
    pub(super) shots: VecDeque<Shot>,
}

impl Acquisition {
    /// Whether its last frame is ready.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.num_left() == 0 && self.shots.iter().all(|shot| shot.ready <= now)
    }

    /// Triggers that it still waits for.
    pub(super) fn num_left(&self) -> u64 {
        self.num_images.saturating_sub(self.triggers_seen)
    }

    /// How long it exposes for a pulse of `train`.
    pub(super) fn exposure_of(&self, train: &PulseTrain) -> Duration {
        match self.trigger {
            Trigger::Gate => train.width(),
            Trigger::Internal | Trigger::Edge | Trigger::Software => self.exposure,
        }
    }
}

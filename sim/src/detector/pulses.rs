//! [`Pulses`]: pulses at the trigger input of a detector, one by one.
use super::{Acquisition, Detector};
use bluefly_actors::clock::Instant;
use bluefly_protocol::beamline::Trigger;
use std::{collections::VecDeque, rc::Rc, time::Duration};

/// A pulse that has not ended yet has no end.
#[derive(Clone, Copy, Debug)]
struct Pulse {
    start: Instant,
    end: Option<Instant>,
}

impl Pulse {
    /// How long a detector exposes for it; nothing as long as that is not known, or if it does not
    /// listen.
    fn exposure(&self, acquisition: &Acquisition) -> Option<Duration> {
        match acquisition.trigger {
            Trigger::Internal => None,
            Trigger::Gate => self.end.map(|end| end - self.start),
            Trigger::Edge | Trigger::Software => Some(acquisition.exposure),
        }
    }
}

/// Pulses that nobody has looked at, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Pulses(VecDeque<Pulse>);

impl Pulses {
    /// The level is another one from `moment` on.
    pub(super) fn add(&mut self, moment: Instant, is_high: bool) {
        if is_high {
            self.0.push_back(Pulse { start: moment, end: None });
        } else if let Some(pulse) = self.0.back_mut() {
            pulse.end = pulse.end.or(Some(moment));
        }
    }

    /// Those that began before `now` are of no use to anybody.
    pub(super) fn forget(&mut self, now: Instant) {
        while self.0.front().is_some_and(|pulse| pulse.start < now) {
            self.0.pop_front();
        }
    }

    /// When the exposure for pulse `number` ends, if that is known.
    fn ready(&self, number: u64, acquisition: &Acquisition) -> Option<Instant> {
        let pulse = self.0.get(usize::try_from(number).ok()?)?;
        Some(pulse.start + pulse.exposure(acquisition)?)
    }

    /// The next pulse, if all of it that matters has come: when it began, and how long to expose.
    fn take(&mut self, now: Instant, acquisition: &Acquisition) -> Option<(Instant, Duration)> {
        let pulse = *self.0.front()?;
        let exposure = pulse.exposure(acquisition)?;
        let known = match acquisition.trigger {
            Trigger::Gate => pulse.start + exposure,
            Trigger::Internal | Trigger::Edge | Trigger::Software => pulse.start,
        };
        (known <= now).then(|| self.0.pop_front())?;
        Some((pulse.start, exposure))
    }
}

impl Detector {
    /// Says that an output of a box is wired to its trigger input, and who brings what comes of it.
    pub(crate) fn hang_on(&self, source: Rc<dyn Fn()>) {
        self.sources.borrow_mut().push(source);
    }

    /// Hears of all pulses up to now.
    pub(super) fn bring_pulses(&self) {
        self.sources.borrow().iter().for_each(|bring| bring());
    }

    /// The level at its trigger input is another one from a moment on.
    pub(crate) fn trigger_level(&self, moment: Instant, is_high: bool) {
        let mut pulses = self.pulses.borrow_mut();
        if !self.is_armed() || self.triggers_itself() {
            pulses.forget(moment);
        }
        pulses.add(moment, is_high);
        drop(pulses);
        if self.next_collection() != self.sleeps_until.get() {
            self.changed.notify_one();
        }
    }

    /// Whether it waits for pulses from outside that it does not know ahead.
    pub(super) fn listens(&self, acquisition: &Acquisition) -> bool {
        !self.sources.borrow().is_empty() && acquisition.trigger != Trigger::Internal
    }

    /// When the frame of a pulse that nobody has looked at is there, if that is known.
    pub(super) fn pulse_ready(&self, number: u64, acquisition: &Acquisition) -> Option<Instant> {
        let ready = self.pulses.borrow().ready(number, acquisition)?;
        Some(ready + self.dead_time)
    }

    pub(super) fn take_pulses(&self, acquisition: &mut Acquisition, now: Instant) {
        let mut pulses = self.pulses.borrow_mut();
        while let Some((start, exposure)) = pulses.take(now, acquisition) {
            if start >= acquisition.since && acquisition.num_left() > 0 {
                self.expose(acquisition, start, exposure);
            }
        }
    }
}

//! [`Complaints`]: what is told of a device that fails again and again: each cause once, and a
//! reminder now and then.
use crate::clock::{Clock, Instant};
use bluefly_protocol::{
    fault::{Fault, FaultClass},
    name::Name,
};
use std::{cell::RefCell, time::Duration};

/// How often one cause is told.
const REMIND_AFTER: Duration = Duration::from_secs(10);

/// What one device fails of at the moment. It knows when it was told of.
pub(crate) struct Complaints {
    device: Name,
    clock: Clock,
    ongoing: RefCell<Option<Complaint>>,
}

/// One cause, from the first failure to the next success.
#[derive(Clone, Debug, PartialEq)]
struct Complaint {
    cause: String,
    since: Instant,
    told: Instant,
    times: u64,
}

/// What is to be told of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    /// It is new.
    First,
    /// It was tried so often, for so long.
    Reminder(u64, Duration),
    Nothing,
}

impl Complaints {
    pub(crate) const fn new(device: Name, clock: Clock) -> Self {
        Self { device, clock, ongoing: RefCell::new(None) }
    }

    /// Whom this is about.
    pub(crate) const fn device(&self) -> &Name {
        &self.device
    }

    /// The device failed to do `what`.
    pub(crate) fn failed(&self, what: &str, fault: &Fault) {
        let device = &self.device;
        match judge(&mut self.ongoing.borrow_mut(), cause(fault), self.clock.now()) {
            Word::First => tracing::warn!(%device, what, %fault, "failed"),
            Word::Reminder(times, after) => {
                tracing::warn!(%device, what, %fault, times, ?after, "fails still");
            }
            Word::Nothing => tracing::trace!(%device, what, %fault, "fails still"),
        }
    }

    /// The device did what it was told.
    pub(crate) fn succeeded(&self) {
        if let Some(over) = self.ongoing.borrow_mut().take() {
            let (times, after) = (over.times, self.clock.now().saturating_since(over.since));
            tracing::info!(device = %self.device, times, ?after, "does what it is told again");
        }
    }
}

/// What tells one failure from another. Which signal of a device that is away is missed first is no
/// news.
fn cause(fault: &Fault) -> &str {
    match fault.class {
        FaultClass::Disconnected => "",
        FaultClass::Rejected | FaultClass::Failed | FaultClass::Lost => &fault.reason,
    }
}

fn judge(ongoing: &mut Option<Complaint>, cause: &str, now: Instant) -> Word {
    match ongoing {
        Some(complaint) if complaint.cause == cause => {
            complaint.times += 1;
            if now < complaint.told + REMIND_AFTER {
                return Word::Nothing;
            }
            complaint.told = now;
            Word::Reminder(complaint.times, now - complaint.since)
        }
        Some(_) | None => {
            let cause = cause.to_owned();
            *ongoing = Some(Complaint { cause, since: now, told: now, times: 1 });
            Word::First
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::simulated_system;

    #[test]
    fn a_device_that_is_away_flooded_the_log() {
        simulated_system().block_on(async {
            let (clock, mut ongoing) = (Clock::simulated(), None);
            let mut words = Vec::new();
            for _ in 0..=500 {
                words.push(judge(&mut ongoing, "away", clock.now()));
                clock.sleep(Duration::from_millis(50)).await;
            }
            let told: Vec<Word> = words.into_iter().filter(|word| *word != Word::Nothing).collect();
            let reminders = [(201, 10), (401, 20)]
                .map(|(times, after_s)| Word::Reminder(times, Duration::from_secs(after_s)));
            assert_eq!(told, [vec![Word::First], reminders.to_vec()].concat());
            // Another cause is news at once, and so is the same one after it.
            assert_eq!(judge(&mut ongoing, "refused", clock.now()), Word::First);
            assert_eq!(judge(&mut ongoing, "away", clock.now()), Word::First);
            assert_eq!(judge(&mut ongoing, "away", clock.now()), Word::Nothing);
        });
    }
}

//! [`Stopwatch`]: how long the scan has been in the air.
use super::front::Front;
use crate::clock::Instant;
use bluefly_protocol::run::{StepKind, StepReport, StepState};
use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// Follows the flights that it sees.
#[derive(Debug, Default)]
pub(super) struct Stopwatch(Mutex<Option<Seen>>);

/// The flight that began last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    number: u64,
    began: Instant,
    ended: Option<Instant>,
}

/// How long a flight has taken so far, or took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Flight {
    pub(super) elapsed: Duration,
}

/// How exact it is.
const GRAIN: Duration = Duration::from_millis(50);

impl Stopwatch {
    /// Looks at the step that was begun last.
    fn look(&self, step: Option<&StepReport>, now: Instant) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = |step: &StepReport| (step.request == StepKind::Kickoff).then_some(step.number);
        let has_ended = |step: &StepReport| match step.state {
            StepState::Running | StepState::Pausing | StepState::Paused => false,
            StepState::Done | StepState::Aborted | StepState::Failed => true,
        };
        match (step.and_then(number), &mut *seen) {
            (Some(number), Some(flight)) if flight.number == number => {}
            (Some(number), _) => *seen = Some(Seen { number, began: now, ended: None }),
            (None, _) => {}
        }
        if let Some(flight) = &mut *seen
            && step.is_none_or(|step| step.number != flight.number || has_ended(step))
        {
            flight.ended.get_or_insert(now);
        }
    }

    pub(super) fn flight(&self, now: Instant) -> Flight {
        let seen = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let elapsed = seen.map_or(Duration::ZERO, |seen| seen.ended.unwrap_or(now) - seen.began);
        Flight { elapsed }
    }
}

/// Keeps the stopwatch of `front` going. Never resolves.
pub(super) async fn follow(front: &Front) {
    loop {
        let status = front.desk.status();
        front.stopwatch.look(status.progress.operation.as_ref(), front.clock.now());
        front.desk.changed(status.revision).await;
        front.clock.sleep(GRAIN).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flight_is_timed_from_its_kickoff_to_its_end() {
        let watch = Stopwatch::default();
        let at = |seconds| Instant::default() + Duration::from_secs(seconds);
        let step = |number, request, state| StepReport { number, request, state, error: None };
        let check = |now: u64, step: Option<StepReport>, expected: u64| {
            watch.look(step.as_ref(), at(now));
            assert_eq!(watch.flight(at(now)).elapsed, Duration::from_secs(expected), "at {now} s");
        };
        check(1, None, 0);
        check(2, Some(step(1, StepKind::Prepare, StepState::Done)), 0);
        check(3, Some(step(2, StepKind::Kickoff, StepState::Running)), 0);
        check(5, Some(step(2, StepKind::Kickoff, StepState::Paused)), 2);
        check(7, Some(step(2, StepKind::Kickoff, StepState::Done)), 4);
        check(9, Some(step(2, StepKind::Kickoff, StepState::Done)), 4);
        check(11, Some(step(3, StepKind::Unstage, StepState::Running)), 4);
        check(20, Some(step(4, StepKind::Kickoff, StepState::Running)), 0);
        check(21, Some(step(5, StepKind::Recover, StepState::Running)), 1);
        check(30, Some(step(5, StepKind::Recover, StepState::Done)), 1);
    }
}

//! [`Attention`]: how the owner waits for what is asked next.
use crate::clock::{Clock, Instant};
use crossbeam_channel::{Receiver, TryRecvError};
use std::{mem, thread, time::Duration};

/// Who asks again so soon asks one thing after the other, each once the one before is answered. Such
/// questions are awaited awake for as long: to wake a thread that sleeps takes a good part of the time
/// in which a server answers.
const CLOSE: Duration = Duration::from_micros(400);

/// Whoever has our core for so long is busy with something else, and needs it more.
const TAKEN: Duration = Duration::from_micros(100);

/// When something was asked last, and whether it was close to what was asked before.
#[derive(Debug)]
pub(super) struct Attention {
    clock: Clock,
    last: Instant,
    is_close: bool,
    /// On a single core it would keep those waiting whom it waits for.
    has_cores: bool,
}

impl Default for Attention {
    fn default() -> Self {
        let has_cores = thread::available_parallelism().is_ok_and(|cores| cores.get() > 1);
        Self { clock: Clock::real(), last: Instant::default(), is_close: false, has_cores }
    }
}

impl Attention {
    /// Waits for what is asked next; nothing once nobody can ask any more.
    pub(super) fn next<T>(&mut self, asked: &Receiver<T>) -> Option<T> {
        let next = match asked.try_recv() {
            Ok(next) => Some(next),
            Err(TryRecvError::Disconnected) => None,
            Err(TryRecvError::Empty) => self.awake(asked).or_else(|| asked.recv().ok()),
        };
        self.note(self.clock.now());
        next
    }

    fn note(&mut self, now: Instant) {
        self.is_close = now - self.last < CLOSE;
        self.last = now;
    }

    fn awake<T>(&self, asked: &Receiver<T>) -> Option<T> {
        if !self.is_close || !self.has_cores {
            return None;
        }
        let mut now = self.clock.now();
        while now - self.last < CLOSE {
            // Whoever else has something to do goes first.
            thread::yield_now();
            if let Ok(next) = asked.try_recv() {
                return Some(next);
            }
            let before = mem::replace(&mut now, self.clock.now());
            if now - before > TAKEN {
                return None;
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossbeam_channel::unbounded;

    #[test]
    fn all_that_was_asked_is_told_in_its_order() {
        let (ask, asked) = unbounded();
        let mut attention = Attention::default();
        for number in 0..3 {
            ask.send(number).unwrap();
        }
        drop(ask);
        let told: Vec<i32> = std::iter::from_fn(|| attention.next(&asked)).collect();
        assert_eq!(told, [0, 1, 2]);
    }

    #[test]
    fn only_who_asks_soon_again_is_awaited_awake() {
        let mut attention = Attention::default();
        let mut check = |at_us: u64, expected| {
            attention.note(Instant::default() + Duration::from_micros(at_us));
            assert_eq!(attention.is_close, expected, "at {at_us} us");
        };
        check(1_000, false);
        check(1_399, true);
        check(1_799, false);
        check(10_000, false);
        check(10_100, true);
    }
}

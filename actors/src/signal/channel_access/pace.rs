//! [`Pace`]: when samples come so fast that it pays to take many of them at once.
use crate::clock::Instant;
use std::time::Duration;

/// How long samples rest that come fast. Whoever waits for an answer is woken at once all the same.
pub(super) const REST: Duration = Duration::from_millis(4);
/// Over how long samples are counted.
const WINDOW: Duration = Duration::from_millis(10);
/// Beyond so many in a window, waking for each costs more than what is done with it.
const MOST_IN_WINDOW: u32 = 200;

/// How fast samples come.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    began: Instant,
    samples: usize,
    is_fast: bool,
}

impl Pace {
    /// So many samples were taken `now`; whether the next ones are to rest before they are.
    pub(super) fn taken(&mut self, samples: usize, now: Instant) -> bool {
        self.samples += samples;
        let passed = now - self.began;
        if passed >= WINDOW {
            let most = passed.as_secs_f64() / WINDOW.as_secs_f64() * f64::from(MOST_IN_WINDOW);
            self.is_fast = self.samples as f64 > most;
            (self.began, self.samples) = (now, 0);
        }
        self.is_fast
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pace: &mut Pace, samples: usize, at_ms: u64, expected: bool) {
        let now = Instant::default() + Duration::from_millis(at_ms);
        assert_eq!(pace.taken(samples, now), expected, "at {at_ms} ms");
    }

    #[test]
    fn fast_is_more_than_20_a_millisecond() {
        let mut pace = Pace::default();
        check(&mut pace, 200, 9, false);
        check(&mut pace, 0, 10, false);
        check(&mut pace, 200, 19, false);
        check(&mut pace, 1, 20, true);
        check(&mut pace, 0, 21, true);
        check(&mut pace, 400, 40, false);
    }

    #[test]
    fn what_comes_after_a_silence_does_not_rest() {
        let mut pace = Pace::default();
        check(&mut pace, 1_000, 10, true);
        check(&mut pace, 1_000, 5_000, false);
    }
}

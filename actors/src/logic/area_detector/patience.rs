//! [`Patience`]: how long a detector is waited for that does not do what it was told.
use super::{LATE, WITHIN};
use crate::{
    clock::{Clock, Instant},
    logic::haste::Haste,
    signal::{SignalError, SignalValue, SignalW},
};
use futures_util::FutureExt as _;
use std::{cell::RefCell, collections::BTreeMap, time::Duration};

/// Waits for a detector to come to rest, for each thing once: what did not come of it in time is not
/// waited for again before it has come.
pub(super) struct Patience {
    clock: Clock,
    haste: Haste,
    /// Signals that were waited for in vain, and have not done since what they were waited for; from when
    /// that was.
    overdue: RefCell<BTreeMap<String, Instant>>,
}

impl Patience {
    pub(super) fn new(clock: Clock) -> Self {
        Self { haste: Haste::new(clock.clone()), clock, overdue: RefCell::default() }
    }

    /// From now on nothing is waited for longer than a moment; nor is what is waited for now.
    pub(super) fn hurry(&self) {
        self.haste.hurry();
    }

    /// All is worth waiting for anew.
    pub(super) fn forget(&self) {
        self.overdue.borrow_mut().clear();
    }

    /// What `wait` comes to for `signal`. It is told how long it may take, and begun anew with less if
    /// somebody comes to be in a hurry.
    pub(super) async fn wait<T, F>(
        &self,
        signal: &str,
        wait: impl Fn(Duration) -> F,
    ) -> Result<T, SignalError>
    where
        F: Future<Output = Result<T, SignalError>>,
    {
        let begun = self.clock.now();
        loop {
            let left = self.until(signal, begun).saturating_since(self.clock.now());
            let waited = tokio::select! { biased;
                waited = wait(left) => waited,
                () = self.haste.hurries() => continue,
            };
            return self.noted(signal, begun, waited);
        }
    }

    /// Puts `value`, and waits for what it sets off as for anything else.
    pub(super) async fn put<T: SignalValue>(
        &self,
        signal: &SignalW<T>,
        value: T,
    ) -> Result<(), SignalError> {
        let address = signal.address();
        let put = signal.put(value).shared();
        self.wait(address, |within| self.answer(address, within, put.clone())).await
    }

    /// What `answer` comes to, unless it takes longer.
    pub(super) async fn answer<T>(
        &self,
        signal: &str,
        within: Duration,
        answer: impl Future<Output = Result<T, SignalError>>,
    ) -> Result<T, SignalError> {
        let late = || Err(SignalError::Timeout { signal: signal.to_owned(), after: within });
        self.clock.timeout(within, answer).await.unwrap_or_else(|_| late())
    }

    /// Resolves if somebody comes to be in a hurry.
    pub(super) async fn hurries(&self) {
        self.haste.hurries().await;
    }

    /// Until when `signal` is waited for, of which there was some sign at this moment.
    pub(super) fn until(&self, signal: &str, since: Instant) -> Instant {
        if self.overdue.borrow().contains_key(signal) {
            return since + LATE;
        }
        self.haste.until(since, WITHIN)
    }

    /// An error tells how long it was waited for in all.
    fn noted<T>(
        &self,
        signal: &str,
        begun: Instant,
        waited: Result<T, SignalError>,
    ) -> Result<T, SignalError> {
        match waited {
            Ok(_) => self.came(signal),
            Err(SignalError::Timeout { signal, .. }) => {
                let after = self.did_not_come(&signal, begun);
                return Err(SignalError::Timeout { signal, after });
            }
            Err(SignalError::NotReached { signal, last, .. }) => {
                let after = self.did_not_come(&signal, begun);
                return Err(SignalError::NotReached { signal, last, after });
            }
            Err(_) => {}
        }
        waited
    }

    /// What `signal` was waited for has come.
    pub(super) fn came(&self, signal: &str) {
        self.overdue.borrow_mut().remove(signal);
    }

    /// What `signal` was waited for has not come in time; for how long it was waited for in all.
    pub(super) fn did_not_come(&self, signal: &str, begun: Instant) -> Duration {
        let mut overdue = self.overdue.borrow_mut();
        self.clock.now() - *overdue.entry(signal.to_owned()).or_insert(begun)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::simulated_system;

    fn ms(duration: u64) -> Duration {
        Duration::from_millis(duration)
    }

    /// Waits for what comes after a time; how long that took, and whether it came.
    async fn waited(patience: &Patience, clock: &Clock, after: Duration) -> (u128, bool) {
        let begun = clock.now();
        let comes = || async {
            clock.sleep_until(begun + after).await;
            Ok(())
        };
        let came = patience.wait("a", |within| patience.answer("a", within, comes())).await;
        if let Err(error) = &came {
            let told = *patience.overdue.borrow().get("a").expect("it did not come");
            assert_eq!(
                *error,
                SignalError::Timeout { signal: "a".into(), after: clock.now() - told }
            );
        }
        ((clock.now() - begun).as_millis(), came.is_ok())
    }

    #[test]
    fn what_did_not_answer_once_was_waited_for_again_and_again() {
        simulated_system().block_on(async {
            let clock = Clock::simulated();
            let patience = Patience::new(clock.clone());
            assert_eq!(waited(&patience, &clock, ms(9_999)).await, (9_999, true));
            assert_eq!(waited(&patience, &clock, ms(60_000)).await, (10_000, false));
            assert_eq!(waited(&patience, &clock, ms(60_000)).await, (250, false));
            // It comes, and is trusted again.
            assert_eq!(waited(&patience, &clock, ms(249)).await, (249, true));
            assert_eq!(waited(&patience, &clock, ms(60_000)).await, (10_000, false));
            patience.forget();
            assert_eq!(waited(&patience, &clock, ms(9_999)).await, (9_999, true));
        });
    }

    #[test]
    fn whoever_is_in_a_hurry_waits_for_a_moment() {
        simulated_system().block_on(async {
            let clock = Clock::simulated();
            let patience = Patience::new(clock.clone());
            let hurry = async {
                clock.sleep(ms(3_000)).await;
                patience.hurry();
                clock.sleep(ms(500)).await;
                patience.hurry();
            };
            let (waits, ()) = tokio::join!(waited(&patience, &clock, ms(60_000)), hurry);
            assert_eq!(waits, (5_000, false));
            patience.forget();
            assert_eq!(waited(&patience, &clock, ms(60_000)).await, (2_000, false));
            patience.forget();
            assert_eq!(waited(&patience, &clock, ms(1_999)).await, (1_999, true));
        });
    }
}

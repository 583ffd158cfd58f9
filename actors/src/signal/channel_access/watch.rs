//! [`Watch`]: whether a server still answers. libca alone notices a server that hangs only after its
//! connection timeout and 5 s more.
use crate::{backend::channel_access::WatchdogConfig, clock::Instant};

/// What is known of one server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Watch {
    answered: Option<Instant>,
    asked: Option<Instant>,
    silent: bool,
}

/// What to do about a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing, before this moment.
    Wait(Instant),
    /// Ask it for something.
    Ask,
    /// It did not answer: it counts as gone until it does.
    Silence,
}

impl Watch {
    pub(super) const fn is_silent(&self) -> bool {
        self.silent
    }

    /// What is to be done `now` about a server that is observed or owes an answer, and was `heard` last.
    /// A question and a silence are noted as such.
    pub(super) fn judge(
        &mut self,
        now: Instant,
        heard: Option<Instant>,
        config: WatchdogConfig,
    ) -> Verdict {
        if let Some(asked) = self.asked {
            let alive = heard.map_or(asked, |heard| heard.max(asked));
            let deadline = alive + config.patience;
            if self.silent {
                // It still owes the answer.
                return Verdict::Wait(now + config.period);
            }
            if now < deadline {
                return Verdict::Wait(deadline);
            }
            self.silent = true;
            return Verdict::Silence;
        }
        match self.answered.map(|answered| answered + config.period) {
            Some(next) if now < next => Verdict::Wait(next),
            _ => {
                self.asked = Some(now);
                Verdict::Ask
            }
        }
    }

    /// It answered the question; true if it was silent.
    pub(super) fn answered(&mut self, now: Instant) -> bool {
        self.answered = Some(now);
        self.asked = None;
        std::mem::take(&mut self.silent)
    }

    /// The question went down with its channel.
    pub(super) fn forgotten(&mut self) {
        self.answered = None;
        self.asked = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const CONFIG: WatchdogConfig =
        WatchdogConfig { period: Duration::from_millis(250), patience: Duration::from_millis(600) };

    fn at(ms: u64) -> Instant {
        Instant::default() + Duration::from_millis(ms)
    }

    fn check(watch: &mut Watch, now: u64, heard: Option<u64>, expected: Verdict) {
        assert_eq!(watch.judge(at(now), heard.map(at), CONFIG), expected, "at {now} ms");
    }

    #[test]
    fn a_server_that_answers_is_asked_once_a_period() {
        let mut watch = Watch::default();
        check(&mut watch, 1_000, None, Verdict::Ask);
        check(&mut watch, 1_001, None, Verdict::Wait(at(1_600)));
        assert!(!watch.answered(at(1_002)));
        check(&mut watch, 1_002, None, Verdict::Wait(at(1_252)));
        check(&mut watch, 1_252, None, Verdict::Ask);
    }

    #[test]
    fn silence_is_noticed_after_period_and_patience() {
        let mut watch = Watch::default();
        check(&mut watch, 0, None, Verdict::Ask);
        assert!(!watch.answered(at(0)));
        check(&mut watch, 250, None, Verdict::Ask);
        check(&mut watch, 849, None, Verdict::Wait(at(850)));
        check(&mut watch, 850, None, Verdict::Silence);
        assert!(watch.is_silent());
        check(&mut watch, 900, None, Verdict::Wait(at(1_150)));
        assert!(watch.answered(at(5_000)));
        assert!(!watch.is_silent());
        check(&mut watch, 5_249, None, Verdict::Wait(at(5_250)));
    }

    #[test]
    fn values_that_come_are_signs_of_life() {
        let mut watch = Watch::default();
        check(&mut watch, 0, None, Verdict::Ask);
        check(&mut watch, 600, Some(500), Verdict::Wait(at(1_100)));
        check(&mut watch, 1_100, Some(500), Verdict::Silence);
    }

    #[test]
    fn a_question_that_was_lost_is_asked_again() {
        let mut watch = Watch::default();
        check(&mut watch, 0, None, Verdict::Ask);
        watch.forgotten();
        check(&mut watch, 1, None, Verdict::Ask);
        check(&mut watch, 601, None, Verdict::Silence);
        watch.forgotten();
        check(&mut watch, 602, None, Verdict::Ask);
        assert!(watch.is_silent());
    }
}

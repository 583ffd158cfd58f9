//! [`Watch`]: whether a server still answers. libca alone notices a server that hangs only after its
//! connection timeout and 5 s more.
use crate::{backend::channel_access::WatchdogConfig, clock::Instant};
use std::time::Duration;

/// What is known of one server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Watch {
    answered: Option<Instant>,
    question: Option<Question>,
    silent: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Question {
    /// It is to be sent; the thread that sends may be held up by another server.
    Noted,
    /// It left at this moment, or before it.
    Sent(Instant),
}

/// What a server is judged by, beside its answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Evidence {
    /// When its observers heard of it last.
    pub heard: Option<Instant>,
    /// Since when the thread that sends is held up by this server.
    pub holds_up: Option<Instant>,
    /// What is due to the arrays that are under way, beyond the patience with a number.
    pub extra: Duration,
    /// Our own threads did not run: what it said may not have been heard before this moment.
    pub not_before: Option<Instant>,
}

/// What to do about a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing, before this moment.
    Wait(Instant),
    /// Ask it for something.
    Ask,
    /// It has said nothing for so long: it counts as gone until it answers.
    Silence(Duration),
}

impl Watch {
    pub(super) const fn is_silent(&self) -> bool {
        self.silent
    }

    /// What is to be done `now` about a server that is observed or owes an answer. A question and a
    /// silence are noted as such.
    pub(super) fn judge(
        &mut self,
        now: Instant,
        evidence: &Evidence,
        config: WatchdogConfig,
    ) -> Verdict {
        let Some(question) = self.question else {
            return match self.answered.map(|answered| answered + config.period) {
                Some(next) if now < next => Verdict::Wait(next),
                _ => {
                    self.question = Some(Question::Noted);
                    Verdict::Ask
                }
            };
        };
        let began = match question {
            // It still owes the answer.
            _ if self.silent => None,
            Question::Sent(sent) => Some(sent),
            Question::Noted => evidence.holds_up,
        };
        let Some(began) = began else { return Verdict::Wait(now + config.period) };
        let deadline = evidence.heard.map_or(began, |heard| heard.max(began));
        let deadline = deadline + config.patience + evidence.extra;
        let deadline = evidence.not_before.map_or(deadline, |not_before| not_before.max(deadline));
        if now < deadline {
            return Verdict::Wait(deadline);
        }
        self.silent = true;
        // Nobody listened before the question was due.
        let listened = now - began + config.period;
        let last = evidence.heard.max(self.answered).unwrap_or(began);
        Verdict::Silence((now - last).min(listened))
    }

    /// The question has left.
    pub(super) fn sent(&mut self, now: Instant) {
        if let Some(question) = &mut self.question {
            *question = Question::Sent(now);
        }
    }

    /// It answered the question; true if it was silent.
    pub(super) fn answered(&mut self, now: Instant) -> bool {
        self.answered = Some(now);
        self.question = None;
        std::mem::take(&mut self.silent)
    }

    /// The question went down with its channel.
    pub(super) fn forgotten(&mut self) {
        self.answered = None;
        self.question = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: WatchdogConfig =
        WatchdogConfig { period: Duration::from_millis(250), patience: Duration::from_millis(600) };

    fn at(ms: u64) -> Instant {
        Instant::default() + Duration::from_millis(ms)
    }

    fn judged(watch: &mut Watch, now: u64, evidence: &Evidence, expected: Verdict) {
        assert_eq!(watch.judge(at(now), evidence, CONFIG), expected, "at {now} ms");
    }

    fn check(watch: &mut Watch, now: u64, expected: Verdict) {
        judged(watch, now, &Evidence::default(), expected);
    }

    fn silence(ms: u64) -> Verdict {
        Verdict::Silence(Duration::from_millis(ms))
    }

    /// A server that was asked at this moment.
    fn asked(ms: u64) -> Watch {
        let mut watch = Watch::default();
        check(&mut watch, ms, Verdict::Ask);
        watch.sent(at(ms));
        watch
    }

    #[test]
    fn a_server_that_answers_is_asked_once_a_period() {
        let mut watch = asked(1_000);
        check(&mut watch, 1_001, Verdict::Wait(at(1_600)));
        assert!(!watch.answered(at(1_002)));
        check(&mut watch, 1_002, Verdict::Wait(at(1_252)));
        check(&mut watch, 1_252, Verdict::Ask);
    }

    #[test]
    fn silence_is_noticed_after_period_and_patience() {
        let mut watch = asked(0);
        assert!(!watch.answered(at(0)));
        check(&mut watch, 250, Verdict::Ask);
        watch.sent(at(250));
        check(&mut watch, 849, Verdict::Wait(at(850)));
        check(&mut watch, 850, silence(850));
        assert!(watch.is_silent());
        check(&mut watch, 900, Verdict::Wait(at(1_150)));
        assert!(watch.answered(at(5_000)));
        assert!(!watch.is_silent());
        check(&mut watch, 5_249, Verdict::Wait(at(5_250)));
    }

    #[test]
    fn values_that_come_are_signs_of_life() {
        let heard = Evidence { heard: Some(at(500)), ..Evidence::default() };
        let mut watch = asked(0);
        judged(&mut watch, 600, &heard, Verdict::Wait(at(1_100)));
        judged(&mut watch, 1_100, &heard, silence(600));
    }

    #[test]
    fn a_question_that_was_lost_is_asked_again() {
        let mut watch = asked(0);
        watch.forgotten();
        check(&mut watch, 1, Verdict::Ask);
        watch.sent(at(1));
        check(&mut watch, 601, silence(600));
        watch.forgotten();
        check(&mut watch, 602, Verdict::Ask);
        assert!(watch.is_silent());
    }

    #[test]
    fn a_server_was_once_blamed_for_a_question_that_had_not_left() {
        let mut watch = Watch::default();
        check(&mut watch, 0, Verdict::Ask);
        check(&mut watch, 9_000, Verdict::Wait(at(9_250)));
        watch.sent(at(9_001));
        check(&mut watch, 9_250, Verdict::Wait(at(9_601)));
    }

    #[test]
    fn a_server_that_holds_up_the_question_is_silent() {
        let mut watch = Watch::default();
        check(&mut watch, 0, Verdict::Ask);
        let holds_up = Evidence { holds_up: Some(at(250)), ..Evidence::default() };
        judged(&mut watch, 849, &holds_up, Verdict::Wait(at(850)));
        judged(&mut watch, 850, &holds_up, silence(600));
    }

    #[test]
    fn a_server_was_once_blamed_for_our_own_sleep() {
        let mut watch = asked(0);
        let slept = Evidence { not_before: Some(at(3_250)), ..Evidence::default() };
        judged(&mut watch, 3_000, &slept, Verdict::Wait(at(3_250)));
        judged(&mut watch, 3_250, &slept, silence(3_250));
    }

    #[test]
    fn an_array_has_the_time_that_it_takes() {
        let mut watch = asked(0);
        let array = Evidence { extra: Duration::from_secs(2), ..Evidence::default() };
        judged(&mut watch, 600, &array, Verdict::Wait(at(2_600)));
        check(&mut watch, 700, silence(700));
    }
}

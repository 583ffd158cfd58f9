//! [`ArmRecord`]: what came of an arm, beside what the PandA says of it.
use super::{
    ArmEnd,
    layout::{PROBLEMS_BYTES, REASON_BYTES, TIME_BYTES},
};
use crate::storage::{Cell, Entry};
use bluefly_protocol::panda::EndReason;

/// What the control port tells after an arm; `None` is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BoxTells {
    /// `*PCAP.CAPTURED?`
    pub captured: Option<u64>,
    /// `PCAP.HEALTH?`
    pub health: Option<String>,
}

/// An arm, and everything that is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArmRecord {
    pub end: ArmEnd,
    pub tells: BoxTells,
    pub problems: Vec<Problem>,
}

/// Something by which the rows of an arm are not all that was captured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("the end was not told")]
    NoEnd,
    #[error("it ended with `{0}`")]
    Reason(EndReason),
    #[error("{0} rows at the beginning were lost before the data port was read")]
    Missed(u64),
    #[error("{0} rows at the end may be spoilt and are left out")]
    Spoilt(u64),
    #[error("{received} rows came, and {sent} are said to have been sent")]
    Received { received: u64, sent: u64 },
    #[error("{captured} rows were captured, and {came} came or were lost before")]
    Captured { captured: u64, came: u64 },
    #[error("{kept} rows are there, and {expected} were due")]
    Expected { kept: u64, expected: u64 },
    #[error("the health of PCAP is `{0}`")]
    Health(String),
}

/// What a PandA says if nothing is wrong.
const HEALTHY: &str = "OK";
/// A number in the file that is not known.
const UNKNOWN: i64 = -1;

impl ArmRecord {
    /// Holds what came against what is said to have been captured, and what was due.
    pub fn new(end: ArmEnd, tells: BoxTells) -> Self {
        let mut problems = vec![];
        match &end.told {
            // Whoever wants no more rows does not wait for the end.
            None if end.plan.most == Some(end.kept) => {}
            None => problems.push(Problem::NoEnd),
            Some((_, EndReason::Ok | EndReason::Disarmed)) => {}
            Some((_, reason)) => problems.push(Problem::Reason(reason.clone())),
        }
        if end.missed > 0 {
            problems.push(Problem::Missed(end.missed));
        }
        if end.spoilt > 0 {
            problems.push(Problem::Spoilt(end.spoilt));
        }
        let received = end.received;
        if let Some((sent, _)) = end.told
            && sent != received
        {
            problems.push(Problem::Received { received, sent });
        }
        let came = received.saturating_add(end.missed);
        if let Some(captured) = tells.captured
            && captured != came
        {
            problems.push(Problem::Captured { captured, came });
        }
        if let Some(expected) = end.plan.expected
            && expected != end.kept
        {
            problems.push(Problem::Expected { kept: end.kept, expected });
        }
        if let Some(health) = tells.health.as_ref().filter(|health| *health != HEALTHY) {
            problems.push(Problem::Health(health.clone()));
        }
        Self { end, tells, problems }
    }

    /// Everything that is wrong, in one line; empty if nothing is.
    pub fn problems_text(&self) -> String {
        let texts: Vec<String> = self.problems.iter().map(ToString::to_string).collect();
        texts.join("; ")
    }

    /// As it stands in the file.
    pub fn entry(&self) -> Entry {
        let number = |number: Option<u64>| Cell::Integer(number.map_or(UNKNOWN, u64::cast_signed));
        let text = |text: &str, max_bytes| Cell::Text(cut(text, max_bytes).to_owned());
        let time = |time: &Option<String>| text(time.as_deref().unwrap_or_default(), TIME_BYTES);
        let end = &self.end;
        let reason = end.told.as_ref().map_or(String::new(), |(_, reason)| reason.to_string());
        vec![
            number(Some(end.first_row)),
            number(Some(end.kept)),
            number(Some(end.received)),
            number(Some(end.spoilt)),
            number(Some(end.missed)),
            number(end.told.as_ref().map(|(sent, _)| *sent)),
            number(self.tells.captured),
            number(end.plan.expected),
            text(&reason, REASON_BYTES),
            text(self.tells.health.as_deref().unwrap_or_default(), REASON_BYTES),
            time(&end.arm_time),
            time(&end.start_time),
            text(&self.problems_text(), PROBLEMS_BYTES),
        ]
    }
}

/// The beginning of `text` that has room.
fn cut(text: &str, max_bytes: usize) -> &str {
    &text[..text.floor_char_boundary(max_bytes)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::panda::capture::ArmPlan;

    /// Ten rows of which nothing is wrong.
    fn end() -> ArmEnd {
        ArmEnd {
            arm: 0,
            plan: ArmPlan { expected: Some(10), ..ArmPlan::default() },
            first_row: 100,
            kept: 10,
            received: 10,
            spoilt: 0,
            missed: 0,
            told: Some((10, EndReason::Ok)),
            arm_time: Some("2026-11-22T05:31:31.333497094Z".to_owned()),
            start_time: None,
        }
    }

    fn tells() -> BoxTells {
        BoxTells { captured: Some(10), health: Some("OK".to_owned()) }
    }

    #[test]
    fn everything_that_is_wrong_is_told() {
        let check = |end: ArmEnd, tells: BoxTells, expected: &str| {
            assert_eq!(ArmRecord::new(end, tells).problems_text(), expected);
        };
        check(end(), tells(), "");
        check(end(), BoxTells::default(), "");
        let told = |rows, reason| ArmEnd { told: Some((rows, reason)), ..end() };
        check(told(10, EndReason::Disarmed), tells(), "");
        check(ArmEnd { told: None, ..end() }, tells(), "the end was not told");
        let plan = ArmPlan { most: Some(10), ..ArmPlan::default() };
        check(ArmEnd { told: None, plan, ..end() }, tells(), "");
        check(told(11, EndReason::Ok), tells(), "10 rows came, and 11 are said to have been sent");
        check(told(10, EndReason::FramingError), tells(), "it ended with `Framing error`");
        let captured = "12 rows were captured, and 10 came or were lost before";
        check(end(), BoxTells { captured: Some(12), ..tells() }, captured);
        let missed = "2 rows at the beginning were lost before the data port was read";
        let late = BoxTells { captured: Some(12), ..tells() };
        check(ArmEnd { missed: 2, ..end() }, late, missed);
        let health = Some("Capture events too close together".to_owned());
        let expected = "the health of PCAP is `Capture events too close together`";
        check(end(), BoxTells { health, ..tells() }, expected);
        let overrun = ArmEnd { kept: 7, spoilt: 3, ..told(10, EndReason::DataOverrun) };
        let expected = "it ended with `Data overrun`; 3 rows at the end may be spoilt and are left \
                        out; 7 rows are there, and 10 were due";
        check(overrun, tells(), expected);
    }

    #[test]
    fn an_entry_has_a_value_for_each_field() {
        let number = Cell::Integer;
        let text = |text: &str| Cell::Text(text.to_owned());
        let time = "2026-11-22T05:31:31.333497094Z";
        let [first, second] = [[100, 10, 10, 0, 0, 10, 10, 10], [100, 10, 10, 0, 0, -1, -1, 10]]
            .map(|numbers| numbers.map(number).to_vec());
        let whole = [first, ["Ok", "OK", time, "", ""].map(text).to_vec()].concat();
        assert_eq!(ArmRecord::new(end(), tells()).entry(), whole);
        let untold = ArmEnd { told: None, ..end() };
        let cut = [second, ["", "", time, "", "the end was not told"].map(text).to_vec()].concat();
        assert_eq!(ArmRecord::new(untold, BoxTells::default()).entry(), cut);
    }

    #[test]
    fn a_long_text_is_cut_between_two_letters() {
        assert_eq!(cut("größer", 4), "grö");
        assert_eq!(cut("größer", 3), "gr");
        assert_eq!(cut("größer", 64), "größer");
    }
}

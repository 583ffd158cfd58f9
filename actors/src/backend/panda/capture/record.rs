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
    #[error("the end was never told")]
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

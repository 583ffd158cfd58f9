//! The words for what is wrong with a value.

/// Words of the alarm status, by their number (`alarm.h` of EPICS base).
pub const ALARM_STATUS: [&str; 22] = [
    "NO_ALARM",
    "READ",
    "WRITE",
    "HIHI",
    "HIGH",
    "LOLO",
    "LOW",
    "STATE",
    "COS",
    "COMM",
    "TIMEOUT",
    "HWLIMIT",
    "CALC",
    "SCAN",
    "LINK",
    "SOFT",
    "BAD_SUB",
    "UDF",
    "DISABLE",
    "SIMM",
    "READ_ACCESS",
    "WRITE_ACCESS",
];

const STATE: u16 = 7;

/// The number of the word, if it is one.
fn number(text: &str) -> Option<u16> {
    let place = ALARM_STATUS.iter().position(|word| *word == text)?;
    u16::try_from(place).ok()
}

/// The status that says `text` best: `STATE` for words that are no status.
pub fn alarm_status(text: &str) -> u16 {
    if text.is_empty() { 0 } else { number(text).unwrap_or(STATE) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_have_their_numbers() {
        assert_eq!(alarm_status(""), 0);
        assert_eq!(alarm_status("COMM"), 9);
        assert_eq!(alarm_status("UDF"), 17);
        assert_eq!(alarm_status("WRITE_ACCESS"), 21);
        assert_eq!(alarm_status("following error"), STATE);
    }
}

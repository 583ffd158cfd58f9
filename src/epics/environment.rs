//! Variables of the environment that libca reads: whether they can be what is meant, and where it
//! looks for PVs by them.
use crate::cli::CliError;
use bluefly_actors::backend::channel_access::ChannelAccessConfig;
use bluefly_protocol::beamline::is_host;
use std::env;

const ADDRESSES: &str = "EPICS_CA_ADDR_LIST";
const NETWORKS: &str = "EPICS_CA_AUTO_ADDR_LIST";
const PORT: &str = "EPICS_CA_SERVER_PORT";
/// libca takes no port that a system may give to others, and uses its default instead.
const LEAST_PORT: u64 = 5_001;

/// What is read from a variable, and what it may be.
enum Rule {
    Hosts,
    YesOrNo,
    Seconds,
    Bytes,
    Port,
}

const RULES: [(&str, Rule); 7] = [
    (ADDRESSES, Rule::Hosts),
    (NETWORKS, Rule::YesOrNo),
    (PORT, Rule::Port),
    ("EPICS_CA_REPEATER_PORT", Rule::Port),
    ("EPICS_CA_CONN_TMO", Rule::Seconds),
    ("EPICS_CA_MAX_ARRAY_BYTES", Rule::Bytes),
    ("EPICS_CA_AUTO_ARRAY_BYTES", Rule::YesOrNo),
];

impl Rule {
    /// Whether libca takes `text` as whoever wrote it meant it.
    fn fits(&self, text: &str) -> bool {
        let number = |least: u64, most: u64| {
            text.parse::<u64>().is_ok_and(|number| (least..=most).contains(&number))
        };
        match self {
            Self::Hosts => text.split_whitespace().all(is_host),
            Self::YesOrNo => ["YES", "NO", "yes", "no"].contains(&text),
            Self::Seconds => {
                text.parse::<f64>().is_ok_and(|seconds| (0.1..=3_600.0).contains(&seconds))
            }
            Self::Bytes => number(1, 1 << 31),
            Self::Port => number(LEAST_PORT, 65_535),
        }
    }

    const fn expected(&self) -> &'static str {
        match self {
            Self::Hosts => "hosts with blanks between them, such as \"192.168.1.20 ioc-01:5066\"",
            Self::YesOrNo => "YES or NO",
            Self::Seconds => "a number of seconds, 0.1 to 3600",
            Self::Bytes => "a number of bytes, 1 to 2147483648",
            Self::Port => "a port, 5001 to 65535",
        }
    }
}

/// Refuses what libca would wait for ever with, or take for something else. A variable that is empty
/// counts as none.
pub(crate) fn check() -> Result<(), CliError> {
    checked(|name| env::var_os(name).map(|value| value.to_string_lossy().into_owned()))
}

fn checked(variable: impl Fn(&str) -> Option<String>) -> Result<(), CliError> {
    for (name, rule) in &RULES {
        let Some(value) = variable(name) else { continue };
        if !value.trim().is_empty() && !rule.fits(value.trim()) {
            let reason = format!("{value:?} is not possible: expected {}", rule.expected());
            return Err(CliError::usage(*name, reason));
        }
    }
    Ok(())
}

/// Where PVs are looked for, once `[ca]` is exported.
pub(crate) fn looked_at() -> String {
    format!("looked at {}", ChannelAccessConfig::searched())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &'static str, value: &str) -> impl Fn(&str) -> Option<String> {
        move |asked| (asked == name).then(|| value.to_owned())
    }

    #[test]
    fn a_negative_time_out_hung_for_ever() {
        let check = |name: &'static str, value: &str, expected: &str| {
            let reason = format!("{name}: {value:?} is not possible: expected {expected}");
            let error = checked(with(name, value)).unwrap_err();
            assert_eq!(error.to_string(), reason);
        };
        let seconds = "a number of seconds, 0.1 to 3600";
        for value in ["-3", "0", "NaN", "inf", "1e9", "soon"] {
            check("EPICS_CA_CONN_TMO", value, seconds);
        }
        for port in ["0", "-1", "5000", "65536", "CA"] {
            check("EPICS_CA_SERVER_PORT", port, "a port, 5001 to 65535");
        }
        check("EPICS_CA_REPEATER_PORT", "99", "a port, 5001 to 65535");
        check("EPICS_CA_MAX_ARRAY_BYTES", "-1", "a number of bytes, 1 to 2147483648");
        check("EPICS_CA_AUTO_ARRAY_BYTES", "maybe", "YES or NO");
        check("EPICS_CA_AUTO_ADDR_LIST", "No", "YES or NO");
        let hosts = "hosts with blanks between them, such as \"192.168.1.20 ioc-01:5066\"";
        check("EPICS_CA_ADDR_LIST", "127.0.0.1,127.0.0.2", hosts);
    }

    #[test]
    fn what_libca_takes_as_it_is_meant_is_right() {
        let right = [
            ("EPICS_CA_CONN_TMO", "30.0"),
            ("EPICS_CA_CONN_TMO", " 5 "),
            ("EPICS_CA_CONN_TMO", ""),
            ("EPICS_CA_ADDR_LIST", "127.0.0.1 ioc-01:5066"),
            ("EPICS_CA_AUTO_ADDR_LIST", "no"),
            ("EPICS_CA_SERVER_PORT", "5064"),
            ("EPICS_CA_MAX_ARRAY_BYTES", "10000000"),
        ];
        for (name, value) in right {
            assert_eq!(checked(with(name, value)), Ok(()), "{name}={value}");
        }
    }
}

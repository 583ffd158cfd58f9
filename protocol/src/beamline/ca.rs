//! `[ca]`, checked: how devices are found and watched over Channel Access.
use super::{
    BeamlineError, CaSpec, CaTable,
    check::{at, count, duration},
    quantity,
};
use std::{collections::BTreeMap, time::Duration};

const HOUR: Duration = Duration::from_hours(1);
/// Servers answer within a millisecond or two: sooner would ask more than it tells.
const MIN_PERIOD: Duration = Duration::from_millis(50);
/// What every server sends, and what a length on the wire can say.
const ARRAY_BYTES: (u64, u64) = (16_384, 1 << 31);
/// Longest name of a record with its field, in characters.
const MAX_NAME: usize = 128;

pub(super) fn ca(table: CaTable) -> Result<CaSpec, BeamlineError> {
    let second = Duration::from_secs(1);
    let timeout_key = "ca.connection_timeout";
    let array_key = "ca.max_array_bytes";
    let array = quantity::bytes(&table.max_array_bytes.0).map_err(at(array_key))?;
    Ok(CaSpec {
        address_list: hosts(table.address_list)?,
        auto_address_list: table.auto_address_list,
        connection_timeout: duration(timeout_key, &table.connection_timeout, second..=HOUR)?,
        max_array_bytes: count(array_key, array, ARRAY_BYTES.0..=ARRAY_BYTES.1)? as usize,
        watchdog_period: duration("ca.watchdog_period", &table.watchdog_period, MIN_PERIOD..=HOUR)?,
        watchdog_timeout: duration(
            "ca.watchdog_timeout",
            &table.watchdog_timeout,
            MIN_PERIOD..=HOUR,
        )?,
        aliases: aliases(table.aliases)?,
    })
}

fn hosts(hosts: Vec<String>) -> Result<Vec<String>, BeamlineError> {
    match hosts.iter().position(|host| !is_host(host)) {
        None => Ok(hosts),
        Some(i) => {
            let host = &hosts[i];
            let expected = "expected a host or an address, and a port where it is not 5064, such \
                            as \"192.168.1.20\" or \"ioc-01:5066\"";
            let reason = format!("{host:?} is no host: {expected}");
            Err(BeamlineError::new(format!("ca.address_list[{i}]"), reason))
        }
    }
}

/// Whether servers can be looked for at `text`: a host or an address, with a port or without.
pub fn is_host(text: &str) -> bool {
    let (host, port) = text.split_once(':').unwrap_or((text, "5064"));
    let fits = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
    let is_port = port.parse::<u16>().is_ok_and(|port| port > 0);
    !host.is_empty() && host.chars().all(fits) && is_port
}

/// One step each, so that nobody has to follow a chain.
fn aliases(aliases: BTreeMap<String, String>) -> Result<BTreeMap<String, String>, BeamlineError> {
    for (alias, name) in &aliases {
        let refused = |reason| Err(BeamlineError::new("ca.aliases", reason));
        if let Some(wrong) = [alias, name].into_iter().find(|name| !is_name(name)) {
            let expected = "expected 1 to 128 characters without spaces and without ca://";
            return refused(format!("{wrong:?} is no name of a PV: {expected}"));
        }
        if aliases.contains_key(name) {
            return refused(format!("{name:?} is an alias itself: expected the name of a PV"));
        }
    }
    Ok(aliases)
}

fn is_name(text: &str) -> bool {
    let fits = |c: char| !c.is_whitespace() && !c.is_control();
    (1..=MAX_NAME).contains(&text.chars().count())
        && text.chars().all(fits)
        && !text.contains("://")
}

#[cfg(test)]
mod tests {
    use super::super::tests::{changed, refused};
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_not_said_has_a_default() {
        let ca = changed("ca", json!({})).unwrap().ca;
        let expected = CaSpec {
            address_list: vec![],
            auto_address_list: true,
            connection_timeout: Duration::from_secs(2),
            max_array_bytes: 16 << 20,
            watchdog_period: Duration::from_millis(200),
            watchdog_timeout: Duration::from_millis(500),
            aliases: BTreeMap::new(),
        };
        assert_eq!(ca, expected);
    }

    #[test]
    fn hosts_are_hosts() {
        let right = ["192.168.1.20", "ioc-01:5066", "bl22i_ioc.example.org"];
        let ca = changed("ca.address_list", json!(right)).unwrap().ca;
        assert_eq!(ca.address_list, right);
        for host in ["", "ioc 1", "ioc:0", "ioc:65536", ":5064", "ca://ioc", "ioc:1:2"] {
            let reason = format!(
                "{host:?} is no host: expected a host or an address, and a port where it is not \
                 5064, such as \"192.168.1.20\" or \"ioc-01:5066\""
            );
            let error = changed("ca.address_list", json!(["ioc", host])).unwrap_err();
            assert_eq!(error.to_string(), format!("ca.address_list[1]: {reason}"));
        }
    }

    #[test]
    fn times_and_sizes_have_bounds() {
        let out = |value: &str, rule: &str| format!("{value:?} is out of range: must be {rule}");
        let (timeout, hour) = ("ca.connection_timeout", "3600s");
        refused(timeout, json!("0.5 s"), &out("0.5 s", &format!("1s to {hour}")));
        refused("ca.watchdog_period", json!("1 ms"), &out("1 ms", &format!("50ms to {hour}")));
        refused(
            "ca.watchdog_timeout",
            json!("2 h"),
            "\"2 h\" has the wrong unit: expected us, ms, s or min",
        );
        let reason = "1024 is out of range: must be 16384 to 2147483648";
        refused("ca.max_array_bytes", json!("1 KiB"), reason);
    }

    #[test]
    fn an_alias_leads_to_a_pv_in_one_step() {
        let ca = changed("ca.aliases", json!({"X": "BL01-MO-X-01", "X.RBV": "X:RBV"})).unwrap().ca;
        assert_eq!(ca.aliases["X.RBV"], "X:RBV");
        let expected = "expected 1 to 128 characters without spaces and without ca://";
        for name in ["", "a b", "ca://X", "a\nb", &"x".repeat(129)] {
            let reason = format!("{name:?} is no name of a PV: {expected}");
            refused("ca.aliases", json!({"X": name}), &reason);
            refused("ca.aliases", json!({name: "X"}), &reason);
        }
        let reason = "\"Y\" is an alias itself: expected the name of a PV";
        refused("ca.aliases", json!({"X": "Y", "Y": "Z"}), reason);
    }
}

//! [`ChannelAccessConfig`]: how servers are found, and how soon a silent one counts as gone.
use super::raw;
use bluefly_protocol::channel_access::SERVER_PORT;
use std::{collections::BTreeMap, env, fs, time::Duration};

/// UDP port of servers.
/// What libca always takes.
const LEAST_ARRAY_BYTES: u64 = 16_384;

/// Settings of Channel Access, with defaults that suit a beamline.
///
/// **Invariant:** a variable `EPICS_CA_...` that the user set wins over what is said here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelAccessConfig {
    /// Where servers are searched for, beside the networks of this host. Default: nowhere.
    pub address_list: Vec<String>,
    /// Whether the networks of this host are searched. Default: yes.
    pub auto_address_list: bool,
    /// After this time of silence libca asks a server whether it lives, and gives it 5 s to answer.
    /// Default 5 s; libca's own is 30 s. See `watchdog`, which notices sooner.
    pub connection_timeout: Duration,
    /// Most bytes of one array; a record that holds more is refused, since libca would say nothing of
    /// it. Default: no limit.
    pub max_array_bytes: Option<u64>,
    /// UDP and TCP port of servers. Default 5064.
    pub server_port: Option<u16>,
    /// UDP port of the repeater of beacons. Default 5065.
    pub repeater_port: Option<u16>,
    pub watchdog: WatchdogConfig,
    /// Names that stand for PVs, or for records whose fields they then have.
    pub aliases: BTreeMap<String, String>,
}

/// How soon a server that hangs is noticed: after `period` and `patience` together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatchdogConfig {
    /// A server that is silent for so long while it is observed, or owes an answer, is asked.
    /// Default 200 ms.
    pub period: Duration,
    /// All channels of a server that does not answer in this time count as disconnected, until it
    /// does. Default 500 ms.
    pub patience: Duration,
}

impl Default for WatchdogConfig {
    fn default() -> Self {
        Self { period: Duration::from_millis(200), patience: Duration::from_millis(500) }
    }
}

impl Default for ChannelAccessConfig {
    fn default() -> Self {
        Self {
            address_list: Vec::new(),
            auto_address_list: true,
            connection_timeout: Duration::from_secs(5),
            max_array_bytes: None,
            server_port: None,
            repeater_port: None,
            watchdog: WatchdogConfig::default(),
            aliases: BTreeMap::new(),
        }
    }
}

/// The environment could not be changed any more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvironmentError {
    #[error(
        "the process has {threads} threads already: its environment can be changed by one only"
    )]
    Threads { threads: usize },
    #[error("cannot count the threads of this process: {reason}")]
    Unknown { reason: String },
}

impl ChannelAccessConfig {
    /// Tells libca these settings: it reads them from the environment when it is first used.
    ///
    /// For `main`, before it starts anything: fails if there is another thread already.
    pub fn export(&self) -> Result<(), EnvironmentError> {
        let threads = fs::read_dir("/proc/self/task")
            .map_err(|error| EnvironmentError::Unknown { reason: error.to_string() })?
            .count();
        if threads != 1 {
            return Err(EnvironmentError::Threads { threads });
        }
        for (name, value) in self.variables() {
            if env::var_os(name).is_none() {
                raw::set_variable_of_the_only_thread(name, &value);
            }
        }
        Ok(())
    }

    /// Most bytes of one array, as libca has it from the environment; nothing if there is no limit.
    pub fn array_limit() -> Option<u64> {
        let variable = |name| env::var(name).ok();
        array_limit(variable("EPICS_CA_AUTO_ARRAY_BYTES"), variable("EPICS_CA_MAX_ARRAY_BYTES"))
    }

    /// Where libca searches for servers, in words, as it has that from the environment.
    pub fn searched() -> String {
        searched(|name| env::var(name).ok())
    }

    /// The settings as libca reads them.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        let mut variables = vec![
            ("EPICS_CA_CONN_TMO", self.connection_timeout.as_secs_f64().to_string()),
            ("EPICS_CA_AUTO_ADDR_LIST", yes_or_no(self.auto_address_list)),
        ];
        if !self.address_list.is_empty() {
            variables.push(("EPICS_CA_ADDR_LIST", self.address_list.join(" ")));
        }
        if let Some(bytes) = self.max_array_bytes {
            variables.push(("EPICS_CA_MAX_ARRAY_BYTES", bytes.to_string()));
            variables.push(("EPICS_CA_AUTO_ARRAY_BYTES", yes_or_no(false)));
        }
        let ports = [
            ("EPICS_CA_SERVER_PORT", self.server_port),
            ("EPICS_CA_REPEATER_PORT", self.repeater_port),
        ];
        let ports = ports.into_iter().filter_map(|(name, port)| Some((name, port?.to_string())));
        variables.extend(ports);
        variables
    }
}

/// libca has no limit unless it is told so.
fn array_limit(auto: Option<String>, bytes: Option<String>) -> Option<u64> {
    if !auto.is_some_and(|auto| auto.trim().eq_ignore_ascii_case("no")) {
        return None;
    }
    let bytes = bytes.and_then(|bytes| bytes.trim().parse().ok()).unwrap_or(LEAST_ARRAY_BYTES);
    Some(bytes.max(LEAST_ARRAY_BYTES))
}

/// libca searches the networks of this machine unless it is told not to. A variable that is not
/// Unicode names nothing that could be searched.
fn searched(variable: impl Fn(&str) -> Option<String>) -> String {
    let variable = |name| variable(name).filter(|value| !value.trim().is_empty());
    let port = variable("EPICS_CA_SERVER_PORT").unwrap_or_else(|| SERVER_PORT.to_string());
    let port = port.trim();
    let list = variable("EPICS_CA_ADDR_LIST").unwrap_or_default();
    let hosts = list.split_whitespace();
    let mut places: Vec<String> = hosts
        .map(|host| if host.contains(':') { host.to_owned() } else { format!("{host}:{port}") })
        .collect();
    let auto = variable("EPICS_CA_AUTO_ADDR_LIST");
    if !auto.is_some_and(|auto| auto.trim().eq_ignore_ascii_case("no")) {
        places.push(format!("the networks of this machine, port {port}"));
    }
    if let Some(servers) = variable("EPICS_CA_NAME_SERVERS") {
        places.push(format!("the name servers {}", servers.trim()));
    }
    if places.is_empty() {
        return "no address at all: address_list of [ca] is empty".to_owned();
    }
    places.join(" and ")
}

fn yes_or_no(yes: bool) -> String {
    if yes { "YES" } else { "NO" }.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(config: &ChannelAccessConfig, expected: &[(&str, &str)]) {
        let variables = config.variables();
        let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, &**value)).collect();
        assert_eq!(variables, expected);
    }

    #[test]
    fn settings_become_variables() {
        let defaults = [("EPICS_CA_CONN_TMO", "5"), ("EPICS_CA_AUTO_ADDR_LIST", "YES")];
        check(&ChannelAccessConfig::default(), &defaults);
        let all = ChannelAccessConfig {
            address_list: vec!["127.0.0.1".into(), "10.0.0.1:5100".into()],
            auto_address_list: false,
            connection_timeout: Duration::from_millis(2_500),
            max_array_bytes: Some(1_000),
            server_port: Some(5_100),
            repeater_port: Some(5_101),
            ..Default::default()
        };
        let expected = [
            ("EPICS_CA_CONN_TMO", "2.5"),
            ("EPICS_CA_AUTO_ADDR_LIST", "NO"),
            ("EPICS_CA_ADDR_LIST", "127.0.0.1 10.0.0.1:5100"),
            ("EPICS_CA_MAX_ARRAY_BYTES", "1000"),
            ("EPICS_CA_AUTO_ARRAY_BYTES", "NO"),
            ("EPICS_CA_SERVER_PORT", "5100"),
            ("EPICS_CA_REPEATER_PORT", "5101"),
        ];
        check(&all, &expected);
    }

    #[test]
    fn the_limit_of_arrays_is_that_of_libca() {
        let check = |auto: Option<&str>, bytes: Option<&str>, expected| {
            let own = |text: Option<&str>| text.map(str::to_owned);
            assert_eq!(array_limit(own(auto), own(bytes)), expected);
        };
        check(None, Some("100000"), None);
        check(Some("YES"), Some("100000"), None);
        check(Some("NO"), Some("100000"), Some(100_000));
        check(Some("no"), None, Some(16_384));
        check(Some("NO"), Some("1"), Some(16_384));
    }

    #[test]
    fn where_servers_are_searched_for() {
        let check = |list: &str, auto: &str, port: &str, expected: &str| {
            let variable = |name: &str| {
                let value = match name {
                    "EPICS_CA_ADDR_LIST" => list,
                    "EPICS_CA_AUTO_ADDR_LIST" => auto,
                    "EPICS_CA_SERVER_PORT" => port,
                    _ => "",
                };
                Some(value.to_owned())
            };
            assert_eq!(searched(variable), expected);
        };
        check("127.0.0.1", "NO", "", "127.0.0.1:5064");
        check(" a  b:6000", "no", "5100", "a:5100 and b:6000");
        check("a", "YES", "", "a:5064 and the networks of this machine, port 5064");
        check("", "", "5100", "the networks of this machine, port 5100");
        check("", "no", "", "no address at all: address_list of [ca] is empty");
        let named = searched(|name| match name {
            "EPICS_CA_NAME_SERVERS" => Some("gate:5064".to_owned()),
            "EPICS_CA_AUTO_ADDR_LIST" => Some("NO".to_owned()),
            _ => None,
        });
        assert_eq!(named, "the name servers gate:5064");
    }

    /// The runner of tests has threads of its own.
    #[test]
    fn the_environment_of_many_threads_is_left_alone() {
        let refused = ChannelAccessConfig::default().export();
        assert!(matches!(refused, Err(EnvironmentError::Threads { threads: 2.. })), "{refused:?}");
    }
}

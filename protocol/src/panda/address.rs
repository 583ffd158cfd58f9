//! [`Address`]: where a PandA is.
use super::{CONTROL_PORT, DATA_PORT};
use std::{fmt, str::FromStr};

/// Where a PandA is: `HOST[:CTRL[:DATA]]`, an IPv6 address in brackets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    pub host: String,
    pub control_port: u16,
    pub data_port: u16,
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (host, ports) = match text.strip_prefix('[').map(|rest| rest.split_once(']')) {
            Some(Some((host, ports))) => (host, ports),
            Some(None) => return Err(format!("`{text}`: the bracket is not closed")),
            None => text.split_at(text.find(':').unwrap_or(text.len())),
        };
        if host.is_empty() {
            return Err(format!("`{text}` names no host"));
        }
        let mut after_colons = ports.split(':');
        if after_colons.next() != Some("") {
            return Err(format!("`{text}`: ports follow a colon"));
        }
        let mut port = |default| match after_colons.next() {
            None => Ok(default),
            Some(port) => {
                let number = port.parse().ok().filter(|port| *port > 0);
                number.ok_or_else(|| format!("`{text}`: a port is 1 to 65535, and not `{port}`"))
            }
        };
        let (control_port, data_port) = (port(CONTROL_PORT)?, port(DATA_PORT)?);
        if after_colons.next().is_some() {
            return Err(format!("`{text}` has more than two ports"));
        }
        Ok(Self { host: host.to_owned(), control_port, data_port })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, control_port, data_port } = self;
        if host.contains(':') {
            write!(f, "[{host}]:{control_port}:{data_port}")
        } else {
            write!(f, "{host}:{control_port}:{data_port}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_up_to_two_ports() {
        let check = |text: &str, expected: &str| {
            let shown =
                text.parse::<Address>().map_or_else(|error| error, |found| found.to_string());
            assert_eq!(shown, expected);
        };
        check("panda", "panda:8888:8889");
        check("panda:1", "panda:1:8889");
        check("10.0.0.1:1:2", "10.0.0.1:1:2");
        check("[::1]", "[::1]:8888:8889");
        check("[::1]:1:2", "[::1]:1:2");
        check("", "`` names no host");
        check(":1", "`:1` names no host");
        check("panda:", "`panda:`: a port is 1 to 65535, and not ``");
        check("panda:0", "`panda:0`: a port is 1 to 65535, and not `0`");
        check("panda:1:70000", "`panda:1:70000`: a port is 1 to 65535, and not `70000`");
        check("panda:1:2:3", "`panda:1:2:3` has more than two ports");
        check("[::1", "`[::1`: the bracket is not closed");
        check("[::1]1", "`[::1]1`: ports follow a colon");
    }
}

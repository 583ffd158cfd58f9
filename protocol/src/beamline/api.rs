//! `[api]`, checked: where the process listens, whom it answers, and how much of it.
use super::{
    ApiSpec, ApiTable, BeamlineError, TlsSpec,
    check::{at, count},
    quantity,
};
use std::net::SocketAddr;

/// A body that holds every specification of sensible size, and one that a client cannot be kept
/// from sending many of.
const BODY_BYTES: (u64, u64) = (1_024, 1 << 30);

impl ApiSpec {
    /// The address that `text` says: `127.0.0.1:8470`.
    pub fn address(text: &str) -> Result<SocketAddr, String> {
        let expected = "is no address: expected IP:PORT, such as \"127.0.0.1:8470\"";
        text.parse().map_err(|_| format!("{text:?} {expected}"))
    }

    /// The rule that `listen` breaks: beyond loopback, clients need a token.
    pub fn lacks_token(&self) -> Option<String> {
        let is_open = !self.listen.ip().is_loopback() && self.token_file.is_none();
        let listen = self.listen;
        is_open.then(|| format!("{listen} is not on loopback, so clients need a token"))
    }
}

pub(super) fn api(table: ApiTable) -> Result<ApiSpec, BeamlineError> {
    let listen = ApiSpec::address(&table.listen).map_err(at("api.listen"))?;
    let body = quantity::bytes(&table.max_body.0).map_err(at("api.max_body"))?;
    let body = count("api.max_body", body, BODY_BYTES.0..=BODY_BYTES.1)?;
    let api = ApiSpec {
        listen,
        token_file: file("api.token_file", table.token_file)?,
        tls: tls(table.tls_certificate, table.tls_key)?,
        allowed_hosts: hosts(table.allowed_hosts)?,
        max_body_bytes: body as usize,
        max_clients: count("api.max_clients", table.max_clients, 1..=10_000)?,
        max_requests_per_s: count("api.max_requests_per_s", table.max_requests_per_s, 1..=100_000)?,
        workers: count("api.workers", table.workers, 1..=64)?,
    };
    match api.lacks_token() {
        None => Ok(api),
        Some(rule) => Err(BeamlineError::new("api.token_file", format!("missing: {rule}"))),
    }
}

fn file(key: &str, path: Option<String>) -> Result<Option<String>, BeamlineError> {
    match path.as_deref() {
        Some("") => Err(BeamlineError::new(key, "\"\" is no file")),
        Some(_) | None => Ok(path),
    }
}

/// One without the other proves nothing.
fn tls(certificate: Option<String>, key: Option<String>) -> Result<Option<TlsSpec>, BeamlineError> {
    const CERTIFICATE: &str = "api.tls_certificate";
    const KEY: &str = "api.tls_key";
    let missing = |missing, given| {
        BeamlineError::new(missing, format!("missing: {given} is of no use without it"))
    };
    match (file(CERTIFICATE, certificate)?, file(KEY, key)?) {
        (Some(certificate), Some(key)) => Ok(Some(TlsSpec { certificate, key })),
        (None, None) => Ok(None),
        (Some(_), None) => Err(missing(KEY, CERTIFICATE)),
        (None, Some(_)) => Err(missing(CERTIFICATE, KEY)),
    }
}

fn hosts(names: Vec<String>) -> Result<Vec<String>, BeamlineError> {
    let is_fit = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
    let is_host = |name: &str| !name.is_empty() && name.len() <= 253 && name.chars().all(is_fit);
    match names.iter().position(|name| !is_host(name)) {
        None => Ok(names),
        Some(i) => Err(BeamlineError::new(
            format!("api.allowed_hosts[{i}]"),
            format!(
                "{:?} is no name of a host: expected lower-case letters, digits, hyphens and \
                 dots, such as \"i22-control.example.org\"",
                names[i]
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{
        ApiSpec, TlsSpec,
        tests::{changed, check, refused},
    };
    use serde_json::{Value, json};

    fn api(table: Value) -> ApiSpec {
        changed("api", table).expect("the table is right").api
    }

    #[test]
    fn what_is_not_said_has_a_default() {
        let expected = ApiSpec {
            listen: ([127, 0, 0, 1], 8_470).into(),
            token_file: None,
            tls: None,
            allowed_hosts: vec![],
            max_body_bytes: 4 << 20,
            max_clients: 512,
            max_requests_per_s: 20_000,
            workers: 2,
        };
        assert_eq!(api(json!({})), expected);
    }

    #[test]
    fn beyond_loopback_a_token_is_required() {
        refused(
            "api.listen",
            json!("localhost"),
            "\"localhost\" is no address: expected IP:PORT, such as \"127.0.0.1:8470\"",
        );
        check(
            "api.listen",
            json!("0.0.0.0:8470"),
            "api.token_file: missing: 0.0.0.0:8470 is not on loopback, so clients need a token",
        );
        refused("api.token_file", json!(""), "\"\" is no file");
        let beyond = api(json!({"listen": "0.0.0.0:8470", "token_file": "token.txt"}));
        assert_eq!(beyond.token_file.as_deref(), Some("token.txt"));
        assert_eq!(api(json!({"listen": "[::1]:0"})).lacks_token(), None);
    }

    #[test]
    fn a_certificate_has_a_key() {
        let both = api(json!({"tls_certificate": "cert.pem", "tls_key": "key.pem"}));
        let tls = TlsSpec { certificate: "cert.pem".into(), key: "key.pem".into() };
        assert_eq!(both.tls, Some(tls));
        check(
            "api.tls_certificate",
            json!("cert.pem"),
            "api.tls_key: missing: api.tls_certificate is of no use without it",
        );
        check(
            "api.tls_key",
            json!("key.pem"),
            "api.tls_certificate: missing: api.tls_key is of no use without it",
        );
        refused("api.tls_key", json!(""), "\"\" is no file");
    }

    #[test]
    fn limits_are_within_limits() {
        let range = "is out of range: must be";
        for bytes in [0_u64, 1_023, (1 << 30) + 1] {
            let error = format!("{bytes} {range} 1024 to 1073741824");
            refused("api.max_body", json!(format!("{bytes} B")), &error);
        }
        refused(
            "api.max_body",
            json!("4 MB"),
            "\"4 MB\" has the wrong unit: expected B, KiB, MiB or GiB",
        );
        refused("api.max_clients", json!(0), &format!("0 {range} 1 to 10000"));
        refused("api.max_requests_per_s", json!(0), &format!("0 {range} 1 to 100000"));
        refused("api.workers", json!(65), &format!("65 {range} 1 to 64"));
    }

    #[test]
    fn hosts_are_names() {
        let hosts = api(json!({"allowed_hosts": ["i22", "i22-control.example.org"]}));
        assert_eq!(hosts.allowed_hosts, ["i22", "i22-control.example.org"]);
        for name in ["", "I22", "i22:8470", "http://i22", "*"] {
            check(
                "api.allowed_hosts",
                json!(["i22", name]),
                &format!(
                    "api.allowed_hosts[1]: {name:?} is no name of a host: expected lower-case \
                     letters, digits, hyphens and dots, such as \"i22-control.example.org\""
                ),
            );
        }
    }
}

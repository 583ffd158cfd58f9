//! [`HttpConfig`]: who may ask, and how much.
use std::{fmt, sync::Arc, time::Duration};

/// How the server is set up.
#[derive(Clone, Default)]
pub struct HttpConfig {
    /// Who asks must know it, if there is one.
    pub token: Option<Token>,
    /// Names under which the server is reached, beside `localhost` and addresses. Without a token
    /// it answers to no other: a page from elsewhere could have its own name lead here.
    pub names: Vec<String>,
    pub limits: Limits,
    #[cfg(feature = "tls")]
    pub tls: Option<Arc<rustls::ServerConfig>>,
}

/// A secret; never shown.
#[derive(Clone)]
pub struct Token(Arc<str>);

/// How much is put up with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    pub workers: usize,
    /// Of all workers together.
    pub max_connections: usize,
    pub max_body_bytes: usize,
    /// How long the head of a request may take to arrive.
    pub head_timeout: Duration,
    /// How long the body of a request may take to arrive.
    pub body_timeout: Duration,
    /// How long a connection is kept without a request.
    pub keep_alive: Duration,
    /// How long a client may read nothing of what is sent, or leave pings unanswered.
    pub idle_timeout: Duration,
    /// How long requests that are under way may take when the server stops.
    pub stop_within: Duration,
    /// Requests from one address; none for as many as come.
    pub rate: Option<Rate>,
}

/// So many at once, and so many a second in the long run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    pub burst: u32,
    pub per_second: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            workers: 2,
            max_connections: 512,
            max_body_bytes: 4 << 20,
            head_timeout: Duration::from_secs(5),
            body_timeout: Duration::from_secs(20),
            keep_alive: Duration::from_secs(75),
            idle_timeout: Duration::from_secs(30),
            stop_within: Duration::from_secs(3),
            rate: Some(Rate { burst: 40_000, per_second: 20_000.0 }),
        }
    }
}

impl Limits {
    /// Connections of one address: half of all, so that nobody can take them from everybody else.
    pub(super) fn max_per_address(&self) -> usize {
        (self.max_connections / 2).max(1)
    }
}

impl Token {
    pub fn new(secret: &str) -> Self {
        Self(secret.into())
    }

    /// Whether `given` is it; how long that takes tells nothing but its length.
    pub(super) fn is(&self, given: &str) -> bool {
        use subtle::ConstantTimeEq as _;
        self.0.as_bytes().ct_eq(given.as_bytes()).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

impl fmt::Debug for HttpConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { token, names, limits, .. } = self;
        write!(f, "HttpConfig({token:?}, {names:?}, {limits:?})")
    }
}

//! [`Client`]: asks a running process over HTTP. Every request has a deadline, and every way in which
//! it can go wrong is a [`ClientError`].
mod error;
mod events;
#[cfg(feature = "tls")]
mod tls;

pub(crate) use error::ClientError;
pub(crate) use events::{Feed, News, Served};

use awc::{
    ClientResponse, Connector,
    error::{ConnectError, PayloadError, SendRequestError},
    http::{Method, Uri},
};
use bluefly_actors::clock::Clock;
use bluefly_protocol::api::ErrorBody;
use futures_util::StreamExt as _;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::{error::Error, io, path::PathBuf, time::Duration};

/// Where a server is, and what it takes to talk to it.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) token: Option<String>,
    /// Authorities that may vouch for an `https` server; those of the system if not given.
    #[cfg_attr(
        not(feature = "tls"),
        expect(dead_code, reason = "without TLS nobody has to vouch for a server")
    )]
    pub(crate) ca_file: Option<PathBuf>,
    /// The longest that an answer may take, beyond what the server was asked to wait.
    pub(crate) timeout: Duration,
}

/// Asks one server; every request on a connection of its own.
pub(crate) struct Client {
    http: awc::Client,
    server: Server,
    /// The URL without a slash at its end.
    base: String,
    clock: Clock,
}

/// One request.
pub(crate) struct Call {
    method: Method,
    /// From `/api/v1/` on, with its query.
    path: String,
    body: Option<Value>,
    /// How long the server was asked to wait.
    wait: Duration,
}

/// An answer of success, as text that is JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    request: String,
    text: String,
}

/// The largest answer that is taken at once, bytes.
const MAX_ANSWER: usize = 64 << 20;
/// Between two attempts to reach a server that was there.
const RETRY_AFTER: Duration = Duration::from_millis(500);
/// How much of an answer that makes no sense is shown.
const SHOWN: usize = 60;

impl Call {
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self { method: Method::GET, path: path.into(), body: None, wait: Duration::ZERO }
    }

    pub(crate) fn post(path: impl Into<String>, body: Value) -> Self {
        Self { method: Method::POST, body: Some(body), ..Self::get(path) }
    }

    pub(crate) fn delete(path: impl Into<String>) -> Self {
        Self { method: Method::DELETE, ..Self::get(path) }
    }

    /// The server may wait so long before it answers.
    pub(crate) fn waiting(self, wait: Duration) -> Self {
        let path = format!("{}?wait={}", self.path, wait.as_secs_f64());
        Self { path, wait, ..self }
    }

    /// Refused if another step than number `operation` was begun last. Follows [`Self::waiting`].
    pub(crate) fn after(self, operation: u64) -> Self {
        Self { path: format!("{}&operation={operation}", self.path), ..self }
    }

    /// Where the server stands, as soon as that is not `revision` any more, or after `wait`.
    pub(crate) fn status_after(revision: u64, wait: Duration) -> Self {
        let path = format!("status?since={revision}&timeout={}", wait.as_secs_f64());
        Self { wait, ..Self::get(path) }
    }

    /// What the request is called in errors.
    fn name(&self) -> String {
        format!("{} {}", self.method, self.path.split('?').next().unwrap_or_default())
    }
}

impl Answer {
    /// The JSON as the server sent it, in one line.
    pub(crate) fn text(&self) -> &str {
        self.text.trim()
    }

    pub(crate) fn parse<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        parse(&self.request, &self.text)
    }
}

/// A value from what answered `request`; an error names the key.
pub(super) fn parse<T: DeserializeOwned>(request: &str, text: &str) -> Result<T, ClientError> {
    let mut json = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut json);
    value.map_err(|error| ClientError::Foreign {
        request: request.to_owned(),
        cause: match error.path().to_string().as_str() {
            "." => error.inner().to_string(),
            path => format!("{path}: {}", error.inner()),
        },
    })
}

impl Client {
    /// A client of `server`, which is not asked anything yet.
    pub(crate) fn new(server: Server) -> Result<Self, ClientError> {
        let wrong = |rule: String| ClientError::Setting {
            argument: "--url",
            rule: format!("{:?} {rule}", server.url),
        };
        let uri: Uri = server.url.parse().map_err(|error| wrong(format!("is no URL: {error}")))?;
        let scheme = uri.scheme_str().unwrap_or_default();
        if !matches!(scheme, "http" | "https") || uri.host().is_none() {
            return Err(wrong("is no URL: expected one such as http://127.0.0.1:8470".to_owned()));
        }
        if uri.query().is_some() {
            return Err(wrong(
                "has a query: expected one such as http://127.0.0.1:8470".to_owned(),
            ));
        }
        let base = server.url.trim_end_matches('/').to_owned();
        let connector = Connector::new().timeout(server.timeout).handshake_timeout(server.timeout);
        #[cfg(feature = "tls")]
        let connector = match scheme {
            "https" => connector.rustls_0_23(tls::config(server.ca_file.as_deref())?),
            _ => connector,
        };
        #[cfg(not(feature = "tls"))]
        if scheme == "https" {
            return Err(wrong("needs TLS: this bluefly was built without it".to_owned()));
        }
        let builder = awc::Client::builder().connector(connector);
        let http = builder.disable_redirects().disable_timeout().finish();
        Ok(Self { http, server, base, clock: Clock::real() })
    }

    /// The URL of the server, as it was given.
    pub(crate) fn url(&self) -> &str {
        &self.server.url
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Asks, and waits for the whole answer.
    pub(crate) async fn ask(&self, call: Call) -> Result<Answer, ClientError> {
        let mut text = vec![];
        let request = call.name();
        self.stream(call, |chunk| {
            text.extend_from_slice(chunk);
            if text.len() > MAX_ANSWER {
                let cause = format!("it is larger than {MAX_ANSWER} bytes");
                return Err(ClientError::Foreign { request: request.clone(), cause });
            }
            Ok(())
        })
        .await?;
        let foreign = |cause: String| ClientError::Foreign { request: request.clone(), cause };
        let text = String::from_utf8(text).map_err(|error| foreign(error.to_string()))?;
        let checked = serde_json::from_str::<serde::de::IgnoredAny>(&text);
        checked.map_err(|error| foreign(format!("{} is no JSON: {error}", shown(&text))))?;
        Ok(Answer { request, text })
    }

    /// Asks again for some seconds if the way to the server breaks; only for what changes nothing.
    pub(crate) async fn ask_again(&self, call: impl Fn() -> Call) -> Result<Answer, ClientError> {
        let give_up = self.clock.now() + self.patience() + call().wait;
        loop {
            match self.ask(call()).await {
                Err(error) if error.may_pass() && self.clock.now() < give_up => {}
                answered => return answered,
            }
            self.clock.sleep(RETRY_AFTER).await;
        }
    }

    /// How long a server that was there may be away.
    fn patience(&self) -> Duration {
        self.server.timeout * 3
    }

    /// Asks and hands the answer over as it comes; each part has the whole time.
    pub(crate) async fn stream<E: From<ClientError>>(
        &self,
        call: Call,
        mut each: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let (name, after) = (call.name(), self.server.timeout + call.wait);
        let late = |_| ClientError::Timeout { request: name.clone(), after };
        let mut response = self.clock.timeout(after, self.send(call)).await.map_err(late)??;
        let promised = length(&response);
        let mut length = 0;
        while let Some(chunk) =
            self.clock.timeout(self.server.timeout, response.next()).await.map_err(late)?
        {
            let chunk = chunk.map_err(|error| cut(&name, &error))?;
            length += chunk.len() as u64;
            each(&chunk)?;
        }
        // The library takes the end of the connection for the end of the answer.
        if let Some(promised) = promised.filter(|promised| *promised != length) {
            let cause = format!("{length} of {promised} bytes came");
            return Err(ClientError::Cut { request: name, cause }.into());
        }
        Ok(())
    }

    /// The head of an answer of success; any other is an error, with what the server says.
    async fn send(&self, call: Call) -> Result<ClientResponse, ClientError> {
        let name = call.name();
        let url = format!("{}/api/v1/{}", self.base, call.path);
        let mut request = self.http.request(call.method, url).force_close();
        request = request.insert_header(("Accept", accepted(&call.path)));
        if let Some(token) = &self.server.token {
            request = request.bearer_auth(token);
        }
        let sent = match call.body {
            Some(body) => request.content_type("application/json").send_body(body.to_string()),
            None => request.send(),
        };
        let mut response = sent.await.map_err(|error| self.not_sent(&name, error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let body = response.body().await.map_err(|error| cut(&name, &error))?;
        let text = String::from_utf8_lossy(&body);
        Err(match serde_json::from_str::<ErrorBody>(&text) {
            Ok(body) => ClientError::Refused(body.error),
            Err(_) => {
                ClientError::Foreign { request: name, cause: format!("{status}, {}", shown(&text)) }
            }
        })
    }

    /// What became of a request without an answer.
    fn not_sent(&self, name: &str, error: SendRequestError) -> ClientError {
        let request = name.to_owned();
        match error {
            SendRequestError::Connect(ConnectError::Disconnected) => {
                let cause = "the connection was closed".to_owned();
                ClientError::Cut { request, cause }
            }
            SendRequestError::Connect(ConnectError::Timeout) => {
                let cause = format!("no connection within {:?}", self.server.timeout);
                ClientError::NoServer { cause }
            }
            SendRequestError::Connect(ConnectError::Io(error)) => {
                ClientError::NoServer { cause: error.to_string() }
            }
            SendRequestError::Connect(error) => ClientError::NoServer { cause: error.to_string() },
            SendRequestError::Response(error) => {
                let is_io = error.source().is_some_and(<dyn Error>::is::<io::Error>);
                let cause = error.to_string();
                if is_io {
                    return ClientError::Cut { request, cause };
                }
                ClientError::Foreign { request, cause }
            }
            error => ClientError::Cut { request, cause: error.to_string() },
        }
    }
}

/// What form of an answer is asked for: documents come one by one.
fn accepted(path: &str) -> &'static str {
    if path.ends_with("/documents") { "application/x-ndjson" } else { "application/json" }
}

/// How many bytes were promised, if that was said.
fn length(response: &ClientResponse) -> Option<u64> {
    response.headers().get("content-length")?.to_str().ok()?.parse().ok()
}

fn cut(request: &str, error: &PayloadError) -> ClientError {
    ClientError::Cut { request: request.to_owned(), cause: error.to_string() }
}

/// The beginning of a text, in one line.
fn shown(text: &str) -> String {
    let line: Vec<&str> = text.split_whitespace().collect();
    let line = line.join(" ");
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{:?}...", &line[..end]),
        None => format!("{line:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bluefly_actors::system::real_system;

    fn server(url: &str) -> Server {
        let timeout = Duration::from_secs(1);
        Server { url: url.to_owned(), token: None, ca_file: None, timeout }
    }

    #[test]
    fn a_url_names_scheme_and_host() {
        real_system().block_on(async {
            let check = |url: &str, expected: Result<&str, &str>| {
                let base = Client::new(server(url)).map(|client| client.base);
                let base = base.map_err(|error| error.to_string());
                assert_eq!(base.as_deref(), expected.map_err(str::to_owned).as_ref().copied());
            };
            check("http://127.0.0.1:8470", Ok("http://127.0.0.1:8470"));
            check("http://[::1]:8470/", Ok("http://[::1]:8470"));
            check("http://beamline/sim/", Ok("http://beamline/sim"));
            let rule = "is no URL: expected one such as http://127.0.0.1:8470";
            for url in ["127.0.0.1:8470", "ftp://beamline", "/status", "localhost"] {
                check(url, Err(&format!("{url:?} {rule}")));
            }
            check("http://", Err("\"http://\" is no URL: invalid format"));
            let rule = "has a query: expected one such as http://127.0.0.1:8470";
            check("http://b/?a=1", Err(&format!("\"http://b/?a=1\" {rule}")));
        });
    }

    #[test]
    fn what_makes_no_sense_is_shown_in_part() {
        assert_eq!(shown("<html>\n <body>"), "\"<html> <body>\"");
        assert_eq!(shown(&"é".repeat(61)), format!("\"{}\"...", "é".repeat(60)));
        assert_eq!(shown(""), "\"\"");
    }

    #[test]
    fn an_answer_of_another_form_names_the_key() {
        type Expected =
            std::collections::BTreeMap<String, Vec<std::collections::BTreeMap<String, bool>>>;
        let answer = Answer { request: "GET runs".into(), text: r#"{"a": [{"b": 1}]}"#.into() };
        let error = answer.parse::<Expected>().expect_err("b is no bool");
        let text = "the answer to GET runs cannot be read: a[0].b: invalid type: integer `1`, \
                    expected a boolean at line 1 column 14";
        assert_eq!(error.to_string(), text);
    }
}
